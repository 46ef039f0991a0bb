/**
 * The process of one subject, as the main program sees it: lines of JSON to it and from it, and a
 * file with what its runtime's collector logs.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Command, commandOn, type Edition, runtimeOf } from "../../kit/runtime.ts";
import { collectable } from "../costs/collector.ts";
import { ENTRY_SIZE } from "../costs/work.ts";
import type { Subject } from "./subjects.ts";
import { type Answer, CALLERS, type Task, type Turn } from "./turn.ts";

/** How a subject's process is started. */
export interface Start {
  readonly edition: Edition;
  readonly subject: Subject;
  /** An empty folder. */
  readonly folder: string;
  readonly goProgram: string | undefined;
  /** Bytes of a segment of ours; `undefined` for the default. */
  readonly segmentSize: number | undefined;
  readonly stop: AbortSignal;
}

/** A process that takes a subject's turns. */
export class SubjectProcess {
  readonly #start: Start;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  readonly #errors: string[] = [];

  private constructor(start: Start) {
    this.#start = start;
    const { command, env } = commandFor(start);
    mkdirSync(start.folder);
    const file = openSync(this.#logFile, "w");
    const isLogFirst = this.#logDescriptor === 1;
    this.#process = spawn(command.program, command.args, {
      stdio: ["pipe", isLogFirst ? file : "pipe", isLogFirst ? "pipe" : file],
      env: { ...process.env, ...env, NODE_NO_WARNINGS: "1" },
      signal: start.stop,
      killSignal: "SIGKILL",
    });
    closeSync(file);
    this.#ended = new Promise((resolve) => {
      this.#process.once("close", resolve);
      this.#process.once("error", resolve);
    });
    this.#process.stdin?.on("error", () => {});
    const answers = isLogFirst ? this.#process.stderr : this.#process.stdout;
    if (answers === null) throw new Error("The process has no output.");
    this.#lines = createInterface({ input: answers })[Symbol.asyncIterator]();
  }

  /** Starts a subject's process; gives its version too, if it says one. */
  static async start(start: Start): Promise<{ started: SubjectProcess; version: string }> {
    const started = new SubjectProcess(start);
    try {
      const answer = await started.#answer();
      if (!("ready" in answer)) throw new Error("it does not begin with its version");
      return { started, version: answer.ready };
    } catch (error) {
      await started.kill();
      throw error;
    }
  }

  /** V8 logs to the standard output and JavaScriptCore to the standard error. */
  get #logDescriptor(): 1 | 2 {
    const { edition, subject } = this.#start;
    return subject.isGo || runtimeOf(edition) === "bun" ? 2 : 1;
  }

  get #logFile(): string {
    return join(this.#start.folder, "collector.log");
  }

  /** Takes a turn of so many entries. */
  async turn(entries: number): Promise<Turn> {
    const task: Task = {
      operation: "tail",
      callers: CALLERS,
      entries,
      entrySize: ENTRY_SIZE,
      path: pathIn(this.#start.folder),
    };
    this.#process.stdin?.write(`${JSON.stringify(task)}\n`);
    const answer = await this.#answer();
    if ("error" in answer) throw new Error(`${this.#start.subject.label}: ${answer.error}`);
    if (!("entries" in answer)) throw new Error("it answers with no turn");
    return answer;
  }

  async #answer(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      this.#start.stop.throwIfAborted();
      if (done) {
        const { label } = this.#start.subject;
        throw new Error(`the process of ${label} has ended: ${this.#errors.join(" ")}`);
      }
      const line = value as string;
      if (line.startsWith("{")) return JSON.parse(line) as Answer;
      this.#errors.push(line);
    }
  }

  /** Ends the process; what its collector has logged. */
  async end(): Promise<string> {
    this.#process.stdin?.end();
    await this.#ended;
    return readFileSync(this.#logFile, "latin1");
  }

  /** Ends the process as `kill -9` does. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}

function pathIn(folder: string): string {
  return join(folder, "store");
}

function commandFor(
  { edition, subject, folder, goProgram = "", segmentSize }: Start,
): { command: Command; env: Readonly<Record<string, string>> } {
  if (subject.isGo) return { command: { program: goProgram, args: [subject.name] }, env: {} };
  const runtime = runtimeOf(edition);
  const { flags, env } = collectable(edition, true);
  const command = commandOn(
    edition,
    fileURLToPath(new URL("worker.ts", import.meta.url)),
    ...["--subject", subject.name, "--path", pathIn(folder)],
    ...["--log", runtime === "bun" ? "2" : "1"],
    ...(segmentSize === undefined ? [] : ["--segment", `${segmentSize}`]),
  );
  // On Deno the first argument is the command that the flags belong to.
  command.args.splice(runtime === "deno" ? 1 : 0, 0, ...flags);
  return { command: runtime === "deno" ? lineByLine(command) : command, env };
}

/**
 * Lets a program write its log a line at a time: V8 in Deno keeps up to 4 KiB back, and a collection
 * would be found after the stall that it caused.
 */
function lineByLine(command: Command): Command {
  if (spawnSync("stdbuf", ["--version"]).status !== 0) {
    throw new Error('there is no "stdbuf", without which collections cannot be told from stalls.');
  }
  return { program: "stdbuf", args: ["-oL", command.program, ...command.args] };
}
