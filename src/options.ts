/**
 * Every option of a log: its default, its unit, and why one would change it.
 *
 * @module
 */
import { invalid, invalidChoice, requireObject, requireOptions } from "./arguments.ts";
import { MAX_LENGTH } from "./format/frame.ts";
import type { FormatVersion } from "./format/file_header.ts";
import type { FileSystem } from "./fs/file_system.ts";

/**
 * How a log is opened. Every field has a default.
 *
 * @example
 * ```ts
 * import { Wal, type WalOptions } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const options: WalOptions = {
 *   maxEntrySize: 64 * 1024,
 *   fileSystem: new MemoryFileSystem(),
 * };
 * const log = await Wal.open("a.wal", options);
 * await log.close();
 * ```
 */
export interface WalOptions {
  /**
   * The largest entry in bytes, at most 4,294,967,295. A length field above it is refused before
   * any memory is taken, for writes and for reads. A large entry takes its size once more while it
   * is appended. An array of Bun's ends at 4 GiB, so an entry there at 4,294,967,245 bytes.
   *
   * @default {10485760} (10 MiB)
   */
  maxEntrySize?: number;
  /**
   * When a segment is full and the log continues in the next file, in bytes. An entry that is
   * larger has a segment of its own; a batch that is larger is refused. Space comes back a segment
   * at a time, and open reads the last one.
   *
   * @default {67108864} (64 MiB)
   */
  segmentSize?: number;
  /**
   * The version of a new log's format. 2 can tell damage to acknowledged data from a write that
   * never finished; 1 is what Go-WAL reads and writes. A log that exists keeps its own.
   *
   * @default {2}
   */
  format?: FormatVersion;
  /**
   * What to do when acknowledged data is damaged: `"default"` refuses to open and changes nothing;
   * `"salvage"` sets the bytes from the damage on aside in a file and continues with what is
   * before.
   *
   * @default {"default"}
   */
  recovery?: "default" | "salvage";
  /**
   * Opens without the writer's lock and changes nothing on disk; a torn tail is the end so far.
   *
   * @default {false}
   */
  readOnly?: boolean;
  /**
   * Which lock of the writer is enough: `"kernel"` only the kernel's; `"any"` also, where that is
   * out of reach, a checked record of the process. A warning says so.
   *
   * @default {"any"}
   */
  lock?: "any" | "kernel";
  /**
   * What waits for the disk when entries are made durable: `"async"`, a thread beside the event
   * loop, which serves others meanwhile; or `"blocking"`, the event loop itself, for one fdatasync
   * at a time. The latter spares two changes of thread, which with one caller take a third of the
   * time, and suits a program that has nothing else to do.
   *
   * @default {"async"}
   */
  syncMode?: "async" | "blocking";
  /**
   * How far the last segment is extended with zeros at the most, ahead of its entries, in bytes: to
   * sync what overwrites them takes less time than to sync a file that grows. A small log takes at
   * most as much again, and close gives the rest back. 0 never extends it.
   *
   * @default {262144} (256 KiB)
   */
  preallocate?: number;
  /**
   * What is mapped into memory. `"reads"` maps segments in the handle that writes, so that
   * reading an entry takes no system call for the most part. `"on"` also stores small entries that are not
   * synced soon into mapped space, so that appending one takes none either. It needs Linux and FFI,
   * as Bun has it, Deno with `--allow-ffi` and Node from 26 on, and `"on"` ext4 or XFS; elsewhere the
   * log does without, and `stats().memoryMap` says why. A read error of the disk, or a file that
   * somebody else cuts, then ends the process.
   *
   * @default {"off"}
   */
  memoryMap?: "off" | "reads" | "on";
  /**
   * The permissions of files that are made, as for chmod. A directory that is made can also be
   * searched by the users that may read. A log may hold secrets, so only its owner may read it.
   *
   * @default {0o600}
   */
  mode?: number;
  /**
   * The files underneath.
   *
   * @default {the file system of the runtime}
   */
  fileSystem?: FileSystem;
}

/** The options with their defaults; the file system is chosen elsewhere. */
export type ResolvedOptions = Required<Omit<WalOptions, "fileSystem">>;

const DEFAULTS: ResolvedOptions = {
  maxEntrySize: 10 * 1024 * 1024,
  segmentSize: 64 * 1024 * 1024,
  format: 2,
  recovery: "default",
  readOnly: false,
  lock: "any",
  syncMode: "async",
  preallocate: 256 * 1024,
  memoryMap: "off",
  mode: 0o600,
};

const MIN_SEGMENT_SIZE = 256;

/** A Seal's offsets have 32 bits, and an entry may still lie after this size. */
const MAX_SEGMENT_SIZE = 2 ** 31;

/** Every method that a file system must have. */
const METHODS: Readonly<Record<Exclude<keyof FileSystem, "watch" | "modified">, true>> = {
  open: true,
  list: true,
  identify: true,
  realPath: true,
  remove: true,
  makeDirectory: true,
  openDirectory: true,
  syncDirectory: true,
  lock: true,
  guard: true,
};

/** The names of all options. */
export const WAL_OPTIONS: readonly string[] = [...Object.keys(DEFAULTS), "fileSystem"];

/** Fills in the defaults and refuses what makes no sense. */
export function resolveOptions(options: WalOptions): ResolvedOptions {
  requireOptions("options", options, WAL_OPTIONS);
  requireFileSystem(options.fileSystem);
  const given = Object.keys(DEFAULTS)
    .map((name) => [name, options[name as keyof WalOptions]])
    .filter(([, value]) => value !== undefined);
  const resolved: ResolvedOptions = { ...DEFAULTS, ...Object.fromEntries(given) };
  const {
    maxEntrySize,
    segmentSize,
    format,
    recovery,
    readOnly,
    lock,
    syncMode,
    preallocate,
    memoryMap,
    mode,
  } = resolved;
  if (!Number.isInteger(maxEntrySize) || maxEntrySize < 1 || maxEntrySize > MAX_LENGTH) {
    throw invalid("maxEntrySize", `a whole number of bytes from 1 to ${MAX_LENGTH}`, maxEntrySize);
  }
  if (
    !Number.isInteger(segmentSize) || segmentSize < MIN_SEGMENT_SIZE ||
    segmentSize > MAX_SEGMENT_SIZE
  ) {
    const wanted = `a whole number of bytes from ${MIN_SEGMENT_SIZE} to ${MAX_SEGMENT_SIZE}`;
    throw invalid("segmentSize", wanted, segmentSize);
  }
  if (format !== 1 && format !== 2) throw invalid("format", "1 or 2", format);
  if (recovery !== "default" && recovery !== "salvage") {
    throw invalidChoice("recovery", '"default" or "salvage"', recovery);
  }
  if (typeof readOnly !== "boolean") throw invalid("readOnly", "true or false", readOnly);
  if (lock !== "any" && lock !== "kernel") {
    throw invalidChoice("lock", '"any" or "kernel"', lock);
  }
  if (syncMode !== "async" && syncMode !== "blocking") {
    throw invalidChoice("syncMode", '"async" or "blocking"', syncMode);
  }
  if (!Number.isInteger(preallocate) || preallocate < 0 || preallocate > MAX_SEGMENT_SIZE) {
    const wanted = `a whole number of bytes from 0 to ${MAX_SEGMENT_SIZE}`;
    throw invalid("preallocate", wanted, preallocate);
  }
  if (memoryMap !== "off" && memoryMap !== "reads" && memoryMap !== "on") {
    throw invalidChoice("memoryMap", '"off", "reads" or "on"', memoryMap);
  }
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw invalid("mode", "permissions from 0 to 0o777", mode);
  }
  return resolved;
}

function requireFileSystem(fileSystem: unknown): void {
  if (fileSystem === undefined) return;
  requireObject("fileSystem", fileSystem);
  const missing = Object.keys(METHODS)
    .find((name) => typeof (fileSystem as Record<string, unknown>)[name] !== "function");
  if (missing !== undefined) {
    throw invalid("fileSystem", `one with a ${missing} method`, fileSystem);
  }
}
