/**
 * The entries of a log of events in words and as fields of JSON.
 *
 * @module
 */
import { readHeader } from "../events/format.ts";
import { base64Of, type ShownEntry, showTime, showValue, valueInWords } from "./shown.ts";

/** An event: its time, its version, and its value where the codec is one of the layers' own. */
export function showEvent(codec: string, data: Uint8Array): ShownEntry {
  const header = readHeader(data);
  if (header === undefined || header.version === 0) {
    return { words: `no event: base64 ${base64Of(data)}`, fields: { event: null } };
  }
  const { version, size } = header;
  const time = showTime(header.time);
  const shown = showValue(codec, data.subarray(size));
  return {
    words: `${time ?? "-"} v${version} ${valueInWords(shown)}`,
    fields: { event: { version, time, ...shown } },
  };
}
