/**
 * A stretch of a file is read and copied as it is, whatever its size.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { copyStretch, pieces, windows, writing } from "../../src/fs/stretch.ts";
import { random, readFile, writeFile } from "../../kit/logs.ts";

const MIB = 1024 * 1024;

/** A file that is larger than what is read at a time. */
function largeFile(): { fileSystem: MemoryFileSystem; content: Uint8Array } {
  const fileSystem = new MemoryFileSystem();
  const draw = random(1);
  const content = new Uint8Array(2 * MIB + 77).map(() => draw() * 256);
  writeFile(fileSystem, "from", content);
  return { fileSystem, content };
}

test("a stretch is copied to its place, and nothing else", () => {
  const { fileSystem, content } = largeFile();
  const from = fileSystem.open("from", "read");
  const stretches: [number, number][] = [[0, 0], [5, 6], [0, content.length], [9, 2 * MIB + 9]];
  for (const [start, end] of stretches) {
    writeFile(fileSystem, "to", new Uint8Array(10).fill(7));
    const to = fileSystem.open("to", "write");
    copyStretch(from, start, end, to, 10);
    to.close();
    const copied = readFile(fileSystem, "to");
    assertEquals(copied.slice(0, 10), new Uint8Array(10).fill(7));
    assertEquals(copied.slice(10), content.slice(start, end));
  }
  from.close();
});

test("windows overlap, so that what begins in one is whole in it", () => {
  const { fileSystem, content } = largeFile();
  const file = fileSystem.open("from", "read");
  let next = 3;
  for (const { bytes, base, usable } of windows(file, 3, content.length, 40)) {
    assertEquals(base, next);
    assertEquals(bytes.slice(), content.slice(base, base + bytes.length));
    const isLast = base + bytes.length === content.length;
    assertEquals(usable, isLast ? bytes.length : bytes.length - 40);
    next = base + usable;
  }
  assertEquals(next, content.length);
  file.close();
});

test("a stretch that ends beyond the file ends with the file", () => {
  const { fileSystem, content } = largeFile();
  const file = fileSystem.open("from", "read");
  let size = 0;
  for (const piece of pieces(file, 100, content.length + 5)) size += piece.length;
  assertEquals(size, content.length - 100);
  file.close();
});

test("pieces are written one after the other, and passed on", () => {
  const fileSystem = new MemoryFileSystem();
  const file = fileSystem.open("to", "create");
  const written = [...writing(file, 2, [Uint8Array.of(1, 2), Uint8Array.of(3)])];
  file.close();
  assertEquals(written, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  assertEquals(readFile(fileSystem, "to"), Uint8Array.of(0, 0, 1, 2, 3));
});
