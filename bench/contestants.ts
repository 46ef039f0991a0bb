/**
 * The contestants: where each runs, and what each promises where others promise more.
 *
 * @module
 */
import type { Edition } from "../kit/runtime.ts";
import { familyOf, type Workload } from "./workloads.ts";

/** Where a contestant runs. */
export type Host = Edition | "go";

/** What a contestant stores and promises; a row of the report's table. */
export interface Promises {
  /** What notices damaged data, and when. */
  readonly checksum: string;
  /** What an append without a sync leaves where. */
  readonly unsynced: string;
  /** What a durable append has done when it returns. */
  readonly durable: string;
  /** What the caller's event loop, or goroutine, does meanwhile. */
  readonly meanwhile: string;
}

/** A contestant, wherever it runs. */
export interface Kind {
  readonly name: string;
  readonly promises: Promises;
  /**
   * What it promises less than the log does, by a workload's id or family; `all` for every other.
   * `undefined` where it promises the same after all.
   */
  readonly less?: Readonly<Record<string, string | undefined>>;
  /** What else is to be known of its rows, by family. */
  readonly notes?: Readonly<Record<string, string>>;
  /** The families that it takes part in; by default all. */
  readonly families?: readonly string[];
  /** Why it takes no part in a workload, by id or family. */
  readonly absent?: Readonly<Record<string, string>>;
  /** The ratios that it is to reach, by a workload's id, where not the workload's own. */
  readonly goals?: Readonly<Record<string, number>>;
  /** Whether a batcher of the benchmark's lets its many callers share a sync. */
  readonly isBatched?: boolean;
}

/** A contestant in one place. */
export interface Entrant {
  /** Its kind's name and its host, such as `ours on bun`. */
  readonly id: string;
  readonly kind: Kind;
  readonly host: Host;
}

const FLOOR: Kind = {
  name: "floor",
  promises: {
    checksum: "none",
    unsynced: "page cache",
    durable: "write and fdatasync",
    meanwhile: "blocked",
  },
};

const OURS: Kind = {
  name: "ours",
  promises: {
    checksum: "CRC-32 of each entry, checked by open in the last segment and by every read",
    unsynced: "page cache",
    durable: "write and fdatasync",
    meanwhile: "runs",
  },
};

/** The same with `syncBlocking`, or with `syncMode: "blocking"` for many callers. */
const OURS_BLOCKING: Kind = {
  name: "ours, blocking",
  promises: { ...OURS.promises, meanwhile: "blocked for one fdatasync at a time" },
  families: ["batch", "durable", "shared"],
};

/** The same with `memoryMap: "on"`. */
const OURS_MAPPED: Kind = {
  name: "ours, mapped",
  promises: OURS.promises,
  families: ["append", "read", "replay"],
  goals: { append: 4, read: 2, replay: 1 },
};

const READS_UNCHECKED = "reads check no checksum";

const SQLITE_PROMISES: Promises = {
  checksum: "of the frames in the -wal file, checked by open; none of the database",
  unsynced: "page cache (synchronous = NORMAL)",
  durable: "write and fsync of the -wal file (synchronous = FULL)",
  meanwhile: "blocked",
};

function sqlite(name: string): Kind {
  return {
    name,
    promises: SQLITE_PROMISES,
    less: {
      open: "what was moved from the -wal file to the database is not checked",
      read: READS_UNCHECKED,
      replay: READS_UNCHECKED,
    },
    isBatched: true,
  };
}

function openEnded(name: string): Kind {
  return {
    name: `${name}, one transaction`,
    promises: {
      ...SQLITE_PROMISES,
      unsynced: "the process's memory, until the transaction is committed",
      durable: "not measured",
    },
    less: { append: "the death of the process loses everything: nothing is committed" },
    families: ["append"],
    absent: { "append-batch": "the transaction is one batch already" },
  };
}

const LMDB: Kind = {
  name: "lmdb",
  promises: {
    checksum: "none",
    unsynced: "memory until another thread has committed, then page cache and a sync later",
    durable: "commit, then sync (`flushed`)",
    meanwhile: "runs",
  },
  less: {
    all: "no checksum",
    append:
      "no checksum; what is appended in one turn of the event loop is in memory until its end",
    "append-batch": "no checksum",
  },
};

const LEVEL: Kind = {
  name: "classic-level",
  promises: {
    checksum: "CRC-32C of its log, checked by open; of tables, not checked by these reads",
    unsynced: "page cache, once the promise resolves",
    durable: "write and fdatasync (`sync: true`)",
    meanwhile: "runs",
  },
  less: {
    append: "an append is in memory until its promise resolves; 1,000 are in flight",
    "append-batch": undefined,
    open: "what was moved from its log to tables is not checked",
    read: READS_UNCHECKED,
    replay: READS_UNCHECKED,
  },
  isBatched: true,
};

const ETCD: Kind = {
  name: "etcd wal",
  promises: {
    checksum: "chained CRC-32C, all of it checked by open",
    unsynced: "page cache (SetUnsafeNoFsync)",
    durable: "write and fdatasync, into space that is allocated beforehand",
    meanwhile: "the goroutine waits",
  },
  notes: {
    append: "has no append without a sync but by SetUnsafeNoFsync, which is meant for tests",
    open: "open reads and checks the whole log, and keeps it in memory",
    replay: "reads all of the log into memory; it is the open too",
  },
  absent: { read: "it has no call that reads one entry" },
  isBatched: true,
};

const RAFT_WAL: Kind = {
  name: "raft-wal",
  promises: {
    checksum: "CRC-32C of each commit, of which open checks the last",
    unsynced: "not offered",
    durable: "write and fsync, into space that is allocated beforehand",
    meanwhile: "the goroutine waits",
  },
  less: {
    open: "checks the last commit only",
    read: READS_UNCHECKED,
    replay: READS_UNCHECKED,
  },
  absent: { append: "it syncs every append" },
  isBatched: true,
};

const TIDWALL: Kind = {
  name: "tidwall/wal",
  promises: {
    checksum: "none",
    unsynced: "page cache (NoSync)",
    durable: "write and fsync",
    meanwhile: "the goroutine waits",
  },
  less: { all: "no checksum" },
  absent: {
    read:
      "a read loads a whole segment, of which it keeps two: 200,000 random reads take over 5 minutes",
  },
  isBatched: true,
};

const ON_NODE: readonly Kind[] = [
  sqlite("node:sqlite"),
  openEnded("node:sqlite"),
  sqlite("better-sqlite3"),
  LMDB,
  LEVEL,
];

const PEERS: Readonly<Record<Host, readonly Kind[]>> = {
  node: ON_NODE,
  node26: ON_NODE,
  bun: [sqlite("bun:sqlite"), openEnded("bun:sqlite"), LMDB, LEVEL],
  deno: [sqlite("node:sqlite"), LMDB, LEVEL],
  go: [ETCD, RAFT_WAL, TIDWALL],
};

/** All contestants on a host; the floor is the first. */
export function entrantsOn(host: Host, withPeers: boolean): Entrant[] {
  const own = host === "go" ? [FLOOR] : [FLOOR, OURS, OURS_BLOCKING];
  // Node has what it takes to map a file from 26 on.
  if (host !== "go" && host !== "node") own.push(OURS_MAPPED);
  const kinds = withPeers ? [...own, ...PEERS[host]] : own;
  return kinds.map((kind) => ({ id: `${kind.name} on ${host}`, kind, host }));
}

/** Whether it takes part in a workload. */
export function takesPart({ kind }: Entrant, workload: Workload): boolean {
  const family = familyOf(workload.id);
  if (isFloor(kind)) return true;
  if (workload.oursOnly || workload.reads?.oneSegment) return kind === OURS;
  if (kind.families !== undefined && !kind.families.includes(family)) return false;
  return absenceOf(kind, workload) === undefined;
}

/** Why a kind takes no part in a workload; `undefined` where nothing keeps it. */
export function absenceOf({ absent }: Kind, { id }: Workload): string | undefined {
  return absent?.[id] ?? absent?.[familyOf(id)];
}

/** Whether it is a floor. */
export function isFloor(kind: Kind): boolean {
  return kind === FLOOR;
}

/** Whether it is this project's log. */
export function isOurs(kind: Kind): boolean {
  return kind === OURS || kind === OURS_BLOCKING || kind === OURS_MAPPED;
}

/** The ratio that a kind of ours is to reach. */
export function goalOf({ goals }: Kind, { id, goal }: Workload): number | undefined {
  return goals?.[id] ?? goal;
}

/** How its own log is called, with the options that it is opened with. */
export function nameOfOurs(kind: Kind): string {
  return kind.name.replace("ours", "@durable/wal");
}

/** What it promises less than the log does in a workload; `undefined` where it promises the same. */
export function lessOf(kind: Kind, workload: Workload): string | undefined {
  const { less = {} } = kind;
  const key = [workload.id, familyOf(workload.id), "all"].find((key) => Object.hasOwn(less, key));
  return key === undefined ? undefined : less[key];
}

/** What else is to be known of its row of a workload. */
export function noteOf(kind: Kind, workload: Workload): string | undefined {
  return kind.notes?.[familyOf(workload.id)];
}

/** How its row of a workload is called. */
export function labelOf(kind: Kind, workload: Workload): string {
  if (isOurs(kind)) return nameOfOurs(kind);
  return kind.isBatched && workload.callers > 1 ? `${kind.name} + batcher` : kind.name;
}
