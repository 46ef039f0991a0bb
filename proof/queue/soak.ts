/**
 * Kills a process that works with a queue, again and again, and judges what the next one finds.
 *
 * @module
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { spawn } from "../../kit/child.ts";
import { random } from "../../kit/logs.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";
import { Judge } from "./judge.ts";
import type { Line } from "./soak_worker.ts";

/** The longest that a worker works, in milliseconds. */
const MAX_WORK_MS = 250;

/** The longest that a worker may take to open the queue. */
const MAX_START_MS = 30_000;

/** What to do. */
export interface SoakOptions {
  readonly runtime: Runtime;
  readonly kills: number;
  readonly seed: number;
  /** An empty folder; the queue stays there. */
  readonly folder: string;
}

/** What was done. */
export interface SoakSummary {
  readonly kills: number;
  /** Operations that were acknowledged. */
  readonly operations: number;
}

/**
 * Runs as many workers as there are kills, and one more that only looks.
 *
 * @throws {BrokenPromise} If the queue did not keep a promise, or a worker ended by itself.
 */
export async function soak({ runtime, kills, seed, folder }: SoakOptions): Promise<SoakSummary> {
  const draw = random(seed);
  const judge = new Judge();
  /** How often each message of a consumer was delivered, by what the workers said. */
  const deliveries = new Map<string, number>();
  let operations = 0;
  for (let life = 1; life <= kills + 1; life++) {
    const isLast = life > kills;
    const work = isLast ? 0 : draw() ** 2 * MAX_WORK_MS;
    const lines = await runWorker(runtime, join(folder, "a.wal"), seed, life, work);
    try {
      for (const line of lines) {
        if (line.kind === "found") {
          judge.judge(line.contents);
          judgeAttempts(deliveries, line.attempts);
        } else if (line.kind === "delivered") {
          for (const name of line.names) deliveries.set(name, (deliveries.get(name) ?? 0) + 1);
        } else {
          judge.note(line);
          if (line.kind === "done") operations++;
        }
      }
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      throw new BrokenPromise(`Seed ${seed}, worker ${life}: ${error.message} (in ${folder})`);
    }
  }
  return { kills, operations };
}

/** A delivery that a handler has seen counts, and a worker may have died before it said so. */
function judgeAttempts(
  deliveries: Map<string, number>,
  attempts: Readonly<Record<string, number>>,
): void {
  for (const [name, count] of Object.entries(attempts)) {
    const known = deliveries.get(name) ?? 0;
    // This delivery is told with what was found.
    if (count <= known) {
      throw new BrokenPromise(`${name} is delivered for the ${count}th time, after ${known} times`);
    }
    deliveries.set(name, count);
  }
}

/** Runs a worker for so many milliseconds after it has opened the queue; what it said. */
async function runWorker(
  runtime: Runtime,
  path: string,
  seed: number,
  life: number,
  work: number,
): Promise<Line[]> {
  const file = join(ROOT, "proof/queue/soak_worker.ts");
  const { program, args } = commandOn(runtime, file, path, String(seed), String(life));
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const lines: Line[] = [];
  let errors = "";
  child.stderr.on("data", (chunk) => errors += chunk);
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      // The last line may be cut short.
      const parsed = parse(line);
      if (parsed !== undefined) lines.push(parsed);
      resolve();
    }
    resolve();
  })();
  const ended = new Promise<string | null>((resolve) =>
    child.once("exit", (_, signal) => resolve(signal))
  );
  await Promise.race([ready, sleep(MAX_START_MS, undefined, { ref: false })]);
  await sleep(work);
  child.kill("SIGKILL");
  const signal = await ended;
  await reading;
  if (signal !== "SIGKILL" || errors !== "") {
    throw new BrokenPromise(`Seed ${seed}, worker ${life} ended by itself: ${errors}`);
  }
  return lines;
}

function parse(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}
