/**
 * Sizes beyond what one call, 31 or 32 bits, or a runtime's arrays hold. `proof/large` does it with
 * entries of more than 2 GiB.
 *
 * @module
 */
import { test } from "node:test";
import { openSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { FileSystemError, Wal, WalError } from "../../mod.ts";
import { NodeFile } from "../../src/fs/posix/node_file.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { bytes, withLog } from "../../kit/logs.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const GIB = 1024 ** 3;

test("what one call cannot take is read and written in pieces", async () => {
  await withFolder((folder) => {
    for (const maxCall of [1, 2, 7, 64, 1000]) {
      const path = join(folder, `${maxCall}`);
      const file = new NodeFile(path, openSync(path, "wx+"), maxCall);
      const data = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
      file.write(data, 3);
      file.write(data, 80, 10);
      const expected = new Uint8Array(90);
      expected.set(data, 3);
      expected.set(data.subarray(0, 10), 80);
      assertEquals(new Uint8Array(readFileSync(path)), expected);
      const found = new Uint8Array(100);
      assertEquals(file.read(found, 2), 88);
      assertEquals(found.subarray(0, 88), expected.subarray(2));
      assertEquals(file.read(found, 80, 5), 5);
      assertEquals(found.subarray(0, 5), data.subarray(0, 5));
      file.close();
    }
  });
});

test("no call takes more than it may", async () => {
  await withFolder((folder) => {
    const path = join(folder, "a");
    const file = new NodeFile(path, openSync(path, "wx+"), 0);
    // Nothing at all then: a read that finds nothing is at the end, and a write must come further.
    const error = assertThrows(() => file.write(new Uint8Array(3), 0), FileSystemError);
    assertEquals([error.code, file.size()], ["EIO", 0]);
    truncateSync(path, 3);
    assertEquals(file.read(new Uint8Array(3), 0), 0);
    file.close();
  });
});

test("a file has bytes beyond 2 and 4 GiB", async () => {
  const fileSystem = await defaultFileSystem();
  await withFolder((folder) => {
    const file = fileSystem.open(join(folder, "a"), "create");
    for (const offset of [2 * GIB - 2, 2 * GIB, 4 * GIB - 2, 4 * GIB, 5 * GIB + 7]) {
      const data = bytes(`at ${offset}`);
      file.write(data, offset);
      assertEquals(file.size(), offset + data.length);
      const found = new Uint8Array(data.length);
      assertEquals(file.read(found, offset), data.length);
      assertEquals(found, data);
      assertEquals(file.read(found, offset - 4, 3), 3);
    }
    file.truncate(4 * GIB + 1);
    assertEquals(file.size(), 4 * GIB + 1);
    file.close();
  });
});

test("memory that the runtime cannot give is reported as such, and the log is as before", async () => {
  // An array of Bun's has at most 4 GiB; the others give more than an entry can take.
  if (RUNTIME !== "bun") return;
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const options = { maxEntrySize: 2 ** 32 - 1 };
    await withLog(path, options, async (log) => {
      log.append(bytes("a"));
      const large = new Uint8Array(2 ** 32 - 1);
      const error = assertThrows(() => log.append(large), WalError);
      assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
      assertStringIncludes(error.message, "memory");
      const rejected = await assertRejects(() => log.appendAndSync(large), WalError);
      assertEquals(rejected.code, "ERR_WAL_WRITE_FAILED");
      assertEquals([log.lastIndex, log.append(bytes("b"))], [1, 2]);
    });
    // A frame of that size may be in a file that another runtime wrote.
    const fileSystem = await defaultFileSystem();
    const file = fileSystem.open(`${path}.00000000000000000002`, "write");
    const end = file.size();
    file.write(new Uint8Array([1, 255, 255, 255, 255]), end);
    file.truncate(end + 9 + 2 ** 32);
    file.close();
    const error = await assertRejects(() => Wal.open(path, options), WalError);
    assertEquals(error.code, "ERR_WAL_IO");
    assertStringIncludes(error.message, "memory");
  });
});
