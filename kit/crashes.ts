/**
 * Deaths of a runtime that are the runtime's own: what they are, and how a program that tests start is
 * noted when it dies so.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";

/** The signals by which a runtime dies of its own defects. Nothing in this project sends them. */
const OWN_DEATHS: readonly string[] = ["SIGSEGV", "SIGBUS", "SIGILL"];

/** The environment's variable that names the file in which such deaths are noted, one a line. */
export const CRASHES_VARIABLE = "RUNTIME_CRASHES";

/** Whether a process that was ended by this signal died of a defect of its runtime. */
export function isRuntimeCrash(signal: string | null): signal is string {
  return signal !== null && OWN_DEATHS.includes(signal);
}

/** A death in words. */
export function describeCrash(signal: string, program: string, args: readonly string[]): string {
  return `${signal} of ${[program, ...args].join(" ")}`.replaceAll(/\s+/g, " ").slice(0, 300);
}

/** Reports a death, and notes it for the run that this process is a part of. */
export function noteCrash(signal: string, program: string, args: readonly string[]): void {
  const line = describeCrash(signal, program, args);
  console.error(`A runtime crashed: ${line}`);
  const file = process.env[CRASHES_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}

/** The processes that Node's test runner had started and that died so, by its output in TAP. */
export function crashesInTap(output: string): string[] {
  return Array.from(output.matchAll(/^ +signal: '(\w+)'$/gm), (match) => match[1] as string)
    .filter(isRuntimeCrash);
}
