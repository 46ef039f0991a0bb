/**
 * The decision table, all of it: for every cause of X and everything that may follow X, in pairs,
 * exactly one case holds, and open does what the table says of it.
 *
 * The table is stated here a second time, over the facts of which each file is built, so that no
 * code of the library takes part in what is expected of it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CorruptionError, type RecoveryCase, Wal, type WalOptions } from "../../mod.ts";
import {
  batchPayload,
  concat,
  DATA,
  durablePayload,
  frame,
  INTERNAL,
  sealPayload,
  segmentPayload,
} from "../../kit/frames.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { decide } from "../../src/segment/decision.ts";
import { isUnfinished, scanSegment } from "../../src/segment/scan.ts";
import { bytes, readFile, text, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";

type Version = 1 | 2;

/** A stretch of a file, and what is true of it. */
interface Part {
  readonly bytes: Uint8Array;
  /** It has a whole valid frame that does not begin at the stretch's own first byte. */
  readonly hasFrame?: boolean;
}

/** Where a stretch stands. */
interface Place {
  /** Where X is. */
  readonly x: number;
  /** Where the stretch begins. */
  readonly at: number;
}

/** What makes X: the first byte of it is X. */
interface Cause {
  readonly name: string;
  readonly versions: readonly Version[];
  readonly make: (offsets: readonly number[]) => Part;
  /** A Seal that stands in front of X. */
  readonly isAfterSeal?: boolean;
  /** Nothing is at X itself, so that whatever follows begins there. */
  readonly isNothing?: boolean;
}

/** What stands after X. */
interface Follower {
  readonly name: string;
  readonly make: (place: Place) => Uint8Array;
  /** It is a whole valid frame. */
  readonly isFrame: boolean;
  /** It is a Durable frame of this log and segment, in its place, that covers bytes beyond X. */
  readonly coversX?: boolean;
}

const OTHER_LOG = new Uint8Array(8).fill(0xee);
const NO_SEGMENT = { firstIndex: 0, size: 0, checksum: 0 };

const data = (content: string): Uint8Array => frame(DATA, bytes(content));
const internal = (payload: Uint8Array): Uint8Array => frame(INTERNAL, payload);

/** With one byte changed. */
function changed(content: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = content.slice();
  copy[at] = byte;
  return copy;
}

const CAUSES: readonly Cause[] = [
  {
    name: "the end of the frames",
    versions: [1, 2],
    isNothing: true,
    make: () => ({ bytes: new Uint8Array(0) }),
  },
  { name: "zeros", versions: [1, 2], make: () => ({ bytes: new Uint8Array(20) }) },
  {
    name: "a bad type",
    versions: [1, 2],
    make: () => ({ bytes: changed(data("bad type"), 0, 3) }),
  },
  {
    name: "a length above the limit",
    versions: [1, 2],
    make: () => ({ bytes: Uint8Array.of(DATA, 0xff, 0xff, 0xff, 0xff, 9, 9, 9, 9, 9) }),
  },
  {
    name: "a length beyond the file",
    versions: [1, 2],
    make: () => ({ bytes: Uint8Array.of(DATA, 0, 0, 0xff, 0xff, 9, 9, 9, 9, 9) }),
  },
  {
    name: "a wrong checksum",
    versions: [1, 2],
    make: () => ({ bytes: changed(data("rotten"), 11, 0) }),
  },
  {
    name: "an Internal frame in version 1",
    versions: [1],
    make: () => ({ bytes: internal(batchPayload(1, 10)) }),
  },
  {
    name: "a batch of which one entry is there",
    versions: [2],
    make: () => ({
      bytes: concat(internal(batchPayload(1000, 10_000)), data("half")),
      hasFrame: true,
    }),
  },
  {
    name: "a batch of which no entry is there",
    versions: [2],
    make: () => ({ bytes: internal(batchPayload(1000, 10_000)) }),
  },
  {
    name: "a Data frame after a Seal",
    versions: [2],
    isAfterSeal: true,
    make: () => ({ bytes: data("after") }),
  },
  {
    name: "a Durable frame of another log",
    versions: [2],
    make: () => ({ bytes: internal(durablePayload(1, 0, 0, OTHER_LOG)) }),
  },
  {
    name: "a second Segment frame",
    versions: [2],
    make: () => ({ bytes: internal(segmentPayload(1, NO_SEGMENT)) }),
  },
];

const durable = (name: string, make: Follower["make"], coversX = false): Follower => ({
  name: `a Durable frame ${name}`,
  make,
  isFrame: true,
  coversX,
});

const NOTHING: Follower = { name: "nothing", make: () => new Uint8Array(0), isFrame: false };
const ZEROS: Follower = { name: "zeros", make: () => new Uint8Array(13), isFrame: false };
const GARBAGE: Follower = {
  name: "garbage",
  make: () => Uint8Array.of(9, 1, 2, 0, 255, 1, 0, 0, 0, 2, 77, 8, 3),
  isFrame: false,
};
const TRUNCATED: Follower = {
  name: "a truncated frame",
  make: () => data("this frame is cut off before its end").subarray(0, 25),
  isFrame: false,
};

const FOLLOWERS: readonly Follower[] = [
  NOTHING,
  ZEROS,
  GARBAGE,
  TRUNCATED,
  { name: "a Data frame", make: () => data("whole"), isFrame: true },
  { name: "an empty Data frame", make: () => data(""), isFrame: true },
  { name: "a Batch frame", make: () => internal(batchPayload(2, 30)), isFrame: true },
  { name: "a Segment frame", make: () => internal(segmentPayload(1, NO_SEGMENT)), isFrame: true },
  { name: "a Seal", make: () => internal(sealPayload([54])), isFrame: true },
  { name: "a frame of an unknown kind", make: () => internal(Uint8Array.of(77)), isFrame: true },
  durable(
    "that covers bytes beyond X",
    ({ x, at }) => internal(durablePayload(1, at, x + 1)),
    true,
  ),
  durable("that covers all before it", ({ at }) => internal(durablePayload(1, at, at)), true),
  durable("that covers the bytes up to X", ({ x, at }) => internal(durablePayload(1, at, x))),
  durable("that covers fewer bytes than X", ({ at }) => internal(durablePayload(1, at, 60))),
  durable("of another log", ({ at }) => internal(durablePayload(1, at, at, OTHER_LOG))),
  durable("of another segment", ({ at }) => internal(durablePayload(2, at, at))),
  durable("not in its place", ({ at }) => internal(durablePayload(1, at + 1, at))),
  {
    name: "a Durable frame with a bad checksum",
    make: ({ at }) => changed(internal(durablePayload(1, at, at)), 5, 0xaa),
    isFrame: false,
  },
];

/** What is true of what follows X. */
interface Facts {
  readonly version: Version;
  readonly isEmpty: boolean;
  readonly isZeros: boolean;
  readonly hasFrame: boolean;
  readonly hasEvidence: boolean;
}

/** The table: when each case holds. */
const TABLE: Readonly<Record<RecoveryCase, (facts: Facts) => boolean>> = {
  A: ({ isEmpty }) => isEmpty,
  B: ({ isEmpty, isZeros }) => !isEmpty && isZeros,
  C: ({ version, hasEvidence }) => version === 2 && hasEvidence,
  D: ({ version, hasFrame, hasEvidence }) => hasFrame && !(version === 2 && hasEvidence),
  E: ({ isEmpty, isZeros, hasFrame }) => !isEmpty && !isZeros && !hasFrame,
};

/** A file, and what is expected of it. */
interface Combination {
  readonly name: string;
  readonly content: Uint8Array;
  readonly x: number;
  readonly facts: Facts;
  readonly isAfterSeal: boolean;
}

const ENTRIES = ["one", "two", "three"];

/** A file of three entries: its bytes, and where the entries begin. */
function beginning(version: Version): { content: Uint8Array; offsets: number[] } {
  let content = concat(bytes("WAL!"), Uint8Array.of(0, 0, 0, version));
  if (version === 2) content = concat(content, internal(segmentPayload(1, NO_SEGMENT)));
  const offsets: number[] = [];
  for (const entry of ENTRIES) {
    // A sync had covered the first entry.
    if (version === 2 && offsets.length === 1) {
      content = concat(content, internal(durablePayload(1, content.length, content.length)));
    }
    offsets.push(content.length);
    content = concat(content, data(entry));
  }
  return { content, offsets };
}

function* combinations(version: Version): Generator<Combination> {
  for (const cause of CAUSES) {
    if (!cause.versions.includes(version)) continue;
    // Where nothing is at X, a frame would not be after X but at it.
    const firsts = cause.isNothing ? [NOTHING, ZEROS, GARBAGE, TRUNCATED] : FOLLOWERS;
    for (const first of firsts) {
      const seconds = first === NOTHING ? [NOTHING] : FOLLOWERS;
      for (const second of seconds) yield combine(version, cause, first, second);
    }
  }
}

function combine(version: Version, cause: Cause, first: Follower, second: Follower): Combination {
  const { content, offsets } = beginning(version);
  const front = cause.isAfterSeal ? concat(content, internal(sealPayload(offsets))) : content;
  const x = front.length;
  const part = cause.make(offsets);
  const one = first.make({ x, at: x + part.bytes.length });
  const other = second.make({ x, at: x + part.bytes.length + one.length });
  const isZeros = ["the end of the frames", "zeros"].includes(cause.name) &&
    [first, second].every((follower) => follower === NOTHING || follower === ZEROS);
  return {
    name: `version ${version}: ${cause.name}, then ${first.name}, then ${second.name}`,
    content: concat(front, part.bytes, one, other),
    x,
    facts: {
      version,
      isEmpty: cause.isNothing === true && first === NOTHING,
      isZeros: isZeros && !(cause.isNothing === true && first === NOTHING),
      hasFrame: part.hasFrame === true || first.isFrame || second.isFrame,
      hasEvidence: first.coversX === true || second.coversX === true,
    },
    isAfterSeal: cause.isAfterSeal === true,
  };
}

/** The one case that holds. */
function expectedCase({ facts, name }: Combination): RecoveryCase {
  const holds = (Object.keys(TABLE) as RecoveryCase[]).filter((one) => TABLE[one](facts));
  assertEquals(holds.length, 1, `${name}: ${holds.join(" and ")} hold`);
  return holds[0] as RecoveryCase;
}

function fileWith(content: Uint8Array): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, content);
  return fileSystem;
}

const checksum = frameChecksum;

for (const version of [1, 2] as const) {
  test(`version ${version}: exactly one case holds, and it is the one that is decided`, () => {
    const seen = new Set<string>();
    let count = 0;
    for (const combination of combinations(version)) {
      const { content, x, name } = combination;
      const expected = expectedCase(combination);
      const file = fileWith(content).open(PATH, "read");
      const source = { file, path: PATH, checksum, maxEntrySize: 1000 };
      const scan = scanSegment(source);
      assert(!isUnfinished(scan), name);
      assertEquals([scan.end, scan.offsets.count], [x, ENTRIES.length], name);
      assertEquals(decide(source, scan).case, expected, name);
      seen.add(expected);
      count++;
    }
    assertEquals(
      [...seen].sort(),
      version === 1 ? ["A", "B", "D", "E"] : ["A", "B", "C", "D", "E"],
    );
    assert(count > 1500, `only ${count} combinations`);
  });

  test(`version ${version}: open does what the table says`, { timeout: 60_000 }, async () => {
    for (const combination of combinations(version)) {
      for (const recovery of ["default", "salvage"] as const) {
        await judgeOpen(combination, { format: version, recovery });
      }
    }
  });

  test(`version ${version}: a reader decides the same and changes nothing`, {
    timeout: 60_000,
  }, async () => {
    for (const combination of combinations(version)) await judgeReader(combination);
  });
}

async function judgeOpen(combination: Combination, options: WalOptions): Promise<void> {
  const { content, x, name, facts, isAfterSeal } = combination;
  const expected = expectedCase(combination);
  const fileSystem = fileWith(content);
  if (expected === "C" && options.recovery === "default") {
    const error = await assertRejects(
      () => Wal.open(PATH, { ...options, fileSystem }),
      CorruptionError,
    );
    assertEquals([error.offset, error.firstIndexAtRisk], [x, ENTRIES.length + 1], name);
    assertEquals(fileSystem.list("."), [PATH], name);
    assertEquals(readFile(fileSystem, PATH), content, name);
    return;
  }
  const keeps = expected === "C" || expected === "D" || (expected === "E" && facts.version === 1);
  const setAside = keeps ? `${PATH}.cut-00000000000000000001-${x}` : undefined;
  await withLog(PATH, { ...options, fileSystem }, (log) => {
    const bytesCut = content.length - x;
    const entries = ENTRIES.length;
    const report = { case: expected, segment: PATH, offset: x, bytesCut, setAside, entries };
    const setAsideFiles = setAside === undefined ? [] : [setAside];
    assertEquals(log.recovery, { ...report, setAsideFiles, created: false }, name);
    assertEquals(Array.from(log.readAll(), text), ENTRIES, name);
    // A Seal without a segment after it is a roll that a crash interrupted.
    const next = isAfterSeal ? [`${PATH}.${String(entries + 1).padStart(20, "0")}`] : [];
    const files = [PATH, ...next, ...(setAside === undefined ? [] : [setAside])];
    assertEquals(fileSystem.list(".").sort(), files.sort(), name);
    assertEquals(readFile(fileSystem, PATH), content.subarray(0, x), name);
    if (setAside !== undefined) {
      assertEquals(readFile(fileSystem, setAside), content.subarray(x), name);
    }
  });
}

async function judgeReader(combination: Combination): Promise<void> {
  const { content, x, name } = combination;
  const expected = expectedCase(combination);
  const fileSystem = fileWith(content);
  const options = { fileSystem, readOnly: true };
  if (expected === "C") {
    await assertRejects(() => Wal.open(PATH, options), CorruptionError);
  } else {
    await withLog(PATH, options, (log) => {
      const { case: verdict, offset, bytesCut, setAside } = log.recovery;
      assertEquals([verdict, offset, bytesCut, setAside], [expected, x, 0, undefined], name);
      assertEquals(Array.from(log.readAll(), text), ENTRIES, name);
    });
  }
  assertEquals(fileSystem.list("."), [PATH], name);
  assertEquals(readFile(fileSystem, PATH), content, name);
}
