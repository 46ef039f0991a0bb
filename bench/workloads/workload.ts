/**
 * What a workload is: one file here a workload.
 *
 * @module
 */
import type { Measurement } from "../results.ts";

/** What a workload is given. */
export interface Setting {
  /** A folder for the files of its trials. */
  readonly folder: string;
  /** The path of a closed log of `entries` entries, for the workloads that read. */
  readonly log: string;
  /** How large a large log is. */
  readonly entries: number;
  readonly rounds: number;
}

/** Measures one thing that a log does, or a few that share a floor. */
export type Workload = (setting: Setting) => Promise<Measurement[]>;
