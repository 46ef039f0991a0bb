/**
 * What a call returns that is done at once or later.
 *
 * A promise is known by its method: under a test runner that has a realm for each file, `instanceof`
 * does not know the promises of the other realm.
 *
 * @module
 */

/** Whether the result is still to come. */
export function isPromise<T>(result: T | Promise<T>): result is Promise<T> {
  return typeof (result as { then?: unknown } | undefined)?.then === "function";
}
