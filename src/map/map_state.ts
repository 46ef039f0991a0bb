/**
 * A map that can be saved a piece at a time while it is changed, and whose last changes can be taken
 * back.
 *
 * While a snapshot is taken, a key that is changed or deleted before the snapshot has come to it leaves
 * its old value with the snapshot: copy-on-write, for each key. So what is saved is the map as it was
 * at the first piece.
 *
 * @module
 */
import type { Codec } from "../layer/codec.ts";
import type { HeldState, SavedState } from "../machine/held_state.ts";
import { PieceReader } from "../machine/piece_reader.ts";
import { type Change, type Item, itemEncoder, type MapKey, takeItem } from "./map_codec.ts";

/** A value, and what is known of its key. */
interface Slot<V> {
  readonly value: V;
  /** Counts the keys in the order in which they were added. */
  readonly order: number;
  /** The last snapshot that has the key already, or does not want it. */
  saved: number;
}

/** What a change has replaced, to be put back. */
type Undo<K, V> =
  | { readonly kind: "put"; readonly key: K; readonly slot: Slot<V> | undefined }
  | { readonly kind: "all"; readonly slots: Map<K, Slot<V>> };

/** How many bytes are gathered before a snapshot gets them, and after how many keys at the latest. */
const PIECE = 32 * 1024;
const KEYS = 4096;

/** Holds a map. */
export class MapState<K extends MapKey, V> implements HeldState<Change<K, V>> {
  readonly version = 1;
  readonly #values: Codec<V>;
  readonly #encode: (item: Item<K, V>) => Uint8Array;
  #slots = new Map<K, Slot<V>>();
  #nextOrder = 1;
  /** What was changed since the last settle, the latest last. */
  #undo: Undo<K, V>[] = [];
  /** Counts the snapshots. */
  #snapshot = 0;
  /** Old values that a running snapshot has still to take. */
  #left: Item<K, V>[] | undefined;

  constructor(values: Codec<V>) {
    this.#values = values;
    this.#encode = itemEncoder(values);
  }

  get size(): number {
    return this.#slots.size;
  }

  get(key: K): V | undefined {
    return this.#slots.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#slots.has(key);
  }

  keys(): MapIterator<K> {
    return this.#slots.keys();
  }

  *entries(): Generator<[K, V], void, undefined> {
    for (const [key, { value }] of this.#slots) yield [key, value];
  }

  reset(): void {
    this.#slots = new Map();
    this.#nextOrder = 1;
    this.#undo = [];
  }

  apply(change: Change<K, V>): void {
    if (change.kind === "clear") {
      // A running snapshot continues with the map that is left.
      this.#undo.push({ kind: "all", slots: this.#slots });
      this.#slots = new Map();
      return;
    }
    const { key } = change;
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#leave(key, slot);
    if (change.kind === "delete") {
      if (slot === undefined) return;
      this.#undo.push({ kind: "put", key, slot });
      this.#slots.delete(key);
      return;
    }
    this.#undo.push({ kind: "put", key, slot });
    const order = slot?.order ?? this.#nextOrder++;
    // A running snapshot has the old value now, or does not want the new key.
    this.#slots.set(key, { value: change.value, order, saved: this.#snapshot });
  }

  /** Leaves a value that is about to go with the running snapshot, if that has not come to it. */
  #leave(key: K, slot: Slot<V>): void {
    if (this.#left === undefined || slot.saved === this.#snapshot) return;
    slot.saved = this.#snapshot;
    this.#left.push({ key, value: slot.value, order: slot.order });
  }

  mark(): number {
    return this.#undo.length;
  }

  takeBack(mark: number): boolean {
    let isInOrder = true;
    while (this.#undo.length > mark) {
      const undo = this.#undo.pop() as Undo<K, V>;
      if (undo.kind === "all") {
        this.#slots = undo.slots;
      } else if (undo.slot === undefined) {
        this.#slots.delete(undo.key);
      } else {
        isInOrder &&= this.#slots.has(undo.key);
        this.#slots.set(undo.key, undo.slot);
      }
    }
    if (!isInOrder) this.#sort();
    return true;
  }

  settle(): void {
    this.#undo.length = 0;
  }

  save(): SavedState {
    return { pieces: this.#save(), flags: 0 };
  }

  *#save(): Generator<Uint8Array, void, undefined> {
    const number = ++this.#snapshot;
    const left: Item<K, V>[] = this.#left = [];
    // Another map takes its place when it is cleared.
    const slots = this.#slots;
    let piece = new Uint8Array(2 * PIECE);
    let size = 0;
    let keys = 0;
    const gather = (item: Item<K, V>): boolean => {
      // The codec's memory is that of the changes too: it is used again as soon as the loop turns.
      const bytes = this.#encode(item);
      if (size + bytes.length > piece.length) {
        const larger = new Uint8Array(size + bytes.length);
        larger.set(piece.subarray(0, size));
        piece = larger;
      }
      piece.set(bytes, size);
      size += bytes.length;
      return size >= PIECE;
    };
    const take = (): Uint8Array => {
      const taken = piece.subarray(0, size);
      size = 0;
      keys = 0;
      return taken;
    };
    try {
      for (const [key, slot] of slots) {
        const { value, order, saved } = slot;
        const isWanted = saved !== number;
        slot.saved = number;
        if (isWanted && gather({ key, value, order }) || ++keys >= KEYS) yield take();
        if (left.length > 0) { for (const item of left.splice(0)) if (gather(item)) yield take(); }
      }
      while (left.length > 0) for (const item of left.splice(0)) if (gather(item)) yield take();
      yield take();
    } finally {
      this.#left = undefined;
    }
  }

  load(pieces: Iterable<Uint8Array>): void {
    this.reset();
    const content = new PieceReader(pieces);
    let last = 0;
    let isSorted = true;
    while (!content.isAtEnd) {
      const { key, value, order } = takeItem<K, V>(content, this.#values);
      isSorted &&= order > last;
      last = order;
      this.#slots.set(key, { value, order, saved: 0 });
      this.#nextOrder = Math.max(this.#nextOrder, order + 1);
    }
    if (!isSorted) this.#sort();
  }

  /** Puts the keys back into the order in which they were added. */
  #sort(): void {
    this.#slots = new Map([...this.#slots].sort(([, a], [, b]) => a.order - b.order));
  }
}
