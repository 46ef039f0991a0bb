/**
 * Reading entries at random, against reading the same bytes of the same files.
 *
 * @module
 */
import { readSync } from "node:fs";
import { Wal } from "../../mod.ts";
import { ENTRY_SIZE, FRAME_SIZE, locateEntries, openFiles, segmentsOf } from "../log_files.ts";
import type { Measurement } from "../results.ts";
import { interleave, requireWork, timed, type Trial } from "../trials.ts";
import type { Setting } from "./workload.ts";

/** Measures `getEntry`. */
export async function getEntry(setting: Setting): Promise<Measurement[]> {
  const reads = Math.ceil(setting.entries / 4);
  const positions = Array.from(
    { length: reads },
    () => Math.floor(Math.random() * setting.entries),
  );
  using files = openFiles(segmentsOf(setting.log));
  const places = locateEntries(files.descriptors);
  requireWork("Entries", places.offsets.length, setting.entries);
  const descriptors = positions.map((position) => places.files[position] as number);
  const offsets = positions.map((position) => places.offsets[position] as number);
  await using log = await Wal.open(setting.log);

  const ours: Trial = (share) => {
    const indexes = positions.slice(0, Math.ceil(reads * share)).map((position) => 1 + position);
    let bytes = 0;
    const ms = timed(() => {
      for (const index of indexes) bytes += log.getEntry(index).length;
    });
    requireWork("Bytes", bytes, indexes.length * ENTRY_SIZE);
    return { entries: indexes.length, ms };
  };

  const floor: Trial = (share) => {
    const count = Math.ceil(reads * share);
    const frame = new Uint8Array(FRAME_SIZE);
    let bytes = 0;
    const ms = timed(() => {
      for (let i = 0; i < count; i++) {
        bytes += readSync(descriptors[i] as number, frame, 0, FRAME_SIZE, offsets[i] as number);
      }
    });
    requireWork("Bytes", bytes, count * FRAME_SIZE);
    return { entries: count, ms };
  };

  return [{
    workload: "random getEntry",
    floorIs: "readSync of the same frame",
    ...await interleave(setting.rounds, { ours, floor }),
  }];
}
