/**
 * Every call of a file system fails once, under every call of a log, of a Raft node's storage and of
 * a reader: what comes out is a `WalError`, and nothing stays open.
 *
 * @module
 */
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import {
  type FileSystem,
  type FileSystemErrorCode,
  Wal,
  WalError,
  type WalOptions,
} from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { RaftStorage } from "../src/raft/raft.ts";
import { bytes, readFile, writeFile } from "../kit/logs.ts";
import { EveryCall } from "./support/every_call.ts";
import { like } from "../kit/like.ts";
import { ROOT } from "../kit/runtime.ts";

const OPTIONS: WalOptions = { segmentSize: 256 };

/** Files in memory that can be watched, and never tell. */
function watched(under: FileSystem): FileSystem {
  return like(under, { watch: () => () => {} });
}

const DOCUMENT = readFileSync(join(ROOT, "docs/errors.md"), "utf8").replaceAll("\r\n", "\n");

/** What the document says on which calls a call rests; the calls of a log on themselves. */
const RESTS: ReadonlyMap<string, readonly string[]> = new Map(
  Array.from(
    DOCUMENT.matchAll(/^\| (`[^|]*) +\| ([^|]*`[^|]*) +\|$/gm),
    ([, calls, on]) => namesIn(calls).map((call) => [call, namesIn(on)] as const),
  ).flat(),
);

/** The names of calls in a text. */
function namesIn(text = ""): string[] {
  return Array.from(text.matchAll(/`(?:Wal\.)?(\w+)`/g), (match) => match[1] as string);
}

/** Whether the section of a code names a call, or one on which a call of `RaftStorage` rests. */
function isDocumented(call: string, code: string): boolean {
  const start = DOCUMENT.indexOf(`\n## ${code}\n`);
  const section = DOCUMENT.slice(start, DOCUMENT.indexOf("\n## ", start + 1));
  const named = new Set(namesIn(section));
  for (const name of section.includes("…AndSync") ? [...named] : []) named.add(`${name}AndSync`);
  const isOfAll = /later call that writes|From `RaftStorage`/.test(section);
  return isOfAll || [call, ...RESTS.get(call) ?? []].some((name) => named.has(name));
}

/** What became of a program. */
interface Told {
  /** What its calls threw, as "call code". */
  readonly errors: string[];
}

/** Makes the calls of one program; notes what each throws, and continues. */
class Caller {
  readonly errors: string[] = [];

  async do<T>(name: string, call: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      // An AssertionError of ours would pass for a defect of the log's.
      assert(error instanceof WalError, `${name} threw ${describe(error)}`);
      this.errors.push(`${name} ${error.code}`);
      assert(isDocumented(name, error.code), `docs/errors.md: ${error.code} names no ${name}`);
      return undefined;
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.stack}` : String(error);
}

/** A program that uses files, and what is there when it begins. */
interface Program {
  readonly name: string;
  prepare(fileSystem: MemoryFileSystem): Promise<void>;
  run(fileSystem: FileSystem, caller: Caller): Promise<void>;
}

async function collect(entries: AsyncIterable<unknown>, count: number): Promise<void> {
  for await (const _ of entries) if (--count === 0) return;
}

const nothing = (): Promise<void> => Promise.resolve();

async function makeLog(fileSystem: FileSystem): Promise<void> {
  const log = await Wal.open("data/a.wal", { ...OPTIONS, fileSystem });
  for (let i = 1; i <= 12; i++) await log.appendAndSync(bytes(`entry ${i} of the log`));
  log.appendBatch([bytes("one"), bytes("two")]);
  await log.setState(bytes("state"));
  await log.truncateBeforeIndex(4);
  await log.close();
}

/** Leaves the log as a writer does that was killed. */
async function makeKilled(fileSystem: MemoryFileSystem): Promise<void> {
  await makeLog(fileSystem);
  const log = await Wal.open("data/a.wal", { ...OPTIONS, fileSystem });
  await log.appendAndSync(bytes("synced"));
  log.append(bytes("never synced"));
  const files = fileSystem.list("data").filter((name) => name !== "a.wal.lock")
    .map((name) => [`data/${name}`, readFile(fileSystem, `data/${name}`)] as const);
  await log.close();
  for (const [path, content] of files) writeFile(fileSystem, path, content);
  const [last] = files.map(([path]) => path).filter((path) => /\d$/.test(path)).toSorted().slice(
    -1,
  );
  const torn = fileSystem.open(last ?? "", "write");
  torn.write(bytes("\x01torn"), torn.size());
  torn.close();
}

const PROGRAMS: readonly Program[] = [
  {
    name: "a writer of a new log",
    prepare: nothing,
    async run(fileSystem, caller) {
      const log = await caller.do("open", () => Wal.open("data/a.wal", { ...OPTIONS, fileSystem }));
      if (log === undefined) return;
      for (let i = 0; i < 6; i++) {
        await caller.do("append", () => log.append(bytes(`entry ${i} of the log`)));
        await caller.do("appendAndSync", () => log.appendAndSync(bytes(`entry ${i} of the log`)));
      }
      await caller.do("appendBatch", () => log.appendBatch([bytes("one"), bytes("two")]));
      await caller.do("appendBatchAndSync", () => log.appendBatchAndSync([bytes("3"), bytes("4")]));
      await caller.do("append", () => log.append(bytes("more")));
      await caller.do("syncBlocking", () => log.syncBlocking());
      await caller.do("append", () => log.append(bytes("more")));
      await caller.do("sync", () => log.sync());
      await caller.do("getEntry", () => log.getEntry(log.firstIndex));
      await caller.do("readAll", () => log.readAll());
      await caller.do("entries", () => [...log.entries({ from: 2 })]);
      await caller.do("replay", () => log.replay(() => {}));
      await caller.do("follow", () => collect(log.follow({ durable: false }), 3));
      await caller.do("setState", () => log.setState(bytes("state")));
      await caller.do("truncateBeforeIndex", () => log.truncateBeforeIndex(5));
      await caller.do("truncateFromIndex", () => log.truncateFromIndex(log.lastIndex - 4));
      await caller.do("stats", () => [log.stats(), log.byteLength, log.lastIndex, log.state]);
      await caller.do("truncateBeforeIndex", () => log.truncateBeforeIndex(log.lastIndex + 1));
      await caller.do("appendAndSync", () => log.appendAndSync(bytes("next")));
      await caller.do("reset", () => log.reset(100));
      await caller.do("appendAndSync", () => log.appendAndSync(bytes("next")));
      await caller.do("reset", () => log.reset(1));
      await caller.do("append", () => log.append(bytes("last")));
      await caller.do("close", () => log.close());
    },
  },
  {
    name: "a writer of a log whose writer was killed",
    prepare: makeKilled,
    async run(fileSystem, caller) {
      const log = await caller.do("open", () => Wal.open("data/a.wal", { ...OPTIONS, fileSystem }));
      if (log === undefined) return;
      await caller.do("readAll", () => log.readAll());
      await caller.do("truncateFromIndex", () => log.truncateFromIndex(7));
      await caller.do("appendAndSync", () => log.appendAndSync(bytes("next")));
      await caller.do("close", () => log.close());
    },
  },
  {
    name: "a reader",
    prepare: makeKilled,
    async run(fileSystem, caller) {
      const options = { ...OPTIONS, fileSystem, readOnly: true };
      const log = await caller.do("open", () => Wal.open("data/a.wal", options));
      if (log === undefined) return;
      await caller.do("getEntry", () => log.getEntry(5));
      await caller.do("readAll", () => log.readAll());
      await caller.do("refresh", () => log.refresh());
      await caller.do("follow", () => collect(log.follow(), 5));
      await caller.do("entries", () => [...log.entries()]);
      await caller.do("close", () => log.close());
    },
  },
  {
    name: "a Raft node",
    prepare: nothing,
    async run(fileSystem, caller) {
      const options = { ...OPTIONS, fileSystem };
      for (let round = 1; round <= 2; round++) {
        const storage = await caller.do("open", () => RaftStorage.open("data/raft.wal", options));
        if (storage === undefined) return;
        const entry = { term: round, data: bytes("a command of the node") };
        const hard = { term: round, votedFor: "a" };
        await caller.do("setHardState", () => storage.setHardState(hard));
        for (let i = 0; i < 4; i++) await caller.do("append", () => storage.append([entry, entry]));
        const { lastIndex } = storage;
        const term = await caller.do("term", () => storage.term(lastIndex)) ?? 0;
        const others = [{ ...entry, term: round }];
        const before = Math.max(lastIndex - 2, 0);
        await caller.do("appendFromLeader", () => storage.appendFromLeader(before, term, others));
        await caller.do("entries", () => [...storage.entries()]);
        await caller.do("entry", () => storage.entry(storage.lastIndex));
        await caller.do("compact", () => storage.compact(storage.lastIndex - 1));
        const snapshot = { index: storage.lastIndex + 10, term: round };
        await caller.do("installSnapshot", () => storage.installSnapshot(snapshot));
        await caller.do("sync", () => storage.sync());
        await caller.do("close", () => storage.close());
      }
    },
  },
];

/** Runs a program with one failing call after some that go well; undefined once there are no more. */
async function failAt(
  program: Program,
  code: FileSystemErrorCode,
  after: number,
  times: number,
): Promise<Told | undefined> {
  const disk = new MemoryFileSystem();
  await program.prepare(disk);
  const every = new EveryCall(watched(disk), code, after, times);
  const caller = new Caller();
  await program.run(every.fileSystem, caller);
  if (!every.hasFailed) {
    assertEquals(caller.errors, [], "without a failure nothing fails");
    return undefined;
  }
  const where = `${code} from "${every.calls[after]}", call ${after}; ${caller.errors}`;
  assertEquals([...every.open], [], where);
  return caller;
}

for (const program of PROGRAMS) {
  for (const [code, times] of [["EIO", 1], ["EMFILE", 3], ["EACCES", 1], ["ENOENT", 1]] as const) {
    test(`${program.name}: ${code} from any call is a WalError, and leaves nothing open`, {
      timeout: 120_000,
    }, async () => {
      let after = 0;
      try {
        while (await failAt(program, code, after, times) !== undefined) after++;
      } catch (error) {
        throw new Error(`After ${after} calls: ${describe(error)}`, { cause: error });
      }
      assert(after > 20, `${after} calls`);
    });
  }
}
