// @ts-self-types="./mod.d.ts"
// The part of @std/assert that the tests use, for machines that cannot reach JSR.
import assert from "node:assert/strict";

const { AssertionError } = assert;
export { AssertionError };

export function assert_(value, message) {
  assert.ok(value, message);
}
export { assert_ as assert };

export function assertEquals(actual, expected, message) {
  assert.deepStrictEqual(actual, expected, message);
}

export function assertNotEquals(actual, expected, message) {
  assert.notDeepStrictEqual(actual, expected, message);
}

export function assertMatch(actual, expected, message) {
  assert.match(actual, expected, message);
}

export function assertStringIncludes(actual, expected, message) {
  assert.ok(
    actual.includes(expected),
    message ?? `Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

export function assertInstanceOf(actual, type, message) {
  assert.ok(
    actual instanceof type,
    message ?? `Expected an instance of ${type.name}, got ${actual?.constructor?.name}: ${actual}`,
  );
}

export function assertThrows(call, type = Error) {
  try {
    call();
  } catch (error) {
    assertInstanceOf(error, type);
    return error;
  }
  throw new AssertionError({ message: `Expected ${type.name} to be thrown` });
}

export async function assertRejects(call, type = Error) {
  try {
    await call();
  } catch (error) {
    assertInstanceOf(error, type);
    return error;
  }
  throw new AssertionError({ message: `Expected a rejection with ${type.name}` });
}

export function fail(message) {
  assert.fail(message);
}
