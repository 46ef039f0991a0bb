/**
 * One path for each file, whatever leads to it: links of either sort, chains of them, links that lead
 * to nothing yet, and names that differ in their letters only.
 *
 * @module
 */
import { test } from "node:test";
import { linkSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertThrows } from "@std/assert";
import { FileSystemError } from "../../mod.ts";
import { type Names, realPathBy } from "../../src/fs/posix/real_path.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const own = await defaultFileSystem();

/** A folder with links in it. */
async function withLinks(
  links: Readonly<Record<string, string>>,
  body: (folder: string) => void,
): Promise<void> {
  await withFolder((folder) => {
    const real = realpathSync(folder);
    mkdirSync(join(real, "dir"));
    writeFileSync(join(real, "dir/file"), "x");
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(real, name));
    body(real);
  });
}

const CASES: readonly [string, Readonly<Record<string, string>>, string, string][] = [
  ["a link to a file", { link: "dir/file" }, "link", "dir/file"],
  ["a chain of links", { a: "b", b: "c", c: "dir/file" }, "a", "dir/file"],
  ["a link to a directory", { d: "dir" }, "d/file", "dir/file"],
  ["a link beside its file", { "dir/other": "file" }, "dir/other", "dir/file"],
  ["what is not there, through a link", { d: "dir" }, "d/none", "dir/none"],
  ["a link to what is not there", { link: "dir/none" }, "link", "dir/none"],
  ["a chain that ends nowhere", { a: "b", b: "dir/c", "dir/c": "e" }, "a", "dir/e"],
  ["a link to a directory that is not there", { d: "none" }, "d/x", "none/x"],
  ["the parent of a link's directory", { "dir/up": "../dir" }, "dir/up/../new", "new"],
  ["a link that goes through a link", { d: "dir", e: "d/new" }, "e", "dir/new"],
];

for (const [what, links, name, real] of CASES) {
  test(`the real path of ${what}`, () =>
    withLinks(links, (folder) => {
      if (process.platform === "win32") return; // To make a link there takes a right of its own.
      assertEquals(own.realPath(`${folder}/${name}`), join(folder, real));
    }));
}

test("the real path of an absolute link", () =>
  withFolder((folder) => {
    if (process.platform === "win32") return;
    const real = realpathSync(folder);
    symlinkSync(join(real, "x/y"), join(real, "link"));
    assertEquals(own.realPath(join(folder, "link")), join(real, "x/y"));
  }));

test("a relative path is made absolute", () => {
  assertEquals(own.realPath("none"), join(realpathSync("."), "none"));
  assertEquals(own.realPath("."), realpathSync("."));
});

test("a ring of links is refused", () =>
  withLinks({ a: "b", b: "a", c: "c/x" }, (folder) => {
    if (process.platform === "win32") return;
    for (const name of ["a", "a/below", "c"]) {
      const error = assertThrows(() => own.realPath(join(folder, name)), FileSystemError);
      assertEquals(error.code, "ELOOP");
      assertEquals(own.identify(join(folder, name)), undefined);
    }
  }));

test("a path that ends like a directory's and leads to nothing is no path of a file", () =>
  withLinks({ link: "none/" }, (folder) => {
    if (process.platform === "win32") return;
    for (const name of ["new/", "link"]) {
      const error = assertThrows(() => own.realPath(`${folder}/${name}`), FileSystemError);
      assertEquals(error.code, "EISDIR");
    }
  }));

test("every name of a file has its identity", () =>
  withLinks({ link: "dir/file", chain: "link" }, (folder) => {
    if (process.platform === "win32") return;
    linkSync(join(folder, "dir/file"), join(folder, "hard"));
    const identity = own.identify(join(folder, "dir/file"));
    for (const name of ["link", "chain", "hard"]) {
      assertEquals(own.identify(join(folder, name)), identity);
    }
  }));

/** A directory whose names are the same in any letter case, as on macOS and Windows. */
function ignoringCase(files: Readonly<Record<string, string>>): Names {
  const entry = (path: string): [string, string] | undefined =>
    Object.entries(files).find(([name]) =>
      `/d/${name}`.toLowerCase() === path.normalize("NFC").toLowerCase()
    );
  const missing = (path: string): never => {
    throw new FileSystemError("ENOENT", "Find", path);
  };
  return {
    list: () => Object.keys(files),
    identify: (path) => entry(path)?.[1],
    resolve: (path) => path === "/d" || entry(path) !== undefined ? path : missing(path),
    readLink: missing,
  };
}

test("where letter case makes no difference, the directory's spelling is taken", () => {
  const names = ignoringCase({ "Orders.wal": "1", "other": "2", "käse": "3" });
  assertEquals(realPathBy(names, "/d/orders.WAL"), join("/d", "Orders.wal"));
  assertEquals(realPathBy(names, "/d/Orders.wal"), "/d/Orders.wal");
  assertEquals(realPathBy(names, "/d/KA\u0308SE"), join("/d", "käse"));
  assertEquals(realPathBy(names, "/d/new.WAL"), join("/d", "new.WAL"));
});

test("where letter case makes a difference, another spelling is another file", () =>
  withFolder((folder) => {
    const real = realpathSync(folder);
    writeFileSync(join(real, "Orders"), "");
    if (own.identify(join(real, "orders")) !== undefined) return; // It makes none here.
    assertEquals(own.realPath(join(real, "orders")), join(real, "orders"));
  }));

test("a hard link under a name of its own keeps that name", () => {
  const names = ignoringCase({ "first": "1", "First.copy": "1" });
  assertEquals(realPathBy(names, "/d/FIRST.COPY"), join("/d", "First.copy"));
});
