/**
 * Entries and values of layers in words and as fields of JSON.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { json, text } from "../layer/codec.ts";

/** An entry in its layer's terms. */
export interface ShownEntry {
  /** In words, for a line after the entry's index. */
  readonly words: string;
  /** As fields of JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The names of such fields in a line: what they say is in the entry's bytes too. */
export const LAYER_FIELDS: readonly string[] = [
  ...["event", "key", "enqueue", "handedOver"],
  ...["change", "record"],
];

/** A value as fields of JSON: decoded, or the codec's bytes. */
export type ShownValue = { readonly value: unknown } | { readonly base64: string };

/** What a codec's bytes stand for, if the codec is one of the layers' own and takes them. */
export function showValue(codec: string, bytes: Uint8Array): ShownValue {
  try {
    if (codec === "json") return { value: json().decode(bytes) };
    if (codec === "text") return { value: text().decode(bytes) };
  } catch {
    // They are shown as they are.
  }
  return { base64: base64Of(bytes) };
}

/** A value in words. */
export function valueInWords(shown: ShownValue): string {
  return "value" in shown ? JSON.stringify(shown.value) : `base64 ${shown.base64}`;
}

/** A time in milliseconds since 1970, as a field of JSON; `null` for none. */
export function showTime(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}

/** Bytes in base64. */
export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
