/**
 * Files beside a log that have a name of the log's and are not its own: other logs, other programs'
 * files. They are named and left alone, whatever the ending.
 *
 * @module
 */
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Wal, WalError, type WalErrorCode, type WalOptions } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { bytes, readFile, text, toHex, withLog, writeFile } from "../../kit/logs.ts";
import { withFolder } from "../../kit/temporary.ts";

const LOG = "orders";
const numbered = (index: number): string => `${LOG}.${`${index}`.padStart(20, "0")}`;

function filesOf(fileSystem: MemoryFileSystem): Record<string, string> {
  return Object.fromEntries(
    fileSystem.list(".").sort().map((name) => [name, toHex(readFile(fileSystem, name))]),
  );
}

/** Opening the log is refused, the file is named, and no file is changed. */
async function assertLeftAlone(
  fileSystem: MemoryFileSystem,
  name: string,
  modes: readonly boolean[] = [false, true],
  code: WalErrorCode = "ERR_WAL_FORMAT",
): Promise<void> {
  const before = filesOf(fileSystem);
  for (const readOnly of modes) {
    const options: WalOptions = { fileSystem, readOnly };
    const error = await assertRejects(() => Wal.open(LOG, options), WalError);
    assertEquals([error.code, filesOf(fileSystem)], [code, before], `${name}: ${error.message}`);
    assertStringIncludes(error.message, `"${name}"`);
  }
}

/** A log with the entries "a" to "c" in segments of their own. The first are dropped. */
async function logFrom(first: number): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await withLog(LOG, { fileSystem, segmentSize: 256 }, async (log) => {
    for (const word of ["a", "b", "c"]) log.append(bytes(word.repeat(150)));
    if (first > 1) await log.truncateBeforeIndex(first);
  });
  return fileSystem;
}

/** What somebody may have put there. */
const FOREIGN: Readonly<Record<string, Uint8Array>> = {
  text: bytes("to do: buy milk\n"),
  "a long text": bytes("to do: buy milk\n".repeat(10_000)),
  "a text that begins alike": bytes("REDO the kitchen. META: none. WAL! no."),
  "another that begins alike": bytes("METAL! REDO"),
  "one byte": bytes("x"),
  "a later version of a redo file": new Uint8Array([0x52, 0x45, 0x44, 0x4f, 0, 0, 0, 2, 1, 2, 3]),
  "a later version of a meta file": new Uint8Array([0x4d, 0x45, 0x54, 0x41, 0, 0, 0, 2, 1, 2, 3]),
};

for (const ending of ["redo", "meta"]) {
  const name = `${LOG}.${ending}`;

  test(`a log that is named LOG.${ending} keeps its entries when LOG is opened`, async () => {
    for (const format of [1, 2] as const) {
      for (const count of [0, 1, 1000]) {
        const fileSystem = await logFrom(1);
        await withLog(name, { fileSystem, format }, (log) => {
          for (let i = 0; i < count; i++) log.append(bytes(`entry ${i} of another log`));
        });
        await assertLeftAlone(fileSystem, name);
        await withLog(name, { fileSystem }, (log) => assertEquals(log.lastIndex, count));
      }
    }
  });

  test(`another program's LOG.${ending} is left alone`, async () => {
    for (const [what, content] of Object.entries(FOREIGN)) {
      const fileSystem = await logFrom(1);
      writeFile(fileSystem, name, content);
      await assertLeftAlone(fileSystem, name);
      assertEquals(readFile(fileSystem, name), content, what);
      fileSystem.remove(name);
      await withLog(LOG, { fileSystem }, (log) => assertEquals(log.lastIndex, 3));
    }
  });

  test(`a LOG.${ending} that comes while the log is open is left alone`, async () => {
    const fileSystem = new MemoryFileSystem();
    await withLog(LOG, { fileSystem }, async (log) => {
      for (const word of ["a", "b", "c"]) await log.appendAndSync(bytes(word));
      writeFile(fileSystem, name, bytes("to do"));
      const call = (): Promise<void> =>
        ending === "meta" ? log.setState(bytes("s")) : log.truncateFromIndex(2);
      const error = await assertRejects(call, WalError);
      assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
      assertEquals(text(readFile(fileSystem, name)), "to do");
      assertEquals(log.append(bytes("d")), 4, "the log can be used");
    });
  });

  test(`what a crash may leave of a LOG.${ending} in the making is taken for that`, async () => {
    const beginning = bytes(ending === "redo" ? "REDO\0\0\0\x01" : "META\0\0\0\x01");
    const torn = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((length) => beginning.slice(0, length));
    for (const size of [1, 8, 40, 512, 513, 4096]) torn.push(new Uint8Array(size));
    const withoutFirstSector = new Uint8Array(2000).fill(0xab, 512);
    const withoutLaterSectors = new Uint8Array(2000);
    withoutLaterSectors.set(beginning);
    torn.push(withoutFirstSector, withoutLaterSectors);
    for (const content of torn) {
      const fileSystem = await logFrom(1);
      writeFile(fileSystem, name, content);
      await withLog(LOG, { fileSystem }, async (log) => {
        assertEquals([log.lastIndex, log.state.length], [3, 0], toHex(content).slice(0, 40));
        await log.setState(bytes("state"));
        await log.truncateFromIndex(3);
      });
      await withLog(LOG, { fileSystem }, (log) => {
        assertEquals([log.lastIndex, text(log.state)], [2, "state"]);
      });
    }
  });
}

test("a name of the log's own that leads to no file is refused, and the log is as it was", () =>
  withFolder(async (folder) => {
    if (process.platform === "win32") return; // Links need a right of their own there.
    for (const ending of ["lock", "meta", "redo", "00000000000000000009"]) {
      for (const make of [mkdirSync, (path: string): void => symlinkSync(path, path)]) {
        const path = join(folder, `${ending}-${make.name}`);
        await using log = await Wal.open(path);
        await log.appendAndSync(bytes("a"));
        await log.close();
        rmSync(`${path}.${ending}`, { force: true });
        make(`${path}.${ending}`);
        const { code, message } = await assertRejects(() => Wal.open(path), WalError);
        assertEquals([ending, code], [ending, "ERR_WAL_FORMAT"], message);
        assertStringIncludes(message, `"${path}.${ending}"`);
        rmSync(`${path}.${ending}`, { recursive: true });
        await using again = await Wal.open(path);
        assertEquals(again.lastIndex, 1);
      }
    }
  }));

test("a link to nowhere in the meta file's place is not taken for a missing meta file", () =>
  withFolder(async (folder) => {
    if (process.platform === "win32") return;
    const path = join(folder, "a.wal");
    const elsewhere = join(folder, "elsewhere");
    await using log = await Wal.open(path);
    await log.setState(bytes("a vote"));
    await log.close();
    renameSync(`${path}.meta`, elsewhere);
    symlinkSync(elsewhere, `${path}.meta`);
    renameSync(elsewhere, `${elsewhere}.away`);
    for (const readOnly of [false, true]) {
      const { code, message } = await assertRejects(() => Wal.open(path, { readOnly }), WalError);
      assertEquals(code, "ERR_WAL_FORMAT", message);
      assertStringIncludes(message, `"${path}.meta" is a link to "${elsewhere}"`);
    }
    renameSync(`${elsewhere}.away`, elsewhere);
    await using again = await Wal.open(path);
    assertEquals(text(again.state), "a vote");
  }));

test("a log that is named as a later segment keeps its entries when LOG is opened", async () => {
  for (const [index, isThere] of [[2, false], [7, false], [4, true], [7, true]] as const) {
    for (const format of [1, 2] as const) {
      for (const count of [0, 1, 30]) {
        const fileSystem = isThere ? await logFrom(1) : new MemoryFileSystem();
        await withLog(numbered(index), { fileSystem, format }, (log) => {
          for (let i = 0; i < count; i++) log.append(bytes(`entry ${i}`));
        });
        await assertLeftAlone(fileSystem, numbered(index));
        await withLog(numbered(index), { fileSystem }, (log) => {
          assertEquals(log.lastIndex, count);
        });
      }
    }
  }
});

test("a segment that is opened as a log is refused, and says which log it is of", async () => {
  const fileSystem = await logFrom(1);
  const before = filesOf(fileSystem);
  for (const readOnly of [false, true]) {
    const open = (): Promise<Wal> => Wal.open(numbered(2), { fileSystem, readOnly });
    const error = await assertRejects(open, WalError);
    assertEquals(error.code, "ERR_WAL_FORMAT");
    assertStringIncludes(error.message, "from index 2");
  }
  assertEquals(filesOf(fileSystem), before);
});

test("a file below the head that is not the log's is not removed as a leftover", async () => {
  const other = new MemoryFileSystem();
  await withLog(LOG, { fileSystem: other, segmentSize: 256 }, (log) => {
    for (const word of ["x", "y", "z"]) log.append(bytes(word.repeat(150)));
  });
  const foreign = { ...FOREIGN, "another log's": readFile(other, numbered(2)) };
  for (const [what, content] of Object.entries(foreign)) {
    const fileSystem = await logFrom(3);
    writeFile(fileSystem, numbered(2), content);
    await assertLeftAlone(fileSystem, numbered(2), [false]);
    await withLog(LOG, { fileSystem, readOnly: true }, (log) => {
      assertEquals([log.firstIndex, log.lastIndex], [3, 3], what);
    });
  }
  const fileSystem = await logFrom(3);
  writeFile(fileSystem, LOG, readFile(other, LOG));
  await assertLeftAlone(fileSystem, LOG, [false]);
});

test("a leftover of the log's own that was in the making is removed as ever", async () => {
  const beginning = readFile(await logFrom(1), numbered(2)).slice(0, 54);
  const torn = [0, 1, 7, 8, 20, 53].map((size) => beginning.slice(0, size));
  for (const content of [...torn, new Uint8Array(8), new Uint8Array(5000)]) {
    const fileSystem = await logFrom(3);
    writeFile(fileSystem, numbered(2), content);
    await withLog(LOG, { fileSystem }, (log) => assertEquals(log.firstIndex, 3));
    assertEquals(fileSystem.list(".").includes(numbered(2)), false, toHex(content).slice(0, 40));
  }
});

test("a file between the log's segments that is not the log's is named", async () => {
  for (const [what, content] of Object.entries(FOREIGN)) {
    const fileSystem = new MemoryFileSystem();
    await withLog(LOG, { fileSystem, segmentSize: 256 }, (log) => {
      for (let i = 0; i < 9; i++) log.append(bytes("0123456789".repeat(6)));
    });
    assertEquals(fileSystem.list(".").length, 5, "two entries a segment");
    for (const index of [2, 8]) {
      writeFile(fileSystem, numbered(index), content);
      await assertLeftAlone(fileSystem, numbered(index));
      fileSystem.remove(numbered(index));
    }
    await withLog(LOG, { fileSystem }, (log) => assertEquals(log.lastIndex, 9, what));
  }
});

test("an interrupted truncation that is finished does not remove another log's file", async () => {
  for (let step = 0;; step++) {
    const memory = new MemoryFileSystem();
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(LOG, { fileSystem });
    for (const word of ["a", "b", "c"]) await log.appendAndSync(bytes(word));
    fileSystem.stopAfter(step);
    const [result] = await Promise.allSettled([log.truncateFromIndex(2)]);
    await Promise.allSettled([log.close()]);
    await withLog(numbered(9), { fileSystem: memory }, (other) => void other.append(bytes("mine")));
    const open = (): Promise<Wal> => Wal.open(LOG, { fileSystem: memory });
    assertEquals((await assertRejects(open, WalError)).code, "ERR_WAL_FORMAT");
    await withLog(numbered(9), { fileSystem: memory }, (other) => {
      assertEquals(other.readAll().map(text), ["mine"]);
    });
    memory.remove(numbered(9));
    await withLog(LOG, { fileSystem: memory }, (log) => {
      assertEquals([1, 3].includes(log.lastIndex), true);
    });
    if (result.status === "fulfilled") break;
  }
});

test("set-aside bytes and copies under names that a log never reads do not disturb it", async () => {
  const fileSystem = await logFrom(1);
  const names = [
    `${LOG}.cut-${"0".repeat(19)}1-54`,
    `${LOG}.bak`,
    `${LOG}.metadata`,
    `${LOG}.redo.old`,
    `${LOG}.2`,
    `${LOG}.${"0".repeat(18)}2`,
    `${LOG}x${"0".repeat(19)}2`,
    `x${numbered(2)}`,
  ];
  for (const name of names) writeFile(fileSystem, name, bytes("to do"));
  await withLog(LOG, { fileSystem }, async (log) => {
    assertEquals(log.lastIndex, 3);
    await log.setState(bytes("s"));
    await log.truncateFromIndex(2);
  });
  for (const name of names) assertEquals(text(readFile(fileSystem, name)), "to do");
});
