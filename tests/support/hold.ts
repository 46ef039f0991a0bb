/**
 * A program for tests: opens the log that its argument names, says how that went, and holds it
 * until it is killed or its input ends.
 *
 * @module
 */
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";

try {
  const log = await Wal.open(process.argv[2] ?? "");
  console.log(JSON.stringify({ opened: true, lastIndex: log.lastIndex }));
} catch (error) {
  if (!(error instanceof WalError)) throw error;
  console.log(JSON.stringify({ opened: false, code: error.code, message: error.message }));
}
process.stdin.resume();
