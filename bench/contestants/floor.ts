/**
 * The floor: what the runtime does by itself with the same bytes. No log, no checksum, no error
 * handling; the frames are ready before the clock starts.
 *
 * @module
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { RUNTIME } from "../../kit/runtime.ts";
import process from "node:process";
import { FRAME_HEADER } from "../log_files.ts";
import { BATCH, MANY } from "../workloads.ts";
import type { Contestant, OpenOptions, Store } from "./contestant.ts";

const CHUNK = 1024 * 1024;

/** The floor of the runtime that runs this. */
export const contestant: Contestant = {
  version: `${RUNTIME} ${process.versions[RUNTIME]}`,
  hasGroupCommit: false,
  open: (path, options) => new Floor(path, options),
};

/** The same with a sync off the event loop. */
export const groups: Contestant = {
  ...contestant,
  open: (path, options) => new Groups(path, options),
};

class Floor implements Store {
  protected readonly file: number;
  readonly #frameSize: number;
  readonly #frames: Uint8Array;
  readonly #chunk = new Uint8Array(CHUNK);

  constructor(path: string, { entrySize }: OpenOptions) {
    this.file = openSync(path, "a+");
    this.#frameSize = FRAME_HEADER + entrySize;
    this.#frames = new Uint8Array(this.#frameSize * Math.max(BATCH, MANY)).fill(7);
  }

  append(_entry: Uint8Array, count: number): void {
    const file = this.file;
    const size = this.#frameSize;
    for (let i = 0; i < count; i++) writeSync(file, this.#frames, 0, size);
  }

  appendAndSync(): void {
    writeSync(this.file, this.#frames, 0, this.#frameSize);
    fdatasyncSync(this.file);
  }

  appendBatchAndSync(entries: readonly Uint8Array[]): void | Promise<void> {
    this.writeBatch(entries.length);
    fdatasyncSync(this.file);
  }

  protected writeBatch(count: number): void {
    writeSync(this.file, this.#frames, 0, this.#frameSize * count);
  }

  get(indexes: Uint32Array): number {
    const frame = this.#chunk.subarray(0, this.#frameSize);
    let sum = 0;
    for (const index of indexes) {
      const at = (index - 1) * this.#frameSize;
      // The header counts for nothing, so that the sum is that of the entries.
      sum += readSync(this.file, frame, 0, this.#frameSize, at) - FRAME_HEADER +
        (frame[0] as number);
    }
    return sum;
  }

  replay(): number {
    const entrySize = this.#frameSize - FRAME_HEADER;
    let bytes = 0;
    let n: number;
    while ((n = readSync(this.file, this.#chunk, 0, CHUNK, bytes)) > 0) bytes += n;
    return bytes / this.#frameSize * (entrySize + (this.#chunk[0] as number));
  }

  lastIndex(): number {
    return fstatSync(this.file).size / this.#frameSize;
  }

  close(): void {
    closeSync(this.file);
  }
}

class Groups extends Floor {
  override appendBatchAndSync(entries: readonly Uint8Array[]): Promise<void> {
    this.writeBatch(entries.length);
    return new Promise((resolve, reject) => {
      fdatasync(this.file, (error) => error ? reject(error) : resolve());
    });
  }
}
