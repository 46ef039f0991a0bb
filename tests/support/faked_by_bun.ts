/**
 * A program for tests, to be run by `bun test`: uses a log under the fake timers of Bun's own runner.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wal } from "../../mod.ts";

/** The part of `bun:test` that is used. */
interface BunTest {
  test(name: string, body: () => Promise<void>): void;
  jest: { useFakeTimers(): void; useRealTimers(): void };
}

// A literal specifier would be resolved, and refused, by tools of the other runtimes.
const name = "bun:test";
const { test, jest } = await import(name) as BunTest;

test("a log can be used", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wal-"));
  jest.useFakeTimers();
  try {
    const path = join(folder, "a.wal");
    const log = await Wal.open(path);
    await log.appendAndSync(new Uint8Array(1));
    const reader = await Wal.open(path, { readOnly: true });
    // That it is durable, only the frame says that the log writes when it is idle.
    for await (const { index } of reader.follow()) if (index === 1) break;
    await reader.close();
    await log.close();
  } finally {
    jest.useRealTimers();
    rmSync(folder, { recursive: true });
  }
});
