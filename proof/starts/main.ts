/**
 * Starts a small program that writes a log thousands of times, with each build of the frame kernel and
 * without it, and counts the starts that do not end as they should: has the kernel a part in the
 * deaths of a runtime at its end?
 *
 * ```sh
 * npm run starts
 * npm run starts -- --runtime bun --starts 3000 --kernel none --kernel simd
 * npm run starts -- --runtime deno --program /elsewhere/deno
 * ```
 *
 * It prints each end that is wrong, and exits with 1 if there is one.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { RUNTIMES } from "../../kit/runtime.ts";
import { KERNEL_USES, start } from "./starts.ts";

const USAGE = `Usage: starts [--runtime ${RUNTIMES.join("|")}] [--starts N] [--seed N]
              [--kernel ${KERNEL_USES.join("|")}]... [--program FILE]`;

process.exitCode = main();

function main(): number {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "deno" },
      kernel: { type: "string", multiple: true, default: [...KERNEL_USES] },
      starts: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      program: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const runtime = RUNTIMES.find((name) => name === values.runtime);
  const uses = KERNEL_USES.filter((use) => values.kernel.includes(use));
  const starts = Number(values.starts);
  const seed = Number(values.seed);
  const isWrong = runtime === undefined || uses.length < new Set(values.kernel).size ||
    !Number.isSafeInteger(starts) || starts < 1 || !Number.isSafeInteger(seed);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  let isBad = false;
  for (const use of uses) {
    const { bad } = start(runtime, use, { starts, seed, program: values.program });
    const ends = [...bad].map(([end, { count }]) => `${end}: ${count}`).join(", ") || "all well";
    console.log(`${runtime}, kernel ${use}: ${starts} starts, ${ends}`);
    for (const [end, { printed }] of bad) console.log(`${end} printed:\n${printed}`);
    isBad ||= bad.size > 0;
  }
  return isBad ? 1 : 0;
}
