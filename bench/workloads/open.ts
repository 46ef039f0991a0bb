/**
 * Opening a large log that the page cache holds, against reading all its bytes in large chunks, and
 * against two small reads an entry, which is how a log without an index is commonly opened.
 *
 * @module
 */
import { readSync } from "node:fs";
import { Wal } from "../../mod.ts";
import {
  DATA,
  FILE_HEADER,
  FRAME_HEADER,
  LENGTH_AT,
  openFiles,
  readSequentially,
  segmentsOf,
} from "../log_files.ts";
import { type Measurement, OPEN_AND_SMALL_READS } from "../results.ts";
import { interleave, requireWork, timed, type Trial } from "../trials.ts";
import type { Setting } from "./workload.ts";

/** Measures `Wal.open`. */
export async function open(setting: Setting): Promise<Measurement[]> {
  const files = segmentsOf(setting.log);
  const { entries } = setting;

  const ours: Trial = async () => {
    const start = performance.now();
    await using log = await Wal.open(setting.log);
    const ms = performance.now() - start;
    requireWork("Entries", log.lastIndex, entries);
    return { entries, ms };
  };

  const sequential: Trial = () => ({ entries, ms: timed(() => readSequentially(files)) });

  const small: Trial = (share) => {
    const wanted = Math.ceil(entries * share);
    let found = 0;
    const ms = timed(() => {
      found = readEntryByEntry(files, wanted);
    });
    requireWork("Entries", found, wanted);
    return { entries: wanted, ms };
  };

  const samples = await interleave(setting.rounds, { ours, sequential, small });
  return [
    {
      workload: "open (sequential read)",
      floorIs: "readSync of all bytes in chunks of 1 MiB",
      ours: samples.ours,
      floor: samples.sequential,
    },
    {
      workload: OPEN_AND_SMALL_READS,
      floorIs: "readSync of each frame's header, then of its payload; no checksum",
      ours: samples.ours,
      floor: samples.small,
    },
  ];
}

/** Reads header and payload of each frame until `wanted` entries are found. */
function readEntryByEntry(paths: readonly string[], wanted: number): number {
  const header = new Uint8Array(FRAME_HEADER);
  const fields = new DataView(header.buffer);
  using files = openFiles(paths);
  let found = 0;
  for (const file of files.descriptors) {
    readSync(file, header, 0, FILE_HEADER, null);
    while (found < wanted && readSync(file, header, 0, FRAME_HEADER, null) === FRAME_HEADER) {
      const payload = new Uint8Array(fields.getUint32(LENGTH_AT));
      readSync(file, payload, 0, payload.length, null);
      if (header[0] === DATA) found++;
    }
  }
  return found;
}
