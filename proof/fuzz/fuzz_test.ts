/**
 * The fuzzer in short, always the same executions, and the cases that it has found.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { formatCase, type FuzzCase, parseCase } from "./case.ts";
import { makeCorpus } from "./corpus.ts";
import { Dice } from "./dice.ts";
import { Finding } from "./finding.ts";
import { type Found, fuzz, makeTargets, replay } from "./fuzz.ts";
import { LOG, takeApart } from "./layout.ts";
import { BytesFile, Meter } from "./meter.ts";
import { mutate } from "./mutate.ts";
import { judge } from "./reference.ts";
import { ROOT } from "../../kit/runtime.ts";

const corpus = await makeCorpus();

const CASES = join(ROOT, "proof/fuzz/cases");

const SETTINGS: FuzzCase["settings"] = {
  maxEntrySize: 1024,
  segmentSize: 1000,
  format: 2,
  recovery: "default",
};

/** How many executions each entry point gets: some seconds together. */
const EXECUTIONS: Readonly<Record<string, number>> = {
  scan: 12_000,
  sealed: 4_000,
  check: 3_000,
  slot: 3_000,
  redo: 3_000,
  open: 1_000,
  view: 256,
  commands: 60,
  foretold: 200,
  recover: 200,
  raft: 300,
};

for (const [only, executions] of Object.entries(EXECUTIONS)) {
  test(
    `nothing is found in ${executions} executions of "${only}"`,
    { timeout: 120_000 },
    async () => {
      const found: Found[] = [];
      const onFinding = (finding: Found): void => void found.push(finding);
      const summary = await fuzz({ seed: 1, executions, only: [only], corpus, onFinding });
      assertEquals(found.map(({ input, error }) => formatCase(input, error.message)), []);
      assertEquals(summary.perTarget, { [only]: executions });
      assert(summary.outcomes > 3, `only ${summary.outcomes} outcomes`);
    },
  );
}

test("what was found once is found no more", { timeout: 60_000 }, async () => {
  const targets = await makeTargets();
  const names = readdirSync(CASES).filter((name) => name.endsWith(".json"));
  assert(names.length > 0);
  for (const name of names) {
    const input = parseCase(readFileSync(join(CASES, name), "utf8"));
    try {
      await replay(targets, input);
    } catch (error) {
      throw new Error(`${name} is found again`, { cause: error });
    }
  }
});

test("the same seed mutates in the same way", async () => {
  const [one, other] = [corpus, await makeCorpus()];
  assertEquals(one, other);
  for (let execution = 0; execution < 200; execution++) {
    const [a, b] = [one, other].map(({ logs }) => {
      const dice = new Dice(5, execution);
      return mutate(dice.pick(logs), logs, dice);
    });
    assertEquals(a, b);
  }
});

test("the mutations lead to every case of the decision table", () => {
  const { logs } = corpus;
  const outcomes = new Set<string>();
  for (let execution = 0; execution < 400; execution++) {
    const dice = new Dice(9, execution);
    const files = mutate(dice.pick(logs), logs, dice);
    const opinion = judge(files.get(LOG) ?? new Uint8Array(0), 1024);
    outcomes.add(opinion.kind === "scanned" ? opinion.case : opinion.kind);
  }
  assertEquals([...outcomes].sort(), ["A", "B", "C", "D", "E", "refused", "unfinished"]);
});

test("a case is its text and back", () => {
  const { logs } = corpus;
  for (const files of logs) {
    const input: FuzzCase = { target: "open", settings: SETTINGS, files };
    assertEquals(parseCase(formatCase(input, "nothing")), input);
  }
});

test("a finding is reported, by its kind once, with a smaller input", async () => {
  const [log] = corpus.segments;
  const input: FuzzCase = { target: "none", settings: SETTINGS, files: log ?? new Map() };
  await assertRejects(async () => void await replay(await makeTargets(), input), TypeError);
  const wrong = { name: "none", corpus: "segments", share: 1, run: () => fail() } as const;
  const fail = (): never => {
    throw new RangeError("an offset is negative");
  };
  const error = await assertRejects(async () => void await replay([wrong], input), Finding);
  assertEquals(error.message, "an error that no call caught: RangeError: an offset is negative");
});

test("the meter stops a call that reads too much, too often, too far or into too large a buffer", () => {
  const bytes = new Uint8Array(100);
  const read = (into: number, offset: number, length: number = into, times: number = 1): string => {
    const meter = new Meter({ bytes: 500, reads: 10, buffer: 200 });
    const file = new BytesFile(bytes, meter);
    try {
      for (let time = 0; time < times; time++) file.read(new Uint8Array(into), offset, length);
      meter.check();
      return "";
    } catch (error) {
      return error instanceof Finding ? error.message : "another error";
    }
  };
  assertEquals(read(100, 0, 100, 5), "");
  assertEquals(read(100, 0, 100, 6), "hang: more than 500 bytes were read");
  assertEquals(read(1, 0, 1, 11), "hang: more than 10 reads");
  assertEquals(read(201, 0), "allocation: a buffer of 201 bytes");
  assertEquals(read(100, -1), "a read at offset -1 of 100 bytes");
  assertEquals(read(100, 0, -5), "a read at offset 0 of -5 bytes");
  assertEquals(read(10, 0, 11), "a read of 11 bytes into 10");
});

test("the reference finds what the log has written whole", () => {
  const { segments } = corpus;
  for (const files of segments) {
    const bytes = [...files.values()][0] ?? new Uint8Array(0);
    const opinion = judge(bytes, 1024);
    assert(opinion.kind === "scanned" && opinion.case === "A" && opinion.end === bytes.length);
    const { frames } = takeApart(bytes);
    const entries = frames.filter(([type]) => type === 1).length;
    assert(opinion.offsets.length <= entries);
  }
});
