/**
 * Runs the steps of a check, some at a time, and once more a step that failed because a runtime
 * crashed: a defect of a runtime that comes once in thousands of starts says nothing of this project.
 * One such death in a run is told and let pass. More than one fails it, and nothing else is tried again.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import process from "node:process";
import { CRASHES_VARIABLE, crashesInTap, describeCrash, isRuntimeCrash } from "../kit/crashes.ts";

/** How many deaths of runtimes a run may have. */
const MOST_CRASHES = 1;

/** A program that has to succeed. */
export interface Step {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** How many tests passed and failed, as the output tells; it throws if the output does not. */
  readonly count?: (output: string) => Count;
}

/** The outcome of tests. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** What became of a step. */
export interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly count: Count | undefined;
}

/** What became of all of them. */
export interface Summary {
  readonly outcomes: readonly Outcome[];
  /** The deaths of runtimes, in words. */
  readonly crashes: readonly string[];
  /** Whether there were no more of them than there may be. */
  readonly isStable: boolean;
}

/** Runs steps in a folder, so many at a time; `tell` gets each line of the report. */
export async function runSteps(
  steps: readonly Step[],
  cwd: string,
  tell: (line: string) => void,
  atOnce: number = 1,
): Promise<Summary> {
  const folder = mkdtempSync(join(tmpdir(), "wal-check-"));
  const crashes: string[] = [];
  const outcomes: Outcome[] = [];
  const left = [...steps.entries()];

  async function runInTurn(): Promise<void> {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [place, step] = next;
      outcomes[place] = await runWithTwoTries(step, join(folder, `crashes-${place}`));
    }
  }

  async function runWithTwoTries(step: Step, noted: string): Promise<Outcome> {
    const first = await runOnce(step, cwd, noted, tell);
    crashes.push(...first.crashes);
    if (first.ok || !first.isByCrash || crashes.length > MOST_CRASHES) return first.outcome;
    tell(`A runtime crashed, so "${step.name}" is run once more: ${crashes.join(", ")}`);
    const second = await runOnce(step, cwd, noted, tell);
    crashes.push(...second.crashes);
    return second.outcome;
  }

  try {
    await Promise.all(Array.from({ length: atOnce }, runInTurn));
    return { outcomes, crashes, isStable: crashes.length <= MOST_CRASHES };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One run of a step. */
interface Attempt {
  readonly outcome: Outcome;
  readonly ok: boolean;
  readonly crashes: readonly string[];
  /** Whether the crashes account for all that failed. */
  readonly isByCrash: boolean;
}

async function runOnce(
  step: Step,
  cwd: string,
  noted: string,
  tell: (line: string) => void,
): Promise<Attempt> {
  const { name, program, args } = step;
  rmSync(noted, { force: true });
  const started = performance.now();
  const { status, signal, output, error } = await run(program, args, cwd, noted);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const ok = status === 0;
  tell(`${ok ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (!ok) tell(error === undefined ? `${output}${signal ?? ""}` : String(error));
  const ofTests = [
    ...(existsSync(noted) ? readFileSync(noted, "utf8").trimEnd().split("\n") : []),
    ...crashesInTap(output).map((signal) => `${signal} of a test file's process`),
  ];
  const isOwn = isRuntimeCrash(signal);
  return {
    outcome: { step, ok, count: countIn(step, output, ok) },
    ok,
    crashes: isOwn ? [describeCrash(signal, program, [name]), ...ofTests] : ofTests,
    isByCrash: isOwn || ofTests.length > 0 && failedIn(step, output) <= ofTests.length,
  };
}

/** How a program ended, and all that it printed. */
interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  /** Why it could not be started. */
  readonly error?: Error;
}

function run(program: string, args: readonly string[], cwd: string, noted: string): Promise<Ended> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    const child = spawn(program, args, {
      cwd,
      env: {
        // Tests start Node some thousand times, and most of a start is to compile the same files.
        NODE_COMPILE_CACHE: join(cwd, "node_modules/.cache/node"),
        ...process.env,
        NO_COLOR: "1",
        [CRASHES_VARIABLE]: noted,
      },
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
    });
    const end = (ended: Omit<Ended, "output">): void =>
      resolve({ ...ended, output: Buffer.concat(chunks).toString() });
    child.stdout.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    child.on("error", (error) => end({ status: null, signal: null, error }));
    child.on("close", (status, signal) => end({ status, signal }));
  });
}

/** The tests that a step counts; nothing if it failed before it said so. */
function countIn({ count }: Step, output: string, ok: boolean): Count | undefined {
  try {
    return count?.(output);
  } catch (error) {
    if (ok) throw error;
    return undefined;
  }
}

/** How many tests of a step failed: any number if its output does not tell. */
function failedIn(step: Step, output: string): number {
  return countIn(step, output, false)?.failed ?? Infinity;
}
