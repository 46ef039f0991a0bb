/**
 * A program for tests that trace system calls: opens a log, appends and syncs a few times, and says
 * before each step what comes next by trying to open a file of that name.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";
import { bytes } from "../../kit/logs.ts";

const path = process.argv[2] ?? "";
const mark = (step: string): void => void existsSync(`/step-${step}`);

mark("open");
const log = await Wal.open(path);
mark("append");
for (let i = 0; i < 3; i++) log.append(bytes(`entry ${i}`));
mark("sync");
try {
  await log.sync();
  mark("again");
  log.append(bytes("another"));
  await log.sync();
} catch (error) {
  if (!(error instanceof WalError)) throw error;
  console.log(error.code);
}
mark("close");
await log.close();
mark("end");
