/**
 * The second decision table: for every combination of findings, the one plan that an open has. What
 * is expected is derived here from the two tables below, which are those of docs/format.md.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { WalError } from "../../mod.ts";
import type { Beginning } from "../../src/files/beginning.ts";
import type { InterruptedRedo } from "../../src/files/redo.ts";
import type {
  EndFinding,
  Findings,
  InterruptedReplacement,
  MetaFinding,
  RedoFinding,
} from "../../src/opening/findings.ts";
import {
  type Plan,
  planOpening,
  type PlanOptions,
  planReplacement,
  type Reason,
  type Step,
} from "../../src/opening/plan.ts";
import { reportOf } from "../../src/opening/report.ts";
import type { RecoveryCase } from "../../src/segment/decision.ts";

const PATH = "a.wal";
const OWN = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1);
const OTHER = Uint8Array.of(2, 2, 2, 2, 2, 2, 2, 2);
const NONE = { firstIndex: 0, size: 0, checksum: 0 };

/** A log has up to three files in use: from index 2, from 4 and from 7; or one, from index 1. */
const [SECOND, FOURTH, SEVENTH] = [2, 4, 7];
const SIZE_OF_SECOND = 300;
const SIZE_OF_FOURTH = 500;

function numbered(index: number): string {
  return index === 1 ? PATH : `${PATH}.${String(index).padStart(20, "0")}`;
}

/** What can be found of each part. */
const METAS = ["none", "unfinished", "refused", "own", "another log's"] as const;
const HEADS = [SECOND, FOURTH, 8, 10, 20] as const;
const OWN_PATHS = ["no error", "no log"] as const;
const CHAINS = [
  "only file",
  "joined",
  "missing",
  "other size",
  "no beginning",
  "another log's",
  "one between",
] as const;
const OLDEST = ["own", "none", "foreign"] as const;
const ENDS = [
  "scanned",
  "misplaced, own",
  "misplaced, foreign",
  "too many entries",
  "nothing",
  "other bytes",
  "frames",
  "refused",
] as const;
const UNUSED = ["none", "nothing", "other bytes", "frames", "pending"] as const;

/** One combination of findings. */
interface Combination {
  readonly meta: typeof METAS[number];
  readonly head: number;
  readonly ownPath: typeof OWN_PATHS[number];
  readonly chain: typeof CHAINS[number];
  /** Of the file from index 2, if the log has more than one. */
  readonly oldest: typeof OLDEST[number];
  readonly end: typeof ENDS[number];
  readonly case: RecoveryCase;
  readonly version: 1 | 2;
  readonly entries: number;
  readonly isSealed: boolean;
  /** Of a segment after the last that was in use. */
  readonly unused: typeof UNUSED[number];
  readonly options: PlanOptions;
}

function* combinations(): Generator<Combination> {
  for (const end of endings()) {
    for (const file of files(end.end)) {
      // Only a log's first file can be of version 1.
      if (end.version === 1 && file.chain !== "only file") continue;
      for (const meta of METAS) {
        const hasHead = meta === "own" || meta === "another log's";
        for (const head of hasHead ? HEADS : [1]) {
          for (const ownPath of OWN_PATHS) {
            for (const unused of ownPath === "no log" ? UNUSED.slice(0, 1) : UNUSED) {
              for (const options of allOptions()) {
                yield { ...end, ...file, meta, head, ownPath, unused, options };
              }
            }
          }
        }
      }
    }
  }
}

function* allOptions(): Generator<PlanOptions> {
  for (const recovery of ["default", "salvage"] as const) {
    for (const format of [1, 2] as const) {
      for (const readOnly of [false, true]) yield { recovery, format, readOnly };
    }
  }
}

function* endings(): Generator<
  Pick<Combination, "end" | "case" | "version" | "entries" | "isSealed">
> {
  const clean = { case: "A", version: 2, entries: 3, isSealed: false } as const;
  for (const end of ENDS) {
    if (end !== "scanned") {
      yield { ...clean, end, entries: isBegun(end) ? 3 : 0 };
      continue;
    }
    for (const name of ["A", "B", "C", "D", "E"] as const) {
      for (const version of [1, 2] as const) {
        yield { ...clean, end, case: name, version };
        yield { ...clean, end, case: name, version, entries: 0 };
        if (version === 2) yield { ...clean, end, case: name, isSealed: true };
      }
    }
  }
}

function* files(end: Combination["end"]): Generator<Pick<Combination, "chain" | "oldest">> {
  for (const chain of CHAINS) {
    // A scan goes back as long as it finds no beginning.
    if (!isBegun(end) && end !== "refused" && chain !== "only file" && chain !== "missing") {
      continue;
    }
    for (const oldest of chain === "only file" ? ["none" as const] : OLDEST) {
      if (!isBegun(end) && end !== "refused" && oldest !== "none") continue;
      yield { chain, oldest };
    }
  }
}

function isBegun(end: Combination["end"]): boolean {
  return end === "scanned" || end.startsWith("misplaced") || end === "too many entries";
}

/** The findings that a combination stands for. */
function findingsOf(combination: Combination): Findings {
  const { ownPath, unused, chain } = combination;
  const last = lastOf(combination);
  const after: EndFinding[] = unused === "none" ? [] : [unusedFile(last.firstIndex + 9, unused)];
  return {
    path: PATH,
    ownPath: ownPath === "no log" ? new WalError("ERR_WAL_FORMAT", "no log") : undefined,
    meta: metaOf(combination),
    ends: [...after, last],
    under: undefined,
    before: chain === "only file" ? [] : beforeOf(combination),
  };
}

function metaOf({ meta, head }: Combination): MetaFinding {
  const path = `${PATH}.meta`;
  if (meta === "none") return { kind: meta };
  if (meta === "unfinished") return { kind: meta, path };
  if (meta === "refused") {
    return { kind: meta, path, error: new WalError("ERR_WAL_FORMAT", "no meta file") };
  }
  return { kind: "valid", path, headIndex: head, logId: meta === "own" ? OWN : OTHER };
}

function beforeOf({ chain, oldest }: Combination): Beginning[] {
  const before: Beginning[] = [];
  if (oldest !== "none") {
    const file = segment(SECOND, SIZE_OF_SECOND, NONE);
    before.push(oldest === "own" ? file : { ...file, header: "not a log", ...NO_BEGINNING });
  }
  if (chain === "missing") return before;
  const previous = { firstIndex: SECOND, size: SIZE_OF_SECOND, checksum: 7 };
  const fourth = segment(FOURTH, chain === "other size" ? 400 : SIZE_OF_FOURTH, previous);
  if (chain === "no beginning") before.push({ ...fourth, ...NO_BEGINNING });
  else if (chain === "another log's") before.push(segment(FOURTH, fourth.size, previous, OTHER));
  else before.push(fourth);
  if (chain === "one between") before.push({ ...segment(5, 99, NONE), ...NO_BEGINNING });
  return before;
}

const NO_BEGINNING = { version: undefined, frame: undefined } as const;

function segment(
  firstIndex: number,
  size: number,
  previous: typeof NONE,
  logId: Uint8Array = OWN,
): Beginning {
  const frame = { kind: "segment", logId, firstIndex, previous } as const;
  const path = numbered(firstIndex);
  return { path, firstIndex, size, header: "valid", version: 2, frame, isUnused: false };
}

function unfinished(
  firstIndex: number,
  holds: "nothing" | "other bytes" | "frames",
  mayBePending = false,
): EndFinding {
  const path = numbered(firstIndex);
  return { kind: "unfinished", path, firstIndex, at: 8, holds, size: 99, mayBePending };
}

/** A file after the last: "pending" is one that holds frames, of which none was acknowledged. */
function unusedFile(
  firstIndex: number,
  holds: Exclude<Combination["unused"], "none">,
): EndFinding {
  return holds === "pending"
    ? unfinished(firstIndex, "frames", true)
    : unfinished(firstIndex, holds);
}

function lastOf(combination: Combination): EndFinding {
  const { end, chain, version, entries, isSealed, case: name } = combination;
  const firstIndex = chain === "only file" ? 1 : SEVENTH;
  const file = { path: numbered(firstIndex), firstIndex };
  if (end === "refused") {
    return { kind: end, ...file, error: new WalError("ERR_WAL_FORMAT", "unknown kind") };
  }
  if (!isBegun(end)) return unfinished(firstIndex, end as "nothing");
  const size = name === "A" ? 200 : 210;
  return {
    kind: "scanned",
    ...file,
    statedIndex: end.startsWith("misplaced") ? 99 : firstIndex,
    entries: end === "too many entries" ? Number.MAX_SAFE_INTEGER : entries,
    version,
    logId: end === "misplaced, foreign" ? OTHER : version === 1 ? undefined : OWN,
    previous: chain === "only file"
      ? NONE
      : { firstIndex: FOURTH, size: SIZE_OF_FOURTH, checksum: 4 },
    isPending: false,
    entriesEnd: 150,
    vouched: version === 1 ? 0 : 160,
    seal: isSealed ? { count: entries, checksum: 3 } : undefined,
    end: 200,
    size,
    decision: { case: name, vouched: name === "C" ? 205 : 160 },
  };
}

/** Whether the chain holds back to the head. */
function isBroken({ chain, oldest, head, meta, end }: Combination): boolean {
  const from = meta === "own" || meta === "another log's" ? head : 1;
  if (chain === "only file") return false;
  if (from >= SEVENTH) return false;
  if (!isBegun(end)) return true;
  if (chain !== "joined") return true;
  if (from >= FOURTH) return false;
  return oldest !== "own" || from < SECOND;
}

/** The files that an open would remove because they are below the head. */
function leftoversOf({ chain, oldest, head }: Combination): number[] {
  if (chain === "only file") return [];
  const left = oldest !== "none" && head >= FOURTH ? [SECOND] : [];
  if (head >= SEVENTH && chain !== "missing") left.push(FOURTH);
  if (head >= SEVENTH && chain === "one between") left.push(5);
  // The file from index 2 holds the head if the one from index 4 is not there.
  return chain === "missing" && head < SEVENTH ? [] : left;
}

function isForeignBelow(combination: Combination): boolean {
  const { chain, oldest, end, meta } = combination;
  return leftoversOf(combination).some((index) => {
    if (index === SECOND) return oldest === "foreign" || isOfAnother(end, meta);
    if (index === 5 || chain === "no beginning" || chain === "another log's") return true;
    return isOfAnother(end, meta);
  });
}

/** Whether only the meta file tells the log's id, and tells another. */
function isOfAnother(end: Combination["end"], meta: Combination["meta"]): boolean {
  return !isBegun(end) && meta === "another log's";
}

/** The first table: the first row that holds is the refusal. */
const REFUSALS: readonly (readonly [Reason, (found: Combination) => boolean])[] = [
  [
    "no log at the path",
    // A reader needs no file below the head.
    (found) =>
      found.ownPath === "no log" && !(found.options.readOnly && headOf(found) >= lowest(found)),
  ],
  ["meta file not readable", ({ meta }) => meta === "refused"],
  [
    "beginning damaged",
    ({ unused, options }) => unused === "frames" && options.recovery === "default",
  ],
  ["last segment not readable", ({ end }) => end === "refused"],
  ["last segment misplaced", ({ end }) => end.startsWith("misplaced")],
  ["index too large", ({ end }) => end === "too many entries"],
  [
    "acknowledged data damaged",
    (found) =>
      found.end === "scanned" && found.case === "C" && found.options.recovery === "default",
  ],
  [
    "beginning damaged",
    ({ end, options }) => end === "frames" && options.recovery === "default",
  ],
  [
    "beginning lost",
    ({ end, head, chain, options }) =>
      !isBegun(end) && head > (chain === "only file" ? 1 : SEVENTH) &&
      options.recovery === "default",
  ],
  ["chain broken", isBroken],
  [
    "meta file of another log",
    ({ meta, end, version }) => meta === "another log's" && isBegun(end) && version === 2,
  ],
  [
    "foreign segment below the head",
    (found) => !found.options.readOnly && isForeignBelow(found),
  ],
];

/** The lowest index that a file other than the first begins with. */
function lowest({ chain, oldest }: Combination): number {
  if (chain === "only file") return Infinity;
  if (oldest !== "none") return SECOND;
  return chain === "missing" ? SEVENTH : FOURTH;
}

/** The second table: each step whose condition holds, in this order. */
const STEPS: readonly (readonly [
  kind: Step["kind"],
  times: (found: Combination) => number,
])[] = [
  ["set aside", ({ unused }) => Number(unused !== "none" && unused !== "nothing")],
  ["remove", ({ unused }) => Number(unused !== "none")],
  [
    "set aside",
    (found) =>
      Number(
        found.end === "scanned"
          ? found.case === "C" || found.case === "D" || (found.case === "E" && found.version === 1)
          : found.end !== "nothing",
      ),
  ],
  ["begin again", ({ end }) => Number(!isBegun(end))],
  ["secure end", ({ end }) => Number(isBegun(end))],
  ["secure meta", ({ meta }) => Number(meta !== "none")],
  ["remove", (found) => leftoversOf(found).length],
  ["sync directory", () => 1],
  ["begin next", ({ isSealed }) => Number(isSealed)],
  ["begin at head", (found) => Number(headOf(found) > nextIndexOf(found))],
  [
    "roll",
    (found) =>
      Number(
        headOf(found) === nextIndexOf(found) && found.entries > 0 && !found.isSealed &&
          found.options.format === 2,
      ),
  ],
  [
    "drop",
    (found) =>
      Number(
        headOf(found) === nextIndexOf(found) && found.entries > 0 &&
          (found.isSealed || found.options.format === 2),
      ),
  ],
];

function headOf({ meta, head }: Combination): number {
  return meta === "own" || meta === "another log's" ? head : 1;
}

function nextIndexOf({ chain, entries }: Combination): number {
  return (chain === "only file" ? 1 : SEVENTH) + entries;
}

function expectedOf(combination: Combination): string {
  const refusal = REFUSALS.find(([, holds]) => holds(combination));
  if (refusal !== undefined) return `refuse: ${refusal[0]}`;
  return STEPS.flatMap(([kind, times]) => Array<string>(times(combination)).fill(kind)).join(", ");
}

function shown(plan: Plan): string {
  if (plan.kind === "refuse") return `refuse: ${plan.reason}`;
  return plan.steps.map(({ kind }) => kind).join(", ");
}

test(
  "every combination of findings has the one plan of the two tables",
  { timeout: 120_000 },
  () => {
    const counts = new Map<string, number>();
    let count = 0;
    for (const combination of combinations()) {
      count++;
      const expected = expectedOf(combination);
      const found = shown(planOpening(findingsOf(combination), combination.options));
      if (found !== expected) assertEquals(found, expected, JSON.stringify(combination));
      counts.set(expected, (counts.get(expected) ?? 0) + 1);
    }
    assert(count > 100_000, `only ${count} combinations`);
    const all = [...counts.keys()].join(", ");
    for (const [reason] of REFUSALS) assert(counts.has(`refuse: ${reason}`), `no "${reason}"`);
    for (const [kind] of STEPS) assert(all.includes(kind), `no "${kind}"`);
  },
);

/** The files after the one whose tail was being replaced. */
const AFTER: Readonly<Record<string, readonly Beginning[]>> = {
  none: [],
  own: [segment(SEVENTH, 100, NONE), segment(9, 100, NONE)],
  "in the making": [{ ...segment(9, 20, NONE), ...NO_BEGINNING, isUnused: true }],
  foreign: [segment(SEVENTH, 100, NONE), { ...segment(9, 100, NONE), ...NO_BEGINNING }],
  "another log's": [segment(SEVENTH, 100, NONE, OTHER)],
};

function replacement(
  tail: InterruptedReplacement["tail"],
  isMeta: boolean,
  after: readonly Beginning[],
  length = 0,
): RedoFinding {
  const record: InterruptedRedo = {
    firstIndex: isMeta ? 0 : FOURTH,
    offset: 70,
    oldLength: 30,
    oldChecksum: 1,
    length,
    isInUse: tail !== "untouched",
  };
  const target = isMeta ? `${PATH}.meta` : numbered(FOURTH);
  const path = `${PATH}.redo`;
  return { kind: "replacement", path, record, target, isMeta, tail, logId: OWN, after };
}

test("every finding of a redo file has one plan", () => {
  const path = `${PATH}.redo`;
  const plan = (redo: RedoFinding): string => {
    const plan = planReplacement(redo);
    if (plan === undefined) return "none";
    return plan.kind === "refuse"
      ? `refuse: ${plan.reason}`
      : plan.steps.map(({ kind }) => kind).join(", ");
  };
  assertEquals(plan({ kind: "none" }), "none");
  assertEquals(plan({ kind: "void", path }), "remove redo file");
  const error = new WalError("ERR_WAL_FORMAT", "no redo file");
  assertEquals(plan({ kind: "refused", path, error }), "refuse: foreign redo file");
  for (const tail of ["untouched", "old", "new", "neither"] as const) {
    const finishes = (kind: Step["kind"]): string =>
      tail === "untouched" ? "remove redo file" : `${kind}, remove redo file`;
    assertEquals(plan(replacement(tail, true, [])), finishes("finish meta replacement"));
    for (const [what, after] of Object.entries(AFTER)) {
      const isForeign = what === "foreign" || what === "another log's";
      const expected = isForeign
        ? "refuse: foreign segment after a truncation"
        : finishes("finish replacement");
      assertEquals(plan(replacement(tail, false, after)), expected, `${tail}, ${what}`);
    }
  }
});

test("a replacement removes the later segments, the newest first", () => {
  const plan = planReplacement(replacement("old", false, AFTER["own"] ?? []));
  assert(plan?.kind === "look again");
  assertEquals(plan.steps[0], {
    kind: "finish replacement",
    path: numbered(FOURTH),
    offset: 70,
    length: 0,
    removes: [numbered(9), numbered(SEVENTH)],
  });
});

test("a replacement with a new tail keeps the later segments, whatever they are", () => {
  for (const after of Object.values(AFTER)) {
    const plan = planReplacement(replacement("old", false, after, 20));
    const [step] = plan?.kind === "look again" ? plan.steps : [];
    assert(step?.kind === "finish replacement");
    assertEquals(step.removes, []);
  }
});

/** The last segment was begun when the one before it was not known to be durable. */
const PAIR_LAST = {
  "no entry": { entries: 0, case: "A" },
  "entries": { entries: 3, case: "A" },
  "entries and zeros": { entries: 3, case: "B" },
  "entries and a torn one": { entries: 3, case: "E" },
  "a torn entry": { entries: 0, case: "E" },
  "frames after a torn one": { entries: 0, case: "D" },
} as const;

/** What is found of the segment before: whether it is the one that the last says, and its end. */
const PAIR_UNDER = {
  "as stated": { isKept: true },
  "another size": { size: 499, end: 499 },
  "another checksum": { checksum: 5 },
  "fewer entries": { entries: 2 },
  "no Seal": { hasSeal: false },
  "zeros after it": { case: "B", size: 510 },
  "torn": { case: "E", end: 480, hasSeal: false },
  "torn in the middle": { case: "D", end: 480, hasSeal: false },
  "damaged": { case: "C", end: 480, hasSeal: false },
  "no beginning": { kind: "unfinished" },
  "not readable": { kind: "refused" },
  "misplaced": { statedIndex: 5, size: 499, end: 499 },
  "another log's": { logId: OTHER, size: 499, end: 499 },
} as const satisfies Record<string, UnderFacts>;

interface UnderFacts {
  readonly isKept?: boolean;
  readonly kind?: "unfinished" | "refused";
  readonly case?: RecoveryCase;
  readonly size?: number;
  readonly end?: number;
  readonly entries?: number;
  readonly checksum?: number;
  readonly hasSeal?: boolean;
  readonly statedIndex?: number;
  readonly logId?: Uint8Array;
}

function underOf(facts: UnderFacts): EndFinding {
  const file = { path: numbered(FOURTH), firstIndex: FOURTH };
  if (facts.kind === "unfinished") return unfinished(FOURTH, "frames");
  if (facts.kind === "refused") {
    return { kind: "refused", ...file, error: new WalError("ERR_WAL_FORMAT", "unknown kind") };
  }
  const { entries = 3, checksum = 4, hasSeal = true } = facts;
  return {
    kind: "scanned",
    ...file,
    statedIndex: facts.statedIndex ?? FOURTH,
    entries,
    version: 2,
    logId: facts.logId ?? OWN,
    previous: { firstIndex: SECOND, size: SIZE_OF_SECOND, checksum: 7 },
    isPending: false,
    entriesEnd: 450,
    vouched: 300,
    seal: hasSeal ? { count: entries, checksum } : undefined,
    end: facts.end ?? SIZE_OF_FOURTH,
    size: facts.size ?? SIZE_OF_FOURTH,
    decision: { case: facts.case ?? "A", vouched: facts.case === "C" ? 490 : 300 },
  };
}

/** The files of a pair, the older one being what its facts say. */
function pairOf(last: keyof typeof PAIR_LAST, facts: UnderFacts, head: number): Findings {
  const pair = { chain: "joined", oldest: "own", meta: "own", head } as const;
  const found = findingsOf({ ...CLEAN, ...PAIR_LAST[last], ...pair });
  const [end] = found.ends;
  assert(end?.kind === "scanned");
  const under = underOf(facts);
  const before = found.before.map((file) => {
    if (file.firstIndex !== FOURTH || under.kind === "refused") return file;
    if (under.kind === "unfinished") return { ...file, ...NO_BEGINNING };
    return { ...file, size: under.size };
  });
  const { case: name } = PAIR_LAST[last];
  const decision = { case: name, vouched: 0 };
  return { ...found, ends: [{ ...end, isPending: true, vouched: 0, decision }], under, before };
}

test("every finding of a segment before a pending one has one plan", () => {
  let count = 0;
  for (const name of Object.keys(PAIR_LAST) as (keyof typeof PAIR_LAST)[]) {
    for (const [what, facts] of Object.entries<UnderFacts>(PAIR_UNDER)) {
      for (const head of [SECOND, FOURTH]) {
        for (const { recovery, readOnly } of allOptions()) {
          count++;
          const plan = planOpening(pairOf(name, facts, head), { recovery, readOnly, format: 2 });
          const expected = expectedOfPair(name, facts, head, recovery);
          assertEquals(shown(plan), expected, `${name}, ${what}, ${head}, ${recovery}`);
        }
      }
    }
  }
  assertEquals(count, 6 * 13 * 2 * 8);
});

function expectedOfPair(
  name: keyof typeof PAIR_LAST,
  facts: UnderFacts,
  head: number,
  recovery: PlanOptions["recovery"],
): string {
  if (facts.kind === "refused") return "refuse: last segment not readable";
  // What is no segment of this log in its place breaks the chain, as under any other segment.
  const isForeign = facts.kind === "unfinished" || facts.statedIndex !== undefined ||
    facts.logId !== undefined;
  if (isForeign) return "refuse: chain broken";
  if (facts.case === "C" && recovery === "default") return "refuse: acknowledged data damaged";
  const { entries, case: end } = PAIR_LAST[name];
  const holds = (condition: boolean, step: Step["kind"]): Step["kind"][] => condition ? [step] : [];
  const steps: Step["kind"][] = facts.isKept
    ? ["secure full segment", ...holds(end === "D", "set aside")]
    : [
      ...holds(entries > 0 || end === "D", "set aside"),
      "remove",
      ...holds(facts.case === "C" || facts.case === "D", "set aside"),
    ];
  return [
    ...steps,
    "secure end",
    "secure meta",
    ...holds(head === FOURTH, "remove"),
    "sync directory",
    ...holds(!facts.isKept && facts.hasSeal !== false, "begin next"),
  ].join(", ");
}

test("what was never acknowledged is reported, unless damage is", () => {
  const reported = (last: keyof typeof PAIR_LAST, facts: UnderFacts): string => {
    const options = { recovery: "salvage", format: 2, readOnly: false } as const;
    const plan = planOpening(pairOf(last, facts, SECOND), options);
    assert(plan.kind === "open");
    const { case: name, segment, offset, bytesCut, isSetAside } = plan.report;
    const where = segment === numbered(SEVENTH) ? "last" : "before";
    return `${name} ${where} ${offset} ${bytesCut} ${isSetAside}`;
  };
  assertEquals(reported("entries", PAIR_UNDER["as stated"]), "A last 200 0 false");
  assertEquals(reported("entries", PAIR_UNDER["no Seal"]), "D last 0 200 true");
  assertEquals(reported("entries", PAIR_UNDER.torn), "D last 0 200 true");
  assertEquals(reported("entries", PAIR_UNDER["torn in the middle"]), "D last 0 200 true");
  assertEquals(reported("entries", PAIR_UNDER.damaged), "C before 480 20 true");
  assertEquals(reported("no entry", PAIR_UNDER["no Seal"]), "E last 0 200 false");
  assertEquals(reported("no entry", PAIR_UNDER.torn), "E before 480 20 false");
  assertEquals(reported("no entry", PAIR_UNDER["torn in the middle"]), "D before 480 20 true");
});

const CLEAN: Combination = {
  meta: "none",
  head: 1,
  ownPath: "no error",
  chain: "only file",
  oldest: "none",
  end: "scanned",
  case: "A",
  version: 2,
  entries: 3,
  isSealed: false,
  unused: "none",
  options: { recovery: "default", format: 2, readOnly: false },
};

/** The steps of a log, which is not refused. */
function stepsOf(changed: Partial<Combination>): readonly Step[] {
  const combination = { ...CLEAN, ...changed };
  const plan = planOpening(findingsOf(combination), combination.options);
  assert(plan.kind === "open");
  return plan.steps;
}

test("one end is reported: damage, then a torn end, then a file that was never in use", () => {
  const found = (last: Partial<Combination>, unused: Combination["unused"]): string => {
    const { case: name, segment, isSetAside } = reportOf(
      findingsOf({ ...CLEAN, ...last, unused }).ends,
    );
    return `${name} ${segment === PATH ? "last" : "unused"} ${isSetAside}`;
  };
  assertEquals(found({}, "none"), "A last false");
  assertEquals(found({}, "nothing"), "E unused false");
  assertEquals(found({ case: "B" }, "other bytes"), "E unused true");
  assertEquals(found({ case: "D" }, "nothing"), "D last true");
  assertEquals(found({ case: "E" }, "other bytes"), "E last false");
  assertEquals(found({ case: "D" }, "frames"), "C unused true");
  assertEquals(found({ end: "nothing", entries: 0 }, "nothing"), "E last false");
});

test("a step says what it does to which file, with offsets", () => {
  const end = { kind: "secure end", path: PATH, firstIndex: 1, end: 200 } as const;
  const sync = { kind: "sync directory", path: "." } as const;
  assertEquals(stepsOf({ case: "D" }), [
    { kind: "set aside", path: PATH, segment: 1, from: 200, to: 210 },
    { ...end, size: 210, way: "from memory", from: 160 },
    sync,
  ]);
  assertEquals(stepsOf({ version: 1 }), [{ ...end, size: 200, way: "in place", from: 0 }, sync]);
  const meta = { kind: "secure meta", path: `${PATH}.meta` } as const;
  const sealed = { ...end, size: 200, way: "with a redo file", from: 160 } as const;
  assertEquals(stepsOf({ isSealed: true, meta: "own", head: FOURTH }), [
    sealed,
    meta,
    sync,
    {
      kind: "begin next",
      path: PATH,
      next: numbered(4),
      previous: { firstIndex: 1, size: 200, checksum: 3 },
    },
    { kind: "drop", paths: [PATH], headIndex: FOURTH },
  ]);
  assertEquals(stepsOf({ isSealed: true, meta: "own", head: 20 }).at(-1), {
    kind: "begin at head",
    path: numbered(20),
    firstIndex: 20,
    removes: [PATH, numbered(4)],
  });
  assertEquals(stepsOf({ meta: "own", head: FOURTH }).slice(-2), [
    { kind: "roll", path: PATH, next: numbered(4) },
    { kind: "drop", paths: [PATH], headIndex: FOURTH },
  ]);
});
