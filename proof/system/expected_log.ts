/**
 * What a remote log must hold: exactly what was acknowledged.
 *
 * @module
 */
import { BrokenPromise, digestOf } from "../../src/testing/testing.ts";
import type { Refusal } from "./remote_lines.ts";
import { remoteDigest, type RemoteLog } from "./remote_log.ts";

/** Writes a remote log, and knows what it holds. */
export class ExpectedLog {
  readonly remote: RemoteLog;
  readonly path: string;
  readonly segmentSize: number;
  readonly #entries: string[] = [];
  #state: string = digestOf(new Uint8Array(0));
  /** What the state may be as well, once the handle has ended. */
  #possibleState: string | undefined;
  #ids = 0;

  constructor(remote: RemoteLog, path: string, segmentSize: number = 64 * 1024 * 1024) {
    this.remote = remote;
    this.path = path;
    this.segmentSize = segmentSize;
  }

  /** How many entries are acknowledged. */
  get count(): number {
    return this.#entries.length;
  }

  /** Opens the log. */
  async open(): Promise<void> {
    await this.remote.do({ do: "open", path: this.path, segmentSize: this.segmentSize });
  }

  /** Appends an entry; why it was refused, if it was. */
  async append(size: number, isSynced: boolean = false): Promise<Refusal | undefined> {
    const id = ++this.#ids;
    const command = { do: isSynced ? "appendAndSync" : "append", id, size } as const;
    const { refused, view } = await this.remote.try(command);
    if (refused === undefined) this.#entries.push(remoteDigest(id, 0, size));
    if (view?.lastIndex !== this.#entries.length && !isEnd(refused)) {
      throw new BrokenPromise(`The log ends at ${view?.lastIndex}, not ${this.#entries.length}`);
    }
    return refused;
  }

  /** Appends entries as one atom. */
  async appendBatch(sizes: readonly number[]): Promise<Refusal | undefined> {
    const id = ++this.#ids;
    const { refused, view } = await this.remote.try({ do: "appendBatch", id, sizes });
    if (refused === undefined) {
      this.#entries.push(...sizes.map((size, position) => remoteDigest(id, position, size)));
    }
    if (view?.lastIndex !== this.#entries.length) {
      throw new BrokenPromise(`The log ends at ${view?.lastIndex}, not ${this.#entries.length}`);
    }
    return refused;
  }

  /** Stores a state. */
  async setState(size: number): Promise<Refusal | undefined> {
    const id = ++this.#ids;
    const { refused } = await this.remote.try({ do: "setState", id, size });
    const wanted = remoteDigest(id, 0, size);
    if (refused === undefined) this.#state = wanted;
    else if (isEnd(refused)) this.#possibleState = wanted;
    return refused;
  }

  /** Opens the log again whose handle has ended; then its state is the old one or the new. */
  async reopenEnded(): Promise<void> {
    await this.remote.try({ do: "close" });
    await this.open();
    const { state } = await this.remote.read();
    if (state === this.#possibleState) this.#state = state;
    this.#possibleState = undefined;
  }

  /**
   * Compares what the log holds, now and after a reopen.
   *
   * @throws {BrokenPromise} If it is not what was acknowledged, or the end was not clean.
   */
  async judge(): Promise<void> {
    await this.#compare("before the reopen");
    await this.remote.do({ do: "close" });
    await this.open();
    await this.#compare("after the reopen");
    const { view } = await this.remote.try({ do: "read" });
    if (view?.recovery !== "A" && view?.recovery !== "B") {
      throw new BrokenPromise(`Recovery found case ${view?.recovery}`);
    }
  }

  async #compare(when: string): Promise<void> {
    const { firstIndex, entries, state } = await this.remote.read();
    const wrong = this.#entries.findIndex((entry, i) => entry !== entries[i]);
    if (firstIndex !== 1 || entries.length !== this.#entries.length || wrong >= 0) {
      throw new BrokenPromise(
        `The log has ${entries.length} entries from ${firstIndex} ${when}, acknowledged are ` +
          `${this.#entries.length}${wrong >= 0 ? `, the first that is wrong is ${wrong + 1}` : ""}`,
      );
    }
    if (state !== this.#state) throw new BrokenPromise(`The state is ${state} ${when}`);
  }
}

/** Whether the handle has ended with this. */
export function isEnd(refused: Refusal | undefined): boolean {
  return refused?.code === "ERR_WAL_SYNC_FAILED";
}

/** Requires that a call was refused with a code, for a reason of the system's. */
export function requireRefusal(
  what: string,
  refused: Refusal | undefined,
  code: Refusal["code"],
  cause: string,
): void {
  if (refused?.code === code && refused?.cause === cause) return;
  const got = refused === undefined
    ? "was carried out"
    : `was refused with ${refused.code} (${refused.cause}): ${refused.message}`;
  throw new BrokenPromise(`${what} ${got}, not refused with ${code} (${cause})`);
}
