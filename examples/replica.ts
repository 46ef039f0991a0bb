/**
 * A replica in another process: it follows the log of event_sourcing.ts while that one writes, keeps
 * the balances in its own memory, and prints each change once it is durable.
 *
 * Usage: node examples/replica.ts LOG
 *
 * @module
 */
import process from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import { EventLog, json } from "@durable/wal/events";

interface Moved {
  type: "deposited" | "withdrawn";
  account: string;
  cents: number;
}

const path = process.argv[2] ?? "bank.wal";

/** Opens the log to read, once its writer has made it. It takes no lock. */
async function open(): Promise<EventLog<Moved>> {
  for (;;) {
    try {
      return await EventLog.open<Moved>(path, { codec: json(), readOnly: true });
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_WAL_NOT_FOUND") throw error;
      await wait(50);
    }
  }
}

const bank = await open();
// To close the log ends the loop.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void bank.close());

const balances = new Map<string, number>();
// Both events of a transfer come in one array, so no balance is ever that of half of one.
for await (const events of bank.follow({ batches: true })) {
  for (const { value: { type, account, cents } } of events) {
    const change = type === "deposited" ? cents : -cents;
    balances.set(account, (balances.get(account) ?? 0) + change);
  }
  const shown = Array.from(balances, ([account, cents]) => `${account} has ${cents} cents`);
  console.log(`${events.at(-1)?.index}: ${shown.join(", ")}`);
}
