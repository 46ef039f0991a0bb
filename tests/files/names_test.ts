/**
 * The names of a log's files: each is made and read back by one file, and no other name is taken
 * for one.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import {
  cutPath,
  firstIndexOf,
  isBeyondEnd,
  isNameOfLog,
  isPartBeside,
  lockPath,
  logOfMeta,
  LONGEST_ENDING,
  metaPath,
  readCutPath,
  redoPath,
  segmentPath,
} from "../../src/files/names.ts";

const LOG = "/logs/server.wal";
const NAME = "server.wal";

test("the names are those of the documents", () => {
  assertEquals([metaPath(LOG), redoPath(LOG), lockPath(LOG)], [
    "/logs/server.wal.meta",
    "/logs/server.wal.redo",
    "/logs/server.wal.lock",
  ]);
  assertEquals(segmentPath(LOG, 1), LOG);
  assertEquals(segmentPath(LOG, 524_289), `${LOG}.00000000000000524289`);
  assertEquals(logOfMeta(metaPath(LOG)), LOG);
  assertEquals(logOfMeta(LOG), undefined);
});

test("a segment's name tells its first index, and no other name does", () => {
  for (const index of [1, 2, 524_289, Number.MAX_SAFE_INTEGER]) {
    assertEquals(firstIndexOf(NAME, segmentPath(NAME, index)), index);
  }
  const no = ["0".repeat(20), `${"0".repeat(19)}1`, "7", "18446744073709551616", "x".repeat(20)];
  for (const ending of no) assertEquals(firstIndexOf(NAME, `${NAME}.${ending}`), undefined, ending);
  assertEquals(firstIndexOf(NAME, segmentPath("other.wal", 2)), undefined);
  assertEquals(isBeyondEnd(NAME, `${NAME}.00009007199254740992`), true);
  assertEquals(isBeyondEnd(NAME, `${NAME}.18446744073709551616`), false);
  assertEquals(isBeyondEnd(NAME, segmentPath(NAME, Number.MAX_SAFE_INTEGER)), false);
});

test("the name of bytes that were set aside tells where they were", () => {
  for (const copy of [1, 2, 999]) {
    const name = { log: LOG, segment: 3, offset: 68, copy };
    assertEquals(readCutPath(cutPath(name)), name);
  }
  assertEquals(
    cutPath({ log: LOG, segment: 3, offset: 68, copy: 2 }),
    `${LOG}.cut-${"0".repeat(19)}3-68-2`,
  );
  for (const path of [LOG, `${LOG}.cut-3-68`, `${LOG}.cut-${"0".repeat(20)}-68`]) {
    assertEquals(readCutPath(path), undefined);
  }
});

test("a log has its own names, and none is longer than the longest", () => {
  const names = [
    NAME,
    metaPath(NAME),
    redoPath(NAME),
    lockPath(NAME),
    `${lockPath(NAME)}.claim`,
    `${lockPath(NAME)}.claim.0123456789abcdef`,
    `${lockPath(NAME)}.claim.0`,
    segmentPath(NAME, 2),
    cutPath({ log: NAME, segment: 2, offset: 54, copy: 3 }),
  ];
  for (const name of names) {
    assertEquals(isNameOfLog(NAME, name), true, name);
    assertEquals(name.length <= NAME.length + LONGEST_ENDING.length, true, name);
  }
  const beside = names.filter((name) => isPartBeside(NAME, name));
  assertEquals(beside, [metaPath(NAME), redoPath(NAME), segmentPath(NAME, 2)]);
  for (
    const other of ["server.wal2", "server.wal.bak", "other.wal.meta", "server.wal.lock.claim.1"]
  ) {
    assertEquals(isNameOfLog(NAME, other), false, other);
  }
});
