/**
 * The mutations of what keeps a log one by any name, and of the looks whether its names still lead to
 * its files.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const LOG_PATH = "tests/files/log_path_test.ts";
const MOVED = "tests/files/moved_test.ts";
const REAL_PATH = "tests/fs/real_path_test.ts";

/** The changes, each of which a test notices. */
export const IDENTITY: readonly Mutation[] = [
  {
    name: "names are taken from the path that was given",
    file: "src/files/log_path.ts",
    find: "  requireNothingBeside(fileSystem, path, real);\n  return real;\n",
    replace: "  requireNothingBeside(fileSystem, path, real);\n  return path;\n",
    caughtBy: [LOG_PATH, "a log stays in its directory when the process goes to another"],
  },
  {
    name: "a link with segments beside it is gone on with",
    file: "src/files/log_path.ts",
    find: "  requireNothingBeside(fileSystem, path, real);\n",
    replace: "",
    caughtBy: [LOG_PATH, "a link with a file of its own, .meta, beside it is not gone on with"],
  },
  {
    name: "the spelling of a log without its first file is not looked for",
    file: "src/files/log_path.ts",
    find: "  return isBeside ? meta.slice(0, -META.length) : path;\n",
    replace: "  return isBeside ? path : path;\n",
    caughtBy: [LOG_PATH, "where letter case makes no difference, every spelling is the one log"],
  },
  {
    name: "a later segment is opened as a log",
    file: "src/opening/open.ts",
    find: "      requireFirst(file, this.#path, this.#checksum);\n",
    replace: "",
    caughtBy: [LOG_PATH, "a later segment is not opened as a log, by its own name or by a link"],
  },
  {
    name: "a link that leads nowhere is not followed",
    file: "src/fs/posix/real_path.ts",
    find: "  if (target === undefined) return place;\n",
    replace: "  if (target === undefined || links > 0) return place;\n",
    caughtBy: [REAL_PATH, "the real path of a link to what is not there"],
  },
  {
    name: "an entry is acknowledged in a file whose name is gone",
    file: "src/segment/segment.ts",
    find: "      return running;\n    });\n    this.requireInPlace();\n",
    replace: "      return running;\n    });\n",
    caughtBy: [MOVED, "a writer tells at once that the last file is removed"],
  },
  {
    name: "a blocking sync is acknowledged in a file whose name is gone",
    file: "src/segment/segment.ts",
    find: "      file.syncDataBlocking();\n    });\n    this.requireInPlace();\n",
    replace: "      file.syncDataBlocking();\n    });\n",
    caughtBy: [MOVED, "a writer tells at once that the last file is renamed"],
  },
  {
    name: "a file that was overwritten is taken for whole",
    file: "src/segment/segment.ts",
    find: "      return readUint32(word, 0) === this.#seenWord;\n",
    replace: "      return word.length === 4;\n",
    caughtBy: [MOVED, "an entry is not acknowledged beside one that was overwritten"],
  },
  {
    name: "a file that was cut is taken for whole",
    file: "src/segment/segment.ts",
    find: "      if (this.#file.size() < this.#end) return false;\n",
    replace: "",
    caughtBy: [MOVED, "what is cut off before it is synced is not acknowledged"],
  },
  {
    name: "a look during a sync passes what it did not check",
    file: "src/segment/segment.ts",
    find: "    if (this.#syncs.isPending || this.#syncs.hasFailed) return;\n    if (!this",
    replace: "    if (!this",
    caughtBy: [
      "tests/writer/overlapping_syncs_test.ts",
      "a group's sync and a roll: one fails, as on btrfs, told once a descriptor, by itself",
    ],
  },
  {
    name: "a roll does not look",
    file: "src/files/segments.ts",
    find: "    this.look();\n    const end = full.seal();\n",
    replace: "    const end = full.seal();\n",
    caughtBy: [MOVED, "a writer tells that its lock file is removed"],
  },
  {
    name: "close does not look",
    file: "src/wal.ts",
    find: "      this.#segments.look(true);\n",
    replace: "",
    caughtBy: [MOVED, "a writer tells that its first segment is removed"],
  },
  {
    name: "close looks at no sizes",
    file: "src/files/segments.ts",
    find: "      if (isLast) this.#requireSize(info);\n",
    replace: "",
    caughtBy: [MOVED, "a full segment that is cut is told of by close"],
  },
  {
    name: "a change of the log's ends does not look",
    file: "src/wal.ts",
    find: "        this.#segments.look();\n        await work();\n",
    replace: "        await work();\n",
    caughtBy: [MOVED, "a writer tells that its lock file is replaced"],
  },
  {
    name: "a writer that only appends never looks",
    file: "src/wal.ts",
    find:
      "    this.#changes.notify();\n    if (this.#idleTimer === undefined) this.#waitForIdle();\n",
    replace: "    this.#changes.notify();\n",
    caughtBy: [MOVED, "a writer that only appends looks after a moment"],
  },
  {
    name: "a file that was made in another's directory stays there",
    file: "src/fs/log_directory.ts",
    find: "      else this.#takeBack(path, file);\n",
    replace: "      else file.close();\n",
    caughtBy: [
      MOVED,
      "a roll in the moment in which its directory is replaced leaves nothing there",
    ],
  },
  {
    name: "a directory that is replaced while a file is made is not noticed",
    file: "src/fs/log_directory.ts",
    find: "      this.#requireSelf();\n      if (isKept)",
    replace: "      if (isKept)",
    caughtBy: [
      MOVED,
      "a roll in the moment in which its directory is replaced leaves nothing there",
    ],
  },
];
