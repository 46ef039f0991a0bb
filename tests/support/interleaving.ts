/**
 * Calls that run at the same time, and whether some order of them, one after the other, explains what
 * they returned and what they left.
 *
 * The search is that of J. M. Wing and C. Gong ("Testing and Verifying Concurrent Objects", 1993): of
 * the calls that no other had ended before, one is taken, done to the model, and the rest searched.
 *
 * @module
 */
import type {
  Directory,
  FileHandle,
  FileSystem,
  Guard,
  OpenMode,
  WalErrorCode,
  WriterLock,
} from "../../mod.ts";
import {
  appended,
  type Atom,
  emptied,
  lastOf,
  type Log,
  withoutHead,
  withoutTail,
  withState,
} from "./model.ts";

/** A disk that takes its time to report a sync: what is written meanwhile, the sync does not cover. */
export class SlowFileSystem implements FileSystem {
  readonly #under: FileSystem;
  readonly #wait: (call: string) => Promise<unknown>;

  constructor(under: FileSystem, wait: (call: string) => Promise<unknown>) {
    this.#under = under;
    this.#wait = wait;
  }

  async #later(call: string, done: Promise<void>): Promise<void> {
    await Promise.all([done, this.#wait(call)]);
  }

  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    const file = this.#under.open(path, mode, permissions);
    return {
      read: (into, offset, length) => file.read(into, offset, length),
      write: (data, offset, length) => file.write(data, offset, length),
      size: () => file.size(),
      identity: () => file.identity(),
      truncate: (size) => file.truncate(size),
      syncData: () => this.#later("fdatasync", file.syncData()),
      sync: () => this.#later("fsync", file.sync()),
      syncDataBlocking: () => file.syncDataBlocking(),
      syncBlocking: () => file.syncBlocking(),
      close: () => file.close(),
    };
  }

  list(directory: string): string[] {
    return this.#under.list(directory);
  }

  identify(path: string): string | undefined {
    return this.#under.identify(path);
  }

  realPath(path: string): string {
    return this.#under.realPath(path);
  }

  remove(path: string): void {
    this.#under.remove(path);
  }

  makeDirectory(path: string, permissions: number): void {
    this.#under.makeDirectory(path, permissions);
  }

  openDirectory(path: string): Directory {
    const directory = this.#under.openDirectory(path);
    return {
      sync: () => this.#later("fsync directory", directory.sync()),
      syncBlocking: () => directory.syncBlocking(),
      close: () => directory.close(),
    };
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later("fsync directory", this.#under.syncDirectory(path));
  }

  lock(path: string, permissions: number): Promise<WriterLock> {
    return this.#under.lock(path, permissions);
  }

  guard(path: string): Guard | Promise<Guard> {
    return this.#under.guard(path);
  }
}

/** What a call asks for. */
export type Operation =
  | { readonly kind: "append"; readonly atom: Atom; readonly waits: boolean }
  | { readonly kind: "sync" }
  | { readonly kind: "truncateFrom" | "truncateBefore" | "reset"; readonly index: number }
  | { readonly kind: "setState"; readonly state: Uint8Array };

/** A call that has ended; `from` and `to` are moments. */
export interface Ended {
  readonly operation: Operation;
  readonly from: number;
  readonly to: number;
  /** The first index that an append returned. */
  readonly index?: number | undefined;
  readonly code?: WalErrorCode | undefined;
}

/** What a call does to a log; its error's code if it is wrong. */
function effect(log: Log, { operation }: Ended): Log | WalErrorCode {
  const last = lastOf(log);
  switch (operation.kind) {
    case "append":
      return appended(log, [operation.atom]);
    case "sync":
      return log;
    case "setState":
      return withState(log, operation.state);
    case "reset":
      return emptied(log, operation.index);
    case "truncateFrom":
      return operation.index < log.first || operation.index > last
        ? "ERR_WAL_INDEX_OUT_OF_RANGE"
        : withoutTail(log, operation.index);
    case "truncateBefore":
      return operation.index < log.first || operation.index > last + 1
        ? "ERR_WAL_INDEX_OUT_OF_RANGE"
        : withoutHead(log, operation.index);
  }
}

/** Whether some order of the calls explains them; `isLeft` tells whether a log is what was left. */
export function isExplained(
  log: Log,
  calls: readonly Ended[],
  isLeft: (log: Log) => boolean,
): boolean {
  if (calls.length === 0) return isLeft(log);
  const firstEnd = Math.min(...calls.map(({ to }) => to));
  return calls.some((call) => {
    if (call.from > firstEnd) return false;
    const after = effect(log, call);
    const isSo = typeof after === "string"
      ? after === call.code
      : call.code === undefined && (call.index ?? lastOf(log) + 1) === lastOf(log) + 1;
    if (!isSo) return false;
    const rest = calls.filter((other) => other !== call);
    return isExplained(typeof after === "string" ? log : after, rest, isLeft);
  });
}
