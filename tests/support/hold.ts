/**
 * A program for tests: opens the log that its first argument names, with the options in JSON that its
 * second gives, says how that went, and holds it until it is killed or its input ends.
 *
 * @module
 */
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";

const [, , path = "", options = "{}"] = process.argv;
try {
  const log = await Wal.open(path, JSON.parse(options));
  const { lock } = log.stats();
  console.log(JSON.stringify({ opened: true, lastIndex: log.lastIndex, lock }));
} catch (error) {
  if (!(error instanceof WalError)) throw error;
  console.log(JSON.stringify({ opened: false, code: error.code, message: error.message }));
}
process.stdin.resume();
