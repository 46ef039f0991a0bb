/**
 * A log is what it is by any name: of a directory that the process has left, of links of either sort,
 * and of a file in other letters.
 *
 * @module
 */
import { test } from "node:test";
import {
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type FileHandle,
  LockedError,
  type OpenMode,
  Wal,
  WalError,
  type WalOptions,
  type WriterLock,
} from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { spawnSync } from "../../kit/child.ts";
import { bytes, text } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

/** To make a link takes a right of its own there. */
const HAS_LINKS = process.platform !== "win32";

/** A folder by its real path. */
function within(body: (folder: string) => Promise<void> | void): Promise<void> {
  return withFolder((folder) => body(realpathSync(folder)));
}

/** A log of three segments. */
async function makeLog(path: string): Promise<void> {
  const log = await Wal.open(path, { segmentSize: 4096 });
  for (let i = 1; i <= 10; i++) log.append(new Uint8Array(900).fill(i));
  await log.close();
}

function refusal(path: string, options: WalOptions = {}): Promise<WalError> {
  return assertRejects(() => Wal.open(path, options), WalError);
}

/** Files in memory whose names are the same in any letter case, as on macOS and Windows. */
class IgnoringCase extends MemoryFileSystem {
  #spelled(path: string): string {
    const name = super.list(".").find((name) => name.toLowerCase() === path.toLowerCase());
    return name ?? path;
  }

  override open(path: string, mode: OpenMode): FileHandle {
    return super.open(this.#spelled(path), mode);
  }

  override remove(path: string): void {
    super.remove(this.#spelled(path));
  }

  override identify(path: string): string | undefined {
    return super.identify(this.#spelled(path));
  }

  override realPath(path: string): string {
    return this.#spelled(path);
  }

  override lock(path: string): Promise<WriterLock> {
    return super.lock(path.toLowerCase());
  }
}

test(
  "a log stays in its directory when the process goes to another",
  { timeout: 60_000 },
  () =>
    within(async (folder) => {
      const [from, to] = [join(folder, "from"), join(folder, "to")];
      for (const directory of [from, to]) mkdirSync(directory);
      const file = join(ROOT, "tests/support/wander.ts");
      const { program, args } = command(file, from, to, "deeper/../server.wal");
      mkdirSync(join(from, "deeper"));
      const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      assertEquals(stderr, "");
      assertEquals(JSON.parse(stdout), { path: join(from, "server.wal"), read: 900 });
      assertEquals(readdirSync(to), []);
      await using log = await Wal.open(join(from, "server.wal"));
      assertEquals([log.firstIndex, log.lastIndex, text(log.state)], [6, 23, "moved"]);
      assertEquals(log.recovery.case, "A");
    }),
);

for (
  const [what, name, make] of [
    [
      "a link to its file",
      "link.wal",
      (folder: string) => symlinkSync("real/a.wal", join(folder, "link.wal")),
    ],
    ["a chain of links", "b.wal", (folder: string) => {
      symlinkSync(join(folder, "c.wal"), join(folder, "b.wal"));
      symlinkSync("real/a.wal", join(folder, "c.wal"));
    }],
    [
      "a link to its directory",
      "other/a.wal",
      (folder: string) => symlinkSync("real", join(folder, "other")),
    ],
    [
      "a link beside it",
      "real/b.wal",
      (folder: string) => symlinkSync("a.wal", join(folder, "real/b.wal")),
    ],
  ] as const
) {
  test(`a log has one writer and one place, whether by its path or by ${what}`, () =>
    within(async (folder) => {
      if (!HAS_LINKS) return;
      const real = join(folder, "real/a.wal");
      mkdirSync(join(folder, "real"));
      make(folder);
      const link = join(folder, name);
      for (const [one, other] of [[link, real], [real, link]] as const) {
        const log = await Wal.open(one, { segmentSize: 4096 });
        assertEquals(log.path, real);
        await assertRejects(() => Wal.open(other), LockedError);
        const before = log.lastIndex;
        for (let i = 1; i <= 10; i++) log.append(new Uint8Array(900).fill(i));
        await log.setState(bytes(what));
        await log.close();
        const reader = await Wal.open(other, { readOnly: true });
        assertEquals([reader.lastIndex, reader.path], [before + 10, real]);
        await reader.close();
      }
      const links = readdirSync(folder).filter((name) => name !== "real");
      for (const name of links) assert(["link.wal", "b.wal", "c.wal", "other"].includes(name));
      const log = await Wal.open(link);
      assertEquals(log.readAll().map(([byte]) => byte), [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
      ]);
      await log.close();
    }));
}

test("a link that leads to nothing yet makes the log where it leads", () =>
  within(async (folder) => {
    if (!HAS_LINKS) return;
    symlinkSync("disk/logs/a.wal", join(folder, "link.wal"));
    assertEquals(
      (await refusal(join(folder, "link.wal"), { readOnly: true })).code,
      "ERR_WAL_NOT_FOUND",
    );
    const log = await Wal.open(join(folder, "link.wal"));
    await log.appendAndSync(bytes("x"));
    await log.close();
    assertEquals(readdirSync(folder).sort(), ["disk", "link.wal"]);
    await using again = await Wal.open(join(folder, "disk/logs/a.wal"));
    assertEquals(again.lastIndex, 1);
  }));

test("a log can be used when the link that it was opened by leads elsewhere", () =>
  within(async (folder) => {
    if (!HAS_LINKS) return;
    for (const name of ["old", "new"]) mkdirSync(join(folder, name));
    symlinkSync("old", join(folder, "current"));
    const log = await Wal.open(join(folder, "current/a.wal"), { segmentSize: 4096 });
    log.append(bytes("first"));
    symlinkSync("new", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "current"));
    for (let i = 1; i <= 10; i++) await log.appendAndSync(new Uint8Array(900));
    await log.close();
    assertEquals(readdirSync(join(folder, "new")), []);
    await using again = await Wal.open(join(folder, "old/a.wal"));
    assertEquals(again.lastIndex, 11);
  }));

test("links that lead round in a ring, and a directory's name, are no log's path", () =>
  within(async (folder) => {
    if (!HAS_LINKS) return;
    symlinkSync("b", join(folder, "a"));
    symlinkSync("a", join(folder, "b"));
    const ring = await refusal(join(folder, "a"));
    assertEquals([ring.code, (ring.cause as { code?: string }).code], ["ERR_WAL_IO", "ELOOP"]);
    assertEquals((await refusal(`${folder}/new/`)).code, "ERR_WAL_NOT_A_FILE");
    assertEquals((await refusal(folder)).code, "ERR_WAL_NOT_A_FILE");
    assertEquals(readdirSync(folder).sort(), ["a", "b"]);
  }));

test("a later segment is not opened as a log, by its own name or by a link", () =>
  within(async (folder) => {
    const path = join(folder, "a.wal");
    await makeLog(path);
    const segment = readdirSync(folder).filter((name) => /\d{20}$/.test(name)).sort()[0] ?? "";
    const names = [join(folder, segment)];
    if (HAS_LINKS) {
      symlinkSync(segment, join(folder, "link"));
      names.push(join(folder, "link"));
    }
    const before = readdirSync(folder).sort();
    for (const name of names) {
      for (const options of [{}, { readOnly: true }]) {
        const error = await refusal(name, options);
        assertEquals(error.code, "ERR_WAL_FORMAT");
        assertStringIncludes(error.message, `by the path of its first file, "${path}"`);
      }
    }
    assertEquals(readdirSync(folder).sort(), before);
  }));

for (const suffix of [".meta", ".redo", ".00000000000000000005"]) {
  test(`a link with a file of its own, ${suffix}, beside it is not opened`, () =>
    within(async (folder) => {
      if (!HAS_LINKS) return;
      mkdirSync(join(folder, "disk"));
      await makeLog(join(folder, "disk/a.wal"));
      symlinkSync("disk/a.wal", join(folder, "link.wal"));
      writeFileSync(join(folder, `link.wal${suffix}`), "");
      const error = await refusal(join(folder, "link.wal"));
      assertEquals(error.code, "ERR_WAL_FORMAT");
      assertStringIncludes(error.message, join(folder, `link.wal${suffix}`));
      await using log = await Wal.open(join(folder, "disk/a.wal"));
      assertEquals(log.lastIndex, 10);
    }));
}

test("where letter case makes no difference, every spelling is the one log", async () => {
  const fileSystem = new IgnoringCase();
  const options = { fileSystem, segmentSize: 4096 };
  const log = await Wal.open("Orders.wal", options);
  for (let i = 1; i <= 10; i++) log.append(new Uint8Array(900).fill(i));
  await assertRejects(() => Wal.open("orders.WAL", options), LockedError);
  await log.close();

  const other = await Wal.open("orders.WAL", options);
  assertEquals([other.path, other.lastIndex], ["Orders.wal", 10]);
  await other.truncateBeforeIndex(9);
  assertEquals(fileSystem.identify("Orders.wal"), undefined, "the first file is gone");
  await other.close();

  await using third = await Wal.open("ORDERS.WAL", options);
  assertEquals([third.path, third.firstIndex, third.lastIndex], ["Orders.wal", 9, 10]);
});

test("the command line finds a log by a link, and names its files", () =>
  within(async (folder) => {
    if (!HAS_LINKS) return;
    mkdirSync(join(folder, "disk"));
    await makeLog(join(folder, "disk/a.wal"));
    symlinkSync("disk/a.wal", join(folder, "link.wal"));
    for (const name of ["inspect", "verify", "repair", "cat"]) {
      const { program, args } = command(
        join(ROOT, "src/cli/main.ts"),
        name,
        join(folder, "link.wal"),
      );
      const { stdout, status } = spawnSync(program, args);
      assertEquals(status, 0, name);
      if (name !== "cat") {
        assertStringIncludes(
          stdout.toString(),
          name === "verify" ? "10" : join(folder, "disk/a.wal"),
        );
      }
    }
    assertEquals(readdirSync(folder).sort(), ["disk", "link.wal"]);
  }));
