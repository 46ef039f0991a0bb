/**
 * Entries beyond 2 GiB, for real: each runtime writes a log with one, and each reads what each wrote.
 * Takes some 6 GiB of memory and of disk, and some minutes.
 *
 * ```sh
 * npm run large
 * npm run large -- --size 4294967245
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { commandOn, ROOT, type Runtime, RUNTIMES } from "../../kit/runtime.ts";

/** On both sides of what a call of Node's takes, and what 31 bits count. */
const SIZES = [2 ** 31 - 1, 2 ** 31 + 1_000];

/** How long one step may take. */
const TIMEOUT_MS = 300_000;

const USAGE = "Usage: large [--size BYTES]... [--folder FOLDER]";

process.exitCode = main();

function main(): number {
  const { values } = parseArgs({
    options: {
      size: { type: "string", multiple: true, default: SIZES.map(String) },
      folder: { type: "string", default: tmpdir() },
      help: { type: "boolean", default: false },
    },
  });
  const sizes = values.size.map(Number);
  const isWrong = !sizes.every((size) => Number.isSafeInteger(size) && size > 0);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  let failures = 0;
  for (const size of sizes) {
    for (const writer of RUNTIMES) {
      const folder = mkdtempSync(join(values.folder, "wal-large-"));
      try {
        const path = join(folder, "a.wal");
        if (!run(writer, "write", path, size)) {
          failures++;
          continue;
        }
        for (const reader of RUNTIMES) {
          for (const step of ["view", "read"]) if (!run(reader, step, path, size)) failures++;
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  console.log(failures === 0 ? "all read what was written" : `${failures} steps failed`);
  return failures === 0 ? 0 : 1;
}

/** Runs one step on a runtime; whether it did what it should. */
function run(runtime: Runtime, step: string, path: string, size: number): boolean {
  const { program, args } = commandOn(
    runtime,
    join(ROOT, "proof/large/worker.ts"),
    step,
    path,
    `${size}`,
  );
  const start = Date.now();
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  const told = status === 0 ? stdout.trim() : `FAILED (${status}): ${stderr.slice(0, 600)}`;
  console.log(`${runtime} ${step} ${size}: ${told} (${seconds} s)`);
  return status === 0;
}
