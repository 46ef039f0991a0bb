/**
 * A file of a damaged log, read as far as it can be: places that the device cannot read are passed
 * over, and a tail that is being replaced is as it is to be.
 *
 * @module
 */
import { type FileHandle, type FileSystem, isFileSystemError } from "../fs/file_system.ts";

/** What is read of a file. */
export type Readable = Pick<FileHandle, "read" | "size">;

/** How much is given up where the device fails, in bytes. */
const BLOCK_SIZE = 4096;

/** Stands for what cannot be read: no frame begins so, and it is not unused space. */
const UNREADABLE = 0xff;

/** Reads what can be read of a file. */
export class PatientFile implements Readable {
  readonly #file: FileHandle;
  #unreadable = 0;

  constructor(fileSystem: FileSystem, path: string) {
    this.#file = fileSystem.open(path, "read");
  }

  /** How many bytes could not be read; counted again if they are read again. */
  get unreadable(): number {
    return this.#unreadable;
  }

  size(): number {
    return this.#file.size();
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    try {
      return this.#file.read(into, offset, length);
    } catch (error) {
      if (!isDeviceError(error)) throw error;
    }
    const wanted = Math.max(0, Math.min(length, this.#file.size() - offset));
    for (let done = 0; done < wanted;) {
      // To the end of the device's block, so that a bad one costs no more than itself.
      const size = Math.min(wanted - done, BLOCK_SIZE - (offset + done) % BLOCK_SIZE);
      const part = into.subarray(done, done + size);
      try {
        if (this.#file.read(part, offset + done, size) < size) return done;
      } catch (error) {
        if (!isDeviceError(error)) throw error;
        part.fill(UNREADABLE);
        this.#unreadable += size;
      }
      done += size;
    }
    return wanted;
  }

  /** Gives the file back. */
  close(): void {
    this.#file.close();
  }
}

function isDeviceError(error: unknown): boolean {
  return isFileSystemError(error) && error.code === "EIO";
}

/** A file as it is before an offset, and from there on what another has. */
export function spliced(
  file: Readable,
  offset: number,
  tail: Readable,
  tailAt: number,
  tailLength: number,
): Readable {
  return {
    size: () => offset + tailLength,
    read(into, at, length = into.length): number {
      const wanted = Math.max(0, Math.min(length, offset + tailLength - at));
      const before = Math.max(0, Math.min(wanted, offset - at));
      let done = before === 0 ? 0 : file.read(into, at, before);
      if (done < before) return done;
      if (done < wanted) {
        const rest = into.subarray(done, wanted);
        done += tail.read(rest, tailAt + at + done - offset, rest.length);
      }
      return done;
    },
  };
}

/** A file without what is after an offset. */
export function clipped(file: Readable, size: number): Readable {
  return {
    size: () => Math.min(size, file.size()),
    read: (into, offset, length = into.length) =>
      file.read(into, offset, Math.max(0, Math.min(length, size - offset))),
  };
}

/** Whether the bytes of a file from `offset` on are all of another's, and no more. */
export function endsWith(file: Readable, offset: number, tail: Readable): boolean {
  const size = tail.size();
  if (file.size() - offset !== size) return false;
  const one = new Uint8Array(64 * 1024);
  const other = new Uint8Array(one.length);
  for (let at = 0; at < size;) {
    const n = file.read(one, offset + at);
    if (n === 0 || tail.read(other, at) < n) return false;
    for (let i = 0; i < n; i++) if (one[i] !== other[i]) return false;
    at += n;
  }
  return true;
}
