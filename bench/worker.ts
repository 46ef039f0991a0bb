/**
 * Runs the workloads on the runtime that runs this, and prints what was measured as JSON.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Wal } from "../mod.ts";
import { RUNTIME } from "../tests/support/runtime.ts";
import { someEntry } from "./log_files.ts";
import type { Measurement, RuntimeResult } from "./results.ts";
import { append } from "./workloads/append.ts";
import { durableAppend } from "./workloads/durable_append.ts";
import { getEntry } from "./workloads/get_entry.ts";
import { open } from "./workloads/open.ts";
import { replay } from "./workloads/replay.ts";
import type { Setting, Workload } from "./workloads/workload.ts";

const WORKLOADS: readonly Workload[] = [append, durableAppend, getEntry, replay, open];

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: "." },
    entries: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "3" },
  },
});
const setting: Setting = {
  folder: values.folder,
  log: join(values.folder, "log", "large.wal"),
  entries: Number(values.entries),
  rounds: Number(values.rounds),
};

await writeLog(setting);
const measurements: Measurement[] = [];
for (const workload of WORKLOADS) measurements.push(...await workload(setting));
const result: RuntimeResult = {
  runtime: RUNTIME,
  version: process.versions[RUNTIME] ?? "",
  measurements,
};
console.log(JSON.stringify(result));

/** Writes the log that is read by the workloads that read. */
async function writeLog({ log: path, entries }: Setting): Promise<void> {
  mkdirSync(join(path, ".."), { recursive: true });
  const entry = someEntry();
  // In one segment, as far as its entries allow, so that open has all of it to scan.
  await using log = await Wal.open(path, { segmentSize: 2 ** 30 });
  for (let i = 0; i < entries; i++) log.append(entry);
}
