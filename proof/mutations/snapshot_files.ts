/**
 * The mutations of what snapshot files promise.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const SNAPSHOT_FILE = "tests/snapshot/snapshot_file_test.ts";

/** The changes, each of which a test notices. */
export const SNAPSHOT_FILES: readonly Mutation[] = [
  {
    name: "a snapshot file is finished without a sync of its content before its end",
    in: "SnapshotWriter.finish",
    find: "this.#append(dataFrame(encodeSummary(summary))); await this.#file.sync();",
    replace: "this.#append(dataFrame(encodeSummary(summary)));",
    caughtBy: [
      SNAPSHOT_FILE,
      "bytes are synced each 256 KiB, and the end, the file and the directory before it counts",
    ],
  },
  {
    name: "a snapshot file is finished without a sync of its end",
    in: "SnapshotWriter.finish",
    find: "this.#append(this.#durableFrame()); await this.#file.sync();",
    replace: "this.#append(this.#durableFrame());",
    caughtBy: [
      SNAPSHOT_FILE,
      "every crash leaves a finished snapshot whole, and no other that a reader takes",
    ],
  },
  {
    name: "a snapshot file is finished without a sync of its directory",
    in: "SnapshotWriter.finish",
    find: "await this.#fileSystem.syncDirectory(directoryOf(this.path));",
    replace: "",
    caughtBy: [
      SNAPSHOT_FILE,
      "every crash leaves a finished snapshot whole, and no other that a reader takes",
    ],
  },
  {
    name: "all bytes of a snapshot are synced at its end",
    in: "SnapshotWriter.#writePiece",
    find: "if (this.#end - this.#synced < PACE) return;",
    replace: "if (this.#end - this.#synced < PACE * PACE) return;",
    caughtBy: [
      SNAPSHOT_FILE,
      "bytes are synced each 256 KiB, and the end, the file and the directory before it counts",
    ],
  },
  {
    name: "the digest of a snapshot is not compared",
    in: "SnapshotReader.pieces",
    find: "|| this.#hasher.digest() !== digest",
    replace: "|| digest.length !== 32",
    caughtBy: [
      SNAPSHOT_FILE,
      "whole pieces in another order, or of another snapshot, are refused",
    ],
  },
  {
    name: "a snapshot of another log is opened",
    in: "SnapshotReader.#readBeginning",
    find: "if (wanted !== undefined && logId !== wanted)",
    replace: 'if (wanted === "")',
    caughtBy: [SNAPSHOT_FILE, "each wrong file has its own error"],
  },
];
