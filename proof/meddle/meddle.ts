/**
 * Meddles with the files of a process that writes a log, again and again, and judges what it said and
 * what is left.
 *
 * @module
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { LockedError, Wal } from "../../mod.ts";
import { BrokenPromise, contentsOf, WalOracle } from "../../src/testing/testing.ts";
import { spawn } from "../../kit/child.ts";
import { bytes, random } from "../../kit/logs.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";
import { ACTS, type Outcome, type Place } from "./acts.ts";
import type { Answer, Command, Failure } from "./lines.ts";

/** The longest that a writer works before its files are meddled with, and after, in milliseconds. */
const MAX_WORK_MS = 120;

/** The longest that a writer may take to answer. */
const MAX_ANSWER_MS = 30_000;

/** What to do. */
export interface MeddleOptions {
  readonly runtime: Runtime;
  /** How often files are meddled with. */
  readonly acts: number;
  readonly seed: number;
  /** An empty folder; what a broken promise left stays there. */
  readonly folder: string;
  /** Called after each. */
  readonly onAct?: (summary: Summary) => void;
}

/** What was done. */
export interface Summary {
  /** How often each act was done. */
  readonly acts: ReadonlyMap<string, number>;
  /** Operations that were acknowledged. */
  readonly operations: number;
  /** How often the writer reported it. */
  readonly told: number;
  /** How often a second writer was refused. */
  readonly refused: number;
}

/**
 * Meddles as often as is asked for.
 *
 * @throws {BrokenPromise} If an entry is gone without a word, the writer complains of nothing, a whole
 * log is refused, or there are two writers.
 */
export async function meddle(options: MeddleOptions): Promise<Summary> {
  const { runtime, seed, folder, onAct } = options;
  const draw = random(seed);
  const names = [...ACTS.keys()];
  const acts = new Map<string, number>();
  let [operations, told, refused] = [0, 0, 0];
  const writer = new Writer(runtime, seed);
  try {
    for (let life = 1; life <= options.acts; life++) {
      // Each act in its turn, so that a short run has as many kinds as it can.
      const name = names[(life + seed) % names.length] ?? "";
      const place = placeIn(join(folder, `${life}`));
      const round = new Round(writer, place, name, draw);
      try {
        await round.run(life);
      } catch (error) {
        const lines = writer.answers.map((line) => JSON.stringify(line)).join("\n");
        writeFileSync(join(place.folder, "lines.txt"), lines);
        if (!(error instanceof BrokenPromise)) throw error;
        throw new BrokenPromise(`Act ${life}, ${name}: ${error.message}`);
      }
      rmSync(place.folder, { recursive: true });
      acts.set(name, (acts.get(name) ?? 0) + 1);
      operations += writer.answers.filter(({ kind }) => kind === "done").length;
      told += round.isTold ? 1 : 0;
      refused += round.refused;
      onAct?.({ acts, operations, told, refused });
    }
  } finally {
    await writer.kill();
  }
  return { acts, operations, told, refused };
}

function placeIn(folder: string): Place {
  const directory = join(folder, "logs");
  mkdirSync(directory, { recursive: true });
  return { folder, directory, path: join(directory, "a.wal") };
}

/** One log, from its making to its end. */
class Round {
  /** Whether the writer said that it has ended. */
  isTold = false;
  /** How often a second writer was refused. */
  refused = 0;
  readonly #writer: Writer;
  readonly #place: Place;
  readonly #name: string;
  readonly #draw: () => number;

  constructor(writer: Writer, place: Place, name: string, draw: () => number) {
    this.#writer = writer;
    this.#place = place;
    this.#name = name;
    this.#draw = draw;
  }

  async run(life: number): Promise<void> {
    const { path } = this.#place;
    await this.#writer.ask({ kind: "open", path, life }, "found");
    await sleep(this.#draw() ** 2 * MAX_WORK_MS);
    if (this.#draw() < 0.3) await this.#beRefused(path);
    const outcome = this.#act();
    const isElsewhere = outcome.movedTo !== undefined || outcome.makesAnother === true;
    const another = outcome.makesAnother === true ? await this.#makeAnother() : undefined;
    if (!isElsewhere && existsSync(path) && this.#draw() < 0.5) await this.#beRefused(path);
    await sleep(this.#draw() ** 2 * MAX_WORK_MS);
    const closed = await this.#writer.ask({ kind: "close" }, "closed");
    this.#judgeWords(outcome, closed.failure);
    if (another !== undefined) await another();
    if (!this.isTold) await this.#judgeLog(path);
    // The files are the same ones, so all that the writer said of them still holds.
    else if (outcome.movedTo !== undefined) await this.#judgeLog(outcome.movedTo);
  }

  #act(): Outcome {
    return ACTS.get(this.#name)?.(this.#place, this.#draw) ?? { owed: "nothing" };
  }

  /** Another writer, while the first may continue. */
  async #beRefused(path: string): Promise<void> {
    try {
      const log = await Wal.open(path);
      await log.close();
    } catch (error) {
      if (error instanceof LockedError) this.refused++;
      // A file that is no log any more is refused for other reasons.
      return;
    }
    // The first may have told before the second came.
    if (this.#writer.failure === undefined) {
      throw new BrokenPromise("a second writer opened the log");
    }
  }

  /** Makes another log where the writer's was; what it returns looks whether it is left alone. */
  async #makeAnother(): Promise<() => Promise<void>> {
    const { path } = this.#place;
    const log = await Wal.open(path, { segmentSize: 4096 });
    for (let i = 1; i <= 8; i++) await log.appendAndSync(bytes(`another's ${i}`.padEnd(900)));
    const before = JSON.stringify(contentsOf(log));
    await log.close();
    return async () => {
      const again = await reopen(path);
      const after = JSON.stringify(contentsOf(again));
      await again.close();
      if (after !== before) throw new BrokenPromise("another log was written to");
    };
  }

  /** Judges what the writer said. */
  #judgeWords({ owed }: Outcome, closing: Failure | undefined): void {
    const failures = [this.#writer.failure, closing];
    const ends = failures.filter((failure) =>
      failure !== undefined && ["ERR_WAL_MOVED", "ERR_WAL_SYNC_FAILED"].includes(failure.code)
    );
    this.isTold = ends.length > 0;
    const [failure] = failures.filter((failure) => failure !== undefined);
    if (owed === "nothing" && failure !== undefined) {
      throw new BrokenPromise(`the writer complained: ${failure.message}`);
    }
    if (owed === "a word" && !this.isTold) {
      throw new BrokenPromise(
        `the writer told nothing but ${failure?.message ?? "that all is well"}`,
      );
    }
  }

  /** Judges what is left by what the writer had acknowledged. */
  async #judgeLog(path: string): Promise<void> {
    const oracle = new WalOracle();
    for (const line of this.#writer.answers) {
      if (line.kind === "start") oracle.start(line.id, line.operation);
      else if (line.kind === "done") oracle.acknowledge(line.id, line);
      else if (line.kind === "refused") oracle.refuse(line.id);
    }
    const log = await reopen(path);
    const found = contentsOf(log);
    await log.close();
    oracle.judge(found, "process");
  }
}

/** Opens a log that is whole. */
async function reopen(path: string): Promise<Wal> {
  try {
    return await Wal.open(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BrokenPromise(`a whole log was refused: ${reason}`);
  }
}

/** The writer's process. */
class Writer {
  /** What it has said of the log that it was told to open last. */
  answers: Answer[] = [];
  readonly #process: ReturnType<typeof spawn>;
  readonly #ended: Promise<void>;
  #errors = "";
  #heard: () => void = () => {};

  constructor(runtime: Runtime, seed: number) {
    const { program, args } = commandOn(
      runtime,
      join(ROOT, "proof/meddle/writer.ts"),
      String(seed),
    );
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const { stdout, stderr } = this.#process;
    if (stdout === null || stderr === null) throw new TypeError("The writer's output is a pipe");
    createInterface({ input: stdout }).on("line", (line) => {
      this.answers.push(JSON.parse(line) as Answer);
      this.#heard();
    });
    stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#ended = new Promise((_, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", (code, signal) => {
        reject(
          new BrokenPromise(`the writer ended with ${signal ?? code}: ${this.#errors.trim()}`),
        );
      });
    });
    // It is awaited with each answer.
    this.#ended.catch(() => {});
  }

  /** How a change failed, if one did. */
  get failure(): Failure | undefined {
    return this.answers.find((line) => line.kind === "failed")?.failure;
  }

  /** Tells it to do something, and waits for an answer of a kind. */
  async ask<K extends Answer["kind"]>(command: Command, kind: K): Promise<Answer & { kind: K }> {
    const isAnswer = (line: Answer): line is Answer & { kind: K } => line.kind === kind;
    if (command.kind === "open") this.answers = [];
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
    const late = new AbortController();
    const tooLate = sleep(MAX_ANSWER_MS, undefined, { signal: late.signal }).then(() => {
      throw new BrokenPromise(`the writer did not answer within ${MAX_ANSWER_MS} ms`);
    });
    // It is aborted when the answer has come.
    tooLate.catch(() => {});
    try {
      for (;;) {
        const answer = this.answers.find(isAnswer);
        if (answer !== undefined) return answer;
        const heard = new Promise<void>((resolve) => this.#heard = resolve);
        await Promise.race([heard, this.#ended, tooLate]);
      }
    } finally {
      late.abort();
    }
  }

  /** Ends it. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended.catch(() => {});
  }
}
