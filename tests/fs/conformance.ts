/**
 * What every file system must do, as tests that each adapter's test file runs.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type FileSystem, FileSystemError, LockedError } from "../../mod.ts";
import { MAP_ALIGNMENT } from "../../src/fs/file_system.ts";
import { mapFile } from "../../src/fs/mapped_file.ts";
import { pathIn } from "../../src/fs/path.ts";
import { bytes, syncDirectory, text } from "../../kit/logs.ts";

/** Defines the tests for one adapter; `within` gives each its own empty folder. */
export function conformance(
  name: string,
  make: () => FileSystem,
  within: (body: (folder: string) => Promise<void> | void) => Promise<void>,
): void {
  function check(
    what: string,
    body: (fileSystem: FileSystem, folder: string) => Promise<void> | void,
  ): void {
    test(`${name}: ${what}`, { timeout: 30_000 }, () => within((folder) => body(make(), folder)));
  }

  function assertCode(call: () => unknown, code: string): void {
    assertEquals(assertThrows(call, FileSystemError).code, code);
  }

  check("create makes a file that must not exist", (fs, folder) => {
    const path = pathIn(folder, "a");
    const file = fs.open(path, "create", 0o600);
    assertEquals(file.size(), 0);
    file.close();
    assertCode(() => fs.open(path, "create", 0o600), "EEXIST");
    assertEquals(fs.list(folder), ["a"]);
  });

  check("read and write want the file to exist", (fs, folder) => {
    assertCode(() => fs.open(pathIn(folder, "none"), "read"), "ENOENT");
    assertCode(() => fs.open(pathIn(folder, "none"), "write"), "ENOENT");
    assertCode(() => fs.open(pathIn(folder, "none/file"), "create", 0o600), "ENOENT");
    assertEquals(fs.list(folder), []);
  });

  check("a path through a file, and a directory as a file, are refused", (fs, folder) => {
    fs.open(pathIn(folder, "file"), "create", 0o600).close();
    assertCode(() => fs.open(pathIn(folder, "file/below"), "read"), "ENOTDIR");
    assertCode(() => fs.open(folder, "read"), "EISDIR");
    assertCode(() => fs.open(folder, "write"), "EISDIR");
  });

  check("writes and reads at any offset", (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(bytes("hello world"), 0);
    file.write(bytes("W"), 6);
    file.write(bytes("!!!!"), 11, 2);
    assertEquals(file.size(), 13);
    const into = new Uint8Array(20);
    assertEquals(file.read(into, 0), 13);
    assertEquals(text(into.subarray(0, 13)), "hello World!!");
    assertEquals(file.read(into, 6, 3), 3);
    assertEquals(text(into.subarray(0, 3)), "Wor");
    assertEquals(text(into.subarray(3, 5)), "lo", "only the wanted bytes are overwritten");
    assertEquals(file.read(into, 13), 0);
    assertEquals(file.read(into, 1000), 0);
    file.write(new Uint8Array(0), 13);
    assertEquals(file.size(), 13);
    file.close();
  });

  check("a write after the end leaves zeros between", (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(bytes("x"), 3);
    const into = new Uint8Array(4);
    assertEquals(file.read(into, 0), 4);
    assertEquals(into, new Uint8Array([0, 0, 0, 120]));
    file.close();
  });

  check("writes megabytes in one call", (fs, folder) => {
    const large = new Uint8Array(5_000_001).map((_, i) => i * 31);
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(large, 1);
    assertEquals(file.size(), large.length + 1);
    const into = new Uint8Array(large.length);
    assertEquals(file.read(into, 1), large.length);
    assert(into.every((byte, i) => byte === large[i]));
    file.close();
  });

  check(
    "truncate cuts, and what is written again after the cut is not what was there",
    (fs, folder) => {
      const file = fs.open(pathIn(folder, "a"), "create", 0o600);
      file.write(bytes("hello world"), 0);
      file.truncate(5);
      assertEquals(file.size(), 5);
      file.write(bytes("!"), 7);
      const into = new Uint8Array(8);
      file.read(into, 0);
      assertEquals(into, new Uint8Array([...bytes("hello"), 0, 0, 33]));
      file.close();
    },
  );

  check("a second handle sees what the first wrote", (fs, folder) => {
    const path = pathIn(folder, "a");
    const writer = fs.open(path, "create", 0o600);
    const reader = fs.open(path, "read");
    writer.write(bytes("seen"), 0);
    const into = new Uint8Array(4);
    assertEquals(reader.read(into, 0), 4);
    assertEquals(text(into), "seen");
    writer.close();
    reader.close();
  });

  check("a mapping shows what the file holds, or it is said why there is none", (fs, folder) => {
    const path = pathIn(folder, "a");
    const file = fs.open(path, "create", 0o600);
    file.write(new Uint8Array(2 * MAP_ALIGNMENT).fill(7), 0);
    file.write(bytes("hello"), MAP_ALIGNMENT);
    const mapping = mapFile(file, MAP_ALIGNMENT, 100, "read");
    if (typeof mapping === "string") {
      assert(mapping.length > 5 && !mapping.includes("undefined"), mapping);
      return file.close();
    }
    const into = new Uint8Array(8);
    const read = (offset: number, length: number): string =>
      text(into.subarray(0, mapping.read(into, offset, length)));
    assertEquals([mapping.size, read(MAP_ALIGNMENT, 5)], [100, "hello"]);
    file.write(bytes("H"), MAP_ALIGNMENT);
    assertEquals(read(MAP_ALIGNMENT, 5), "Hello", "one page cache");
    assertEquals(read(MAP_ALIGNMENT + 3, 2), "lo");
    assertEquals(read(MAP_ALIGNMENT + 98, 8).length, 2, "up to its end");
    assertEquals([read(MAP_ALIGNMENT - 1, 5), read(MAP_ALIGNMENT + 100, 5)], ["", ""]);
    file.close();
    assertEquals([mapping.size, read(MAP_ALIGNMENT, 5)], [0, ""], "given back with the file");
    mapping.unmap();
  });

  check("a mapping that was given back is empty", (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(bytes("hello"), 0);
    const mapping = mapFile(file, 0, 5, "write");
    if (typeof mapping === "string") return file.close();
    mapping.unmap();
    mapping.unmap();
    assertEquals([mapping.size, mapping.read(new Uint8Array(5), 0, 5)], [0, 0]);
    assertEquals(mapping.store(bytes("x"), 0, 1), false);
    const into = new Uint8Array(5);
    file.read(into, 0);
    assertEquals(text(into), "hello");
    file.close();
  });

  check("a cut gives the mappings back that reach beyond it, and no others", (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(new Uint8Array(3 * MAP_ALIGNMENT).fill(7), 0);
    const first = mapFile(file, 0, MAP_ALIGNMENT, "read");
    const second = mapFile(file, MAP_ALIGNMENT, MAP_ALIGNMENT + 1, "read");
    if (typeof first === "string" || typeof second === "string") return file.close();
    file.truncate(2 * MAP_ALIGNMENT);
    assertEquals([first.size, second.size], [MAP_ALIGNMENT, 0]);
    const into = new Uint8Array(1);
    assertEquals([first.read(into, MAP_ALIGNMENT - 1, 1), into[0]], [1, 7]);
    first.unmap();
    file.close();
  });

  check("no part is mapped that is not in the file", (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    for (const size of [0, 1]) assertEquals(typeof mapFile(file, 0, size, "read"), "string");
    file.write(new Uint8Array(MAP_ALIGNMENT + 10), 0);
    for (const [offset, size] of [[0, MAP_ALIGNMENT + 11], [MAP_ALIGNMENT, 11], [1, 5], [0, 0]]) {
      assertEquals(typeof mapFile(file, offset as number, size as number, "read"), "string");
    }
    file.close();
  });

  check("what is stored in a mapping is in the file", (fs, folder) => {
    const path = pathIn(folder, "a");
    const file = fs.open(path, "create", 0o600);
    file.write(new Uint8Array(2 * MAP_ALIGNMENT), 0);
    const readable = fs.open(path, "read");
    assertEquals(typeof mapFile(readable, 0, 5, "write"), "string", "it is not to be written");
    readable.close();
    const mapping = mapFile(file, MAP_ALIGNMENT, 100, "write");
    if (typeof mapping === "string") return file.close();
    const at = MAP_ALIGNMENT + 3;
    assertEquals(mapping.store(bytes("stored and more"), at, 6), true);
    file.write(bytes("W"), at + 5);
    assertEquals(mapping.store(bytes("S"), at, 1), true);
    for (const offset of [MAP_ALIGNMENT - 1, MAP_ALIGNMENT + 99]) {
      assertEquals(mapping.store(bytes("xx"), offset, 2), false, "not all of it is in the mapping");
    }
    const into = new Uint8Array(6);
    assertEquals(file.read(into, at), 6);
    assertEquals(text(into), "StoreW");
    mapping.unmap();
    file.syncDataBlocking();
    file.read(into, at);
    assertEquals(text(into), "StoreW");
    const around = new Uint8Array(2);
    for (const offset of [MAP_ALIGNMENT - 1, MAP_ALIGNMENT + 99]) {
      file.read(around, offset);
      assertEquals([...around], [0, 0]);
    }
    file.close();
  });

  check("a file opened for reading cannot be changed", (fs, folder) => {
    const path = pathIn(folder, "a");
    fs.open(path, "create", 0o600).close();
    const file = fs.open(path, "read");
    assertThrows(() => file.write(bytes("x"), 0), FileSystemError);
    assertThrows(() => file.truncate(0), FileSystemError);
    assertEquals(file.size(), 0);
    file.close();
  });

  check("syncs resolve, and writes are done while one runs", async (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.write(new Uint8Array(1 << 20), 0);
    const running = Promise.all([file.syncData(), file.sync()]);
    file.write(bytes("x"), 1 << 20);
    assertEquals(file.read(new Uint8Array(4), 0), 4);
    file.truncate(10);
    await running;
    file.syncDataBlocking();
    file.syncBlocking();
    await fs.syncDirectory(folder);
    assertEquals(file.size(), 10);
    file.close();
  });

  check("a closed file is not used again, and may be closed again", async (fs, folder) => {
    const file = fs.open(pathIn(folder, "a"), "create", 0o600);
    file.close();
    file.close();
    assertThrows(() => file.write(bytes("x"), 0), FileSystemError);
    assertThrows(() => file.read(new Uint8Array(1), 0), FileSystemError);
    assertThrows(() => file.size(), FileSystemError);
    assertThrows(() => file.truncate(0), FileSystemError);
    assertThrows(() => file.syncDataBlocking(), FileSystemError);
    assertThrows(() => file.syncBlocking(), FileSystemError);
    await assertRejects(() => file.syncData(), FileSystemError);
    await assertRejects(() => file.sync(), FileSystemError);
  });

  check("directories are made one by one and listed", async (fs, folder) => {
    const below = pathIn(folder, "below");
    assertCode(() => fs.makeDirectory(pathIn(below, "deeper"), 0o700), "ENOENT");
    fs.makeDirectory(below, 0o700);
    assertCode(() => fs.makeDirectory(below, 0o700), "EEXIST");
    fs.open(pathIn(below, "file"), "create", 0o600).close();
    assertEquals(fs.list(folder), ["below"]);
    assertEquals(fs.list(below), ["file"]);
    await fs.syncDirectory(below);
    syncDirectory(fs, below);
    assertCode(() => syncDirectory(fs, pathIn(folder, "none")), "ENOENT");
    assertCode(() => fs.list(pathIn(folder, "none")), "ENOENT");
    const failure = await assertRejects(
      () => fs.syncDirectory(pathIn(folder, "none")),
      FileSystemError,
    );
    assertEquals(failure.code, "ENOENT");
  });

  check("remove removes a file", (fs, folder) => {
    const path = pathIn(folder, "a");
    fs.open(path, "create", 0o600).close();
    fs.remove(path);
    assertEquals(fs.list(folder), []);
    assertCode(() => fs.remove(path), "ENOENT");
  });

  check("a file is known by its identity, whatever becomes of its name", (fs, folder) => {
    const path = pathIn(folder, "a");
    assertEquals(fs.identify(path), undefined);
    assertEquals(fs.identify(pathIn(path, "below")), undefined);
    const file = fs.open(path, "create", 0o600);
    const identity = file.identity();
    file.write(bytes("x"), 0);
    const again = fs.open(path, "read");
    assertEquals([again.identity(), fs.identify(path)], [identity, identity]);
    again.close();
    const other = fs.open(pathIn(folder, "b"), "create", 0o600);
    assert(other.identity() !== identity);
    other.close();
    fs.remove(path);
    assertEquals(fs.identify(path), undefined);
    fs.open(path, "create", 0o600).close();
    assert(fs.identify(path) !== identity);
    assertEquals(file.identity(), identity);
    assertEquals(fs.identify(pathIn(path, "below")), undefined, "through a file");
    file.close();
    assertThrows(() => file.identity(), FileSystemError);
  });

  check("a directory is known by its identity", (fs, folder) => {
    const [one, other] = [pathIn(folder, "one"), pathIn(folder, "other")];
    fs.makeDirectory(one, 0o700);
    fs.makeDirectory(other, 0o700);
    const identity = fs.identify(one);
    assert(identity !== undefined);
    assert(identity !== fs.identify(other));
    fs.open(pathIn(one, "a"), "create", 0o600).close();
    assertEquals(fs.identify(one), identity);
  });

  check("a path is made real, that of what is not there too", (fs, folder) => {
    fs.makeDirectory(pathIn(folder, "d"), 0o700);
    fs.open(pathIn(folder, "d/a"), "create", 0o600).close();
    const real = fs.realPath(folder);
    assertEquals(fs.realPath(real), real);
    for (const name of ["d", "d/a", "d/none", "none", "none/below/none"]) {
      assertEquals(fs.realPath(pathIn(folder, name)), pathIn(real, name));
    }
    assertEquals(fs.realPath(`${folder}/./d//a`), pathIn(real, "d/a"));
  });

  check("a lock excludes a second one until it is released", async (fs, folder) => {
    const path = pathIn(folder, "a.lock");
    const lock = await fs.lock(path, 0o600);
    assertEquals([lock.kind, lock.isHeld()], ["kernel", true]);
    assertInstanceOf(await assertRejects(() => fs.lock(path, 0o600)), LockedError);
    lock.release();
    lock.release();
    assertEquals(lock.isHeld(), false);
    const again = await fs.lock(path, 0o600);
    await assertRejects(() => fs.lock(path, 0o600), LockedError);
    again.release();
  });
}
