/**
 * Schemas of other libraries, by Standard Schema: real ones, and what a broken one may answer.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import * as v from "valibot";
import { z } from "zod";
import { SchemaError, WalError } from "../../src/errors.ts";
import { requireSchema, type StandardSchema, validate } from "../../src/layer/schema.ts";

interface Order {
  id: number;
  items: { price: number }[];
}

/** The same schema of two libraries. */
const SCHEMAS: Readonly<Record<string, StandardSchema<Order>>> = {
  zod: z.object({ id: z.number(), items: z.array(z.object({ price: z.number() })) }),
  valibot: v.object({ id: v.number(), items: v.array(v.object({ price: v.number() })) }),
};

for (const [library, schema] of Object.entries(SCHEMAS)) {
  test(`${library}: a value that passes is returned, and one that does not is told by its place`, () => {
    requireSchema(schema);
    const order = { id: 1, items: [{ price: 2 }] };
    assertEquals(validate(schema, order), order);
    const secret = { id: 1, items: [{ price: "secret" }] } as unknown as Order;
    const error = assertThrows(() => validate(schema, secret), SchemaError);
    assertEquals([error.code, error.name], ["ERR_EVENT_SCHEMA", "SchemaError"]);
    assertStringIncludes(error.message, 'at "items.0.price"');
    assertEquals(error.message.includes("secret"), false);
    assertEquals(error.issues.length, 1);
    const whole = assertThrows(() => validate(schema, 7 as unknown as Order), SchemaError);
    assertStringIncludes(whole.message, "about the whole value");
  });
}

test("what a schema changes is returned", () => {
  const zod: StandardSchema<{ n: string }, { n: number; by: string }> = z.object({
    n: z.string().transform(Number),
    by: z.string().default("unknown"),
  });
  const valibot: StandardSchema<string, number> = v.pipe(v.string(), v.transform(Number));
  assertEquals(validate(zod, { n: "7" }), { n: 7, by: "unknown" });
  assertEquals(validate(valibot, "7"), 7);
});

/** A schema that answers so. */
function answering(answer: () => unknown): StandardSchema {
  const standard = { version: 1, vendor: "test", validate: answer };
  return { "~standard": standard } as StandardSchema;
}

test("a schema that answers with a promise, throws, or gives no answer is refused", () => {
  const asynchronous = z.string().refine(() => Promise.resolve(true)) as StandardSchema;
  const refusedLater = answering(() => Promise.reject(new Error("later")));
  for (const schema of [asynchronous, refusedLater, answering(() => Promise.resolve({}))]) {
    const error = assertThrows(() => validate(schema, "x"), WalError);
    assertEquals(error.code, "ERR_EVENT_SCHEMA");
  }
  const thrown = assertThrows(() =>
    validate(
      answering(() => {
        throw "cause";
      }),
      1,
    ), WalError);
  assertEquals([thrown.code, thrown.cause], ["ERR_EVENT_SCHEMA", "cause"]);
  for (const answer of [undefined, null, 7]) {
    assertThrows(() => validate(answering(() => answer), 1), WalError);
  }
});

test("what is no Standard Schema of version 1 is refused", () => {
  const { validate } = answering(() => ({}))["~standard"];
  requireSchema(Object.assign(() => {}, answering(() => ({}))));
  const wrong = [
    undefined,
    null,
    "string",
    {},
    () => {},
    { "~standard": undefined },
    { "~standard": { version: 2, vendor: "test", validate } },
    { "~standard": { version: 1, vendor: "test" } },
  ];
  for (const schema of wrong) {
    const error = assertThrows(() => requireSchema(schema), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  }
});
