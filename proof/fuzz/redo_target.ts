/**
 * The redo file by itself: what is read of it, and whether the file that it is about is untouched.
 *
 * @module
 */
import { WalError } from "../../src/errors.ts";
import type { FrameChecksum } from "../../src/format/checksum.ts";
import {
  decodeRedoRecord,
  encodeRedoRecord,
  type RedoRecord,
} from "../../src/format/redo_record.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { directoryOf } from "../../src/fs/path.ts";
import { LogDirectory } from "../../src/fs/log_directory.ts";
import { RedoFile } from "../../src/files/redo.ts";
import { writeFile } from "../../kit/logs.ts";
import { require } from "./finding.ts";
import { isMarked, LOG, readU32, readU64, REDO, REDO_HEADER, tailIn, targetOf } from "./layout.ts";
import { Meter, MeteredFileSystem } from "./meter.ts";
import { isForeignRedo, isUntouched, isWhole } from "./replacement.ts";
import { allowance, equal, few, sizeOf, type Target } from "./target.ts";

/** Buffers that are taken whatever the files' size. */
const BUFFER = 1024;

/** The redo file, its head as bytes and all of it as a file. */
export function redoTarget(checksum: FrameChecksum): Target {
  return {
    name: "redo",
    corpus: "redo",
    share: 8_000,
    run({ files }) {
      const bytes = files.get(REDO);
      const under = new MemoryFileSystem();
      for (const [name, content] of files) writeFile(under, name, content);
      const meter = new Meter(allowance(sizeOf(files), 4, BUFFER));
      const metered = new MeteredFileSystem(under, meter);
      const directory = new LogDirectory(metered, directoryOf(LOG));
      const redo = new RedoFile(metered, directory, LOG, 0o600, checksum);
      require(redo.exists() === (bytes !== undefined), "a redo file is there, and is not");
      if (bytes === undefined) return "none";

      const head = decodeRedoRecord(bytes.subarray(0, REDO_HEADER));
      if (head !== undefined) compareHead(head, bytes);
      const record = load(redo);
      meter.check();
      if (record === "foreign") {
        require(isForeignRedo(bytes), "a redo file was taken for something else");
        return "foreign";
      }
      require(!isForeignRedo(bytes), "something else was taken for a redo file");
      require((record !== undefined) === isWhole(bytes), "a redo file is whole, and is not");
      if (record === undefined) return `not whole, head ${head !== undefined}`;

      compareHead(record, bytes);
      require(record.isInUse === isMarked(bytes), "a redo file is in use, and is not");
      require(equal(redo.readTail(record), tailIn(bytes)), "the new tail is another");
      const name = targetOf(bytes) ?? "";
      const file = files.get(name);
      if (file === undefined) return "of no file";
      const opened = under.open(name, "read");
      const untouched = redo.isUntouched(opened, record);
      opened.close();
      meter.check();
      require(untouched === isUntouched(bytes, file), "a file is untouched, and is not");
      return `of ${name === LOG} with ${
        few(record.length)
      }, untouched ${untouched} ${record.isInUse}`;
    },
  };
}

/** What a redo file tells, or that it is something else. */
function load(redo: RedoFile): ReturnType<RedoFile["load"]> | "foreign" {
  try {
    return redo.load();
  } catch (error) {
    if (error instanceof WalError && error.code === "ERR_WAL_FORMAT") return "foreign";
    throw error;
  }
}

function compareHead(record: RedoRecord, bytes: Uint8Array): void {
  const { firstIndex, offset, oldLength, oldChecksum, length } = record;
  for (const [at, number] of [[8, firstIndex], [16, offset], [24, oldLength], [36, length]]) {
    const stored = readU64(bytes, at as number);
    require(Number(stored) === number, `a redo file says ${stored} at ${at}, and not ${number}`);
  }
  require(readU32(bytes, 32) === oldChecksum, "a redo file's old checksum is another");
  if (![firstIndex, offset, oldLength, length].every(Number.isSafeInteger)) return;
  const again = encodeRedoRecord(record);
  require(equal(again, bytes.subarray(0, REDO_HEADER)), "a redo file's head is another as bytes");
}
