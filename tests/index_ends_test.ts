/**
 * The largest index: every call that takes or reaches one, and every file that names one, at its end.
 *
 * @module
 */
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { join } from "node:path";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type FileSystem, Wal, WalError, type WalErrorCode } from "../mod.ts";
import { RaftStorage } from "../src/raft/raft.ts";
import { MAX_INDEX, MAX_SEQUENCE } from "../src/format/limits.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { defaultFileSystem } from "../src/fs/runtime.ts";
import { spawnSync } from "../kit/child.ts";
import { bytes, random, readFile, text, toHex, withLog, writeFile } from "../kit/logs.ts";
import { command, ROOT } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

const END: WalErrorCode = "ERR_WAL_INDEX_OUT_OF_RANGE";

function refused(call: () => unknown, code: WalErrorCode = END): WalError {
  const error = assertThrows(call, WalError);
  assertEquals(error.code, code);
  return error;
}

async function rejected(
  call: () => Promise<unknown>,
  code: WalErrorCode = END,
): Promise<WalError> {
  const error = await assertRejects(call, WalError);
  assertEquals(error.code, code);
  return error;
}

/** Runs `body` on files in memory and on real ones. */
async function onBoth(
  body: (fileSystem: FileSystem, path: string) => Promise<void>,
): Promise<void> {
  await body(new MemoryFileSystem(), "a.wal");
  const real = await defaultFileSystem();
  await withFolder((folder) => body(real, join(folder, "a.wal")));
}

/** The whole of a log, in one value. */
function shown(log: Wal): unknown {
  const entries = Array.from(log.entries(), ({ index, data }) => [index, text(data)]);
  return [log.firstIndex, log.lastIndex, entries];
}

test("the largest index, and the one after it, are exact", () => {
  assertEquals(BigInt(MAX_INDEX) + 1n, BigInt(MAX_INDEX + 1));
  assert(Number.isSafeInteger(MAX_INDEX + 1));
  assert(!Number.isSafeInteger(MAX_INDEX + 2), "no larger one would do");
});

test("a reset at each index near the end: appended, read, rolled, cut and reopened", async () => {
  await onBoth(async (fileSystem, path) => {
    const options = { fileSystem, segmentSize: 256 };
    for (let first = MAX_INDEX - 3; first <= MAX_INDEX; first++) {
      await withLog(path, options, async (log) => {
        await log.reset(first);
        for (let index = first; index <= MAX_INDEX; index++) {
          assertEquals(log.append(bytes(`${index}`.padEnd(120))), index);
        }
        await log.sync();
        assertStringIncludes(refused(() => log.append(bytes("x"))).message, `${MAX_INDEX}`);
        await rejected(() => log.appendAndSync(bytes("x")));
        refused(() => log.appendBatch([bytes("x"), bytes("y")]));
        await rejected(() => log.appendBatchAndSync([bytes("x")]));
        assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [
          first,
          MAX_INDEX,
          MAX_INDEX,
        ]);
      });
      const before = await withLog(path, options, shown);
      await withLog(path, { ...options, readOnly: true }, (log) => {
        assertEquals(shown(log), before);
        assertEquals(text(log.getEntry(MAX_INDEX)).trim(), `${MAX_INDEX}`);
        refused(() => log.getEntry(MAX_INDEX + 1));
        assertEquals([...log.entries({ from: MAX_INDEX + 1 })], []);
        refused(() => log.entries({ from: MAX_INDEX + 2 }));
        refused(() => log.entries({ to: MAX_INDEX + 1 }));
        refused(() => log.follow({ from: MAX_INDEX + 2 }));
      });
      await withLog(path, options, async (log) => {
        await log.truncateFromIndex(MAX_INDEX);
        assertEquals(log.append(bytes("again")), MAX_INDEX);
        refused(() => log.append(bytes("x")));
      });
      // Dropping all leaves an empty log that begins after the largest index, and stays usable.
      await withLog(path, options, async (log) => {
        await rejected(() => log.truncateBeforeIndex(MAX_INDEX + 2));
        await log.truncateBeforeIndex(MAX_INDEX + 1);
        assertEquals([log.firstIndex, log.lastIndex], [MAX_INDEX + 1, MAX_INDEX]);
        await log.setState(bytes("state"));
      });
      await withLog(path, options, async (log) => {
        assertEquals([log.firstIndex, log.lastIndex], [MAX_INDEX + 1, MAX_INDEX]);
        assertEquals(text(log.state), "state");
        refused(() => log.append(bytes("x")));
        await log.reset(1);
        assertEquals(log.append(bytes("one")), 1);
      });
    }
  });
});

test("a reset beyond the largest index is refused, and the log is as it was", async () => {
  await onBoth(async (fileSystem, path) => {
    await withLog(path, { fileSystem }, async (log) => {
      log.append(bytes("a"));
      for (const index of [MAX_INDEX + 1, MAX_INDEX + 2, 2 ** 53, 2 ** 64, Infinity]) {
        assertStringIncludes((await rejected(() => log.reset(index))).message, `${MAX_INDEX}`);
      }
      assertEquals(shown(log), [1, 1, [[1, "a"]]]);
    });
    await withLog(path, { fileSystem }, (log) => assertEquals(shown(log), [1, 1, [[1, "a"]]]));
  });
});

test("a batch that would pass the end is refused whole; of those that wait, each has its own answer", async () => {
  await onBoth(async (fileSystem, path) => {
    await withLog(path, { fileSystem }, async (log) => {
      await log.reset(MAX_INDEX - 1);
      const size = log.byteLength;
      refused(() => log.appendBatch(["a", "b", "c"].map(bytes)));
      await rejected(() => log.appendBatchAndSync(["a", "b", "c"].map(bytes)));
      assertEquals([log.lastIndex, log.byteLength], [MAX_INDEX - 2, size]);
      const answers = await Promise.allSettled(
        ["a", "b", "c", "d"].map((word) => log.appendAndSync(bytes(word))),
      );
      assertEquals(answers.map(({ status }) => status), [
        "fulfilled",
        "fulfilled",
        "rejected",
        "rejected",
      ]);
      for (const answer of answers.slice(2)) {
        assertEquals((answer as PromiseRejectedResult).reason.code, END);
      }
      assertEquals(shown(log), [MAX_INDEX - 1, MAX_INDEX, [[MAX_INDEX - 1, "a"], [
        MAX_INDEX,
        "b",
      ]]]);
    });
    await withLog(path, { fileSystem }, async (log) => {
      await log.truncateFromIndex(MAX_INDEX - 1);
      assertEquals(log.appendBatch(["a", "b"].map(bytes)), {
        firstIndex: MAX_INDEX - 1,
        lastIndex: MAX_INDEX,
      });
    });
  });
});

test("any walk of calls near the end never gives an index twice, and each reopen agrees", async () => {
  await onBoth(async (fileSystem, path) => {
    for (let seed = 1; seed <= 12; seed++) {
      const next = random(seed);
      let expected: [number, string][] = [];
      let last = 0;
      for (let round = 0; round < 4; round++) {
        await withLog(path, { fileSystem, segmentSize: 256 }, async (log) => {
          if (round === 0) {
            last = MAX_INDEX - Math.floor(next() * 5);
            await log.reset(last--);
            expected = [];
          }
          assertEquals(shown(log), [last + 1 - expected.length, last, expected]);
          for (let step = 0; step < 8; step++) {
            const count = 1 + Math.floor(next() * 3);
            const words = Array.from({ length: count }, () => `${next()}`.padEnd(20));
            const kind = Math.floor(next() * 4);
            if (kind === 0 && expected.length > 0) {
              await log.truncateFromIndex(last--);
              expected.pop();
            } else if (kind === 1 && expected.length > 0) {
              await log.truncateBeforeIndex(log.firstIndex + 1);
              expected.shift();
            } else if (count > MAX_INDEX - last) {
              refused(() => log.appendBatch(words.map(bytes)));
            } else {
              const range = log.appendBatch(words.map(bytes));
              assertEquals(range, { firstIndex: last + 1, lastIndex: last + count });
              for (const word of words) expected.push([++last, word]);
            }
          }
        });
      }
    }
  });
});

test("a follower reaches the last entry and waits there", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem }, async (log) => {
    await log.reset(MAX_INDEX - 1);
    await log.appendBatchAndSync(["a", "b"].map(bytes));
    for await (const { index } of log.follow()) if (index === MAX_INDEX) break;
    for (const from of [MAX_INDEX, MAX_INDEX + 1]) {
      const enough = new AbortController();
      const follower = log.follow({ from, signal: enough.signal });
      if (from === MAX_INDEX) assertEquals((await follower.next()).value?.index, MAX_INDEX);
      const next = follower.next();
      enough.abort("enough");
      assertEquals(await next.catch((reason: unknown) => reason), "enough");
    }
  });
});

/** Replaces a frame's or slot's u64 and computes its checksum again. */
function withNumber(
  content: Uint8Array,
  at: number,
  value: bigint,
  from: number,
  to: number,
  checksumAt: number,
): Uint8Array {
  const changed = content.slice();
  const view = new DataView(changed.buffer);
  view.setBigUint64(at, value);
  const covered = changed.slice(from, to);
  const parts = checksumAt < to && checksumAt >= from
    ? [covered.slice(0, checksumAt - from), covered.slice(checksumAt - from + 4)]
    : [covered];
  view.setUint32(checksumAt, parts.reduce((sum, part) => crc32(part, sum), 0));
  return changed;
}

/** All files, by name. */
function filesOf(fileSystem: MemoryFileSystem): Record<string, string> {
  return Object.fromEntries(
    fileSystem.list(".").sort().map((name) => [name, toHex(readFile(fileSystem, name))]),
  );
}

async function assertRefused(
  fileSystem: MemoryFileSystem,
  code: WalErrorCode,
  name: string,
): Promise<void> {
  const before = filesOf(fileSystem);
  for (const readOnly of [true, false]) {
    const error = await rejected(() => Wal.open("a.wal", { fileSystem, readOnly }), code);
    assertStringIncludes(error.message, `"${name}"`);
  }
  assertEquals(filesOf(fileSystem), before, "nothing was changed");
}

const SEGMENT_FRAME: [number, number, number] = [8, 8 + 9 + 37, 8 + 5];

test("a segment that holds more entries than there are indexes is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem }, async (log) => {
    await log.reset(MAX_INDEX - 2);
    for (const word of ["a", "b", "c"]) log.append(bytes(word));
  });
  const digits = (index: number | bigint): string => `a.wal.${`${index}`.padStart(20, "0")}`;
  const segment = readFile(fileSystem, digits(MAX_INDEX - 2));
  fileSystem.remove(digits(MAX_INDEX - 2));
  fileSystem.remove("a.wal.meta");
  for (const first of [MAX_INDEX - 1, MAX_INDEX, MAX_INDEX + 1]) {
    // With the Durable frame of another segment gone, too, all entries still stand.
    const changed = withNumber(segment, 8 + 9 + 9, BigInt(first), ...SEGMENT_FRAME);
    writeFile(fileSystem, digits(first), changed);
    await assertRefused(fileSystem, "ERR_WAL_FORMAT", digits(first));
    fileSystem.remove(digits(first));
  }
});

test("a file whose name is an index beyond the end is refused; what is no u64 is no segment", async () => {
  for (const index of [BigInt(MAX_INDEX) + 2n, BigInt(MAX_INDEX) + 3n, 2n ** 63n, 2n ** 64n - 1n]) {
    const fileSystem = new MemoryFileSystem();
    await withLog("a.wal", { fileSystem }, (log) => void log.append(bytes("a")));
    const name = `a.wal.${`${index}`.padStart(20, "0")}`;
    writeFile(fileSystem, name, readFile(fileSystem, "a.wal"));
    await assertRefused(fileSystem, "ERR_WAL_FORMAT", name);
  }
  for (
    const name of ["a.wal.20261127142919123456", `a.wal.${2n ** 64n}`, `a.wal.${"0".repeat(20)}`]
  ) {
    const fileSystem = new MemoryFileSystem();
    await withLog("a.wal", { fileSystem }, (log) => void log.append(bytes("a")));
    const copy = readFile(fileSystem, "a.wal");
    writeFile(fileSystem, name, copy);
    await withLog("a.wal", { fileSystem }, (log) => assertEquals(shown(log), [1, 1, [[1, "a"]]]));
    assertEquals(readFile(fileSystem, name), copy);
  }
});

test("a meta file whose numbers are beyond the end is refused; at the end it is not", async () => {
  const made = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem: made }, async (log) => {
    log.append(bytes("a"));
    await log.setState(bytes("abcd"));
  });
  const meta = readFile(made, "a.wal.meta");
  const log = readFile(made, "a.wal");
  const withMeta = (at: number, value: bigint): MemoryFileSystem => {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, "a.wal", log);
    const first = withNumber(meta, at, value, 0, 40, 40);
    first.copyWithin(65_536, 0, 44);
    writeFile(fileSystem, "a.wal.meta", first);
    return fileSystem;
  };
  for (const at of [16, 24]) {
    for (const value of [0n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      await assertRefused(withMeta(at, value), "ERR_WAL_CORRUPT", "a.wal.meta");
    }
  }
  // The head index beyond all entries: an empty log that begins there.
  const atEnd = withMeta(24, BigInt(MAX_INDEX) + 1n);
  await withLog("a.wal", { fileSystem: atEnd }, (log) => {
    assertEquals(shown(log), [MAX_INDEX + 1, MAX_INDEX, []]);
    refused(() => log.append(bytes("x")));
  });
  // The last update that can be counted.
  const counted = withMeta(16, BigInt(MAX_SEQUENCE) - 1n);
  await withLog("a.wal", { fileSystem: counted }, (log) => log.setState(bytes("last")));
  await withLog("a.wal", { fileSystem: counted }, async (log) => {
    assertEquals(text(log.state), "last");
    await rejected(() => log.setState(bytes("more")));
    await rejected(() => log.truncateBeforeIndex(2));
    await rejected(() => log.reset(7));
    assertEquals(text(log.state), "last");
    assertEquals(log.append(bytes("b")), 2, "the log can be used");
  });
  await withLog("a.wal", { fileSystem: counted }, (log) => {
    assertEquals(shown(log), [1, 2, [[1, "a"], [2, "b"]]]);
    assertEquals(text(log.state), "last");
  });
});

test("a redo file whose numbers are beyond the end is refused", async () => {
  for (const at of [8, 16, 24]) {
    for (const value of [2n ** 53n, 2n ** 64n - 1n]) {
      const fileSystem = new MemoryFileSystem();
      await withLog("a.wal", { fileSystem }, (log) => void log.append(bytes("a")));
      const redo = new Uint8Array(48);
      const view = new DataView(redo.buffer);
      view.setUint32(0, 0x5245444f);
      view.setUint32(4, 1);
      view.setBigUint64(8, 1n);
      view.setBigUint64(16, 54n);
      view.setBigUint64(at, value);
      view.setUint32(44, crc32(redo.subarray(0, 44)));
      writeFile(fileSystem, "a.wal.redo", redo);
      await assertRefused(fileSystem, "ERR_WAL_FORMAT", "a.wal.redo");
    }
  }
});

test("a Raft node's index and term end where they are exact", async () => {
  await onBoth(async (fileSystem, path) => {
    const data = bytes("x");
    const storage = await RaftStorage.open(path, { fileSystem });
    for (const index of [MAX_INDEX, MAX_INDEX + 1, 2 ** 53, Infinity]) {
      await rejected(
        () => storage.installSnapshot({ index, term: 1 }),
        "ERR_WAL_INVALID_ARGUMENT",
      );
    }
    for (const term of [2 ** 53, Infinity]) {
      await rejected(() => storage.append([{ term, data }]), "ERR_WAL_INVALID_ARGUMENT");
      await rejected(
        () => storage.setHardState({ term, votedFor: null }),
        "ERR_WAL_INVALID_ARGUMENT",
      );
      await rejected(
        () => storage.installSnapshot({ index: 5, term }),
        "ERR_WAL_INVALID_ARGUMENT",
      );
    }
    const term = 2 ** 53 - 1;
    assertEquals(await storage.installSnapshot({ index: MAX_INDEX - 2, term }), false);
    await storage.setHardState({ term, votedFor: null });
    await rejected(
      () => storage.appendFromLeader(MAX_INDEX - 2, term, [1, 2, 3].map(() => ({ term, data }))),
      "ERR_WAL_INVALID_ARGUMENT",
    );
    await rejected(
      () => storage.appendFromLeader(MAX_INDEX + 1, term, []),
      "ERR_WAL_INVALID_ARGUMENT",
    );
    await rejected(() => storage.append([1, 2, 3].map(() => ({ term, data }))));
    assertEquals(await storage.append([1, 2].map(() => ({ term, data }))), {
      firstIndex: MAX_INDEX - 1,
      lastIndex: MAX_INDEX,
    });
    await rejected(() => storage.append([{ term, data }]));
    await storage.compact(MAX_INDEX);
    await storage.close();
    const again = await RaftStorage.open(path, { fileSystem });
    assertEquals([again.firstIndex, again.lastIndex], [MAX_INDEX + 1, MAX_INDEX]);
    assertEquals(again.snapshot, { index: MAX_INDEX, term });
    assertEquals(again.hardState, { term, votedFor: null });
    await again.close();
  });
});

test("the command line keeps to the largest index", async () => {
  const wal = (input: string, ...args: string[]): { status: number | null; told: string } => {
    const { program, args: before } = command(join(ROOT, "src/cli/main.ts"), ...args);
    const { status, stdout, stderr } = spawnSync(program, before, { input, encoding: "utf8" });
    return { status, told: stdout + stderr };
  };
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, (log) => log.reset(MAX_INDEX));
    const appended = wal("one\ntwo\nthree\n", "append", path);
    assertEquals(appended.status, 1);
    assertStringIncludes(appended.told, `appended 1 entry: index ${MAX_INDEX}`);
    assertStringIncludes(appended.told, END);
    const last = wal("", "cat", path, "--json", "--from", `${MAX_INDEX}`);
    assertEquals([last.status, last.told], [0, `{"index":${MAX_INDEX},"text":"one"}\n`]);
    const beyond = wal("", "cat", path, "--from", `${BigInt(MAX_INDEX) + 2n}`);
    assertEquals(beyond.status, 2);
    assertStringIncludes(beyond.told, `--from must be at most ${MAX_INDEX + 1}`);
    assertEquals(wal("", "truncate", path, "--before", `${MAX_INDEX + 1}`).status, 0);
    assertEquals(wal("", "truncate", path, "--from", `${MAX_INDEX + 1}`).status, 1);
  });
  await withFolder((folder) => {
    const path = join(folder, "a.wal");
    const line = (index: bigint): string => `{"index":${index},"text":"a"}\n`;
    assertEquals(wal(line(BigInt(MAX_INDEX) + 1n), "import", path).status, 1);
    const taken = wal(line(BigInt(MAX_INDEX)), "import", path);
    assertStringIncludes(taken.told, `index ${MAX_INDEX}`);
  });
});
