/**
 * The frame kernel: seals frames and scans chunks of them, with CRC-32, in WebAssembly.
 *
 * This is AssemblyScript, which looks like TypeScript: numbers have the types of WebAssembly, `load`
 * and `store` take addresses in its memory, and `@inline` is believed (without it, a frame takes half
 * as long again). `scripts/build_kernel.ts` compiles it twice, with SIMD and without.
 *
 * The host writes frames into the staging area, or reads a file's chunk into it, and makes one call.
 * A frame is `[type u8][length u32][checksum u32][payload]`, big-endian; the checksum is over the
 * first five bytes and the payload. Nothing is kept between two calls.
 *
 * # CRC-32 in three tiers
 *
 * A CRC is the remainder of the message, read as a polynomial over two elements, divided by a fixed
 * one, P. Its register is 32 bits wide and takes the lowest bit first.
 *
 * 1. Short messages: tables ("slicing", M. Kounavis and F. Berry, "Novel Table Lookup-Based
 *    Algorithms for High-Performance CRC Generation", IEEE Transactions on Computers 57, 2008). Table
 *    k holds what a byte followed by k zero bytes leaves in the register, so the effects of 16 bytes
 *    are looked up side by side and combined.
 * 2. Longer ones: no tables ("Chorba", S. Russell, "Chorba: A novel CRC32 implementation", 2024).
 *    P divides x^300 + x^155 + x^117 + x^89 + 1. So a bit of the message may be removed if the bits
 *    145, 183, 211 and 300 behind it are flipped, which leaves the remainder as it was. Whole words
 *    are removed from the front in this way by shifts alone, until few are left.
 * 3. Long ones, with SIMD: since P(x)^8 = P(x^8) over two elements, the same holds for bytes in place
 *    of bits: a byte may be removed if it is added to the bytes 145, 183, 211 and 300 behind it. That
 *    needs no shifts, and 16 bytes go at once. What is left goes through the second tier.
 *
 * # One CRC for a chunk
 *
 * To check many frames costs one call of the fast third tier, not many of the slower ones. A frame's
 * checksum stands between the five bytes and the payload that it covers. Four bytes are just enough
 * to bring the register from any value to any other, so in place of the checksums a scan puts, for
 * its duration, the bytes that take the register from where the frame before must have left it to
 * where this frame's five bytes alone would have brought it. Then the CRC of the whole chunk is the
 * last frame's checksum, if every frame holds. If one does not, the register is wrong behind it, and
 * stays wrong to the end, since every further byte maps registers one to one: a lone damaged frame is
 * found as surely as by its own checksum, and two can hide each other with a chance of one in 2^32.
 * Only if it is wrong is each frame checked by itself, to find the first.
 *
 * With s the register after a frame's five bytes from the start value, c the checksum of the frame
 * before, F the effect of four zero bytes on the register and Z that of five, the bytes to put are
 * s ^ F^-1(s) ^ Z(c), because the CRC is linear. The first two are the same for frames of one type
 * and length.
 */

/** P, without its highest bit, the lowest bit first. */
const POLYNOMIAL: u32 = 0xedb88320;

// The memory. What is below the first table stays unused: a null pointer must not be one of ours.

/** 16 tables of 256 words for tier 1. */
const SLICES: usize = 1024;
const SLICE_SIZE: usize = 1024;
/** 4 tables of 256 words: F^-1 of each of the register's bytes. */
const BACKWARD: usize = SLICES + 16 * SLICE_SIZE;
/** Tier 3: what was removed of the message, the last 304 bytes of it in front. */
const REMOVED: usize = BACKWARD + 4 * SLICE_SIZE;
const HISTORY: usize = 304;
const WINDOW: usize = 8192;
/** Tier 3: what is left of the message in the end. */
const REST: usize = REMOVED + HISTORY + WINDOW + 256;
/** Where a scan puts the offsets of the frames, and for itself their checksums; a word each. */
export const OFFSETS: usize = REST + 512;
export const MAX_FRAMES: u32 = 116_608;
const CHECKSUMS: usize = OFFSETS + 4 * <usize> MAX_FRAMES;
/** Where the host stages. Aligned to a page, because system calls copy faster there. */
export const STAGING: usize = (CHECKSUMS + 4 * <usize> MAX_FRAMES + 4095) & ~4095;
export const STAGING_SIZE: u32 = 1 << 20;
// Behind it: loads of 16 bytes may begin within the staging area and end here.

const HEADER_SIZE: u32 = 9;
const CHECKSUM_AT: usize = 5;

/** From how many bytes on the tiers 2 and 3 are the faster ones. */
const TIER_2_FROM: u32 = 72;
const TIER_3_FROM: u32 = 512;

for (let byte: u32 = 0; byte < 256; byte++) {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = (register >> 1) ^ (POLYNOMIAL & -(register & 1));
  store<u32>(SLICES + (byte << 2), register);
}
for (let at = SLICES + SLICE_SIZE; at < BACKWARD; at += 4) {
  const register = load<u32>(at - SLICE_SIZE);
  store<u32>(at, (register >> 8) ^ slice(0, register & 255));
}
for (let byte: u32 = 0; byte < 256; byte++) {
  for (let place: u32 = 0; place < 4; place++) {
    let register = byte << (8 * place);
    for (let i = 0; i < 4; i++) register = backward(register);
    store<u32>(BACKWARD + <usize> place * SLICE_SIZE + (<usize> byte << 2), register);
  }
}

/** The register before it took a zero byte in. */
function backward(register: u32): u32 {
  // A table's highest bytes are all different, so the highest byte tells which entry was added.
  let byte: u32 = 0;
  while (slice(0, byte) >> 24 != register >> 24) byte++;
  return ((register ^ slice(0, byte)) << 8) | byte;
}

@inline
function slice(table: usize, byte: u32): u32 {
  return load<u32>(SLICES + table * SLICE_SIZE + (<usize> byte << 2));
}

@inline
function slice8(word: u64): u32 {
  const low = <u32> word;
  const high = <u32> (word >> 32);
  return slice(7, low & 255) ^ slice(6, (low >> 8) & 255) ^
    slice(5, (low >> 16) & 255) ^ slice(4, low >> 24) ^
    slice(3, high & 255) ^ slice(2, (high >> 8) & 255) ^
    slice(1, (high >> 16) & 255) ^ slice(0, high >> 24);
}

@inline
function slice16(first: u64, second: u64): u32 {
  const low = <u32> first;
  const high = <u32> (first >> 32);
  return slice(15, low & 255) ^ slice(14, (low >> 8) & 255) ^
    slice(13, (low >> 16) & 255) ^ slice(12, low >> 24) ^
    slice(11, high & 255) ^ slice(10, (high >> 8) & 255) ^
    slice(9, (high >> 16) & 255) ^ slice(8, high >> 24) ^
    slice8(second);
}

/** The register after the last 0 to 15 bytes. */
@inline
function takeFew(register: u32, at: usize, count: u32): u32 {
  if (count & 8) {
    register = slice8(load<u64>(at) ^ <u64> register);
    at += 8;
  }
  const left = count & 7;
  if (left) {
    // They are the last of eight bytes. Zeros in front of a message change nothing, so the register
    // that is to be added is moved in front of them, and what of it does not fit is added behind.
    const shift = <u64> (64 - 8 * left);
    const word = (load<u64>(at + left - 8) >> shift) ^ <u64> register;
    register = slice8(word << shift) ^ <u32> (<u64> register >> <u64> (8 * left));
  }
  return register;
}

/** Tier 2. At least 56 bytes. */
function takeWords(register: u32, at: usize, count: u32): u32 {
  // What the words that are removed add to the next five. 145 = 2 * 64 + 17, 183 = 2 * 64 + 55,
  // 211 = 3 * 64 + 19, 300 = 4 * 64 + 44; what a shift pushes out of a word is the next one's.
  let next1: u64 = register;
  let next2: u64 = 0;
  let next3: u64 = 0;
  let next4: u64 = 0;
  let next5: u64 = 0;
  do {
    const a = load<u64>(at) ^ next1;
    const b = load<u64>(at, 8) ^ next2;
    next1 = next3 ^ (a << 17) ^ (a << 55);
    next2 = next4 ^ (a >> 47) ^ (a >> 9) ^ (a << 19) ^ (b << 17) ^ (b << 55);
    next3 = next5 ^ (a >> 45) ^ (a << 44) ^ (b >> 47) ^ (b >> 9) ^ (b << 19);
    next4 = (a >> 20) ^ (b >> 45) ^ (b << 44);
    next5 = b >> 20;
    at += 16;
    count -= 16;
  } while (count >= 56);
  register = slice16(load<u64>(at) ^ next1, load<u64>(at, 8) ^ next2);
  register = slice16(load<u64>(at, 16) ^ next3 ^ <u64> register, load<u64>(at, 24) ^ next4);
  register = slice8(load<u64>(at, 32) ^ next5 ^ <u64> register);
  return takeSlices(register, at + 40, count - 40);
}

/** Tier 1. */
@inline
function takeSlices(register: u32, at: usize, count: u32): u32 {
  while (count >= 16) {
    register = slice16(load<u64>(at) ^ <u64> register, load<u64>(at, 8));
    at += 16;
    count -= 16;
  }
  return takeFew(register, at, count);
}

/**
 * 16 bytes of what is left of the message once all before them is removed. `removed` is where the
 * byte stands that was removed 304 bytes before the first of them.
 */
@inline
function remove16(at: usize, removed: usize): v128 {
  const by300 = v128.load(removed, 4);
  const by211 = v128.load(removed, 93);
  const by183 = v128.load(removed, 121);
  const by145 = v128.load(removed, 159);
  return v128.xor(
    v128.xor(v128.load(at), by300),
    v128.xor(v128.xor(by211, by183), by145),
  );
}

/** Tier 3. At least 400 bytes. */
function takeBytes(register: u32, at: usize, count: u32): u32 {
  const zero = i64x2.splat(0);
  // The register is added to the message's first four bytes, as if it had been removed 300 before.
  for (let i: usize = 0; i < HISTORY; i += 16) v128.store(REMOVED + i, zero);
  store<u32>(REMOVED, register, 4);
  let left = (count - 304) & ~31;
  count -= left;
  let removed = REMOVED;
  for (;;) {
    const step = left < <u32> WINDOW ? left : <u32> WINDOW;
    const end = removed + step;
    do {
      // The second 16 bytes do not depend on the first.
      const first = remove16(at, removed);
      const second = remove16(at + 16, removed + 16);
      v128.store(removed, first, HISTORY);
      v128.store(removed, second, HISTORY + 16);
      at += 32;
      removed += 32;
    } while (removed < end);
    left -= step;
    if (left == 0) break;
    for (let i: usize = 0; i < HISTORY; i += 16) {
      v128.store(REMOVED + i, v128.load(removed + i));
    }
    removed = REMOVED;
  }
  // Nothing more is removed; the last 304 bytes that were still add to what is left.
  for (let i: usize = 0; i < 192; i += 16) v128.store(removed + HISTORY + i, zero);
  const end = REST + count;
  let rest = REST;
  do {
    v128.store(rest, remove16(at, removed));
    at += 16;
    rest += 16;
    removed += 16;
  } while (rest < end);
  return takeWords(0, REST, count);
}

/** The register after `count` bytes. */
function take(register: u32, at: usize, count: u32): u32 {
  if (ASC_FEATURE_SIMD) {
    if (count >= TIER_3_FROM) return takeBytes(register, at, count);
  }
  if (count >= TIER_2_FROM) return takeWords(register, at, count);
  return takeSlices(register, at, count);
}

/** The register after the five bytes of a frame that its checksum covers, from the start value. */
@inline
function takeHeader(at: usize): u32 {
  const length = load<u32>(at, 1);
  return slice(4, <u32> load<u8>(at) ^ 255) ^ slice(3, (length & 255) ^ 255) ^
    slice(2, ((length >> 8) & 255) ^ 255) ^ slice(1, ((length >> 16) & 255) ^ 255) ^
    slice(0, length >> 24);
}

@inline
function lengthAt(at: usize): u32 {
  return bswap<u32>(load<u32>(at, 1));
}

@inline
function checksumOf(at: usize, length: u32): u32 {
  return ~take(takeHeader(at), at + HEADER_SIZE, length);
}

/** The CRC-32 of `count` bytes and of those before them, whose CRC-32 is `checksum`: 0 for none. */
export function crc32(checksum: u32, at: usize, count: u32): u32 {
  return ~take(~checksum, at, count);
}

/** Writes the checksums of the frames from `at` to `end`, whose types, lengths and payloads stand. */
export function seal(at: usize, end: usize): void {
  while (at < end) {
    const length = lengthAt(at);
    store<u32>(at, bswap<u32>(checksumOf(at, length)), CHECKSUM_AT);
    at += HEADER_SIZE + length;
  }
}

/** Whether a whole frame of at most `maxLength` bytes of payload begins at `at`, by its header. */
@inline
function mayStand(at: usize, end: usize, maxLength: u32): bool {
  const left = <u32> (end - at);
  if (left < HEADER_SIZE || <u32> (load<u8>(at) - 1) > 1) return false;
  const length = lengthAt(at);
  return length <= maxLength && length <= left - HEADER_SIZE;
}

/** Whether a whole valid frame begins at `at`. */
export function check(at: usize, end: usize, maxLength: u32): bool {
  if (!mayStand(at, end, maxLength)) return false;
  return checksumOf(at, lengthAt(at)) == bswap<u32>(load<u32>(at, CHECKSUM_AT));
}

/** `alone` and F^-1 of it, where `alone` is the register after a frame's five bytes from the start value. */
@inline
function jumpTo(alone: u32): u32 {
  return alone ^ back(0, alone & 255) ^ back(1, (alone >> 8) & 255) ^
    back(2, (alone >> 16) & 255) ^ back(3, alone >> 24);
}

/** Z: what five zero bytes make of the register. */
@inline
function afterFiveZeros(register: u32): u32 {
  return slice(4, register & 255) ^ slice(3, (register >> 8) & 255) ^
    slice(2, (register >> 16) & 255) ^ slice(1, register >> 24);
}

@inline
function back(place: usize, byte: u32): u32 {
  return load<u32>(BACKWARD + place * SLICE_SIZE + (<usize> byte << 2));
}

/**
 * Walks the frames from `at` to `end` up to the first byte that begins no whole valid one of at most
 * `maxLength` bytes of payload, and writes where each begins, from `at`, to the offsets.
 *
 * @returns How many there are, at most `MAX_FRAMES`.
 */
export function scan(at: usize, end: usize, maxLength: u32): u32 {
  let frame = at;
  let count: u32 = 0;
  let before: u32 = 0;
  // Of the frame before: most are as long as that.
  let header: u64 = 0;
  let jump: u32 = 0;
  while (count < MAX_FRAMES && mayStand(frame, end, maxLength)) {
    const stored = load<u32>(frame, CHECKSUM_AT);
    const found = load<u64>(frame) & 0xff_ffff_ffff;
    if (found != header) {
      header = found;
      jump = jumpTo(takeHeader(frame));
    }
    store<u32>(OFFSETS + (<usize> count << 2), <u32> (frame - at));
    store<u32>(CHECKSUMS + (<usize> count << 2), stored);
    const length = lengthAt(frame);
    store<u32>(frame, jump ^ afterFiveZeros(before), CHECKSUM_AT);
    before = bswap<u32>(stored);
    frame += HEADER_SIZE + length;
    count++;
  }
  const holds = count == 0 || crc32(0, at, <u32> (frame - at)) == before;
  for (let i: u32 = 0; i < count; i++) {
    const offset = load<u32>(OFFSETS + (<usize> i << 2));
    store<u32>(at + offset, load<u32>(CHECKSUMS + (<usize> i << 2)), CHECKSUM_AT);
  }
  if (holds) return count;
  for (let i: u32 = 0; i < count; i++) {
    if (!check(at + load<u32>(OFFSETS + (<usize> i << 2)), end, maxLength)) return i;
  }
  // A chance of one in 2^32 aside, one of them was wrong; if none is, all are right.
  return count;
}
