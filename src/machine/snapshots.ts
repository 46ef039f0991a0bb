/**
 * The snapshots of one machine: how one is taken, which ones count, and which files are left over.
 *
 * The order is what makes it safe, whenever a crash comes:
 *
 * 1. Write the file, a sync each 256 KiB; sync it and its directory.
 * 2. Sync the log up to the snapshot's index: what the snapshot has must not be lost from the log.
 * 3. Name it in the log's state.
 * 4. Drop the entries up to the older of the last two.
 * 5. Remove the files that the state does not name.
 *
 * @module
 */
import { ioFailed, isEnd, WalError } from "../errors.ts";
import { readBeginning } from "../files/beginning.ts";
import { frameChecksum } from "../format/checksum.ts";
import { hexOf } from "../format/log_id.ts";
import { clock } from "../fs/clock.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "../fs/path.ts";
import { SnapshotFile, type SnapshotReader } from "../snapshot/snapshot.ts";
import type { Wal } from "../wal.ts";
import { type Offload, offloadFailed } from "./offload.ts";
import {
  encodeNamed,
  KEPT,
  type NamedSnapshot,
  snapshotNumberOf,
  snapshotPath,
} from "./named_snapshots.ts";

/** How many bytes of segments are dropped in one turn of the event loop, if there are several. */
const STEP = 16 * 1024 * 1024;

/** What a snapshot is to have. */
export interface Captured {
  /** The index of the last entry that is in it. */
  readonly index: number;
  readonly version: number;
  /** Its content, as it is at the call. */
  readonly content: () => Iterable<Uint8Array>;
}

/** What snapshots need of their machine. */
export interface SnapshotSetting {
  readonly log: Wal;
  readonly fileSystem: FileSystem;
  readonly mode: number;
  readonly compress: boolean;
  readonly offload: Offload | undefined;
  /** The log's state with the layer's own bytes. */
  readonly stateWith: (own: Uint8Array) => Uint8Array;
  /** The first entry that is needed for something else than the state; Infinity if none is. */
  readonly firstNeeded: () => number;
}

/** Takes snapshots, one at a time. */
export class Snapshots {
  readonly #setting: SnapshotSetting;
  /** Those that the log's state names and that are whole, the newest first. */
  #named: readonly NamedSnapshot[];
  #nextNumber: number;
  /** Ends the wait for another thread. */
  readonly #stop = new AbortController();

  /**
   * @param named Those that count.
   * @param known The numbers that are or were in use.
   */
  constructor(setting: SnapshotSetting, named: readonly NamedSnapshot[], known: readonly number[]) {
    this.#setting = setting;
    this.#named = named;
    this.#nextNumber = Math.max(0, ...known) + 1;
  }

  /** The newest one that counts. */
  get newest(): NamedSnapshot | undefined {
    return this.#named[0];
  }

  /**
   * Takes a snapshot.
   *
   * Durability at return: the snapshot, its name in the log's state, and all entries that it has.
   *
   * @param capture Is called when the file is there; its content is taken from then on at once.
   * @param requireGoing Throws if the machine has ended meanwhile.
   */
  async take(capture: () => Captured, requireGoing: () => void): Promise<NamedSnapshot> {
    const { log, stateWith, offload } = this.#setting;
    const number = this.#nextNumber++;
    const path = snapshotPath(log.path, number);
    const { index, digest } = offload === undefined
      ? await this.#write(path, capture, requireGoing)
      : await this.#have(offload, path, capture, requireGoing);
    const taken: NamedSnapshot = { number, index, digest };
    try {
      requireGoing();
      if (log.durableIndex < index) await log.sync();
      const named = [taken, ...this.#named].slice(0, KEPT);
      await log.setState(stateWith(encodeNamed(named)));
      this.#named = named;
    } catch (error) {
      // Of what ended the log it is not known whether its state names the file.
      if (!isEnd(error)) this.#tryToRemove(path);
      throw error;
    }
    await this.#giveSpaceBack();
    return taken;
  }

  /** Writes a snapshot's file, in pieces with a turn of the event loop between two. */
  async #write(
    path: string,
    capture: () => Captured,
    requireGoing: () => void,
  ): Promise<{ index: number; digest: string }> {
    const { log, fileSystem, mode, compress } = this.#setting;
    const writer = await SnapshotFile.create(path, { logId: log.id, fileSystem, mode, compress });
    try {
      requireGoing();
      const { index, version, content } = capture();
      for (const piece of content()) {
        await writer.write(piece);
        await clock.endOfTurn();
        requireGoing();
      }
      return await writer.finish({ index, version });
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** Has a snapshot's file written by another thread, and looks at what it says of itself. */
  async #have(
    offload: Offload,
    path: string,
    capture: () => Captured,
    requireGoing: () => void,
  ): Promise<{ index: number; digest: string }> {
    const { log, fileSystem } = this.#setting;
    requireGoing();
    const { index, version } = capture();
    // The other thread sees what is written; and what it has must not be lost from the log.
    await log.sync();
    try {
      await this.#untilStopped((signal) =>
        offload({ log: log.path, index, file: path }, { signal })
      );
      const file = await SnapshotFile.open(path, { logId: log.id, fileSystem });
      const { index: last, version: written, digest } = file;
      file.close();
      if (last === index && written === version) return { index, digest };
      throw offloadFailed(
        path,
        `the file has the entries up to ${last} in version ${written}, and not those up to ${index} ` +
          `in version ${version}`,
      );
    } catch (error) {
      if (mayBeOwn(fileSystem, path, log.id)) this.#tryToRemove(path);
      requireGoing();
      const isOurs = error instanceof WalError && error.code === "ERR_SNAPSHOT_OFFLOAD";
      throw isOurs ? error : offloadFailed(path, error);
    }
  }

  /** Waits for another thread, but not after {@linkcode stopWaiting}. */
  async #untilStopped(call: (signal: AbortSignal) => PromiseLike<unknown>): Promise<void> {
    const { signal } = this.#stop;
    const { promise, reject } = Promise.withResolvers<never>();
    const onStop = (): void => reject(signal.reason);
    signal.addEventListener("abort", onStop, { once: true });
    try {
      await Promise.race([call(signal), promise]);
    } finally {
      signal.removeEventListener("abort", onStop);
    }
  }

  /** Waits no more for a snapshot that another thread writes. */
  stopWaiting(): void {
    this.#stop.abort();
  }

  /** Drops what no snapshot needs any more. What cannot be dropped now is dropped the next time. */
  async #giveSpaceBack(): Promise<void> {
    const oldest = this.#named.length === KEPT ? this.#named.at(-1) : undefined;
    const last = Math.min(oldest?.index ?? 0, this.#setting.firstNeeded() - 1);
    try {
      await this.#dropUpTo(last);
    } catch (error) {
      if (isEnd(error) || !(error instanceof WalError)) throw error;
    }
    for (const path of this.#others(this.#named)) {
      this.#tryToRemove(path);
      await clock.endOfTurn();
    }
  }

  /**
   * Drops the entries up to an index, in steps of one large segment or several small ones: to remove
   * large files takes some milliseconds each, which hold up the event loop.
   */
  async #dropUpTo(index: number): Promise<void> {
    const { log } = this.#setting;
    let size = 0;
    for (const { firstIndex, bytes } of log.segments()) {
      if (firstIndex > index) break;
      size += bytes;
      if (size <= STEP || firstIndex === log.firstIndex) continue;
      await log.truncateBeforeIndex(firstIndex);
      await clock.endOfTurn();
      size = bytes;
    }
    if (index < log.firstIndex) return;
    await log.truncateBeforeIndex(index + 1);
    await clock.endOfTurn();
  }

  /** Removes the snapshot files of this log but those that its state names. */
  removeOthers(named: readonly NamedSnapshot[]): void {
    for (const path of this.#others(named)) this.#tryToRemove(path);
  }

  /**
   * The snapshot files of this log but those that its state names; none where the directory cannot be
   * read, which is tried again after the next snapshot.
   */
  #others(named: readonly NamedSnapshot[]): string[] {
    const { log, fileSystem } = this.#setting;
    const directory = directoryOf(log.path);
    let numbers: readonly number[];
    try {
      numbers = snapshotNumbers(fileSystem, log.path);
    } catch (error) {
      if (error instanceof WalError) return [];
      throw error;
    }
    return numbers
      .filter((number) => !named.some((one) => one.number === number))
      .map((number) => pathIn(directory, nameOf(snapshotPath(log.path, number))))
      .filter((path) => mayBeOwn(fileSystem, path, log.id));
  }

  #tryToRemove(path: string): void {
    try {
      this.#setting.fileSystem.remove(path);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
    }
  }
}

/**
 * The numbers of the snapshot files that lie beside a log.
 *
 * @throws {WalError} `ERR_WAL_IO`: the directory cannot be read.
 */
export function snapshotNumbers(fileSystem: FileSystem, log: string): number[] {
  let names: readonly string[];
  try {
    names = fileSystem.list(directoryOf(log));
  } catch (cause) {
    throw isFileSystemError(cause) ? ioFailed("list the snapshots of", log, cause) : cause;
  }
  return names
    .map((name) => snapshotNumberOf(nameOf(log), name))
    .filter((number) => number !== undefined);
}

/** Opens a snapshot that the log's state names, and compares it with what the state says of it. */
export async function openNamed(
  log: Pick<Wal, "path" | "id">,
  fileSystem: FileSystem,
  { number, index, digest }: NamedSnapshot,
): Promise<SnapshotReader> {
  const path = snapshotPath(log.path, number);
  const file = await SnapshotFile.open(path, { logId: log.id, fileSystem });
  if (file.index === index && file.digest === digest) return file;
  file.close();
  throw new WalError(
    "ERR_SNAPSHOT_DAMAGED",
    `"${path}" is another snapshot than the one that the log's state names: that has the entries up ` +
      `to ${index}, and the file those up to ${file.index}. Nothing was changed. Put the right file ` +
      "back.",
  );
}

/**
 * Whether a file with a snapshot's name is one of the log, or what a crash has left of one: after a
 * power cut there may be zeros in the place of what was written, or anything after a whole beginning.
 */
function mayBeOwn(fileSystem: FileSystem, path: string, logId: string): boolean {
  try {
    const { header, frame } = readBeginning(fileSystem, frameChecksum, { path, firstIndex: 1 });
    if (header !== "valid" && header !== "unfinished") return false;
    return frame === undefined || hexOf(frame.logId) === logId;
  } catch (error) {
    if (isFileSystemError(error)) return false;
    throw error;
  }
}
