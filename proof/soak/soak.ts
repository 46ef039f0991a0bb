/**
 * Kills a process that writes a log, again and again, and judges what the next one finds.
 *
 * @module
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { BrokenPromise, WalOracle } from "../../src/testing/testing.ts";
import { spawn } from "../../kit/child.ts";
import { random } from "../../kit/logs.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";
import type { Line } from "./lines.ts";

/** The longest that a worker works, in milliseconds. */
const MAX_WORK_MS = 300;

/** The longest that a worker may take to open the log. */
const MAX_START_MS = 30_000;

/** What to do. */
export interface SoakOptions {
  readonly runtime: Runtime;
  readonly kills: number;
  readonly seed: number;
  /** An empty folder; the log, and what is needed to look into a broken promise, stay there. */
  readonly folder: string;
  /** Called after each kill. */
  readonly onKill?: (summary: Summary) => void;
}

/** What was done. */
export interface Summary {
  readonly kills: number;
  /** Operations that were acknowledged. */
  readonly operations: number;
  readonly rolls: number;
  /** Kills that came before the log was open. */
  readonly killsWhileOpening: number;
}

/**
 * Runs as many workers as there are kills, and one more that only looks.
 *
 * @throws {BrokenPromise} If the log did not keep a promise, or a worker ended by itself.
 */
export async function soak(options: SoakOptions): Promise<Summary> {
  const { runtime, seed, folder, onKill } = options;
  const draw = random(seed);
  const oracle = new WalOracle();
  const log = join(folder, "log");
  mkdirSync(log);
  let summary: Summary = { kills: 0, operations: 0, rolls: 0, killsWhileOpening: 0 };
  for (let life = 1; life <= options.kills + 1; life++) {
    const isLast = life > options.kills;
    // What the worker begins with, in case that it finds a broken promise and changes it.
    rmSync(join(folder, "before"), { recursive: true, force: true });
    cpSync(log, join(folder, "before"), { recursive: true });
    const worker = new Worker(runtime, join(log, "a.wal"), seed, life);
    try {
      if (!isLast && draw() < 0.15) {
        await worker.killAfter(draw() * MAX_WORK_MS / 2);
      } else {
        await worker.ready();
        await worker.killAfter(isLast ? 0 : draw() ** 2 * MAX_WORK_MS);
      }
      for (const line of worker.lines) {
        if (line.kind === "found") oracle.judge(line.contents, "process");
        else if (line.kind === "start") oracle.start(line.id, line.operation);
        else if (line.kind === "done") oracle.acknowledge(line.id, line);
        else oracle.refuse(line.id);
      }
    } catch (error) {
      writeFileSync(
        join(folder, "lines.txt"),
        worker.lines.map((l) => JSON.stringify(l)).join("\n"),
      );
      if (!(error instanceof BrokenPromise)) throw error;
      throw new BrokenPromise(`Worker ${life}: ${error.message}`);
    } finally {
      await worker.killAfter(0).catch(() => {});
    }
    if (isLast) break;
    const done = worker.lines.filter((line) => line.kind === "done");
    summary = {
      kills: life,
      operations: summary.operations + done.length,
      rolls: done.reduce((rolls, line) => rolls + line.rolls, summary.rolls),
      killsWhileOpening: summary.killsWhileOpening + (worker.lines.length === 0 ? 1 : 0),
    };
    onKill?.(summary);
  }
  return summary;
}

/** A worker's process. */
class Worker {
  /** What it has said. */
  readonly lines: Line[] = [];
  readonly #process: ReturnType<typeof spawn>;
  readonly #ended: Promise<void>;
  #errors = "";
  #ready: () => void = () => {};
  readonly #isReady: Promise<void>;

  constructor(runtime: Runtime, path: string, seed: number, life: number) {
    const { program, args } = commandOn(
      runtime,
      join(ROOT, "proof/soak/worker.ts"),
      path,
      String(seed),
      String(life),
    );
    this.#process = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const { stdout, stderr } = this.#process;
    if (stdout === null || stderr === null) throw new TypeError("The worker's output is a pipe");
    this.#isReady = new Promise((resolve) => this.#ready = resolve);
    const readLine = (line: string): void => {
      // A kill may cut the last line short.
      if (!line.endsWith("}")) return;
      this.lines.push(JSON.parse(line) as Line);
      this.#ready();
    };
    const reading = createInterface({ input: stdout }).on("line", readLine);
    const read = new Promise<void>((resolve) => reading.on("close", resolve));
    stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#ended = new Promise((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", (code, signal) => {
        if (signal === "SIGKILL") return resolve(read);
        reject(new BrokenPromise(`it ended with ${signal ?? code}: ${this.#errors.trim()}`));
      });
    });
    // It is awaited later.
    this.#ended.catch(() => {});
  }

  /** Waits until it has told what it found. */
  async ready(): Promise<void> {
    const stop = new AbortController();
    const late = sleep(MAX_START_MS, undefined, { signal: stop.signal }).then(() => {
      throw new BrokenPromise(`it did not open the log within ${MAX_START_MS} ms`);
    });
    // It is aborted when it is no longer of interest.
    late.catch(() => {});
    try {
      await Promise.race([this.#isReady, this.#ended, late]);
    } finally {
      stop.abort();
    }
  }

  /** Kills it after a time, and waits for its end. */
  async killAfter(milliseconds: number): Promise<void> {
    await sleep(milliseconds);
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}
