/**
 * The checksum of joined parts against that of the whole.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { frameChecksum } from "../../src/format/checksum.ts";
import { joinChecksums, shiftBy } from "../../src/format/joined_checksum.ts";
import { random } from "../../kit/logs.ts";

test("the checksum of two parts is joined from theirs, whatever their lengths", () => {
  const next = random(12);
  const lengths = [0, 1, 2, 3, 7, 8, 255, 256, 65_535, 65_536, 100_003];
  for (const first of lengths) {
    for (const second of lengths) {
      const whole = Uint8Array.from({ length: first + second }, () => next() * 256);
      const joined = joinChecksums(
        frameChecksum.crc32(whole.subarray(0, first)),
        frameChecksum.crc32(whole.subarray(first)),
        shiftBy(second),
      );
      assertEquals(joined, frameChecksum.crc32(whole), `${first} and ${second} bytes`);
    }
  }
});
