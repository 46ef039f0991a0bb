/**
 * The writer's lock as the system gives it, or does not: containers, kernels and file systems without
 * locks, and what the flock program does that Node runs.
 *
 * Node shows what becomes of a lock that is only a record, on each of the runtimes that run this.
 *
 * @module
 */
import { test } from "node:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { spawnSync } from "../../kit/child.ts";
import { Contender, openElsewhere } from "../support/contender.ts";
import { commandOn, ROOT, RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

/** Whether a program that a test needs is there; where it must be, its lack is a failure. */
function has(program: string, ...args: string[]): boolean {
  if (process.platform !== "linux") return false;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return true;
  assert(process.env["CI"] === undefined, `This test needs ${program}: ${stderr}`);
  return false;
}

const CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
/** One whose /proc is still that of outside. */
const BARE_CONTAINER = ["unshare", "--pid", "--fork", "--kill-child"];

/** No flock program is here. */
const NOWHERE = "/nonexistent";

test(
  "two containers with one host name and only records: one gets the log",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      if (!has("unshare", "--pid", "--fork", "--mount-proc", "true")) return;
      for (const by of [CONTAINER, BARE_CONTAINER]) {
        const path = join(folder, `${by.length}.wal`);
        const first = new Contender("node", path, { by: absolute(by), searchPath: NOWHERE });
        const { opened, lock } = await first.result();
        assertEquals([opened, lock], [true, "record"]);
        for (
          const [inside, searchPath] of [[by, NOWHERE], [[], undefined]] as const
        ) {
          const { code, message = "" } = await openElsewhere("node", path, {
            by: absolute(inside),
            ...(searchPath === undefined ? {} : { searchPath }),
          });
          assertEquals(code, "ERR_WAL_LOCKED");
          assertStringIncludes(message, `then remove "${path}.lock"`);
        }
        // What its crash leaves cannot be judged from the next container either.
        await first.kill();
        const next = await openElsewhere("node", path, { by: absolute(by), searchPath: NOWHERE });
        assertEquals(next.code, "ERR_WAL_LOCKED");
        rmSync(`${path}.lock`);
        const after = await openElsewhere("node", path, { by: absolute(by), searchPath: NOWHERE });
        assertEquals(after.opened, true);
      }
    }),
);

/** The command with the whole path of its program, as the search path of a contender may have none. */
function absolute(by: readonly string[]): string[] {
  const [program, ...args] = by;
  if (program === undefined) return [];
  return [spawnSync("which", [program], { encoding: "utf8" }).stdout.trim(), ...args];
}

test(
  "a record lock keeps off a contender with the kernel's lock, and is kept off by it",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      if (process.platform === "win32") return; // There Node has the kernel's lock without a program.
      const path = join(folder, "a.wal");
      const weak = new Contender("node", path, { searchPath: NOWHERE });
      assertEquals((await weak.result()).lock, "record");
      const refused = await openElsewhere(RUNTIME, path);
      assertEquals(refused.code, "ERR_WAL_LOCKED");
      assertStringIncludes(refused.message ?? "", `process ${weak.process.pid} `);
      // In the same container, the record of a process that was killed is known to be over.
      await weak.kill();
      const strong = new Contender(RUNTIME, path);
      assertEquals((await strong.result()).lock, "kernel");
      const again = await openElsewhere("node", path, { searchPath: NOWHERE });
      assertEquals(again.code, "ERR_WAL_LOCKED");
      assertStringIncludes(again.message ?? "", `process ${strong.process.pid} `);
      await strong.kill();
      assertEquals((await openElsewhere("node", path, { searchPath: NOWHERE })).lock, "record");
    }),
);

test("Node keeps nothing running for a flock program that is not there", () =>
  withFolder((folder) => {
    if (process.platform === "win32") return;
    const program = `
      import { Wal } from ${JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href)};
      const log = await Wal.open(${JSON.stringify(join(folder, "a.wal"))});
      await log.close();
      console.log(JSON.stringify(process.getActiveResourcesInfo()));
    `;
    const { program: node } = commandOn("node", "");
    const { stdout, stderr } = spawnSync(node, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
      env: { ...process.env, PATH: NOWHERE },
    });
    assertStringIncludes(stderr, "WAL_WEAK_LOCK");
    assertEquals((JSON.parse(stdout) as string[]).filter((what) => what === "Timeout"), []);
  }));

test("Node takes the kernel's lock without a program where node:ffi shows no warning", () =>
  withFolder(async (folder) => {
    if (RUNTIME !== "node" || process.platform !== "linux") return;
    const path = join(folder, "a.wal");
    const hasForeignFunctions = Number(process.versions.node.split(".")[0]) >= 26;
    for (
      const quiet of [
        "NODE_NO_WARNINGS=1",
        "NODE_OPTIONS=--no-warnings",
        "NODE_OPTIONS=--disable-warning=ExperimentalWarning",
      ]
    ) {
      const first = new Contender("node", path, {
        by: absolute(["env", quiet]),
        searchPath: NOWHERE,
      });
      const { lock } = await first.result();
      assertEquals([quiet, lock], [quiet, hasForeignFunctions ? "kernel" : "record"]);
      // With the program's lock, and without any.
      for (const searchPath of [process.env["PATH"] ?? "", NOWHERE]) {
        const { code } = await openElsewhere("node", path, { searchPath });
        assertEquals(code, "ERR_WAL_LOCKED");
      }
      await first.kill();
    }
    const { lock, warnings } = await openElsewhere("node", path, { searchPath: NOWHERE });
    assertEquals(lock, "record");
    assert(!warnings.includes("ExperimentalWarning"), warnings);
  }));

test("a lock that is only a record is warned of, or refused by { lock: kernel }", () =>
  withFolder(async (folder) => {
    if (process.platform === "win32") return;
    const path = join(folder, "a.wal");
    const weak = await openElsewhere("node", path, { searchPath: NOWHERE });
    assertEquals(weak.lock, "record");
    assertEquals(weak.warnings.split("WAL_WEAK_LOCK").length - 1, 1, weak.warnings);
    assertStringIncludes(weak.warnings, `"${path}.lock"`);
    const options = { lock: "kernel" };
    const refused = await openElsewhere("node", path, { searchPath: NOWHERE, options });
    assertEquals([refused.code, refused.warnings], ["ERR_WAL_WEAK_LOCK", ""]);
    assertEquals(readFileSync(`${path}.lock`, "utf8"), "");
    const strong = await openElsewhere(RUNTIME, path, { options });
    assertEquals([strong.lock, strong.warnings], ["kernel", ""]);
  }));

/** Starts a program whose flock(2) fails. */
function failing(error: string): string[] {
  return absolute(["strace", "-f", "-qq", "-o", "/dev/null", "-e", `inject=flock:error=${error}`]);
}

test("a system without flock(2) is a lock that is only a record, and another error is one", {
  timeout: 120_000,
}, () =>
  withFolder(async (folder) => {
    if (!has("strace", "--version")) return;
    for (const error of ["ENOLCK", "EOPNOTSUPP", "ENOSYS"]) {
      const path = join(folder, `${error}.wal`);
      const first = new Contender(RUNTIME, path, { by: failing(error) });
      const { opened, lock } = await first.result();
      assertEquals([error, opened, lock], [error, true, "record"]);
      const second = await openElsewhere(RUNTIME, path, { by: failing(error) });
      assertEquals(second.code, "ERR_WAL_LOCKED");
      await first.end();
      assertStringIncludes(first.warnings, "WAL_WEAK_LOCK");
    }
    for (const error of ["EIO", "ENOMEM"]) {
      const path = join(folder, `${error}.wal`);
      const { code, message = "" } = await openElsewhere(RUNTIME, path, { by: failing(error) });
      assertEquals([error, code], [error, "ERR_WAL_IO"]);
      assertStringIncludes(message, `${path}.lock`);
    }
    const path = join(folder, "held.wal");
    const { code } = await openElsewhere(RUNTIME, path, { by: failing("EAGAIN") });
    assertEquals(code, "ERR_WAL_LOCKED");
  }));

/** What a program by the name of flock does, and what an open on Node says of it. */
const PROGRAMS: readonly (readonly [script: string, mode: number, code: string, part: string])[] = [
  ["exit 3", 0o700, "ERR_WAL_IO", "ended with status 3"],
  ["echo unknown option >&2; exit 64", 0o700, "ERR_WAL_IO", "unknown option"],
  ["echo 'flock: out of memory' >&2; exit 1", 0o700, "ERR_WAL_IO", "out of memory"],
  ["kill -9 $$", 0o700, "ERR_WAL_IO", "SIGKILL"],
  ["exit 0", 0o600, "ERR_WAL_IO", "could not be started"],
  // busybox has the same status for a lock that is held.
  ["exit 1", 0o700, "ERR_WAL_LOCKED", "process unknown"],
  ["echo 'flock: No locks available' >&2; exit 1", 0o700, "record", ""],
  ["echo 'flock: Not supported' >&2; exit 1", 0o700, "record", ""],
];

test(
  "Node takes no failure of the flock program for its absence",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      if (process.platform !== "linux") return;
      for (const [i, [script, mode, code, part]] of PROGRAMS.entries()) {
        const programs = join(folder, String(i));
        mkdirSync(programs);
        writeFileSync(join(programs, "flock"), `#!/bin/sh\n${script}\n`);
        chmodSync(join(programs, "flock"), mode);
        const path = join(folder, `${i}.wal`);
        const result = await openElsewhere("node", path, { searchPath: programs });
        assertEquals([script, result.code ?? result.lock], [script, code]);
        assertStringIncludes(result.message ?? "", part);
        if (code === "ERR_WAL_IO") assertStringIncludes(result.message ?? "", `"${path}.lock"`);
      }
    }),
);

test("with too few descriptors an open on Node fails, and never has the weaker lock", () =>
  withFolder((folder) => {
    if (process.platform !== "linux") return;
    // The other runtimes start no program for it.
    const { program, args } = commandOn(
      "node",
      join(ROOT, "tests/support/descriptors.ts"),
      join(folder, "a.wal"),
    );
    const shell = ["-c", 'ulimit -n 80; exec "$@"', "sh", program, ...args];
    const { stdout, stderr } = spawnSync("sh", shell, { encoding: "utf8" });
    assertEquals(stderr, "");
    const said: string[] = JSON.parse(stdout);
    assertEquals(said.at(-1), "kernel");
    assert(said.length > 2, stdout);
    for (const code of said.slice(0, -1)) assertMatch(code, /^ERR_WAL_(IO|SYNC_FAILED)$/);
  }));
