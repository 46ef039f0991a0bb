/**
 * Runs a program that writes files, lets the machine die at every step, or a call fail at every step,
 * and asks whether what the program promised still holds.
 *
 * @module
 */
import { reasonOf } from "../errors.ts";
import { invalid, requireCount, requireObject, requireOptions } from "../arguments.ts";
import type { FileSystem, FileSystemErrorCode } from "../fs/file_system.ts";
import { BrokenPromise } from "./broken_promise.ts";
import { CrashFileSystem, type FailedSync } from "./crash_file_system.ts";
import { FaultyFileSystem, type FileOperation } from "./faulty_file_system.ts";

/**
 * What is tried: a program, and how to tell whether it keeps its promises. Both are called very
 * often, and `run` has to make the same calls each time.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import type { Trial } from "@durable/wal/testing";
 *
 * const trial: Trial<number> = {
 *   async run(fileSystem, promise) {
 *     const log = await Wal.open("a.wal", { fileSystem });
 *     promise(await log.appendAndSync(new Uint8Array([1])));
 *     await log.close();
 *   },
 *   async check(fileSystem, promised) {
 *     const log = await Wal.open("a.wal", { fileSystem });
 *     for (const index of promised) assert(index <= log.lastIndex, `Entry ${index} is gone`);
 *     await log.close();
 *   },
 * };
 * ```
 */
export interface Trial<Fact> {
  /**
   * The program. It does all its reading and writing through `fileSystem`, and waits for nothing
   * else.
   *
   * @param promise To be called with each fact that the program answers for, as soon as it does.
   */
  run(fileSystem: FileSystem, promise: (fact: Fact) => void): Promise<void>;
  /**
   * Throws if a promise is broken.
   *
   * @param fileSystem What is left of the files.
   * @param promised What was promised before, in order.
   */
  check(fileSystem: CrashFileSystem, promised: readonly Fact[]): Promise<void>;
}

/**
 * How far to look.
 *
 * @example
 * ```ts
 * import type { ExploreOptions } from "@durable/wal/testing";
 *
 * const options: ExploreOptions = { statesPerCrash: 100, seed: 3 };
 * ```
 */
export interface ExploreOptions {
  /** The most states of the disk to check for each crash; below it, all. Default: 256. */
  statesPerCrash?: number;
  /** What the draw begins with where there are more. Default: 1. */
  seed?: number;
  /** What a failed sync does to a file, if no `start` says so. Default: `"ext4"`. */
  failedSync?: FailedSync;
  /** The disk that the program finds; it stays as it is. Default: an empty one. */
  start?: CrashFileSystem;
  /**
   * Called before each call of the program that changes something or syncs, with the call in words.
   * Where it returns a promise, and the call is a sync that does not block, the sync takes effect when
   * that has resolved: a slow disk. See {@linkcode CrashFileSystem.observe}.
   */
  observe?: (call: string) => unknown;
}

/**
 * What was looked at.
 *
 * @example
 * ```ts
 * import { exploreCrashes, type Exploration } from "@durable/wal/testing";
 *
 * const trial = { run: async () => {}, check: async () => {} };
 * const { crashes, states }: Exploration = await exploreCrashes(trial);
 * console.log(`${states} states after ${crashes} crashes`);
 * ```
 */
export interface Exploration {
  /** How many moments the machine died at, or how many faults were tried. */
  readonly crashes: number;
  /** How many states of the disk were checked. */
  readonly states: number;
}

/** A moment at which the machine dies. */
interface Moment<Fact> {
  readonly disk: CrashFileSystem;
  readonly promised: readonly Fact[];
  readonly when: string;
}

/**
 * Runs a program once and lets its machine die before each of its calls that changes something or
 * syncs, and at its end. What each crash may leave of the disk is checked.
 *
 * @returns How much was looked at, if every promise was kept.
 * @throws {BrokenPromise} At the first that was not.
 *
 * @example A mistake that this finds: the directory is not synced
 * ```ts
 * import { assert, assertRejects, assertStringIncludes } from "@std/assert";
 * import { BrokenPromise, exploreCrashes } from "@durable/wal/testing";
 *
 * const saving = exploreCrashes<string>({
 *   async run(fileSystem, promise) {
 *     const file = fileSystem.open("note", "create");
 *     file.write(new TextEncoder().encode("buy milk"), 0);
 *     await file.sync();
 *     promise("note");
 *   },
 *   async check(fileSystem, promised) {
 *     for (const name of promised) assert(fileSystem.list(".").includes(name), `${name} is gone`);
 *   },
 * });
 * const error = await assertRejects(() => saving, BrokenPromise);
 * assertStringIncludes(error.message, "note is gone");
 * ```
 */
export async function exploreCrashes<Fact>(
  trial: Trial<Fact>,
  options: ExploreOptions = {},
): Promise<Exploration> {
  requireTrial(trial, options);
  const disk = emptyOr(options);
  const { moments } = await follow(trial, disk, disk, () => true, options.observe);
  let states = 0;
  for (const moment of moments) states += await checkStates(trial, moment, options);
  return { crashes: moments.length, states };
}

/** Runs a program and notes the moments at which its machine may die; `error` is what it rejects with. */
async function follow<Fact>(
  trial: Trial<Fact>,
  disk: CrashFileSystem,
  fileSystem: FileSystem,
  isOfInterest: () => boolean,
  observe: ExploreOptions["observe"],
): Promise<{ moments: Moment<Fact>[]; error: unknown }> {
  const moments: Moment<Fact>[] = [];
  const promised: Fact[] = [];
  let calls = 0;
  const note = (when: string): void => {
    if (isOfInterest()) moments.push({ disk: disk.fork(), promised: promised.slice(), when });
  };
  disk.observe((call) => {
    note(`before call ${++calls}, ${call}`);
    return observe?.(call);
  });
  const error = await trial.run(fileSystem, (fact) => promised.push(fact)).then(
    () => undefined,
    (error: unknown) => error ?? new Error("The program rejected"),
  );
  disk.observe(undefined);
  note("at the end");
  if (error !== undefined && disk === fileSystem) throw error;
  return { moments, error };
}

/** A way in which a call fails. */
interface Fault {
  readonly operation: FileOperation;
  readonly code: FileSystemErrorCode;
  readonly leaves: number;
}

/** How calls fail, by what fails in practice; a write may leave a part of it. */
const FAULTS: readonly Fault[] = [
  { operation: "create", code: "ENOSPC", leaves: 0 },
  { operation: "open", code: "EMFILE", leaves: 0 },
  { operation: "read", code: "EIO", leaves: 0 },
  { operation: "write", code: "ENOSPC", leaves: 0 },
  { operation: "write", code: "EIO", leaves: 30 },
  { operation: "write", code: "ENOSPC", leaves: Infinity },
  { operation: "truncate", code: "EIO", leaves: 0 },
  { operation: "syncData", code: "EIO", leaves: 0 },
  { operation: "syncDataBlocking", code: "EIO", leaves: 0 },
  { operation: "sync", code: "EIO", leaves: 0 },
  { operation: "syncBlocking", code: "EIO", leaves: 0 },
  { operation: "syncDirectory", code: "EIO", leaves: 0 },
  { operation: "makeDirectory", code: "EACCES", leaves: 0 },
  { operation: "list", code: "EIO", leaves: 0 },
  { operation: "remove", code: "EIO", leaves: 0 },
];

/**
 * Runs a program once for every call that it makes, and lets that call fail, in each of the ways in
 * which such a call does. A `run` that rejects over it has reported it, and is as good as one that
 * continues. From the fault on, the machine dies before each call, as in
 * {@linkcode exploreCrashes}; and at the end the process dies, and what a later one finds is
 * checked, and a crash after that.
 *
 * A sync that fails does to the file what {@linkcode ExploreOptions.failedSync} says.
 *
 * @returns How much was looked at, if every promise was kept.
 * @throws {BrokenPromise} At the first that was not.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { exploreFaults } from "@durable/wal/testing";
 *
 * const { crashes } = await exploreFaults<string>({
 *   async run(fileSystem, promise) {
 *     const file = fileSystem.open("note", "create");
 *     file.write(new TextEncoder().encode("buy milk"), 0);
 *     await file.sync();
 *     await fileSystem.syncDirectory(".");
 *     promise("note");
 *   },
 *   async check(fileSystem, promised) {
 *     for (const name of promised) assert(fileSystem.list(".").includes(name), `${name} is gone`);
 *   },
 * });
 * assert(crashes > 0);
 * ```
 */
export async function exploreFaults<Fact>(
  trial: Trial<Fact>,
  options: ExploreOptions = {},
): Promise<Exploration> {
  requireTrial(trial, options);
  let crashes = 0;
  let states = 0;
  for (const fault of FAULTS) {
    for (let after = 0;; after++) {
      const disk = emptyOr(options);
      const faulty = new FaultyFileSystem(disk);
      faulty.fail(fault.operation, fault.code, { after, leaves: fault.leaves });
      const hasFailed = (): boolean => faulty.count(fault.operation) > after;
      const { moments, error } = await follow(
        trial,
        disk,
        faulty,
        hasFailed,
        options.observe,
      );
      const last = moments.pop();
      if (last === undefined) {
        // Every call of this kind has had its turn. What rejects without a fault is a mistake.
        if (error !== undefined) throw error;
        break;
      }
      crashes += moments.length + 1;
      const what = `after ${fault.code} from ${fault.operation} number ${after + 1}`;
      for (const moment of moments) {
        const when = `${what}, ${moment.when}`;
        states += await checkStates(trial, { ...moment, when }, options);
      }
      disk.kill();
      const atEnd = { ...last, disk };
      states += await checkStates(trial, { ...atEnd, when: `${what}, at the end` }, options);
      await check(trial, { ...atEnd, when: `${what}, in a new process` }, disk);
      states++;
      // What the new process found and did is durable, too.
      disk.kill();
      states += await checkStates(trial, { ...atEnd, when: `${what}, and a reopening` }, options);
    }
  }
  return { crashes, states };
}

/** Refuses a trial or options that make no sense. */
function requireTrial<Fact>(trial: Trial<Fact>, options: ExploreOptions): void {
  requireObject("trial", trial);
  for (const name of ["run", "check"] as const) {
    if (typeof trial[name] !== "function") {
      throw invalid(`trial's ${name}`, "a function", trial[name]);
    }
  }
  requireOptions("options", options, ["statesPerCrash", "seed", "failedSync", "start", "observe"]);
  const { statesPerCrash, start, observe } = options;
  requireCount("statesPerCrash", statesPerCrash);
  if (observe !== undefined && typeof observe !== "function") {
    throw invalid("observe", "a function", observe);
  }
  if (start !== undefined && typeof start?.fork !== "function") {
    throw invalid("start", "a CrashFileSystem", start);
  }
}

function emptyOr({ start, failedSync }: ExploreOptions): CrashFileSystem {
  return start?.fork() ?? new CrashFileSystem(failedSync === undefined ? {} : { failedSync });
}

/** Checks what a crash at a moment may leave. Returns how many states there are. */
async function checkStates<Fact>(
  trial: Trial<Fact>,
  moment: Moment<Fact>,
  { statesPerCrash = 256, seed = 1 }: ExploreOptions,
): Promise<number> {
  let states = 0;
  for (const disk of moment.disk.crashStates({ limit: statesPerCrash, seed })) {
    states++;
    await check(trial, moment, disk);
  }
  return states;
}

async function check<Fact>(
  trial: Trial<Fact>,
  { promised, when }: Moment<Fact>,
  disk: CrashFileSystem,
): Promise<void> {
  try {
    await trial.check(disk, promised);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new BrokenPromise(`${reason} (a crash ${when}; ${disk.origin})`, { cause });
  }
}
