/**
 * One log for several threads: this one has it open, three workers append to it by message ports.
 * What they append at the same time shares a sync.
 *
 * Usage: node examples/shared_log.ts [LOG]
 *
 * @module
 */
import process from "node:process";
import { isMainThread, type MessagePort, Worker, workerData } from "node:worker_threads";
import { Wal } from "@durable/wal";
import { connect, serve } from "@durable/wal/threads";

const EVENTS = 1000;

interface Task {
  readonly name: string;
  readonly port: MessagePort;
}

if (isMainThread) {
  const log = await Wal.open(process.argv[2] ?? "shared.wal");
  const before = log.lastIndex;
  const names = ["ada", "bert", "cleo"];
  await Promise.all(names.map(async (name) => {
    const { port1, port2 } = new MessageChannel();
    const serving = serve(log, port1);
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { name, port: port2 },
      transferList: [port2 as unknown as MessagePort],
    });
    worker.once("error", (error) => console.error(error));
    await serving.closed;
  }));
  const count = log.lastIndex - before;
  console.log(`${count} entries of ${names.length} threads, durable by ${log.stats().syncs} syncs`);
  await log.close();
} else {
  const { name, port } = workerData as Task;
  await using log = await connect(port);
  const text = new TextEncoder();
  // Ten at a time, as a server would that answers ten requests.
  for (let n = 0; n < EVENTS; n += 10) {
    const events = Array.from({ length: 10 }, (_, i) => text.encode(`${name} ${n + i}`));
    await Promise.all(events.map((event) => log.appendAndSync(event)));
  }
}
