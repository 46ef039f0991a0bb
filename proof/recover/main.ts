/**
 * Damages random logs at random, and recovers what is whole of each.
 *
 * ```sh
 * npm run recover
 * npm run recover -- --trials 500000 --seed 7
npm run recover -- --help
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

const USAGE = `Usage: recover [--trials N] [--seed N]

--trials N  how many damaged logs; 20000 if it is not given, which takes a few minutes
--seed N    the seed of the first; 1 if it is not given. Each next one has the next seed.`;

/** How many findings are printed. */
const MAX_SHOWN = 10;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      trials: { type: "string", default: "20000" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  const trials = Number(values.trials);
  const first = Number(values.seed);
  const isWrong = !Number.isSafeInteger(trials) || trials < 1 || !Number.isSafeInteger(first);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
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
