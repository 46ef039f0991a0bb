/**
 * A disk in memory that holds each call that waits for it until it is told to go on, and that notes
 * what each process that uses it does: to whom a lock belongs, which files are open, and what is done
 * without a right to it.
 *
 * Calls that return at once cannot be overlapped by anything in the same process, since nothing else
 * runs meanwhile. What another process or a crash finds in the middle of them is noted before each.
 *
 * @module
 */
import type { File, FileSystem, Lock, OpenMode } from "../../mod.ts";
import { CrashFileSystem, type CrashOptions } from "../../src/testing.ts";
import { like } from "../../tests/support/like.ts";

/** A call that is held. */
export interface HeldCall {
  /** The call in words. */
  readonly what: string;
  /** Lets it go on, and end. */
  release(): void;
}

/** A process that uses the disk, or a part of one that opened a log. */
interface User {
  readonly name: string;
  hasLock: boolean;
  gaveLockBack: boolean;
  openFiles: number;
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
  /** How many calls wait for a clock: until they have ended, nothing else goes on. */
  clocks = 0;
  /** Is called before each call that changes something or syncs; a crash then is one without it. */
  onCall: ((call: string) => void) | undefined;
  readonly #users: User[] = [];

  constructor(options: CrashOptions = {}) {
    this.disk = new CrashFileSystem(options);
    this.disk.observe((call) => {
      this.activity++;
      this.onCall?.(call);
      const waits = /^(fdatasync|fsync)/.test(call) && !this.#isBlocking;
      return waits ? this.hold(call) : undefined;
    });
  }

  #isBlocking = false;

  /** Holds until it is told to go on. */
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

  /** Lets everything go on, and holds nothing more. */
  releaseAll(): void {
    this.isHolding = false;
    for (const call of this.held.slice()) call.release();
  }

  /** What is still open or locked by those who should have ended. */
  leftOpen(): string[] {
    return this.#users.flatMap(({ name, openFiles, hasLock }) => [
      ...(openFiles === 0 ? [] : [`${name} has ${openFiles} files open`]),
      ...(hasLock ? [`${name} has the lock`] : []),
    ]);
  }

  /** The disk as a process sees it that writes, or only reads. */
  fileSystemFor(name: string, isWriter: boolean): FileSystem {
    const user: User = { name, hasLock: false, gaveLockBack: false, openFiles: 0 };
    this.#users.push(user);
    const disk: FileSystem = this.disk;
    const changes = <T>(what: string, call: () => T): T => {
      if (!isWriter) this.wrongs.push(`${name} only reads, and makes the call ${what}`);
      if (user.gaveLockBack) this.wrongs.push(`${name} gave the lock back before the call ${what}`);
      // The directories that lead to a log are made, and synced, before.
      if (!user.hasLock && /^(write|truncate|create|remove)/.test(what)) {
        this.wrongs.push(`${name} has no lock at the call ${what}`);
      }
      return call();
    };
    const blocking = (call: () => void): void => {
      this.#isBlocking = true;
      try {
        call();
      } finally {
        this.#isBlocking = false;
      }
    };
    const fileOf = (file: File, path: string): File => {
      let isOpen = true;
      user.openFiles++;
      return like<File>(file, {
        read: (into, offset, length) => {
          this.activity++;
          return file.read(into, offset, length);
        },
        write: (data, offset, length) =>
          changes(`write ${path}`, () => file.write(data, offset, length)),
        truncate: (size) => changes(`truncate ${path}`, () => file.truncate(size)),
        syncData: () => changes(`fdatasync ${path}`, () => file.syncData()),
        sync: () => changes(`fsync ${path}`, () => file.sync()),
        syncDataBlocking: () =>
          changes(`fdatasync ${path}`, () => blocking(() => file.syncDataBlocking())),
        syncBlocking: () => changes(`fsync ${path}`, () => blocking(() => file.syncBlocking())),
        close: () => {
          if (isOpen) user.openFiles--;
          isOpen = false;
          file.close();
        },
      });
    };
    return like<FileSystem>(disk, {
      open: (path: string, mode: OpenMode, permissions?: number) => {
        this.activity++;
        const open = (): File => fileOf(disk.open(path, mode, permissions), path);
        return mode === "create" ? changes(`create ${path}`, open) : open();
      },
      remove: (path) => changes(`remove ${path}`, () => disk.remove(path)),
      makeDirectory: (path, permissions) =>
        changes(`make directory ${path}`, () => disk.makeDirectory(path, permissions)),
      syncDirectory: (path) => changes(`fsync ${path}`, () => disk.syncDirectory(path)),
      syncDirectoryBlocking: (path) =>
        changes(`fsync ${path}`, () => blocking(() => disk.syncDirectoryBlocking(path))),
      lock: async (path, permissions) => {
        await this.hold(`lock "${path}"`);
        const lock = await disk.lock(path, permissions);
        user.hasLock = true;
        return like<Lock>(lock, {
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
