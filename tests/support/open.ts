/**
 * A program for tests: opens the log that its argument names and tells how that went.
 *
 * @module
 */
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";

try {
  const log = await Wal.open(process.argv[2] ?? "");
  await log.close();
  console.log("opened");
} catch (error) {
  if (!(error instanceof WalError)) throw error;
  console.log(error.code, error.message);
}
