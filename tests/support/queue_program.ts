/**
 * A program for tests: opens the queue that its argument names, prints what its consumer has to do and has
 * given up, acknowledges the first message, buries the second, enqueues its further arguments, and gives
 * space back.
 *
 * @module
 */
import process from "node:process";
import { json, Queue } from "../../src/queue/queue.ts";

const [path = "", ...messages] = process.argv.slice(2);
const queue = await Queue.open<string>(path, { codec: json() });
const consumer = queue.consumer("größer", { attempts: Infinity });
const jobs = consumer.reserve(Infinity);
for (const { value, attempt } of jobs) console.log(`${value} ${attempt}`);
for (const { value, reason } of consumer.dead()) console.log(`dead: ${value} ${reason}`);
await jobs[0]?.ack();
await jobs[1]?.bury("zu groß");
for (const message of messages) await queue.enqueue([message], { key: `key of ${message}` });
await queue.compact();
await queue.close();
