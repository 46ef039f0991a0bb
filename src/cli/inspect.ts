/**
 * `wal inspect`: what a log's files hold, and what opening it would decide and do. It works while a
 * writer has the log open.
 *
 * @module
 */
import { frameChecksum } from "../format/checksum.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { locateLog } from "../opening/open.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments } from "./arguments.ts";
import { type Frame, framesOf } from "./frames.ts";
import {
  inspectLog,
  type Opening,
  type Outcome,
  type Report,
  type SegmentReport,
} from "./inspection.ts";
import { printLines } from "./output.ts";

/** Runs the command and returns the exit code: 1 if opening the log would be refused. */
export async function inspect(args: string[]): Promise<number> {
  const { log, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    frames: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  });
  const maxEntrySize = maxEntrySizeOf(values);
  const checksum = frameChecksum;
  const fileSystem = await defaultFileSystem();
  const path = locateLog(fileSystem, log);
  const report = inspectLog(fileSystem, path, checksum, maxEntrySize);
  const frames = values.frames ? framesIn(fileSystem, report) : undefined;
  await printLines(values.json ? jsonOf(report, frames) : textOf(report, frames));
  return report.opening.kind === "refuse" ? 1 : 0;
}

/** A frame, and the file that it is in. */
type PlacedFrame = Frame & { readonly segment: string };

/** The frames of all segments in use, each up to the end of what is whole. */
function* framesIn(fileSystem: FileSystem, report: Report): Generator<PlacedFrame> {
  const segments = report.segments.filter(({ left }) => left === null);
  for (const [i, { path, firstIndex, size, version }] of segments.entries()) {
    if (version === null) continue;
    const end = i === segments.length - 1 ? endOf(report, path) : size;
    const file = fileSystem.open(path, "read");
    try {
      for (const frame of framesOf(file, { firstIndex, end })) yield { ...frame, segment: path };
    } finally {
      file.close();
    }
  }
}

/** Where the last segment ends; what is reported may be another. */
function endOf({ opening, recovery }: Report, path: string): number {
  const steps = opening.kind === "open" ? opening.steps : [];
  const step = steps.find((step) => step.kind === "secure end" && step.path === path);
  return step?.kind === "secure end" ? step.end : recovery.offset;
}

function* textOf(report: Report, frames: Iterable<PlacedFrame> | undefined): Generator<string> {
  yield* describe(report);
  if (frames !== undefined) yield* tableOf(frames);
}

function* describe(report: Report): Generator<string> {
  const { version, logId, meta, entries, firstIndex, lastIndex, durable, recovery } = report;
  yield `log       ${report.path}`;
  yield `format    ${version === null ? "no valid beginning" : `version ${version}`}`;
  yield `log id    ${logId ?? "none"}`;
  if (meta !== null) yield `meta      head ${meta.headIndex}, state of ${bytes(meta.stateSize)}`;
  yield* (meta?.layer?.words ?? []).map((line, i) =>
    (i === 0 ? "layer     " : "          ") + line
  );
  yield `size      ${bytes(report.size)}`;
  yield `entries   ${entries}${entries === 0 ? "" : ` (index ${firstIndex} to ${lastIndex})`}`;
  yield* report.segments.map((segment, i) =>
    (i === 0 ? "segments  " : "          ") + describeSegment(segment)
  );
  const frames = Object.entries(report.frames).map(([kind, tally]) =>
    `${typeName(kind)} ${tally.count} (${bytes(tally.bytes)})`
  );
  yield `frames    ${frames.join(", ")}`;
  yield `durable   ${
    durable.offset === 0
      ? "no Durable frame covers anything"
      : `covered by a Durable frame up to offset ${durable.offset}, index ${durable.index}`
  }`;
  yield `recovery  case ${recovery.case} at offset ${recovery.offset}: ${recovery.verdict}`;
  yield `opening   ${openingOf(report)}`;
  yield* consequencesOf(report.opening).map((line) => `          ${line}`);
}

function describeSegment(segment: SegmentReport): string {
  const { path, version, entries, firstIndex, lastIndex, size, sealed, left } = segment;
  const range = entries === 0 ? `from index ${firstIndex}` : `index ${firstIndex} to ${lastIndex}`;
  const parts = [
    path,
    version === null ? "no valid beginning" : `version ${version}`,
    range,
    bytes(size),
    sealed ? "sealed" : "not sealed",
  ];
  if (left === "head") parts.push("below the head: opening would remove it");
  if (left === "unused") parts.push("never in use");
  if (left === "unacknowledged") parts.push("never acknowledged: opening would remove it");
  return parts.join(", ");
}

/** What opening would do, in words. */
function openingOf({ broken, recovery, lastIndex }: Report): string {
  if (broken !== null) return `would refuse: ${broken}`;
  const does = consequence(recovery);
  return recovery.action === "refuse" ? `${does}, entries from index ${lastIndex + 1} on` : does;
}

/** What else opening would do, in words. */
export function consequencesOf(opening: Opening): string[] {
  if (opening.kind === "refuse") return [];
  const { steps, segment } = opening;
  return steps.flatMap((step) => {
    switch (step.kind) {
      case "finish replacement":
        return [
          `would first finish the replacement of ${step.path} from offset ${step.offset} on, by ` +
          bytes(step.length),
          ...step.removes.map((path) => `would first remove ${path}: the replacement drops it`),
        ];
      case "finish meta replacement":
        return [`would first finish the replacement of both slots of ${step.path}`];
      case "remove redo file":
        return [`would first remove ${step.path}`];
      case "set aside":
        // Of the segment that is reported it is said already.
        return step.path === segment
          ? []
          : [`would set ${bytes(step.to - step.from)} of ${step.path} aside in a ".cut-" file`];
      case "secure end":
        return step.path === segment || step.end === step.size
          ? []
          : [`would cut ${bytes(step.size - step.end)} off ${step.path}`];
      case "remove":
        return [`would remove ${step.path}: ${step.why}`];
      case "begin again":
        return [`would begin ${step.path} again`];
      case "begin next":
        return [`would make the next segment, ${step.next}`];
      case "roll":
        return [`would seal ${step.path} and make the next segment, ${step.next}`];
      case "drop":
        return step.paths.map((path) => `would remove ${path}: below the head`);
      case "begin at head":
        return [
          `would make ${step.path}, which begins with the head`,
          ...step.removes.map((path) => `would remove ${path}: below the head`),
        ];
      default:
        return [];
    }
  });
}

/** What opening would do with the bytes after the end, in words. */
export function consequence(recovery: Outcome): string {
  switch (recovery.action) {
    case "none":
      return "would cut nothing";
    case "cut":
      return `would cut ${bytes(recovery.bytes)}`;
    case "set aside":
      return `would set ${bytes(recovery.bytes)} aside in a ".cut-" file, then cut them`;
    case "refuse":
      return `would refuse: ${bytes(recovery.bytes)} at risk`;
  }
}

function* tableOf(frames: Iterable<PlacedFrame>): Generator<string> {
  let current: string | undefined;
  for (const { segment, offset, length, checksum, content } of frames) {
    if (segment !== current) {
      yield "";
      if (current !== undefined) yield segment;
      yield row("offset", "type", "length", "index", "checksum");
      current = segment;
    }
    const index = content.kind === "data" ? content.index : "-";
    yield row(offset, typeName(content.kind), length, index, hex(checksum)) + noteOf(content);
  }
}

function noteOf(content: Frame["content"]): string {
  if (content.kind === "durable") return `  up to offset ${content.durableOffset}`;
  if (content.kind === "skippable") return `  kind ${content.number}`;
  if (content.kind === "batch") return `  the next ${content.count} entries`;
  return "";
}

function row(
  offset: number | string,
  type: string,
  length: number | string,
  index: number | string,
  checksum: string,
): string {
  const right = (cell: number | string): string => String(cell).padStart(12);
  const typeAndLength = type + String(length).padStart(20 - type.length);
  return `${right(offset)}  ${typeAndLength}${right(index)}  ${checksum}`;
}

function* jsonOf(report: Report, frames: Iterable<PlacedFrame> = []): Generator<string> {
  yield JSON.stringify(report);
  for (const { segment, offset, length, checksum, content } of frames) {
    yield JSON.stringify({
      segment,
      offset,
      type: content.kind,
      length,
      index: content.kind === "data" ? content.index : undefined,
      checksum: hex(checksum),
      durableOffset: content.kind === "durable" ? content.durableOffset : undefined,
      number: content.kind === "skippable" ? content.number : undefined,
      count: content.kind === "batch" || content.kind === "seal" ? content.count : undefined,
    });
  }
}

/** A frame's kind as the description of the format writes it. */
function typeName(kind: string): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function bytes(count: number): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}
