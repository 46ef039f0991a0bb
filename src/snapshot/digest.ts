/**
 * The digest of a snapshot's content.
 *
 * @module
 */
import { createXXHash128 } from "hash-wasm";

/** XXH3 of 128 bits over the content, in hexadecimal digits, as a snapshot file states it. */
export async function digestOfContent(content: Iterable<Uint8Array>): Promise<string> {
  const hasher = (await createXXHash128()).init();
  for (const piece of content) hasher.update(piece);
  return hasher.digest();
}
