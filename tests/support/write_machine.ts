/**
 * Opens a machine with a queue and a map in a folder, prints what they hold, and changes all.
 *
 * ```sh
 * node tests/support/write_machine.ts FOLDER NUMBER
 * ```
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { DurableMap } from "../../src/map/map.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import { Queue, text } from "../../src/queue/queue.ts";

const [, , folder = ".", number = "0"] = process.argv;
const n = Number(number);

const queue = await Queue.open(join(folder, "queue.wal"), { codec: text() });
const machine = await StateMachine.open(join(folder, "machine.wal"), {
  initial: (): readonly number[] => [],
  apply: (numbers, next: number) => [...numbers, next],
  queues: { queue },
});
const map = await DurableMap.open<string, string>(join(folder, "map.wal"));
await machine.outbox.drain();
const messages = queue.consumer("reader").reserve(Infinity).map(({ value }) => value);
console.log(JSON.stringify([machine.state, [...map], machine.recovery.skipped, messages]));
await machine.dispatch(n, { key: `key ${n}`, enqueue: { queue: [`größer ${n}`] } });
await machine.snapshot();
// The queue is closed first, so this message waits for the next runtime.
const last = machine.dispatch(-n, { enqueue: { queue: [`${-n}`] } });
await queue.close();
await last;
await machine.snapshot();
await map.set(`größer ${n}`, "x".repeat(1000));
await map.snapshot();
await map.set("last", number);
await machine.close();
await map.close();
