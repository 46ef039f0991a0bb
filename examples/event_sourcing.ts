/**
 * Event sourcing on Node: a bank whose events are checked by zod, kept in a log, and folded into the
 * balances when it starts. A command decides by the balances, and appends only if no other event came
 * in between.
 *
 * Usage: node examples/event_sourcing.ts LOG deposit ACCOUNT CENTS
 *        node examples/event_sourcing.ts LOG withdraw ACCOUNT CENTS
 *        node examples/event_sourcing.ts LOG transfer FROM TO CENTS
 *        node examples/event_sourcing.ts LOG show
 *
 * @module
 */
import process from "node:process";
import { EventLog, json } from "@durable/wal/events";
import { z } from "zod";

const Moved = z.object({
  type: z.enum(["deposited", "withdrawn"]),
  account: z.string().min(1),
  cents: z.int().positive(),
});
type Moved = z.infer<typeof Moved>;

const [path = "bank.wal", command = "show", ...args] = process.argv.slice(2);
await using bank = await EventLog.open<Moved>(path, { codec: json(), schema: Moved });

const balances = new Map<string, number>();

/** What an event means: the one place that changes the balances. */
function apply({ type, account, cents }: Moved): void {
  const change = type === "deposited" ? cents : -cents;
  balances.set(account, (balances.get(account) ?? 0) + change);
}

for (const { value } of bank.entries()) apply(value);

/** Appends what a command has decided as one atom: durable, and only if nothing came in between. */
async function commit(events: readonly Moved[]): Promise<void> {
  await bank.appendAll(events, { expect: bank.lastIndex });
  for (const event of events) apply(event);
}

/** Decides a withdrawal by the balances. */
function withdraw(account: string, cents: number): Moved {
  const balance = balances.get(account) ?? 0;
  if (balance < cents) throw new Error(`${account} has ${balance} cents only`);
  return { type: "withdrawn", account, cents };
}

/** Decides what the command asks for. */
function decide(): Moved[] {
  const cents = Number(args.at(-1));
  const [from = "", to = ""] = args;
  if (command === "deposit") return [{ type: "deposited", account: from, cents }];
  if (command === "withdraw") return [withdraw(from, cents)];
  if (command !== "transfer") throw new Error(`Unknown command ${command}`);
  return [withdraw(from, cents), { type: "deposited", account: to, cents }];
}

try {
  if (command !== "show") await commit(decide());
  for (const [account, cents] of balances) console.log(`${account}: ${cents} cents`);
} catch (error) {
  console.error(`Refused: ${(error as Error).message}`);
  process.exitCode = 1;
}
