/**
 * Breaks the library's code in many ways, one at a time, in a copy of the project, and runs the test
 * that has to notice it.
 *
 * ```sh
 * npm run mutations
 * npm run mutations -- --only fdatasync --runtime bun
 * npm run mutations -- --only "order and overlap"
 * npm run mutations -- --only "not cut" --all-tests   # which tests notice it?
 * npm run mutations -- --omissions   # leaves out each sync, write, cut and removal instead
 * ```
 *
 * It prints each mutation that no test notices, and exits with 1 if there is one.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { testFiles } from "../../kit/test_files.ts";
import { Copy } from "./copy.ts";
import { type Mutation, MUTATIONS } from "./list.ts";
import { allPrograms } from "./omission_programs.ts";
import { leaveOut, type Verdicts, wrongIn } from "./omissions.ts";
import { runTests } from "./run_tests.ts";
import { UNNOTICED } from "./unnoticed.ts";

const USAGE = `Usage: mutations [--only TEXT]... [--runtime ${RUNTIMES.join("|")}] [--all-tests]

  --only TEXT    only those mutations whose name contains the text, or the name of their group
  --runtime NAME the runtime that the tests run on; default: node
  --all-tests    run all tests, not only the one that has to fail
  --omissions    leave out the calls at the file system, one at a time, instead of changing the code`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [""] },
      runtime: { type: "string", default: "node" },
      "all-tests": { type: "boolean", default: false },
      omissions: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const runtime = RUNTIMES.find((name) => name === values.runtime);
  const chosen = MUTATIONS.filter(({ name, group = "" }) =>
    values.only.some((text) => `${group}: ${name}`.includes(text))
  );
  const isWrong = runtime === undefined || chosen.length === 0;
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.omissions) return await tryOmissions();
  const copy = new Copy(MUTATIONS);
  try {
    const tryOut = values["all-tests"] ? tryAllTests : tryNamedTest;
    return tryAll(copy, chosen, runtime, tryOut);
  } finally {
    copy.remove();
  }
}

/** Leaves out the calls of every program. */
async function tryOmissions(): Promise<number> {
  const start = performance.now();
  const verdicts: Verdicts = new Map();
  for (const program of await allPrograms()) {
    await leaveOut(program, verdicts, (verdict) => verdict.noticed > 0);
    console.log(`${secondsSince(start)} s  ${program.name}`);
  }
  const wrong = wrongIn(verdicts, UNNOTICED);
  for (const line of wrong) console.log(line);
  const noticed = [...verdicts.values()].filter(({ noticed }) => noticed > 0).length;
  console.log(
    `${noticed} of ${verdicts.size} kinds of calls are missed when they are left out, ` +
      `${verdicts.size - noticed} are known not to be, ${secondsSince(start)} s`,
  );
  return wrong.length === 0 ? 0 : 1;
}

function secondsSince(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(0);
}

/** What became of a mutation. */
interface Outcome {
  readonly isCaught: boolean;
  readonly told: string;
}

function tryAll(
  copy: Copy,
  mutations: readonly Mutation[],
  runtime: Runtime,
  tryOut: (copy: Copy, mutation: Mutation, runtime: Runtime) => Outcome,
): number {
  const start = performance.now();
  const errors = copy.findTypeErrors(mutations);
  for (const [{ name }, error] of errors) console.log(`DOES NOT COMPILE  ${name}: ${error}`);
  const failing = testsThatFailAnyway(copy, mutations, runtime);
  for (const test of failing) console.log(`FAILS WITHOUT A MUTATION  ${test}`);
  if (errors.size + failing.length > 0) return 1;
  let survivors = 0;
  for (const mutation of mutations) {
    const on = mutation.runtime ?? runtime;
    const { isCaught, told } = copy.with(mutation, () => tryOut(copy, mutation, on));
    if (!isCaught) survivors++;
    const where = on === runtime ? "" : ` (on ${on})`;
    console.log(`${isCaught ? "caught  " : "SURVIVED"}  ${mutation.in}: ${mutation.name}${where}`);
    console.log(`          ${told}`);
  }
  const caught = mutations.length - survivors;
  const of = `${mutations.length} mutations caught on ${runtime}, ${secondsSince(start)} s`;
  console.log(`${caught} of ${of}`);
  return survivors === 0 ? 0 : 1;
}

/** The named tests that fail, or do not run, in the code as it is. */
function testsThatFailAnyway(
  copy: Copy,
  mutations: readonly Mutation[],
  runtime: Runtime,
): string[] {
  const wanted = new Map<string, Set<string>>();
  for (const { caughtBy: [file, test], runtime: on = runtime } of mutations) {
    const key = `${on} ${file}`;
    wanted.set(key, (wanted.get(key) ?? new Set()).add(test));
  }
  return [...wanted].flatMap(([key, tests]) => {
    const [on = "", file = ""] = key.split(" ");
    const { passed } = runTests(copy.root, on as Runtime, file, [...tests]);
    return [...tests].filter((test) => !passed.includes(test)).map((test) => `${key}: ${test}`);
  });
}

/** Whether the mutation's own test fails. */
function tryNamedTest(
  copy: Copy,
  { caughtBy, hangs = false }: Mutation,
  runtime: Runtime,
): Outcome {
  const [file, test] = caughtBy;
  const { passed, failed, hung } = runTests(copy.root, runtime, file, [test]);
  const named = `${file}: ${test}`;
  if (hung) return { isCaught: hangs, told: `${named} (it does not come to its end)` };
  if (failed.includes(test)) return { isCaught: true, told: named };
  const verdict = passed.includes(test) ? "passes" : "does not run";
  return { isCaught: false, told: `${named} (it ${verdict})` };
}

/** Which of all tests fail. */
function tryAllTests(copy: Copy, _mutation: Mutation, runtime: Runtime): Outcome {
  const failed = testFiles()
    // The test of this list fails with any mutation.
    .filter((file) => !file.endsWith("/mutations_test.ts"))
    .flatMap((file) => {
      const { failed, hung } = runTests(copy.root, runtime, file);
      return [...failed, ...(hung ? ["(it does not come to its end)"] : [])]
        .map((test) => `${file}: ${test}`);
    });
  return { isCaught: failed.length > 0, told: failed.join("\n          ") || "all tests passed" };
}
