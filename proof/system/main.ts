/**
 * The real thing: logs on file systems whose power is cut, on full disks, under failing system calls
 * and on a device that fails. On Linux, as root.
 *
 * ```sh
 * npm run test:system
 * npm run test:system -- power-cut --ext4 300 --xfs 150 --seed 7
 * npm run test:system -- --allow-missing
 * ```
 *
 * Each check that cannot be made says what is missing, and the exit code is then not 0, unless
 * `--allow-missing` is given. A check that fails says why, and the seed; what is needed to look into
 * it is kept in the folder that is named.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Part, Settings } from "./part.ts";
import { failedCall } from "./failed_call.ts";
import { failedDevice } from "./failed_device.ts";
import { fullDisk } from "./full_disk.ts";
import { lyingSync, mappedPowerCut, powerCut } from "./power_cuts.ts";
import { Report } from "./report.ts";
import { shortWrite } from "./short_write.ts";
import { toldOnce } from "./told_once.ts";
import { Workshop } from "./workshop.ts";

const PARTS: Readonly<Record<string, Part>> = {
  "power-cut": powerCut,
  "mapped-power-cut": mappedPowerCut,
  "lying-sync": lyingSync,
  "full-disk": fullDisk,
  "short-write": shortWrite,
  "failed-call": failedCall,
  "failed-device": failedDevice,
  "told-once": toldOnce,
};

const USAGE = `Usage: test:system [${
  Object.keys(PARTS).join(" | ")
}]... [--ext4 CUTS] [--xfs CUTS] [--seed N] [--allow-missing]`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "ext4": { type: "string", default: "102" },
      "xfs": { type: "string", default: "51" },
      "seed": { type: "string", default: String(Date.now() % 1_000_000) },
      "allow-missing": { type: "boolean", default: false },
      "help": { type: "boolean", default: false },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
  const [ext4, xfs, seed] = [values.ext4, values.xfs, values.seed].map(Number);
  const isWrong = !names.every((name) => Object.hasOwn(PARTS, name)) ||
    !isCount(ext4) || !isCount(xfs) || !isCount(seed);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  const workshop = new Workshop();
  // However the run ends, nothing stays mounted.
  process.on("exit", () => workshop.close());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(1));
  }
  console.log(`Seed ${seed}, in "${workshop.folder}".`);
  const report = new Report();
  const settings: Settings = { workshop, report, seed, cuts: { ext4, xfs } };
  for (const name of names) await PARTS[name]?.(settings);
  report.print();
  return report.failed > 0 || (report.notRun > 0 && !values["allow-missing"]) ? 1 : 0;
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0;
}
