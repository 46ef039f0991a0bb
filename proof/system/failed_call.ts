/**
 * System calls that fail with EIO: every call of a workload that writes, syncs, cuts or removes, one
 * after the other, by strace(1) on the running process.
 *
 * The call is refused by the kernel's interface to a real runtime, so this is also about what that
 * runtime makes of it. The process is not restarted, so what the log then holds is judged as after the
 * death of a process: what was acknowledged is there, whether synced or not, and what failed is there
 * or not.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RUNTIMES } from "../../kit/runtime.ts";
import { BrokenPromise, type WalOperation, WalOracle } from "../../src/testing/testing.ts";
import { program, tmpfsMount } from "./needs.ts";
import type { Settings } from "./part.ts";
import type { GatedCall, SingleCommand } from "./remote_lines.ts";
import { type Outcome, remoteDigest, RemoteLog } from "./remote_log.ts";
import type { Workshop } from "./workshop.ts";

/** About six entries of a hundred bytes. */
const SEGMENT_SIZE = 700;

/** What strace has to look at for a call, whatever the runtime makes of it. */
const SYSTEM_CALLS: Readonly<Record<GatedCall["name"], string>> = {
  fdatasync: "fdatasync",
  fsync: "fsync",
  ftruncate: "ftruncate",
  unlink: "unlink,unlinkat",
  write: "write,pwrite64,writev,pwritev",
};

/** A step of the workload. */
type Step =
  | Exclude<SingleCommand, { do: "open" | "gate" | "pause" | "read" }>
  | { readonly do: "open"; readonly tail: "" | "torn" | "ambiguous" };

/** Makes every kind of call, at least once. */
const WORKLOAD: readonly Step[] = [
  { do: "open", tail: "" },
  { do: "append", id: 1, size: 100 },
  { do: "appendAndSync", id: 2, size: 100 },
  { do: "appendGroup", id: 31, sizes: [100, 20, 0, 7] },
  { do: "append", id: 4, size: 100 },
  { do: "sync" },
  { do: "appendBatchAndSync", id: 5, sizes: [100, 100, 100] },
  { do: "append", id: 6, size: 300 },
  { do: "appendAndSync", id: 7, size: 300 },
  { do: "setState", id: 8, size: 20 },
  { do: "setState", id: 9, size: 30 },
  { do: "truncateBefore", index: 8 },
  { do: "appendBatch", id: 10, sizes: [30, 30, 30, 30] },
  // Within a batch, which is then sealed.
  { do: "truncateFrom", index: 14 },
  { do: "appendAndSync", id: 11, size: 300 },
  { do: "appendAndSync", id: 12, size: 300 },
  { do: "append", id: 13, size: 300 },
  // Over segments.
  { do: "truncateFrom", index: 12 },
  { do: "appendAndSync", id: 14, size: 100 },
  { do: "close" },
  { do: "open", tail: "torn" },
  { do: "append", id: 15, size: 100 },
  { do: "close" },
  { do: "open", tail: "ambiguous" },
  { do: "append", id: 16, size: 100 },
  { do: "truncateBefore", index: 15 },
  { do: "append", id: 17, size: 100 },
  { do: "reset", index: 100 },
  { do: "appendAndSync", id: 18, size: 100 },
  { do: "reset", index: 5 },
  { do: "appendAndSync", id: 19, size: 100 },
  { do: "close" },
];

/** Bytes after a log's end: a piece of a frame, or that with a whole frame after it. */
const TAILS = {
  torn: [1, 0, 0, 0],
  ambiguous: [
    ...[1, 0, 0, 0, 9, 9, 9],
    ...[1, 0, 0, 0, 5, 0xac, 0xb7, 0xc3, 0x60, 0x68, 0x65, 0x6c, 0x6c, 0x6f],
  ],
} as const;

/** Runs on each runtime. */
export async function failedCall({ workshop, report }: Settings): Promise<void> {
  for (const runtime of RUNTIMES) {
    const title = `EIO from every system call, ${runtime}`;
    await report.check(title, [tmpfsMount, program("strace")], async () => {
      // In memory: it is the calls that count here.
      const mount = workshop.mountTmpfs("size=64m");
      const remote = new RemoteLog(workshop, runtime);
      const failed = new Map<GatedCall["name"], number>();
      const codes = new Map<string, number>();
      try {
        for (let at = 1;; at++) {
          const run = new FailingRun(workshop, remote, join(mount.folder, "a.wal"), at);
          await run.perform();
          for (const name of readdirSync(mount.folder)) rmSync(join(mount.folder, name));
          if (run.failed === undefined) break;
          count(failed, run.failed.name);
          count(codes, run.code ?? "let pass");
        }
      } finally {
        await remote.end();
        mount.remove();
      }
      return `${show(failed)} failed; ${show(codes)}`;
    });
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function show(counts: ReadonlyMap<string, number>): string {
  return Array.from(counts, ([name, times]) => `${times} ${name}`).join(", ");
}

/** The workload, one of whose calls fails. */
class FailingRun {
  /** The call that failed; nothing if the workload makes fewer. */
  failed: GatedCall | undefined;
  /** The code that the log then gave. */
  code: string | undefined;
  readonly #workshop: Workshop;
  readonly #remote: RemoteLog;
  readonly #path: string;
  readonly #at: number;
  readonly #oracle = new WalOracle();
  #ids = 1000;
  #isOpen = false;
  #strace: Strace | undefined;

  constructor(workshop: Workshop, remote: RemoteLog, path: string, at: number) {
    this.#workshop = workshop;
    this.#remote = remote;
    this.#path = path;
    this.#at = at;
  }

  /** @throws {BrokenPromise} If the log does not keep a promise. */
  async perform(): Promise<void> {
    this.#remote.onGate = (when, call) => when === "before" ? this.#fail(call) : this.#mend();
    await this.#remote.do({ do: "gate", at: this.#at });
    for (const step of WORKLOAD) {
      const operations = operationsOf(step);
      for (const [id, operation] of operations) this.#oracle.start(id, operation);
      const { refused, view } = await this.#perform(step);
      for (const [id] of operations) {
        if (view === undefined || (refused !== undefined && !refused.acknowledged.includes(id))) {
          continue;
        }
        this.#oracle.acknowledge(id, view);
      }
      if (refused === undefined) {
        if (this.failed === undefined || this.code !== undefined) continue;
        if (isUnasked(step, this.failed)) continue;
        if (!mayPass(step, this.failed)) {
          throw this.#violation(step, "was acknowledged");
        }
        this.code = "let pass";
        continue;
      }
      this.code = refused.code;
      if (refused.code === "ERR_WAL_WRITE_FAILED") {
        for (const [id, { kind }] of operations) {
          if (kind === "append" && !refused.acknowledged.includes(id)) this.#oracle.refuse(id);
        }
      }
      await this.#judgeRefusal(step, refused);
      return;
    }
    const last = WORKLOAD.at(-1);
    if (this.failed !== undefined && this.code === undefined && last !== undefined) {
      throw this.#violation(last, "was never reported");
    }
  }

  async #perform(step: Step): Promise<Outcome> {
    if (step.do !== "open") {
      const outcome = await this.#remote.try(step);
      if (step.do === "close") this.#isOpen = false;
      return outcome;
    }
    if (step.tail !== "") appendFileSync(this.#lastSegment(), Uint8Array.from(TAILS[step.tail]));
    return await this.#open();
  }

  async #open(): Promise<Outcome> {
    const command = { do: "open", path: this.#path, segmentSize: SEGMENT_SIZE } as const;
    const outcome = await this.#remote.try(command);
    this.#isOpen = outcome.refused === undefined;
    return outcome;
  }

  /** A step was refused: what is said of the log must be so, and it must still work. */
  async #judgeRefusal(step: Step, refused: NonNullable<Outcome["refused"]>): Promise<void> {
    const { failed } = this;
    if (failed === undefined) {
      throw new BrokenPromise(`${JSON.stringify(step)}: ${refused.message}`);
    }
    if (refused.code === undefined || refused.cause !== "EIO") {
      throw this.#violation(step, `was refused with ${refused.code}: ${refused.message}`);
    }
    if (mustEnd(step, failed) && refused.code !== "ERR_WAL_SYNC_FAILED") {
      throw this.#violation(step, `ended nothing (${refused.code})`);
    }
    if (this.#isOpen && step.do !== "close") {
      // Reads still work, whatever failed.
      const { contents } = await this.#remote.try({ do: "read" });
      if (contents === undefined) throw this.#violation(step, "ended the reads too");
      const id = ++this.#ids;
      const next = await this.#remote.try({ do: "appendAndSync", id, size: 10 });
      const isDead = refused.code === "ERR_WAL_SYNC_FAILED";
      if (isDead && next.refused?.code !== "ERR_WAL_SYNC_FAILED") {
        throw this.#violation(step, "did not end the handle");
      }
      if (!isDead) {
        if (next.refused !== undefined) {
          throw this.#violation(step, `was followed by ${next.refused.message}`);
        }
        this.#oracle.start(id, append(id, [10], true));
      }
    }
    await this.#remote.try({ do: "close" });
    await this.#judgeReopen(step);
    const id = ++this.#ids;
    this.#oracle.start(id, append(id, [10], true));
    const view = await this.#remote.do({ do: "appendAndSync", id, size: 10 });
    this.#oracle.acknowledge(id, view);
    await this.#remote.do({ do: "close" });
    await this.#judgeReopen(step);
    await this.#remote.do({ do: "close" });
  }

  async #judgeReopen(step: Step): Promise<void> {
    const { refused } = await this.#open();
    if (refused !== undefined) throw this.#violation(step, `prevents an open: ${refused.message}`);
    const found = await this.#remote.read();
    try {
      this.#oracle.judge(found, "process");
    } catch (error) {
      throw this.#violation(step, `left this: ${(error as Error).message}`);
    }
  }

  async #fail(call: GatedCall): Promise<void> {
    this.failed = call;
    const output = join(this.#workshop.folder, "strace.txt");
    this.#strace = new Strace(this.#workshop, this.#remote.pid, call, output);
    await this.#strace.attached;
  }

  async #mend(): Promise<void> {
    const { injected } = await this.#strace?.detach() ?? { injected: 0 };
    if (injected === 0) throw new BrokenPromise(`strace saw no ${this.failed?.name}`);
  }

  #lastSegment(): string {
    const folder = join(this.#path, "..");
    const names = readdirSync(folder).filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort();
    return join(folder, names.at(-1) ?? "");
  }

  #violation(step: Step, what: string): BrokenPromise {
    const { name, path } = this.failed ?? { name: "nothing", path: "" };
    return new BrokenPromise(
      `${JSON.stringify(step)}, whose ${name} of "${path}" failed (call ${this.#at}), ${what}`,
    );
  }
}

/** Whether the failed call was a sync that no caller asked for; the next call that syncs is refused. */
function isUnasked(step: Step, failed: GatedCall): boolean {
  const isSync = failed.name === "fdatasync" || failed.name === "fsync";
  return isSync && (step.do === "append" || step.do === "appendBatch");
}

/** The steps that write more than the entries that they acknowledge. */
const MAY_PASS: ReadonlySet<Step["do"]> = new Set([
  "close",
  "appendGroup",
  "appendAndSync",
  "appendBatchAndSync",
  "sync",
]);

/** Whether a step may be acknowledged although a call of it failed. */
function mayPass(step: Step, failed: GatedCall): boolean {
  if (failed.name !== "write") return false;
  // The Durable frame that a close writes, or a sync in a segment that was begun without a wait, covers
  // only what is durable. Entries of a group that could not be written together are written one by
  // one. An entry that was not written and is acknowledged is missed at the end.
  return MAY_PASS.has(step.do);
}

/** Whether the handle has to end, since it is not known what the disk has. */
function mustEnd(step: Step, failed: GatedCall): boolean {
  if (failed.name !== "fdatasync" && failed.name !== "fsync") return false;
  // The head is in the meta file, and durable, before files are removed. If they come back, the next
  // open removes them.
  const isOfFolder = !/\.wal[^/]*$/.test(failed.path);
  return step.do !== "open" && !(step.do === "truncateBefore" && isOfFolder);
}

/** What the step does to the log, for the oracle, by its ids. */
function operationsOf(step: Step): [number, WalOperation][] {
  switch (step.do) {
    case "append":
    case "appendAndSync":
      return [[step.id, append(step.id, [step.size], step.do === "appendAndSync")]];
    case "appendBatch":
    case "appendBatchAndSync":
      return [[step.id, append(step.id, step.sizes, step.do === "appendBatchAndSync")]];
    case "appendGroup":
      return step.sizes.map((size, i) => [step.id + i, append(step.id + i, [size], true)]);
    case "setState":
      return [[step.id, { kind: "setState", state: remoteDigest(step.id, 0, step.size) }]];
    case "truncateFrom":
    case "truncateBefore":
    case "reset":
      // The entries and states have the ids up to 100.
      return [[100 + WORKLOAD.indexOf(step), { kind: step.do, index: step.index }]];
    case "open":
    case "close":
    case "sync":
    case "syncBlocking":
      return [];
  }
}

function append(id: number, sizes: readonly number[], durable: boolean): WalOperation {
  const entries = sizes.map((size, position) => remoteDigest(id, position, size));
  return { kind: "append", entries, durable };
}

/** Makes one kind of call on one file fail with EIO in a running process. */
class Strace {
  readonly attached: Promise<void>;
  readonly #closed: Promise<void>;
  readonly #process: ReturnType<typeof spawn>;
  readonly #output: string;

  constructor(workshop: Workshop, pid: number, call: GatedCall, output: string) {
    const calls = SYSTEM_CALLS[call.name];
    this.#output = output;
    rmSync(output, { force: true });
    this.#process = spawn(
      "strace",
      [
        ...["-f", "-p", String(pid), "-P", call.path, "-o", output],
        ...["-e", `trace=${calls}`, "-e", `inject=${calls}:error=EIO`],
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    workshop.adopt(this.#process);
    this.#closed = new Promise((resolve) => this.#process.on("close", () => resolve()));
    let said = "";
    this.attached = new Promise((resolve, reject) => {
      this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("attached")) resolve();
      });
      this.#process.on("close", () => reject(new BrokenPromise(`strace: ${said.trim()}`)));
    });
  }

  /** Lets the process go; how many calls failed. */
  async detach(): Promise<{ injected: number }> {
    this.#process.kill("SIGINT");
    await this.#closed;
    const lines = readFileSync(this.#output, "utf8").split("\n");
    return { injected: lines.filter((line) => line.includes("(INJECTED)")).length };
  }
}
