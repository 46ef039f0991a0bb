/**
 * The soak test of what others do to a log's files, in short.
 *
 * @module
 */
import { test } from "node:test";
import { realpathSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { ACTS } from "./acts.ts";
import { meddle } from "./meddle.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

test("each thing that is done to a log's files is reported, or has done no harm", {
  timeout: 120_000,
}, () =>
  withFolder(async (folder) => {
    const options = { runtime: RUNTIME, seed: 11, folder: realpathSync(folder) };
    const { acts, told } = await meddle({ ...options, acts: ACTS.size });
    assertEquals(acts.size, ACTS.size);
    assert(told > ACTS.size / 3, `only ${told} were reported`);
  }));
