/**
 * A `Map` that survives: {@linkcode DurableMap}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { DurableMap } from "@durable/wal/map";
 *
 * // Leave fileSystem out to keep the map on disk.
 * const fileSystem = new MemoryFileSystem();
 * const users = await DurableMap.open<string, { name: string }>("users.wal", { fileSystem });
 * await users.set("ada", { name: "Ada Lovelace" }); // survives a power cut
 * assertEquals(users.get("ada"), { name: "Ada Lovelace" });
 * await users.close();
 * ```
 *
 * @module
 */
import { invalid } from "../arguments.ts";
import { resolveEventOptions } from "../events/options.ts";
import { isPromise } from "../fs/promise.ts";
import { type Codec, json, requireCodec } from "../layer/codec.ts";
import { type LayerOptions, logOptions } from "../layer/options.ts";
import { MachineCore, type MachineRecovery } from "../machine/core.ts";
import { MachineCoder } from "../machine/machine_coder.ts";
import { resolveSnapshotOptions, type SnapshotOptions } from "../machine/options.ts";
import { type Change, changeCodec, type MapKey } from "./map_codec.ts";
import { MapState } from "./map_state.ts";

export { bytes, type Codec, json, text } from "../layer/codec.ts";
export type { LayerOptions } from "../layer/options.ts";
export type { MachineRecovery } from "../machine/core.ts";
export type { MapKey } from "./map_codec.ts";

/**
 * How a map is opened: its own options, and those of the log underneath.
 *
 * @example
 * ```ts
 * import { bytes, type DurableMapOptions } from "@durable/wal/map";
 *
 * const options: DurableMapOptions<Uint8Array> = { codec: bytes(), everyBytes: 16 * 1024 * 1024 };
 * ```
 */
export interface DurableMapOptions<V> extends Omit<LayerOptions, "readOnly"> {
  /**
   * How a value becomes bytes.
   *
   * @default {json()}
   */
  codec?: Codec<V>;
  /**
   * After how many bytes of changes the next snapshot is taken; Infinity for none but those that
   * `snapshot()` takes.
   *
   * @default {67108864} (64 MiB)
   */
  everyBytes?: number;
  /**
   * Whether a snapshot is compressed with zstd where that saves a tenth.
   *
   * @default {true}
   */
  compress?: boolean;
}

/**
 * Changes that are made together.
 *
 * @example
 * ```ts
 * import type { MapBatch } from "@durable/wal/map";
 *
 * const swap = (batch: MapBatch<string, number>) => {
 *   batch.set("a", 2);
 *   batch.set("b", 1);
 * };
 * console.log(typeof swap);
 * ```
 */
export interface MapBatch<K extends MapKey, V> {
  /** Sets a key's value. */
  set(key: K, value: V): void;
  /** Removes a key. */
  delete(key: K): void;
  /** Removes all keys. */
  clear(): void;
}

const OWN: readonly string[] = ["codec", "everyBytes", "compress"];

/** The version of the bytes of a map's entries and state. */
const FORMAT = 1;

/**
 * A `Map` whose changes are in a log. All of it is in memory; reads are those of a `Map`, in the order
 * in which the keys were added.
 *
 * A change shows at once. Its promise resolves when it survives a power cut. What has resolved is in
 * the map after every crash, and what a call has changed is there as a whole or not at all. If the disk
 * is full, the changes of the turn are taken back and their calls reject.
 *
 * A value is encoded when it is set, and the map has what its bytes say: a later change of the object
 * that was given changes nothing. Do not change what `get` returns.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { DurableMap } from "@durable/wal/map";
 *
 * const fileSystem = new MemoryFileSystem();
 * const first = await DurableMap.open<string, number>("a.wal", { fileSystem });
 * await first.set("x", 1);
 * await first.batch((batch) => { // both or none
 *   batch.set("y", 2);
 *   batch.delete("x");
 * });
 * await first.close();
 *
 * await using again = await DurableMap.open<string, number>("a.wal", { fileSystem });
 * assertEquals([...again], [["y", 2]]);
 * ```
 */
export class DurableMap<K extends MapKey, V> {
  readonly #core: MachineCore<Change<K, V>>;
  readonly #map: MapState<K, V>;

  private constructor(core: MachineCore<Change<K, V>>, map: MapState<K, V>) {
    this.#core = core;
    this.#map = map;
  }

  /**
   * Opens the map at `path`, or makes it.
   *
   * Durability at return: all that the map then has.
   *
   * @param path The path of the log's first file.
   * @param options See {@linkcode DurableMapOptions}.
   * @throws As `StateMachine.open`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { DurableMap } from "@durable/wal/map";
   *
   * const fileSystem = new MemoryFileSystem();
   * const map = await DurableMap.open<number, string>("a.wal", { fileSystem });
   * await map.close();
   * ```
   */
  static async open<K extends MapKey, V>(
    path: string,
    options: DurableMapOptions<V> = {},
  ): Promise<DurableMap<K, V>> {
    const log = logOptions(options, OWN);
    if ("readOnly" in log) throw invalid("readOnly option", "left out", log.readOnly);
    const { codec = json<V>() } = options;
    requireCodec(codec);
    const { everyBytes, compress } = resolveSnapshotOptions(snapshotOptionsOf(options));
    const map = new MapState<K, V>(codec);
    const changes = changeCodec<K, V>(codec);
    const core = await MachineCore.open<Change<K, V>, Change<K, V>>(path, {
      tag: { kind: "map", codec: codec.name, format: FORMAT },
      held: map,
      coder: new MachineCoder(resolveEventOptions({ codec: changes, timestamps: false })),
      keys: 0,
      everyBytes,
      compress,
      outlets: new Map(),
      log,
    });
    return new DurableMap(core, map);
  }

  /** The path of the log's first file, absolute and without links. */
  get path(): string {
    return this.#core.log.path;
  }

  /** What open found, and what it rebuilt the map from. */
  get recovery(): MachineRecovery {
    return this.#core.recovery;
  }

  /** Why the last snapshot failed that was taken by itself; `undefined` if it did not. */
  get snapshotError(): unknown {
    return this.#core.snapshotError;
  }

  /**
   * How many keys there are.
   *
   * @throws What ended the map: then it may have what its log has not. So do all reads.
   */
  get size(): number {
    return this.#read().size;
  }

  /** The value of a key; `undefined` if there is none. */
  get(key: K): V | undefined {
    return this.#read().get(key);
  }

  /** Whether a key is there. */
  has(key: K): boolean {
    return this.#read().has(key);
  }

  /** The keys, in the order in which they were added. */
  keys(): IterableIterator<K> {
    return this.#read().keys();
  }

  /** The values, in the order in which their keys were added. */
  *values(): Generator<V, void, undefined> {
    for (const [, value] of this.#read().entries()) yield value;
  }

  /** The keys and their values, in the order in which the keys were added. */
  entries(): Generator<[K, V], void, undefined> {
    return this.#read().entries();
  }

  /** The same. */
  [Symbol.iterator](): Generator<[K, V], void, undefined> {
    return this.entries();
  }

  /**
   * Sets a key's value.
   *
   * Durability at return: the change, and all that were made before it.
   *
   * @param key A string, a finite number or a boolean.
   * @param value What the codec has a form for.
   * @throws `WalError` `ERR_WAL_INVALID_ARGUMENT`: no key. `ERR_EVENT_CODEC`: the value has no form.
   * `ERR_WAL_ENTRY_TOO_LARGE`, `ERR_WAL_WRITE_FAILED` (a full disk): the map is as before.
   * `ERR_WAL_SYNC_FAILED`, `ERR_WAL_MOVED`: the map has ended. `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { DurableMap } from "@durable/wal/map";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using map = await DurableMap.open<string, number>("a.wal", { fileSystem });
   * await Promise.all([map.set("a", 1), map.set("b", 2)]); // one sync
   * ```
   */
  async set(key: K, value: V): Promise<void> {
    requireKey(key);
    await this.#core.append([{ kind: "set", key, value }]);
  }

  /**
   * Removes a key.
   *
   * Durability at return: as {@linkcode set}.
   *
   * @param key The key.
   * @returns Whether it was there.
   * @throws As {@linkcode set}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { DurableMap } from "@durable/wal/map";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using map = await DurableMap.open<string, number>("a.wal", { fileSystem });
   * assertEquals(await map.delete("a"), false);
   * ```
   */
  async delete(key: K): Promise<boolean> {
    requireKey(key);
    const changes: Change<K, V>[] = [{ kind: "delete", key }];
    const { firstIndex, lastIndex } = await this.#core.decide(
      () => this.#map.has(key) ? changes : [],
    );
    return lastIndex >= firstIndex;
  }

  /**
   * Removes all keys.
   *
   * Durability at return: as {@linkcode set}.
   *
   * @throws As {@linkcode set}.
   */
  async clear(): Promise<void> {
    await this.#core.decide(() => this.#map.size > 0 ? [{ kind: "clear" }] : []);
  }

  /**
   * Makes changes as one atom: after any crash all of them are there or none.
   *
   * Durability at return: as {@linkcode set}.
   *
   * @param change Is called once, at once, and makes the changes. What it throws rejects the call, and
   * nothing has changed.
   * @throws As {@linkcode set}, and `ERR_WAL_BATCH_TOO_LARGE`: the changes fit no segment.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { DurableMap } from "@durable/wal/map";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using map = await DurableMap.open<string, number>("a.wal", { fileSystem });
   * await map.batch((batch) => {
   *   for (const key of ["a", "b", "c"]) batch.set(key, key.length);
   * });
   * ```
   */
  async batch(change: (batch: MapBatch<K, V>) => void): Promise<void> {
    if (typeof change !== "function") throw invalid("change", "a function", change);
    await this.#core.decide(() => changesOf(change));
  }

  /**
   * Takes a snapshot and drops the changes that no snapshot needs any more. The map is used meanwhile.
   *
   * Durability at return: the snapshot, and its name in the log's state.
   *
   * @throws As `snapshot` of `StateMachine`.
   */
  async snapshot(): Promise<void> {
    await this.#core.snapshot();
  }

  /**
   * Closes the map. Calls that wait are answered first; a snapshot that is being taken is given up. A
   * second call does nothing more.
   *
   * Durability at return: every change that was not refused.
   *
   * @throws As `close` of the log.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** Closes the map at the end of a block that holds it with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read(): MapState<K, V> {
    this.#core.requireState();
    return this.#map;
  }
}

function snapshotOptionsOf<V>(
  { everyBytes, compress }: DurableMapOptions<V>,
): SnapshotOptions<unknown> {
  return {
    ...everyBytes === undefined ? {} : { everyBytes },
    ...compress === undefined ? {} : { compress },
  };
}

/** The changes that a function makes. */
function changesOf<K extends MapKey, V>(
  change: (batch: MapBatch<K, V>) => void,
): readonly Change<K, V>[] {
  const changes: Change<K, V>[] = [];
  const answer: unknown = change({
    set(key, value) {
      requireKey(key);
      changes.push({ kind: "set", key, value });
    },
    delete(key) {
      requireKey(key);
      changes.push({ kind: "delete", key });
    },
    clear() {
      changes.push({ kind: "clear" });
    },
  });
  if (isPromise(answer)) {
    answer.then(undefined, () => {});
    throw invalid("change", "a function that makes its changes at once", answer);
  }
  return changes;
}

function requireKey(key: unknown): void {
  const isKey = (typeof key === "string" && key.isWellFormed()) || typeof key === "boolean" ||
    (typeof key === "number" && Number.isFinite(key));
  if (!isKey) throw invalid("key", "a well-formed string, a finite number or a boolean", key);
}
