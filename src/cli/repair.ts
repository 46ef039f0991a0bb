/**
 * `wal repair`: makes the rest of a damaged log open again. Nothing is deleted: what cannot be kept
 * is copied into files of its own first.
 *
 * @module
 */
import { CorruptionError, RESTORE } from "../errors.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { type FileHandle, type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf } from "../fs/path.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { MetaFile } from "../files/meta.ts";
import { copyStretch } from "../fs/stretch.ts";
import { Wal } from "../wal.ts";
import { locateLog } from "../opening/open.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments } from "./arguments.ts";
import { readBeginning, type SegmentFile } from "../files/beginning.ts";
import { type Break, commonId, findBreak, fromHead } from "./chain.ts";
import { foresee } from "./foreseen.ts";
import { ForeseenFiles } from "./foreseen_files.ts";
import { consequence, consequencesOf } from "./inspect.ts";
import { foreseenOutcome, openingOf } from "./inspection.ts";
import { cutPath, lockPath, metaPath } from "../files/names.ts";
import { segmentFiles } from "./log_files.ts";
import { printLines } from "./output.ts";
import { rangeOf } from "./truncate.ts";

/** The permissions of copies and of the lock file, as the log's own by default. */
const PERMISSIONS = 0o600;

/** Runs the command and returns the exit code. */
export async function repair(args: string[]): Promise<number> {
  const { log: given, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    "dry-run": { type: "boolean", default: false },
  });
  const maxEntrySize = maxEntrySizeOf(values);
  const fileSystem = await defaultFileSystem();
  const path = locateLog(fileSystem, given);
  const checksum = frameChecksum;
  const files = segmentFiles(fileSystem, path);
  if (values["dry-run"]) {
    await printLines(foretell(fileSystem, path, files, checksum, maxEntrySize));
    return 0;
  }

  const lock = await fileSystem.lock(lockPath(path), PERMISSIONS);
  try {
    const files = segmentFiles(fileSystem, path);
    const rest = unkept(fileSystem, path, files, checksum, maxEntrySize);
    if (rest !== undefined) await setAside(fileSystem, path, rest);
  } finally {
    lock.release();
  }
  await using log = await Wal.open(path, { maxEntrySize, recovery: "salvage" });
  const { case: name, segment, offset, bytesCut, setAside: copy, setAsideFiles } = log.recovery;
  await printLines([
    `${segment}: case ${name} at offset ${offset}: ` +
    (bytesCut === 0
      ? "nothing to cut"
      : `${bytesCut} bytes cut${copy === undefined ? "" : `, set aside in ${copy}`}`),
    ...setAsideFiles.filter((other) => other !== copy).map((other) => `also set aside: ${other}`),
    `the log has ${rangeOf(log.firstIndex, log.lastIndex)}`,
  ]);
  return 0;
}

/** Segments that cannot be kept, and why. */
interface Unkept {
  readonly files: readonly SegmentFile[];
  readonly what: string;
}

/**
 * The segments from the place on at which the chain breaks.
 *
 * @throws {CorruptionError} If nothing before it could be kept.
 */
function unkept(
  fileSystem: FileSystem,
  path: string,
  files: readonly SegmentFile[],
  checksum: FrameChecksum,
  maxEntrySize: number,
): Unkept | undefined {
  const wanted = { checksum, maxEntrySize, recovery: "salvage" } as const;
  // Opening mends what a roll has left.
  if (foresee(new ForeseenFiles(fileSystem), path, wanted).plan.kind === "open") return undefined;
  const directory = new LogDirectory(fileSystem, directoryOf(path));
  const meta = new MetaFile(fileSystem, directory, metaPath(path), PERMISSIONS, checksum);
  meta.load("read");
  meta.close();
  const headIndex = meta.current?.headIndex ?? 1;
  const chain = fromHead(files, headIndex).map((file) => readBeginning(fileSystem, checksum, file));
  const ids = chain.flatMap(({ frame }) => frame === undefined ? [] : [frame.logId]);
  if (meta.current !== undefined) ids.push(meta.current.logId);
  const found: Break | undefined = findBreak(chain, headIndex, commonId(ids));
  if (found === undefined) return undefined;
  const [first] = chain;
  if (found.position === 0) {
    throw new CorruptionError(
      `Cannot repair "${path}": ${found.what}. Nothing before it could be kept. ${RESTORE} With ` +
        "--into NEW it makes a new log of them, which can take this one's place.",
      { path: first?.path ?? path, offset: 0, firstIndexAtRisk: first?.firstIndex ?? headIndex },
    );
  }
  return { files: chain.slice(found.position), what: found.what };
}

/** Copies segments whole and makes the copies durable; then removes the segments, newest first. */
async function setAside(fileSystem: FileSystem, path: string, rest: Unkept): Promise<void> {
  const lines = [rest.what];
  for (const { path: from, firstIndex } of rest.files) {
    const copy = await copyAside(fileSystem, path, from, firstIndex);
    lines.push(`${from}: set aside in ${copy}`);
  }
  const directory = directoryOf(path);
  await fileSystem.syncDirectory(directory);
  for (const { path: from } of rest.files.toReversed()) {
    fileSystem.remove(from);
    await fileSystem.syncDirectory(directory);
  }
  await printLines(lines);
}

async function copyAside(
  fileSystem: FileSystem,
  path: string,
  from: string,
  firstIndex: number,
): Promise<string> {
  const source = fileSystem.open(from, "read");
  try {
    const copy = createCopy(fileSystem, path, firstIndex);
    try {
      copyStretch(source, 0, source.size(), copy.file, 0);
      await copy.file.sync();
    } finally {
      copy.file.close();
    }
    return copy.path;
  } finally {
    source.close();
  }
}

/** A file of a name that is not taken: the same segment may have been set aside before. */
function createCopy(
  fileSystem: FileSystem,
  log: string,
  segment: number,
): { path: string; file: FileHandle } {
  for (let copy = 1;; copy++) {
    const path = cutPath({ log, segment, offset: 0, copy });
    try {
      return { path, file: fileSystem.open(path, "create", PERMISSIONS) };
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
    }
  }
}

/** What a repair would do. */
function foretell(
  fileSystem: FileSystem,
  path: string,
  files: readonly SegmentFile[],
  checksum: FrameChecksum,
  maxEntrySize: number,
): string[] {
  const rest = unkept(fileSystem, path, files, checksum, maxEntrySize);
  const lines: string[] = [];
  if (rest !== undefined) {
    lines.push(rest.what);
    for (const { path } of rest.files) lines.push(`${path}: would be set aside whole`);
  }
  const left = new ForeseenFiles(fileSystem).without(rest?.files.map(({ path }) => path) ?? []);
  const wanted = { checksum, maxEntrySize, recovery: "salvage" } as const;
  const foreseen = foresee(left, path, wanted);
  const opening = openingOf(foreseen);
  if (opening.kind === "refuse") return [...lines, `would be refused: ${opening.message}`];
  const outcome = foreseenOutcome(foreseen);
  const { case: name, offset, verdict } = outcome;
  const end = `${opening.segment}: case ${name} at offset ${offset}: ${verdict}`;
  return [...lines, `${end}; ${consequence(outcome)}`, ...consequencesOf(opening)];
}
