/**
 * The directory that a log's files lie in. The writer holds it open, so that an error of one sync is
 * told to every other.
 *
 * @module
 */
import type { Directory, FileSystem } from "./fs/file_system.ts";
import { Syncs } from "./syncs.ts";

/** A directory and its syncs. */
export class LogDirectory {
  /** The directory's path. */
  readonly path: string;
  readonly #fileSystem: FileSystem;
  readonly #syncs = new Syncs();
  #first: Directory | undefined;
  /** For syncs that block. */
  #second: Directory | undefined;

  /** Names a directory; a reader does no more. */
  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.path = path;
  }

  /**
   * Opens it, to be synced from now on.
   *
   * @throws {FileSystemError} If it cannot be opened.
   */
  hold(): void {
    this.#first = this.#fileSystem.openDirectory(this.path);
    this.#second = this.#fileSystem.openDirectory(this.path);
  }

  /**
   * Makes the names in it durable.
   *
   * @throws {FileSystemError} If the outcome is unknown; then every later sync fails too.
   */
  async sync(): Promise<void> {
    await this.#syncs.run(() => held(this.#first).sync());
  }

  /** The same while the caller waits. */
  syncBlocking(): void {
    this.#syncs.runBlocking(() => held(this.#second).syncBlocking());
  }

  /** Gives it back. No sync may run. */
  close(): void {
    this.#first?.close();
    this.#second?.close();
    this.#first = this.#second = undefined;
  }
}

function held(directory: Directory | undefined): Directory {
  if (directory === undefined) throw new TypeError("Only a writer syncs its directory");
  return directory;
}
