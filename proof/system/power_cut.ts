/**
 * Cuts the power of a file system under a process that writes a log, and judges what the next
 * process finds.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../../kit/logs.ts";
import { commandOn, type Edition, ROOT } from "../../kit/runtime.ts";
import { BrokenPromise } from "../../src/testing/testing.ts";
import type { Change, Line } from "./power_cut_lines.ts";
import { PowerCutOracle } from "./power_cut_oracle.ts";
import type { Mount, Workshop } from "./workshop.ts";

/** The longest that a writer works, in milliseconds. */
const MAX_WORK_MS = 250;

/** The longest that a writer may take to open the log. */
const MAX_START_MS = 30_000;

/** The changes that take several steps. The power may go between any two. */
const AIMED_AT: ReadonlySet<Change["kind"]> = new Set([
  "truncateFrom",
  "truncateBefore",
  "reset",
  "setState",
  "reopen",
]);

/** How long a program takes to start, about. */
const XFS_IO_START_MS = 5;

/** How many power cuts a log lives through before a new one is begun. */
const CUTS_PER_LOG = 9;

/** How many bytes the largest segment's file has, about; in this range pages are written early. */
const SEGMENT_RANGE = 128 * 1024;

/** Whose power is cut. */
export interface PowerCutOptions {
  readonly workshop: Workshop;
  readonly mount: Mount;
  readonly runtime: Edition;
  readonly seed: number;
  /**
   * Whether the writer's file system makes the syncs that it reports (`"honest"`) or not (`"lying"`),
   * and `"mapped"` for an honest one whose files are mapped.
   */
  readonly way: "honest" | "lying" | "mapped";
}

/** One log after another on one file system, on one runtime. */
export class PowerCuts {
  readonly #options: PowerCutOptions;
  readonly #draw: () => number;
  #oracle: PowerCutOracle;
  #acknowledgedBefore = 0;
  #goneBefore = 0;
  #changes = 0;
  #stored = 0;
  #lives = 0;
  #path = "";
  /** What the writers of this log have said. */
  #history: Line[] = [];
  /** The log as the writer finds it. */
  readonly #before: string;

  constructor(options: PowerCutOptions) {
    this.#options = options;
    this.#draw = random(options.seed);
    this.#oracle = new PowerCutOracle(options.seed);
    this.#before = options.workshop.newFolder("before");
    this.beginAgain();
  }

  /** How many entries were acknowledged as durable. */
  get acknowledged(): number {
    return this.#acknowledgedBefore + this.#oracle.acknowledged;
  }

  /** How many entries are gone that were not. */
  get gone(): number {
    return this.#goneBefore + this.#oracle.gone;
  }

  /** How many changes were acknowledged. */
  get changes(): number {
    return this.#changes;
  }

  /** How many entries were stored into a mapping, and not written, at least. */
  get stored(): number {
    return this.#stored;
  }

  /** The log that is written now. */
  get path(): string {
    return this.#path;
  }

  /** Continues with a new log. */
  beginAgain(): void {
    const { mount, runtime, seed } = this.#options;
    if (this.#path !== "") rmSync(dirname(this.#path), { recursive: true, force: true });
    this.#acknowledgedBefore += this.#oracle.acknowledged;
    this.#goneBefore += this.#oracle.gone;
    this.#oracle = new PowerCutOracle(seed);
    this.#history = [];
    this.#path = join(mount.folder, `${runtime}-${this.#lives}`, "a.wal");
  }

  /**
   * Makes power cuts, and looks once more.
   *
   * @throws {BrokenPromise} If the log did not keep a promise, or a writer ended by itself.
   */
  async cut(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      if (i % CUTS_PER_LOG === CUTS_PER_LOG - 1) {
        await this.#look();
        this.beginAgain();
      }
      await this.#live();
    }
    await this.#look();
  }

  /** One writer, up to the power cut and the restart. */
  async #live(): Promise<void> {
    const writer = this.#start();
    await this.#keeping(() => this.#work(writer));
    this.#options.mount.restart();
    await this.#keeping(() => this.#take(writer.lines));
  }

  async #work(writer: Writer): Promise<void> {
    try {
      if (this.#draw() < 0.12) {
        await sleep(this.#draw() * MAX_WORK_MS / 2);
      } else {
        await writer.ready();
        await sleep(this.#draw() ** 2 * MAX_WORK_MS);
      }
      await this.#shutdown(writer, this.#draw() < 0.4);
    } finally {
      await writer.kill();
    }
  }

  /** A writer that is only there to tell what it found. */
  async #look(): Promise<void> {
    const writer = this.#start();
    await this.#keeping(async () => {
      try {
        await writer.ready();
      } finally {
        await writer.kill();
      }
      this.#take(writer.lines);
    });
  }

  /** Keeps what the writer began with, the log as it is, and what was said of it, if a promise is broken. */
  async #keeping(work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof BrokenPromise) || this.#options.way === "lying") throw error;
      const { workshop, mount, runtime, seed } = this.#options;
      // Nothing can be copied from a file system that is shut down.
      mount.restart();
      const kept = join(workshop.kept, `${runtime}-${seed}-${this.#lives}`);
      cpSync(this.#before, join(kept, "before"), { recursive: true });
      cpSync(dirname(this.#path), join(kept, "after"), { recursive: true });
      const lines = this.#history.map((line) => `${JSON.stringify(line)}\n`);
      writeFileSync(join(kept, "lines.txt"), lines.join(""));
      error.message += `. Writer ${this.#lives}, seed ${seed}, kept in "${kept}"`;
      throw error;
    }
  }

  #start(): Writer {
    const { workshop, runtime, seed, way } = this.#options;
    const life = ++this.#lives;
    rmSync(this.#before, { recursive: true, force: true });
    mkdirSync(this.#before, { recursive: true });
    if (existsSync(dirname(this.#path))) {
      cpSync(dirname(this.#path), this.#before, { recursive: true });
    }
    const file = join(ROOT, "proof/system/power_cut_worker.ts");
    const args = [this.#path, String(seed), String(life), way];
    return new Writer(workshop, runtime, file, args);
  }

  #take(lines: readonly Line[]): void {
    this.#history.push(...lines);
    for (const line of lines) {
      if (line.kind === "found") this.#oracle.judge(line.contents);
      else if (line.kind === "start") this.#oracle.start(line.change);
      else if (line.kind === "stored") this.#stored += line.count;
      else if (line.kind === "synced") this.#oracle.synced(line.index);
      else if (line.kind === "done") {
        this.#oracle.acknowledge(line.id, line);
        this.#changes++;
      }
    }
  }

  /**
   * Mostly everything that is not on the disk is lost at once. Sometimes the kernel has written some
   * pages early, in any order, or the journal, so that files are longer than their data, or both.
   *
   * The writer is stopped first, as by a real power cut, whatever it waits for: in ext4 and xfs an
   * fdatasync that a shutdown meets may report success, though the journal never reached the disk.
   *
   * @param isAimed Whether to wait until the writer begins to change more than the log's end.
   */
  async #shutdown(writer: Writer, isAimed: boolean): Promise<void> {
    const { mount } = this.#options;
    const shutdown = mount.readyToShutDown(this.#draw() < 0.7 ? "dropped" : "written");
    await sleep(XFS_IO_START_MS);
    if (isAimed) await writer.changesMore(MAX_WORK_MS);
    const file = this.#draw() < 0.6 ? undefined : this.#newestFile();
    if (file !== undefined) {
      const from = Math.floor(this.#draw() * SEGMENT_RANGE);
      // The writer may have removed the file: then nothing is written early.
      spawnSync("xfs_io", ["-c", `sync_range -w -a ${from} ${16 * 1024}`, file]);
    }
    writer.stop();
    await shutdown();
  }

  /** The file that was written last, but for the lock. */
  #newestFile(): string | undefined {
    const folder = dirname(this.#path);
    const files = readdirIfThere(folder)
      .filter((name) => !name.endsWith(".lock"))
      .map((name) => join(folder, name));
    const times = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return files[times.indexOf(Math.max(...times))];
  }
}

/** The names in a folder; none if it is not there yet. */
function readdirIfThere(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
}

/** A writer's process. */
class Writer {
  /** What it has said, up to the end of its output once it was killed. */
  readonly lines: Line[] = [];
  readonly #process: ReturnType<typeof spawn>;
  readonly #closed: Promise<void>;
  #rest = "";
  #errors = "";
  #violation: BrokenPromise | undefined;
  #tellReady: () => void = () => {};
  #tellChange: () => void = () => {};

  constructor(workshop: Workshop, runtime: Edition, file: string, args: readonly string[]) {
    const command = commandOn(runtime, file, ...args);
    this.#process = spawn(command.program, command.args, { stdio: ["ignore", "pipe", "pipe"] });
    workshop.adopt(this.#process);
    const { stdout, stderr } = this.#process;
    if (stdout === null || stderr === null) throw new TypeError("The writer's output is a pipe");
    stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#closed = new Promise((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", () => resolve());
    });
  }

  /** Waits until it has told what it found. */
  async ready(): Promise<void> {
    const stop = new AbortController();
    const ready = new Promise<void>((resolve) => this.#tellReady = resolve);
    if (this.lines.length > 0) this.#tellReady();
    const late = sleep(MAX_START_MS, "late", { signal: stop.signal }).catch(() => {});
    const outcome = await Promise.race([ready, this.#closed, late]);
    stop.abort();
    if (this.#violation !== undefined) throw this.#violation;
    if (outcome === "late") {
      throw new BrokenPromise(`The log was not open after ${MAX_START_MS} ms`);
    }
    if (this.lines.length === 0) {
      throw new BrokenPromise(`The writer ended: ${this.#errors.trim()}`);
    }
  }

  /** Waits until it begins a truncation, a reset or a new state, or until it has not for a while. */
  async changesMore(milliseconds: number): Promise<void> {
    const stop = new AbortController();
    const begun = new Promise<void>((resolve) => this.#tellChange = resolve);
    const late = sleep(milliseconds, undefined, { signal: stop.signal }).catch(() => {});
    await Promise.race([begun, late]);
    stop.abort();
  }

  /** Stops it where it is: nothing that is acknowledged later is told. */
  stop(): void {
    this.#process.kill("SIGSTOP");
  }

  /** Kills it, and reads its output to the end. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#closed;
    if (this.#violation !== undefined) throw this.#violation;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    // A kill may cut the last line short.
    this.#rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = JSON.parse(text) as Line;
      this.lines.push(line);
      if (line.kind === "start" && AIMED_AT.has(line.change.kind)) this.#tellChange();
      if (line.kind === "failed") {
        this.#violation ??= new BrokenPromise(`The log failed: ${line.message}`);
      }
    }
    // Of a long log, the first line comes in pieces.
    if (this.lines.length > 0) this.#tellReady();
  }
}
