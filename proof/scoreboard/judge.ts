/**
 * Opens a damaged log, reads everything, continues with it, and judges what came of it.
 *
 * @module
 */
import { Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { readFile, turns, writeFile } from "../../kit/logs.ts";
import type { Damage } from "./damages.ts";
import {
  DATA,
  durableOffset,
  type Files,
  firstIndexOf,
  framesOf,
  headIndexOf,
  INTERNAL,
  isWholeLog,
  META,
  PATH,
  PENDING,
  sameBytes,
  segmentsOf,
  tornTailOf,
  withLateSeal,
} from "../../kit/frames.ts";
import type { Log } from "./logs.ts";
import { isProvenDurable, isTold } from "./torn_rolls.ts";

/** What can come of a damage, the good first. */
export const OUTCOMES = [
  /** All that was acknowledged is returned. */
  "right",
  /** A typed error: at open, with every file as it was, or at the read of a damaged entry. */
  "refused",
  /** `log.recovery` tells, and a `.cut-` file has every byte. */
  "set aside",
  /** `log.recovery` tells, and no frame that is left covers what was cut. */
  "cut and reported",
  /** The files are whole: they are what a shorter log would be. */
  "gone with all evidence",
  /** The files are whole: they are what a log would be to which other entries were appended. */
  "taken for another log",
  "silent loss",
  "silent wrong data",
  "crash or hang",
  /** An error that says that nothing was changed, and something was. */
  "refused but changed",
] as const;

/** What came of a damage. */
export type Outcome = typeof OUTCOMES[number];

/** Those that must not be. */
export const FORBIDDEN: readonly Outcome[] = [
  "silent loss",
  "silent wrong data",
  "crash or hang",
  "refused but changed",
];

/** What came of it, and what there is to say of that. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly why: () => string;
}

/** A case may take no longer, in milliseconds. */
const TOO_LONG = 5000;

const NEXT = new TextEncoder().encode("appended after the damage");

/** What a log returns: each entry, or the code of the error instead. */
interface Contents {
  readonly firstIndex: number;
  readonly entries: readonly (Uint8Array | string)[];
  readonly state: Uint8Array;
}

/** Does all of it with one damaged log. */
export async function judge(log: Log, damage: Damage): Promise<Verdict> {
  const start = performance.now();
  let verdict: Verdict;
  try {
    verdict = await open(log, damage);
  } catch (error) {
    const why = error instanceof Error ? error.stack ?? error.message : String(error);
    verdict = { outcome: "crash or hang", why: () => why };
  }
  const took = performance.now() - start;
  return took > TOO_LONG ? { outcome: "crash or hang", why: () => `it took ${took} ms` } : verdict;
}

async function open(log: Log, damage: Damage): Promise<Verdict> {
  const fileSystem = new MemoryFileSystem();
  for (const [name, bytes] of damage.files) writeFile(fileSystem, name, bytes);
  let opened: Wal;
  try {
    opened = await Wal.open(PATH, { ...log.options, fileSystem });
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    const changed = changedFile(fileSystem, damage.files);
    if (changed === undefined) return { outcome: "refused", why: () => error.message };
    const why = (): string => `${changed} was changed, and then: ${error.message}`;
    return { outcome: "refused but changed", why };
  }
  // A Seal that was still to be written is written after the open.
  await turns();
  const contents = contentsOf(opened);
  const verdict = compare(log, damage, fileSystem, opened, contents);
  await continueLog(log, fileSystem, opened, contents);
  return verdict;
}

/** Reads everything in both ways, which must agree. */
function contentsOf(log: Wal): Contents {
  const entries: (Uint8Array | string)[] = [];
  for (let index = log.firstIndex; index <= log.lastIndex; index++) {
    entries.push(orCode(() => log.getEntry(index)));
  }
  const all = orCode(() => log.readAll());
  const bad = entries.find((entry) => typeof entry === "string");
  const agree = typeof all === "string"
    ? all === bad
    : bad === undefined && sameEntries(all, entries);
  if (!agree) throw new Error(`readAll (${String(all).slice(0, 40)}) and getEntry do not agree`);
  return { firstIndex: log.firstIndex, entries, state: log.state };
}

/** What a read returns, or the code of its typed error. */
function orCode<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    return error.code;
  }
}

function sameEntries(
  a: readonly (Uint8Array | string)[],
  b: readonly (Uint8Array | string)[],
): boolean {
  const same = (one: Uint8Array | string, other: Uint8Array | string | undefined): boolean =>
    one instanceof Uint8Array && other instanceof Uint8Array
      ? sameBytes(one, other)
      : one === other;
  return a.length === b.length && a.every((one, i) => same(one, b[i]));
}

/** Compares what is returned with what was written. */
function compare(
  log: Log,
  damage: Damage,
  fileSystem: MemoryFileSystem,
  opened: Wal,
  { firstIndex, entries, state }: Contents,
): Verdict {
  const { recovery, lastIndex } = opened;
  const wrong: number[] = [];
  const unread: number[] = [];
  for (const [i, entry] of entries.entries()) {
    const index = firstIndex + i;
    const expected = log.entries[index - 1];
    if (typeof entry === "string") unread.push(index);
    else if (expected === undefined || !sameBytes(entry, expected)) wrong.push(index);
  }
  // What was never acknowledged is there as a whole or not at all; but a segment may have any part.
  const isOneWrite = log.roll === undefined;
  if (isOneWrite && lastIndex > log.acknowledged && lastIndex < log.entries.length) {
    wrong.push(lastIndex);
  }
  const lost: number[] = [];
  for (let index = log.firstIndex; index <= log.acknowledged; index++) {
    if (index < firstIndex || index > lastIndex) lost.push(index);
  }
  const sameState = sameBytes(state, log.state);
  if (!sameState && state.length > 0) wrong.push(0);
  const isBack = firstIndex < log.firstIndex;
  const why = (): string =>
    JSON.stringify({ firstIndex, lastIndex, wrong, lost, unread, sameState, recovery });

  const isLess = lost.length > 0 || !sameState || isBack;
  if ((wrong.length > 0 || isLess) && isWholeLog(damage.files, tornTailOf(log.files))) {
    return { outcome: wrong.length > 0 ? "taken for another log" : "gone with all evidence", why };
  }
  if (wrong.length > 0) return { outcome: "silent wrong data", why };
  if (log.roll !== undefined && lastIndex < log.entries.length) {
    return { outcome: ofTornRoll(log, damage, fileSystem, opened, isLess ? lost : undefined), why };
  }
  if (isLess) {
    const tells = sameState && !isBack && tellsOf(log, damage, recovery.segment, lost, lastIndex);
    if (!tells || isProven(log, damage, lastIndex)) return { outcome: "silent loss", why };
    return { outcome: reported(log, damage, fileSystem, recovery), why };
  }
  if (unread.length === 0) return { outcome: "right", why };
  const intact = segmentsOf(damage.files).filter((name) => name !== recovery.segment);
  const sealed = withLateSeal(damage.files);
  const changed = intact.find((name) => {
    const bytes = readFile(fileSystem, name);
    return !sameBytes(bytes, damage.files.get(name) as Uint8Array) &&
      !sameBytes(bytes, sealed.get(name) as Uint8Array);
  });
  return { outcome: changed === undefined ? "refused" : "refused but changed", why };
}

/**
 * What came of a torn roll of which not all entries are returned.
 *
 * @param lost The acknowledged entries that are lost; `undefined` if nothing is.
 */
function ofTornRoll(
  log: Log,
  damage: Damage,
  fileSystem: MemoryFileSystem,
  opened: Wal,
  lost: readonly number[] | undefined,
): Outcome {
  const { files } = damage;
  const { recovery, lastIndex } = opened;
  if (!isTold(log, files, fileSystem, opened)) return "silent loss";
  if (lost === undefined) return recovery.setAside === undefined ? "right" : "set aside";
  const ofFull = lost.some((index) => ownerOf(log, index) === log.roll?.full);
  if (ofFull && isProvenDurable(log, files)) return "silent loss";
  if (isProven(log, damage, lastIndex)) return "silent loss";
  if (recovery.setAside !== undefined) return "set aside";
  if (recovery.case !== "A") return "cut and reported";
  // What was cut off from N+1 may leave a whole log, whatever became of N.
  return !ofFull && isWholeLog(withWholeFull(log, files))
    ? "gone with all evidence"
    : "silent loss";
}

function withWholeFull({ roll, files: before }: Log, files: Files): Files {
  const full = before.get(roll?.full ?? "");
  return full === undefined ? files : new Map(files).set(roll?.full ?? "", full);
}

/**
 * Whether a report on that segment covers the entries that are missing: it had them, or it was given up
 * since nothing says that the segment before it, which had them, was ever durable.
 */
function tellsOf(
  log: Log,
  { files }: Damage,
  segment: string,
  lost: readonly number[],
  lastIndex: number,
): boolean {
  const names = segmentsOf(log.files);
  const before = isPending(files.get(segment), segment) && segment === names.at(-1)
    ? names.at(-2)
    : undefined;
  return lost.every((index) => {
    const owner = ownerOf(log, index);
    return index > lastIndex && (owner === segment || owner === before);
  });
}

function ownerOf(log: Log, index: number): string | undefined {
  return segmentsOf(log.files).findLast((name) => (firstIndexOf(name) as number) <= index);
}

/** Whether a segment says that the one before it was not known to be durable, and nothing else does. */
function isPending(bytes: Uint8Array | undefined, name: string): boolean {
  const frames = framesOf(bytes ?? new Uint8Array(0));
  const [, { type, payload } = { type: 0, payload: new Uint8Array(0) }] = frames;
  const isMarked = type === INTERNAL && sameBytes(payload, Uint8Array.of(PENDING));
  return isMarked &&
    frames.every((frame) => durableOffset(frame, firstIndexOf(name) as number) === undefined);
}

/** Whether a Durable frame that the damage left in its place covers an entry after the last. */
function isProven(log: Log, { files }: Damage, lastIndex: number): boolean {
  const name = ownerOf(log, lastIndex + 1);
  if (name === undefined) return false;
  const firstIndex = firstIndexOf(name) as number;
  const [original, bytes] = [log.files, files].map((all) => all.get(name) ?? new Uint8Array(0)) as [
    Uint8Array,
    Uint8Array,
  ];
  const frames = framesOf(original);
  const lost = frames.filter(({ type }) => type === DATA)[lastIndex + 1 - firstIndex];
  return frames.some((frame) => {
    const vouched = durableOffset(frame, firstIndex);
    const there = bytes.subarray(frame.offset, frame.end);
    return vouched !== undefined && lost !== undefined && vouched >= lost.end &&
      sameBytes(there, original.subarray(frame.offset, frame.end));
  });
}

/** Judges a report, by the bytes. */
function reported(
  log: Log,
  { kind, files }: Damage,
  fileSystem: MemoryFileSystem,
  { segment, offset, bytesCut, setAside, created }: Wal["recovery"],
): Outcome {
  // A head index after a file's first tells that it had entries; its making is long past.
  const head = headIndexOf(files.get(META));
  const isPast = typeof head === "number" && head > (firstIndexOf(segment) as number);
  if (created && isPast) return "silent loss";
  const bytes = files.get(segment);
  if (bytes === undefined || bytesCut === 0) return "silent loss";
  const cut = bytes.subarray(offset);
  if (cut.length !== bytesCut) return "silent loss";
  if (setAside !== undefined) {
    return sameBytes(readFile(fileSystem, setAside), cut) ? "set aside" : "silent loss";
  }
  const isNothing = cut.every((byte) => byte === 0) || kind === "cut short, at every length";
  if (log.options.format === 1) return isNothing ? "cut and reported" : "silent loss";
  return "cut and reported";
}

/** The first file that is not as it was; undefined if all are. */
function changedFile(fileSystem: MemoryFileSystem, files: Files): string | undefined {
  const names = fileSystem.list(".");
  return [...new Set([...names, ...files.keys()])].find((name) => {
    const before = files.get(name);
    return before === undefined || !names.includes(name) ||
      !sameBytes(before, readFile(fileSystem, name));
  });
}

/** Appends one more entry, closes, opens again: everything must be there as before, and the entry. */
async function continueLog(
  log: Log,
  fileSystem: MemoryFileSystem,
  opened: Wal,
  { firstIndex, entries, state }: Contents,
): Promise<void> {
  await opened.appendAndSync(NEXT);
  await opened.close();
  const again = await Wal.open(PATH, { ...log.options, fileSystem });
  const after = contentsOf(again);
  await again.close();
  const same = after.firstIndex === firstIndex && sameBytes(after.state, state) &&
    sameEntries(after.entries, [...entries, NEXT]) && again.recovery.case === "A";
  if (!same) throw new Error(`After an append and a reopen: ${JSON.stringify(again.recovery)}`);
}
