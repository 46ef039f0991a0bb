/**
 * Which files make up a damaged log, in which order, by what they say of themselves.
 *
 * @module
 */
import { readBeginning, type SegmentFile } from "../files/beginning.ts";
import { WalError } from "../errors.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE, readFileHeader } from "../format/file_header.ts";
import { TYPE_DATA } from "../format/frame.ts";
import { sameLog } from "../format/log_id.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { commonId } from "./chain.ts";
import type { FileWalks } from "./file_walks.ts";
import { type Chain, type Part, unreadablePart } from "./log_part.ts";
import { type Missing, missing, type Note, type Recovered } from "./recovered.ts";
import type { SetAsideFile } from "./set_aside_files.ts";
import { endOf } from "./whole_entries.ts";

/** Finds out what the files of a log are. */
export class LogParts {
  readonly #fileSystem: FileSystem;
  readonly #walks: FileWalks;
  readonly #checksum: FrameChecksum = frameChecksum;

  constructor(fileSystem: FileSystem, walks: FileWalks) {
    this.#fileSystem = fileSystem;
    this.#walks = walks;
  }

  /** The segments in order, and those files that are none of the log's. */
  parts(
    files: readonly SegmentFile[],
    logId: Uint8Array | undefined,
  ): { main: Part[]; lost: Recovered[] } {
    const lost: Recovered[] = [];
    const found: { part: Part; file: SegmentFile }[] = [];
    for (const file of files) {
      const part = this.part(file, false);
      if (!isFileSystemError(part)) found.push({ part, file });
      else if (files.length === 1) throw part;
      else found.push({ part: unreadablePart(file), file });
    }
    const ids = found.flatMap(({ part: { frame } }) => frame === undefined ? [] : [frame.logId]);
    this.#walks.logId = commonId(ids) ?? logId;
    const main = new Map<number, Part>();
    // A file under its own name goes before a copy of it under another.
    const isOwnName = ({ part, file }: (typeof found)[number]): boolean =>
      part.firstIndex === file.firstIndex;
    for (const one of found.toSorted((a, b) => Number(isOwnName(b)) - Number(isOwnName(a)))) {
      const { part, file: { path, firstIndex } } = one;
      const { frame } = part;
      const isTaken = main.has(part.firstIndex);
      if (
        frame !== undefined && this.#walks.logId !== undefined &&
        !sameLog(frame.logId, this.#walks.logId)
      ) {
        const what = "the file belongs to another log: recover it by itself, by its own path";
        lost.push(missing(path, undefined, undefined, undefined, undefined, what));
      } else if (part.isVersion2 && frame === undefined && isTaken && !main.has(firstIndex)) {
        // Its Durable frames may be those of a log within an entry. Its name is the better witness.
        main.set(firstIndex, { ...part, firstIndex });
      } else if (isTaken) {
        lost.push(this.#copyOf(main.get(part.firstIndex) as Part, part));
      } else {
        main.set(part.firstIndex, part);
        if (!isOwnName(one)) lost.push(misnamed(part, firstIndex));
      }
    }
    return { main: [...main.values()].sort((a, b) => a.firstIndex - b.firstIndex), lost };
  }

  /** A file that begins as a segment does which is there already: only the same bytes are no loss. */
  #copyOf(own: Part, { path, firstIndex }: Part): Note | Missing {
    if (this.#walks.isSame(own.path, path)) {
      const text = `${path}: a copy of the segment from index ${firstIndex}, which is there ` +
        "already: it was not read";
      return { kind: "note", text };
    }
    const what = `another version of the segment from index ${firstIndex}, which is there ` +
      `already, as ${own.path}: its bytes are others, and it was not read: recover it by itself, ` +
      "by its own path";
    const indexes = { from: firstIndex, to: Infinity };
    return missing(path, undefined, undefined, indexes, undefined, what);
  }

  /** How a file begins. */
  part(file: SegmentFile, isSetAside: boolean): Part | FileSystemError {
    try {
      const { frame, version } = readBeginning(this.#fileSystem, this.#checksum, file);
      const firstIndex = frame?.firstIndex ?? file.firstIndex;
      const isUsable = Number.isSafeInteger(firstIndex) && firstIndex > 0;
      const part: Part = {
        ...file,
        firstIndex: isUsable ? firstIndex : file.firstIndex,
        base: 0,
        frame: isUsable ? frame : undefined,
        // Only a log's first file can be of version 1.
        isVersion2: frame !== undefined || file.firstIndex > 1,
        isSetAside,
      };
      if (frame !== undefined) return part;
      return version === 1 ? this.#ofVersion1(part) : this.#guessed(part, version);
    } catch (error) {
      if (isFileSystemError(error)) return error;
      throw error;
    }
  }

  /** A file of version 1 is a log's first, whatever its name; it begins with an entry. */
  #ofVersion1(part: Part): Part {
    if (part.firstIndex === 1) return part;
    const file = this.#walks.open(part.path);
    if (file === undefined || isFileSystemError(file)) return part;
    try {
      const { reader } = this.#walks.toWalk(part, file, { next: undefined, isLast: true }, 0);
      const isFirst = reader.frameAt(FILE_HEADER_SIZE)?.type === TYPE_DATA;
      return isFirst ? { ...part, firstIndex: 1, isVersion2: false } : part;
    } finally {
      file.close();
    }
  }

  /** What a file is whose beginning is damaged, as its Durable frames tell. */
  #guessed(part: Part, version: number | undefined): Part {
    const file = this.#walks.open(part.path);
    if (file === undefined || isFileSystemError(file)) return part;
    try {
      const known = { next: undefined, isLast: true };
      const toWalk = this.#walks.toWalk(part, file, known, 0);
      const isMiddle = version === undefined && toWalk.reader.frameAt(0) !== undefined;
      if (isMiddle) return { ...part, base: undefined };
      const { origin } = endOf({ ...toWalk, isGuess: true });
      const firstIndex = origin?.segment ?? 0;
      const isUsable = Number.isSafeInteger(firstIndex) && firstIndex > 0;
      return isUsable ? { ...part, firstIndex, isVersion2: true } : part;
    } finally {
      file.close();
    }
  }

  /** Refuses a file in which nothing looks like a log. */
  requireFrames({ path, firstIndex }: Part): void {
    const file = this.#walks.open(path);
    if (file === undefined || isFileSystemError(file)) {
      throw file ?? new FileSystemError("ENOENT", "Open", path);
    }
    try {
      const head = new Uint8Array(FILE_HEADER_SIZE);
      const header = readFileHeader(head.subarray(0, file.read(head, 0)));
      if (header.kind === "valid" || header.kind === "unfinished") return;
      const part = unreadablePart({ path, firstIndex });
      const { reader } = this.#walks.toWalk(part, file, { next: undefined, isLast: true }, 0);
      if (reader.nextFrame(0) !== undefined || reader.isExhausted) return;
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is not a log, nor a part of one: it does not begin with "WAL!", and no whole ` +
          "frame is in it. Check the path.",
      );
    } finally {
      file.close();
    }
  }

  /** Segments that were set aside whole, and bytes of those that are gone, in the order of reading. */
  chainsOf(cuts: readonly SetAsideFile[], main: readonly Part[]): Chain[] {
    const chains: Chain[] = [];
    for (const cut of cuts) {
      if (cut.offset > 0) {
        chains.push({ from: cut.segment, parts: [], cut: { ...cut, within: undefined } });
        continue;
      }
      const named = { path: cut.path, firstIndex: cut.segment };
      const found = this.part(named, true);
      const part = isFileSystemError(found) ? unreadablePart(named, true) : found;
      if (this.#isStillThere(part, main)) continue;
      const before = chains.findLast(({ parts }) =>
        parts.at(-1)?.firstIndex === (part.frame?.previous.firstIndex ?? -1)
      );
      if (before !== undefined) before.parts.push(part);
      else chains.push({ from: part.firstIndex, parts: [part], cut: undefined });
    }
    return chains;
  }

  /** Whether a segment that was set aside is in its place too: a crash came before its removal. */
  #isStillThere(part: Part, main: readonly Part[]): boolean {
    const own = main.find(({ firstIndex }) => firstIndex === part.firstIndex);
    return own !== undefined && this.#walks.isSame(own.path, part.path);
  }
}

/** Says that a file's name is another segment's. */
export function misnamed({ path, firstIndex }: Part, named: number): Note {
  const text =
    `${path}: by its name it would begin with index ${named}, and what it holds begins ` +
    `with ${firstIndex}`;
  return { kind: "note", text };
}
