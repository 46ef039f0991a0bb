/**
 * Reading all entries in order, against reading the same bytes in large chunks.
 *
 * @module
 */
import { Wal } from "../../mod.ts";
import { ENTRY_SIZE, readSequentially, segmentsOf } from "../log_files.ts";
import type { Measurement } from "../results.ts";
import { interleave, requireWork, timed, type Trial } from "../trials.ts";
import type { Setting } from "./workload.ts";

/** Measures the loop over `entries()`. */
export async function replay(setting: Setting): Promise<Measurement[]> {
  await using log = await Wal.open(setting.log);
  const files = segmentsOf(setting.log);

  const ours: Trial = (share) => {
    const to = Math.ceil(setting.entries * share);
    let bytes = 0;
    const ms = timed(() => {
      for (const entry of log.entries({ to })) bytes += entry.data.length;
    });
    requireWork("Bytes", bytes, to * ENTRY_SIZE);
    return { entries: to, ms };
  };

  const floor: Trial = () => {
    const ms = timed(() => readSequentially(files));
    return { entries: setting.entries, ms };
  };

  return [{
    workload: "replay",
    floorIs: "readSync of the same bytes in chunks of 1 MiB",
    ...await interleave(setting.rounds, { ours, floor }),
  }];
}
