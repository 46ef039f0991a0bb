/**
 * The scoreboard: logs are damaged in every way, a bit or a sector at a time, and what the library
 * makes of each is counted in docs/scoreboard.md.
 *
 * ```sh
 * npm run scoreboard
 * npm run scoreboard -- --check
 * npm run scoreboard -- --foretold
 * npm run scoreboard -- --log "hostile, version 1, closed" --damage "bit 3 of byte 40, a.wal"
 * ```
 *
 * `--check` compares with the document and changes nothing. `--log` and `--damage` do only that and
 * print each outcome. `--foretold` compares what `wal inspect` says of each damaged log, what open does
 * and what a reader shows; it writes no document. It runs on the runtime that it is started with. The
 * exit code is 1 if an outcome is forbidden, two accounts differ, or the document is not in step.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { compareAccounts } from "../../kit/foretold.ts";
import { ROOT, RUNTIME } from "../../kit/runtime.ts";
import { damagesOf } from "./damages.ts";
import { documentOf, withoutRuntime } from "./document.ts";
import { judge } from "./judge.ts";
import { LOG_NAMES, makeLog } from "./logs.ts";
import { casesIn, type Finding, newScore, scoreLog, totalOf } from "./score.ts";

/** The document. */
const DOCUMENT = join(ROOT, "docs/scoreboard.md");

/** How many findings are printed. */
const MAX_SHOWN = 10;

const USAGE =
  `Usage: scoreboard [--check | --foretold] [--seed N] [--log NAME [--damage WHAT]]\nLogs:\n  ${
    LOG_NAMES.join("\n  ")
  }`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      check: { type: "boolean", default: false },
      foretold: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      log: { type: "string" },
      damage: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  const isWrong = !Number.isSafeInteger(seed) ||
    (values.log === undefined ? values.damage !== undefined : !LOG_NAMES.includes(values.log));
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.foretold) return await compareAll(seed);
  if (values.log !== undefined) return await showOne(values.log, seed, values.damage);
  return await scoreAll(seed, values.check);
}

/** Prints what comes of each damage of one log, or of one damage. */
async function showOne(name: string, seed: number, what: string | undefined): Promise<number> {
  const log = await makeLog(name, seed);
  for (const damage of damagesOf(log)) {
    if (what !== undefined && damage.what !== what) continue;
    const { outcome, why } = await judge(log, damage);
    console.log(`${damage.kind}: ${damage.what}: ${outcome}: ${why()}`);
  }
  return 0;
}

/** Compares the accounts of every damaged log. */
async function compareAll(seed: number): Promise<number> {
  let differences = 0;
  let cases = 0;
  for (const name of LOG_NAMES) {
    const log = await makeLog(name, seed);
    for (const { what, files } of damagesOf(log)) {
      cases++;
      const { difference } = await compareAccounts(files);
      if (difference === undefined) continue;
      if (++differences <= MAX_SHOWN) console.error(`${name}: ${what}: ${difference}`);
    }
    console.log(`${name}: ${cases} damages so far, ${differences} differences`);
  }
  return differences === 0 ? 0 : 1;
}

async function scoreAll(seed: number, isCheck: boolean): Promise<number> {
  const start = Date.now();
  const score = newScore();
  const findings: Finding[] = [];
  for (const name of LOG_NAMES) {
    const began = Date.now();
    await scoreLog(await makeLog(name, seed), score, (finding) => findings.push(finding));
    const cases = casesIn(totalOf([score.byLog.get(name) ?? totalOf([])]));
    console.log(`${name}: ${cases} damages, ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
  for (const { log, damage, outcome, why } of findings.slice(0, MAX_SHOWN)) {
    console.error(`${outcome.toUpperCase()}: ${damage.kind}\n  ${why}`);
    console.error(
      `  npm run scoreboard -- --seed ${seed} --log "${log}" --damage "${damage.what}"`,
    );
  }
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  const cases = casesIn(totalOf(score.byKind.values()));
  console.log(`${cases} damages in ${seconds} s, ${findings.length} forbidden outcomes`);
  const command = `\`npm run scoreboard -- --seed ${seed}\``;
  const document = documentOf(score, `${command} on ${runtimeVersion()}`);
  const before = isCheck ? readFileSync(DOCUMENT, "utf8").replaceAll("\r\n", "\n") : document;
  if (!isCheck) writeFileSync(DOCUMENT, document);
  const isInStep = withoutRuntime(before) === withoutRuntime(document);
  if (!isInStep) console.error("docs/scoreboard.md says something else: run it without --check");
  return findings.length === 0 && isInStep ? 0 : 1;
}

/** Such as "node 24.21.0". */
function runtimeVersion(): string {
  return `${RUNTIME} ${process.versions[RUNTIME] ?? ""}`;
}
