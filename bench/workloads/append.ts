/**
 * Appending without a sync, against writing frames that are ready.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Wal } from "../../mod.ts";
import { FRAME_SIZE, someEntry } from "../log_files.ts";
import type { Measurement } from "../results.ts";
import { inFolder, interleave, requireWork, timed, type Trial } from "../trials.ts";
import type { Setting } from "./workload.ts";

/** Measures `append`. */
export async function append({ folder, entries, rounds }: Setting): Promise<Measurement[]> {
  const ours: Trial = (share) =>
    inFolder(folder, async (trial) => {
      const count = Math.ceil(entries * share);
      const entry = someEntry();
      await using log = await Wal.open(join(trial, "log.wal"));
      const ms = timed(() => {
        for (let i = 0; i < count; i++) log.append(entry);
      });
      requireWork("Appended", log.lastIndex, count);
      return { entries: count, ms };
    });

  const floor: Trial = (share) =>
    inFolder(folder, (trial) => {
      const count = Math.ceil(entries * share);
      const frame = new Uint8Array(FRAME_SIZE);
      const file = openSync(join(trial, "floor"), "w");
      const ms = timed(() => {
        for (let i = 0; i < count; i++) writeSync(file, frame, 0, FRAME_SIZE, i * FRAME_SIZE);
      });
      closeSync(file);
      return { entries: count, ms };
    });

  return [{
    workload: "append",
    floorIs: "writeSync of a ready frame",
    ...await interleave(rounds, { ours, floor }),
  }];
}
