/**
 * How many messages a second a durable queue takes in and gives out, beside a bare log's durable batches
 * and beside SQLite with litequeue's table, on each runtime.
 *
 * ```sh
 * npm run bench:queue
 * npm run bench:queue -- --runtime node --batch 64 --seconds 3 --rounds 5 --dir /data
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, RUNTIMES } from "../../kit/runtime.ts";
import type { QueueRates } from "./worker.ts";

const USAGE = `Usage: bench:queue [--runtime ${RUNTIMES.join("|")}]... [--batch N] [--seconds N]
                   [--rounds N] [--dir FOLDER]`;

process.exitCode = main();

function main(): number {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      batch: { type: "string", default: "64" },
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "5" },
      dir: { type: "string", default: tmpdir() },
      help: { type: "boolean", default: false },
    },
  });
  const { batch, seconds, rounds } = values;
  const isWrong = ![batch, seconds, rounds].map(Number).every((number) => number > 0);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  const folder = mkdtempSync(join(values.dir, "bench-queue-"));
  try {
    console.log("| runtime | way | enqueue/s | of the log | reserve and ack/s | of the log |");
    console.log("| --- | --- | ---: | ---: | ---: | ---: |");
    for (const runtime of RUNTIMES.filter((one) => values.runtime.includes(one))) {
      const file = fileURLToPath(new URL("worker.ts", import.meta.url));
      const { program, args } = commandOn(runtime, file, folder, batch, seconds, rounds);
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      if (status !== 0) {
        console.error(stderr);
        return 1;
      }
      const all = stdout.trim().split("\n").map((line) => JSON.parse(line) as QueueRates);
      const floor = all.find(({ way }) => way === "log")?.enqueued ?? NaN;
      for (const { way, enqueued, worked } of all) {
        const ratios = [enqueued, worked].map((rate) => `${rate} | ${(rate / floor).toFixed(2)}`);
        console.log(`| ${runtime} | ${way} | ${ratios.join(" | ")} |`);
      }
    }
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
