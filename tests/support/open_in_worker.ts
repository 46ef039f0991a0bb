/**
 * A worker for tests: opens the log that it is given, and tells the message of the error.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { Wal } from "../../mod.ts";

try {
  const log = await Wal.open(workerData);
  await log.close();
  parentPort?.postMessage("opened");
} catch (error) {
  parentPort?.postMessage(error instanceof Error ? error.message : String(error));
}
