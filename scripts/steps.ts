/**
 * Runs the steps of a check one after the other, and once more a step that failed because a runtime
 * crashed: a defect of a runtime that comes once in thousands of starts says nothing of this project.
 * One such death in a run is told and let pass. More than one fails it, and nothing else is tried again.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CRASHES_VARIABLE, crashesInTap, describeCrash, isRuntimeCrash } from "./crashes.ts";

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

/** Runs steps in a folder; `tell` gets each line of the report. */
export function runSteps(
  steps: readonly Step[],
  cwd: string,
  tell: (line: string) => void,
): Summary {
  const folder = mkdtempSync(join(tmpdir(), "wal-check-"));
  const noted = join(folder, "crashes");
  const crashes: string[] = [];
  try {
    const outcomes = steps.map((step) => {
      const first = runOnce(step, cwd, noted, tell);
      crashes.push(...first.crashes);
      if (first.ok || !first.isByCrash || crashes.length > MOST_CRASHES) return first.outcome;
      tell(`A runtime crashed, so "${step.name}" is run once more: ${crashes.join(", ")}`);
      const second = runOnce(step, cwd, noted, tell);
      crashes.push(...second.crashes);
      return second.outcome;
    });
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

function runOnce(step: Step, cwd: string, noted: string, tell: (line: string) => void): Attempt {
  const { name, program, args } = step;
  rmSync(noted, { force: true });
  const started = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", [CRASHES_VARIABLE]: noted },
    maxBuffer: 1 << 28,
    shell: process.platform === "win32",
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const output = `${stdout}${stderr}`;
  const ok = status === 0;
  tell(`${ok ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (!ok) tell(error === undefined ? `${output}${signal ?? ""}` : String(error));
  const ofTests = [
    ...(existsSync(noted) ? readFileSync(noted, "utf8").trimEnd().split("\n") : []),
    ...crashesInTap(output).map((signal) => `${signal} of a test file's process`),
  ];
  const isOwn = isRuntimeCrash(signal);
  return {
    outcome: { step, ok, count: ok ? step.count?.(output) : undefined },
    ok,
    crashes: isOwn ? [describeCrash(signal, program, [name]), ...ofTests] : ofTests,
    isByCrash: isOwn || ofTests.length > 0 && failedIn(step, output) <= ofTests.length,
  };
}

/** How many tests of a step failed: any number if its output does not tell. */
function failedIn({ count }: Step, output: string): number {
  try {
    return count?.(output).failed ?? Infinity;
  } catch {
    return Infinity;
  }
}
