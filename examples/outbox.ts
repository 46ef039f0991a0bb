/**
 * A shop whose orders each cause a mail. An order and its mail are written as one, and the mail gets into
 * the queue once, through any crash. "Sending" appends a line to a file here, with the number that the
 * mail has in the queue. Killed and started again, it continues with the next order.
 *
 * Usage: node examples/outbox.ts [FOLDER] [ORDERS]
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { StateMachine } from "@durable/wal/machine";
import { json, Queue } from "@durable/wal/queue";

interface Order {
  readonly number: number;
  readonly item: string;
}

interface Mail {
  readonly order: number;
  readonly text: string;
}

const [, , folder = "shop", orders = "50"] = process.argv;

// The queue is opened before the machine, and closed after it.
const mail = await Queue.open<Mail>(join(folder, "mail.wal"), { codec: json() });
const shop = await StateMachine.open(join(folder, "shop.wal"), {
  initial: () => 0,
  apply(count: number, { number }: Order): number {
    if (number !== count + 1) throw new RangeError(`Order ${count + 1} is the next`);
    return number;
  },
  snapshot: { everyBytes: 4096 },
  queues: { mail },
});
console.log(`Opened with ${shop.state} orders, ${shop.outbox.pending} still to be handed over`);

const sender = mail.consumer("sender", { concurrency: 4 });
const sending = sender.run(async (job) => {
  await sleep(5);
  appendFileSync(join(folder, "sent.txt"), `${job.value.order} ${job.index}\n`);
});

while (shop.state < Number(orders)) {
  const number = shop.state + 1;
  const text = `Thank you for order ${number}`;
  await shop.dispatch({ number, item: "tea" }, {
    key: `order-${number}`,
    enqueue: { mail: [{ order: number, text }] },
  });
  console.log(`Order ${number}`);
}

await shop.close(); // when the mails are in the queue
while (sender.lag > 0) await sleep(10);
await mail.close();
await sending;
console.log("All mails are sent");
