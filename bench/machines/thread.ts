/**
 * A thread that writes the snapshots of a machine.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { type SnapshotOrder, StateMachine } from "../../src/machine/machine.ts";
import { bookOf } from "./states.ts";

const definition = bookOf(Number(workerData));

parentPort?.on("message", async (order: SnapshotOrder) => {
  parentPort?.postMessage(await StateMachine.writeSnapshot(order, definition));
});
