/**
 * Reads a log whose full files are mapped, and changes it under everything that it has read: a view
 * that had become stale would end the process. Prints what it found, as JSON.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { Wal, WalError } from "../../mod.ts";

const [path = "", segmentSize, memoryMap] = process.argv.slice(2);

const SETTING = {
  segmentSize: Number(segmentSize),
  memoryMap: memoryMap === "on" ? "on" : "reads",
} as const;

/** The bytes of an entry. */
function entry(index: number): Uint8Array {
  return new Uint8Array(150).fill(index % 251);
}

/** How many mappings of the log's files the process has; none where that cannot be looked at. */
function mapped(): number {
  if (process.platform !== "linux") return 0;
  return readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => line.includes(path))
    .length;
}

/** The code of the error that a call throws, if it throws any. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof WalError) return error.code;
    throw error;
  }
}

const log = await Wal.open(path, SETTING);
for (let i = 1; i <= 4000; i++) log.append(entry(i));

const held: [index: number, data: Uint8Array][] = [];
const hold = (index: number, data: Uint8Array): number => held.push([index, data]);
for (let i = 1; i <= 4000; i += 37) hold(i, log.getEntry(i));
for (const { index, data } of log.entries({ from: 500, to: 900 })) hold(index, data);
const loops = [1200, 2500, 3400].map((from) => log.entries({ from }));
for (const loop of loops) {
  const { value } = loop.next();
  if (value) hold(value.index, value.data);
}
await log.sync();
const follower = log.follow({ from: 1500 });
const followed = await follower.next();
if (!followed.done) hold(followed.value.index, followed.value.data);

const counts = [mapped()];
/** What is read of a view in the middle of a replay, of which the log is cut under it. */
const views: number[] = [];
let cut: Promise<void> | undefined;
const ended = codeOf(() =>
  log.replay(({ index, bytes, start, end }) => {
    if (index === 2600) cut = log.truncateFromIndex(2550);
    if (index < 2595) return;
    views.push(bytes.subarray(start, end).reduce((sum, byte) => sum + byte, 0));
  }, { from: 2100 })
);
await cut;
counts.push(mapped());
for (let i = 2550; i <= 3300; i++) log.append(entry(i));
for (let i = 1; i <= 3300; i += 29) hold(i, log.getEntry(i));
const rest = loops.map((loop) => codeOf(() => loop.next()));

await log.truncateBeforeIndex(1700);
counts.push(mapped());
for (let i = 1700; i <= 3300; i += 31) hold(i, log.getEntry(i));
const late = log.entries({ from: 1800 });
const { value } = late.next();
if (value) hold(value.index, value.data);
await log.reset(10_000);
counts.push(mapped());
const afterReset = codeOf(() => late.next());
for (let i = 10_000; i <= 11_000; i++) log.append(entry(i));
for (let i = 10_000; i <= 11_000; i += 23) hold(i, log.getEntry(i));

const inReplay: number[] = [];
let closing: Promise<void> | undefined;
const endedByClose = codeOf(() =>
  log.replay(({ bytes, start }) => {
    closing ??= log.close();
    inReplay.push(bytes[start] ?? -1);
  })
);
const { memoryMap: isSaid } = log.stats();
await closing;
counts.push(mapped());

const wrong = held.filter(([index, data]) =>
  data.length !== 150 || data.some((byte) => byte !== index % 251)
).map(([index]) => index);
console.log(JSON.stringify({
  memoryMap: isSaid,
  held: held.length,
  wrong,
  counts,
  views: views.length,
  codes: { ended, rest, afterReset, endedByClose },
}));
