/**
 * A program for tests: writes and reads the log that its first argument names, or only reads it, and
 * tells how that went, and whether a failure leaves a file open.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { FileSystemError, Wal, WalError } from "../../mod.ts";
import { bytes, text } from "../../kit/logs.ts";

const [path = "", how = ""] = process.argv.slice(2);

async function write(): Promise<void> {
  const log = await Wal.open(path, { segmentSize: 256 });
  while (log.lastIndex < 9) await log.appendAndSync(bytes(`entry ${log.lastIndex + 1}`));
  await log.setState(bytes("state"));
  await log.truncateFromIndex(9);
  await log.close();
}

async function read(): Promise<string | undefined> {
  const log = await Wal.open(path, { readOnly: true });
  let last: string | undefined;
  for await (const { index, data } of log.follow()) {
    last = text(data);
    if (index === 8) break;
  }
  await log.close();
  return last;
}

/** How many files are open, as far as Linux tells; Deno would have to be given a right for that. */
function openFiles(): number {
  const folder = "/proc/self/fd";
  return !("Deno" in globalThis) && existsSync(folder) ? readdirSync(folder).length : 0;
}

for (let round = 0; round < 2; round++) {
  const before = openFiles();
  try {
    if (how !== "read") await write();
    console.log(`read ${await read()}`);
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    const cause = error.cause instanceof FileSystemError ? ` by ${error.cause.code}` : "";
    console.log(`${error.code}${cause}: ${error.message}`);
    const after = openFiles();
    if (after !== before) console.log(`${after} open files, which were ${before}`);
  }
}
