/**
 * A bank: its accounts are what the transfers have made of them. A transfer is refused before it is
 * written, its two sides are one atom, and one that is repeated with its key is made once.
 *
 * Usage: node examples/bank.ts [LOG]
 *
 * @module
 */
import process from "node:process";
import { StateMachine } from "@durable/wal/machine";

/** The balance of each account, in cents. */
type Accounts = Readonly<Record<string, number>>;

/** Money that comes into an account, or leaves it. */
interface Moved {
  readonly account: string;
  readonly amount: number;
}

await using bank = await StateMachine.open(process.argv[2] ?? "bank.wal", {
  initial: (): Accounts => ({ alice: 100, bob: 0 }),
  apply(accounts: Accounts, { account, amount }: Moved): Accounts {
    const balance = (accounts[account] ?? 0) + amount;
    if (balance < 0) throw new RangeError(`${account} has not that much`);
    return { ...accounts, [account]: balance };
  },
});
const { snapshotIndex, replayed } = bank.recovery;
console.log(`Opened with snapshot ${snapshotIndex} and ${replayed} events:`, show(bank.state));

/** Moves money between two accounts, or does nothing. */
async function transfer(from: string, to: string, amount: number, key?: string): Promise<void> {
  const sides = [{ account: from, amount: -amount }, { account: to, amount }];
  try {
    const { firstIndex, lastIndex } = await bank.transact(() => sides, key ? { key } : {});
    console.log(`${from} to ${to}, ${amount}: events ${firstIndex} and ${lastIndex}`);
  } catch (error) {
    console.log(`${from} to ${to}, ${amount}: ${(error as Error).cause}`);
  }
}

function show(accounts: Accounts): string {
  return Object.entries(accounts).map(([name, balance]) => `${name} ${balance}`).join(", ");
}

await transfer("alice", "bob", 30);
await transfer("alice", "bob", 5, "order-17");
await transfer("alice", "bob", 5, "order-17"); // a retry: it is made once, also in the next run
await transfer("bob", "carol", 1000);
await bank.snapshot();
console.log("Now:", show(bank.state));
