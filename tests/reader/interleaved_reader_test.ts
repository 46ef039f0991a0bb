/**
 * A reader in another process, each of whose calls may meet a writer at work: what a writer did to
 * its files is recorded, and done again between the reader's calls, in another way for each seed.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Wal, WalError } from "../../mod.ts";
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts";
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { type Random, seededRandom } from "../../src/testing/random.ts";
import { pause } from "../../src/fs/clock.ts";
import { bytes, text } from "../../kit/logs.ts";
import { RecordedWriter, ReplayedWriter } from "../support/recorded_writer.ts";

const PATH = "a.wal";
const OPTIONS = { segmentSize: 2000 };

/** From which entry on the writer replaces those that were there: within a segment, and all of one. */
const CUTS = [60, 32];
const LAST = 130;

/** What a writer did, and what a follower has to see in the end. */
interface Recording {
  readonly cutAt: number;
  readonly writer: RecordedWriter;
  /** How many of its changes come before the cut. */
  readonly beforeCut: number;
  readonly entries: ReadonlyMap<number, string>;
}

/** Lets a writer fill a few segments, cut two of them off, and continue. */
async function record(cutAt: number): Promise<Recording> {
  const entries = new Map<number, string>();
  const writer = new RecordedWriter(PATH, OPTIONS);
  const log = await writer.open();
  const append = async (word: string, last: number): Promise<void> => {
    while (log.lastIndex < last) {
      const group = Array.from({ length: 1 + log.lastIndex % 4 }, (_, i) => {
        const index = log.lastIndex + 1 + i;
        const line = `${word} ${index} ${"x".repeat((log.lastIndex * 7) % 50)}`;
        entries.set(index, line);
        return bytes(line);
      });
      await log.appendBatchAndSync(group);
    }
  };
  await append("old", 100);
  const beforeCut = writer.changes.length;
  await log.truncateFromIndex(cutAt);
  await append("new", LAST);
  await log.close();
  return { cutAt, writer, beforeCut, entries };
}

/** Lets the writer continue, more or less often. */
function hasteOf(random: Random, files: ReplayedWriter, most: number): () => void {
  const haste = 0.02 + random() * most;
  return () => {
    if (random() >= haste) return;
    for (let n = Math.floor(random() ** 3 * 12); n >= 0; n--) files.step();
  };
}

/** Follows while the writer does what was recorded; what was wrong with what was seen. */
async function follow(
  { cutAt, writer, beforeCut, entries }: Recording,
  random: Random,
): Promise<string[]> {
  const files = new ReplayedWriter(writer);
  for (const begin = random() < 0.5 ? 6 : beforeCut; files.done < begin;) files.step();
  const advance = hasteOf(random, files, 0.5);
  const log = await Wal.open(PATH, { fileSystem: files.fileSystem(advance), readOnly: true });
  const timer = setInterval(advance, 1);
  const seen = new Map<number, string>();
  const wrong: string[] = [];
  let isReplaced = false;
  for await (const { index, data } of log.follow()) {
    const line = text(data);
    isReplaced ||= line.startsWith("new");
    if (isReplaced && index >= cutAt && line.startsWith("old")) wrong.push(`${index}: ${line}`);
    seen.set(index, line);
    if (random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 1));
    if (index === entries.size) break;
  }
  clearInterval(timer);
  await log.close();
  for (const [index, line] of entries) {
    if (seen.get(index) !== line) wrong.push(`${index}: ${seen.get(index)}, not ${line}`);
  }
  return wrong;
}

for (const cutAt of CUTS) {
  const what =
    `whenever the files change, a follower sees no entry again that a cut at ${cutAt} dropped`;
  test(what, { timeout: 120_000 }, async () => {
    const recording = await record(cutAt);
    for (let from = 0; from < 320; from += 40) {
      const wrong = await Promise.all(
        Array.from({ length: 40 }, (_, i) => follow(recording, seededRandom(from + i))),
      );
      assertEquals(wrong.flat(), []);
    }
  });
}

/** How long the frames of most entries are: as long as a Durable frame, so that they lie on one grid. */
const ENTRY_SIZE = DURABLE_FRAME_SIZE - FRAME_HEADER_SIZE;

/** What a log holds: its first index, and its entries. */
interface State {
  readonly first: number;
  readonly entries: readonly string[];
}

/** What a writer did, and after how many of its changes which state was reached. */
interface Work {
  readonly writer: RecordedWriter;
  readonly states: readonly (State & { readonly at: number })[];
}

/** Lets a writer do whatever it can, at random. */
async function workAtRandom(random: Random): Promise<Work> {
  const writer = new RecordedWriter(PATH, { segmentSize: random() < 0.5 ? 700 : 1 << 20 });
  const states: (State & { at: number })[] = [];
  let state: State = { first: 1, entries: [] };
  let log = await writer.open();
  const reached = (next: State): void => {
    state = next;
    states.push({ ...state, at: writer.changes.length });
  };
  reached(state);
  const pick = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  for (let round = 1; round <= 40; round++) {
    const { first, entries } = state;
    const last = first + entries.length - 1;
    const kind = random();
    if (kind < 0.5 || entries.length < 4) {
      const group = Array.from({ length: pick(1, 5) }, (_, i) => {
        // Some entries are all the same, and some of another size.
        if (random() < 0.2) return "beat".padEnd(ENTRY_SIZE, ".");
        return `${round}: ${last + 1 + i}`.padEnd(random() < 0.9 ? ENTRY_SIZE : pick(10, 60), ".");
      });
      if (random() < 0.3) log.appendBatch(group.map(bytes));
      else {
        for (const line of group) {
          log.append(bytes(line));
          reached({ first, entries: [...state.entries, line] });
        }
      }
      reached({ first, entries: [...entries, ...group] });
      if (random() < 0.6) await log.sync();
    } else if (kind < 0.75) {
      const from = pick(Math.max(first, last - (random() < 0.7 ? 4 : 30)), last);
      await log.truncateFromIndex(from);
      reached({ first, entries: entries.slice(0, from - first) });
    } else if (kind < 0.8) {
      const from = pick(first, last + 1);
      await log.truncateBeforeIndex(from);
      reached({ first: from, entries: entries.slice(from - first) });
    } else if (kind < 0.83) {
      const next = random() < 0.3 ? 1 : pick(first, last + 20);
      await log.reset(next);
      reached({ first: next, entries: [] });
    } else if (kind < 0.87) {
      await log.setState(bytes(`${round}`));
      reached(state);
    } else {
      // Without a close the writer was killed.
      if (random() < 0.5) await log.close();
      log = await writer.open();
      reached(state);
    }
  }
  await log.close();
  reached(state);
  return { writer, states };
}

/** The entries that a read has shown, by index. */
type Shown = [index: number, line: string][];

/** Every way in which a handle that only reads shows entries; the last two are loops. */
const READS: readonly ((log: Wal, random: Random, shown: Shown, advance: () => void) => void)[] = [
  (log, random, shown) => {
    const index = log.firstIndex + Math.floor(random() * (log.lastIndex - log.firstIndex + 1));
    shown.push([index, text(log.getEntry(index))]);
  },
  (log, _, shown) => {
    const { firstIndex } = log;
    log.readAll().forEach((data, i) => shown.push([firstIndex + i, text(data)]));
  },
  (log, random, shown, advance) => {
    for (const { index, data } of log.entries()) {
      shown.push([index, text(data)]);
      if (random() < 0.3) advance();
      if (random() < 0.02) break;
    }
  },
  (log, random, shown, advance) => {
    log.replay(({ index, data }) => {
      shown.push([index, text(data)]);
      if (random() < 0.3) advance();
    });
  },
];

/** Reads while the writer does what was recorded; what was wrong with what was seen. */
async function read({ writer, states }: Work, random: Random): Promise<string[]> {
  const files = new ReplayedWriter(writer);
  while (files.done < (states[0]?.at ?? 0)) files.step();
  // With more, each look would meet a truncation.
  const advance = hasteOf(random, files, 0.1);
  let since = files.done;
  const log = await Wal.open(PATH, { fileSystem: files.fileSystem(advance), readOnly: true });
  const wrong: string[] = [];
  const followed = followAll(log);
  for (let tries = 0; tries < 400 && !(files.isAtEnd && tries % 8 === 0); tries++) {
    const shown: Shown = [];
    let error: unknown;
    let isLoop = false;
    const began = files.done;
    const hasRedo = (): boolean => files.memory.list(".").includes(`${PATH}.redo`);
    const hadRedo = hasRedo();
    try {
      if (random() < 0.3) {
        const now = files.done;
        await log.refresh();
        since = now;
      } else {
        const kind = Math.floor(random() * READS.length);
        isLoop = kind >= 2;
        READS[kind]?.(log, random, shown, advance);
      }
    } catch (caught) {
      error = caught;
    }
    // A state may be seen from the end of the one before its last to the end of the one after it.
    const seen = states.filter((_, i) =>
      (states[i - 1]?.at ?? 0) <= files.done && (states[i + 1]?.at ?? Infinity) >= since
    );
    const was = (index: number, line: string): boolean =>
      seen.some(({ first, entries }) => entries[index - first] === line);
    // What a loop has shown may have been dropped from the head since.
    const isOne = seen.some(({ first, entries }) =>
      shown.every(([index, line]) =>
        index < first && isLoop ? was(index, line) : entries[index - first] === line
      )
    );
    const isMissing = error instanceof WalError && error.code === "ERR_WAL_INDEX_OUT_OF_RANGE";
    // A writer that stands still in the middle of a replacement leaves nothing to be shown.
    const isReplacing = error instanceof WalError && error.code === "ERR_WAL_IO" &&
      (hadRedo || hasRedo());
    if (error !== undefined && !isMissing && !isReplacing) {
      wrong.push(`${began} to ${files.done}: ${error}`);
    }
    const isWhole = isOne ||
      (error !== undefined && shown.every(([index, line]) => was(index, line)));
    if (!isWhole) wrong.push(`${since} to ${files.done}: shown ${JSON.stringify(shown)}`);
    // In the middle of a truncation or a reset there may be less than before and than after it.
    const most = Math.max(...seen.map(({ first, entries }) => first + entries.length - 1));
    if (log.lastIndex > most) wrong.push(`${since} to ${files.done}: the last is ${log.lastIndex}`);
    if (random() < 0.3) advance();
  }
  while (!files.isAtEnd) files.step();
  const { first, entries } = states.at(-1) ?? { first: 1, entries: [] };
  const wanted = JSON.stringify(entries.map((line, i) => [first + i, line]));
  // What was dropped and has not come again is not announced.
  const left = (): string =>
    JSON.stringify(entries.map((_, i) => [first + i, followed.get(first + i)]));
  for (let wait = 0; left() !== wanted && wait < 1000; wait++) await pause(2);
  if (left() !== wanted) wrong.push(`followed ${left()}, not ${wanted}`);
  await log.close();
  return wrong;
}

/** Follows a log, whatever its writer does; the entries that it has shown last. */
function followAll(log: Wal): Map<number, string> {
  const seen = new Map<number, string>();
  const follow = async (): Promise<void> => {
    try {
      for await (const { index, data } of log.follow({ durable: false })) {
        for (const later of [...seen.keys()].filter((other) => other >= index)) seen.delete(later);
        seen.set(index, text(data));
      }
    } catch (error) {
      const code = error instanceof WalError ? error.code : undefined;
      // A head truncation or a reset has overtaken it, or it is too late.
      if (code === "ERR_WAL_INDEX_OUT_OF_RANGE") await follow();
      else if (code !== "ERR_WAL_CLOSED") throw error;
    }
  };
  void follow();
  return seen;
}

/**
 * Opens the log while the writer goes from one state to another at one of the reader's calls.
 *
 * @returns What was shown, if anything was, and whether there were as many calls.
 */
async function openBetween(
  { writer, states }: Work,
  [from, to]: readonly [number, number],
  call: number,
): Promise<{ shown: string | undefined; hasChanged: boolean }> {
  const files = new ReplayedWriter(writer);
  const reach = (state: number): void => {
    while (files.done < (states[state]?.at ?? 0)) files.step();
  };
  reach(from);
  let calls = 0;
  const fileSystem = files.fileSystem(() => {
    if (calls++ === call) reach(to);
  });
  const log = await Wal.open(PATH, { fileSystem, readOnly: true });
  try {
    const entries = log.readAll().map(text);
    return { shown: shownOf(log.firstIndex, entries), hasChanged: calls > call };
  } catch (error) {
    // The head was dropped between the open and the read.
    if (!(error instanceof WalError && error.code === "ERR_WAL_INDEX_OUT_OF_RANGE")) throw error;
    return { shown: undefined, hasChanged: true };
  } finally {
    await log.close();
  }
}

function shownOf(first: number, entries: readonly string[]): string {
  return JSON.stringify([first, entries]);
}

test("at whichever call of an open the writer continues, a reader shows what the log had", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const work = await workAtRandom(random);
    for (let pair = 0; pair < 8; pair++) {
      const from = Math.floor(random() * (work.states.length - 1));
      const to = Math.min(from + 1 + Math.floor(random() * 6), work.states.length - 1);
      const between = work.states.slice(from, to + 1);
      const known = between.map(({ first, entries }) => shownOf(first, entries));
      for (let call = 0, isOver = false; !isOver; call++) {
        const { shown, hasChanged } = await openBetween(work, [from, to], call);
        const isKnown = shown === undefined || known.includes(shown);
        assert(isKnown, `seed ${seed}, ${from} to ${to} at call ${call}: ${shown}`);
        isOver = !hasChanged;
      }
    }
  }
});

/** How many writers a reader meets. */
const SEEDS = 60;

test("whenever the files change, a reader shows what the log had, and no other error", {
  timeout: 120_000,
}, async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const work = await workAtRandom(seededRandom(seed));
    for (let turn = 0; turn < 4; turn++) {
      const wrong = await read(work, seededRandom(1000 * seed + turn));
      assertEquals(wrong, [], `seed ${seed}, turn ${turn}`);
    }
  }
});
