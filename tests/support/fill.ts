/**
 * A program for tests: appends entries of seven bytes until the system refuses one, and says after
 * how many, and how large the log is then.
 *
 * @module
 */
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";
import { bytes } from "../../kit/logs.ts";

const log = await Wal.open(process.argv[2] ?? "");
try {
  for (;;) log.append(bytes("entry 1"));
} catch (error) {
  if (!(error instanceof WalError)) throw error;
  console.log(`${error.code} after ${log.lastIndex}, ${log.byteLength} bytes`);
}
await log.close();
