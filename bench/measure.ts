/**
 * Measures workloads: the entrants' trials take turns, round by round, so that whatever else the
 * machine does meets all of them.
 *
 * @module
 */
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Entrant, isFloor, isOurs, takesPart } from "./contestants.ts";
import { EntrantProcess, MissingError } from "./entrant_process.ts";
import type { Measured, Sample } from "./results.ts";
import type { Trial } from "./trial.ts";
import { READS, type Work, type Workload } from "./workloads.ts";

/** How long an appending trial goes on, in milliseconds. */
const DURATION = 500;

/** How much of that its warm-up takes. */
const WARM_UP = 0.6;

/** How long a writer is idle before it is killed, in milliseconds. */
const IDLE = 300;

/** What a measurement needs to know. */
export interface Setting {
  /** A folder for its files. */
  readonly folder: string;
  readonly entrants: readonly Entrant[];
  /** Entries of the log that is read. */
  readonly entries: number;
  readonly rounds: number;
  /** Where the Go peers were built to. */
  readonly goProgram: string | undefined;
  readonly stop: AbortSignal;
}

/** Measures workloads on one file system. */
export class Measurement {
  /** Of each entrant that has run, by its id. */
  readonly versions: Record<string, string> = {};
  /** Who failed; the run is no success then. */
  readonly failures: string[] = [];
  readonly #setting: Setting;
  /** Who cannot run here, or has failed. */
  readonly #out = new Set<string>();
  /** The stores that are read, as their killed writers left them, by entrant and way of writing. */
  readonly #written = new Map<string, string>();
  #trials = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Measures a workload with all who take part. */
  async measure(workload: Workload): Promise<Measured> {
    const { entrants, rounds, stop } = this.#setting;
    const running: Running[] = [];
    const samples = new Map<Entrant, Sample[]>();
    try {
      for (const entrant of entrants.filter((entrant) => takesPart(entrant, workload))) {
        if (stop.aborted || this.#out.has(entrant.id)) continue;
        await this.#trying(entrant, workload, async () => {
          const started = await this.#start(entrant, workload);
          running.push(started);
          await this.#trial(started, workload, WARM_UP);
          samples.set(entrant, []);
        });
      }
      for (let round = 0; round < rounds; round++) {
        // The other way round in the next, so that none always has the same one before it.
        const order = round % 2 === 0 ? running : running.toReversed();
        for (const each of order) {
          if (stop.aborted || this.#out.has(each.entrant.id)) continue;
          await this.#trying(each.entrant, workload, async () => {
            samples.get(each.entrant)?.push(await this.#trial(each, workload, 1));
          });
        }
      }
    } finally {
      for (const { process, folder } of running) {
        await process[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true, force: true });
      }
    }
    return {
      workload: workload.id,
      rows: [...samples].filter(([, { length }]) => length === rounds)
        .map(([{ id }, samples]) => ({ entrant: id, samples })),
    };
  }

  /** Runs what an entrant does; who cannot go on is told of in a line and left out. */
  async #trying(entrant: Entrant, workload: Workload, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#setting.stop.aborted) return;
      if (!(error instanceof Error)) throw error;
      const line = `${entrant.id} is left out of ${workload.id}: ${error.message}`;
      console.error(line.replace(/\.?$/, "."));
      const isMissing = error instanceof MissingError;
      if (isMissing || isFloor(entrant.kind) || isOurs(entrant.kind)) this.#out.add(entrant.id);
      if (!isMissing) this.failures.push(line);
    }
  }

  async #start(entrant: Entrant, workload: Workload): Promise<Running> {
    const { goProgram, stop } = this.#setting;
    const written = workload.reads === undefined ? undefined : await this.#write(entrant, workload);
    const folder = this.#newFolder();
    const process = await EntrantProcess.start(entrant, goProgram);
    stop.addEventListener("abort", () => void process.kill(), { once: true });
    this.versions[entrant.id] = process.version;
    if (written !== undefined) copySynced(written, folder);
    return { entrant, process, folder, written };
  }

  /** The folder of a store that is read, as its killed writer left it. */
  async #write(entrant: Entrant, workload: Workload): Promise<string> {
    const { oneSegment = false, isSynced = true } = workload.reads ?? {};
    const key = `${entrant.id} ${oneSegment} ${isSynced}`;
    const found = this.#written.get(key);
    if (found !== undefined) return found;
    const folder = this.#newFolder();
    const writer = await EntrantProcess.start(entrant, this.#setting.goProgram);
    try {
      const trial = this.#describe(
        workload,
        { operation: "fill", batch: 1, callers: 1 },
        folder,
        1,
      );
      await writer.run(trial);
      if (isSynced) await sleep(IDLE);
    } finally {
      await writer.kill();
    }
    this.#written.set(key, folder);
    return folder;
  }

  async #trial(running: Running, workload: Workload, share: number): Promise<Sample> {
    const { entrant, process, folder, written } = running;
    const work = isFloor(entrant.kind) ? workload.floor : workload;
    if (work.operation === "open" && written !== undefined) {
      // An open may repair what it finds, so each has a copy of its own.
      const copy = this.#newFolder();
      copySynced(written, copy);
      const sample = await process.run(this.#describe(workload, work, copy, share));
      rmSync(copy, { recursive: true });
      return sample;
    }
    if (written !== undefined) {
      return await process.run(this.#describe(workload, work, folder, share));
    }
    const trial = this.#newFolder();
    const sample = await process.run(this.#describe(workload, work, trial, share));
    rmSync(trial, { recursive: true });
    return sample;
  }

  #describe(workload: Workload, work: Work, folder: string, share: number): Trial {
    const { entries } = this.#setting;
    const { entrySize, reads = { oneSegment: false, isSynced: true } } = workload;
    return {
      operation: work.operation,
      batch: work.batch,
      callers: work.callers,
      ...reads,
      path: join(folder, "store"),
      entrySize,
      ms: DURATION * share,
      entries,
      reads: Math.min(READS, entries),
    };
  }

  #newFolder(): string {
    const folder = join(this.#setting.folder, `${++this.#trials}`);
    mkdirSync(folder);
    return folder;
  }
}

/** An entrant whose process runs. */
interface Running {
  readonly entrant: Entrant;
  readonly process: EntrantProcess;
  /** Its copy of the store that it reads. */
  readonly folder: string;
  /** Where its killed writer left that. */
  readonly written: string | undefined;
}

/** Copies a folder and syncs the copy, so that no trial pays for writing it. */
function copySynced(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  if (!existsSync(to)) return;
  for (const name of readdirSync(to, { recursive: true, encoding: "utf8" })) {
    const path = join(to, name);
    if (!statSync(path).isFile()) continue;
    const file = openSync(path, "r+");
    fsyncSync(file);
    closeSync(file);
  }
}
