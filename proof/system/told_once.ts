/**
 * A disk that fails while several syncs of one file overlap, and is well again: the system tells one of
 * them, and the others nothing. What was acknowledged has to be on the disk all the same.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import type { Contents } from "./contents.ts";
import { isEnd } from "./expected_log.ts";
import { FailingDisk, type Failure } from "./failing_disk.ts";
import { failingDisk } from "./needs.ts";
import type { Settings } from "./part.ts";
import type { Refusal, SingleCommand } from "./remote_lines.ts";
import { type Outcome, remoteDigest, RemoteLog } from "./remote_log.ts";
import { type Kind, run, type Workshop } from "./workshop.ts";

const MEBIBYTE = 1024 * 1024;
const LARGE_SEGMENT = 64 * MEBIBYTE;

/** More than is appended before a sync is begun unasked. */
const UNASKED: readonly SingleCommand[] = appends(2, 9, MEBIBYTE);

/** A sync that is asked for, and takes a while. */
const ASKED: readonly SingleCommand[] = [
  ...appends(2, 4, MEBIBYTE),
  { do: "appendAndSync", id: 6, size: 100 },
  { do: "pause", milliseconds: 20 },
];

/** Calls that overlap, after one entry that is durable. */
interface Way {
  readonly name: string;
  readonly segmentSize: number;
  readonly calls: readonly SingleCommand[];
}

const WAYS: readonly Way[] = [
  {
    name: "an unasked sync and appendAndSync",
    segmentSize: LARGE_SEGMENT,
    calls: [...UNASKED, { do: "appendAndSync", id: 11, size: 100 }],
  },
  {
    name: "an unasked sync and syncBlocking",
    segmentSize: LARGE_SEGMENT,
    calls: [...UNASKED, { do: "syncBlocking" }],
  },
  {
    name: "an unasked sync and close",
    segmentSize: LARGE_SEGMENT,
    calls: [...UNASKED, { do: "close" }],
  },
  {
    name: "an unasked sync and a roll",
    segmentSize: 10 * MEBIBYTE,
    calls: [...UNASKED, ...appends(11, 3, MEBIBYTE)],
  },
  {
    name: "a group's sync and syncBlocking",
    segmentSize: LARGE_SEGMENT,
    calls: [...ASKED, { do: "append", id: 7, size: 100 }, { do: "syncBlocking" }],
  },
  {
    name: "a group's sync and close",
    segmentSize: LARGE_SEGMENT,
    calls: [...ASKED, { do: "append", id: 7, size: 100 }, { do: "close" }],
  },
  {
    name: "a group's sync and a roll",
    segmentSize: 5 * MEBIBYTE,
    calls: [...ASKED, ...appends(7, 2, MEBIBYTE)],
  },
  {
    name: "a group's sync and a truncation",
    segmentSize: LARGE_SEGMENT,
    calls: [...ASKED, { do: "truncateFrom", index: 5 }],
  },
];

/** What comes after the failure. */
const ENDS = ["power cut", "close", "reopen", "append and reopen"] as const;
type End = typeof ENDS[number];

/** The longest that the disk fails, in milliseconds. */
const MAX_MS = 2500;

/** The longest that it holds a write before. */
const HOLD_MS = 300;

/** How often a round is tried whose failure came when nothing was written. */
const MAX_TRIES = 10;

/** What a round has found. */
interface Finding {
  /** Whether a caller got the failure. */
  readonly isTold: boolean;
  /** What is wrong, if anything is. */
  readonly wrong: string | undefined;
}

/** Runs on both file systems, on each runtime. */
export async function toldOnce({ workshop, report, seed }: Settings): Promise<void> {
  for (const kind of ["ext4", "xfs"] as const) {
    for (const runtime of RUNTIMES) {
      for (const [i, way] of WAYS.entries()) {
        const title = `told once: ${way.name}, ${kind}, ${runtime}`;
        await report.check(title, [failingDisk(kind)], async () => {
          const rounds = new Rounds(workshop, runtime, kind, random(seed ^ i));
          try {
            return await rounds.run(way);
          } finally {
            await rounds.end();
          }
        });
      }
    }
  }
}

/** Rounds on one disk, for as long as its file system can be used. */
class Rounds {
  readonly #workshop: Workshop;
  readonly #runtime: Runtime;
  readonly #kind: Kind;
  readonly #draw: () => number;
  #made: FailingDisk | undefined;
  #logs = 0;

  constructor(workshop: Workshop, runtime: Runtime, kind: Kind, draw: () => number) {
    this.#workshop = workshop;
    this.#runtime = runtime;
    this.#kind = kind;
    this.#draw = draw;
  }

  /** Removes the disk. */
  async end(): Promise<void> {
    await this.#made?.remove();
    this.#made = undefined;
  }

  get #disk(): FailingDisk {
    if (this.#made === undefined) throw new TypeError("There is no disk");
    return this.#made;
  }

  /** Failed writes with each end, and a failed flush; what was found, if nothing is wrong. */
  async run(way: Way): Promise<string> {
    const findings: Finding[] = [];
    for (const end of ENDS) findings.push(await this.#untilHit(way, end, "write"));
    findings.push(await this.#untilHit(way, "reopen", "flush"));
    const wrong = findings.flatMap((finding) => finding.wrong ?? []);
    const told = findings.filter(({ isTold }) => isTold).length;
    const what = `${findings.length} failures, ${told} told`;
    if (wrong.length > 0) throw new BrokenPromise(`${what}; ${wrong.join("; ")}`);
    return `${what}, nothing acknowledged is missing`;
  }

  async #untilHit(way: Way, end: End, failure: Failure): Promise<Finding> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      this.#made ??= await FailingDisk.make(this.#workshop, this.#kind);
      const finding = await this.#round(way, end, failure);
      if (finding !== undefined) return finding;
    }
    throw new Error(`the disk was never asked for what it refused (${failure})`);
  }

  /** Nothing if the disk was not asked for what it refused. */
  async #round(way: Way, end: End, failure: Failure): Promise<Finding | undefined> {
    const { mount } = this.#disk;
    // A folder for each log makes room for the next.
    const folder = join(mount.folder, String(++this.#logs));
    const path = join(folder, "a.wal");
    const open = { do: "open", path, segmentSize: way.segmentSize } as const;
    const promise = new Acknowledged();
    const last = join(mount.folder, String(this.#logs - 1));
    if (!removes(last)) {
      await this.end();
      return undefined;
    }
    // What the file system has to write of its own is not to meet the failure.
    run("sync", "--file-system", mount.folder);
    let remote = new RemoteLog(this.#workshop, this.#runtime);
    let isCut = false;
    const make = async (call: SingleCommand): Promise<void> => {
      promise.note(call, (await remote.try(call)).refused);
    };
    try {
      await remote.do(open);
      await make({ do: "appendAndSync", id: 1, size: 100 });
      const before = this.#disk.refused;
      const { outcomes, view } = await this.#failDuring(remote, way.calls, failure);
      if (this.#disk.refused === before) return undefined;
      for (const [i, call] of way.calls.entries()) promise.note(call, outcomes[i]?.refused);
      promise.reaches(view?.durableIndex ?? 0);
      if (view !== undefined && end === "append and reopen") {
        await make({ do: "append", id: 100, size: 100 });
      }
      if (view !== undefined && end === "close") await make({ do: "close" });
      let returned: Contents | undefined;
      if (end.endsWith("reopen")) {
        await remote.end();
        remote = new RemoteLog(this.#workshop, this.#runtime);
        const { refused } = await remote.try(open);
        // A file system that has lost metadata refuses everything until it is mounted again.
        if (refused === undefined) returned = await remote.read();
        else if (refused.cause !== "EIO") throw new BrokenPromise(refused.message);
      }
      await remote.end();
      await mount.cutPower();
      isCut = true;
      remote = new RemoteLog(this.#workshop, this.#runtime);
      await remote.do(open);
      const now = await remote.read();
      promise.judge(now);
      if (returned !== undefined && !isDeepStrictEqual(now, returned)) {
        const [before, after] = [returned, now].map(({ entries }) => entries.length);
        throw new BrokenPromise(`the next open returned ${before} entries, ${after} are there`);
      }
      return { isTold: promise.isTold, wrong: undefined };
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      const wrong = `${failure}, ${end}, ${promise.count} promised: ${error.message}`;
      return { isTold: promise.isTold, wrong };
    } finally {
      this.#disk.heal();
      this.#disk.release();
      await remote.end();
      // Whatever has become of the file system, the next round finds one that works.
      if (!isCut) await mount.cutPower();
    }
  }

  /**
   * Has calls made of a disk that fails: from before them on, or when all wait for it; until they have
   * ended, or for a shorter while.
   */
  async #failDuring(
    remote: RemoteLog,
    commands: readonly SingleCommand[],
    failure: Failure,
  ): Promise<Outcome> {
    const isHeld = failure === "write" && this.#draw() < 0.75;
    const length = failure === "flush" || this.#draw() < 0.4 ? MAX_MS : 20 + this.#draw() * 400;
    if (isHeld) this.#disk.hold();
    else this.#disk.fail(failure);
    const running = remote.try({ do: "overlap", commands });
    if (isHeld) {
      const end = Date.now() + MAX_MS;
      while (!this.#disk.isWaitedFor && Date.now() < end) await sleep(10);
      // The calls after the first that waits.
      await sleep(this.#draw() * HOLD_MS);
      this.#disk.fail(failure);
      this.#disk.release();
    }
    await Promise.race([sleep(length), running]);
    this.#disk.heal();
    return await running;
  }
}

/**
 * Removes a folder; false if the file system has lost what it knew of it. A write of its own that met a
 * failure has that effect, also after the log in the folder was judged.
 */
function removes(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (error instanceof Error && /EIO|EUCLEAN|Input\/output error/.test(error.message)) {
      return false;
    }
    throw error;
  }
}

/** What the calls that were made promise to be on the disk. */
class Acknowledged {
  readonly #entries: string[] = [];
  #count = 0;
  #isTold = false;

  /** Whether a caller got the failure. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** How many entries are promised. */
  get count(): number {
    return this.#count;
  }

  /** A call was made, after all that were noted before. */
  note(call: SingleCommand, refused: Refusal | undefined): void {
    if (isEnd(refused)) this.#isTold = true;
    // What a refused call leaves is unknown: its entry may be there, and what it cuts may be gone.
    if (call.do === "truncateFrom") this.#entries.length = call.index - 1;
    if (call.do === "appendAndSync" || (call.do === "append" && refused === undefined)) {
      this.#entries.push(remoteDigest(call.id, 0, call.size));
    }
    // Once a caller was told, close has nothing to promise.
    const isPromise = call.do === "close" ? !this.#isTold : PROMISES.has(call.do);
    if (refused === undefined && isPromise) this.#count = this.#entries.length;
    this.#count = Math.min(this.#count, this.#entries.length);
  }

  /** The handle has said that all up to an index is durable. */
  reaches(durableIndex: number): void {
    this.#count = Math.max(this.#count, durableIndex);
  }

  /** @throws {BrokenPromise} If something is not there. */
  judge(contents: Contents): void {
    const missing = this.#entries.slice(0, this.#count)
      .findIndex((entry, i) => entry !== contents.entries[i]);
    if (missing >= 0) throw new BrokenPromise(`entry ${missing + 1} is missing`);
  }
}

/** The calls after which all entries are durable that were appended before. */
const PROMISES: ReadonlySet<SingleCommand["do"]> = new Set([
  "appendAndSync",
  "syncBlocking",
  "truncateFrom",
]);

function appends(id: number, count: number, size: number): SingleCommand[] {
  return Array.from({ length: count }, (_, i) => ({ do: "append", id: id + i, size }));
}
