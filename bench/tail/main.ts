/**
 * The tail of durable appends across rolls, on each runtime: the latencies of 512 callers, how long
 * and why the event loop stands still, and the appends that wait for nothing; beside the same groups
 * by bare calls, and beside other logs.
 *
 * `npm run bench:tail -- --help` tells the options.
 *
 * @module
 */
import { existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Bench, runCommand, UsageError } from "../costs/command.ts";
import { size } from "../costs/text.ts";
import { buildGoProgram } from "../peers.ts";
import { measure, type Row } from "./measure.ts";
import { tables } from "./report.ts";
import { subjectsOn } from "./subjects.ts";

/** Bytes on disk that all subjects together need for a roll of ours, with room to spare. */
const BYTES_PER_ROLL = 1024 * 2 ** 20;

process.exitCode = await runCommand({
  kind: "tail",
  options: {
    rolls: { byDefault: 20, least: 1, about: "rolls in each round" },
    rounds: { byDefault: 5, least: 1, about: "rounds, of which the medians are shown" },
    peers: { byDefault: 1, least: 0, about: "0 leaves SQLite and the logs in Go out" },
  },
  runtimes: ["deno", "bun", "node", "node26"],
  tables,
  require(folder, { rolls = NaN }): void {
    const { bavail, bsize } = statfsSync(folder);
    const wanted = (rolls + 1) * BYTES_PER_ROLL;
    if (bavail * bsize >= wanted) return;
    throw new UsageError(
      `A round may need ${size(wanted)}, and "${folder}" has ${size(bavail * bsize)}: lower ` +
        "--rolls, or choose another folder with --dir.",
    );
  },
  async measure(bench: Bench, { rolls = NaN, rounds = NaN, peers }): Promise<readonly Row[]> {
    const { runtime: edition, folder, stop } = bench;
    const goProgram = peers === 0 ? undefined : goProgramIn(join(folder, ".."));
    return await measure({
      edition,
      folder,
      subjects: subjectsOn(edition, peers !== 0, goProgram !== undefined),
      rolls,
      rounds,
      ...(goProgram === undefined ? {} : { goProgram }),
      stop,
    });
  },
});

/** The program with the logs in Go, built once for a run. */
function goProgramIn(folder: string): string | undefined {
  const program = join(folder, process.platform === "win32" ? "peers.exe" : "peers");
  if (existsSync(program)) return program;
  const built = buildGoProgram(folder);
  if ("program" in built) return built.program;
  console.error(built.problem);
  return undefined;
}
