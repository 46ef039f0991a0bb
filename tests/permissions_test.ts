/**
 * What a runtime allows: the permissions of Deno and the permission model of Node. Each test runs a
 * program on the runtime that it is about, whichever runs the test.
 *
 * @module
 */
import { test, type TestContext } from "node:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { spawnSync } from "../kit/child.ts";
import { commandOn, ROOT } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

const PROGRAM = join(ROOT, "tests/support/use_log.ts");

/** Not by its real path: Deno gives all its rights to a Deno that it starts by that. */
const DENO = join(ROOT, "node_modules/.bin/deno");
const CONFIG = ["--config", join(ROOT, "deno.offline.json")];

const script = spawnSync("script", ["--version"]).status === 0;

/**
 * Runs the program on Deno with these permissions only, on a terminal, where Deno would stop and ask
 * for others; what it printed.
 */
function runOnTerminal(
  permissions: readonly string[],
  args: readonly string[],
  cwd: string,
): string {
  const command = [DENO, "run", "--quiet", ...CONFIG, ...permissions, PROGRAM, ...args];
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const { stdout } = spawnSync("script", ["-qec", quoted, "/dev/null"], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 30_000,
  });
  return stdout.replaceAll("\r", "");
}

/** Defines a test that needs a terminal; without the means, a run that counts fails. */
function onTerminal(name: string, body: (folder: string) => void): void {
  test(name, { timeout: 120_000 }, async (t: TestContext) => {
    if (!script && process.env.CI === undefined) return t.skip("needs script of util-linux");
    await withFolder(body);
  });
}

onTerminal(
  "on Deno, the rights for the log's directory are enough, and no more is asked for",
  (folder) => {
    const log = join(folder, "log");
    mkdirSync(log);
    const written = runOnTerminal([`--allow-read=${log}`, `--allow-write=${log}`], [
      join(log, "a.wal"),
    ], folder);
    assertEquals(written, "read entry 8\nread entry 8\n");
    const relative = runOnTerminal(
      ["--allow-read=log", "--allow-write=log"],
      ["log/b.wal"],
      folder,
    );
    assertEquals(relative, "read entry 8\nread entry 8\n");
    const read = runOnTerminal([`--allow-read=${log}`], [join(log, "a.wal"), "read"], folder);
    assertEquals(read, "read entry 8\nread entry 8\n");
  },
);

onTerminal("on Deno, a directory whose name could not be made durable is not made", (folder) => {
  const log = join(folder, "log");
  for (const path of [join(log, "a.wal"), join(log, "below/a.wal")]) {
    const own = [`--allow-read=${log}`, `--allow-write=${log}`];
    const told = runOnTerminal(own, [path], folder).trimEnd().split("\n");
    assertEquals(told.length, 2);
    for (const line of told) {
      assertMatch(
        line,
        /^ERR_WAL_PERMISSION by EACCES: .*read the directory above one that is to be made/,
      );
    }
    assertEquals(existsSync(log), false);
  }
  const both = [`--allow-read=${folder}`, `--allow-write=${log}`];
  assertEquals(runOnTerminal(both, [join(log, "a.wal")], folder), "read entry 8\nread entry 8\n");
});

test(
  "on Deno, a log without the rights for it is a typed error",
  { timeout: 60_000 },
  () =>
    withFolder((folder) => {
      const args = ["run", "--quiet", "--no-prompt", ...CONFIG, PROGRAM, join(folder, "a.wal")];
      const { stdout } = spawnSync(DENO, args, { encoding: "utf8" });
      assertMatch(stdout, /^(ERR_WAL_PERMISSION by EACCES: .*\n){2}$/);
    }),
);

/** Runs the program on Node under its permission model; what it printed. */
function runPermitted(grants: readonly string[], args: readonly string[]): string {
  const { program } = commandOn("node", "");
  const flags = [
    "--permission",
    "--no-warnings",
    ...grants,
    `--allow-fs-read=${ROOT}`,
    "--allow-fs-read=/proc/self/fd",
  ];
  const { stdout } = spawnSync(program, [...flags, PROGRAM, ...args], { encoding: "utf8" });
  return stdout;
}

test(
  "Node's permission model refuses every fsync, and the log says so",
  { timeout: 60_000 },
  () =>
    withFolder((folder) => {
      const path = join(folder, "a.wal");
      const own = [`--allow-fs-read=${folder}`, `--allow-fs-write=${folder}`];
      const all = [
        "--allow-fs-read=*",
        "--allow-fs-write=*",
        "--allow-child-process",
        "--allow-worker",
      ];
      for (
        const [grants, path] of [[own, join(folder, "a.wal")], [all, join(folder, "a.wal")], [
          all,
          join(folder, "new/a.wal"),
        ], [[], join(folder, "a.wal")]] as const
      ) {
        const told = runPermitted(grants, [path]).trimEnd().split("\n");
        assertEquals(told.length, 2, told.join("\n"));
        for (const line of told) {
          assertStringIncludes(line, "ERR_WAL_PERMISSION by EACCES: ");
          assertStringIncludes(line, "Node's permission model (--permission) refuses fsync");
        }
      }
      assertEquals(existsSync(join(folder, "new")), false);
      assertEquals(existsSync(path), false);
    }),
);

test(
  "under Node's permission model a log is read",
  { timeout: 60_000 },
  () =>
    withFolder((folder) => {
      const path = join(folder, "a.wal");
      const { program, args } = commandOn("node", PROGRAM, path);
      assertEquals(
        spawnSync(program, args, { encoding: "utf8" }).stdout,
        "read entry 8\nread entry 8\n",
      );
      assertEquals(
        runPermitted([`--allow-fs-read=${folder}`], [path, "read"]),
        "read entry 8\nread entry 8\n",
      );
    }),
);
