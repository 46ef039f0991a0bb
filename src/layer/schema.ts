/**
 * Standard Schema: the interface by which zod, valibot, arktype and others check a value. Only the
 * types of its version 1 are here, as its authors recommend; see https://standardschema.dev.
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";
import { SchemaError, type SchemaIssue, WalError } from "../errors.ts";
import { isPromise } from "../fs/promise.ts";

/**
 * A schema of any library that follows Standard Schema, such as zod, valibot or arktype.
 *
 * @example
 * ```ts
 * import type { StandardSchema } from "@durable/wal/events";
 *
 * const even: StandardSchema<number> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       typeof value === "number" && value % 2 === 0
 *         ? { value }
 *         : { issues: [{ message: "not an even number" }] },
 *   },
 * };
 * console.log(even["~standard"].vendor);
 * ```
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What the schema's library has for others. */
  readonly "~standard": {
    /** The version of Standard Schema. */
    readonly version: 1;
    /** The library's name. */
    readonly vendor: string;
    /** Checks a value. A layer takes only an answer at once, and no promise. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** The types, for the compiler alone. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema answers: the value, as it may have changed it, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** Refuses what is no Standard Schema. */
export function requireSchema(schema: unknown): asserts schema is StandardSchema {
  // A schema of arktype is a function.
  const isHolder = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const standard: unknown = isHolder ? (schema as Partial<StandardSchema>)["~standard"] : undefined;
  const { version, validate } = (standard ?? {}) as Partial<StandardSchema["~standard"]>;
  if (version !== 1 || typeof validate !== "function") {
    throw invalid(
      "schema",
      "a Standard Schema of version 1, as zod, valibot and arktype make",
      schema,
    );
  }
}

/**
 * Checks a value.
 *
 * @returns The schema's output, which may be another value.
 * @throws {SchemaError} `ERR_EVENT_SCHEMA`: the value does not pass.
 * @throws {WalError} `ERR_EVENT_SCHEMA`: the schema threw, or answered with a promise.
 */
export function validate<Input, Output>(
  schema: StandardSchema<Input, Output>,
  value: Input,
): Output {
  let result: SchemaResult<Output> | Promise<SchemaResult<Output>>;
  try {
    result = schema["~standard"].validate(value);
  } catch (cause) {
    throw new WalError(
      "ERR_EVENT_SCHEMA",
      "The schema threw an error instead of an answer. Nothing was written. Its error is the cause.",
      { cause },
    );
  }
  if (isPromise(result)) {
    // What becomes of it is of no interest, and must not end the process.
    result.then(undefined, () => {});
    throw new WalError(
      "ERR_EVENT_SCHEMA",
      "The schema answered with a promise. Nothing was written. Use a schema without asynchronous " +
        "steps, and do those before the call.",
    );
  }
  requireObject("schema's answer", result);
  if (result.issues !== undefined) throw new SchemaError(result.issues);
  return result.value;
}
