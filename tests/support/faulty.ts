/**
 * A file system that records its calls and fails on demand, around any other.
 *
 * @module
 */
import {
  type File,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type Lock,
  type OpenMode,
} from "../../src/fs/file_system.ts";
import { nameOf } from "../../src/fs/path.ts";

/** The calls that are recorded, by these names. */
export type Operation =
  | "open"
  | "create"
  | "read"
  | "write"
  | "truncate"
  | "syncData"
  | "sync"
  | "syncBlocking"
  | "syncDirectory"
  | "makeDirectory"
  | "remove";

interface Fault {
  readonly operation: Operation;
  readonly code: FileSystemErrorCode;
  /** How many more such calls succeed first. */
  after: number;
  /** How many calls fail then. */
  times: number;
  /** Of a write that fails: how many bytes it leaves. */
  readonly leaves: number;
}

/** Records every call as "operation name" and fails those that it is told to. */
export class FaultyFileSystem implements FileSystem {
  readonly calls: string[] = [];
  /** While set, syncData waits for it. */
  syncGate: Promise<void> | undefined;
  readonly #under: FileSystem;
  readonly #faults: Fault[] = [];

  constructor(under: FileSystem) {
    this.#under = under;
  }

  /** Fails the next calls of an operation. */
  fail(
    operation: Operation,
    code: FileSystemErrorCode,
    options: { after?: number; times?: number; leaves?: number } = {},
  ): void {
    this.#faults.push({ operation, code, after: 0, times: 1, leaves: 0, ...options });
  }

  /** The number of calls of an operation. */
  count(operation: Operation): number {
    return this.calls.filter((call) => call.startsWith(`${operation} `)).length;
  }

  /** Records a call; the fault that it has to suffer, if any. */
  record(operation: Operation, path: string): Fault | undefined {
    this.calls.push(`${operation} ${nameOf(path)}`);
    const fault = this.#faults.find((fault) => fault.operation === operation && fault.times > 0);
    if (fault === undefined) return undefined;
    if (fault.after-- > 0) return undefined;
    fault.times--;
    return fault;
  }

  check(operation: Operation, path: string): void {
    const fault = this.record(operation, path);
    if (fault !== undefined) throw new FileSystemError(fault.code, operation, path);
  }

  open(path: string, mode: OpenMode, permissions?: number): File {
    this.check(mode === "create" ? "create" : "open", path);
    return new FaultyFile(this, path, this.#under.open(path, mode, permissions));
  }

  list(directory: string): string[] {
    return this.#under.list(directory);
  }

  remove(path: string): void {
    this.check("remove", path);
    this.#under.remove(path);
  }

  makeDirectory(path: string, permissions: number): void {
    this.check("makeDirectory", path);
    this.#under.makeDirectory(path, permissions);
  }

  async syncDirectory(path: string): Promise<void> {
    this.check("syncDirectory", path);
    await this.#under.syncDirectory(path);
  }

  syncDirectoryBlocking(path: string): void {
    this.check("syncDirectory", path);
    this.#under.syncDirectoryBlocking(path);
  }

  lock(path: string, permissions: number): Promise<Lock> {
    return this.#under.lock(path, permissions);
  }
}

class FaultyFile implements File {
  readonly #system: FaultyFileSystem;
  readonly #path: string;
  readonly #under: File;

  constructor(system: FaultyFileSystem, path: string, under: File) {
    this.#system = system;
    this.#path = path;
    this.#under = under;
  }

  read(into: Uint8Array, offset: number, length?: number): number {
    this.#system.check("read", this.#path);
    return this.#under.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    const fault = this.#system.record("write", this.#path);
    if (fault === undefined) return this.#under.write(data, offset, length);
    this.#under.write(data, offset, Math.min(fault.leaves, length));
    throw new FileSystemError(fault.code, "write", this.#path);
  }

  size(): number {
    return this.#under.size();
  }

  truncate(size: number): void {
    this.#system.check("truncate", this.#path);
    this.#under.truncate(size);
  }

  async syncData(): Promise<void> {
    const fault = this.#system.record("syncData", this.#path);
    await this.#system.syncGate;
    if (fault !== undefined) throw new FileSystemError(fault.code, "syncData", this.#path);
    await this.#under.syncData();
  }

  async sync(): Promise<void> {
    this.#system.check("sync", this.#path);
    await this.#under.sync();
  }

  syncBlocking(): void {
    this.#system.check("syncBlocking", this.#path);
    this.#under.syncBlocking();
  }

  close(): void {
    this.#under.close();
  }
}
