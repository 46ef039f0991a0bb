/**
 * The soak test of what others do to a log's files, in short.
 *
 * @module
 */
import { test } from "node:test";
import { realpathSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { ACTS } from "../proof/meddle/acts.ts";
import { meddle } from "../proof/meddle/meddle.ts";
import { RUNTIME } from "./support/runtime.ts";
import { withFolder } from "./support/temporary.ts";

test("each thing that is done to a log's files is told of, or has done no harm", {
  timeout: 120_000,
}, () =>
  withFolder(async (folder) => {
    const options = { runtime: RUNTIME, seed: 11, folder: realpathSync(folder) };
    const { acts, told } = await meddle({ ...options, acts: ACTS.size });
    assertEquals(acts.size, ACTS.size);
    assert(told > ACTS.size / 3, `only ${told} were told of`);
  }));
