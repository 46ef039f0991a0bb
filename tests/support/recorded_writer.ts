/**
 * A writer whose changes of its files are recorded, and done again between the calls of a reader.
 *
 * @module
 */
import { type FileHandle, type FileSystem, Wal, type WalOptions } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { like } from "../../kit/like.ts";

/** Something that a writer does to its files, to be done to others again. */
type Change = (fileSystem: FileSystem, files: Map<number, FileHandle>) => void;

/** What a writer did to its files. */
export class RecordedWriter {
  readonly changes: Change[] = [];
  readonly #path: string;
  readonly #options: WalOptions;
  readonly #memory = new MemoryFileSystem();
  #opened = 0;
  /** Which process is the writer. */
  #process = 0;

  constructor(path: string, options: WalOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Opens the log; a writer that has it open was killed, and does no more. */
  async open(): Promise<Wal> {
    return await Wal.open(this.#path, { ...this.#options, fileSystem: this.#recording() });
  }

  #recording(): FileSystem {
    const { changes } = this;
    const memory = this.#memory;
    const process = ++this.#process;
    return like<FileSystem>(memory, {
      open: (path, mode) => {
        const file = memory.open(path, mode);
        const id = this.#opened++;
        changes.push((to, files) => void files.set(id, to.open(path, mode)));
        return like<FileHandle>(file, {
          write: (data, offset, length = data.length) => {
            if (process !== this.#process) return;
            const copy = data.slice(0, length);
            changes.push((_, files) => files.get(id)?.write(copy, offset));
            file.write(copy, offset);
          },
          truncate: (size) => {
            if (process !== this.#process) return;
            changes.push((_, files) => files.get(id)?.truncate(size));
            file.truncate(size);
          },
        });
      },
      remove: (path) => {
        changes.push((to) => to.remove(path));
        memory.remove(path);
      },
      guard: () => ({ isHeld: () => true, release: () => {} }),
      lock: (path) => {
        // It stays, and tells a reader that there may be a writer.
        if (!memory.list(".").includes(path)) {
          changes.push((to) => to.open(path, "create").close());
          memory.open(path, "create").close();
        }
        return Promise.resolve({ kind: "kernel", isHeld: () => true, release: () => {} });
      },
    });
  }
}

/** The files of a writer, which continues step by step. */
export class ReplayedWriter {
  readonly memory: MemoryFileSystem = new MemoryFileSystem();
  readonly #changes: readonly Change[];
  readonly #files = new Map<number, FileHandle>();
  #done = 0;

  constructor({ changes }: RecordedWriter) {
    this.#changes = changes;
  }

  /** How many changes were made. */
  get done(): number {
    return this.#done;
  }

  get isAtEnd(): boolean {
    return this.#done >= this.#changes.length;
  }

  /** Makes the next change, if there is one. */
  step(): void {
    if (!this.isAtEnd) this.#changes[this.#done++]?.(this.memory, this.#files);
  }

  /** A file system on which `advance` is called before any call. */
  fileSystem(advance: () => void): FileSystem {
    const { memory } = this;
    return like<FileSystem>(memory, {
      open: (path, mode) => {
        advance();
        const file = memory.open(path, mode);
        return like<FileHandle>(file, {
          read: (into, offset, length) => {
            advance();
            return file.read(into, offset, length);
          },
          size: () => {
            advance();
            return file.size();
          },
        });
      },
      list: (directory) => {
        advance();
        return memory.list(directory);
      },
      identify: (path) => {
        advance();
        return memory.identify(path);
      },
      watch: (_, onChange) => {
        const timer = setInterval(onChange, 1);
        return () => clearInterval(timer);
      },
    });
  }
}
