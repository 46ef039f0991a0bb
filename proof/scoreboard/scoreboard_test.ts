/**
 * The scoreboard in short: some of its logs, whether its document is in step, and that its judge
 * does not let anything pass.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type Damage, damagesOf, KINDS } from "./damages.ts";
import { countsIn, documentOf, withoutRuntime } from "./document.ts";
import { concat, firstIndexOf, frame, isWholeLog, PATH } from "../../kit/frames.ts";
import { FORBIDDEN, judge } from "./judge.ts";
import { type Log, LOG_NAMES, makeLog } from "./logs.ts";
import { type Finding, newScore, scoreLog, totalOf } from "./score.ts";
import { bytes } from "../../kit/logs.ts";
import { ROOT } from "../../kit/runtime.ts";

const SEED = 1;

/** Those that are damaged here. */
const SHORT_FORM = LOG_NAMES.filter((name) =>
  name.startsWith("short, ") || name.startsWith("sector-sized ") || name.includes(", large, ") ||
  name === "roll, no evidence, killed after a roll" ||
  name === "reference, version 2, one segment, closed"
);

const DOCUMENT = readFileSync(join(ROOT, "docs/scoreboard.md"), "utf8").replaceAll("\r\n", "\n");

for (const name of SHORT_FORM) {
  test(`${name}: every damage is found, as the document counts`, { timeout: 60_000 }, async () => {
    const score = newScore();
    const findings: Finding[] = [];
    await scoreLog(await makeLog(name, SEED), score, (finding) => findings.push(finding));
    const shown = findings.map(({ damage, outcome }) =>
      `${outcome}: ${damage.kind}, ${damage.what}`
    );
    assertEquals(shown, []);
    assertEquals(score.byLog.get(name), countsIn(DOCUMENT, "byLog").get(name));
  });
}

test("the document is what the program writes, of all logs and damages", () => {
  const score = {
    byKind: countsIn(DOCUMENT, "byKind"),
    byLog: countsIn(DOCUMENT, "byLog"),
    reference: countsIn(DOCUMENT, "reference"),
  };
  assertEquals([...score.byKind.keys()], [...KINDS]);
  assertEquals([...score.byLog.keys()], [...LOG_NAMES]);
  assertEquals(totalOf(score.byKind.values()), totalOf(score.byLog.values()));
  assertEquals(withoutRuntime(documentOf(score, "")), withoutRuntime(DOCUMENT));
  const total = totalOf(score.byKind.values());
  assertEquals(FORBIDDEN.map((outcome) => total[outcome]), FORBIDDEN.map(() => 0));
});

test("the endings that are left out leave the same bytes as a close", async () => {
  const endings = [
    ["reference, version 1", "killed after a sync"],
    ["reference, version 2, three segments", "killed when idle"],
  ] as const;
  for (const [name, ending] of endings) {
    const closed = await makeLog(`${name}, closed`, SEED);
    const killed = await makeLog(`${name}, ${ending}`, SEED);
    assertEquals([...killed.files], [...closed.files]);
  }
});

test("no bit of a segment can flip and leave a whole log", async () => {
  for (const name of ["short", "reference, version 1", "hostile, version 2, four"]) {
    const log = await makeLog(LOG_NAMES.find((one) => one.startsWith(name)) ?? "", SEED);
    let count = 0;
    for (const damage of damagesOf(log)) {
      if (damage.kind !== "one bit flipped") continue;
      const [, file = ""] = damage.what.match(/, (.*)$/) ?? [];
      // One of every few, and not the meta file, which has all twice.
      if (firstIndexOf(file) === undefined || ++count % 7 !== 0) continue;
      assert(!isWholeLog(damage.files), damage.what);
    }
    assert(count > 1000, `only ${count} flips`);
  }
});

test("the judge finds what is lost, wrong, or gone with all evidence", async () => {
  const log = await makeLog("reference, version 2, one segment, closed", SEED);
  const content = log.files.get(PATH) as Uint8Array;
  const withTail = (tail: Uint8Array): Damage => ({
    kind: "garbage appended",
    what: "for the judge",
    files: new Map([[PATH, concat(content, tail)]]),
  });
  const garbage = withTail(Uint8Array.of(9));
  const outcomeOf = async (written: Partial<Log>, damage: Damage): Promise<string> =>
    (await judge({ ...log, ...written }, damage)).outcome;
  const other = log.entries.map((entry, i) => i === 4 ? bytes("other") : entry);

  assertEquals(await outcomeOf({}, garbage), "right");
  assertEquals(await outcomeOf({ entries: other }, garbage), "silent wrong data");
  assertEquals(await outcomeOf({ entries: log.entries.slice(1) }, garbage), "silent wrong data");
  assertEquals(await outcomeOf({ state: bytes("a vote") }, garbage), "silent loss");
  assertEquals(await outcomeOf({ firstIndex: 0 }, garbage), "silent loss");
  const acknowledged = { entries: [...log.entries, bytes("more")], acknowledged: 21 };
  assertEquals(await outcomeOf(acknowledged, garbage), "cut and reported");
  assertEquals(
    await outcomeOf(acknowledged, withTail(new Uint8Array(0))),
    "gone with all evidence",
  );
  const appended = withTail(frame(1, bytes("more")));
  assertEquals(await outcomeOf({}, appended), "taken for another log");
  assertEquals(await outcomeOf({ options: { maxEntrySize: 5 } }, garbage), "refused");
  assertEquals(await outcomeOf({ options: { maxEntrySize: 100 } }, garbage), "right");
  const readOnly = { options: { readOnly: true } };
  assertEquals(await outcomeOf(readOnly, garbage), "crash or hang", "nothing can be appended");
});
