/**
 * `wal inspect`: what a log's file holds, and what opening it would decide and do. It works while a
 * writer has the log open.
 *
 * @module
 */
import { createFrameChecksum } from "../format/checksum.ts";
import { runtimeFileSystem } from "../fs/runtime.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments } from "./arguments.ts";
import { type Frame, framesOf } from "./frames.ts";
import { examine, type Report, reportOf } from "./inspection.ts";
import { printLines } from "./output.ts";

/** Runs the command and returns the exit code: 1 if opening the log would be refused. */
export async function inspect(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    frames: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  });
  const maxEntrySize = maxEntrySizeOf(values);
  const checksum = await createFrameChecksum();
  const file = (await runtimeFileSystem()).open(path, "read");
  try {
    const source = { file, path, checksum, maxEntrySize };
    const finding = examine(source);
    const report = reportOf(source, finding);
    const frames = values.frames && finding.scan !== undefined
      ? framesOf(file, finding.scan)
      : undefined;
    await printLines(values.json ? jsonOf(report, frames) : textOf(report, frames));
    return report.recovery.action === "refuse" ? 1 : 0;
  } finally {
    file.close();
  }
}

function* textOf(report: Report, frames: Iterable<Frame> | undefined): Generator<string> {
  yield* describe(report);
  if (frames !== undefined) yield* tableOf(frames);
}

function* describe(report: Report): Generator<string> {
  const { version, logId, entries, firstIndex, lastIndex, durable, recovery } = report;
  yield `log       ${report.path}`;
  yield `format    ${version === null ? "no valid beginning" : `version ${version}`}`;
  yield `log id    ${logId ?? "none"}`;
  yield `size      ${bytes(report.size)}`;
  yield `entries   ${entries}${entries === 0 ? "" : ` (index ${firstIndex} to ${lastIndex})`}`;
  const frames = Object.entries(report.frames).map(([kind, tally]) =>
    `${typeName(kind)} ${tally.count} (${bytes(tally.bytes)})`
  );
  yield `frames    ${frames.join(", ") || "none"}`;
  yield `durable   ${
    durable.offset === 0
      ? "no Durable frame vouches for anything"
      : `vouched for up to offset ${durable.offset}, index ${durable.index}`
  }`;
  yield `recovery  case ${recovery.case} at offset ${recovery.offset}: ${recovery.verdict}`;
  yield `opening   ${consequence(report)}`;
}

/** What opening would do, in words. */
function consequence({ recovery, lastIndex }: Report): string {
  switch (recovery.action) {
    case "none":
      return "would cut nothing";
    case "cut":
      return `would cut ${bytes(recovery.bytes)}`;
    case "set aside":
      return `would set ${bytes(recovery.bytes)} aside in a ".cut-" file, then cut them`;
    case "refuse":
      return `would refuse: ${bytes(recovery.bytes)} and the entries from index ${
        lastIndex + 1
      } on are at risk`;
  }
}

function* tableOf(frames: Iterable<Frame>): Generator<string> {
  yield "";
  yield row("offset", "type", "length", "index", "checksum");
  for (const { offset, length, checksum, content } of frames) {
    const index = content.kind === "data" ? content.index : "-";
    const note = content.kind === "durable" ? `  up to offset ${content.durableOffset}` : "";
    yield row(offset, typeName(content.kind), length, index, hex(checksum)) + note;
  }
}

function row(
  offset: number | string,
  type: string,
  length: number | string,
  index: number | string,
  checksum: string,
): string {
  const right = (cell: number | string): string => String(cell).padStart(12);
  return `${right(offset)}  ${type.padEnd(8)}${right(length)}${right(index)}  ${checksum}`;
}

function* jsonOf(report: Report, frames: Iterable<Frame> = []): Generator<string> {
  yield JSON.stringify(report);
  for (const { offset, length, checksum, content } of frames) {
    yield JSON.stringify({
      offset,
      type: content.kind,
      length,
      index: content.kind === "data" ? content.index : undefined,
      checksum: hex(checksum),
      durableOffset: content.kind === "durable" ? content.durableOffset : undefined,
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
