/**
 * Retention: which of a log's oldest segments are to go, by the log's size and their age, and what
 * holds them back. It decides, and changes nothing.
 *
 * @module
 */
import { invalid, requireCount, requireObject, requireOptions } from "../arguments.ts";
import { WalError } from "../errors.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { SegmentInfo } from "./segment_list.ts";

/**
 * How much of a log is kept: at least one of `bytes` and `age`.
 *
 * @example
 * ```ts
 * import type { RetainOptions } from "@durable/wal";
 *
 * const options: RetainOptions = {
 *   bytes: 1024 ** 3, // at most a gibibyte
 *   age: 7 * 24 * 60 * 60 * 1000, // and a week
 *   keep: { backup: 120, replica: 90 },
 * };
 * ```
 */
export interface RetainOptions {
  /**
   * The oldest segments go while the log is larger than this, in bytes.
   *
   * @default {Infinity}
   */
  bytes?: number;
  /**
   * The oldest segments go whose newest entry is older than this, in milliseconds.
   *
   * @default {Infinity}
   */
  age?: number;
  /**
   * What still needs entries: a name for each holder, and the first index that it needs. None from the
   * lowest of these on goes. A holder that has read all needs the index after the last.
   *
   * @default {nothing}
   */
  keep?: Readonly<Record<string, number>>;
  /**
   * When the newest entry of a segment was appended, in milliseconds since 1970, where the entries say
   * so themselves. For a segment of which it returns `undefined`, and without it, that is the time of
   * the file's last change: of the roll that ended it, when the entry after its newest was appended.
   *
   * @default {the time of the file's last change}
   */
  timeOf?: (segment: SegmentInfo) => number | undefined;
}

/**
 * What a retention has dropped, and what has held it back.
 *
 * @example
 * ```ts
 * import type { Retained } from "@durable/wal";
 *
 * const retained: Retained = { firstIndex: 90, bytes: 67_108_864, heldBy: "replica" };
 * ```
 */
export interface Retained {
  /** The log's first index afterwards. */
  readonly firstIndex: number;
  /** How many bytes were given back. */
  readonly bytes: number;
  /** Which holder needs a segment that would have gone otherwise; `undefined` if none does. */
  readonly heldBy: string | undefined;
}

const OPTIONS: readonly (keyof RetainOptions)[] = ["bytes", "age", "keep", "timeOf"];

/**
 * Refuses options that make no sense.
 *
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`.
 */
export function requireRetention(options: RetainOptions): void {
  requireOptions("options", options, OPTIONS);
  const { bytes, age, keep = {}, timeOf } = options;
  if (bytes === undefined && age === undefined) {
    throw new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      "Retention needs a limit: give bytes, age or both.",
    );
  }
  requireCount("bytes", bytes);
  if (age !== undefined && !(typeof age === "number" && age >= 0)) {
    throw invalid("age", "a number of milliseconds from 0", age);
  }
  requireObject("keep", keep);
  for (const [name, index] of Object.entries(keep)) {
    if (!Number.isSafeInteger(index) || index < 1) {
      throw invalid(`index that ${JSON.stringify(name.slice(0, 40))} keeps`, "one from 1", index);
    }
  }
  if (timeOf !== undefined && typeof timeOf !== "function") {
    throw invalid("timeOf", "a function", timeOf);
  }
}

/**
 * Decides what goes: whole segments, oldest first, and never the last.
 *
 * @param now The time, in milliseconds since 1970.
 * @param timeOf When the newest entry of a segment was appended.
 * @returns `firstIndex` is the index to drop the entries before; 0 if none goes.
 */
export function planRetention(
  segments: readonly SegmentInfo[],
  { bytes = Infinity, age = Infinity, keep = {} }: RetainOptions,
  now: number,
  timeOf: (segment: SegmentInfo) => number,
): Retained {
  const [holder, needed] = lowestOf(keep);
  let left = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let firstIndex = 0;
  let dropped = 0;
  for (const segment of segments.slice(0, -1)) {
    const isOver = left > bytes || (age !== Infinity && now - timeOf(segment) > age);
    if (!isOver) break;
    if (segment.lastIndex >= needed) return { firstIndex, bytes: dropped, heldBy: holder };
    firstIndex = segment.lastIndex + 1;
    left -= segment.bytes;
    dropped += segment.bytes;
  }
  return { firstIndex, bytes: dropped, heldBy: undefined };
}

/** The holder that needs the oldest entry; of several the one that was named first. */
function lowestOf(keep: Readonly<Record<string, number>>): [name: string, index: number] {
  let lowest: [string, number] = ["", Infinity];
  for (const holder of Object.entries(keep)) if (holder[1] < lowest[1]) lowest = holder;
  return lowest;
}

/**
 * When the newest entry of a segment was appended, by what the caller says or the file.
 *
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: neither says.
 */
export function appendTimes(
  fileSystem: Pick<FileSystem, "modified">,
  { timeOf }: RetainOptions,
): (segment: SegmentInfo) => number {
  return (segment) => {
    const time = timeOf?.(segment) ?? fileSystem.modified?.(segment.path);
    if (typeof time === "number" && !Number.isNaN(time)) return time;
    throw new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      `The age of "${segment.path}" is not known: the file system has no times of files. Give ` +
        "timeOf, or retain by bytes.",
    );
  };
}
