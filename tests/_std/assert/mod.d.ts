// deno-lint-ignore no-explicit-any
type ErrorType<E extends Error> = new (...args: any[]) => E;

export class AssertionError extends Error {}
export function assert(value: unknown, message?: string): asserts value;
export function assertEquals<T>(actual: T, expected: T, message?: string): void;
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
export function assertMatch(actual: string, expected: RegExp, message?: string): void;
export function assertStringIncludes(actual: string, expected: string, message?: string): void;
export function assertInstanceOf<E extends Error>(
  actual: unknown,
  type: ErrorType<E>,
  message?: string,
): asserts actual is E;
export function assertThrows<E extends Error = Error>(
  call: () => unknown,
  type?: ErrorType<E>,
): E;
export function assertRejects<E extends Error = Error>(
  call: () => PromiseLike<unknown>,
  type?: ErrorType<E>,
): Promise<E>;
export function fail(message?: string): never;
