/**
 * The garbage collector of each runtime: to force it, and to read from its log how often it ran and
 * how much had been allocated.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { type Edition, RUNTIME, runtimeOf } from "../../kit/runtime.ts";

/** How a process is started whose collector can be forced, or also logs each collection. */
export interface CollectorSettings {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What the collector did between {@linkcode beginSection} and {@linkcode endSection}. */
export interface Collections {
  readonly count: number;
  /** Bytes allocated on the collector's heap. */
  readonly allocated: number;
}

const BEGIN = "== section begins";
const END = "== section ends";
const COLLECTED = "== section collected";

/** A collection of V8's, as `--trace-gc-nvp` logs it: Node writes `a=1`, Deno `"a":1`. */
const V8_ALLOCATED = /\ballocated(?:=|":)(\d+)/;

/** A collection of JavaScriptCore's, in one line or several: the heap's size before and after. */
const JSC_SIZES = /START \w (\d+)kb => \w+Collection[^]*?=> (\d+)kb, p=/g;

/** Why it was made, with the bytes that were allocated since the one before. */
const JSC_CYCLE = /bytes allocated this cycle: (\d+)/;

/** How long a collection of V8's stopped the program; what it did beside the program is not in it. */
const V8_PAUSE = /\bpause(?:=|":)([\d.]+)/g;

/** How long a part of a collection of JavaScriptCore's stopped the program. */
const JSC_PAUSE = /\bp=([\d.]+)ms/g;

/** Settings for a process that calls {@linkcode collect}. */
export function collectable(edition: Edition, log: boolean): CollectorSettings {
  const runtime = runtimeOf(edition);
  if (runtime === "bun") return { flags: [], env: log ? { BUN_JSC_logGC: "1" } : {} };
  const flags = log ? ["--expose-gc", "--trace-gc-nvp"] : ["--expose-gc"];
  return { flags: runtime === "deno" ? [`--v8-flags=${flags.join(",")}`] : flags, env: {} };
}

/** Collects all garbage. */
export function collect(): void {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  const force = RUNTIME === "bun" ? () => Bun?.gc(true) : gc;
  if (force === undefined) throw new Error("The collector cannot be forced: see collectable().");
  // What the first one finalizes, the second one frees.
  force();
  force();
}

/** Marks in the collector's log where a section begins, after a collection. */
export function beginSection(): void {
  collect();
  mark(BEGIN);
}

/** Marks where it ends, and collects what it left. */
export function endSection(): void {
  mark(END);
  collect();
  mark(COLLECTED);
}

/** V8 logs to the standard output and JavaScriptCore to the standard error. */
function mark(line: string): void {
  for (const descriptor of [1, 2]) writeSync(descriptor, `${line}\n`);
}

/** Reads what the collector logged of a section. */
export function collectionsIn(runtime: Edition, log: string): Collections {
  const [, section, forced] = log.split(new RegExp(`${BEGIN}|${END}|${COLLECTED}`));
  if (section === undefined || forced === undefined) {
    throw new Error("The collector's log has no section.");
  }
  return runtime === "bun" ? ofJsc(log, section, forced) : ofV8(section, forced);
}

/** The pauses of the program in a part of the collector's log, in milliseconds. */
export function pausesIn(edition: Edition, log: string): number[] {
  const pattern = runtimeOf(edition) === "bun" ? JSC_PAUSE : V8_PAUSE;
  return Array.from(log.matchAll(pattern), (found) => Number(found[1]));
}

function ofV8(section: string, forced: string): Collections {
  const inSection = lines(section, V8_ALLOCATED);
  // The forced collection says how much was allocated since the last one in the section.
  const last = lines(forced, V8_ALLOCATED)[0];
  if (last === undefined) return { count: inSection.length, allocated: NaN };
  // The difference of two sizes; one below zero is logged as if it had no sign.
  const allocated = [...inSection, last].reduce((sum, n) => sum + BigInt.asIntN(64, BigInt(n)), 0n);
  return { count: inSection.length, allocated: Number(allocated) };
}

function ofJsc(log: string, section: string, forced: string): Collections {
  const before = jscCollections(log.slice(0, log.indexOf(BEGIN))).at(-1);
  const inSection = jscCollections(section);
  let sizeThen = before?.end ?? NaN;
  let allocated = 0;
  for (const { cycle, start, end } of [...inSection, ...jscCollections(forced).slice(0, 1)]) {
    // One that is forced does not say how much was allocated before it.
    allocated += cycle ?? (start - sizeThen) * 1024;
    sizeThen = end;
  }
  return { count: inSection.length, allocated };
}

/** Bytes that were allocated before a collection, and the heap in KiB before and after it. */
function jscCollections(text: string): { cycle: number | undefined; start: number; end: number }[] {
  let from = 0;
  return Array.from(text.matchAll(JSC_SIZES), (found) => {
    const cycle = text.slice(from, found.index).match(JSC_CYCLE)?.[1];
    from = found.index + found[0].length;
    return {
      cycle: cycle === undefined ? undefined : Number(cycle),
      start: Number(found[1]),
      end: Number(found[2]),
    };
  });
}

/** The first group in each line that matches. */
function lines(text: string, pattern: RegExp): string[] {
  return text.split("\n").flatMap((line) => line.match(pattern)?.[1] ?? []);
}
