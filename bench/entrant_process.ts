/**
 * The process of an entrant, as the main program sees it: lines of JSON to it and from it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Command, commandOn } from "../kit/runtime.ts";
import type { Entrant } from "./contestants.ts";
import type { Sample } from "./results.ts";
import type { Answer, Trial } from "./trial.ts";

/** How long a trial may take before its process is given up, in milliseconds. */
const PATIENCE = 300_000;

/** An entrant that cannot run here. */
export class MissingError extends Error {}

/** A process that runs the trials of one entrant. */
export class EntrantProcess implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<void>;
  #version = "";

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#exited = new Promise((resolve) => {
      child.once("close", () => resolve());
      child.once("error", () => resolve());
    });
    if (child.stdout === null) throw new Error("The process has no output.");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    // What is written to a process that has ended shows in its missing answer.
    child.stdin?.on("error", () => {});
  }

  /** Starts an entrant's process; `goProgram` is where the Go peers were built to. */
  static async start(
    entrant: Entrant,
    goProgram: string | undefined,
    stop: AbortSignal,
  ): Promise<EntrantProcess> {
    const { program, args } = commandFor(entrant, goProgram);
    if (!existsSync(program)) {
      throw new MissingError(
        `there is no "${program}" (run npm ci${
          entrant.host === "node26" ? " --prefix kit/node26" : ""
        })`,
      );
    }
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "ignore"],
      signal: stop,
      killSignal: "SIGKILL",
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    const started = new EntrantProcess(child);
    try {
      const answer = await started.#answer();
      if ("missing" in answer) throw new MissingError(answer.missing);
      if (!("ready" in answer)) throw new Error("it does not begin with its version");
      started.#version = answer.ready;
      return started;
    } catch (error) {
      await started.kill();
      throw error;
    }
  }

  /** The entrant's name and version, as it says. */
  get version(): string {
    return this.#version;
  }

  /** Runs a trial there. */
  async run(trial: Trial): Promise<Sample> {
    this.#process.stdin?.write(`${JSON.stringify(trial)}\n`);
    const answer = await this.#answer();
    if ("error" in answer) throw new Error(answer.error);
    if (!("entries" in answer)) throw new Error("it answers with no sample");
    return answer;
  }

  async #answer(): Promise<Answer> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), PATIENCE);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (done) throw new Error("its process has ended without an answer");
    return JSON.parse(value as string) as Answer;
  }

  /** Ends the process as `kill -9` does. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Lets the process close what it has open, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#exited;
    clearTimeout(timer);
  }
}

function commandFor({ kind, host }: Entrant, goProgram: string | undefined): Command {
  if (host === "go") return { program: goProgram ?? "go", args: [kind.name] };
  return commandOn(host, fileURLToPath(new URL("worker.ts", import.meta.url)), kind.name);
}
