/**
 * What every part is given.
 *
 * @module
 */
import type { Report } from "./report.ts";
import type { Kind, Workshop } from "./workshop.ts";

/** What to do, with what, and where to report it. */
export interface Settings {
  readonly workshop: Workshop;
  readonly report: Report;
  readonly seed: number;
  /** How many power cuts there are on each file system. */
  readonly cuts: Readonly<Record<Kind, number>>;
}

/** Makes its checks, one after the other. */
export type Part = (settings: Settings) => Promise<void>;
