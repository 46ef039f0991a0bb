/**
 * A disk whose machine can die: at any system call, with or without its power.
 *
 * It stands on any file system, real or in memory, and keeps account of what no sync has covered
 * yet. When a process dies, its open files and its lock go, and what it wrote stays, as with
 * kill -9. When the power goes too, of each file any of the changes since its last sync may be lost,
 * in any order, and a write may be torn; of a directory, the last changes of names. What a sync
 * covered stays. So nothing here is kinder than a disk: what comes through is what was synced, and
 * some of the rest.
 *
 * The syncs themselves are only noted, not passed on: since the power never really goes, waiting for
 * a real disk would show nothing and take most of the time.
 *
 * @module
 */
import {
  type Directory,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  type Guard,
  LockedError,
  type OpenMode,
  type WriterLock,
} from "@durable/wal";
import type { Random } from "./random.ts";

/** A change of a file that no sync has covered, and what was there before. */
type Change =
  | { kind: "write"; offset: number; data: Uint8Array; oldSize: number; old: Uint8Array }
  | { kind: "truncate"; size: number; oldSize: number; old: Uint8Array };

/** A change of a directory that no sync has covered. */
type NameChange = { kind: "create"; path: string } | {
  kind: "remove";
  path: string;
  content: Uint8Array;
};

/** The disk of one node. */
export class Disk {
  readonly under: FileSystem;
  /** By path. */
  readonly #changes = new Map<string, Change[]>();
  #names: NameChange[] = [];
  #process: Process | undefined;

  constructor(under: FileSystem) {
    this.under = under;
  }

  /** Starts a process; the one before must have died or given its lock back. */
  start(): Process {
    this.#process = new Process(this);
    return this.#process;
  }

  /** Loses some of what no sync has covered. The process must be dead. */
  cutPower(random: Random): void {
    for (const [path, changes] of this.#changes) {
      const file = this.under.open(path, "write");
      for (const change of changes.toReversed()) undo(file, change);
      for (const change of chooseSurvivors(changes, random)) redo(file, change);
      file.close();
    }
    this.#changes.clear();
    const kept = random.between(0, this.#names.length);
    for (const change of this.#names.slice(kept).toReversed()) {
      if (change.kind === "create") this.under.remove(change.path);
      else writeAnew(this.under, change.path, change.content);
    }
    this.#names = [];
  }

  /** Notes a change of a file. */
  changed(path: string, change: Change): void {
    const changes = this.#changes.get(path);
    if (changes === undefined) this.#changes.set(path, [change]);
    else changes.push(change);
  }

  /** Notes a sync of a file. */
  synced(path: string): void {
    this.#changes.delete(path);
  }

  /** Notes a new name. */
  created(path: string): void {
    this.#names.push({ kind: "create", path });
  }

  /** Notes that a name goes. */
  removed(path: string, content: Uint8Array): void {
    this.#changes.delete(path);
    this.#names.push({ kind: "remove", path, content });
  }

  /** Notes a sync of the directory. */
  namesSynced(): void {
    this.#names = [];
  }
}

/** What a process sees of the disk, until it dies. */
export class Process implements FileSystem {
  readonly #disk: Disk;
  readonly #open = new Set<FileHandle>();
  #isAlive = true;
  #locked = false;
  /** How many more calls that change something succeed; endless if not counted. */
  #callsLeft = Infinity;
  #tearing: Random | undefined;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Whether it has not died. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Dies now: its files and its lock go. */
  die(): void {
    this.#isAlive = false;
    for (const file of this.#open) file.close();
    this.#open.clear();
    this.#locked = false;
  }

  /** Will die in the middle of what it does: at a call that changes something, which may be torn. */
  dieAfter(calls: number, tearing: Random): void {
    this.#callsLeft = calls;
    this.#tearing = tearing;
  }

  /** Will not, for now. */
  liveOn(): void {
    this.#callsLeft = Infinity;
  }

  /** Begins a call that changes something; throws if the process does not live to see it done. */
  change(operation: string, path: string, torn?: (random: Random) => void): void {
    this.requireAlive(operation, path);
    if (this.#callsLeft-- > 0) return;
    if (this.#tearing !== undefined) torn?.(this.#tearing);
    this.die();
    this.requireAlive(operation, path);
  }

  requireAlive(operation: string, path: string): void {
    if (!this.#isAlive) throw new FileSystemError("EIO", operation, path);
  }

  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    this.requireAlive("Open", path);
    const file = this.#disk.under.open(path, mode, permissions);
    this.#open.add(file);
    if (mode === "create") {
      this.#disk.created(path);
      this.change("Create", path);
    }
    return new DiskFile(this, this.#disk, path, file, () => this.#open.delete(file));
  }

  list(directory: string): string[] {
    this.requireAlive("List", directory);
    return this.#disk.under.list(directory);
  }

  identify(path: string): string | undefined {
    this.requireAlive("Stat", path);
    return this.#disk.under.identify(path);
  }

  realPath(path: string): string {
    return this.#disk.under.realPath(path);
  }

  remove(path: string): void {
    this.change("Remove", path);
    const file = this.#disk.under.open(path, "read");
    const content = readAll(file);
    file.close();
    this.#disk.under.remove(path);
    this.#disk.removed(path, content);
  }

  makeDirectory(path: string, permissions: number): void {
    this.change("Make directory", path);
    this.#disk.under.makeDirectory(path, permissions);
  }

  openDirectory(path: string): Directory {
    return {
      sync: () => this.syncDirectory(path),
      syncBlocking: () => this.#syncNames(path),
      close: () => {},
    };
  }

  async syncDirectory(path: string): Promise<void> {
    await Promise.resolve();
    this.#syncNames(path);
  }

  #syncNames(path: string): void {
    this.change("Fsync", path);
    this.#disk.namesSynced();
  }

  /** The lock is the process's own: the disk has one process at a time. */
  async lock(path: string): Promise<WriterLock> {
    await Promise.resolve();
    this.requireAlive("Lock", path);
    if (this.#locked) {
      throw new LockedError(path, { pid: undefined, host: undefined, runtime: undefined });
    }
    this.#locked = true;
    return {
      kind: "kernel",
      isHeld: () => this.#locked,
      release: () => void (this.#locked = false),
    };
  }

  /** One process at a time has no other to keep off. */
  guard(path: string): Guard {
    this.requireAlive("Lock", path);
    return { release: (): void => {} };
  }
}

class DiskFile implements FileHandle {
  readonly #process: Process;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #onClose: () => void;

  constructor(process: Process, disk: Disk, path: string, file: FileHandle, onClose: () => void) {
    this.#process = process;
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.#onClose = onClose;
  }

  read(into: Uint8Array, offset: number, length?: number): number {
    this.#process.requireAlive("Read", this.#path);
    return this.#file.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    const whole = data.slice(0, length);
    this.#process.change("Write", this.#path, (random) => {
      this.#write(whole.subarray(0, random.between(0, length)), offset);
    });
    this.#write(whole, offset);
  }

  #write(data: Uint8Array, offset: number): void {
    const oldSize = this.#file.size();
    const old = new Uint8Array(Math.max(0, Math.min(data.length, oldSize - offset)));
    this.#file.read(old, offset);
    this.#disk.changed(this.#path, { kind: "write", offset, data, oldSize, old });
    this.#file.write(data, offset);
  }

  size(): number {
    this.#process.requireAlive("Stat", this.#path);
    return this.#file.size();
  }

  identity(): string {
    this.#process.requireAlive("Stat", this.#path);
    return this.#file.identity();
  }

  truncate(size: number): void {
    this.#process.change("Truncate", this.#path);
    const oldSize = this.#file.size();
    const old = new Uint8Array(Math.max(0, oldSize - size));
    this.#file.read(old, size);
    this.#disk.changed(this.#path, { kind: "truncate", size, oldSize, old });
    this.#file.truncate(size);
  }

  async syncData(): Promise<void> {
    await Promise.resolve();
    this.syncBlocking();
  }

  syncDataBlocking(): void {
    this.syncBlocking();
  }

  async sync(): Promise<void> {
    await Promise.resolve();
    this.syncBlocking();
  }

  syncBlocking(): void {
    this.#process.change("Fsync", this.#path);
    this.#disk.synced(this.#path);
  }

  close(): void {
    this.#onClose();
    this.#file.close();
  }
}

/** Which changes of a file a power cut leaves. */
function chooseSurvivors(changes: readonly Change[], random: Random): Change[] {
  const isOrdered = random.chance(0.5);
  const survivors = isOrdered
    ? changes.slice(0, random.between(0, changes.length))
    : changes.filter(() => random.chance(0.5));
  const last = survivors.at(-1);
  if (last?.kind === "write" && random.chance(0.5)) {
    const data = last.data.subarray(0, random.between(0, last.data.length));
    survivors[survivors.length - 1] = { ...last, data };
  }
  return survivors;
}

function undo(file: FileHandle, change: Change): void {
  file.truncate(change.oldSize);
  file.write(change.old, change.kind === "write" ? change.offset : change.size);
  file.truncate(change.oldSize);
}

function redo(file: FileHandle, change: Change): void {
  if (change.kind === "write") file.write(change.data, change.offset);
  else file.truncate(change.size);
}

function writeAnew(fileSystem: FileSystem, path: string, content: Uint8Array): void {
  const file = fileSystem.open(path, "create", 0o600);
  file.write(content, 0);
  file.close();
}

/** All bytes of a file. */
export function readAll(file: FileHandle): Uint8Array {
  const content = new Uint8Array(file.size());
  file.read(content, 0);
  return content;
}
