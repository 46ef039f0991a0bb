/**
 * A disk in memory that holds each call that waits for it until it is told to continue, and that
 * notes what each process that uses it does: which process a lock belongs to, which files are open,
 * and what is done without a right to it.
 *
 * Calls that return at once cannot be overlapped by anything in the same process, since nothing else
 * runs meanwhile. What another process or a crash finds in the middle of them is noted before each.
 *
 * @module
 */
import {
  type Directory,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  type OpenMode,
  type WriterLock,
} from "../../mod.ts";
import { CrashFileSystem, type CrashOptions } from "../../src/testing/testing.ts";
import { type Failing, failingOf } from "../../src/testing/crash_file_system.ts";
import { like } from "../../kit/like.ts";

/** A call that is held. */
export interface HeldCall {
  /** The call in words. */
  readonly what: string;
  /** Lets it continue, and end. */
  release(): void;
}

/** A process that uses the disk, or a part of one that opened a log. */
interface User {
  readonly name: string;
  hasLock: boolean;
  gaveLockBack: boolean;
  /** The paths of the files and directories that are open. */
  readonly open: string[];
}

/** The disk, around a {@linkcode CrashFileSystem}. */
export class HeldDisk {
  /** What is under it. */
  readonly disk: CrashFileSystem;
  /** The calls that are held, the oldest first. */
  readonly held: HeldCall[] = [];
  /** What was done without a right to it, in words. */
  readonly wrongs: string[] = [];
  /** Whether calls are held from now on. */
  isHolding = false;
  /** Grows with each call. */
  activity = 0;
  /** Grows with each call that changes something, and with the end of each sync. */
  version = 0;
  /** How many calls wait for a clock: until they have ended, nothing else continues. */
  clocks = 0;
  /** How many calls were made, since calls are held, that could have failed. */
  failable = 0;
  /** Which of them fails, counted from 0. */
  failAt: number | undefined;
  /** Is called before each call that changes something or syncs; a crash then is one without it. */
  onCall: ((call: string) => void) | undefined;
  readonly #users: User[] = [];

  /** What the next sync that does not block is of, if it is to fail; it fails when it ends. */
  #failing: Failing | undefined;

  constructor(options: CrashOptions = {}) {
    this.disk = new CrashFileSystem(options);
    this.disk.observe((call) => {
      this.activity++;
      this.onCall?.(call);
      if (!/^(fdatasync|fsync)/.test(call) || this.#isBlocking) {
        this.version++;
        return undefined;
      }
      const failing = this.#failing;
      this.#failing = undefined;
      return this.hold(call).then(() => {
        this.version++;
        failing?.failSync();
      });
    });
  }

  #isBlocking = false;

  /** Whether this call is the one that fails. */
  #fails(): boolean {
    return this.isHolding && this.failable++ === this.failAt;
  }

  /** Holds until it is told to continue. */
  hold(what: string): Promise<void> {
    this.activity++;
    if (!this.isHolding) return Promise.resolve();
    return new Promise((resolve) => {
      const call: HeldCall = {
        what,
        release: () => {
          this.held.splice(this.held.indexOf(call), 1);
          this.activity++;
          resolve();
        },
      };
      this.held.push(call);
    });
  }

  /** Lets everything continue, and holds nothing more. */
  releaseAll(): void {
    this.isHolding = false;
    for (const call of this.held.slice()) call.release();
  }

  /** What is still open or locked by processes that should have ended. */
  leftOpen(): string[] {
    return this.#users.flatMap(({ name, open, hasLock }) => [
      ...(open.length === 0 ? [] : [`${name} has left open: ${open.join(", ")}`]),
      ...(hasLock ? [`${name} has the lock`] : []),
    ]);
  }

  /** The disk as a process sees it that writes, or only reads. */
  fileSystemFor(name: string, isWriter: boolean): FileSystem {
    const user: User = { name, hasLock: false, gaveLockBack: false, open: [] };
    this.#users.push(user);
    const { disk } = this;
    const note = (what: string): void => {
      if (!isWriter) this.wrongs.push(`${name} only reads, and makes the call ${what}`);
      if (user.gaveLockBack) this.wrongs.push(`${name} gave the lock back before the call ${what}`);
      // The directories that lead to a log are made, and synced, before.
      if (!user.hasLock && /^(write|truncate|create|remove)/.test(what)) {
        this.wrongs.push(`${name} has no lock at the call ${what}`);
      }
    };
    const change = <T>(what: string, path: string, call: () => T, fail: () => void): T => {
      note(`${what} ${path}`);
      if (!this.#fails()) return call();
      fail();
      throw new FileSystemError(what === "truncate" ? "EIO" : "ENOSPC", what, path);
    };
    const sync = (what: string, under: FileHandle | Directory, call: () => Promise<void>) => {
      note(what);
      if (this.#fails()) this.#failing = failingOf(under);
      return call();
    };
    const syncBlocking = (what: string, under: FileHandle | Directory, call: () => void): void => {
      note(what);
      if (this.#fails()) failingOf(under)?.failSync();
      this.#isBlocking = true;
      try {
        call();
      } finally {
        this.#isBlocking = false;
      }
    };
    const closing = (under: FileHandle | Directory, path: string): () => void => {
      let isOpen = true;
      user.open.push(path);
      return () => {
        if (isOpen) user.open.splice(user.open.indexOf(path), 1);
        isOpen = false;
        under.close();
      };
    };
    const nothing = (): void => {};
    const fileOf = (file: FileHandle, path: string): FileHandle =>
      like<FileHandle>(file, {
        read: (into, offset, length) => {
          this.activity++;
          return file.read(into, offset, length);
        },
        write: (data, offset, length = data.length) => {
          // A part of it is written all the same.
          const fail = (): void => file.write(data, offset, Math.min(30, length));
          change("write", path, () => file.write(data, offset, length), fail);
        },
        truncate: (size) => change("truncate", path, () => file.truncate(size), nothing),
        syncData: () => sync(`fdatasync ${path}`, file, () => file.syncData()),
        sync: () => sync(`fsync ${path}`, file, () => file.sync()),
        syncDataBlocking: () =>
          syncBlocking(`fdatasync ${path}`, file, () => file.syncDataBlocking()),
        syncBlocking: () => syncBlocking(`fsync ${path}`, file, () => file.syncBlocking()),
        close: closing(file, path),
      });
    return like<FileSystem>(disk, {
      open: (path: string, mode: OpenMode) => {
        this.activity++;
        const open = (): FileHandle => fileOf(disk.open(path, mode), path);
        return mode === "create" ? change("create", path, open, nothing) : open();
      },
      remove: (path) => change("remove", path, () => disk.remove(path), nothing),
      makeDirectory: (path) =>
        change("make directory", path, () => disk.makeDirectory(path), nothing),
      openDirectory: (path) => {
        const directory = disk.openDirectory(path);
        return {
          sync: () => sync(`fsync ${path}`, directory, () => directory.sync()),
          syncBlocking: () =>
            syncBlocking(`fsync ${path}`, directory, () => directory.syncBlocking()),
          close: closing(directory, path),
        };
      },
      lock: async (path) => {
        await this.hold(`lock "${path}"`);
        const lock = await disk.lock(path);
        user.hasLock = true;
        return like<WriterLock>(lock, {
          release: () => {
            if (!user.hasLock) this.wrongs.push(`${name} gives the lock back twice`);
            user.hasLock = false;
            user.gaveLockBack = true;
            this.activity++;
            lock.release();
          },
        });
      },
    });
  }
}
