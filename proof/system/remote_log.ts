/**
 * A log in a process on another runtime, by remote control.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BrokenPromise, digestOf } from "../../src/testing/testing.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";
import { contentOf, type Contents } from "./contents.ts";
import type { Answer, CallOutcome, Command, GatedCall, Refusal, View } from "./remote_lines.ts";
import type { Workshop } from "./workshop.ts";

/** By which the entries and states of remote logs are made from their ids. */
export const REMOTE_SEED = 1;

/** The outcome of a command. */
export interface Outcome {
  /** Why it was refused; nothing if it was carried out. */
  readonly refused: Refusal | undefined;
  /** The log afterwards, if it is open. */
  readonly view: View | undefined;
  readonly contents: Contents | undefined;
  /** Of calls that overlap: what became of each. */
  readonly outcomes: readonly CallOutcome[];
}

/** What the digest is of an entry, or of a state. */
export function remoteDigest(id: number, position: number, size: number): string {
  return digestOf(contentOf(REMOTE_SEED, id, position, size));
}

/** The process. */
export class RemoteLog {
  /** Called around the call that the gate stops; what it does is done when it resolves. */
  onGate: (when: "before" | "after", call: GatedCall) => Promise<void> = async () => {};
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<void>;
  #errors = "";

  constructor(workshop: Workshop, runtime: Runtime) {
    const { program, args } = commandOn(runtime, join(ROOT, "proof/system/remote_log_worker.ts"));
    // At a limit of the file size the kernel sends a signal too, which would end the process.
    const script = 'trap "" XFSZ; exec "$@"';
    this.#process = spawn("sh", ["-c", script, "sh", program, ...args], { stdio: "pipe" });
    workshop.adopt(this.#process);
    this.#ended = new Promise((resolve) => this.#process.on("close", () => resolve()));
    const { stdin, stdout, stderr } = this.#process;
    if (stdin === null || stdout === null || stderr === null) {
      throw new TypeError("The output is a pipe");
    }
    // If the process has ended, the end of its answers tells.
    stdin.on("error", () => {});
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
    stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
  }

  /** The process's id. */
  get pid(): number {
    if (this.#process.pid === undefined) throw new BrokenPromise("The runtime did not start");
    return this.#process.pid;
  }

  /** Has a command carried out. */
  async try(command: Command): Promise<Outcome> {
    this.#send(command);
    for (;;) {
      const { value, done } = await this.#answers.next();
      if (done === true) {
        throw new BrokenPromise(`The process ended at ${show(command)}: ${this.#errors.trim()}`);
      }
      const answer = JSON.parse(value) as Answer;
      switch (answer.kind) {
        case "before":
        case "after":
          await this.onGate(answer.kind, answer.call);
          this.#send("continue");
          break;
        case "refused":
          return { ...answer, contents: undefined, outcomes: [] };
        case "done":
          return { refused: undefined, contents: undefined, outcomes: [], ...answer };
      }
    }
  }

  /** The same, where there is nothing that could fail. */
  async do(command: Command): Promise<View> {
    const { refused, view } = await this.try(command);
    if (refused !== undefined) throw new BrokenPromise(`${show(command)}: ${refused.message}`);
    return view ?? NO_VIEW;
  }

  /** What the log holds. */
  async read(): Promise<Contents> {
    const { refused, contents } = await this.try({ do: "read" });
    if (contents === undefined) throw new BrokenPromise(`Cannot read: ${refused?.message}`);
    return contents;
  }

  /** Ends the process. */
  async end(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  #send(message: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}

/** A log that is closed. */
const NO_VIEW: View = {
  firstIndex: 1,
  lastIndex: 0,
  durableIndex: 0,
  byteLength: 0,
  recovery: "A",
  calls: 0,
};

function show(command: Command): string {
  return JSON.stringify(command);
}
