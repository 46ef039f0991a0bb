/**
 * The bytes of a queue's entries: each kind, as `docs/layers.md` has them, and what is none.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import {
  decodeMessage,
  decodeRecord,
  encodeCheckpointPart,
  encodeCopy,
  encodeHeader,
  encodeRecord,
  type MessageHeader,
  type PlainRecord,
} from "../../src/queue/records.ts";
import { bytes, text, toHex } from "../../kit/logs.ts";

const PLAIN: MessageHeader = { time: 0x010203040506, due: 0, delay: 0, key: undefined };
const FULL: MessageHeader = { time: 1, due: 0x0a0b, delay: 0x0c, key: "kä" };

function encodeMessage(header: MessageHeader, value: Uint8Array): Uint8Array {
  return new Uint8Array([...encodeHeader(header), ...value]);
}

const RECORDS: readonly (readonly [PlainRecord, string])[] = [
  [
    { kind: "consumer", number: 1, from: "first", name: "a" },
    "03 0000000000000001 00 61",
  ],
  [
    { kind: "consumer", number: 2, from: "now", name: "é" },
    "03 0000000000000002 01 c3a9",
  ],
  [
    { kind: "delivered", consumer: 1, ids: [3, 2 ** 32] },
    "04 0000000000000001 0000000000000003 0000000100000000",
  ],
  [{ kind: "acked", consumer: 1, ids: [] }, "05 0000000000000001"],
  [
    { kind: "retried", consumer: 1, id: 3, due: 5, delay: 4 },
    "06 0000000000000001 0000000000000003 000000000005 000000000004",
  ],
  [
    { kind: "dead", consumer: 1, id: 3, time: 5, reason: "no" },
    "07 0000000000000001 0000000000000003 000000000005 6e6f",
  ],
  [
    { kind: "redriven", consumer: 1, id: 3 },
    "08 0000000000000001 0000000000000003",
  ],
  [{ kind: "removed", consumer: 1 }, "09 0000000000000001"],
];

test("each record has its bytes, and is read again", () => {
  for (const [record, hex] of RECORDS) {
    const entry = encodeRecord(record);
    assertEquals(toHex(entry), hex.replaceAll(" ", ""));
    assertEquals(decodeRecord(entry), record);
  }
});

test("a message has a header of eight bytes, and more for a delay and a key", () => {
  const plain = encodeMessage(PLAIN, bytes("v"));
  assertEquals(toHex(plain), "0100" + "010203040506" + "76");
  assertEquals(decodeRecord(plain), { kind: "message", ...PLAIN });
  const full = encodeMessage(FULL, bytes("v"));
  const hex = "0103" + "000000000001" + "000000000a0b" + "00000000000c" + "036bc3a4" + "76";
  assertEquals(toHex(full), hex);
  const { header, value } = decodeMessage(full) ?? {};
  assertEquals(header, { kind: "message", ...FULL } as MessageHeader);
  assertEquals(text(value ?? new Uint8Array()), "v");
});

test("a copy has the message's id and its bytes, and so has a copy of a copy", () => {
  const message = encodeMessage(FULL, bytes("v"));
  const copy = encodeCopy(7, message);
  assertEquals(toHex(copy), "02" + "0000000000000007" + toHex(message.subarray(1)));
  assertEquals(encodeCopy(7, copy), copy);
  assertEquals(decodeRecord(copy), { kind: "copy", id: 7, ...FULL });
  assertEquals(text(decodeMessage(copy)?.value ?? new Uint8Array()), "v");
});

test("a part of a checkpoint has its number and how many there are", () => {
  const part = encodeCheckpointPart(1, 3, bytes("s"));
  assertEquals(toHex(part), "0a" + "0000000000000001" + "0000000000000003" + "73");
  assertEquals(decodeRecord(part), { kind: "checkpoint", part: 1, parts: 3 });
});

test("what is cut, has a kind of its own or something after its end is no record", () => {
  for (const [record] of RECORDS) {
    const entry = encodeRecord(record);
    for (let size = 0; size < Math.min(9, entry.length); size++) {
      assertEquals(decodeRecord(entry.subarray(0, size)), undefined, `${record.kind}: ${size}`);
    }
  }
  const full = encodeMessage(FULL, new Uint8Array());
  for (let size = 0; size < full.length; size++) {
    assertEquals(decodeRecord(full.subarray(0, size)), undefined, String(size));
  }
  for (const kind of [0, 11, 255]) {
    assertEquals(decodeRecord(new Uint8Array([kind, ...new Array(20).fill(0)])), undefined);
  }
  const removed = encodeRecord({ kind: "removed", consumer: 1 });
  assertEquals(decodeRecord(new Uint8Array([...removed, 0])), undefined);
  const tooLarge = encodeRecord({ kind: "removed", consumer: 1 });
  tooLarge[1] = 0x20;
  assertEquals(decodeRecord(tooLarge), undefined, "a number from 2^53 on");
  const notUtf8 = encodeRecord({ kind: "consumer", number: 1, from: "now", name: "a" });
  notUtf8[notUtf8.length - 1] = 0xff;
  assertEquals(decodeRecord(notUtf8), undefined);
  assert(decodeMessage(removed) === undefined);
});
