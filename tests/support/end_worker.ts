/**
 * A program for tests: lets a worker open the log that its argument names, ends the worker, and tells
 * what became of an open while it lived, and of one afterwards.
 *
 * @module
 */
import { once } from "node:events";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { Wal, WalError } from "../../mod.ts";

const path = process.argv[2] ?? "";

async function attempt(): Promise<string> {
  try {
    const log = await Wal.open(path);
    const { lastIndex } = log;
    await log.close();
    return `opened, ${lastIndex} entries`;
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    return error.code;
  }
}

const worker = new Worker(new URL("log_holder.ts", import.meta.url), { workerData: path });
await once(worker, "message");
const meanwhile = await attempt();
await worker.terminate();
console.log(JSON.stringify([meanwhile, await attempt()]));
// On Bun the worker's files are open still; nothing waits for them.
process.exit();
