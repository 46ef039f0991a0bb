/**
 * Several users of a log in one process: two builds of the library, a program that is loaded again,
 * and a worker that is ended.
 *
 * @module
 */
import { test } from "node:test";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { LockedError, SyncFailedError, Wal } from "../mod.ts";
import { CrashFileSystem, FaultyFileSystem } from "../src/testing/testing.ts";
import { spawn, spawnSync } from "../kit/child.ts";
import { bytes, text } from "../kit/logs.ts";
import { commandOn, ROOT, RUNTIMES } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

/** Another build of the library, which shares nothing with this one. */
async function anotherBuild(folder: string): Promise<typeof import("../mod.ts")> {
  cpSync(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  cpSync(join(ROOT, "mod.ts"), join(folder, "mod.ts"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return await import(pathToFileURL(join(folder, "mod.ts")).href);
}

test("two builds of the library in one process keep each other off, and read what each other wrote", () =>
  withFolder(async (folder) => {
    const other = await anotherBuild(join(folder, "build"));
    assert(other.Wal !== Wal, "they are two");
    const path = join(folder, "a.wal");
    const mine = await Wal.open(path);
    await mine.appendAndSync(bytes("mine"));
    const error = await assertRejects(() => other.Wal.open(path), other.LockedError);
    assertEquals(error.code, "ERR_WAL_LOCKED");
    const reader = await other.Wal.open(path, { readOnly: true });
    assertEquals(reader.readAll().map(text), ["mine"]);
    await reader.close();
    await mine.close();
    const theirs = await other.Wal.open(path);
    await theirs.appendAndSync(bytes("theirs"));
    await assertRejects(() => Wal.open(path), LockedError);
    await theirs.close();
    const log = await Wal.open(path);
    assertEquals(log.readAll().map(text), ["mine", "theirs"]);
    await log.close();
  }));

test("a build knows the errors of another build's file system", () =>
  withFolder(async (folder) => {
    const other = await anotherBuild(folder);
    const fileSystem = new FaultyFileSystem(new CrashFileSystem());
    const log = await other.Wal.open("a.wal", { fileSystem });
    fileSystem.fail("write", "ENOSPC");
    const full = await assertRejects(() => log.appendAndSync(bytes("a")), other.WalError);
    assertEquals(full.code, "ERR_WAL_WRITE_FAILED");
    fileSystem.fail("syncData", "EIO");
    const failed = await assertRejects(() => log.appendAndSync(bytes("b")), other.SyncFailedError);
    assertEquals(failed.code, "ERR_WAL_SYNC_FAILED");
    assert(!(failed instanceof SyncFailedError));
    // The lock's error is of the build whose file system it is, and has the same code.
    const locked = await assertRejects(() => Wal.open("a.wal", { fileSystem }), LockedError);
    assertEquals(locked.code, "ERR_WAL_LOCKED");
    await log.close();
  }));

for (const runtime of RUNTIMES) {
  test(
    `a log that a worker held is ${
      runtime === "bun" ? "locked until the process ends" : "free"
    } when the worker is ended, on ${runtime}`,
    { timeout: 60_000 },
    () =>
      withFolder(async (folder) => {
        const path = join(folder, "a.wal");
        const { program, args } = commandOn(
          runtime,
          join(ROOT, "tests/support/end_worker.ts"),
          path,
        );
        const { stdout, stderr, status } = spawnSync(program, args, { encoding: "utf8" });
        assertEquals(status, 0, stderr);
        // Bun leaves a worker's files open.
        const after = runtime === "bun" ? "ERR_WAL_LOCKED" : "opened, 2 entries";
        assertEquals(JSON.parse(stdout), ["ERR_WAL_LOCKED", after]);
        // The end of the process frees it everywhere, and nothing is lost.
        const log = await Wal.open(path);
        assertEquals(log.lastIndex, 2);
        await log.close();
      }),
  );
}

/** A program that `bun --hot` loads again. It opens its log again each time, or keeps it. */
function hotProgram(path: string, isKept: boolean): string {
  return `
import { Wal } from ${JSON.stringify(join(ROOT, "mod.ts"))};
globalThis.loads = (globalThis.loads ?? 0) + 1;
try {
  const log = ${isKept ? "globalThis.log ??= " : ""}await Wal.open(${JSON.stringify(path)});
  await log.appendAndSync(new Uint8Array([globalThis.loads]));
  console.log(globalThis.loads, log.lastIndex);
} catch (error) {
  console.log(globalThis.loads, error.code);
}
globalThis.alive ??= setInterval(() => {}, 1000);
`;
}

for (
  const [what, isKept, second] of [
    ["a log that it opens again is refused", false, "2 ERR_WAL_LOCKED"],
    ["a log that it keeps can be used", true, "2 2"],
  ] as const
) {
  test(
    `when bun --hot loads a program again, ${what}`,
    { timeout: 60_000 },
    () =>
      withFolder(async (folder) => {
        const file = join(folder, "server.ts");
        const program = hotProgram(join(folder, "a.wal"), isKept);
        writeFileSync(file, program);
        const bun = commandOn("bun", file);
        const child = spawn(bun.program, ["--hot", "--no-clear-screen", ...bun.args], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        const lines: string[] = [];
        try {
          assert(child.stdout !== null);
          let output = "";
          for await (const chunk of child.stdout) {
            output += chunk;
            const [first, last] = output.split("\n");
            // It is loaded again when its text is another.
            if (lines.length === 0 && output.includes("\n")) {
              lines.push(first ?? "");
              writeFileSync(file, `${readFileSync(file, "utf8")}// again\n`);
            } else if (output.split("\n").length > 2) {
              lines.push(last ?? "");
              break;
            }
          }
        } finally {
          child.kill("SIGKILL");
        }
        assertEquals(lines, ["1 1", second]);
      }),
  );
}
