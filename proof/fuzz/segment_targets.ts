/**
 * The entry points below the file system, each on one file: the scan and the decision, a full
 * segment, the check of `wal verify`, and a slot of the meta file.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { createCRC32, type IHasher } from "hash-wasm";
import { createFrameBuffer, FrameReader } from "../../src/cli/frame_reader.ts";
import { framesOf } from "../../src/cli/frames.ts";
import type { CheckedSegment } from "../../src/cli/checked_segment.ts";
import { checkSegment } from "../../src/cli/segment_check.ts";
import { EntryCursor } from "../../src/files/entry_cursor.ts";
import { EntryReader } from "../../src/segment/entry_reader.ts";
import type { FrameChecksum } from "../../src/format/checksum.ts";
import { readFileHeader } from "../../src/format/file_header.ts";
import { readInternalPayload } from "../../src/format/kinds.ts";
import { decodeMetaSlot } from "../../src/format/meta_slot.ts";
import { decide } from "../../src/segment/decision.ts";
import type { SegmentScan } from "../../src/segment/frame_walk.ts";
import { isUnfinished, scanOn, scanSegment } from "../../src/segment/scan.ts";
import type { SegmentSource } from "../../src/segment/source.ts";
import { OFFSETS_BUDGET, SealedSegment } from "../../src/segment/sealed_segment.ts";
import type { FuzzCase } from "./case.ts";
import { expected, require } from "./finding.ts";
import { FRAME_HEADER, framesIn, INTERNAL, LOG, readU32, readU64, SLOT_HEADER } from "./layout.ts";
import { BytesFile, Meter } from "./meter.ts";
import { judge } from "./reference.ts";
import { allowance, equal, few, onlyFile, requireEntryAt, type Target } from "./target.ts";

/** Buffers that are taken whatever the file's size. */
const BUFFER = 64 * 1024;

/** What `wal verify` and `wal inspect` take whatever the file's size. */
const TOOL_BUFFER = 8 * 1024 * 1024;

/** What a scan reads at a time, and what a search for a frame may read beyond the file's size. */
const CHUNK = 1024 * 1024;
const SEARCH = 256 * 1024 * 1024;

/** A file's header and its Segment frame. */
const SHORTEST = 54;

/** Up to this size a scan of a part is compared with one of the whole. */
const SMALL = 64 * 1024;

function sourceOf(bytes: Uint8Array, checksum: FrameChecksum, maxEntrySize: number): {
  source: SegmentSource;
  meter: Meter;
} {
  const allowed = allowance(bytes.length, 12, BUFFER);
  // In a file of several chunks the search for a frame reads what it has read before, up to a limit.
  const searched = bytes.length > CHUNK ? 2 * SEARCH : 0;
  const meter = new Meter({ ...allowed, bytes: allowed.bytes + searched });
  return {
    meter,
    source: { file: new BytesFile(bytes, meter), path: LOG, checksum, maxEntrySize },
  };
}

/** The scan of a file, the decision on its end, and the reading of its entries. */
export function scanTarget(checksum: FrameChecksum): Target {
  return {
    name: "scan",
    corpus: "segments",
    share: 62_000,
    run(input) {
      const bytes = onlyFile(input);
      const { maxEntrySize } = input.settings;
      const { source, meter } = sourceOf(bytes, checksum, maxEntrySize);
      const opinion = judge(bytes, maxEntrySize);
      readFileHeader(bytes.subarray(0, 8));
      let outcome: string;
      try {
        const found = scanSegment(source);
        if (isUnfinished(found)) {
          require(
            opinion.kind === "unfinished" && opinion.at === found.at &&
              opinion.hasFrames === (found.holds === "frames"),
            `another beginning\nat ${found.at} with ${found.holds}, and not: ${show(opinion)}`,
          );
          outcome = `unfinished ${found.at} ${found.holds}`;
        } else {
          const decision = decide(source, found);
          const offsets = offsetsOf(found);
          require(
            opinion.kind === "scanned" && opinion.case === decision.case &&
              opinion.end === found.end && opinion.sealed === found.seal?.count &&
              opinion.offsets.join() === offsets.join(),
            `another scan\ncase ${decision.case} at ${found.end}, entries at ${offsets}, not ${
              show(opinion)
            }`,
          );
          readEntries(source, found, bytes);
          const seal = found.seal === undefined ? "" : " sealed";
          outcome = `case ${decision.case} v${found.version}${seal} ${few(found.offsets.count)} ` +
            `entries ${few(found.batches.count)} batches ${found.vouched > 0}`;
          if (bytes.length <= SMALL) scanInParts(source, bytes, found, offsets);
        }
      } catch (error) {
        outcome = expected(error);
        const code = (error as { code?: string }).code ?? "";
        require(
          opinion.kind === "refused" && opinion.code === code,
          `another refusal\n${outcome}, and not: ${show(opinion)}`,
        );
      }
      meter.check();
      return outcome;
    },
  };
}

function show(opinion: unknown): string {
  return JSON.stringify(opinion).slice(0, 300);
}

function offsetsOf({ offsets }: SegmentScan): number[] {
  return Array.from({ length: offsets.count }, (_, i) => offsets.at(i));
}

/** Reads the entries in both ways and compares them with the file. */
function readEntries(source: SegmentSource, scan: SegmentScan, bytes: Uint8Array): void {
  const { offsets, batches, end, firstIndex } = scan;
  const reader = new EntryReader(source, firstIndex, { offsets, batches, end, cuts: 0 });
  let position = 0;
  for (const data of inOrder(reader)) {
    requireEntryAt(bytes, offsets.at(position), data);
    if (position < 8) require(equal(reader.read(position), data), "two reads of an entry differ");
    position++;
  }
  require(position === offsets.count, `${position} entries were read of ${offsets.count}`);
}

/** The entries of one segment, in order. */
function* inOrder(reader: EntryReader): Generator<Uint8Array> {
  const { count } = reader.entries.offsets;
  const cursor = new EntryCursor(() => ({ reader, firstIndex: 1 }), 1, count, "copies");
  while (cursor.advance()) yield cursor.data;
}

/** A reader's scan that continues after an earlier one finds what one scan of the whole does. */
function scanInParts(
  { checksum, maxEntrySize }: SegmentSource,
  bytes: Uint8Array,
  whole: SegmentScan,
  offsets: readonly number[],
): void {
  const part = bytes.subarray(0, 8 + (readU32(bytes, bytes.length - 4) % (bytes.length - 7)));
  const { source: first } = sourceOf(part, checksum, maxEntrySize);
  const earlier = scanSegment(first);
  if (isUnfinished(earlier)) return;
  const { source: second, meter } = sourceOf(bytes, checksum, maxEntrySize);
  const later = scanOn(second, earlier);
  meter.check();
  require(
    later.end === whole.end && later.vouched === whole.vouched &&
      later.seal?.count === whole.seal?.count && offsetsOf(later).join() === offsets.join() &&
      later.batches.count === whole.batches.count,
    `a scan in two parts, of ${part.length} and all bytes, finds other frames than one of the whole`,
  );
}

/** A full segment. Its successor states its facts, or something near them. */
export function sealedTarget(checksum: FrameChecksum): Target {
  return {
    name: "sealed",
    corpus: "segments",
    share: 12_000,
    run(input) {
      const bytes = onlyFile(input);
      const { source, meter } = sourceOf(bytes, checksum, input.settings.maxEntrySize);
      // A shorter file is no segment: its beginning is read before it is opened.
      if (bytes.length < SHORTEST) return "short";
      const frames = framesIn(bytes);
      const last = frames.at(-1);
      const trailer = readU32(bytes, bytes.length - 8);
      const entries = frames.filter((frame) => frame[0] === 1).length;
      // The Seal's own trailer may say more entries than there is room for.
      const stated = (trailer - 22) / 4;
      const isStated = Number.isInteger(stated) && stated > 0 && input.settings.segmentSize > 256;
      const count = isStated ? stated : entries;
      const info = {
        path: LOG,
        firstIndex: 1,
        count,
        size: bytes.length,
        checksum: last === undefined ? 0 : readU32(last, 5),
      };
      let outcome: string;
      try {
        const segment = new SealedSegment(source, info, { bytes: OFFSETS_BUDGET });
        outcome = `sealed ${few(count)} rebuilt ${segment.rebuilt}`;
        for (let position = 0; position < Math.min(count, 100); position++) {
          try {
            const data = segment.reader.read(position);
            requireEntryAt(bytes, segment.offsets.at(position), data);
          } catch (error) {
            outcome += ` ${expected(error).slice(0, 20)}`;
            break;
          }
        }
        try {
          let position = 0;
          for (const data of inOrder(segment.reader)) {
            requireEntryAt(bytes, segment.offsets.at(position++), data);
          }
        } catch (error) {
          expected(error);
        }
      } catch (error) {
        outcome = expected(error);
      }
      meter.check();
      return outcome;
    },
  };
}

/** The check of `wal verify`, the walk of `wal inspect`, and what an Internal frame holds. */
export async function checkTarget(): Promise<Target> {
  const buffer = createFrameBuffer();
  const crc = await createCRC32();
  return {
    name: "check",
    corpus: "segments",
    share: 6_000,
    run(input) {
      const bytes = onlyFile(input);
      let outcome: string;
      const meter = new Meter({ ...allowance(bytes.length, 40, BUFFER), buffer: TOOL_BUFFER });
      try {
        outcome = describe(check(bytes, new BytesFile(bytes, meter), input, crc, buffer));
        let walked = 8;
        for (
          const { offset, length } of framesOf(new BytesFile(bytes, meter), {
            firstIndex: 1,
            end: bytes.length,
          })
        ) {
          require(offset === walked, `a frame at ${offset}, and the one before ends at ${walked}`);
          walked = offset + FRAME_HEADER + length;
        }
        for (const frame of framesIn(bytes)) {
          if (frame[0] === INTERNAL) readInternalPayload(frame.subarray(FRAME_HEADER));
        }
      } catch (error) {
        outcome = expected(error);
      }
      meter.check();
      return outcome;
    },
  };
}

function check(
  bytes: Uint8Array,
  file: BytesFile,
  { settings: { maxEntrySize, recovery } }: FuzzCase,
  crc: IHasher,
  buffer: Uint8Array,
): CheckedSegment {
  const reader = new FrameReader(file, crc, buffer, maxEntrySize);
  const steps = checkSegment({
    path: LOG,
    firstIndex: 1,
    reader,
    isLast: recovery === "default",
    maxEntrySize,
  });
  let done = 0;
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    done += step.value;
    require(done <= bytes.length, `${done} bytes were checked of ${bytes.length}`);
  }
}

function describe({ isUnused, places, tail, isSealed, version }: CheckedSegment): string {
  const wrongs = places.slice(0, 2).map(({ what }) => what.replaceAll(/\d+/g, "#").slice(0, 60));
  return `v${version} unused ${isUnused} sealed ${isSealed} ${tail?.kind} ${wrongs.join(" | ")}`;
}

/** A slot of the meta file. */
export function slotTarget(): Target {
  return {
    name: "slot",
    corpus: "slots",
    share: 8_000,
    run(input) {
      const bytes = onlyFile(input);
      const slot = decodeMetaSlot(bytes, (bytes) => crc32(bytes));
      const size = bytes.length < SLOT_HEADER ? Infinity : readU32(bytes, 32);
      const end = SLOT_HEADER + size;
      const isValid = end + 4 <= bytes.length && readU32(bytes, 0) === 0x4d455441 &&
        readU32(bytes, 4) === 1 && size <= 32 * 1024 &&
        readU32(bytes, end) === crc32(bytes.subarray(0, end));
      if (slot === undefined) {
        const numbers = isValid ? [readU64(bytes, 16), readU64(bytes, 24)] : [];
        const isHonest = numbers.every((number) => number > 0n && number < 2n ** 53n - 1n);
        require(!isValid || !isHonest, "a valid slot was not decoded");
        return "invalid";
      }
      require(isValid, "a slot was decoded that is not valid");
      require(equal(slot.state, bytes.subarray(SLOT_HEADER, end)), "a slot's state is another");
      require(equal(slot.logId, bytes.subarray(8, 16)), "a slot's id is another");
      require(Number(readU64(bytes, 24)) === slot.headIndex, "a slot's head is another");
      require(Number(readU64(bytes, 16)) === slot.sequence, "a slot's sequence is another");
      return `valid ${few(slot.state.length)} ${slot.headIndex > 2 ** 53}`;
    },
  };
}
