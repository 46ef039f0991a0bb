/**
 * A file system whose process dies at a given call: that one and all later ones fail, and what was
 * written before stays underneath.
 *
 * @module
 */
import type { FileSystem } from "../../src/fs/file_system.ts";
import { FaultyFileSystem, type Operation } from "./faulty.ts";

/** Stops for good where it is told to. */
export class StoppingFileSystem extends FaultyFileSystem {
  #left = Infinity;
  #leaves = 0;

  constructor(under: FileSystem) {
    super(under);
  }

  /** Whether it has stopped. */
  get stopped(): boolean {
    return this.#left < 0;
  }

  /** Stops after so many more calls that change something; a write then leaves so many bytes. */
  stopAfter(calls: number, leaves: number = 0): void {
    this.#left = calls;
    this.#leaves = leaves;
  }

  override record(operation: Operation, path: string): ReturnType<FaultyFileSystem["record"]> {
    const fault = super.record(operation, path);
    const changes = operation !== "open" && operation !== "read";
    if (!this.stopped && (!changes || --this.#left >= 0)) return fault;
    const leaves = this.#leaves;
    this.#leaves = 0;
    return { operation, code: "EIO", after: 0, times: 0, leaves };
  }
}
