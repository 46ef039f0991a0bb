/**
 * The meta file beside the segments: the head index and the application's state, each update in two
 * slots, one durable before the other is touched.
 *
 * It lives outside the segments, so that no cut of the log's tail can lose it.
 *
 * @module
 */
import {
  CorruptionError,
  type EndError,
  isEnd,
  MovedError,
  notOurs,
  outcomeUnknown,
  RESTORE,
  WalError,
  writeFailed,
} from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import {
  decodeMetaSlot,
  encodeMetaSlot,
  MAX_SLOT_SIZE,
  META_BEGINNING,
  type MetaSlot,
  MIN_SLOT_SIZE,
  SLOT_OFFSETS,
} from "../format/meta_slot.ts";
import { MAX_SEQUENCE } from "../format/limits.ts";
import { mayBegin } from "../format/magic.ts";
import { META_FILE, type RedoRecord } from "../format/redo_record.ts";
import {
  type FileHandle,
  type FileSystem,
  type FileSystemErrorCode,
  isFileSystemError,
} from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import type { RedoFile } from "./redo.ts";

/** A log that is only read may have a name beside which there is no room for this file's. */
const NOT_THERE: ReadonlySet<FileSystemErrorCode> = new Set<FileSystemErrorCode>([
  "ENOENT",
  "ENAMETOOLONG",
]);

/** How often a reader looks at slots that a writer changes under its eyes. */
const VIEW_TRIES = 8;

/** What the meta file tells. */
export type Meta = Pick<MetaSlot, "logId" | "headIndex" | "state">;

/** The meta file of one log. */
export class MetaFile {
  readonly #fileSystem: FileSystem;
  readonly #directory: LogDirectory;
  readonly #path: string;
  readonly #permissions: number;
  readonly #checksum: FrameChecksum;
  #current: MetaSlot | undefined;
  #file: FileHandle | undefined;
  /** How many bytes the file has at the least, where it is written. */
  #size = 0;
  /** In a reader: which file it is, and the redo file that may have what it is to hold. */
  #identity: string | undefined;
  #redo: RedoFile | undefined;

  constructor(
    fileSystem: FileSystem,
    directory: LogDirectory,
    path: string,
    permissions: number,
    checksum: FrameChecksum,
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#path = path;
    this.#permissions = permissions;
    this.#checksum = checksum;
  }

  /** What it tells; nothing if it was never made. */
  get current(): Meta | undefined {
    return this.#current;
  }

  /** Whether the file was there when it was read. */
  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /**
   * Reads it, if it is there.
   *
   * @throws {CorruptionError} If neither slot is valid.
   * @throws {WalError} `ERR_WAL_FORMAT` if it is something else than a meta file.
   */
  load(mode: "read" | "write"): void {
    this.#open(mode);
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (mode === "write") this.#directory.keep(this.#path, file);
      this.#current = this.#newest();
      if (this.#current === undefined) this.#requireUnfinished(file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Refuses a file without a valid slot, unless it was being made. */
  #requireUnfinished(file: FileHandle): void {
    if (!this.#isOwn(file)) throw notOurs(this.#path, "meta file", "META");
    // The second slot is written when the first is durable. Without it, the making was interrupted.
    if (file.size() > SLOT_OFFSETS[1]) {
      throw new CorruptionError(
        `"${this.#path}" is damaged: neither of its two slots (offsets ${
          SLOT_OFFSETS.join(" and ")
        }) ` +
          `is valid, so it is not known which entries were dropped, nor the state. ${RESTORE}`,
        { path: this.#path, offset: 0, firstIndexAtRisk: 1 },
      );
    }
  }

  /**
   * Reads it, if it is there, while a writer may be at work on it. At any moment one slot is whole or,
   * while {@linkcode secure} gives both up, the redo file; but not the same from one read to the next.
   *
   * @throws {CorruptionError} If neither slot is valid, nor in the redo file.
   */
  view(redo: RedoFile): void {
    this.#redo = redo;
    for (let tries = 1; tries < VIEW_TRIES; tries++) {
      this.#open("read");
      if (this.#file === undefined) return;
      this.#current = this.#newest() ?? this.#slotInRedo();
      if (this.#current !== undefined) return;
    }
    this.load("read");
    this.#identity = this.#file?.identity();
  }

  /**
   * Looks whether the file has all that was written to it. Where its name leads, its directory knows.
   *
   * @throws {MovedError} If it was cut.
   */
  look(): void {
    const file = this.#file;
    if (file !== undefined && sizeOf(file) < this.#size) {
      throw new MovedError(this.#path, 0, "was cut or overwritten");
    }
  }

  /** In a reader: whether it is still there, or still not; if it has no content, it is being made. */
  isSame(): boolean {
    if (this.#file === undefined) return !this.#isThere();
    return this.#fileSystem.identify(this.#path) === this.#identity &&
      (this.#current === undefined || this.refresh());
  }

  /** In a reader: whether it still tells the same first index; takes in a new state. */
  refresh(): boolean {
    const [first] = SLOT_OFFSETS;
    if (this.#file === undefined) return !this.#isThere();
    if (this.#fileSystem.identify(this.#path) !== this.#identity) return false;
    if (this.#current === undefined) return false;
    const { headIndex, sequence } = this.#current;
    // Each update writes either slot, so one tells whether there was any.
    if (this.#readSlot(first)?.sequence === sequence) return true;
    const newest = this.#newest() ?? this.#slotInRedo();
    if (newest?.headIndex !== headIndex) return false;
    this.#current = newest;
    return true;
  }

  #isThere(): boolean {
    try {
      return this.#fileSystem.identify(this.#path) !== undefined;
    } catch (error) {
      if (isFileSystemError(error) && NOT_THERE.has(error.code)) return false;
      throw error;
    }
  }

  #open(mode: "read" | "write"): void {
    this.#file?.close();
    this.#file = undefined;
    this.#identity = undefined;
    try {
      this.#file = this.#fileSystem.open(this.#path, mode);
      this.#identity = this.#file.identity();
    } catch (error) {
      this.close();
      if (!isFileSystemError(error) || !NOT_THERE.has(error.code)) throw error;
      if (error.code === "ENOENT") this.#requireNoLink();
    }
  }

  /** Refuses a link that leads nowhere: what it led to may have the state and the first index. */
  #requireNoLink(): void {
    const real = this.#fileSystem.realPath(this.#path);
    if (real === this.#path) return;
    throw new WalError(
      "ERR_WAL_FORMAT",
      `"${this.#path}" is a link to "${real}", which is not there: the log's state and first index ` +
        "may be in it. Nothing was changed. Put that file back, or remove the link if there is " +
        "none; then open the log again.",
    );
  }

  /** What the newest valid slot holds. */
  #newest(): MetaSlot | undefined {
    const slots = SLOT_OFFSETS.map((offset) => this.#readSlot(offset));
    const valid = slots.filter((slot) => slot !== undefined);
    return valid.toSorted((a, b) => b.sequence - a.sequence)[0];
  }

  /** What both slots are to hold, while they are being replaced. */
  #slotInRedo(): MetaSlot | undefined {
    const redo = this.#redo;
    try {
      const record = redo?.exists() ? redo.load() : undefined;
      if (redo === undefined || record?.firstIndex !== META_FILE) return undefined;
      return this.#decode(redo.readTail(record));
    } catch (error) {
      // The writer is done with it.
      if (isFileSystemError(error) && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Makes durable what was loaded, before anything is done on it, and both slots the same. They are
   * written again, since after a sync that failed the page cache may hold what the disk never had.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async secure(redo: RedoFile): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (this.#current === undefined) {
        file.truncate(0);
        return await file.sync();
      }
      const slot = this.#encode(this.#current);
      this.#size = SLOT_OFFSETS[1] + slot.length;
      const target = { file, firstIndex: META_FILE, offset: 0 };
      if (await redo.tryBegin(target, [slot], slot.length)) {
        await writeAnew(file, slot);
        return await redo.end();
      }
      for (const offset of this.#order().toReversed()) {
        file.write(slot, offset);
        await file.sync();
      }
    } catch (cause) {
      throw this.#unknown(0, cause);
    }
  }

  /** Finishes what a crash in {@linkcode secure} left half done. To be called before a load. */
  async restore(redo: RedoFile, record: Pick<RedoRecord, "length">): Promise<void> {
    const file = this.#fileSystem.open(this.#path, "write");
    try {
      redo.resume(record);
      await writeAnew(file, redo.readTail(record));
    } catch (cause) {
      throw this.#unknown(0, cause);
    } finally {
      file.close();
    }
  }

  /**
   * Writes one slot and makes it durable, then the other.
   *
   * @param durableIndex The last durable entry, for an error's message.
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: it tells what it told before.
   * `ERR_WAL_INDEX_OUT_OF_RANGE`: it cannot count one more update.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async update(meta: Meta, durableIndex: number): Promise<void> {
    this.requireSequence();
    const slot: MetaSlot = { ...meta, sequence: (this.#current?.sequence ?? 0) + 1 };
    const bytes = this.#encode(slot);
    const isNew = this.#file === undefined;
    const [first, second] = this.#order();
    try {
      this.#file ??= this.#directory.create(this.#path, this.#permissions, true);
      this.#file.write(bytes, first);
    } catch (cause) {
      if (isEnd(cause)) throw cause;
      // What failed may be whole all the same, and would count at the next open.
      if (this.#holds(first, slot, true)) throw this.#unknown(durableIndex, cause);
      throw writeFailed(`store the head index and the state in "${this.#path}"`, cause);
    }
    try {
      await this.#file.sync();
      // The second slot is written when the first, and the file's name, are durable.
      if (isNew || this.#current === undefined) {
        await this.#directory.sync();
      }
      this.#file.write(bytes, second);
      await this.#file.syncData();
      this.#directory.require(this.#path);
    } catch (cause) {
      throw this.#unknown(durableIndex, cause);
    }
    this.#current = slot;
    this.#size = SLOT_OFFSETS[1] + bytes.length;
  }

  /**
   * Refuses one more update after the last that can be counted.
   *
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`.
   */
  requireSequence(): void {
    if ((this.#current?.sequence ?? 0) < MAX_SEQUENCE) return;
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `Cannot store the head index and the state in "${this.#path}": it has counted ` +
        `${MAX_SEQUENCE} updates, the most that there are. Nothing was changed. Continue in a ` +
        "new log.",
    );
  }

  #unknown(durableIndex: number, cause: unknown): EndError {
    return outcomeUnknown(this.#path, durableIndex, "the head index and the state", cause);
  }

  /** The offsets of the slots, the one whose loss is no loss first: one may have rotted meanwhile. */
  #order(): readonly [number, number] {
    const [one, other] = SLOT_OFFSETS;
    const isNewest = this.#holds(one, this.#current, false);
    return this.#current !== undefined && isNewest ? [other, one] : [one, other];
  }

  /** Whether a slot is there; `unread` if it cannot be read. */
  #holds(offset: number, slot: MetaSlot | undefined, unread: boolean): boolean {
    try {
      return this.#readSlot(offset)?.sequence === slot?.sequence;
    } catch (error) {
      if (isFileSystemError(error)) return unread;
      throw error;
    }
  }

  /** Whether a file without a valid slot is one that was being made, or one that is damaged. */
  #isOwn(file: FileHandle): boolean {
    const [first, second] = SLOT_OFFSETS.map((offset) => {
      const head = new Uint8Array(MIN_SLOT_SIZE);
      return head.subarray(0, file.read(head, offset));
    }) as [Uint8Array, Uint8Array];
    if (second.length === 0) return mayBegin(first, META_BEGINNING);
    // Whatever else is damaged, it is not written over.
    return [first, second].some((head) => mayBegin(head, META_BEGINNING.subarray(0, 4)));
  }

  /** Gives the file back. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #encode(slot: MetaSlot): Uint8Array {
    return encodeMetaSlot(slot, (bytes) => this.#checksum.crc32(bytes));
  }

  #readSlot(offset: number): MetaSlot | undefined {
    const bytes = new Uint8Array(MAX_SLOT_SIZE);
    const n = this.#file?.read(bytes, offset) ?? 0;
    return this.#decode(bytes.subarray(0, n));
  }

  #decode(bytes: Uint8Array): MetaSlot | undefined {
    return decodeMetaSlot(bytes, (bytes) => this.#checksum.crc32(bytes));
  }
}

/** A file's size; of one that cannot be asked, as large as can be. */
function sizeOf(file: FileHandle): number {
  try {
    return file.size();
  } catch (error) {
    if (isFileSystemError(error)) return Infinity;
    throw error;
  }
}

/** Gives up all blocks of the file and writes a slot twice. */
async function writeAnew(file: FileHandle, slot: Uint8Array): Promise<void> {
  file.truncate(0);
  for (const offset of SLOT_OFFSETS) file.write(slot, offset);
  await file.sync();
}
