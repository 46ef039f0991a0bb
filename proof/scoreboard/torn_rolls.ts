/**
 * A full segment N that is torn in every way under the segment N+1 that was begun without a wait, and
 * what may come of it: a refusal if anything later proves that N was durable; otherwise N+1 is set
 * aside and told.
 *
 * @module
 */
import type { Wal } from "../../mod.ts";
import { readFile } from "../../kit/logs.ts";
import type { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import {
  BEGINNING_SIZE,
  concat,
  DATA,
  type Files,
  framesOf,
  holdsDurableFrame,
  PENDING_BEGINNING_SIZE,
  sameBytes,
  segmentsOf,
} from "../../kit/frames.ts";
import type { Log } from "./logs.ts";

/** Above this size, N has holes and lengths only: each bit of it is flipped in smaller ones. */
const LARGE = 2048;

/** How large the holes are. */
const HOLES = [512, 4096];

/** What is done to N+1 as well is done beside each so many cuts of N. */
const EVERY = 16;

/** One state of the pair. */
export interface TornRoll {
  readonly what: string;
  readonly files: Files;
}

/** Every torn state of the roll that a log was killed in. */
export function* tornRollsOf({ files, roll }: Log): Generator<TornRoll> {
  if (roll === undefined) return;
  const [full, next] = [roll.full, roll.next].map((name) => files.get(name)) as [
    Uint8Array,
    Uint8Array,
  ];
  for (const [what, torn] of tornOf(full)) {
    yield { what: `N ${what}`, files: new Map(files).set(roll.full, torn) };
  }
  // Before a further segment was begun, N+1 was durable.
  if (segmentsOf(files).at(-1) !== roll.next) return;
  for (const [ofNext, nextTorn] of tornBeginningsOf(next)) {
    const withNext = new Map(files).set(roll.next, nextTorn);
    yield { what: `N+1 ${ofNext}`, files: withNext };
    for (const [what, torn] of fewOf(full)) {
      yield { what: `N ${what}, N+1 ${ofNext}`, files: new Map(withNext).set(roll.full, torn) };
    }
  }
}

type Torn = readonly [what: string, bytes: Uint8Array];

function* tornOf(full: Uint8Array): Generator<Torn> {
  yield* fewOf(full);
  for (const size of [1, 9, 100, 512, 4096]) {
    yield [`longer by ${size} zeros`, concat(full, new Uint8Array(size))];
    yield [`longer by ${size} ones`, concat(full, new Uint8Array(size).fill(1))];
  }
  for (const { offset, end } of framesOf(full)) {
    yield [`longer by its frame at ${offset}`, concat(full, full.subarray(offset, end))];
  }
  const step = full.length > LARGE ? 64 : 1;
  for (let at = 0; at < full.length; at += step) {
    yield [`cut to ${at} bytes`, full.slice(0, at)];
    yield [`zeros from ${at} on`, full.slice().fill(0, at)];
  }
  if (full.length > LARGE) return;
  for (const at of full.keys()) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = full.slice();
      copy[at] = (copy[at] as number) ^ (1 << bit);
      yield [`bit ${bit} of byte ${at}`, copy];
    }
  }
}

/** Those that are combined with a torn N+1, too. */
function* fewOf(full: Uint8Array): Generator<Torn> {
  const { offset } = framesOf(full).at(-1) as { offset: number };
  yield ["without its Seal", full.slice(0, offset)];
  yield ["zeros for its Seal", full.slice().fill(0, offset)];
  for (const size of HOLES) {
    for (let at = 0; at < full.length; at += 512) {
      yield [`a hole of ${size} bytes at ${at}`, full.slice().fill(0, at, at + size)];
    }
  }
  const step = full.length > LARGE ? 512 : EVERY;
  for (let at = BEGINNING_SIZE; at < full.length; at += step) {
    yield [`ends at ${at}`, full.slice(0, at)];
  }
  yield ["all zeros", new Uint8Array(full.length)];
}

function* tornBeginningsOf(next: Uint8Array): Generator<Torn> {
  for (const size of [0, 4, 8, 30, BEGINNING_SIZE, PENDING_BEGINNING_SIZE - 1]) {
    yield [`cut to ${size} bytes`, next.slice(0, size)];
  }
  yield ["without an entry", next.slice(0, PENDING_BEGINNING_SIZE)];
  yield ["zeros for its header", next.slice().fill(0, 0, 8)];
  yield ["zeros for its beginning", next.slice().fill(0, 0, PENDING_BEGINNING_SIZE)];
  yield [
    "zeros for its Pending frame",
    next.slice().fill(0, BEGINNING_SIZE, PENDING_BEGINNING_SIZE),
  ];
  yield ["a hole of 512 bytes at 0", next.slice().fill(0, 0, 512)];
}

/** Whether something later proves that N was durable: a Durable frame in N+1, or a later segment. */
export function isProvenDurable({ roll }: Log, files: Files): boolean {
  if (roll === undefined) return false;
  const next = files.get(roll.next) ?? new Uint8Array(0);
  return holdsDurableFrame(next) || segmentsOf(files).at(-1) !== roll.next;
}

/**
 * Whether what is in N+1 and was not returned is told, and kept to the byte if an entry of it is whole.
 */
export function isTold(
  { roll }: Log,
  files: Files,
  fileSystem: MemoryFileSystem,
  { recovery }: Wal,
): boolean {
  if (roll === undefined || !holdsEntry(files.get(roll.next))) return true;
  const { segment, offset, setAside } = recovery;
  if (segment < roll.next || recovery.case === "A") return false;
  const cut = files.get(segment)?.subarray(offset) ?? new Uint8Array(0);
  if (setAside === undefined) return !holdsEntry(cut);
  return recovery.bytesCut === cut.length && sameBytes(readFile(fileSystem, setAside), cut);
}

/** Whether a whole entry is anywhere in some bytes. */
function holdsEntry(bytes: Uint8Array = new Uint8Array(0)): boolean {
  return bytes.some((type, at) => type === DATA && framesOf(bytes, at)[0] !== undefined);
}
