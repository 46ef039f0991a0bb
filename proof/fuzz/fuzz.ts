/**
 * The fuzzer: mutates files, runs an entry point on them, and keeps what had an outcome that was new
 * as something to mutate further.
 *
 * All that it does follows from the seed: executions come in rounds of one entry point each, and what
 * a round has found out counts from the next one on.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { frameChecksum } from "../../src/format/checksum.ts";
import type { FuzzCase, Settings } from "./case.ts";
import { type Corpus, makeCorpus } from "./corpus.ts";
import { Dice } from "./dice.ts";
import { Finding, gistOf } from "./finding.ts";
import { foretoldTarget } from "./foretold_target.ts";
import type { FileSet } from "./layout.ts";
import { commandsTarget, openTarget, raftTarget, viewTarget } from "./log_targets.ts";
import { mutate } from "./mutate.ts";
import { recoverTarget } from "./recover_target.ts";
import { redoTarget } from "./redo_target.ts";
import { checkTarget, scanTarget, sealedTarget, slotTarget } from "./segment_targets.ts";
import { sizeOf, type Target } from "./target.ts";

/** Executions of a round. */
const ROUND = 256;
const LOG_ROUND = 32;

/** How many inputs with new outcomes are kept for each target, and up to which size. */
const MAX_KEPT = 2000;
const MAX_KEPT_SIZE = 160 * 1024;

/** How often a large file is taken. */
const LARGE = 1 / 20_000;

/** How often a finding's input is tried to be made smaller. */
const MINIMIZING = 400;

/** What to do. */
export interface FuzzOptions {
  readonly seed: number;
  readonly executions: number;
  /** When to stop, as `performance.now()` tells. */
  readonly until?: number;
  /** What the mutations begin with, if it is made already. */
  readonly corpus?: Corpus;
  /** Only the entry points of these names. */
  readonly only?: readonly string[] | undefined;
  /** Called before each execution. */
  readonly onExecution?: (input: FuzzCase) => void;
  /** Called with each kind of finding once. */
  readonly onFinding?: (found: Found) => void;
  /** Called after each round. */
  readonly onRound?: (summary: Summary) => void;
}

/** A finding and its input, made small. */
export interface Found {
  readonly gist: string;
  readonly error: Finding;
  readonly input: FuzzCase;
}

/** What was done. */
export interface Summary {
  readonly executions: number;
  /** By entry point. */
  readonly perTarget: Readonly<Record<string, number>>;
  /** Different outcomes. */
  readonly outcomes: number;
  /** Different findings. */
  readonly findings: number;
}

/** The entry points. */
export async function makeTargets(): Promise<Target[]> {
  const checksum = frameChecksum;
  return [
    scanTarget(checksum),
    sealedTarget(checksum),
    await checkTarget(),
    slotTarget(),
    redoTarget(checksum),
    openTarget(),
    viewTarget(),
    commandsTarget(checksum),
    foretoldTarget(),
    recoverTarget(),
    raftTarget(),
  ];
}

/** Fuzzes. */
export async function fuzz(options: FuzzOptions): Promise<Summary> {
  const targets = (await makeTargets())
    .filter(({ name }) => options.only?.includes(name) ?? true);
  const corpus = options.corpus ?? await makeCorpus();
  const run = new Run(options, targets, corpus);
  while (!run.isDone) {
    await run.round();
    // Signals and the collection of WebAssembly instances have their turn here.
    await setImmediate();
  }
  return run.summary;
}

/**
 * Runs one case.
 *
 * @throws {Finding} If it finds something.
 */
export async function replay(targets: readonly Target[], input: FuzzCase): Promise<string> {
  const target = targets.find(({ name }) => name === input.target);
  if (target === undefined) throw new TypeError(`There is no entry point "${input.target}"`);
  try {
    return await target.run(input);
  } catch (error) {
    throw asFinding(error);
  }
}

/** Whatever an entry point throws is a finding. */
function asFinding(error: unknown): Finding {
  if (error instanceof Finding) return error;
  return new Finding(`an error that no call caught: ${gistOf(error)}`, { cause: error });
}

class Run {
  readonly #options: FuzzOptions;
  readonly #targets: readonly Target[];
  readonly #corpus: Corpus;
  readonly #kept = new Map<string, FileSet[]>();
  readonly #outcomes = new Set<string>();
  readonly #found = new Set<string>();
  readonly #counts: Record<string, number> = {};
  readonly #shares: number;
  #executions = 0;

  constructor(options: FuzzOptions, targets: readonly Target[], corpus: Corpus) {
    this.#options = options;
    this.#targets = targets;
    this.#corpus = corpus;
    this.#shares = targets.reduce((sum, target) => sum + target.share / roundOf(target), 0);
    for (const { name } of targets) this.#counts[name] = 0;
  }

  get isDone(): boolean {
    const { executions, until = Infinity } = this.#options;
    return this.#executions >= executions || performance.now() >= until ||
      this.#targets.length === 0;
  }

  get summary(): Summary {
    return {
      executions: this.#executions,
      perTarget: this.#counts,
      outcomes: this.#outcomes.size,
      findings: this.#found.size,
    };
  }

  /** Runs one entry point some times. */
  async round(): Promise<void> {
    const { seed, executions } = this.#options;
    const target = this.#choose(new Dice(~seed, this.#executions));
    const count = Math.min(roundOf(target), executions - this.#executions);
    const first = this.#executions;
    this.#executions += count;
    this.#counts[target.name] = (this.#counts[target.name] ?? 0) + count;
    if (isLogTarget(target)) {
      const inputs = Array.from({ length: count }, (_, i) => this.#input(target, first + i));
      const results: (string | Finding)[] = [];
      if (target.waits) {
        results.push(...await Promise.all(inputs.map((input) => this.#execute(target, input))));
      } else {
        for (const input of inputs) results.push(await this.#execute(target, input));
      }
      for (const [i, input] of inputs.entries()) await this.#take(target, input, results[i]);
    } else {
      for (let i = 0; i < count; i++) {
        const input = this.#input(target, first + i);
        const result = this.#executeNow(target, input);
        if (typeof result !== "string" || !this.#outcomes.has(result)) {
          await this.#take(target, input, result);
        }
      }
    }
    this.#options.onRound?.(this.summary);
  }

  #choose(dice: Dice): Target {
    let left = dice.below(1_000_000) / 1_000_000 * this.#shares;
    for (const target of this.#targets) {
      left -= target.share / roundOf(target);
      if (left < 0) return target;
    }
    return this.#targets[0] as Target;
  }

  #input(target: Target, execution: number): FuzzCase {
    const dice = new Dice(this.#options.seed, execution);
    const seeds = this.#corpus[target.corpus];
    const kept = this.#kept.get(target.name) ?? [];
    const isLarge = target.name === "scan" && dice.chance(LARGE);
    const from = isLarge ? this.#corpus.large : kept.length > 0 && dice.chance(0.5) ? kept : seeds;
    const files = mutate(dice.pick(from), seeds, dice);
    return { target: target.name, settings: drawSettings(dice), files };
  }

  async #execute(target: Target, input: FuzzCase): Promise<string | Finding> {
    this.#options.onExecution?.(input);
    try {
      return `${target.name}: ${await target.run(input)}`;
    } catch (error) {
      return asFinding(error);
    }
  }

  #executeNow(target: Target, input: FuzzCase): string | Finding {
    this.#options.onExecution?.(input);
    try {
      const outcome = target.run(input);
      if (typeof outcome !== "string") throw new TypeError(`"${target.name}" is a log target`);
      return `${target.name}: ${outcome}`;
    } catch (error) {
      return asFinding(error);
    }
  }

  /** Takes in what came of an execution. */
  async #take(
    target: Target,
    input: FuzzCase,
    result: string | Finding | undefined,
  ): Promise<void> {
    if (result === undefined) return;
    if (typeof result === "string") {
      if (this.#outcomes.has(result)) return;
      this.#outcomes.add(result);
      const kept = this.#kept.get(target.name) ?? [];
      if (kept.length < MAX_KEPT && sizeOf(input.files) <= MAX_KEPT_SIZE) kept.push(input.files);
      this.#kept.set(target.name, kept);
      return;
    }
    const gist = `${target.name}: ${gistOf(result)}`;
    if (this.#found.has(gist)) return;
    this.#found.add(gist);
    const small = await minimize(target, input, gistOf(result));
    this.#options.onFinding?.({ gist, error: result, input: small });
  }
}

function roundOf(target: Target): number {
  return isLogTarget(target) && !target.waits ? LOG_ROUND : ROUND;
}

function isLogTarget({ corpus }: Target): boolean {
  return corpus === "logs" || corpus === "raft";
}

function drawSettings(dice: Dice): Settings {
  const isDefault = dice.chance(0.8);
  return {
    maxEntrySize: isDefault ? 10 * 1024 * 1024 : dice.pick([1, 16, 40, 0xffffffff]),
    segmentSize: dice.pick([256, 1000, 64 * 1024 * 1024]),
    format: dice.chance(0.9) ? 2 : 1,
    recovery: dice.chance(0.7) ? "default" : "salvage",
  };
}

/** Leaves out files and cuts ends off as long as the finding stays the same. */
async function minimize(target: Target, input: FuzzCase, gist: string): Promise<FuzzCase> {
  let small = input;
  let tries = 0;
  const attempt = async (files: FileSet): Promise<boolean> => {
    if (tries++ >= MINIMIZING) return false;
    const smaller = { ...input, files };
    try {
      await target.run(smaller);
      return false;
    } catch (error) {
      if (gistOf(asFinding(error)) !== gist) return false;
      small = smaller;
      return true;
    }
  };
  for (const name of input.files.keys()) {
    const files = new Map(small.files);
    files.delete(name);
    await attempt(files);
  }
  for (const name of [...small.files.keys()]) {
    for (let step = Math.ceil((small.files.get(name)?.length ?? 0) / 2); step >= 1;) {
      const bytes = small.files.get(name) ?? new Uint8Array(0);
      const shorter = new Map(small.files).set(
        name,
        bytes.slice(0, Math.max(0, bytes.length - step)),
      );
      if (bytes.length < step || !await attempt(shorter)) step = Math.floor(step / 2);
    }
  }
  return small;
}
