/**
 * The commands on a log with frames of a later version, which a reader that does not know them skips.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "../../kit/child.ts";
import {
  concat,
  DATA,
  durablePayload,
  FILE_HEADER_SIZE,
  frame,
  INTERNAL,
  segmentPayload,
} from "../../kit/frames.ts";
import { bytes } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };

const SKIPPED = frame(INTERNAL, concat(Uint8Array.of(129), bytes("note")));
const BEFORE = concat(
  bytes("WAL!"),
  Uint8Array.of(0, 0, 0, 2),
  frame(INTERNAL, segmentPayload(1, { firstIndex: 0, size: 0, checksum: 0 })),
  SKIPPED,
  frame(DATA, bytes("one")),
  SKIPPED,
);
const LOG = concat(
  BEFORE,
  frame(INTERNAL, durablePayload(1, BEFORE.length, BEFORE.length)),
  frame(DATA, bytes("two")),
  SKIPPED,
);

function run(...args: string[]): { status: number | null; lines: string[] } {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout } = spawnSync(program, before, { encoding: "utf8" });
  return { status, lines: stdout === "" ? [] : stdout.trimEnd().split("\n") };
}

test("the commands skip a frame of a kind from 128 on", options, async () => {
  await withFolder((folder) => {
    const path = join(folder, "a.wal");
    writeFileSync(path, LOG);
    assertEquals(run("cat", path), { status: 0, lines: ["one", "two"] });
    const verified = run("verify", path);
    assertEquals(verified.status, 0);
    const recovered = run("recover", path);
    assertEquals(recovered.status, 0);
    const entries = recovered.lines.map((line) => JSON.parse(line));
    assertEquals(entries.map(({ index, text }) => [index, text]), [[1, "one"], [2, "two"]]);
    const { lines } = run("inspect", path, "--frames");
    assertEquals(lines.filter((line) => /Skippable .* kind 129$/.test(line)).length, 3);
    const json = run("inspect", path, "--frames", "--json").lines.map((line) => JSON.parse(line));
    assertEquals(json.filter(({ number }) => number === 129).map(({ type }) => type), [
      "skippable",
      "skippable",
      "skippable",
    ]);
  });
});

test(
  "verify names the place of a frame of a kind from 128 on that may not stand there",
  options,
  async () => {
    await withFolder((folder) => {
      const path = join(folder, "a.wal");
      writeFileSync(path, concat(LOG.subarray(0, FILE_HEADER_SIZE), SKIPPED, LOG.subarray(54)));
      const { status, lines } = run("verify", path);
      assertEquals(status, 1);
      assertStringIncludes(
        lines.join("\n"),
        "a skippable frame stands where the Segment frame should",
      );
    });
  },
);

test("recover counts the entries after a skipped frame that is damaged", options, async () => {
  await withFolder((folder) => {
    const path = join(folder, "a.wal");
    const damaged = LOG.slice();
    damaged[BEFORE.length - 1] = 0;
    writeFileSync(path, damaged);
    const lines = run("recover", path).lines.map((line) => JSON.parse(line));
    assertEquals(lines.map(({ index, missing }) => index ?? missing.what), [
      1,
      "a frame of the log's own of 14 bytes fails its checksum",
      2,
    ]);
  });
});
