/**
 * A thread that writes the snapshots of a machine: it gets orders, and answers each with what came of
 * it.
 *
 * @module
 */
import process from "node:process";
import { parentPort } from "node:worker_threads";
import { type SnapshotOrder, StateMachine } from "../../src/machine/machine.ts";
import { counting } from "./counting.ts";

parentPort?.on("message", async (order: SnapshotOrder & { fails?: "throws" | "dies" }) => {
  const { fails, ...wanted } = order;
  if (fails === "dies") process.exit(3);
  try {
    if (fails === "throws") throw new RangeError("The thread has no time");
    parentPort?.postMessage({ done: await StateMachine.writeSnapshot(wanted, counting) });
  } catch (error) {
    parentPort?.postMessage({ failed: String(error) });
  }
});
