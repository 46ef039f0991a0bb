/**
 * Damages random logs at random, and recovers what is whole of each.
 *
 * ```sh
 * npm run recover
 * npm run recover -- --trials 500000 --seed 7
 * ```
 *
 * An entry that is whole and is not given, one that is given and was none, and a wrong index are
 * printed, and the exit code is 1. It runs on the runtime that it is started with.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { tryAlone, tryImport, tryOnce } from "./trial.ts";

/** How many findings are printed. */
const MAX_SHOWN = 10;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      trials: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
    },
  });
  const trials = Number(values.trials);
  const first = Number(values.seed);
  if (!Number.isSafeInteger(trials) || !Number.isSafeInteger(first)) {
    console.log("Usage: recover [--trials N] [--seed N]");
    return 2;
  }
  const start = Date.now();
  let [entries, recovered, exact, wrong] = [0, 0, 0, 0];
  for (let seed = first; seed < first + trials; seed++) {
    // The whole log each time, and in turn one file of it, and what comes of its lines.
    const more = await (seed % 8 === 0 ? tryImport : tryAlone)(seed);
    const trial = await tryOnce(seed);
    const faults = [...trial.faults, ...more.faults.map((fault) => `${more.what}: ${fault}`)];
    entries += trial.entries;
    recovered += trial.recovered;
    exact += trial.exact;
    if (faults.length === 0) continue;
    if (++wrong <= MAX_SHOWN) {
      console.log(`${trial.what}\n  ${faults.slice(0, 5).join("\n  ")}`);
    }
  }
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(
    `${trials} damaged logs of ${entries} entries: ${recovered} recovered, ${exact} of them with ` +
      `their index; ${wrong} logs wrong, ${seconds} s`,
  );
  return wrong === 0 ? 0 : 1;
}
