/**
 * The tail of a file that is to be replaced.
 *
 * @module
 */
import type { FileHandle } from "../fs/file_system.ts";

/** Whose tail is to be replaced. */
export interface Target {
  readonly file: FileHandle;
  /** Of the segment; 0 for the meta file. */
  readonly firstIndex: number;
  /** Where the tail begins, in bytes from the start of the file. */
  readonly offset: number;
}
