/**
 * A file system that reports syncs of files that it does not make, as a disk does that is set to
 * ignore flushes: what a proof of durability has to notice.
 *
 * @module
 */
import type { File, FileSystem, Lock, OpenMode } from "../../src/fs/file_system.ts";

/** Everything goes through to the file system underneath, but the syncs of files. */
export class LyingFileSystem implements FileSystem {
  readonly #under: FileSystem;

  constructor(under: FileSystem) {
    this.#under = under;
  }

  open(path: string, mode: OpenMode, permissions?: number): File {
    return new LyingFile(this.#under.open(path, mode, permissions));
  }

  list(directory: string): string[] {
    return this.#under.list(directory);
  }

  remove(path: string): void {
    this.#under.remove(path);
  }

  makeDirectory(path: string, permissions: number): void {
    this.#under.makeDirectory(path, permissions);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#under.syncDirectory(path);
  }

  syncDirectoryBlocking(path: string): void {
    this.#under.syncDirectoryBlocking(path);
  }

  lock(path: string, permissions: number): Promise<Lock> {
    return this.#under.lock(path, permissions);
  }
}

class LyingFile implements File {
  readonly #under: File;

  constructor(under: File) {
    this.#under = under;
  }

  read(into: Uint8Array, offset: number, length?: number): number {
    return this.#under.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length?: number): void {
    this.#under.write(data, offset, length);
  }

  size(): number {
    return this.#under.size();
  }

  truncate(size: number): void {
    this.#under.truncate(size);
  }

  async syncData(): Promise<void> {}

  async sync(): Promise<void> {}

  syncBlocking(): void {}

  close(): void {
    this.#under.close();
  }
}
