/**
 * Opens a machine and a map in a folder, prints what they hold, and changes both.
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

const [, , folder = ".", number = "0"] = process.argv;
const n = Number(number);

const machine = await StateMachine.open(join(folder, "machine.wal"), {
  initial: (): readonly number[] => [],
  apply: (numbers, next: number) => [...numbers, next],
});
const map = await DurableMap.open<string, string>(join(folder, "map.wal"));
console.log(JSON.stringify([machine.state, [...map], machine.recovery.skipped]));
await machine.dispatch(n, { key: `key ${n}` });
await machine.snapshot();
await machine.dispatch(-n);
await map.set(`größer ${n}`, "x".repeat(1000));
await map.snapshot();
await map.set("last", number);
await machine.close();
await map.close();
