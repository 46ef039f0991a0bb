/**
 * Appending with a sync, by one caller and by many who share the syncs, against writing a ready
 * frame and syncing it, one at a time.
 *
 * @module
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Wal } from "../../mod.ts";
import { FRAME_SIZE, someEntry } from "../log_files.ts";
import type { Measurement } from "../results.ts";
import { inFolder, interleave, requireWork, timed, type Trial } from "../trials.ts";
import type { Setting } from "./workload.ts";

/** How long a trial runs in milliseconds: how fast a disk syncs is not known beforehand. */
const DURATION = 700;

const MANY = 64;

/** Measures `appendAndSync`. */
export async function durableAppend({ folder, rounds }: Setting): Promise<Measurement[]> {
  const by = (callers: number): Trial => (share) =>
    inFolder(folder, async (trial) => {
      const entry = someEntry();
      await using log = await Wal.open(join(trial, "log.wal"));
      const { syncs } = log.stats();
      const start = performance.now();
      const call = async (): Promise<void> => {
        while (performance.now() < start + DURATION * share) await log.appendAndSync(entry);
      };
      await Promise.all(Array.from({ length: callers }, call));
      const ms = performance.now() - start;
      requireWork("Durable", log.durableIndex, log.lastIndex);
      return { entries: log.lastIndex, ms, syncs: log.stats().syncs - syncs };
    });

  const floor: Trial = (share) =>
    inFolder(folder, (trial) => {
      const frame = new Uint8Array(FRAME_SIZE);
      const file = openSync(join(trial, "floor"), "w");
      let entries = 0;
      const ms = timed(() => {
        const end = performance.now() + DURATION * share;
        while (performance.now() < end) {
          writeSync(file, frame, 0, FRAME_SIZE, entries * FRAME_SIZE);
          fdatasyncSync(file);
          entries++;
        }
      });
      closeSync(file);
      return { entries, ms };
    });

  const samples = await interleave(rounds, { one: by(1), floor, many: by(MANY) });
  const floorIs = "writeSync and fdatasyncSync, one entry at a time";
  return [
    {
      workload: "durable append, 1 caller",
      floorIs,
      ours: samples.one,
      floor: samples.floor,
    },
    {
      workload: `durable append, ${MANY} callers`,
      floorIs,
      ours: samples.many,
      floor: samples.floor,
    },
  ];
}
