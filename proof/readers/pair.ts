/**
 * A writer on one runtime, which is killed now and then and started again, beside readers on another.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, run } from "./child.ts";
import { random } from "../../kit/logs.ts";
import type { Runtime } from "../../kit/runtime.ts";
import { judge, type Verdict } from "./judge.ts";
import { type ActLine, FILES, type SeenLine } from "./lines.ts";

/** The longest that a writer lives, in milliseconds. */
const MAX_LIFE_MS = 3000;

/** The longest that the end may take. */
const MAX_END_MS = 60_000;

/** What to do. */
export interface PairOptions {
  readonly writer: Runtime;
  readonly reader: Runtime;
  readonly seed: number;
  readonly seconds: number;
  /** An empty folder. */
  readonly folder: string;
}

/** Runs the processes, and judges what was seen. */
export async function runPair(options: PairOptions): Promise<Verdict & { readonly kills: number }> {
  const { folder, seed } = options;
  const draw = random(seed);
  mkdirSync(join(folder, "log"));
  const start = (life: number): Child => {
    return run(options.writer, "writer.ts", folder, String(seed), String(life));
  };
  let life = 1;
  let writer = start(life);
  let reader: Child | undefined;
  try {
    await until(() => linesOf<ActLine>(folder, FILES.acts).length >= 2, writer);
    reader = run(options.reader, "reader.ts", folder, String(seed));
    for (const end = Date.now() + options.seconds * 1000; Date.now() < end;) {
      await Promise.race([sleep(draw() * MAX_LIFE_MS), reader.failed, writer.failed]);
      await writer.kill();
      writer = start(++life);
    }
    writeFileSync(join(folder, FILES.finish), "");
    const late = sleep(MAX_END_MS, undefined, { ref: false }).then(() => {
      throw new Error("The readers did not end");
    });
    await Promise.race([reader.ended, writer.failed, late]);
  } finally {
    await writer.kill();
    await reader?.kill();
  }
  const acts = linesOf<ActLine>(folder, FILES.acts);
  return { ...judge(acts, linesOf<SeenLine>(folder, FILES.seen)), kills: life - 1 };
}

/** The whole lines of a file; a kill may cut the last one short. */
function linesOf<Line>(folder: string, name: string): Line[] {
  let text: string;
  try {
    text = readFileSync(join(folder, name), "utf8");
  } catch {
    return [];
  }
  return text.split("\n").filter((line) => line.endsWith("}")).map((line) =>
    JSON.parse(line) as Line
  );
}

async function until(isSo: () => boolean, child: Child): Promise<void> {
  while (!isSo()) await Promise.race([sleep(20), child.failed]);
}
