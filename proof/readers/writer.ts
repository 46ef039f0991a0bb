/**
 * Writes a log that others read: appends, rolls, truncates at both ends, resets, and opens it again.
 * It says what it is about to do, and when it is done.
 *
 * Arguments: the pair's folder, the run's seed, and the number of this writer within the pair.
 *
 * @module
 */
import { existsSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Wal } from "../../mod.ts";
import { random } from "../../kit/logs.ts";
import {
  type Act,
  type ActLine,
  entryOf,
  FILES,
  type Found,
  serialOf,
  SERIALS_A_LIFE,
  TWIN_SIZE,
} from "./lines.ts";

const MAX_ENTRIES = 300;

const [folder = "", seedText, lifeText] = process.argv.slice(2);
const life = Number(lifeText);
const draw = random(Number(seedText) + Math.imul(life, 7919));
const acts = openSync(join(folder, FILES.acts), "a");
let serial = life * SERIALS_A_LIFE;
/** For a while all entries are as long as a Durable frame. */
let isTwins = false;

function between(from: number, to: number): number {
  return from + Math.floor(draw() * (to - from + 1));
}

let log = await open();
for (;;) {
  if (existsSync(join(folder, FILES.finish))) await finish();
  await change();
}

async function open(): Promise<Wal> {
  let opened: Wal | undefined;
  await perform({ do: "open" }, async () => {
    opened = await Wal.open(join(folder, FILES.log), { segmentSize: 4096 << between(0, 2) });
    const serials: number[] = [];
    for (const { index, data } of opened.entries()) {
      const found = serialOf(data, index);
      if (found === undefined) throw new Error(`The writer itself finds a wrong entry ${index}`);
      serials.push(found);
    }
    return { firstIndex: opened.firstIndex, serials };
  });
  return opened as unknown as Wal;
}

async function change(): Promise<void> {
  const { firstIndex, lastIndex } = log;
  const count = lastIndex - firstIndex + 1;
  const choice = draw();
  if (count > MAX_ENTRIES || choice < 0.03) {
    const index = draw() < 0.1 ? lastIndex + 1 : between(firstIndex, lastIndex + 1);
    await perform({ do: "truncateBefore", index }, () => log.truncateBeforeIndex(index));
  } else if (choice < 0.15 && count > 0) {
    const from = draw() < 0.8 ? Math.max(firstIndex, lastIndex - 8) : firstIndex;
    const index = between(from, lastIndex);
    await perform({ do: "truncateFrom", index }, () => log.truncateFromIndex(index));
  } else if (choice < 0.16) {
    const index = Math.max(1, lastIndex + between(-200, 50));
    await perform({ do: "reset", index }, () => log.reset(index));
  } else if (choice < 0.18) {
    await log.close();
    log = await open();
  } else if (choice < 0.2) {
    isTwins = draw() < 0.6;
  } else if (choice < 0.23) {
    // Longer than the log waits before it announces a sync by itself.
    await sleep(draw() * 200);
  } else {
    await append();
  }
  if (draw() < 0.3) await sleep(draw() * 10);
}

async function append(): Promise<void> {
  const choice = draw();
  if (choice < 0.35) await appended(1, ([data]) => void log.append(data as Uint8Array));
  else if (choice < 0.5) await appended(1, ([data]) => log.appendAndSync(data as Uint8Array));
  else if (choice < 0.7) await appendedBatch((batch) => void log.appendBatch(batch));
  else if (choice < 0.8) await appendedBatch((batch) => log.appendBatchAndSync(batch));
  else if (choice < 0.9) {
    await appended(between(2, 8), (group) => Promise.all(group.map((e) => log.appendAndSync(e))));
  } else await log.sync();
}

async function appendedBatch(call: (entries: Uint8Array[]) => unknown): Promise<void> {
  // A batch has to fit into a segment.
  await appended(between(1, 8), call, 200);
}

async function appended(
  count: number,
  call: (entries: Uint8Array[]) => unknown,
  maxSize: number = Infinity,
): Promise<void> {
  const index = log.lastIndex + 1;
  const serials = Array.from({ length: count }, () => ++serial);
  const entries = serials.map((serial, i) => {
    return entryOf(index + i, serial, Math.min(anySize(), maxSize));
  });
  await perform({ do: "append", index, serials }, async () => void await call(entries));
}

/** Most small, some larger than a segment. */
function anySize(): number {
  const choice = draw();
  if (isTwins || choice < 0.3) return TWIN_SIZE;
  if (choice < 0.9) return between(16, 200);
  return choice < 0.98 ? between(200, 3000) : between(3000, 20_000);
}

/** Appends a last entry, reports it, and waits for the end. */
async function finish(): Promise<never> {
  await appended(1, ([data]) => log.appendAndSync(data as Uint8Array));
  const part = join(folder, `${FILES.last}.part`);
  writeFileSync(part, JSON.stringify([log.lastIndex, serial]));
  renameSync(part, join(folder, FILES.last));
  for (;;) await sleep(1000);
}

/** Does something between two lines. */
async function perform(act: Act, call: () => Promise<Found | void>): Promise<void> {
  tell({ kind: "begin", at: Date.now(), act });
  const found = await call();
  tell({ kind: "end", at: Date.now(), ...(found && { found }) });
}

function tell(line: ActLine): void {
  writeSync(acts, `${JSON.stringify(line)}\n`);
}
