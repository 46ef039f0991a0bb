/**
 * What is measured, and how it is run in a process of its own.
 *
 * @module
 */
import { collectable, type Collections, collectionsIn } from "../costs/collector.ts";
import type { Bench } from "../costs/command.ts";

/** What is done once for each entry: the raw write that is the floor, and the log's calls. */
export const SUBJECTS = ["writeSync", "append", "entries", "getEntry"] as const;

/** One of them. */
export type Subject = (typeof SUBJECTS)[number];

/** What is there after the work and a collection, and was not before, in bytes. */
export interface Growth {
  /** On the collector's heap. */
  readonly heap: number;
  /** In buffers outside of it. */
  readonly outside: number;
}

/** What a subject cost. */
export interface Cost extends Growth, Collections {
  readonly subject: Subject;
}

/** What the line of the worker begins with that tells the growth. */
export const RESULT = "== result ";

/** Runs a subject. The readers read what `append` left in the folder. */
export async function measureSubject(
  bench: Bench,
  subject: Subject,
  entries: number,
): Promise<Cost> {
  const worker = new URL("worker.ts", import.meta.url);
  const args = ["--subject", subject, "--folder", bench.folder, "--entries", `${entries}`];
  const { stdout, stderr } = await bench.run(worker, args, {
    collector: collectable(bench.runtime, true),
  });
  const line = stdout.split("\n").find((line) => line.startsWith(RESULT)) ?? "";
  const growth = JSON.parse(line.slice(RESULT.length)) as Growth;
  const log = bench.runtime === "bun" ? stderr : stdout;
  return { subject, ...growth, ...collectionsIn(bench.runtime, log) };
}
