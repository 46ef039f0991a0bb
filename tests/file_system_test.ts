/**
 * The file systems: the runtime's own, those in memory, and what stands around one, by the same suite.
 *
 * @module
 */
import { test } from "node:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FileSystemError } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/memory.ts";
import { runtimeFileSystem } from "../src/fs/runtime.ts";
import { attempt, attemptAsync, requireProgress } from "../src/fs/system_call.ts";
import { CrashFileSystem, FaultyFileSystem } from "../src/testing.ts";
import { conformance } from "./conformance.ts";
import { RUNTIME } from "./support/runtime.ts";
import { withFolder } from "./support/temporary.ts";

const own = await runtimeFileSystem();

conformance(RUNTIME, () => own, withFolder);

for (
  const [name, make] of [
    ["memory", () => new MemoryFileSystem()],
    ["crash", () => new CrashFileSystem()],
    ["faulty around crash", () => new FaultyFileSystem(new CrashFileSystem())],
  ] as const
) conformance(name, make, async (body) => await body("."));
conformance(`faulty around ${RUNTIME}`, () => new FaultyFileSystem(own), withFolder);

test("the runtime's file system is its own", () => {
  assertEquals(own.constructor.name.toLowerCase(), `${RUNTIME}filesystem`);
});

test("files and directories are made with the permissions that are asked for", () =>
  withFolder((folder) => {
    if (process.platform === "win32") return; // Windows has no permissions of this kind.
    own.open(join(folder, "a"), "create", 0o600).close();
    own.makeDirectory(join(folder, "b"), 0o700);
    assertEquals(statSync(join(folder, "a")).mode & 0o777, 0o600);
    assertEquals(statSync(join(folder, "b")).mode & 0o777, 0o700);
  }));

test("an interrupted call is made again", async () => {
  const interrupted = Object.assign(new Error("interrupted"), { code: "EINTR" });
  let calls = 0;
  const call = (): number => {
    if (++calls % 3 !== 0) throw interrupted;
    return calls;
  };
  assertEquals(attempt("Try", "a", call), 3);
  assertEquals(await attemptAsync("Try", "a", () => Promise.resolve().then(call)), 6);
});

test("what a runtime throws is mapped to one set of codes", () => {
  const codeOf = (error: unknown): string =>
    assertThrows(() =>
      attempt("Try", "a", () => {
        throw error;
      }), FileSystemError).code;
  assertEquals(codeOf(Object.assign(new Error("x"), { code: "ENOSPC" })), "ENOSPC");
  assertEquals(codeOf(Object.assign(new Error("x"), { name: "NotCapable" })), "EACCES");
  assertEquals(codeOf(Object.assign(new Error("x"), { name: "BadResource" })), "EBADF");
  assertEquals(codeOf(new Error("x")), "EUNKNOWN");
  assertEquals(codeOf("x"), "EUNKNOWN");
});

test("a write that takes nothing is an error, not an endless loop", () => {
  assertEquals(requireProgress(3, "a"), 3);
  const error = assertThrows(() => requireProgress(0, "some/path"), FileSystemError);
  assertEquals(error.code, "EIO");
  assertStringIncludes(error.message, "some/path");
});
