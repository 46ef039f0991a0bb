/**
 * Mappings with the calls of a C library that is not there: which files are mapped, and that memory
 * is given back once and is seen by no one afterwards.
 *
 * @module
 */
import { test } from "node:test";
import { openSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { type FileMapping, MAP_ALIGNMENT } from "../../src/fs/file_system.ts";
import { Mappings, type MemoryCalls, MemoryMapper } from "../../src/fs/posix/memory_map.ts";
import { NodeFile } from "../../src/fs/posix/node_file.ts";
import { withFolder } from "../../kit/temporary.ts";

const EXT4 = 0xef53;
const BTRFS = 0x9123683e;
const NFS = 0x6969;

/** Calls that give memory of this process, on a file system with a number, and note what they do. */
function pretended(kind: number): { readonly calls: MemoryCalls; readonly done: string[] } {
  const done: string[] = [];
  const calls: MemoryCalls = {
    statfs(_, into): number {
      new DataView(into.buffer).setUint32(0, kind, true);
      return 0;
    },
    map(descriptor, offset, size, protection) {
      done.push(`map ${descriptor} from ${offset}, ${size}, ${protection}`);
      const buffer = new ArrayBuffer(size);
      return { buffer, free: () => done.push(`free ${offset}, ${buffer.byteLength} seen`) };
    },
  };
  return { calls, done };
}

/** A mapping, which is not refused. */
function granted(mapping: FileMapping | string): FileMapping {
  assert(typeof mapping !== "string", String(mapping));
  return mapping;
}

test("memory is detached before it is given back, and that once", () => {
  const { calls, done } = pretended(EXT4);
  const mappings = new Mappings(new MemoryMapper(() => calls));
  const mapping = granted(mappings.map(5, 1000, 0, 100, "read"));
  mapping.unmap();
  mapping.unmap();
  mappings.cutTo(0);
  assertEquals(done, ["map 5 from 0, 100, 1", "free 0, 0 seen"]);
  assertEquals(mapping.size, 0);
});

test("no part is mapped that is not in the file, or does not begin with a page", () => {
  const { calls, done } = pretended(EXT4);
  const mappings = new Mappings(new MemoryMapper(() => calls));
  const size = 2 * MAP_ALIGNMENT;
  for (
    const [offset, length] of [
      [0, size + 1],
      [MAP_ALIGNMENT, MAP_ALIGNMENT + 1],
      [size, 1],
      [0, 0],
      [4096, 5],
    ] as const
  ) assertEquals(typeof mappings.map(5, size, offset, length, "read"), "string");
  assertEquals(done, []);
  granted(mappings.map(5, size, MAP_ALIGNMENT, MAP_ALIGNMENT, "write"));
  assertEquals(done, [`map 5 from ${MAP_ALIGNMENT}, ${MAP_ALIGNMENT}, 3`]);
});

test("no more is copied out or in than is mapped", () => {
  const { calls } = pretended(EXT4);
  const mappings = new Mappings(new MemoryMapper(() => calls));
  const mapping = granted(
    mappings.map(5, 2 * MAP_ALIGNMENT, MAP_ALIGNMENT, 100, "write"),
  );
  const last = MAP_ALIGNMENT + 98;
  const data = new Uint8Array([1, 2, 3, 4]);
  assertEquals(mapping.store(data, last, 3), false);
  assertEquals(mapping.store(data, MAP_ALIGNMENT - 1, 2), false);
  assertEquals(mapping.store(data, last, 2), true);
  const into = new Uint8Array(8);
  assertEquals(mapping.read(into, last, 8), 2);
  assertEquals([...into], [1, 2, 0, 0, 0, 0, 0, 0]);
  assertEquals(mapping.read(into, MAP_ALIGNMENT - 1, 2), 0);
  assertEquals(mapping.read(into, last + 2, 1), 0);
});

test("a cut gives back what reaches beyond it", () => {
  const { calls, done } = pretended(EXT4);
  const mappings = new Mappings(new MemoryMapper(() => calls));
  const size = 3 * MAP_ALIGNMENT;
  const first = granted(mappings.map(5, size, 0, MAP_ALIGNMENT, "read"));
  const second = granted(mappings.map(5, size, MAP_ALIGNMENT, MAP_ALIGNMENT, "read"));
  done.length = 0;
  mappings.cutTo(2 * MAP_ALIGNMENT - 1);
  assertEquals(done, [`free ${MAP_ALIGNMENT}, 0 seen`]);
  assertEquals([first.size, second.size], [MAP_ALIGNMENT, 0]);
});

test("which file systems may be read from memory, and which stored to", () => {
  const said = (kind: number, access: "read" | "write"): string => {
    const mappings = new Mappings(new MemoryMapper(() => pretended(kind).calls));
    const mapping = mappings.map(5, 10, 0, 10, access);
    return typeof mapping === "string" ? mapping : "mapped";
  };
  assertEquals([said(EXT4, "read"), said(EXT4, "write")], ["mapped", "mapped"]);
  assertEquals([said(BTRFS, "read"), said(BTRFS, "write")], ["mapped", "not on Btrfs"]);
  assertEquals([said(NFS, "read"), said(NFS, "write")], ["not on NFS", "not on NFS"]);
  assertEquals(said(0x1234, "read"), "not on a file system 0x1234");
});

test("what cannot be called is looked for once, when it is needed, and is no error", () => {
  let looks = 0;
  const mapper = new MemoryMapper(() => {
    looks++;
    throw new Error("no such library");
  });
  assertEquals(looks, 0);
  for (let i = 0; i < 3; i++) {
    const said = new Mappings(mapper).map(5, 10, 0, 10, "read");
    assertEquals(said, "the runtime has refused it (no such library)");
  }
  assertEquals(looks, 1);
  const { calls } = pretended(EXT4);
  const refusing = new MemoryMapper(() => ({ ...calls, map: () => undefined }));
  assertEquals(new Mappings(refusing).map(5, 10, 0, 10, "read"), "the system has refused it");
  const silent = new MemoryMapper(() => ({ ...calls, statfs: () => -1 }));
  assertEquals(typeof new Mappings(silent).map(5, 10, 0, 10, "read"), "string");
});

test("a file that is cut or closed gives its memory back first", () =>
  withFolder((folder) => {
    const { calls, done } = pretended(EXT4);
    const mapper = new MemoryMapper(() => calls);
    const path = join(folder, "a");
    const file = new NodeFile(path, openSync(path, "wx+"), undefined, mapper);
    file.write(new Uint8Array(100), 0);
    const mapping = granted(file.map(0, 100, "read"));
    assertEquals(typeof file.map(0, 101, "read"), "string", "its size is asked for");
    file.truncate(99);
    assertEquals([mapping.size, done.length], [0, 2]);
    const again = granted(file.map(0, 99, "write"));
    file.close();
    assertEquals([again.size, done.length], [0, 4]);
  }));
