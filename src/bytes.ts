/**
 * What counts as bytes: any `Uint8Array`, also one of another realm.
 *
 * Jest and `node:vm` run code in a realm of its own, whose `Uint8Array` is not the one of the arrays
 * that the runtime hands out, so `instanceof` would refuse them; and it would take what only has the
 * prototype, and no memory.
 *
 * @module
 */

/** Tells the kind of a typed array by what it is, not by what it says of itself. */
const kindOf: ((this: unknown) => unknown) | undefined = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

/** Tells a typed array's length, whatever a subclass says. */
const lengthOf: ((this: unknown) => unknown) | undefined = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "length",
)?.get;

/** Whether a value is a `Uint8Array` of any realm that has its memory still, and its own length. */
export function isBytes(value: unknown): value is Uint8Array {
  return kindOf?.call(value) === "Uint8Array" && isWhole(value as Uint8Array);
}

/** An array that was detached, or whose buffer was made too short for it, has the length 0. */
function isWhole(array: Uint8Array): boolean {
  try {
    if (lengthOf?.call(array) !== array.length) return false;
    if (array.length === 0) Uint8Array.prototype.at.call(array, 0);
    return true;
  } catch {
    return false; // Also a subclass that throws.
  }
}

/** A copy in memory of its own; a `Buffer`'s own `slice` would share it. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
