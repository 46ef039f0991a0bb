/**
 * A file system that counts the calls that write, sync, cut and remove, and stops before and after
 * one of them, so that something can be done to the process meanwhile.
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
import type { GatedCall } from "./remote_lines.ts";

/** What is called while the call waits. */
export interface Gate {
  before(call: GatedCall): void;
  after(call: GatedCall): void;
}

/** Around any other. */
export class GatedFileSystem implements FileSystem {
  readonly #under: FileSystem;
  readonly #gate: Gate;
  #calls = 0;
  #at = Infinity;

  constructor(under: FileSystem, gate: Gate) {
    this.#under = under;
    this.#gate = gate;
  }

  /** How many calls there were. */
  get calls(): number {
    return this.#calls;
  }

  /** Stops at a call, counted from 1 from now on. */
  gateAt(at: number): void {
    this.#calls = 0;
    this.#at = at;
  }

  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    return new GatedFile(this, path, this.#under.open(path, mode, permissions));
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
    this.pass({ name: "unlink", path }, () => this.#under.remove(path));
  }

  makeDirectory(path: string, permissions: number): void {
    this.#under.makeDirectory(path, permissions);
  }

  openDirectory(path: string): Directory {
    const directory = this.#under.openDirectory(path);
    return {
      sync: () => this.passAsync({ name: "fsync", path }, () => directory.sync()),
      syncBlocking: () => this.pass({ name: "fsync", path }, () => directory.syncBlocking()),
      close: () => directory.close(),
    };
  }

  syncDirectory(path: string): Promise<void> {
    return this.passAsync({ name: "fsync", path }, () => this.#under.syncDirectory(path));
  }

  lock(path: string, permissions: number): Promise<WriterLock> {
    return this.#under.lock(path, permissions);
  }

  guard(path: string): Guard | Promise<Guard> {
    return this.#under.guard(path);
  }

  /** Makes a call. */
  pass(call: GatedCall, make: () => void): void {
    if (++this.#calls !== this.#at) return make();
    this.#gate.before(call);
    try {
      make();
    } finally {
      this.#gate.after(call);
    }
  }

  /** Makes a call that ends later. */
  async passAsync(call: GatedCall, make: () => Promise<void>): Promise<void> {
    if (++this.#calls !== this.#at) return await make();
    this.#gate.before(call);
    try {
      await make();
    } finally {
      this.#gate.after(call);
    }
  }
}

class GatedFile implements FileHandle {
  readonly #system: GatedFileSystem;
  readonly #path: string;
  readonly #under: FileHandle;

  constructor(system: GatedFileSystem, path: string, under: FileHandle) {
    this.#system = system;
    this.#path = path;
    this.#under = under;
  }

  read(into: Uint8Array, offset: number, length?: number): number {
    return this.#under.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length?: number): void {
    const call = { name: "write", path: this.#path } as const;
    this.#system.pass(call, () => this.#under.write(data, offset, length));
  }

  size(): number {
    return this.#under.size();
  }

  identity(): string {
    return this.#under.identity();
  }

  truncate(size: number): void {
    const call = { name: "ftruncate", path: this.#path } as const;
    this.#system.pass(call, () => this.#under.truncate(size));
  }

  syncData(): Promise<void> {
    const call = { name: "fdatasync", path: this.#path } as const;
    return this.#system.passAsync(call, () => this.#under.syncData());
  }

  sync(): Promise<void> {
    const call = { name: "fsync", path: this.#path } as const;
    return this.#system.passAsync(call, () => this.#under.sync());
  }

  syncDataBlocking(): void {
    const call = { name: "fdatasync", path: this.#path } as const;
    this.#system.pass(call, () => this.#under.syncDataBlocking());
  }

  syncBlocking(): void {
    const call = { name: "fsync", path: this.#path } as const;
    this.#system.pass(call, () => this.#under.syncBlocking());
  }

  close(): void {
    this.#under.close();
  }
}
