/**
 * The workloads: what is done, against which floor, and which ratio the log is to reach.
 *
 * @module
 */

/** What a trial does; the floor has the first three, `get` and `replay` only. */
export type Operation =
  | "append"
  | "appendAndSync"
  | "appendBatchAndSync"
  | "appendBatch"
  | "fill"
  | "open"
  | "get"
  | "replay";

/** What a contestant does, and how much of it. */
export interface Work {
  readonly operation: Operation;
  /** Entries of a batch. */
  readonly batch: number;
  /** How many append at the same time. */
  readonly callers: number;
}

/** How the log was written that a reading workload reads. */
export interface Written {
  /** All in one file, where a contestant has a say in it. */
  readonly oneSegment: boolean;
  /** Synced and idle when its writer was killed; otherwise it was killed after its last append. */
  readonly isSynced: boolean;
}

/** One thing that is measured. */
export interface Workload extends Work {
  /** Its family and what sets it apart there, such as `append-batch`. */
  readonly id: string;
  readonly title: string;
  readonly entrySize: number;
  /** For a workload that reads. */
  readonly reads?: Written;
  /** Where only the log itself is measured, beside its floor. */
  readonly oursOnly?: boolean;
  /** What the runtime does by itself for the floor. */
  readonly floor: Work & { readonly what: string };
  /** What the ratio to the floor is of: a higher rate is better, or a shorter time. */
  readonly score: "rate" | "time";
  /** The ratio that the log is to reach. */
  readonly goal?: number;
}

/** Entries of a batch, and of a step between two looks at the clock. */
export const BATCH = 1000;

/** How many append at the same time where many do. */
export const MANY = 64;

/** How many entries are read at random. */
export const READS = 200_000;

const SMALL = 128;
const LARGE = 1024;

const one = (operation: Operation): Work => ({ operation, batch: BATCH, callers: 1 });

const appendFloor = { ...one("append"), what: "writeSync of a ready frame, one at a time" };
const batchFloor = {
  ...one("appendBatchAndSync"),
  what: "the same frames with one writeSync and fdatasyncSync",
};
const durableFloor = {
  ...one("appendAndSync"),
  what: "writeSync of a ready frame and fdatasyncSync, of a file that grows",
};
const manyFloor = {
  operation: "appendBatchAndSync",
  batch: MANY,
  callers: 1,
  what: `${MANY} ready frames with one writeSync and fdatasyncSync`,
} as const;
const scanFloor = { ...one("replay"), what: "readSync of as many bytes in chunks of 1 MiB" };
const readFloor = { ...one("get"), what: "readSync of the frame at its known place" };

const closed: Written = { oneSegment: false, isSynced: true };

/** All of them, in the order in which they are run. */
export const WORKLOADS: readonly Workload[] = [
  ...sizes("append", "append, no sync", one("append"), appendFloor, 0.9),
  {
    ...one("appendBatch"),
    id: "append-batch",
    title: `append in batches of ${BATCH.toLocaleString("en")}, no sync`,
    entrySize: SMALL,
    floor: appendFloor,
    score: "rate",
    goal: 8,
  },
  ...sizes(
    "batch",
    `${BATCH.toLocaleString("en")} entries a batch, one sync each`,
    one("appendBatchAndSync"),
    batchFloor,
    0.85,
  ),
  ...sizes("durable", "durable append, 1 caller", one("appendAndSync"), durableFloor, 1.4),
  {
    ...one("appendAndSync"),
    callers: MANY,
    id: "shared",
    title: `durable append, ${MANY} callers`,
    entrySize: SMALL,
    floor: manyFloor,
    score: "rate",
    goal: 0.85,
  },
  reading("open", "open after kill -9", "open", closed, scanFloor, "time", 0.3),
  reading(
    "open-one",
    "open after kill -9, all in one segment",
    "open",
    { oneSegment: true, isSynced: true },
    scanFloor,
    "time",
    2,
  ),
  {
    ...reading(
      "open-unsynced",
      "open after kill -9 right after the last append, nothing synced",
      "open",
      { oneSegment: false, isSynced: false },
      scanFloor,
      "time",
    ),
    oursOnly: true,
  },
  reading("read", "read entries at random", "get", closed, readFloor, "rate", 0.85),
  reading("replay", "replay all in order", "replay", closed, scanFloor, "rate", 0.3),
];

/** The part of an id that names the family: `append` of `append-batch`. */
export function familyOf(id: string): string {
  return id.split("-")[0] ?? id;
}

/** A workload that appends, with small and with large entries. */
function sizes(
  id: string,
  title: string,
  work: Work,
  floor: Workload["floor"],
  goal: number,
): Workload[] {
  return [SMALL, LARGE].map((entrySize) => ({
    ...work,
    id: entrySize === SMALL ? id : `${id}-1K`,
    title: entrySize === SMALL ? title : `${title}, entries of 1 KiB`,
    entrySize,
    floor,
    score: "rate",
    goal,
  }));
}

function reading(
  id: string,
  title: string,
  operation: Operation,
  reads: Written,
  floor: Workload["floor"],
  score: Workload["score"],
  goal?: number,
): Workload {
  const common = { ...one(operation), id, title, entrySize: SMALL, reads, floor, score };
  return goal === undefined ? common : { ...common, goal };
}
