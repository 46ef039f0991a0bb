/**
 * The application's state and the meta file that holds it beside the head index.
 *
 * @module
 */
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { CorruptionError, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { bytes, readFile, text, toHex, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const META = "a.wal.meta";
const SECOND_SLOT = 65_536;

/** A log of three entries with a state. Its first entry is dropped. */
async function logWithState(state: string): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, async (log) => {
    for (const word of ["one", "two", "three"]) log.append(bytes(word));
    await log.truncateBeforeIndex(2);
    await log.setState(bytes(state));
  });
  return fileSystem;
}

/** What the open log tells, in one value. */
function shown(log: Wal): unknown[] {
  return [log.firstIndex, ...log.readAll().map(text), text(log.state)];
}

const AS_MADE = [2, "two", "three", "term 7"];

/**
 * The slots of the meta file, each as its bytes; what a longer one left after it is no part of it.
 */
function slotsOf(fileSystem: MemoryFileSystem): [Uint8Array, Uint8Array] {
  const all = readFile(fileSystem, META);
  const slotAt = (at: number): Uint8Array =>
    all.slice(at, at + 36 + new DataView(all.buffer, at).getUint32(32) + 4);
  return [slotAt(0), slotAt(SECOND_SLOT)];
}

/** What a slot has at its start and end, by format.md. */
function assertValidSlot(slot: Uint8Array): void {
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length);
  assertEquals(toHex(slot.subarray(0, 8)), "4d45544100000001");
  const length = view.getUint32(32);
  assertEquals(slot.length, 36 + length + 4);
  assertEquals(view.getUint32(36 + length), crc32(slot.subarray(0, 36 + length)));
}

function assertBothValid(fileSystem: MemoryFileSystem): void {
  const [first, second] = slotsOf(fileSystem);
  assertValidSlot(first);
  assertEquals(first, second);
}

test("a state comes back as it was set", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, async (log) => {
    assertEquals(log.state, new Uint8Array(0));
    assertEquals(fileSystem.list("."), [PATH], "the meta file is made on first use");
    const state = bytes("term 7");
    const stored = log.setState(state);
    state.fill(0);
    await stored;
    assertEquals(text(log.state), "term 7", "it was copied");
    log.state.fill(0);
    assertEquals(text(log.state), "term 7", "what is returned is a copy");
  });
  await withLog(PATH, { fileSystem }, async (log) => {
    assertEquals(text(log.state), "term 7");
    await log.setState(new Uint8Array(0));
  });
  await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
    assertEquals(log.state, new Uint8Array(0));
  });
});

test("a state survives truncations and resets", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  await log.setState(bytes("vote b"));
  const changes: (() => Promise<void>)[] = [
    () => log.truncateFromIndex(30),
    () => log.truncateFromIndex(2),
    () => log.truncateBeforeIndex(20),
    () => log.truncateBeforeIndex(log.lastIndex + 1),
    () => log.reset(1000),
    () => log.reset(1),
  ];
  for (const change of changes) {
    await log.reset(1);
    for (let i = 1; i <= 40; i++) log.append(bytes(`entry ${i}`));
    await change();
    assertEquals(text(log.state), "vote b");
    assertEquals(text(await stateInFile(fileSystem)), "vote b");
  }
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => assertEquals(text(log.state), "vote b"));
});

async function stateInFile(fileSystem: MemoryFileSystem): Promise<Uint8Array> {
  return await withLog(PATH, { fileSystem, readOnly: true }, (log) => log.state);
}

test("a state of 32 KiB fits; a larger one is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  const largest = new Uint8Array(32 * 1024).fill(7);
  await withLog(PATH, { fileSystem }, async (log) => {
    await log.setState(largest);
    const error = await assertRejects(() => log.setState(new Uint8Array(32 * 1024 + 1)), WalError);
    assertEquals(error.code, "ERR_WAL_STATE_TOO_LARGE");
    assertEquals(log.state, largest);
  });
  await withLog(PATH, { fileSystem }, async (log) => {
    assertEquals(log.state, largest);
    await log.setState(bytes("small"));
  });
  assertEquals(text(await stateInFile(fileSystem)), "small");
});

test("what is no Uint8Array is refused, and so is a log that cannot be written", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  for (const wrong of ["text", 7, null, undefined, [1, 2], new ArrayBuffer(4), {}]) {
    const error = await assertRejects(() => log.setState(wrong as Uint8Array), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals(log.state.length, 0);
  await log.close();
  const closed = await assertRejects(() => log.setState(bytes("x")), WalError);
  assertEquals(closed.code, "ERR_WAL_CLOSED");
  await withLog(PATH, { fileSystem, readOnly: true }, async (log) => {
    const error = await assertRejects(() => log.setState(bytes("x")), WalError);
    assertEquals(error.code, "ERR_WAL_READ_ONLY");
  });
});

test("of several calls at once, the last one's state stays", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("entry"));
  await Promise.all([
    log.setState(bytes("a")),
    log.truncateBeforeIndex(2),
    log.setState(bytes("b")),
    log.setState(bytes("c")),
  ]);
  assertEquals([text(log.state), log.firstIndex], ["c", 2]);
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([text(log.state), log.firstIndex], ["c", 2]);
  });
});

test("the file is as format.md draws it", async () => {
  const fileSystem = await logWithState("term 7");
  const logId = readFile(fileSystem, PATH).slice(18, 26);
  const expected = new Uint8Array(36 + 6 + 4);
  const view = new DataView(expected.buffer);
  view.setUint32(0, 0x4d455441);
  view.setUint32(4, 1);
  expected.set(logId, 8);
  view.setBigUint64(16, 2n);
  view.setBigUint64(24, 2n);
  view.setUint32(32, 6);
  expected.set(bytes("term 7"), 36);
  view.setUint32(42, crc32(expected.subarray(0, 42)));
  const [first, second] = slotsOf(fileSystem);
  assertEquals(toHex(first), toHex(expected));
  assertEquals(toHex(second), toHex(expected));
  assertEquals(
    readFile(fileSystem, META).subarray(expected.length, SECOND_SLOT).some(Boolean),
    false,
  );
});

/** Changes a byte of a file. */
function change(fileSystem: MemoryFileSystem, at: number, to: (byte: number) => number): void {
  const file = fileSystem.open(META, "write");
  const byte = new Uint8Array(1);
  file.read(byte, at);
  file.write(byte.map(to), at);
  file.close();
}

for (const [name, base] of [["first", 0], ["second", SECOND_SLOT]] as const) {
  test(`a flipped bit anywhere in the ${name} slot loses nothing and is mended`, {
    timeout: 60_000,
  }, async () => {
    const fileSystem = await logWithState("term 7");
    const [slot] = slotsOf(fileSystem);
    for (let at = 0; at < slot.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        change(fileSystem, base + at, (byte) => byte ^ (1 << bit));
        await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
          assertEquals(shown(log), AS_MADE, `bit ${bit} of byte ${at}`);
        });
        await withLog(PATH, { fileSystem }, (log) => {
          assertEquals(shown(log), AS_MADE, `bit ${bit} of byte ${at}`);
        });
        assertBothValid(fileSystem);
      }
    }
  });

  test(`a ${name} slot of zeros, of another log's bytes, or cut short loses nothing`, async () => {
    const fileSystem = await logWithState("term 7");
    const whole = readFile(fileSystem, META);
    const [slot] = slotsOf(fileSystem);
    for (const fill of [0, 0xff, 1]) {
      writeFile(fileSystem, META, whole.slice().fill(fill, base, base + slot.length));
      await withLog(PATH, { fileSystem }, (log) => assertEquals(shown(log), AS_MADE));
      assertBothValid(fileSystem);
    }
    for (let length = 0; length < slot.length; length++) {
      const torn = whole.slice().fill(0, base + length, base + slot.length);
      writeFile(fileSystem, META, base === 0 ? torn : torn.slice(0, base + length));
      await withLog(PATH, { fileSystem }, (log) => assertEquals(shown(log), AS_MADE));
      assertBothValid(fileSystem);
    }
  });
}

test("rot in a slot while the log is open does not lead an update to the good one first", async () => {
  for (const rotten of [0, SECOND_SLOT]) {
    const memory = await logWithState("term 7");
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem });
    change(memory, rotten + 40, (byte) => ~byte);
    fileSystem.stopAfter(0, 10);
    await assertRejects(() => log.setState(bytes("term 8")), WalError);
    await Promise.allSettled([log.close()]);
    await withLog(PATH, { fileSystem: memory }, (log) => assertEquals(shown(log), AS_MADE));
  }
});

test("damage in both slots is corruption of the meta file, and nothing is changed", async () => {
  for (const at of [0, 5, 10, 20, 30, 34, 38, 43]) {
    const fileSystem = await logWithState("term 7");
    change(fileSystem, at, (byte) => byte ^ 4);
    change(fileSystem, SECOND_SLOT + 45 - at, (byte) => byte ^ 64);
    const before = readFile(fileSystem, META);
    for (const readOnly of [false, true]) {
      const error = await assertRejects(() => Wal.open(PATH, { fileSystem, readOnly }));
      assertInstanceOf(error, CorruptionError);
      assertEquals([error.code, error.path], ["ERR_WAL_CORRUPT", META]);
    }
    assertEquals(readFile(fileSystem, META), before);
  }
});

test("another log's meta file is refused", async () => {
  const fileSystem = await logWithState("term 7");
  const other = await logWithState("term 8");
  writeFile(fileSystem, META, readFile(other, META));
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
  assertEquals(error.path, META);
});

for (const leaves of [0, 1, 30, 46, 1_000_000]) {
  test(`a crash at any step of an update leaves the old state or the new (${leaves} bytes)`, async () => {
    const seen = new Set<string>();
    for (let step = 0;; step++) {
      const memory = await logWithState("term 7");
      const fileSystem = new FaultyFileSystem(memory);
      const log = await Wal.open(PATH, { fileSystem });
      fileSystem.stopAfter(step, leaves);
      const [result] = await Promise.allSettled([log.setState(bytes("term 8 is longer"))]);
      await Promise.allSettled([log.close()]);
      await withLog(PATH, { fileSystem: memory }, async (log) => {
        assertEquals(shown(log).slice(0, 3), AS_MADE.slice(0, 3));
        const state = text(log.state);
        seen.add(state);
        assert(["term 7", "term 8 is longer"].includes(state), state);
        if (result.status === "fulfilled") assertEquals(state, "term 8 is longer");
        await log.setState(bytes("term 9"));
      });
      assertBothValid(memory);
      await withLog(PATH, { fileSystem: memory }, (log) => assertEquals(text(log.state), "term 9"));
      if (result.status === "fulfilled") {
        assertEquals(step, 4, "two writes, each synced");
        break;
      }
      assertInstanceOf(result.reason, WalError);
    }
    // A write that is whole is the new state, whatever follows.
    assertEquals(seen.size, leaves === 1_000_000 ? 1 : 2);
  });

  test(`a crash at any step of the first update leaves no state or the new (${leaves} bytes)`, async () => {
    for (let step = 0;; step++) {
      const memory = new MemoryFileSystem();
      const fileSystem = new FaultyFileSystem(memory);
      const log = await Wal.open(PATH, { fileSystem });
      log.append(bytes("entry"));
      fileSystem.stopAfter(step, leaves);
      const [result] = await Promise.allSettled([log.setState(bytes("term 1"))]);
      await Promise.allSettled([log.close()]);
      await withLog(PATH, { fileSystem: memory }, async (log) => {
        assertEquals(log.readAll().map(text), ["entry"]);
        assert(["", "term 1"].includes(text(log.state)));
        if (result.status === "fulfilled") assertEquals(text(log.state), "term 1");
        await log.setState(bytes("term 2"));
      });
      assertBothValid(memory);
      if (result.status === "fulfilled") break;
    }
  });
}

test("the meta file's making: durable, with its name, before the second slot is written", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  const changes = (): string[] =>
    fileSystem.calls
      .filter((call) => /^(create|write|sync|syncData|syncDirectory) /.test(call))
      .map((call) => call.replace("syncData", "sync"));
  const before = changes().length;
  await log.setState(bytes("a"));
  assertEquals(changes().slice(before), [
    `create ${META}`,
    `write ${META}`,
    `sync ${META}`,
    "syncDirectory .",
    `write ${META}`,
    `sync ${META}`,
  ]);
  const later = changes().length;
  await log.setState(bytes("b"));
  assertEquals(changes().slice(later), [
    `write ${META}`,
    `sync ${META}`,
    `write ${META}`,
    `sync ${META}`,
  ]);
  await log.close();
});

test("a meta file whose making was interrupted counts as never made", async () => {
  const made = await logWithState("term 7");
  const [slot] = slotsOf(made);
  for (let length = 0; length < slot.length; length++) {
    const fileSystem = new MemoryFileSystem();
    await withLog(PATH, { fileSystem }, (log) => void log.append(bytes("entry")));
    writeFile(fileSystem, META, slot.slice(0, length));
    await withLog(PATH, { fileSystem }, async (log) => {
      assertEquals([log.firstIndex, log.lastIndex, log.state.length], [1, 1, 0]);
      await log.setState(bytes("term 1"));
    });
    assertBothValid(fileSystem);
    await withLog(PATH, { fileSystem }, (log) => assertEquals(text(log.state), "term 1"));
  }
});

for (const [operation, after] of [["write", 1], ["sync", 0], ["syncData", 0]] as const) {
  test(`a failed ${operation} (${after + 1}) of an update ends the handle`, async () => {
    const memory = await logWithState("term 7");
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem });
    fileSystem.fail(operation, "EIO", { after });
    await assertRejects(() => log.setState(bytes("term 8")), SyncFailedError);
    await assertRejects(() => log.setState(bytes("term 9")), SyncFailedError);
    await log.close();
    await withLog(PATH, { fileSystem: memory }, (log) => {
      assert(["term 7", "term 8"].includes(text(log.state)));
    });
  });
}

for (const leaves of [0, 1, 40]) {
  test(`no space for an update (${leaves} bytes written): the state is as before`, async () => {
    const memory = await logWithState("term 7");
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem });
    fileSystem.fail("write", "ENOSPC", { leaves });
    const error = await assertRejects(() => log.setState(bytes("term 8")), WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    assertEquals(shown(log), AS_MADE);
    await withLog(PATH, { fileSystem: memory, readOnly: true }, (log) => {
      assertEquals(shown(log), AS_MADE);
    });
    await log.setState(bytes("term 9"));
    await log.close();
    await withLog(PATH, { fileSystem: memory }, (log) => assertEquals(text(log.state), "term 9"));
    assertBothValid(memory);
  });
}
