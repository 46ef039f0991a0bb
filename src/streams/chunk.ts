/**
 * How many entries a chunk of a stream has.
 *
 * @module
 */

/** The most entries of a chunk. */
export const MAX_CHUNK = 64;
