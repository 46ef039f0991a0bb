/**
 * What a contestant is, to the process that runs its trials.
 *
 * @module
 */

/** How a store is opened. */
export interface OpenOptions {
  /** How many callers it will have at a time. */
  readonly callers: number;
  /** Bytes of each entry. */
  readonly entrySize: number;
  /** Whether its appends will be synced. */
  readonly isDurable: boolean;
  /** All in one file, where there is a say in it. */
  readonly oneSegment: boolean;
}

/** A log, or what is used as one, that is open. It has the calls that the workloads need of it. */
export interface Store {
  /** Appends an entry `count` times, one by one, without a sync. */
  append?(entry: Uint8Array, count: number): void | Promise<void>;
  /** Appends entries as one, without a sync. */
  appendBatch?(entries: readonly Uint8Array[]): void | Promise<void>;
  /** Appends entries as one and makes them durable. */
  appendBatchAndSync?(entries: readonly Uint8Array[]): void | Promise<void>;
  /** Appends an entry and makes it durable. */
  appendAndSync?(entry: Uint8Array): void | Promise<void>;
  /** Makes durable what was appended before. */
  sync?(): void | Promise<void>;
  /** Reads the entries at these indexes, from 1, one by one; the sum of what {@linkcode touch} says. */
  get?(indexes: Uint32Array): number | Promise<number>;
  /** Reads all entries in order; the sum of what {@linkcode touch} says. */
  replay?(): number | Promise<number>;
  /** The index of the last entry, which is how many there are. */
  lastIndex(): number | Promise<number>;
  close(): void | Promise<void>;
}

/** What takes part. */
export interface Contestant {
  /** Its name and version. */
  readonly version: string;
  /** Whether it lets callers that come at the same time share a sync. */
  readonly hasGroupCommit: boolean;
  open(path: string, options: OpenOptions): Store | Promise<Store>;
}

/** Looks at an entry, so that reading it cannot be left out. */
export function touch(data: Uint8Array): number {
  return data.length + (data[0] as number);
}

/** An entry to append. */
export function someEntry(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => 7 + i * 31);
}
