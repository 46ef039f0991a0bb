/**
 * The messages of one call as bytes, in front of its event.
 *
 * ```text
 * queues u8 | for each: name: length u8, UTF-8 | codec: length u8, UTF-8 | count u32 |
 *             for each message: length u32 | bytes
 * ```
 *
 * @module
 */
import { readUint32, writeUint32 } from "../format/integers.ts";

/** The messages of one call for one queue. */
export interface QueueMessages {
  /** The queue's name. */
  readonly queue: string;
  /** The name of the codec that their bytes are of. */
  readonly codec: string;
  readonly messages: readonly Uint8Array[];
}

/** The longest name of a queue or of a codec, in bytes, and the most queues of one call. */
export const MAX_NAME_SIZE = 255;
export const MAX_QUEUES = 255;

const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a text can be the name of a queue. */
export function isQueueName(name: string): boolean {
  return name !== "" && name.isWellFormed() && ENCODER.encode(name).length <= MAX_NAME_SIZE;
}

/** The bytes of messages. */
export function encodeMessages(all: readonly QueueMessages[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(all.length)];
  for (const { queue, codec, messages } of all) {
    for (const name of [queue, codec].map((name) => ENCODER.encode(name))) {
      parts.push(Uint8Array.of(name.length), name);
    }
    parts.push(uint32(messages.length));
    for (const message of messages) parts.push(uint32(message.length), message);
  }
  const bytes = new Uint8Array(parts.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

/**
 * The messages in these bytes, in the same memory.
 *
 * @throws {RangeError | TypeError} They are none.
 */
export function decodeMessages(bytes: Uint8Array): QueueMessages[] {
  let at = 0;
  const take = (size: number): Uint8Array => {
    const taken = bytes.subarray(at, at + size);
    if (taken.length < size) throw new RangeError("The messages end early");
    at += size;
    return taken;
  };
  const takeUint32 = (): number => readUint32(take(4), 0);
  const takeName = (): string => DECODER.decode(take(take(1)[0] as number));
  const all: QueueMessages[] = [];
  for (let left = take(1)[0] as number; left > 0; left--) {
    const [queue, codec] = [takeName(), takeName()];
    const messages: Uint8Array[] = [];
    for (let more = takeUint32(); more > 0; more--) messages.push(take(takeUint32()));
    all.push({ queue, codec, messages });
  }
  if (at < bytes.length) throw new RangeError("Something stands after the messages");
  return all;
}
