/**
 * Does one thing to a log with mapped files that a view of one must not outlive. A stale view would
 * end the process. Prints what it found, as JSON.
 *
 * Arguments: the thing, the log's path.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { Wal, WalError, type WalOptions } from "../../mod.ts";

const [thing = "", path = ""] = process.argv.slice(2);

const ON = { segmentSize: 128 * 1024, memoryMap: "on" } as const;

/** What it found that should not be. */
const wrong: string[] = [];
/** The codes of the errors that the calls threw, in order; null where there was none. */
const codes: (string | null)[] = [];
let memoryMap = "";

const THINGS: Readonly<Record<string, () => Promise<void>>> = {
  roll,
  close,
  dispose,
  refuse,
  "read beside": readBeside,
  abandon,
};

await THINGS[thing]?.();
console.log(JSON.stringify({ memoryMap, wrong, codes, mapped: mapped() }));

/** The bytes of the entry at an index. */
function entry(index: number): Uint8Array {
  return new Uint8Array(120 + index % 60).fill(index % 251);
}

/** An open log with entries up to an index. */
async function filled(to: number, options: WalOptions, at: string = path): Promise<Wal> {
  const log = await Wal.open(at, options);
  ({ memoryMap } = log.stats());
  fill(log, to);
  return log;
}

function fill(log: Wal, to: number): void {
  while (log.lastIndex < to) log.append(entry(log.lastIndex + 1));
}

function check(index: number, data: Uint8Array): void {
  const wanted = entry(index);
  const isSame = data.length === wanted.length && data.every((byte, i) => byte === wanted[i]);
  if (!isSame) wrong.push(`entry ${index}`);
}

/** Reads some entries of all segments, so that each is mapped. */
function readSome(log: Wal): void {
  for (let i = log.firstIndex; i <= log.lastIndex; i += 41) check(i, log.getEntry(i));
}

/** Notes the code of the error that a call throws. */
async function note(call: () => unknown): Promise<void> {
  try {
    await call();
    codes.push(null);
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    codes.push(error.code);
  }
}

/** How many mappings of files at a path the process has; none where that cannot be looked at. */
function mapped(at: string = path): number {
  if (process.platform !== "linux") return 0;
  const lines = readFileSync("/proc/self/maps", "utf8").split("\n");
  return lines.filter((line) => line.includes(at)).length;
}

/** Stores go over the end of one file after the other, under loops that read them. */
async function roll(): Promise<void> {
  const log = await filled(100, ON);
  const loop = log.entries();
  const views: number[] = [];
  for (let to = 200; to <= 6000; to += 100) {
    fill(log, to);
    for (let i = 0; i < 90; i++) {
      const { value } = loop.next();
      if (value) check(value.index, value.data);
    }
    readSome(log);
    log.replay(({ index, bytes, start }) => {
      if (index === to) fill(log, to + 50);
      views.push(bytes[start] ?? -1);
      if (bytes[start] !== index % 251) wrong.push(`view ${index}`);
    }, { from: to - 80 });
  }
  if (log.stats().segments < 6) wrong.push(`${log.stats().segments} segments`);
  if (mapped() > log.stats().segments + 1) wrong.push(`${mapped()} mappings`);
  await log.close();
}

/** All that reads is called on a log while it is closed, and after. */
async function close(): Promise<void> {
  const log = await filled(3000, ON);
  readSome(log);
  const loop = log.entries({ from: 500 });
  loop.next();
  const follower = log.follow({ from: 700 });
  await follower.next();
  const closing = log.close();
  const calls = [
    (): unknown => log.getEntry(1),
    (): unknown => log.getEntry(3000),
    (): unknown => loop.next(),
    (): unknown => log.readAll(),
    (): unknown => log.replay(() => {}),
    (): unknown => log.append(entry(3001)),
    async (): Promise<void> => {
      await follower.next();
      await follower.next();
    },
  ];
  for (const call of calls.slice(0, 2)) await note(call);
  await closing;
  for (const call of calls) await note(call);
}

/** The same after the end of the block that has the log. */
async function dispose(): Promise<void> {
  const log = await filled(3000, ON);
  readSome(log);
  const loop = log.entries({ from: 500 });
  loop.next();
  await log[Symbol.asyncDispose]();
  await note(() => log.getEntry(1));
  await note(() => log.getEntry(3000));
  await note(() => loop.next());
}

/** A full file is mapped and then found to be damaged; others are read meanwhile, and opens fail. */
async function refuse(): Promise<void> {
  const first = await filled(3000, ON);
  const { segments } = first.stats();
  await first.close();
  const [, second = "", third = ""] = files();
  damage(second);
  const log = await Wal.open(path, ON);
  const inSecond = Number(second.split(".").at(-1));
  const inThird = Number(third.split(".").at(-1));
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i < inSecond; i += 29) check(i, log.getEntry(i));
    await note(() => log.getEntry(inSecond + 1));
    for (let i = inThird; i <= 3000; i += 29) check(i, log.getEntry(i));
    await note(() => Wal.open(path, ON));
  }
  if (mapped() > segments - 1) wrong.push(`${mapped()} mappings`);
  await log.close();
  damage(files().at(-1) ?? "", 600);
  await note(() => Wal.open(path, ON));
  await note(() => log.getEntry(1));
}

/** The log's files, the oldest first. */
function files(): string[] {
  const folder = dirname(path);
  const name = basename(path);
  return readdirSync(folder).filter((it) => it === name || /^\d+$/.test(it.slice(name.length + 1)))
    .toSorted().map((it) => join(folder, it));
}

/** Overwrites a file with zeros after its first entries: by default, up to its end. */
function damage(file: string, to?: number): void {
  const from = 400;
  const descriptor = openSync(file, "r+");
  const size = (to ?? fstatSync(descriptor).size) - from;
  writeSync(descriptor, new Uint8Array(size), 0, size, from);
  closeSync(descriptor);
}

/** Reads without pause, in a handle that only reads, while the writer's process cuts and appends. */
async function readBeside(): Promise<void> {
  const reader = await Wal.open(path, { ...ON, readOnly: true });
  ({ memoryMap } = reader.stats());
  console.error("reads");
  const until = Date.now() + 1500;
  while (Date.now() < until) {
    for (let i = reader.firstIndex; i <= reader.lastIndex; i += 7) {
      const data = dataOf(() => reader.getEntry(i));
      if (data !== undefined) check(i, data);
    }
    for (const { index, data } of dataOf(() => [...reader.entries()]) ?? []) check(index, data);
    if (mapped() > 0) wrong.push(`${mapped()} mappings`);
    await reader.refresh();
  }
  await reader.close();
}

/** What a call returns, unless the writer has dropped or replaced what it reads. */
function dataOf<Data>(call: () => Data): Data | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof WalError) return undefined;
    throw error;
  }
}

/** Logs that nothing refers to any more are collected, and their memory with them. */
async function abandon(): Promise<void> {
  let made = 0;
  for (let i = 0; i < 5; i++) {
    readSome(await filled(3000, ON, `${path}-${i}`));
    made = mapped();
  }
  if (memoryMap === "on" && made < 10) wrong.push(`${made} mappings`);
  for (let i = 0; i < 500 && mapped() > 0; i++) {
    let garbage: Uint8Array[] = [];
    for (let k = 0; k < 100; k++) garbage.push(new Uint8Array(100_000));
    garbage = [];
    await new Promise((next) => setTimeout(next, 1));
  }
}
