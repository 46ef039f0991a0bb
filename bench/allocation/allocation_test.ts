/**
 * What appends leave in memory, measured on the runtime that runs the tests by the program that
 * measures it for docs/costs.md.
 *
 * @module
 */
import { assert } from "@std/assert";
import { test } from "node:test";
import { measureSubject } from "./subjects.ts";
import { benchOn } from "../costs/command.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const ENTRIES = 100_000;

/** Less than eleven bytes an entry: any object that is kept of each takes more. */
const HEAP_LIMIT = 2 ** 20;

/** The offsets of the entries, in an array that doubles, beside buffers of a fixed size. */
const BUFFERS_LIMIT = 4 * 2 ** 20;

test(
  "appends leave nothing on the heap, and a few bytes in buffers",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      const { heap, outside } = await measureSubject(benchOn(RUNTIME, folder), "append", ENTRIES);
      assert(heap < HEAP_LIMIT, `${ENTRIES} appends left ${heap} bytes on the heap`);
      assert(outside < BUFFERS_LIMIT, `${ENTRIES} appends left ${outside} bytes in buffers`);
    }),
);

test(
  "to read a log in order leaves nothing in memory",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      const bench = benchOn(RUNTIME, folder);
      await measureSubject(bench, "append", ENTRIES);
      const { heap, outside } = await measureSubject(bench, "entries", ENTRIES);
      assert(
        heap + outside < HEAP_LIMIT,
        `The reading left ${heap} bytes and ${outside} in buffers`,
      );
    }),
);
