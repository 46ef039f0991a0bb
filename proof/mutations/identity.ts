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
    in: "logPathOf",
    find: "requireNothingBeside(fileSystem, path, real); return real;",
    replace: "requireNothingBeside(fileSystem, path, real); return path;",
    caughtBy: [LOG_PATH, "a log stays in its directory when the process goes to another"],
  },
  {
    name: "a link with segments beside it is opened",
    in: "logPathOf",
    find: "requireNothingBeside(fileSystem, path, real);",
    replace: "",
    caughtBy: [LOG_PATH, "a link with a file of its own, .meta, beside it is not opened"],
  },
  {
    name: "the spelling of a log without its first file is not looked for",
    in: "spelled beside logPathOf",
    find: "return directoryOf(meta) === directoryOf(path) ? logOfMeta(meta) ?? path : path;",
    replace: "return path;",
    caughtBy: [LOG_PATH, "where letter case makes no difference, every spelling is the one log"],
  },
  {
    name: "a later segment is opened as a log",
    in: "requireOwnPath",
    find: "if (segmentPath(name, firstIndex) !== nameOf(path)) return;",
    replace: "if (firstIndex > 0) return;",
    caughtBy: [LOG_PATH, "a later segment is not opened as a log, by its own name or by a link"],
  },
  {
    name: "a link that leads nowhere is not followed",
    in: "placeOf",
    find: "if (target === undefined) return place;",
    replace: "if (target === undefined || links > 0) return place;",
    caughtBy: [REAL_PATH, "the real path of a link to what is not there"],
  },
  {
    name: "an entry is acknowledged in a file whose name is gone",
    in: "Segment.#cover",
    find: "return begin(file); }); this.requireInPlace();",
    replace: "return begin(file); });",
    caughtBy: [MOVED, "a writer tells at once that the last file is removed"],
  },
  {
    name: "a blocking sync is acknowledged in a file whose name is gone",
    in: "Segment.#coverBlocking",
    find: "this.#syncs.runBlocking(doing, sync); this.requireInPlace();",
    replace: "this.#syncs.runBlocking(doing, sync);",
    caughtBy: [MOVED, "a writer tells at once that the last file is renamed"],
  },
  {
    name: "a file that was overwritten is taken for whole",
    in: "LastWrite.isIn",
    find: "return readUint32(word, 0) === this.#seenWord;",
    replace: "return word.length === 4;",
    caughtBy: [MOVED, "an entry is not acknowledged beside one that was overwritten"],
  },
  {
    name: "a file that was cut is taken for whole",
    in: "LastWrite.isIn",
    find: "if (file.read(word, end - 1, 1) < 1) return false;",
    replace: "",
    caughtBy: [MOVED, "what is cut off before it is synced is not acknowledged"],
  },
  {
    name: "a look during a sync passes what it did not check",
    in: "Segment.requireInPlace",
    find: "if (this.#syncs.isPending || this.#syncs.hasFailed) return; if (!this",
    replace: "if (!this",
    caughtBy: [
      "tests/writer/overlapping_syncs_test.ts",
      "a group's sync and a roll: one fails, as on btrfs, told once a descriptor, by itself",
    ],
  },
  {
    name: "a name is believed after its directory has changed",
    in: "LogDirectory.requireAfterSync",
    find: "modified !== undefined && this.#seen?.modified === modified;",
    replace: "modified !== undefined && this.#seen !== undefined;",
    caughtBy: [MOVED, "a writer tells at once that the last file is renamed"],
  },
  {
    name: "a directory is believed by its times",
    in: "LogDirectory.requireAfterSync",
    find: "this.#requireSelf(); const modified",
    replace: "const modified",
    caughtBy: [
      MOVED,
      "a writer tells at once that its directory is replaced by a copy with its times",
    ],
  },
  {
    name: "a directory that has just changed is believed",
    in: "LogDirectory.requireAfterSync",
    find: "Date.now() - modified < SETTLED",
    replace: "false",
    caughtBy: [MOVED, "a change that has the same time as the one before is seen"],
  },
  {
    name: "a roll does not look",
    in: "Segments.roll",
    find: "this.look(); const end = full.endBeforeSeal();",
    replace: "const end = full.endBeforeSeal();",
    caughtBy: [MOVED, "a writer tells that its lock file is removed"],
  },
  {
    name: "close does not look",
    in: "LogWriter.#finish",
    find: "this.#look(true);",
    replace: "",
    caughtBy: [MOVED, "a writer tells that its first segment is removed"],
  },
  {
    name: "close looks at no sizes",
    in: "Segments.look",
    find:
      "if (isLast && info.path !== this.#unsealed?.path) requireSize(this.#context.fileSystem, info);",
    replace: "",
    caughtBy: [MOVED, "a full segment that is cut is reported by close"],
  },
  {
    name: "a cut of the meta file is not looked for",
    in: "LogWriter.#look",
    find: "this.#log.meta.look();",
    replace: "",
    caughtBy: [
      MOVED,
      "a meta file that is cut to 0 bytes is reported by close, and before its next change",
    ],
  },
  {
    name: "a change of the log's ends does not look",
    in: "LogWriter.#change",
    find: "this.#look(); return await change();",
    replace: "return await change();",
    caughtBy: [MOVED, "a writer tells that its lock file is replaced"],
  },
  {
    name: "a writer that only appends never looks",
    in: "LogWriter.#appended",
    find: "this.#announcer.written();",
    replace: "",
    caughtBy: [MOVED, "a writer that only appends looks after a moment"],
  },
  {
    name: "a file that was made in another's directory stays there",
    in: "LogDirectory.create",
    find: "else this.#takeBack(path, file);",
    replace: "else file.close();",
    caughtBy: [
      MOVED,
      "a roll in the moment in which its directory is replaced leaves nothing there",
    ],
  },
  {
    name: "a directory that is replaced while a file is made is not noticed",
    in: "LogDirectory.create",
    find: "this.#requireSelf(); if (isKept)",
    replace: "if (isKept)",
    caughtBy: [
      MOVED,
      "a roll in the moment in which its directory is replaced leaves nothing there",
    ],
  },
];
