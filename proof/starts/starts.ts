/**
 * Starts a program many times and counts how it ended.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../src/testing/random.ts";
import { commandOn, type Runtime } from "../../kit/runtime.ts";

/** What the started program has its checksums from. */
export type KernelUse = "none" | "scalar" | "simd";

/** All of them. */
export const KERNEL_USES: readonly KernelUse[] = ["none", "scalar", "simd"];

/** The most rounds that a start writes. */
const MOST_ROUNDS = 12;

/** How long a start may take, in milliseconds. */
const LIMIT_MS = 60_000;

/** How the starts ended. */
export interface Ends {
  readonly starts: number;
  /** For each other end, such as `"SIGSEGV"` or `"exit code 1"`, how often, and what was printed last. */
  readonly bad: ReadonlyMap<string, { readonly count: number; readonly printed: string }>;
}

/** How to start. */
export interface StartOptions {
  readonly starts: number;
  readonly seed: number;
  /** The runtime's program, if it is not the installed one. */
  readonly program?: string | undefined;
}

/** Starts the program so many times, one after the other. */
export function start(
  runtime: Runtime,
  use: KernelUse,
  { starts, seed, program: other }: StartOptions,
): Ends {
  const draw = seededRandom(seed);
  const bad = new Map<string, { count: number; printed: string }>();
  for (let i = 0; i < starts; i++) {
    const folder = mkdtempSync(join(tmpdir(), "wal-start-"));
    try {
      const rounds = 1 + Math.floor(draw() * MOST_ROUNDS);
      const file = fileURLToPath(new URL("program.ts", import.meta.url));
      const { program, args } = commandOn(runtime, file, use, folder, String(rounds));
      const ended = spawnSync(other ?? program, args, { encoding: "utf8", timeout: LIMIT_MS });
      if (ended.error !== undefined) throw ended.error;
      const { status, signal, stdout, stderr } = ended;
      const isRight = stdout === `${use} wrote ${rounds}\n`;
      if (status === 0 && isRight) continue;
      const end = signal ?? (isRight ? `exit code ${status}` : `exit code ${status}, wrong output`);
      bad.set(end, { count: (bad.get(end)?.count ?? 0) + 1, printed: `${stdout}${stderr}` });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return { starts, bad };
}
