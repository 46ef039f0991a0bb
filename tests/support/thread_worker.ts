/**
 * A thread that appends to a log of another: as many entries as it is told, in one of several ways.
 *
 * @module
 */
import process from "node:process";
import { workerData } from "node:worker_threads";
import { connect, type ThreadPort } from "../../src/threads/threads.ts";
import { bytes } from "../../kit/logs.ts";

interface Task {
  readonly port: ThreadPort;
  readonly name: string;
  readonly count: number;
  readonly way: "durable" | "plain" | "batches" | "die" | "leave";
}

const { port, name, count, way } = workerData as Task;
const log = await connect(port);
const entry = (n: number): Uint8Array => bytes(`${name} ${n}`);
switch (way) {
  case "durable":
    for (let n = 0; n < count; n += 16) {
      const some = Array.from({ length: Math.min(16, count - n) }, (_, i) => entry(n + i));
      await Promise.all(some.map((data) => log.appendAndSync(data)));
    }
    break;
  case "plain":
    await Promise.all(Array.from({ length: count }, (_, n) => log.append(entry(n))));
    await log.sync();
    break;
  case "batches":
    for (let n = 0; n < count; n += 2) await log.appendBatchAndSync([entry(n), entry(n + 1)]);
    break;
  case "die":
    for (let n = 0; n < count; n++) void log.appendAndSync(entry(n)).catch(() => {});
    // What was called in this turn goes over at its end.
    await Promise.resolve();
    process.exit(0);
    break;
  case "leave":
    for (let n = 0; n < count; n++) void log.append(entry(n)).catch(() => {});
    break;
}
if (way !== "leave") await log.close();
