/**
 * The file systems: the runtime's own, those in memory, and what stands around one, by the same suite.
 *
 * @module
 */
import { test } from "node:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type FileSystem, FileSystemError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { attempt, attemptAsync, codeOf, requireProgress } from "../../src/fs/posix/system_call.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { conformance } from "./conformance.ts";
import { like } from "../../kit/like.ts";
import { ROOT, RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const own = await defaultFileSystem();

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
  const thrown: readonly (readonly [unknown, string])[] = [
    [{ code: "ENOSPC" }, "ENOSPC"],
    [{ name: "NotCapable" }, "EACCES"],
    [{ name: "BadResource" }, "EBADF"],
    [{ code: "ERR_ACCESS_DENIED", message: "fsync API is disabled" }, "EACCES"],
    [{ code: "EOPNOTSUPP" }, "ENOTSUP"],
    [new Error("x"), "EUNKNOWN"],
    [Object.create(null), "EUNKNOWN"],
    [runInNewContext("Object.assign(new Error('x'), { code: 'ENOENT' })"), "ENOENT"],
    ["x", "EUNKNOWN"],
    [null, "EUNKNOWN"],
    [undefined, "EUNKNOWN"],
  ];
  for (const [error, code] of thrown) {
    const throwing = (): never => {
      throw error;
    };
    assertEquals(assertThrows(() => attempt("Try", "a", throwing), FileSystemError).code, code);
  }
});

test("an error without a name is known by the system's number, on each platform", () => {
  const codes = {
    linux: { 28: "ENOSPC", 37: "ENOLCK", 95: "ENOTSUP", 116: "ESTALE", 122: "EDQUOT" },
    darwin: { 28: "ENOSPC", 77: "ENOLCK", 102: "ENOTSUP", 70: "ESTALE", 69: "EDQUOT" },
    freebsd: { 28: "ENOSPC", 77: "ENOLCK", 45: "ENOTSUP", 70: "ESTALE", 69: "EDQUOT" },
    win32: { 28: "EUNKNOWN", 122: "EUNKNOWN" },
  };
  for (const [platform, numbers] of Object.entries(codes)) {
    for (const [number, code] of Object.entries(numbers)) {
      const ofNode = { code: `Unknown system error -${number}`, errno: -Number(number) };
      const ofDeno = new Error(`Some words (os error ${number}): open '/tmp/(os error 1)'`);
      assertEquals([codeOf(ofNode, platform), codeOf(ofDeno, platform)], [code, code], platform);
    }
  }
  assertEquals(codeOf(new Error("Cannot open 'x(os error 28)' (os error 5)"), "linux"), "EUNKNOWN");
});

test("an error of another copy of the library, or of a file system of one's own, counts", async () => {
  const under = new MemoryFileSystem();
  const fileSystem = like<FileSystem>(under, {
    open: (path, mode) => {
      try {
        return under.open(path, mode);
      } catch (error) {
        throw { name: "FileSystemError", code: (error as FileSystemError).code, message: "no" };
      }
    },
  });
  const log = await Wal.open("data/a.wal", { fileSystem });
  await log.setState(new Uint8Array(1));
  await log.close();
  const reading = Wal.open("data/none.wal", { fileSystem, readOnly: true });
  const error = await assertRejects(() => reading, WalError);
  assertEquals(error.code, "ERR_WAL_NOT_FOUND");
});

test("a write that takes nothing is an error, not an endless loop", () => {
  assertEquals(requireProgress(3, "a"), 3);
  const error = assertThrows(() => requireProgress(0, "some/path"), FileSystemError);
  assertEquals(error.code, "EIO");
  assertStringIncludes(error.message, "some/path");
});

test("no code asks for the class of what another realm or another copy may have made", () => {
  const asking =
    /instanceof (Error|TypeError|RangeError|FileSystemError|Uint8Array|AbortSignal|Array)\b/;
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) =>
      name.endsWith(".ts") && asking.test(readFileSync(join(ROOT, "src", name), "utf8"))
    );
  // There it spares a second wrapping.
  assertEquals(files.map((name) => name.replaceAll("\\", "/")), ["fs/posix/system_call.ts"]);
});
