/**
 * An object that is like another but for some of its parts.
 *
 * @module
 */

/** An object like another, but for some of its members. */
export function like<T extends object>(original: T, changed: Partial<T>): T {
  return new Proxy(original, {
    get(target, key) {
      const from = Object.hasOwn(changed, key) ? changed : target;
      const value: unknown = Reflect.get(from, key, from);
      return typeof value === "function" ? value.bind(from) : value;
    },
  });
}
