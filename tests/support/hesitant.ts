/**
 * A program for tests, to be run on Node: writes and reads a log while every read and write of a file
 * is interrupted first, and then takes a few bytes only.
 *
 * @module
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import process from "node:process";
import { Wal } from "../../mod.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { bytes, text } from "../../kit/logs.ts";

/** The most bytes that a call takes. */
const FEW = 7;

type Call = (file: number, data: Uint8Array, from: number, length: number, at: number) => number;

function hesitant(call: Call): Call {
  let calls = 0;
  return (file, data, from, length, at) => {
    if (++calls % 2 === 1) throw Object.assign(new Error("interrupted"), { code: "EINTR" });
    return call(file, data, from, Math.min(FEW, length), at);
  };
}

// Loaded before: Node reads modules by the same calls.
const fileSystem = await defaultFileSystem();

Object.assign(fs, {
  readSync: hesitant(fs.readSync as Call),
  writeSync: hesitant(fs.writeSync as Call),
});
syncBuiltinESMExports();

const path = process.argv[2] ?? "";
for (let round = 0; round < 2; round++) {
  const log = await Wal.open(path, { fileSystem });
  log.append(bytes(`entry of round ${round}`));
  await log.appendAndSync(bytes("another one"));
  await log.close();
}
const log = await Wal.open(path, { fileSystem });
process.stdout.write(JSON.stringify([log.recovery.case, ...log.readAll().map(text)]));
await log.close();
