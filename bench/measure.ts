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
import { type Entrant, isFloor, takesPart } from "./contestants.ts";
import { EntrantProcess, MissingError } from "./entrant_process.ts";
import type { Measured, Sample, TrialLength } from "./results.ts";
import type { Trial } from "./trial.ts";
import { READS, type Work, type Workload } from "./workloads.ts";

/** How long an appending trial lasts. */
export const LENGTH: TrialLength = { ms: 400, parts: 2 };

/** How long an appending trial's warm-up takes, in milliseconds. */
const WARM_UP = 250;

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
  /** The contestants that failed; the run is no success then. */
  readonly failures: string[] = [];
  readonly #setting: Setting;
  /** The contestants that cannot run here. */
  readonly #missing = new Set<string>();
  /** The stores that are read, as their killed writers left them, by entrant and way of writing. */
  readonly #written = new Map<string, string>();
  #trials = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Measures a workload with all contestants. */
  async measure(workload: Workload): Promise<Measured> {
    const { entrants, rounds, stop } = this.#setting;
    const running: Running[] = [];
    const parts = workload.operation.endsWith("Sync") ? LENGTH.parts : 1;
    const inIt = entrants.filter((entrant) => takesPart(entrant, workload));
    if (inIt.every(({ kind }) => isFloor(kind))) return { workload: workload.id, rows: [] };
    try {
      for (const entrant of inIt) {
        if (stop.aborted || this.#missing.has(entrant.id)) continue;
        await this.#trying(entrant, workload, async () => {
          const started = await this.#start(entrant, workload);
          running.push(started);
          await this.#trial(started, workload, WARM_UP);
          started.hasFailed = false;
        });
      }
      for (let turn = 0; turn < rounds * parts; turn++) {
        // The other way round in the next, so that none always has the same one before it.
        const order = turn % 2 === 0 ? running : running.toReversed();
        for (const each of order) {
          if (stop.aborted || each.hasFailed) continue;
          each.hasFailed = !await this.#trying(each.entrant, workload, async () => {
            each.samples.push(await this.#trial(each, workload, LENGTH.ms / parts));
          });
        }
      }
    } finally {
      for (const { process, folder } of running) {
        await process[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true, force: true });
      }
    }
    const rows = running.filter(({ hasFailed }) => !hasFailed).map(({ entrant, samples }) => ({
      entrant: entrant.id,
      samples: Array.from(
        { length: rounds },
        (_, round) => sum(samples.slice(round * parts, (round + 1) * parts)),
      ),
    }));
    return { workload: workload.id, rows };
  }

  /** Whether an entrant did what it was to do; a line reports one that could not. */
  async #trying(
    entrant: Entrant,
    workload: Workload,
    work: () => Promise<void>,
  ): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (this.#setting.stop.aborted) return false;
      if (!(error instanceof Error)) throw error;
      const line = `${entrant.id} is left out of ${workload.id}: ${error.message}`;
      console.error(line.replace(/\.?$/, "."));
      // One that is missing now is missing later; one that has failed may well do the next
      // workload.
      if (error instanceof MissingError) this.#missing.add(entrant.id);
      else this.failures.push(line);
      return false;
    }
  }

  async #start(entrant: Entrant, workload: Workload): Promise<Running> {
    const written = workload.reads === undefined ? undefined : await this.#write(entrant, workload);
    const folder = this.#newFolder();
    const process = await this.#spawn(entrant);
    this.versions[entrant.id] = process.version;
    if (written !== undefined) copySynced(written, folder);
    return { entrant, process, folder, written, samples: [], hasFailed: true };
  }

  #spawn(entrant: Entrant): Promise<EntrantProcess> {
    const { goProgram, stop } = this.#setting;
    return EntrantProcess.start(entrant, goProgram, stop);
  }

  /** The folder of a store that is read, as its killed writer left it. */
  async #write(entrant: Entrant, workload: Workload): Promise<string> {
    const { oneSegment = false, isSynced = true } = workload.reads ?? {};
    const key = `${entrant.id} ${oneSegment} ${isSynced}`;
    const found = this.#written.get(key);
    if (found !== undefined) return found;
    const folder = this.#newFolder();
    const writer = await this.#spawn(entrant);
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

  async #trial(running: Running, workload: Workload, ms: number): Promise<Sample> {
    const { entrant, process, folder, written } = running;
    const work = isFloor(entrant.kind) ? workload.floor : workload;
    if (work.operation === "open" && written !== undefined) {
      // An open may repair what it finds, so each has a copy of its own.
      const copy = this.#newFolder();
      copySynced(written, copy);
      const sample = await process.run(this.#describe(workload, work, copy, ms));
      rmSync(copy, { recursive: true });
      return sample;
    }
    if (written !== undefined) {
      return await process.run(this.#describe(workload, work, folder, ms));
    }
    const trial = this.#newFolder();
    const sample = await process.run(this.#describe(workload, work, trial, ms));
    rmSync(trial, { recursive: true });
    return sample;
  }

  #describe(workload: Workload, work: Work, folder: string, ms: number): Trial {
    const { entries } = this.#setting;
    const { entrySize, reads = { oneSegment: false, isSynced: true } } = workload;
    return {
      operation: work.operation,
      batch: work.batch,
      callers: work.callers,
      ...reads,
      path: join(folder, "store"),
      entrySize,
      ms,
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
  readonly samples: Sample[];
  hasFailed: boolean;
}

/** The parts of a trial as one. */
function sum(parts: readonly Sample[]): Sample {
  return {
    entries: parts.reduce((total, { entries }) => total + entries, 0),
    // A microsecond is precise enough, and keeps the results short.
    ms: Number(parts.reduce((total, { ms }) => total + ms, 0).toFixed(3)),
  };
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
