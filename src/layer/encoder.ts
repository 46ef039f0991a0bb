/**
 * The encoding side of a layer: a value is checked by the schema, encoded by the codec, and lies in
 * memory with some bytes free in front for the layer.
 *
 * @module
 */
import { kindOf } from "../arguments.ts";
import { isBytes } from "../bytes.ts";
import { WalError } from "../errors.ts";
import type { Codec } from "./codec.ts";
import { KeptMemory } from "./kept_memory.ts";

/** Encodes values of one layer, one at a time. */
export class Encoder<T> {
  readonly #codec: Codec<T>;
  readonly #memory = new KeptMemory();

  constructor(codec: Codec<T>) {
    this.#codec = codec;
  }

  /**
   * Encodes a value.
   *
   * @param space How many bytes in front the caller fills.
   * @returns Memory that the next call uses again: append it, or copy it, at once.
   * @throws {WalError} `ERR_EVENT_CODEC`: the codec threw, or returned no bytes.
   */
  encode(space: number, value: T): Uint8Array {
    const isAfter = this.#codec.encodeAfter !== undefined;
    let encoded: unknown;
    try {
      encoded = this.#codec.encodeAfter?.(space, value);
      if (!isAfter) encoded = this.#codec.encode(value);
    } catch (cause) {
      throw this.#refused(`cannot encode ${kindOf(value)}`, cause);
    }
    if (!isBytes(encoded)) {
      throw this.#refused(`returned ${kindOf(encoded)} and no Uint8Array`);
    }
    if (!isAfter) return this.#memory.copy(space, encoded);
    if (encoded.length >= space) return encoded;
    throw this.#refused(`returned ${kindOf(encoded)} without ${space} bytes free in front`);
  }

  #refused(what: string, cause?: unknown): WalError {
    return new WalError(
      "ERR_EVENT_CODEC",
      `The codec "${this.#codec.name}" ${what}. Nothing was written. Give a value that the codec has ` +
        "a form for, or open the log with a schema that refuses others sooner.",
      cause === undefined ? undefined : { cause },
    );
  }
}
