/**
 * The names that a log can have: all names of its files can be made from them, in any script.
 *
 * @module
 */
import { test } from "node:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type FileHandle, FileSystemError, type OpenMode, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { bytes, KNOWN_ENTRIES, KNOWN_V1, text, withLog } from "../../kit/logs.ts";
import { withFolder } from "../../kit/temporary.ts";

/** The longest name that the log makes has so many bytes more than its own. */
const ADDED = 46;

/** What a file system allows in a name, in bytes. */
const LIMIT = 255;

const sizeOf = (name: string): number => bytes(name).length;

/** Does with a log all that makes files: rolls, state, truncations, a recovery that sets bytes aside. */
async function useAll(path: string): Promise<void> {
  await withLog(path, { segmentSize: 256 }, async (log) => {
    for (let i = 1; i <= 6; i++) log.append(bytes(`${i}`.repeat(100)));
    await log.setState(bytes("state"));
    await log.truncateBeforeIndex(2);
    await log.truncateFromIndex(5);
  });
  const name = readdirSync(dirname(path)).filter((file) => /\.\d{20}$/.test(file)).sort().at(-1);
  assert(name !== undefined);
  const last = join(dirname(path), name);
  // Whole frames after a damaged place that no Durable frame covers.
  const entry = KNOWN_V1.subarray(8);
  writeFileSync(
    last,
    new Uint8Array([...readFileSync(last), 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, ...entry]),
  );
  await withLog(path, {}, (log) => {
    assertEquals(log.recovery.case, "D");
    assertEquals([log.firstIndex, log.lastIndex, text(log.state)], [2, 4, "state"]);
  });
  await withLog(path, { readOnly: true }, (log) => assertEquals(log.lastIndex, 4));
}

test("a name of any length either has room for all names of the log's, or is refused", async () => {
  const lengths = [1, 100, ...range(205, 213), ...range(230, 256), 1000];
  for (const length of lengths) {
    await withFolder(async (folder) => {
      const path = join(folder, "x".repeat(length));
      if (length <= LIMIT - ADDED) return await useAll(path);
      const error = await assertRejects(() => Wal.open(path), WalError);
      assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT", `${length}: ${error.message}`);
      assertStringIncludes(error.message, `${length} bytes`);
      assertStringIncludes(error.message, `${LIMIT - ADDED}`);
      assertEquals(readdirSync(folder), [], "nothing was made");
    });
  }
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test("the bytes of a name count, not its characters", async () => {
  for (const letter of ["é", "e\u0301", "語", "😀"]) {
    const most = Math.floor((LIMIT - ADDED) / sizeOf(letter));
    await withFolder(async (folder) => {
      await useAll(join(folder, letter.repeat(most)));
    });
    await withFolder(async (folder) => {
      const name = letter.repeat(most + 1);
      const error = await assertRejects(() => Wal.open(join(folder, name)), WalError);
      assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
      assertStringIncludes(error.message, `${sizeOf(name)} bytes`);
    });
  }
});

test("unusual names work, and two that only look the same are two logs", async () => {
  const names = [
    "a b",
    " a",
    "a ",
    "a.",
    "...",
    "a\nb",
    "a\tb",
    'a"b',
    "a'b",
    "$(a)",
    "*?[a]",
    "-n",
    "é",
    "日本",
    "😀",
    "\u202ea",
    "a%00b",
    "CON",
  ];
  if (process.platform === "win32") return;
  await withFolder(async (folder) => {
    for (const name of names) {
      const own = join(folder, `in ${names.indexOf(name)}`);
      mkdirSync(own);
      await useAll(join(own, name));
      assert(readdirSync(own).every((file) => file.startsWith(name)), name);
    }
    if (process.platform !== "linux") return;
    await withLog(join(folder, "\u00e9"), {}, (log) => void log.append(bytes("composed")));
    await withLog(join(folder, "e\u0301"), {}, (log) => assertEquals(log.lastIndex, 0));
  });
});

test("a path near the system's limit works, or is refused before anything is made", async () => {
  if (process.platform !== "linux") return;
  await withFolder(async (folder) => {
    // The system's limit counts a zero at the end, too.
    const limit = 4095;
    let base = `${folder}/`;
    for (let left; (left = limit - 200 - base.length) > 0;) {
      base += `${"d".repeat(left > 250 ? 120 : left - 1)}/`;
    }
    mkdirSync(base, { recursive: true });
    for (const rest of [100, ...range(200 - ADDED - 2, 200 - ADDED + 2), 199, 200, 201, 250]) {
      const path = base + "x".repeat(rest);
      if (path.length + ADDED <= limit) {
        await withLog(path, {}, (log) => void log.append(bytes("a")));
        continue;
      }
      const before = readdirSync(base);
      const error = await assertRejects(() => Wal.open(path), WalError);
      assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT", `${rest}`);
      assertEquals(readdirSync(base), before);
    }
    assertEquals(readdirSync(base).filter((name) => /^x+$/.test(name)).length, 4);
    const deep = `${base}${"f".repeat(180)}`;
    mkdirSync(deep);
    const error = await assertRejects(() => Wal.open(`${deep}/a`), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
    assertStringIncludes(error.message, "another directory");
  });
});

test("a log under a name that is too long is read, and the error says to rename it", async () => {
  await withFolder(async (folder) => {
    for (const length of [210, 240, 250, 251, 255]) {
      const path = join(folder, "x".repeat(length));
      writeFileSync(path, KNOWN_V1);
      const error = await assertRejects(() => Wal.open(path), WalError);
      assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
      assertStringIncludes(error.message, "rename");
      assertEquals(new Uint8Array(readFileSync(path)), KNOWN_V1);
      await withLog(path, { readOnly: true }, (log) => {
        assertEquals(log.readAll(), [...KNOWN_ENTRIES]);
      });
      renameSync(path, join(folder, "short"));
      await withLog(join(folder, "short"), {}, (log) => assertEquals(log.append(bytes("a")), 4));
    }
  });
});

/** Files in memory with names of at most 143 bytes, as on eCryptfs. */
class ShortNames extends MemoryFileSystem {
  #require(path: string): void {
    // Where there is no such directory, no name is looked at in it.
    const isLookedAt = dirname(path) === "." || super.identify(dirname(path)) !== undefined;
    if (!isLookedAt || sizeOf(basename(path)) <= 143) return;
    throw new FileSystemError("ENAMETOOLONG", "Find", path);
  }

  override open(path: string, mode: OpenMode): FileHandle {
    this.#require(path);
    return super.open(path, mode);
  }

  override identify(path: string): string | undefined {
    this.#require(path);
    return super.identify(path);
  }
}

test("the limit is the file system's own, also in a directory that is yet to be made", async () => {
  const fileSystem = new ShortNames();
  await withLog(`d/${"x".repeat(143 - ADDED)}`, { fileSystem }, (log) => {
    assertEquals(log.append(bytes("a")), 1);
  });
  for (const length of [143 - ADDED + 1, 143, 200]) {
    const path = `e/${"x".repeat(length)}`;
    const error = await assertRejects(() => Wal.open(path, { fileSystem }), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
    assertStringIncludes(error.message, `${143 - ADDED}`);
  }
});
