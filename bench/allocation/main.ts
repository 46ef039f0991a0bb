/**
 * What calls of the log allocate, on each runtime: bytes a call, collections of garbage, and what is
 * left after one; beside a raw write of the same frame.
 *
 * `npm run bench:allocation -- --help` tells the options.
 *
 * @module
 */
import process from "node:process";
import { type Bench, runCommand } from "../costs/command.ts";
import { tables } from "./report.ts";
import { type Cost, measureSubject, SUBJECTS } from "./subjects.ts";

process.exitCode = await runCommand({
  kind: "allocation",
  options: {
    entries: { byDefault: 1_000_000, least: 10_000, about: "calls of each kind" },
  },
  tables,
  async measure(bench: Bench, { entries = NaN }): Promise<readonly Cost[]> {
    const costs: Cost[] = [];
    for (const subject of SUBJECTS) costs.push(await measureSubject(bench, subject, entries));
    return costs;
  },
});
