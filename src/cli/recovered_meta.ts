/**
 * What the meta file of a damaged log says.
 *
 * @module
 */
import { frameChecksum } from "../format/checksum.ts";
import { decodeMetaSlot, MAX_SLOT_SIZE, type MetaSlot, SLOT_OFFSETS } from "../format/meta_slot.ts";
import { META_FILE, REDO_HEAD_SIZE } from "../format/redo_record.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { metaPath, redoPath } from "../files/names.ts";
import { readStart } from "./log_files.ts";
import { missing, type Recovered } from "./recovered.ts";
import type { Replacement } from "./replaced_tail.ts";

/** What is known of a log by its meta file. */
export interface Meta {
  /** Undefined if it is not known. */
  readonly headIndex: number | undefined;
  readonly state: Uint8Array;
  readonly logId: Uint8Array | undefined;
}

/** Reads the meta file, and reports damage. */
export function* readMeta(
  fileSystem: FileSystem,
  log: string,
  replacement: Replacement | undefined,
): Generator<Recovered, Meta> {
  const path = metaPath(log);
  const nothing = { headIndex: 1, state: new Uint8Array(0), logId: undefined };
  const slot = metaSlot(fileSystem, log, replacement);
  if (slot === "none") return nothing;
  if (slot === "damaged") {
    const what = "neither of the file's two copies is valid, so the log's first index and its " +
      "state are not known: entries that were dropped from the head may show";
    yield missing(path, 0, undefined, undefined, undefined, what);
    return { ...nothing, headIndex: undefined };
  }
  return slot;
}

function metaSlot(
  fileSystem: FileSystem,
  log: string,
  replacement: Replacement | undefined,
): MetaSlot | "none" | "damaged" {
  const crc32 = (bytes: Uint8Array): number => frameChecksum.crc32(bytes);
  try {
    if (replacement?.firstIndex === META_FILE) {
      const redo = readStart(fileSystem, redoPath(log), 2 * MAX_SLOT_SIZE);
      const slot = decodeMetaSlot((redo ?? new Uint8Array(0)).subarray(REDO_HEAD_SIZE), crc32);
      if (slot !== undefined) return slot;
    }
    const bytes = readStart(fileSystem, metaPath(log), SLOT_OFFSETS[1] + MAX_SLOT_SIZE);
    if (bytes === undefined) return "none";
    const [newest] = SLOT_OFFSETS.map((at) => decodeMetaSlot(bytes.subarray(at), crc32))
      .filter((slot) => slot !== undefined)
      .toSorted((a, b) => b.sequence - a.sequence);
    return newest ?? (bytes.length <= SLOT_OFFSETS[1] ? "none" : "damaged");
  } catch (error) {
    if (isFileSystemError(error)) return "damaged";
    throw error;
  }
}
