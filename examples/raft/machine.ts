/**
 * The state machine that the nodes replicate, and its snapshots.
 *
 * It keeps a running hash of the commands, so that two machines are equal if they were given the same
 * commands in the same order, and (as good as) only then.
 *
 * @module
 */
import type { FileSystem } from "@durable/wal";
import type { RaftEntry, SnapshotMark } from "@durable/wal/raft";
import { readAll } from "./disk.ts";

/** A machine's state after the entry at `index`, as a snapshot has it. */
export interface Snapshot extends SnapshotMark {
  readonly hash: number;
}

/** The state before any entry. */
export const NO_SNAPSHOT: Snapshot = { index: 0, term: 0, hash: 0 };

/** The state after one more entry. */
export function apply(before: Snapshot, { index, term, data }: RaftEntry): Snapshot {
  let hash = Math.imul(before.hash ^ term, 0x01000193);
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return { index, term, hash: Math.imul(hash ^ data.length, 0x01000193) };
}

/** The snapshots of one node: a file each, named by the last entry it has. */
export class Snapshots {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;

  constructor(fileSystem: FileSystem, folder: string) {
    this.#fileSystem = fileSystem;
    this.#folder = folder;
  }

  /** Makes a snapshot durable. The log's mark may name it after this, and not before. */
  async save(snapshot: Snapshot): Promise<void> {
    const path = this.#path(snapshot.index);
    // The process that began to write it may have died before the mark named it.
    if (this.#indexes().includes(snapshot.index)) this.#fileSystem.remove(path);
    const file = this.#fileSystem.open(path, "create", 0o600);
    try {
      file.write(new TextEncoder().encode(JSON.stringify(snapshot)), 0);
      await file.sync();
    } finally {
      file.close();
    }
    await this.#fileSystem.syncDirectory(this.#folder);
  }

  /** Reads the snapshot that the log's mark names. */
  load(index: number): Snapshot {
    if (index === 0) return NO_SNAPSHOT;
    const file = this.#fileSystem.open(this.#path(index), "read");
    try {
      return JSON.parse(new TextDecoder().decode(readAll(file))) as Snapshot;
    } finally {
      file.close();
    }
  }

  /** Removes all but the one that the log's mark names. */
  removeAllBut(index: number): void {
    for (const other of this.#indexes()) {
      if (other !== index) this.#fileSystem.remove(this.#path(other));
    }
  }

  #indexes(): number[] {
    return this.#fileSystem.list(this.#folder).flatMap((name) => {
      const found = /^snapshot-(\d+)$/.exec(name);
      return found === null ? [] : [Number(found[1])];
    });
  }

  #path(index: number): string {
    return `${this.#folder}/snapshot-${index}`;
  }
}
