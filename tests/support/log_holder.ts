/**
 * A worker for tests: opens the log that it is given, appends to it, and holds it until it is ended.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { Wal } from "../../mod.ts";

const log = await Wal.open(workerData as string);
await log.appendAndSync(new Uint8Array([1]));
log.append(new Uint8Array([2]));
parentPort?.postMessage("holds");
setInterval(() => {}, 1000);
