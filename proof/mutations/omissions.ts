/**
 * Leaves out the calls of a program that change the disk or make it durable, one at a time, at the
 * file system's seam: the call returns as if it had worked. Something must notice each.
 *
 * @module
 */
import { type FileSystem, WalError, type WriterLock } from "../../mod.ts";
import {
  BrokenPromise,
  CrashFileSystem,
  FaultyFileSystem,
  type FileOperation,
  type Trial,
} from "../../src/testing/testing.ts";

/** A program whose calls are left out. */
export interface Omitted {
  readonly name: string;
  /**
   * The program, and the judge of what it leaves. `step` is told each thing that it begins to do.
   */
  readonly trial: (step: (name: string) => void) => Trial<unknown>;
  /** The disk that it finds. Default: an empty one. */
  readonly start?: CrashFileSystem;
}

/** What a program does at its file system, each as often as it does it. */
interface Call {
  readonly operation: LeftOut;
  /** How many of the operation came before it. */
  readonly after: number;
  /** What it is and when it comes, in words that outlive a change of the code. */
  readonly key: string;
}

const OPERATIONS = [
  "write",
  "truncate",
  "syncData",
  "syncDataBlocking",
  "sync",
  "syncBlocking",
  "syncDirectory",
  "makeDirectory",
  "remove",
] as const satisfies readonly FileOperation[];

type LeftOut = typeof OPERATIONS[number];

/** What became of the calls of one key. */
export interface Verdict {
  /** How many calls were left out, and how many of those were noticed. */
  tried: number;
  noticed: number;
  /** The first thing that noticed one. */
  by: string;
}

/** By the keys of the calls. */
export type Verdicts = Map<string, Verdict>;

/**
 * Where a call is not noticed without a stated reason, or is noticed although a reason is stated.
 */
export function wrongIn(
  verdicts: Verdicts,
  unnoticed: Readonly<Record<string, string>>,
): string[] {
  const wrong = [...verdicts].flatMap(([key, { tried, noticed, by }]) => {
    const isKnown = Object.hasOwn(unnoticed, key);
    if (noticed === 0 && !isKnown) return [`SURVIVED  ${key} (${tried} times)`];
    return noticed > 0 && isKnown ? [`NOTICED, and listed as not so  ${key}: ${by}`] : [];
  });
  const gone = Object.keys(unnoticed).filter((key) => !verdicts.has(key));
  return [...wrong, ...gone.map((key) => `NOT MADE, and listed  ${key}`)];
}

/** The most states of the disk to look at for each crash: few at first, since most tell at once. */
const STATES_PER_CRASH = [3, 12];

/** How many calls of a key are left out in one program: to look at every one takes an hour. */
const TRIES = 4;

/** Leaves out the calls of a program, those of each key until there are enough. */
export async function leaveOut(
  program: Omitted,
  verdicts: Verdicts,
  isEnough: (verdict: Verdict) => boolean,
): Promise<void> {
  const tries = new Map<string, number>();
  for (const call of await callsOf(program)) {
    const tried = tries.get(call.key) ?? 0;
    if (tried >= TRIES) continue;
    const verdict = verdicts.get(call.key) ?? { tried: 0, noticed: 0, by: "" };
    verdicts.set(call.key, verdict);
    if (isEnough(verdict)) continue;
    verdict.tried++;
    tries.set(call.key, tried + 1);
    const by = await noticedBy(program, call);
    if (by === undefined) continue;
    verdict.noticed++;
    verdict.by ||= `${program.name}: ${by}`;
  }
}

/** The calls of a program, in their order. */
async function callsOf(program: Omitted): Promise<Call[]> {
  const calls: Call[] = [];
  let step = "open";
  let before = "nothing";
  const disk = program.start?.fork() ?? new CrashFileSystem();
  const counts = new Map<LeftOut, number>();
  let seen = 0;
  const take = (): void => {
    for (const call of faulty.calls.slice(seen)) {
      const [operation = "", name = ""] = call.split(" ");
      const what = `${wordFor(operation)} ${kindOf(operation, name)}`;
      const found = OPERATIONS.find((one) => one === operation);
      if (found !== undefined) {
        const after = counts.get(found) ?? 0;
        counts.set(found, after + 1);
        calls.push({ operation: found, after, key: `${step}: ${what}, after ${before}` });
      }
      if (found !== undefined || operation === "create") before = what;
    }
    seen = faulty.calls.length;
  };
  const begin = (name: string): void => {
    take();
    step = name;
    before = "nothing";
  };
  const faulty = new Opened(disk, () => begin("open"));
  const { run } = program.trial(begin);
  await run(faulty, () => {});
  take();
  return calls;
}

/** Tells when a log is opened, which begins with its lock. */
class Opened extends FaultyFileSystem {
  readonly #tell: () => void;

  constructor(under: FileSystem, tell: () => void) {
    super(under);
    this.#tell = tell;
  }

  override lock(path: string, permissions: number): Promise<WriterLock> {
    this.#tell();
    return super.lock(path, permissions);
  }
}

/** The syncs are one, whether they block and whatever they leave to a later one. */
function wordFor(operation: string): string {
  return /^sync/.test(operation) ? "sync" : operation;
}

/** Which of the log's files it is. */
function kindOf(operation: string, name: string): string {
  if (operation === "syncDirectory" || operation === "makeDirectory") return "directory";
  if (name.endsWith(".meta")) return "meta";
  if (name.endsWith(".redo")) return "redo";
  return /\.wal(\.\d+)?$/.test(name) ? "segment" : "what is set aside";
}

/** A moment at which the machine dies. */
interface Moment {
  readonly disk: CrashFileSystem;
  readonly promised: readonly unknown[];
  readonly when: string;
}

/** What notices that a call is left out, if anything does. */
async function noticedBy(
  { trial, start }: Omitted,
  { operation, after }: Call,
): Promise<string | undefined> {
  const { run, check } = trial(() => {});
  const disk = start?.fork() ?? new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  faulty.lie(operation, { after });
  const moments: Moment[] = [];
  const promised: unknown[] = [];
  const note = (when: string): void => {
    if (faulty.count(operation) <= after) return;
    moments.push({ disk: disk.fork(), promised: promised.slice(), when });
  };
  disk.observe((call) => note(`before ${call}`));
  const error = await failureOf(() => run(faulty, (fact) => promised.push(fact)));
  if (error !== undefined) return `the program itself: ${error}`;
  disk.observe(undefined);
  note("at the end");
  for (const limit of STATES_PER_CRASH) {
    for (const { disk, promised, when } of moments) {
      for (const left of disk.crashStates({ limit })) {
        const error = await failureOf(() => check(left, promised));
        if (error !== undefined) return `a crash ${when}: ${error}`;
      }
    }
  }
  disk.kill();
  return await failureOf(() => check(disk, promised));
}

/** The error that a call ends with, in words. */
async function failureOf(call: () => Promise<void>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (error instanceof BrokenPromise || error instanceof WalError || error instanceof TypeError) {
      return error.message;
    }
    throw error;
  }
}
