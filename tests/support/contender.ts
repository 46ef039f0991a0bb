/**
 * A process on a runtime that opens a log, and keeps it open if it can.
 *
 * @module
 */
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { assert } from "@std/assert";
import { type ChildProcess, spawn } from "../../kit/child.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";

/** What became of an open. */
export interface OpenResult {
  readonly opened: boolean;
  readonly lastIndex?: number;
  readonly lock?: string;
  readonly code?: string;
  readonly message?: string;
}

/** How a contender is started. */
export interface ContenderOptions {
  /** A program, and its arguments, that starts the runtime. */
  readonly by?: readonly string[];
  /** Where the runtime looks for programs. */
  readonly searchPath?: string;
  /** The options of the log. */
  readonly options?: object;
}

/** The process. */
export class Contender {
  readonly process: ChildProcess;
  /** What it has said of warnings. */
  warnings = "";
  readonly #lines: AsyncIterator<string>;

  constructor(runtime: Runtime, path: string, started: ContenderOptions = {}) {
    const { by = [], searchPath, options = {} } = started;
    const hold = commandOn(runtime, join(ROOT, "tests/support/hold.ts"), path);
    const [program = "", ...args] = [...by, hold.program, ...hold.args, JSON.stringify(options)];
    const env = searchPath === undefined ? process.env : { ...process.env, PATH: searchPath };
    this.process = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
    const { stdout, stderr } = this.process;
    assert(stdout !== null && stderr !== null);
    stderr.on("data", (data) => this.warnings += String(data));
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** What became of the open. */
  async result(): Promise<OpenResult> {
    const { value } = await this.#lines.next();
    assert(value !== undefined, this.warnings);
    return JSON.parse(value);
  }

  /** Kills it, so that it gives nothing back. */
  async kill(): Promise<void> {
    const exit = once(this.process, "close");
    this.process.kill("SIGKILL");
    await exit;
  }

  /** Lets it end, and waits for that. */
  async end(): Promise<void> {
    const exit = once(this.process, "close");
    this.process.stdin?.end();
    await exit;
  }
}

/** What becomes of an open in a process that then ends. */
export async function openElsewhere(
  runtime: Runtime,
  path: string,
  started: ContenderOptions = {},
): Promise<OpenResult & { warnings: string }> {
  const contender = new Contender(runtime, path, started);
  const result = await contender.result();
  await contender.end();
  return { ...result, warnings: contender.warnings };
}
