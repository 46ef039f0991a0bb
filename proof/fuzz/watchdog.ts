/**
 * Ends the fuzzer, from a thread of its own, when one execution does not end, and tells which input
 * it was.
 *
 * The fuzzer writes each input into memory that both share before it runs it. Of executions that wait
 * together, the one that hangs may be another than the one that was written last.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { formatCase, type FuzzCase, type Settings } from "./case.ts";

/** An execution takes milliseconds; a machine may sleep for seconds. */
const LIMIT_MS = 60_000;

/** What an input's bytes may take; a larger one is reported without its files. */
const ROOM = 16 * 1024 * 1024;

/** How many executions there were, and the length of the input's description. */
const HEADER = 8;

/** What the threads share. */
interface Shared {
  readonly memory: SharedArrayBuffer;
  /** Where a finding is written. */
  readonly folder: string;
}

/** An input without its bytes. */
interface Description {
  readonly target: string;
  readonly settings: Settings;
  readonly files: readonly (readonly [name: string, size: number])[];
}

/** Watches the thread that makes it. */
export class Watchdog {
  readonly #memory = new SharedArrayBuffer(HEADER + ROOM);
  readonly #counters = new Uint32Array(this.#memory, 0, 2);
  readonly #bytes = new Uint8Array(this.#memory, HEADER);
  readonly #worker: Worker;

  constructor(folder: string) {
    const workerData: Shared = { memory: this.#memory, folder };
    this.#worker = new Worker(new URL(import.meta.url), { workerData });
    this.#worker.unref();
  }

  /** Tells it what is about to run. */
  note({ target, settings, files }: FuzzCase): void {
    const sizes = [...files].map(([name, { length }]) => [name, length] as const);
    const text = JSON.stringify({ target, settings, files: sizes } satisfies Description);
    let at = text.length;
    for (let i = 0; i < at; i++) this.#bytes[i] = text.charCodeAt(i);
    for (const bytes of files.values()) {
      if (at + bytes.length <= ROOM) this.#bytes.set(bytes, at);
      at += bytes.length;
    }
    this.#counters[1] = text.length;
    Atomics.add(this.#counters, 0, 1);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

function watch({ memory, folder }: Shared): void {
  const counters = new Uint32Array(memory, 0, 2);
  let seen = 0;
  let since = performance.now();
  setInterval(() => {
    const executions = Atomics.load(counters, 0);
    if (executions !== seen) {
      seen = executions;
      since = performance.now();
    } else if (seen > 0 && performance.now() - since > LIMIT_MS) {
      const path = join(folder, "hang.json");
      writeFileSync(path, formatCase(inputIn(memory), `hang: more than ${LIMIT_MS} ms`));
      console.error(`FINDING hang: an execution takes more than ${LIMIT_MS} ms: "${path}"`);
      process.kill(process.pid, "SIGKILL");
    }
  }, 1000);
}

function inputIn(memory: SharedArrayBuffer): FuzzCase {
  const [, length = 0] = new Uint32Array(memory, 0, 2);
  const bytes = new Uint8Array(memory, HEADER).slice();
  const text = Buffer.from(bytes.subarray(0, length)).toString();
  const { target, settings, files } = JSON.parse(text) as Description;
  let at = length;
  const contents = files.map(([name, size]) => {
    at += size;
    return [name, bytes.slice(at - size, at)] as const;
  });
  return { target, settings, files: new Map(contents) };
}

if (!isMainThread && workerData?.memory instanceof SharedArrayBuffer) watch(workerData as Shared);
