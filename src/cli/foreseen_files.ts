/**
 * The files of a log as some steps of a plan would leave them. They can only be read, and nothing is
 * changed.
 *
 * @module
 */
import { SLOT_OFFSETS } from "../format/meta_slot.ts";
import { REDO_HEAD_SIZE } from "../format/redo_record.ts";
import { type FileHandle, type FileSystem, FileSystemError } from "../fs/file_system.ts";
import { pathIn } from "../fs/path.ts";
import type { InterruptedReplacement } from "../opening/findings.ts";
import { removedBy } from "../opening/plan.ts";
import { type Readable, spliced } from "./readable_file.ts";

/** What a file would be. */
type Change =
  | { readonly kind: "gone" }
  /** From an offset on, it would have the tail that the redo file has. */
  | {
    readonly kind: "replaced";
    readonly redo: string;
    readonly offset: number;
    readonly length: number;
  }
  /** Both of its slots would have what the redo file has. */
  | { readonly kind: "slots replaced"; readonly redo: string; readonly length: number };

/** A file system in which some files are as they would be. */
export class ForeseenFiles implements FileSystem {
  readonly makeDirectory: () => never = refuse;
  readonly remove: () => never = refuse;
  readonly openDirectory: () => never = refuse;
  readonly syncDirectory: () => never = refuse;
  readonly lock: () => never = refuse;
  readonly guard: () => never = refuse;
  readonly #under: FileSystem;
  readonly #changes: ReadonlyMap<string, Change>;

  /** The files as they are. */
  constructor(under: FileSystem, changes: ReadonlyMap<string, Change> = new Map()) {
    this.#under = under;
    this.#changes = changes;
  }

  /** The same without some files. */
  without(paths: readonly string[]): ForeseenFiles {
    const gone = paths.map((path) => [path, { kind: "gone" }] as const);
    return new ForeseenFiles(this.#under, new Map([...this.#changes, ...gone]));
  }

  /** The same once a replacement is finished, and the segments after it are removed. */
  replaced(replacement: InterruptedReplacement): ForeseenFiles {
    const { path: redo, target, record, isMeta } = replacement;
    const { offset, length } = record;
    const change: Change = isMeta
      ? { kind: "slots replaced", redo, length }
      : { kind: "replaced", redo, offset, length };
    return new ForeseenFiles(this.#under, new Map([...this.#changes, [target, change]]))
      .without(removedBy(replacement));
  }

  /** Opens a file, to be read. */
  open(path: string): FileHandle {
    const change = this.#changes.get(path);
    if (change?.kind === "gone") throw new FileSystemError("ENOENT", "Open", path);
    const file = this.#under.open(path, "read");
    if (change === undefined) return file;
    let redo: FileHandle;
    try {
      redo = this.#under.open(change.redo, "read");
    } catch (error) {
      file.close();
      throw error;
    }
    return new ForeseenFile(file, redo, changed(file, redo, change));
  }

  list(directory: string): string[] {
    return this.#under.list(directory)
      .filter((name) => this.#changes.get(pathIn(directory, name))?.kind !== "gone");
  }

  identify(path: string): string | undefined {
    return this.#changes.get(path)?.kind === "gone" ? undefined : this.#under.identify(path);
  }

  realPath(path: string): string {
    return this.#under.realPath(path);
  }
}

/** A file with other bytes than it has. */
class ForeseenFile implements FileHandle {
  readonly write: () => never = refuse;
  readonly truncate: () => never = refuse;
  readonly sync: () => never = refuse;
  readonly syncData: () => never = refuse;
  readonly syncBlocking: () => never = refuse;
  readonly syncDataBlocking: () => never = refuse;
  readonly #file: FileHandle;
  readonly #redo: FileHandle;
  readonly #bytes: Readable;

  constructor(file: FileHandle, redo: FileHandle, bytes: Readable) {
    this.#file = file;
    this.#redo = redo;
    this.#bytes = bytes;
  }

  read(into: Uint8Array, offset: number, length?: number): number {
    return this.#bytes.read(into, offset, length);
  }

  size(): number {
    return this.#bytes.size();
  }

  identity(): string {
    return this.#file.identity();
  }

  close(): void {
    this.#file.close();
    this.#redo.close();
  }
}

function changed(
  file: Readable,
  redo: Readable,
  change: Exclude<Change, { kind: "gone" }>,
): Readable {
  const { length } = change;
  if (change.kind === "replaced") {
    return spliced(file, change.offset, redo, REDO_HEAD_SIZE, length);
  }
  const [first, second] = SLOT_OFFSETS;
  const slot = spliced(file, first, redo, REDO_HEAD_SIZE, length);
  const padded: Readable = {
    size: () => second,
    read: (into, offset, wanted = into.length) => {
      const n = Math.min(wanted, second - offset);
      into.fill(0, 0, n);
      slot.read(into, offset, n);
      return n;
    },
  };
  return spliced(padded, second, redo, REDO_HEAD_SIZE, length);
}

function refuse(): never {
  throw new TypeError("What is foreseen can only be read");
}
