/**
 * The logs of layers in their own terms: what the tag says, what is beside the log, and what an entry is.
 *
 * @module
 */
import { describeState, readTag, type Tag } from "../layer/tag.ts";
import { showEvent } from "./event_view.ts";
import { showChange, showMachineEvent, showSnapshots } from "./machine_view.ts";
import { showCheckpoint, showRecord } from "./queue_view.ts";
import type { ShownEntry } from "./shown.ts";

/** A log of a layer. */
export interface LayerView {
  readonly tag: Tag;
  /** What the log is, in words, such as `a log of events with the codec "json"`. */
  readonly what: string;
  /** What the layer has beside the log, in words, a line each. */
  readonly lines: readonly string[];
  /** The same as fields of JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** An entry in the layer's terms; `undefined` if these are unknown here. */
  show(data: Uint8Array): ShownEntry | undefined;
}

/** What is known of one kind of layer. */
interface Kind {
  /** What the layer has beside the log, in words and as fields of JSON. */
  readonly own?: (own: Uint8Array) => Pick<LayerView, "lines" | "fields">;
  readonly show: (codec: string, data: Uint8Array) => ShownEntry;
}

/** The layers whose entries are shown in their own terms. */
const KINDS: Readonly<Record<string, Kind>> = {
  events: { show: showEvent },
  machine: { own: showSnapshots, show: showMachineEvent },
  map: { own: showSnapshots, show: showChange },
  queue: { own: showCheckpoint, show: showRecord },
};

/** The layer whose tag is in a log's state; `undefined` if there is none. */
export function layerOf(state: Uint8Array): LayerView | undefined {
  const tagged = readTag(state);
  if (tagged === undefined) return undefined;
  const { tag, own } = tagged;
  // Of a later format the bytes are unknown.
  const kind = tag.format === 1 && Object.hasOwn(KINDS, tag.kind) ? KINDS[tag.kind] : undefined;
  const { lines, fields } = kind?.own?.(own) ?? { lines: [], fields: {} };
  return {
    tag,
    what: describeState(state),
    lines,
    fields,
    show: (data) => kind?.show(tag.codec, data),
  };
}
