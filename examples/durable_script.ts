/**
 * A durable script on Deno: its named steps are remembered in a durable map, so that a run that was
 * killed can be started again, and resumes after the last step that it finished.
 *
 * Usage: deno run --allow-read --allow-write examples/durable_script.ts [LOG]
 *
 * @module
 */
import process from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import { DurableMap } from "@durable/wal/map";

await using results = await DurableMap.open<string, unknown>(process.argv[2] ?? "order.wal");

/**
 * Does the work of a step unless a run before has; returns the result, which must be JSON, of
 * whichever run did it. A step is finished once its result is durable: one that is killed just
 * before that is done again, so outside effects need a key by which the other side knows them.
 */
async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (results.has(name)) {
    console.log(`${name}: remembered`);
    return results.get(name) as T;
  }
  console.log(`${name}: begun`);
  const result = await work();
  await results.set(name, result);
  console.log(`${name}: done`);
  return result;
}

// A stand-in for an order at a shop. Each step takes a second, in which it can be killed.
const order = await step("number the order", async () => {
  await wait(1000);
  return crypto.randomUUID();
});
const receipt = await step("charge the card", async () => {
  await wait(1000);
  return { order, amount: 42 };
});
const parcel = await step("send the parcel", async () => {
  await wait(1000);
  return `parcel of ${receipt.order}`;
});
console.log(`Sent the ${parcel} for ${receipt.amount}.`);
