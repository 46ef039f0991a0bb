/**
 * The CRC-32 of bytes that are checksummed in parts, from the CRC-32 of each part.
 *
 * A CRC is the remainder of a polynomial over GF(2). Bytes that follow multiply what is before them
 * by a power of x, and that is all they do to it (W. W. Peterson and D. T. Brown, "Cyclic Codes for
 * Error Detection", Proceedings of the IRE 49(1), 1961). Here the highest bit of a number is the
 * coefficient of x^0, as the checksum's own bits are ordered.
 *
 * @module
 */

/** x^32 modulo the polynomial of CRC-32. */
const POLYNOMIAL = 0xedb8_8320;

/** The polynomial 1. */
const ONE = 0x8000_0000;

/** x^8: what one byte multiplies by. */
const BYTE = 0x0080_0000;

/** What so many bytes multiply the checksum of those before them by. */
export function shiftBy(bytes: number): number {
  let shift = ONE;
  for (let power = BYTE, left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) shift = multiply(shift, power);
    power = multiply(power, power);
  }
  return shift;
}

/**
 * The CRC-32 of two parts, one after the other.
 *
 * @param shift {@linkcode shiftBy} of the length of the second.
 */
export function joinChecksums(first: number, second: number, shift: number): number {
  return (multiply(first, shift) ^ second) >>> 0;
}

/** The product of two polynomials, modulo that of CRC-32. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= b;
    b = (b & 1) === 0 ? b >>> 1 : (b >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}
