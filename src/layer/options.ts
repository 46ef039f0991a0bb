/**
 * A layer's options: its own, and beside them those of the log underneath.
 *
 * @module
 */
import { requireOptions } from "../arguments.ts";
import { WalError } from "../errors.ts";
import { WAL_OPTIONS, type WalOptions } from "../options.ts";

/**
 * The options of the log underneath a layer. Its format is not open to choice.
 *
 * @example
 * ```ts
 * import type { LayerOptions } from "@durable/wal/events";
 *
 * const options: LayerOptions = { segmentSize: 16 * 1024 * 1024 };
 * ```
 */
export type LayerOptions = Omit<WalOptions, "format">;

/**
 * The options that are the log's.
 *
 * @param options All options of a layer.
 * @param own The names of those that are the layer's own.
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: there is one with another name, or `format`.
 */
export function logOptions(options: LayerOptions, own: readonly string[]): WalOptions {
  const known = WAL_OPTIONS.filter((name) => name !== "format");
  if (typeof options === "object" && options !== null && "format" in options) {
    throw new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      'The option "format" is not open to choice: a layer writes a log of format 2.',
    );
  }
  requireOptions("options", options, [...own, ...known]);
  return Object.fromEntries(Object.entries(options).filter(([name]) => !own.includes(name)));
}
