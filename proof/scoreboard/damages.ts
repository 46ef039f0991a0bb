/**
 * Every damage that is done to a log, one at a time.
 *
 * @module
 */
import { random } from "../../kit/logs.ts";
import {
  batchPayload,
  concat,
  DATA,
  durablePayload,
  FILE_HEADER_SIZE,
  type Files,
  firstIndexOf,
  frame,
  framesOf,
  INTERNAL,
  META,
  sealPayload,
  segmentPayload,
  segmentsOf,
  SLOTS,
} from "../../kit/frames.ts";
import type { Log } from "./logs.ts";
import { isProvenDurable, tornRollsOf } from "./torn_rolls.ts";

/** The classes of damage. */
export const KINDS = [
  "one bit flipped",
  "cut short, at every length",
  "one sector of 512 bytes zeroed",
  "one sector copied over its neighbour",
  "two neighbouring sectors swapped",
  "garbage appended",
  "whole valid frames appended",
  "one file removed",
  "two files swapped",
  "N torn under N+1, without evidence",
  "N torn under N+1, with evidence",
] as const;

/** A class of damage. */
export type Kind = typeof KINDS[number];

/** What was done, and what the files are then. */
export interface Damage {
  readonly kind: Kind;
  /** What exactly, and where. */
  readonly what: string;
  readonly files: Files;
}

const SECTOR = 512;

/**
 * How much of the meta file after a slot is damaged with it; the rest of the hole means nothing.
 */
const BEHIND_SLOT = 16;

/** All damages of a log. */
export function* damagesOf(log: Log): Generator<Damage> {
  if (log.roll !== undefined) {
    for (const torn of tornRollsOf(log)) {
      const which = isProvenDurable(log, torn.files) ? "with" : "without";
      yield { kind: `N torn under N+1, ${which} evidence`, ...torn };
    }
    return;
  }
  for (const [name, bytes] of log.files) {
    const to = (kind: Kind, what: string, damaged: Uint8Array): Damage => ({
      kind,
      what: `${what}, ${name}`,
      files: new Map(log.files).set(name, damaged),
    });
    if (!log.showsLimit) {
      yield* bitsFlipped(name, bytes, to);
      yield* cuts(name, bytes, to);
    }
    yield* sectorsDamaged(bytes, to);
    yield* appended(log, name, bytes, to);
    const others = new Map(log.files);
    others.delete(name);
    yield { kind: "one file removed", what: name, files: others };
  }
  const segments = segmentsOf(log.files);
  for (const [i, one] of segments.entries()) {
    for (const other of segments.slice(i + 1)) {
      const files = new Map(log.files);
      files.set(one, log.files.get(other) as Uint8Array);
      files.set(other, log.files.get(one) as Uint8Array);
      yield { kind: "two files swapped", what: `${one} and ${other}`, files };
    }
  }
}

type To = (kind: Kind, what: string, damaged: Uint8Array) => Damage;

/** Where a file's bytes mean something: all of a segment, the slots of the meta file. */
function* placesOf(name: string, bytes: Uint8Array): Generator<number> {
  if (name !== META) return yield* bytes.keys();
  const slot = bytes.length - SLOTS[1] + BEHIND_SLOT;
  for (const start of SLOTS) {
    for (let at = start; at < Math.min(start + slot, bytes.length); at++) yield at;
  }
}

function* bitsFlipped(name: string, bytes: Uint8Array, to: To): Generator<Damage> {
  for (const at of placesOf(name, bytes)) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = bytes.slice();
      copy[at] = (copy[at] as number) ^ (1 << bit);
      yield to("one bit flipped", `bit ${bit} of byte ${at}`, copy);
    }
  }
}

function* cuts(name: string, bytes: Uint8Array, to: To): Generator<Damage> {
  for (const at of placesOf(name, bytes)) {
    yield to("cut short, at every length", `to ${at} bytes`, bytes.slice(0, at));
  }
}

/** One sector's place in a file. The last sector may be short. */
function* sectorsDamaged(bytes: Uint8Array, to: To): Generator<Damage> {
  const count = Math.ceil(bytes.length / SECTOR);
  const sector = (i: number): Uint8Array => bytes.subarray(i * SECTOR, (i + 1) * SECTOR);
  const withSectors = (...changes: (readonly [number, Uint8Array])[]): Uint8Array => {
    const copy = bytes.slice();
    for (const [i, content] of changes) {
      const size = sector(i).length;
      copy.fill(0, i * SECTOR, i * SECTOR + size);
      copy.set(content.subarray(0, size), i * SECTOR);
    }
    return copy;
  };
  for (let i = 0; i < count; i++) {
    const zeros = new Uint8Array(SECTOR);
    yield to("one sector of 512 bytes zeroed", `sector ${i}`, withSectors([i, zeros]));
    for (const source of [i - 1, i + 1]) {
      if (source < 0 || source >= count) continue;
      const what = `sector ${source} over sector ${i}`;
      yield to("one sector copied over its neighbour", what, withSectors([i, sector(source)]));
    }
    if (i + 1 < count) {
      const both = withSectors([i, sector(i + 1)], [i + 1, sector(i)]);
      yield to("two neighbouring sectors swapped", `sectors ${i} and ${i + 1}`, both);
    }
  }
}

function* appended(log: Log, name: string, bytes: Uint8Array, to: To): Generator<Damage> {
  const draw = random(bytes.length);
  for (const size of [1, 8, 9, 100, 512, 5000]) {
    const noise = new Uint8Array(size).map(() => draw() * 256);
    yield to("garbage appended", `${size} random bytes`, concat(bytes, noise));
    yield to("garbage appended", `${size} zeros`, concat(bytes, new Uint8Array(size)));
  }
  const firstIndex = firstIndexOf(name) ?? 1;
  const frames = framesOf(bytes);
  for (const { offset, end } of frames) {
    const copy = bytes.subarray(offset, end);
    const what = `of the frame at offset ${offset}`;
    yield to("whole valid frames appended", `a copy ${what}`, concat(bytes, copy));
    const half = copy.subarray(0, Math.ceil(copy.length / 2));
    yield to("garbage appended", `half ${what}`, concat(bytes, half));
    yield to(
      "garbage appended",
      `a zero and a copy ${what}`,
      concat(bytes, new Uint8Array(1), copy),
    );
  }
  const offsets = frames.filter(({ type }) => type === DATA).map(({ offset }) => offset);
  for (const [what, content] of forgeries(firstIndex, bytes.length, offsets)) {
    yield to("whole valid frames appended", what, concat(bytes, content));
  }
  for (const other of segmentsOf(log.files)) {
    if (other === name) continue;
    const seal = framesOf(log.files.get(other) as Uint8Array).at(-1);
    if (seal?.type !== INTERNAL) continue;
    const copy = frame(INTERNAL, seal.payload);
    const what = `a copy of the last frame of ${other}`;
    yield to("whole valid frames appended", what, concat(bytes, copy));
  }
}

/** Frames with right checksums that no writer wrote. */
function* forgeries(
  firstIndex: number,
  end: number,
  offsets: readonly number[],
): Generator<readonly [string, Uint8Array]> {
  const data = frame(DATA, new TextEncoder().encode("forged"));
  const empty = frame(DATA, new Uint8Array(0));
  const internal = (payload: Uint8Array): Uint8Array => frame(INTERNAL, payload);
  const none = { firstIndex: 0, size: 0, checksum: 0 };
  const otherLog = new Uint8Array(8).fill(9);
  yield ["a Data frame", data];
  yield ["an empty Data frame", empty];
  yield [
    "a batch of two",
    concat(internal(batchPayload(2, data.length + empty.length)), data, empty),
  ];
  yield ["half a batch", concat(internal(batchPayload(2, 2 * data.length)), data)];
  yield ["a batch of none", internal(batchPayload(0, 0))];
  yield ["a batch of the wrong size", concat(internal(batchPayload(1, 5)), data)];
  yield ["a Segment frame", internal(segmentPayload(firstIndex, none))];
  yield ["a Durable frame", internal(durablePayload(firstIndex, end, end))];
  yield ["a Durable frame of 2^50 bytes", internal(durablePayload(firstIndex, end, 2 ** 50))];
  yield ["a Durable frame out of place", internal(durablePayload(firstIndex, end + 1, end))];
  yield ["a Durable frame of another segment", internal(durablePayload(77, end, end))];
  yield [
    "a Durable frame of another log",
    internal(durablePayload(firstIndex, end, end, otherLog)),
  ];
  yield ["a Seal", internal(sealPayload(offsets))];
  yield ["a Seal of no entries", internal(sealPayload([]))];
  yield ["a Seal without the last entry", internal(sealPayload(offsets.slice(0, -1)))];
  yield ["a Seal of one entry too many", internal(sealPayload([...offsets, end]))];
  yield [
    "a Seal of other offsets",
    internal(sealPayload(offsets.map((offset) => offset + FILE_HEADER_SIZE))),
  ];
  yield ["an Internal frame of an unknown kind", internal(Uint8Array.of(77))];
  yield ["an Internal frame of a kind to be skipped", internal(Uint8Array.of(128, 1, 2, 3))];
  yield ["an empty Internal frame", internal(new Uint8Array(0))];
}
