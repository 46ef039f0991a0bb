/**
 * Which states of the disk have a roll that is pending, by the bytes and without the library's code,
 * and what of the roll each has: the name of the new segment N+1, its beginning, the full segment N.
 *
 * @module
 */
import {
  DATA,
  framesOf,
  holdsDurableFrame,
  INTERNAL,
  PENDING,
  PENDING_BEGINNING_SIZE,
} from "../../kit/frames.ts";
import type { CrashFileSystem } from "../../src/testing/testing.ts";

/** What the disk has of a roll on which no Durable frame in N+1 tells. */
export const ROLL_STATES = [
  "the directory without N+1, N whole",
  "the directory without N+1, N torn",
  "N+1 without its beginning, N whole",
  "N+1 without its beginning, N torn",
  "N+1 begun, N whole",
  "N+1 begun, N torn",
] as const;

/** One of these. */
export type RollState = typeof ROLL_STATES[number];

/** Sees the calls of a program and tells the rolls from them. */
export class RollWatch {
  readonly #onChange: (next: string | undefined) => void;
  #next: string | undefined;

  /** Calls `onChange` with the path of each segment that is begun without a wait, or that it is gone. */
  constructor(onChange: (next: string | undefined) => void) {
    this.#onChange = onChange;
  }

  /** Takes a call, in the words of `CrashFileSystem.observe`. */
  see(call: string): void {
    const [, what, path] = /^(.*?) ?(?:of )?"(.*\.\d{20})"$/.exec(call) ?? [];
    if (path === undefined) return;
    if (what === `write ${PENDING_BEGINNING_SIZE} bytes at 0`) this.#become(path);
    else if (what === "remove" && path === this.#next) this.#become(undefined);
  }

  #become(next: string | undefined): void {
    this.#next = next;
    this.#onChange(next);
  }
}

/**
 * What a disk has of the last roll.
 *
 * @param next The path of the segment N+1.
 * @returns `undefined` if a Durable frame tells that the roll is over, or if N is gone.
 */
export function rollStateOf(disk: CrashFileSystem, next: string): RollState | undefined {
  const [, directory = "", name = "", first] = /^(?:(.*)\/)?((.*)\.\d{20})$/.exec(next) ?? [];
  const names = disk.list(directory || ".");
  const full = names.filter((other) =>
    other < name && (other === first || isSegment(other, first ?? ""))
  ).sort().at(-1);
  if (full === undefined) return undefined;
  const at = (name: string): string => directory === "" ? name : `${directory}/${name}`;
  const entries = Number(name.slice(-20)) - (full === first ? 1 : Number(full.slice(-20)));
  const end = isWhole(contentOf(disk, at(full)), entries) ? "N whole" : "N torn";
  if (!names.includes(name)) return `the directory without N+1, ${end}`;
  const bytes = contentOf(disk, next);
  if (holdsDurableFrame(bytes)) return undefined;
  const mark = framesOf(bytes)[1];
  const isBegun = mark?.type === INTERNAL && mark.payload[0] === PENDING;
  return `${isBegun ? "N+1 begun" : "N+1 without its beginning"}, ${end}`;
}

function isSegment(name: string, first: string): boolean {
  return name.startsWith(`${first}.`) && /^\d{20}$/.test(name.slice(first.length + 1));
}

function contentOf(disk: CrashFileSystem, path: string): Uint8Array {
  const file = disk.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    return bytes;
  } finally {
    file.close();
  }
}

/** Whether a full segment has so many entries; its Seal may be to come. */
function isWhole(bytes: Uint8Array, entries: number): boolean {
  return framesOf(bytes).filter(({ type }) => type === DATA).length === entries;
}
