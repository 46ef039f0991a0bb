/**
 * How long a durable append takes and how many there are in a second, by 1 to 512 callers on each
 * runtime, and for how long the event loop stands still; beside a write and a sync of the same
 * runtime.
 *
 * `npm run bench:latency -- --help` tells the options.
 *
 * @module
 */
import process from "node:process";
import { type Bench, runCommand } from "../costs/command.ts";
import { type LatencyResult, tables } from "./report.ts";

process.exitCode = await runCommand({
  kind: "latency",
  options: { ms: { byDefault: 5000, least: 50, about: "milliseconds for each row" } },
  tables,
  async measure({ run, folder }: Bench, { ms = NaN }): Promise<LatencyResult> {
    const worker = new URL("worker.ts", import.meta.url);
    const { stdout } = await run(worker, ["--folder", folder, "--ms", `${ms}`]);
    return JSON.parse(stdout) as LatencyResult;
  },
});
