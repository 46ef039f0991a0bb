/**
 * A change of a map as the event of an entry, and a key with its value in a snapshot.
 *
 * ```text
 * event      0 u8 (set) | key length u32 | key, JSON | the value's codec
 *            1 u8 (delete) | key, JSON
 *            2 u8 (clear)
 * snapshot   for each: order u48 | key length u32 | value length u32 | key, JSON | value
 * ```
 *
 * `order` says in which order the keys were added, since a key that is changed while the snapshot is
 * taken may stand at another place in it.
 *
 * @module
 */
import { readUint32, writeUint32 } from "../format/integers.ts";
import type { Codec } from "../layer/codec.ts";
import { Encoder } from "../layer/encoder.ts";
import { KeptMemory } from "../layer/kept_memory.ts";
import type { PieceReader } from "../machine/piece_reader.ts";

/** What can be a key: what a `Map` finds again by its value, and JSON has a form for. */
export type MapKey = string | number | boolean;

/** A change of a map. */
export type Change<K, V> =
  | { readonly kind: "set"; readonly key: K; readonly value: V }
  | { readonly kind: "delete"; readonly key: K }
  | { readonly kind: "clear" };

const SET = 0;
const DELETE = 1;
const CLEAR = 2;

const SET_HEAD = 5;
const ITEM_HEAD = 6 + 4 + 4;

const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The codec of a map's changes, by that of its values. */
export function changeCodec<K extends MapKey, V>(values: Codec<V>): Codec<Change<K, V>> {
  const encoder = new Encoder(values);
  return {
    name: values.name,
    encode(change) {
      if (change.kind === "clear") return Uint8Array.of(CLEAR);
      const key = encodeKey(change.key);
      if (change.kind === "delete") {
        const bytes = new Uint8Array(1 + key.length);
        bytes[0] = DELETE;
        bytes.set(key, 1);
        return bytes;
      }
      const bytes = encoder.encode(SET_HEAD + key.length, change.value);
      bytes[0] = SET;
      writeUint32(bytes, 1, key.length);
      bytes.set(key, SET_HEAD);
      return bytes;
    },
    decode(bytes) {
      const change = splitChange<K>(bytes);
      return change.kind === "set" ? { ...change, value: values.decode(change.value) } : change;
    },
  };
}

/**
 * A change whose value is still bytes.
 *
 * @throws {TypeError} They are no change of a map.
 */
export function splitChange<K extends MapKey>(bytes: Uint8Array): Change<K, Uint8Array> {
  if (bytes[0] === CLEAR && bytes.length === 1) return { kind: "clear" };
  if (bytes[0] === DELETE) return { kind: "delete", key: decodeKey<K>(bytes.subarray(1)) };
  const valueAt = SET_HEAD + (bytes.length < SET_HEAD ? 0 : readUint32(bytes, 1));
  if (bytes[0] !== SET || valueAt > bytes.length) throw new TypeError("Not a change of a map");
  const key = decodeKey<K>(bytes.subarray(SET_HEAD, valueAt));
  return { kind: "set", key, value: bytes.subarray(valueAt) };
}

/** A key, its value, and its place in the order of the keys. */
export interface Item<K, V> {
  readonly key: K;
  readonly value: V;
  readonly order: number;
}

/**
 * What encodes the items of snapshots: it returns memory that the codec uses again, for an item or a
 * change.
 */
export function itemEncoder<K extends MapKey, V>(
  values: Codec<V>,
): (item: Item<K, V>) => Uint8Array {
  const encoder = new Encoder(values);
  const keys = new KeptMemory();
  return ({ key, value, order }) => {
    const text = keys.text(0, JSON.stringify(key));
    const bytes = encoder.encode(ITEM_HEAD + text.length, value);
    const high = Math.floor(order / 2 ** 32);
    bytes[0] = high >>> 8;
    bytes[1] = high;
    writeUint32(bytes, 2, order >>> 0);
    writeUint32(bytes, 6, text.length);
    writeUint32(bytes, 10, bytes.length - ITEM_HEAD - text.length);
    bytes.set(text, ITEM_HEAD);
    return bytes;
  };
}

/** Takes the next item of a snapshot. */
export function takeItem<K extends MapKey, V>(content: PieceReader, values: Codec<V>): Item<K, V> {
  const head = content.take(ITEM_HEAD);
  const order = ((head[0] as number) << 8 | (head[1] as number)) * 2 ** 32 + readUint32(head, 2);
  const keySize = readUint32(head, 6);
  const bytes = content.take(keySize + readUint32(head, 10));
  const key = decodeKey<K>(bytes.subarray(0, keySize));
  return { key, value: values.decode(bytes.subarray(keySize)), order };
}

function encodeKey(key: MapKey): Uint8Array {
  return ENCODER.encode(JSON.stringify(key));
}

function decodeKey<K extends MapKey>(bytes: Uint8Array): K {
  return JSON.parse(DECODER.decode(bytes)) as K;
}
