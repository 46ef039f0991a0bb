/**
 * Maps files into memory by mmap(2), through whatever a runtime has to call the C library.
 *
 * A stale view of a mapping would end the process. So none leaves this file, and before memory is
 * given back, its `ArrayBuffer` is detached, which leaves every view of it empty.
 *
 * Only on Linux: what other systems promise of a shared mapping and a sync was not tried.
 *
 * @module
 */
import { type FileMapping, MAP_ALIGNMENT, type MapAccess, memberOf } from "../file_system.ts";

/** Copies the bytes of one array from `start` up to `end` into another, from `at` on. */
export type CopyBytes = (
  from: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
  at: number,
) => void;

/** Memory that shows a part of a file. */
export interface MappedMemory {
  readonly buffer: ArrayBuffer;
  /** The runtime's own way to copy bytes, where one is faster than `set` of a view. */
  readonly copy?: CopyBytes;
  /** Gives it back: munmap(2). */
  readonly free: () => void;
}

/** The calls of the C library that it takes. */
export interface MemoryCalls {
  /** fstatfs(2): writes into 120 bytes; not 0 if it failed. */
  statfs(descriptor: number, into: Uint8Array): number;
  /** mmap(2) with MAP_SHARED; undefined if it failed. */
  map(
    descriptor: number,
    offset: number,
    size: number,
    protection: number,
  ): MappedMemory | undefined;
}

/** Where the C library may be: glibc, musl. */
export const C_LIBRARIES: readonly string[] = ["libc.so.6", "libc.so"];

/** MAP_SHARED of mmap(2). */
export const SHARED = 1;

/** PROT_READ, and PROT_READ | PROT_WRITE, of mmap(2). */
const PROTECTION: Readonly<Record<MapAccess, number>> = { read: 1, write: 3 };

/** The machines of which the layout of `struct statfs` is known: the kind is its first word. */
const MACHINES: readonly string[] = ["x64", "arm64"];

/** The size of `struct statfs` there, in bytes. */
const STATFS_SIZE = 120;

/**
 * What a file system is called, by its number in statfs(2), and what a mapping of it may be made for.
 * A store into zeros that were written must not need space later, as it does where every write goes to
 * a new place; and a file on another machine may change or go at any time.
 */
const KINDS: ReadonlyMap<number, readonly [name: string, access: MapAccess | "none"]> = new Map([
  [0xef53, ["ext4", "write"]],
  [0x58465342, ["XFS", "write"]],
  [0x9123683e, ["Btrfs", "read"]],
  [0x2fc12fc1, ["ZFS", "read"]],
  [0xca451a4e, ["bcachefs", "read"]],
  [0xf2f52010, ["F2FS", "read"]],
  [0x01021994, ["tmpfs", "read"]],
  [0x794c7630, ["overlayfs", "read"]],
  [0x6969, ["NFS", "none"]],
  [0xff534d42, ["CIFS", "none"]],
  [0xfe534d42, ["SMB", "none"]],
  [0x65735546, ["FUSE or virtiofs", "none"]],
  [0x01021997, ["9p", "none"]],
]);

/** A runtime's way to call the C library, looked for when the first file is to be mapped. */
export class MemoryMapper {
  readonly #find: () => MemoryCalls | string;
  #found: MemoryCalls | string | undefined;

  /** @param find Finds the calls, or says in words why there are none. */
  constructor(find: () => MemoryCalls | string) {
    this.#find = find;
  }

  /** Why there are no calls; undefined if there are. */
  get refusal(): string | undefined {
    const calls = this.#calls();
    return typeof calls === "string" ? calls : undefined;
  }

  /** Maps a part of an open file, or says why not. */
  map(
    descriptor: number,
    offset: number,
    size: number,
    access: MapAccess,
  ): MappedMemory | string {
    const calls = this.#calls();
    if (typeof calls === "string") return calls;
    try {
      return refusedBy(calls, descriptor, access) ??
        calls.map(descriptor, offset, size, PROTECTION[access]) ?? "the system has refused it";
    } catch (error) {
      return refusedWith(error);
    }
  }

  #calls(): MemoryCalls | string {
    try {
      return this.#found ??= this.#find();
    } catch (error) {
      return this.#found = refusedWith(error);
    }
  }
}

function refusedWith(error: unknown): string {
  return `the runtime has refused it (${String(memberOf(error, "message") ?? error)})`;
}

/** Why a file system's files are not mapped; undefined if they may be. */
function refusedBy(
  calls: MemoryCalls,
  descriptor: number,
  access: MapAccess,
): string | undefined {
  const into = new Uint8Array(STATFS_SIZE);
  if (calls.statfs(descriptor, into) !== 0) return "the system does not tell the file system";
  const number = new DataView(into.buffer).getUint32(0, true);
  const [name, allowed] = KINDS.get(number) ?? [`a file system 0x${number.toString(16)}`, "none"];
  return allowed === "write" || allowed === access ? undefined : `not on ${name}`;
}

/** Why this machine has no mappings; undefined if it may have. */
export function refusedHere(): string | undefined {
  const { platform, arch } = process;
  if (platform !== "linux") return `not on ${platform}`;
  if (!MACHINES.includes(arch)) return `not on ${arch}`;
  return "transfer" in ArrayBuffer.prototype ? undefined : "this runtime cannot detach memory";
}

/** What was mapped, as memory of the runtime; it is given back at once where that fails. */
export function toMemory(make: () => ArrayBuffer, free: () => void): MappedMemory {
  try {
    return { buffer: make(), free };
  } catch (error) {
    free();
    throw error;
  }
}

/** Copies in the way that every runtime has. */
const copyView: CopyBytes = (from, start, end, into, at) => {
  into.set(from.subarray(start, end), at);
};

/**
 * Gives the memory of a mapping back whose log was never closed, once nothing refers to either. Views
 * do not leave this file, so nothing can see the memory then.
 */
const abandoned = new FinalizationRegistry<() => void>((free) => free());

/** A mapping, which its file's handle knows of until it was given back. */
class Mapping implements FileMapping {
  readonly #memory: MappedMemory;
  readonly #bytes: Uint8Array;
  readonly #offset: number;
  readonly #all: Set<Mapping>;
  readonly #copy: CopyBytes;
  /** What was stored last, and its first bytes: entries of one size make no garbage. */
  #data: Uint8Array = new Uint8Array(0);
  #part: Uint8Array = this.#data;
  /** Where in the file it ends. */
  readonly end: number;

  constructor(memory: MappedMemory, offset: number, all: Set<Mapping>) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#offset = offset;
    this.#all = all;
    this.#copy = memory.copy ?? copyView;
    this.end = offset + this.#bytes.length;
    all.add(this);
    abandoned.register(this, memory.free, this);
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(into: Uint8Array, offset: number, length: number): number {
    const at = offset - this.#offset;
    const end = Math.min(at + length, this.#bytes.length);
    if (at < 0 || end <= at) return 0;
    this.#copy(this.#bytes, at, end, into, 0);
    return end - at;
  }

  store(data: Uint8Array, offset: number, length: number): boolean {
    const at = offset - this.#offset;
    if (at < 0 || at + length > this.#bytes.length) return false;
    if (this.#data !== data || this.#part.length !== length) {
      this.#data = data;
      this.#part = data.subarray(0, length);
    }
    this.#bytes.set(this.#part, at);
    return true;
  }

  unmap(): void {
    if (!this.#all.delete(this)) return;
    abandoned.unregister(this);
    const { buffer, free } = this.#memory;
    buffer.transfer(0);
    // Where that does nothing, the memory stays for as long as the process.
    if (buffer.byteLength === 0) free();
  }
}

/** The mappings of one open file. */
export class Mappings {
  readonly #mapper: MemoryMapper;
  readonly #all = new Set<Mapping>();

  constructor(mapper: MemoryMapper) {
    this.#mapper = mapper;
  }

  /** Maps a part of the open file, whose size is known, or says why not. */
  map(
    descriptor: number,
    fileSize: number,
    offset: number,
    size: number,
    access: MapAccess,
  ): FileMapping | string {
    if (offset % MAP_ALIGNMENT !== 0 || size <= 0 || offset + size > fileSize) {
      return `the part of ${size} bytes at ${offset} is not in a file of ${fileSize} bytes`;
    }
    const memory = this.#mapper.map(descriptor, offset, size, access);
    return typeof memory === "string" ? memory : new Mapping(memory, offset, this.#all);
  }

  /** Gives those back that reach beyond a size. */
  cutTo(size: number): void {
    for (const mapping of this.#all) if (mapping.end > size) mapping.unmap();
  }
}
