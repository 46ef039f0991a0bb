/**
 * A program for tests: puts fakes in the place of the timers, which stand still, before or after the
 * log is loaded, as its second argument says; and uses the log of its first one.
 *
 * @module
 */
import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import process from "node:process";
import timers from "node:timers";
import promises from "node:timers/promises";

const [path = "", when, where] = process.argv.slice(2);

/** What a fake timer is: it has the members of a real one, and never goes off. */
function standStill(): unknown {
  const timer = {
    ref: () => timer,
    unref: () => timer,
    hasRef: () => true,
    refresh: () => timer,
    [Symbol.toPrimitive]: () => 1,
  };
  return timer;
}

const FAKES = {
  setTimeout: standStill,
  clearTimeout: () => {},
  setInterval: standStill,
  clearInterval: () => {},
  setImmediate: standStill,
  clearImmediate: () => {},
};

function fake(): void {
  const clock = { now: () => 0, timeOrigin: 0 };
  Object.defineProperty(globalThis, "performance", { value: clock, configurable: true });
  Object.assign(globalThis, FAKES, { queueMicrotask: () => {} });
  Date.now = () => 0;
  if (where === "modules too") {
    Object.assign(timers, FAKES);
    const never = (): Promise<void> => new Promise(() => {});
    Object.assign(promises, { setTimeout: never, setImmediate: never });
  }
}

if (when === "before") fake();
const { Wal } = await import("../../mod.ts");
if (when === "after") fake();

const log = await Wal.open(path);
const indexes = await Promise.all([1, 2, 3].map((n) => log.appendAndSync(new Uint8Array([n]))));
console.log(`appended ${indexes}`);

// The frame that an idle log writes. A call of the system waits here, as no timer goes off.
const size = log.byteLength;
while (log.byteLength === size) await stat(path);
console.log("told the file");

const reader = await Wal.open(path, { readOnly: true });
const seen: number[] = [];
for await (const { index } of reader.follow()) {
  seen.push(index);
  if (index === 3) log.append(new Uint8Array([4]));
  if (index === 3) await log.sync();
  if (index === 4) break;
}
console.log(`followed ${seen}`);
await reader.close();
await log.close();
console.log(`closed ${statSync(path).size > size}`);
