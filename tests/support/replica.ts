/**
 * Follows a machine that adds numbers up until it has so many events, and prints the sum.
 *
 * ```sh
 * node tests/support/replica.ts PATH INDEX
 * ```
 *
 * @module
 */
import process from "node:process";
import { StateMachine } from "../../src/machine/machine.ts";

const [, , path = "", index = "1"] = process.argv;
const replica = await StateMachine.replica(path, {
  initial: () => 0,
  apply: (sum: number, amount: number) => sum + amount,
});
await replica.reached(Number(index));
console.log(replica.state);
await replica.close();
