/**
 * A file system that measures what is read of it, so that a hang or an allocation beyond the files'
 * size is found without a clock.
 *
 * @module
 */
import type {
  Directory,
  FileHandle,
  FileSystem,
  Guard,
  OpenMode,
  WriterLock,
} from "../../src/fs/file_system.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { Finding } from "./finding.ts";

/** How much may be read of files of a size. */
export interface Allowance {
  /** Bytes that are read together. */
  readonly bytes: number;
  /** Calls. */
  readonly reads: number;
  /** The largest buffer that is read into, and the largest file that is written. */
  readonly buffer: number;
}

/** Counts, and stops a call that goes too far. */
export class Meter {
  bytes = 0;
  reads = 0;
  /** What was found; the code that is fuzzed may have caught it. */
  finding: Finding | undefined;
  readonly #allowed: Allowance;

  constructor(allowed: Allowance) {
    this.#allowed = allowed;
  }

  /** Checks what is asked for, and counts what a file of a size can give of it. */
  read(into: Uint8Array, offset: number, length: number, size: number): void {
    this.place("read", offset, length);
    this.bytes += Math.max(0, Math.min(length, size - offset));
    this.reads++;
    const { bytes, reads, buffer } = this.#allowed;
    if (this.bytes > bytes) this.#stop(`hang: more than ${bytes} bytes were read`);
    if (this.reads > reads) this.#stop(`hang: more than ${reads} reads`);
    // The kernel's memory is there whatever is read.
    const isOwn = into !== frameChecksum.staging;
    if (isOwn && into.length > buffer) this.#stop(`allocation: a buffer of ${into.length} bytes`);
    if (length > into.length) this.#stop(`a read of ${length} bytes into ${into.length}`);
  }

  /** Checks a place that a file is to reach up to. */
  reach(call: string, offset: number, length: number = 0): void {
    this.place(call, offset, length);
    const end = offset + length;
    if (end > this.#allowed.buffer) {
      this.#stop(`allocation: a ${call} makes a file of ${end} bytes`);
    }
  }

  /** Checks that a place in a file can be one. */
  place(call: string, offset: number, length: number = 0): void {
    for (const number of [offset, length]) {
      if (Number.isSafeInteger(number) && number >= 0) continue;
      this.#stop(`a ${call} at offset ${offset} of ${length} bytes`);
    }
  }

  /** Tells what was found, if anything. */
  check(): void {
    if (this.finding !== undefined) throw this.finding;
  }

  #stop(what: string): never {
    this.finding ??= new Finding(what);
    throw this.finding;
  }
}

/** A file of bytes that is only read. */
export class BytesFile implements FileHandle {
  readonly #bytes: Uint8Array;
  readonly #meter: Meter;

  constructor(bytes: Uint8Array, meter: Meter) {
    this.#bytes = bytes;
    this.#meter = meter;
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    this.#meter.read(into, offset, length, this.#bytes.length);
    if (offset >= this.#bytes.length) return 0;
    const end = Math.min(this.#bytes.length, offset + length);
    into.set(this.#bytes.subarray(offset, end));
    return end - offset;
  }

  size(): number {
    return this.#bytes.length;
  }

  identity(): string {
    return "1";
  }

  write(): never {
    throw new Finding("a write to a file that is only read");
  }

  truncate(): never {
    throw new Finding("a cut of a file that is only read");
  }

  syncData(): Promise<void> {
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  syncDataBlocking(): void {}

  syncBlocking(): void {}

  close(): void {}
}

/** Measures the calls of another file system. */
export class MeteredFileSystem implements FileSystem {
  readonly #under: FileSystem;
  readonly #meter: Meter;

  constructor(under: FileSystem, meter: Meter) {
    this.#under = under;
    this.#meter = meter;
  }

  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    return new MeteredFile(this.#under.open(path, mode, permissions), this.#meter);
  }

  list(directory: string): string[] {
    return this.#under.list(directory);
  }

  identify(path: string): string | undefined {
    return this.#under.identify(path);
  }

  realPath(path: string): string {
    return this.#under.realPath(path);
  }

  remove(path: string): void {
    this.#under.remove(path);
  }

  makeDirectory(path: string, permissions: number): void {
    this.#under.makeDirectory(path, permissions);
  }

  openDirectory(path: string): Directory {
    return this.#under.openDirectory(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#under.syncDirectory(path);
  }

  lock(path: string, permissions: number): Promise<WriterLock> {
    return this.#under.lock(path, permissions);
  }

  guard(path: string): Guard | Promise<Guard> {
    return this.#under.guard(path);
  }
}

class MeteredFile implements FileHandle {
  readonly #under: FileHandle;
  readonly #meter: Meter;

  constructor(under: FileHandle, meter: Meter) {
    this.#under = under;
    this.#meter = meter;
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    this.#meter.read(into, offset, length, this.#under.size());
    return this.#under.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    this.#meter.reach("write", offset, length);
    this.#under.write(data, offset, length);
  }

  size(): number {
    return this.#under.size();
  }

  identity(): string {
    return this.#under.identity();
  }

  truncate(size: number): void {
    this.#meter.reach("cut", size);
    this.#under.truncate(size);
  }

  syncData(): Promise<void> {
    return this.#under.syncData();
  }

  sync(): Promise<void> {
    return this.#under.sync();
  }

  syncDataBlocking(): void {
    this.#under.syncDataBlocking();
  }

  syncBlocking(): void {
    this.#under.syncBlocking();
  }

  close(): void {
    this.#under.close();
  }
}
