/**
 * A text as lines: the bytes between newlines, whatever they are.
 *
 * @module
 */

const NEWLINE = 0x0a;

/** The lines of a text, without their newlines. A newline at the very end begins no further line. */
export function linesOf(text: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf(NEWLINE, start);
    const end = newline < 0 ? text.length : newline;
    lines.push(text.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** The size that a log's entries must be allowed to have, in bytes. */
export function largest(lines: readonly Uint8Array[]): number {
  return lines.reduce((size, line) => Math.max(size, line.length), 1);
}
