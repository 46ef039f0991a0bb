/**
 * A program for tests: opens the log that its argument names with one free descriptor, then two, and so
 * on until it opens, and tells what became of each open.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";

const path = process.argv[2] ?? "";
// What a runtime loads at its first use would fail too.
await (await Wal.open(`${path}-before`)).close();
const taken: number[] = [];
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch {
  // That was the last.
}
const said: string[] = [];
for (let free = 1; free < 40 && !said.includes("kernel"); free++) {
  for (const descriptor of taken.splice(0, 1)) closeSync(descriptor);
  try {
    const log = await Wal.open(path);
    said.push(String(log.stats().lock));
    await log.close();
  } catch (error) {
    said.push(error instanceof WalError ? error.code : String(error));
  }
}
for (const descriptor of taken) closeSync(descriptor);
console.log(JSON.stringify(said));
