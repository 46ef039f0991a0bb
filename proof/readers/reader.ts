/**
 * Reads a log that another process writes, in every way that there is, and writes down what it sees.
 *
 * Arguments: the pair's folder, and the seed.
 *
 * @module
 */
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Wal, WalError } from "../../mod.ts";
import { random } from "../../kit/logs.ts";
import { type Asked, FILES, indexOf, type SeenLine, serialOf, type Thrown } from "./lines.ts";

/** How long a follower may take to see the last entry. */
const MAX_LATE_MS = 10_000;

const [folder = "", seedText] = process.argv.slice(2);
const draw = random(Number(seedText) ^ 0x5eed);
const path = join(folder, FILES.log);
const seen = openSync(join(folder, FILES.seen), "w");
let followers = 0;
/** The serial number of the writer's last entry, once it is there. */
let last: number | undefined;

const looking = setInterval(() => {
  const file = join(folder, FILES.last);
  if (existsSync(file)) last = JSON.parse(readFileSync(file, "utf8"))[1] as number;
}, 50);

await Promise.all([
  keepHandles("view"),
  keepHandles("view"),
  reopen(),
  follow("durable", true, Infinity),
  follow("follow", false, Infinity),
  follow("start and stop", true, 60),
  follow("start and stop", false, 60),
]);
clearInterval(looking);

function between(from: number, to: number): number {
  return from + Math.floor(draw() * (to - from + 1));
}

/** Handles that stay open for a while, as the writer continues. */
async function keepHandles(by: string): Promise<void> {
  while (last === undefined) {
    const opened = Date.now();
    const log = await open(by, opened);
    if (log === undefined) continue;
    const end = opened + draw() ** 2 * 3000;
    while (Date.now() < end && last === undefined) {
      read(by, log, opened);
      await sleep(draw() ** 2 * 60);
    }
    await log.close();
  }
}

/** Handles that are read once. */
async function reopen(): Promise<void> {
  while (last === undefined) {
    const opened = Date.now();
    const log = await open("open", opened);
    if (log !== undefined) {
      read("open", log, opened);
      await log.close();
    }
    await sleep(draw() * 20);
  }
}

async function open(by: string, opened: number): Promise<Wal | undefined> {
  try {
    return await Wal.open(path, { readOnly: true });
  } catch (error) {
    const asked = { opened, from: opened, to: Date.now() };
    tell({ see: "error", by, asked, error: thrown(error) });
    await sleep(10);
    return undefined;
  }
}

/** Reads something in one of the ways. */
function read(by: string, log: Wal, opened: number): void {
  const { firstIndex, lastIndex } = log;
  if (lastIndex < firstIndex) return;
  const choice = draw();
  const isAll = choice > 0.85;
  const near = between(Math.max(firstIndex, lastIndex - 20), lastIndex);
  let first = isAll || draw() < 0.3 ? firstIndex : near;
  const to = draw() < 0.5 ? lastIndex : Math.min(lastIndex, first + between(0, 20));
  const from = Date.now();
  const serials: (number | null)[] = [];
  const note = (data: Uint8Array): void => {
    serials.push(serialOf(data, first + serials.length) ?? null);
  };
  const isOne = choice < 0.5;
  const end = isOne ? first : to;
  let error: Thrown | undefined;
  try {
    if (isOne) note(log.getEntry(first));
    else if (choice < 0.7) { for (const { data } of log.entries({ from: first, to })) note(data); }
    else if (!isAll) log.replay(({ data }) => note(data), { from: first, to });
    else {
      const all = log.readAll();
      // Each call may see the log as it is by then.
      first = all[0] === undefined ? first : indexOf(all[0]);
      all.forEach(note);
    }
  } catch (caught) {
    error = thrown(caught);
  }
  const asked: Asked = { opened, from, to: Date.now() };
  // Of what a call has shown before it threw, nothing is missing; of all, there is as much as there is.
  const shown = error === undefined && !isAll ? end : first + serials.length - 1;
  tell({ see: "entries", by, asked, first, last: shown, serials });
  if (error !== undefined) {
    tell({ see: "error", by, asked, index: first + serials.length, error });
  }
}

/** Follows the log, again and again; each for so many entries at the most. */
async function follow(by: string, durable: boolean, most: number): Promise<void> {
  while (last === undefined) {
    const opened = Date.now();
    const log = await open(by, opened);
    if (log === undefined) continue;
    const place: Place = { next: undefined, serial: undefined };
    do {
      // On the same handle, from where the last one has stopped.
      const count = most === Infinity ? most : between(1, most);
      const isOver = await followOnce(log, opened, by, durable, place, count);
      if (isOver) break;
    } while (last === undefined && draw() < 0.7);
    await log.close();
  }
}

/** How far the followers of a handle have come: the next index, and the last serial number. */
interface Place {
  next: number | undefined;
  serial: number | undefined;
}

/** Whether it has failed, or has seen the last entry. */
async function followOnce(
  log: Wal,
  opened: number,
  by: string,
  durable: boolean,
  place: Place,
  most: number,
): Promise<boolean> {
  const id = ++followers;
  const end = new AbortController();
  let lateAt: number | undefined;
  const late = setInterval(() => {
    if (last === undefined) return;
    lateAt ??= Date.now() + MAX_LATE_MS;
    // It may have had the last entry before that was known to be the last.
    if (place.serial === last || Date.now() > lateAt) end.abort();
  }, 100);
  let count = 0;
  tell({ see: "follow", id, by, opened, at: Date.now() });
  try {
    const from = place.next === undefined ? {} : { from: place.next };
    for await (const { index, data } of log.follow({ durable, signal: end.signal, ...from })) {
      const serial = serialOf(data, index) ?? null;
      tell({ see: "next", id, at: Date.now(), index, serial });
      place.next = index + 1;
      place.serial = serial ?? undefined;
      if (last === undefined ? ++count >= most : place.serial === last) break;
      if (draw() < 0.02) await sleep(draw() * 100);
    }
  } catch (error) {
    if (!end.signal.aborted) {
      tell({ see: "failed", id, at: Date.now(), next: place.next, error: thrown(error) });
      return true;
    }
  } finally {
    clearInterval(late);
  }
  if (last === undefined || (place.serial !== last && !end.signal.aborted)) return false;
  tell({ see: "finished", id, isLate: place.serial !== last });
  return true;
}

function thrown(error: unknown): Thrown {
  const code = error instanceof WalError ? error.code : undefined;
  return { code, message: error instanceof Error ? error.message : String(error) };
}

function tell(line: SeenLine): void {
  writeSync(seen, `${JSON.stringify(line)}\n`);
}
