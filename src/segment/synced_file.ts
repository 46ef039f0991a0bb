/**
 * A segment's file with its two descriptors, and the syncs of it: one at a time off the event loop,
 * beside those that block.
 *
 * An error of the disk is told to each descriptor once. So a sync that blocks does not use the one
 * that a sync off the event loop may be waiting on.
 *
 * @module
 */
import type { FileHandle } from "../fs/file_system.ts";
import { Syncs } from "../fs/syncs.ts";
import type { WritableSource } from "./writable_source.ts";

/** How many syncs were made. */
interface SyncCounter {
  syncs: number;
}

/** A file that is synced. */
export class SyncedFile {
  readonly #file: FileHandle;
  readonly #second: FileHandle;
  /** The one of the two that no sync off the event loop uses. */
  #blocking: FileHandle;
  readonly #syncs = new Syncs();
  readonly #counters: SyncCounter;
  readonly #failed: (doing: string, cause: unknown) => Error;
  /** Syncs that run; the file is closed when there is none. */
  #running = 0;
  #closed = false;

  /** @param failed Makes the error of a sync that failed. */
  constructor(
    { file, second }: Pick<WritableSource, "file" | "second">,
    counters: SyncCounter,
    failed: (doing: string, cause: unknown) => Error,
  ) {
    this.#file = file;
    this.#second = this.#blocking = second;
    this.#counters = counters;
    this.#failed = failed;
  }

  /** Whether a sync runs. */
  get isPending(): boolean {
    return this.#syncs.isPending;
  }

  /** Whether one has failed. */
  get hasFailed(): boolean {
    return this.#syncs.hasFailed;
  }

  /** Whether it was given back, or is when no sync runs. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Makes a sync after the one that runs. The file stays open until it has ended. */
  async run(doing: string, begin: (file: FileHandle) => Promise<void>): Promise<void> {
    this.#running++;
    try {
      await this.#syncs.run(() => {
        this.#counters.syncs++;
        return begin(this.#file);
      });
    } catch (cause) {
      throw this.#failed(doing, cause);
    } finally {
      this.#running--;
      if (this.#closed && this.#running === 0) this.#giveBack();
    }
  }

  /**
   * The same, through the second descriptor. The first is written through meanwhile, and Deno lends a
   * file to a sync that runs, so that nothing else can use it, if there are no descriptors left.
   */
  async runThroughSecond(doing: string): Promise<void> {
    this.#blocking = this.#file;
    await this.run(doing, () => this.#second.sync());
    this.#blocking = this.#second;
  }

  /** Makes a sync now. */
  runBlocking(doing: string, sync: (file: FileHandle) => void): void {
    this.#counters.syncs++;
    try {
      this.#syncs.runBlocking(() => sync(this.#blocking));
    } catch (cause) {
      throw this.#failed(doing, cause);
    }
  }

  /** Resolves when no sync runs. */
  async settled(): Promise<void> {
    try {
      await this.#syncs.settled();
    } catch (cause) {
      throw this.#failed("the last entries", cause);
    }
  }

  /** Gives the file back, once no sync runs. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running === 0) this.#giveBack();
  }

  #giveBack(): void {
    this.#second.close();
    this.#file.close();
  }
}
