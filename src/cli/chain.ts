/**
 * Where the chain of a log's segments breaks: a file that is missing, is another log's or another
 * segment's, or is not what the one after it says.
 *
 * @module
 */
import type { Beginning, SegmentFile } from "../files/beginning.ts";
import { sameLog } from "../format/log_id.ts";

/** The log's id: what most of its files say, and of those that are even the last. */
export function commonId(ids: readonly Uint8Array[]): Uint8Array | undefined {
  let common: Uint8Array | undefined;
  let most = 0;
  for (const id of ids) {
    const count = ids.filter((other) => sameLog(other, id)).length;
    if (count < most) continue;
    common = id;
    most = count;
  }
  return common;
}

/** The segments without those below the head, which opening would remove. */
export function fromHead<T extends SegmentFile>(files: readonly T[], headIndex: number): T[] {
  const head = files.findLastIndex(({ firstIndex }) => firstIndex <= headIndex);
  return files.slice(Math.max(0, head));
}

/** A place at which the chain breaks. */
export interface Break {
  /** The position of the first segment that cannot be kept. */
  readonly position: number;
  readonly what: string;
}

/** The first place at which the chain breaks; the segments begin with the one of the head. */
export function findBreak(
  chain: readonly Beginning[],
  headIndex: number,
  logId: Uint8Array | undefined,
): Break | undefined {
  for (const [position, segment] of chain.entries()) {
    const what = whatIsWrong(chain[position - 1], segment, headIndex, logId) ??
      (position < chain.length - 1 ? beginningDamage(segment) : undefined);
    if (what !== undefined) return { position, what: `${segment.path}: ${what}` };
  }
  return undefined;
}

function whatIsWrong(
  before: Beginning | undefined,
  { firstIndex, frame }: Beginning,
  headIndex: number,
  logId: Uint8Array | undefined,
): string | undefined {
  if (frame !== undefined && frame.firstIndex !== firstIndex) {
    return `it is the segment from index ${frame.firstIndex}, not from ${firstIndex}`;
  }
  if (frame !== undefined && logId !== undefined && !sameLog(frame.logId, logId)) {
    return "it belongs to another log";
  }
  if (firstIndex <= headIndex) return undefined;
  if (before === undefined) return "the segment before it is missing";
  if (frame === undefined) return undefined;
  if (frame.previous.firstIndex !== before.firstIndex) return "the segment before it is missing";
  if (frame.previous.size === before.size) return undefined;
  return `it says that the segment before it has ${frame.previous.size} bytes, and that has ` +
    before.size;
}

/** What is wrong with the beginning of a segment that is not the last, which recovery would mend. */
function beginningDamage({ version, firstIndex, frame }: Beginning): string | undefined {
  if (version === undefined) return "its header is not valid";
  if (version === 1) return firstIndex === 1 ? undefined : "it is of version 1 and not the first";
  return frame === undefined ? "its Segment frame is not valid" : undefined;
}
