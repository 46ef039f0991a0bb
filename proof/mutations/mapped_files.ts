/**
 * The mutations of mapped files: memory that is kept too long, or read beyond its end.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const MAPPED_READS = "tests/files/mapped_reads_test.ts";
const MAPPED_LIVES = "tests/files/mapped_lives_test.ts";
const MAPPED_SPACE = "tests/segment/mapped_space_test.ts";
const MEMORY_MAP = "tests/fs/memory_map_test.ts";

const GROUP = "mapped files";

/** The changes, each of which a test notices. */
export const MAPPED_FILES: readonly Mutation[] = [
  {
    name: "a full file that is closed stays mapped",
    in: "MappedFile.close",
    find: "this.#mapping.unmap();",
    replace: "",
    group: GROUP,
    caughtBy: [
      MAPPED_READS,
      "entries of mapped files are what they are in files that are not",
    ],
  },
  {
    name: "a mapped file is read beyond its mapping",
    in: "Mapping.read",
    find: "Math.min(at + length, this.#bytes.length)",
    replace: "at + length",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "no more is copied out or in than is mapped"],
  },
  {
    name: "a full file that is opened to be cut stays mapped",
    in: "SegmentList.endWith",
    find: "this.#last.close(); this.#closeAll();",
    replace: "this.#last.close();",
    group: GROUP,
    caughtBy: [MAPPED_READS, "what is cut or dropped is not mapped any more"],
  },
  {
    name: "the last file is not mapped again as it grows",
    in: "MappedBeginning.#map",
    find: "Math.ceil(1.25 * size)",
    replace: "Infinity",
    group: GROUP,
    caughtBy: [
      MAPPED_READS,
      "the last file is mapped as far as it goes, again and again as it grows",
    ],
  },
  {
    name: "a reader maps files that its writer may cut",
    in: "showSegments",
    find: "mapsReads: false",
    replace: "mapsReads: true",
    group: GROUP,
    caughtBy: [MAPPED_READS, "a reader maps nothing, since its writer may cut what it reads"],
  },
  {
    name: "memory is given back that a view may show still",
    in: "Mapping.unmap",
    find: "buffer.transfer(0);",
    replace: "",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "memory is detached before it is given back, and that once"],
  },
  {
    name: "the memory of a log that was never closed is kept for as long as the process",
    in: "Mapping.constructor",
    find: "abandoned.register(this, memory.free, this);",
    replace: "",
    group: GROUP,
    caughtBy: [
      MAPPED_LIVES,
      "the memory of a log that was never closed is given back when it is collected",
    ],
  },
  {
    name: "a part that is not in the file is mapped",
    in: "Mappings.map",
    find: "offset + size > fileSize",
    replace: "offset > fileSize",
    group: GROUP,
    caughtBy: [
      MEMORY_MAP,
      "no part is mapped that is not in the file, or does not begin with a page",
    ],
  },
  {
    name: "a cut leaves memory of what was cut off",
    in: "Mappings.cutTo",
    find: "mapping.end > size",
    replace: "mapping.end > size + 65536",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "a cut gives back what reaches beyond it"],
  },
  {
    name: "a file that is cut stays mapped",
    in: "NodeFile.truncate",
    find: "this.#mappings?.cutTo(size);",
    replace: "",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "a file that is cut or closed gives its memory back first"],
  },
  {
    name: "a file that is closed stays mapped",
    in: "NodeFile.close",
    find: "this.#mappings?.cutTo(0);",
    replace: "",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "a file that is cut or closed gives its memory back first"],
  },
  {
    name: "files of another machine are mapped",
    in: "refusedBy",
    find: 'return allowed === "write" || allowed === access ? undefined',
    replace: 'return allowed !== "read" || allowed === access ? undefined',
    group: GROUP,
    caughtBy: [MEMORY_MAP, "which file systems may be read from memory, and which stored to"],
  },
  {
    name: "what is synced in small groups is stored",
    in: "SpaceAhead.store",
    find: "size > MAX_STORE || unsynced < MIN_BYTES_TO_STORE",
    replace: "size > MAX_STORE",
    group: GROUP,
    caughtBy: [MAPPED_SPACE, "what is synced in small groups, and large entries, are written"],
  },
  {
    name: "bytes are stored that are not all in the mapping",
    in: "Mapping.store",
    find: "at < 0 || at + length > this.#bytes.length",
    replace: "at < 0 || at > this.#bytes.length",
    group: GROUP,
    caughtBy: [MEMORY_MAP, "no more is copied out or in than is mapped"],
  },
  {
    name: "a file is stored to where a store may need space later",
    in: "memoryMapOf",
    find: 'refusalOf(fileSystem, path, "write")',
    replace: 'refusalOf(fileSystem, path, "read")',
    group: GROUP,
    caughtBy: [
      MAPPED_SPACE,
      "on a file system that may only be read from memory, entries are written",
    ],
  },
];
