/**
 * The manifests say the same: deno.json, deno.offline.json, jsr.json, package.json and its lock.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ROOT } from "../kit/runtime.ts";

type Versions = Record<string, string>;

interface DenoManifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Record<string, string>;
  readonly imports: Record<string, string>;
  readonly publish: { readonly include: readonly string[] };
  readonly tasks: Record<string, string>;
}

interface NpmManifest extends Omit<DenoManifest, "imports" | "publish" | "tasks"> {
  readonly scripts: Record<string, string>;
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
}

interface NpmLock {
  readonly packages: Record<
    string,
    Partial<Omit<NpmManifest, "exports">> & { readonly optionalDependencies?: Versions }
  >;
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(`${ROOT}${path}`, "utf8")) as T;
}

const deno = read<DenoManifest>("deno.json");
const offline = read<DenoManifest>("deno.offline.json");
const jsr = read<DenoManifest>("jsr.json");
const npm = read<NpmManifest>("package.json");
const lock = read<NpmLock>("package-lock.json");

test("deno.json, jsr.json and package.json name the same package", () => {
  for (const manifest of [jsr, npm]) {
    assertEquals(
      {
        name: manifest.name,
        version: manifest.version,
        license: manifest.license,
        exports: manifest.exports,
      },
      { name: deno.name, version: deno.version, license: deno.license, exports: deno.exports },
    );
  }
});

test("jsr.json imports and publishes what deno.json does", () => {
  assertEquals(jsr.imports, deno.imports);
  assertEquals(jsr.publish, deno.publish);
});

test("deno.offline.json differs from deno.json in its imports only", () => {
  assertEquals({ ...offline, imports: deno.imports }, deno);
});

test("deno.offline.json maps the names of deno.json and the package's own", () => {
  const own = Object.fromEntries(
    Object.entries(deno.exports).map(([name, path]) => [`${deno.name}${name.slice(1)}`, path]),
  );
  const names = Object.keys(offline.imports);
  const ownNames = names.filter((name) => name.startsWith(deno.name));
  assertEquals(
    names.filter((name) => !ownNames.includes(name)).sort(),
    Object.keys(deno.imports).sort(),
  );
  assert(ownNames.includes(deno.name), `${deno.name} is not mapped`);
  for (const name of ownNames) assertEquals(offline.imports[name], own[name], name);
});

test("deno.json's tasks run the programs that package.json's scripts run", () => {
  const fromNode = Object.entries(npm.scripts).map(([name, script]) => [
    name,
    script.replace(/^node /, "deno run --allow-all "),
  ]);
  assertEquals(deno.tasks, Object.fromEntries(fromNode) as Record<string, string>);
});

test("every script and task that documents and workflows run is there, and its program", () => {
  const readers = [
    ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md", "examples/README.md"],
    ...listed("docs", ".md"),
    ...listed(".github/workflows", ".yml"),
  ];
  const told = readers.flatMap((path) => {
    const calls = readFileSync(`${ROOT}${path}`, "utf8")
      .matchAll(/\b(?:npm run|npm(?= (?:start|test))|deno task) ([a-z]+(?::[a-z]+)*)/g);
    return Array.from(calls, (match) => match[1] as string);
  });
  assert(told.length > 0);
  assertEquals(told.filter((name) => !Object.hasOwn(npm.scripts, name)), []);
  const programs = Object.values(npm.scripts).map((script) =>
    script.replace(/^node (\S+).*/, "$1")
  );
  assertEquals(programs.filter((path) => !existsSync(`${ROOT}${path}`)), []);
});

test("every module that an example in the documents imports from the package is exported", () => {
  const names = Object.keys(deno.exports).map((path) => `${deno.name}${path.slice(1)}`);
  for (const path of ["README.md", ...listed("docs", ".md"), "src/raft/raft.ts"]) {
    const imports = readFileSync(`${ROOT}${path}`, "utf8").matchAll(/ from "(@durable\/[^"]*)"/g);
    const unknown = Array.from(imports, (match) => match[1] as string)
      .filter((name) => !names.includes(name));
    assertEquals(unknown, [], path);
  }
});

/** The files of a folder that end so. */
function listed(folder: string, suffix: string): string[] {
  return readdirSync(`${ROOT}${folder}`)
    .filter((name) => name.endsWith(suffix))
    .map((name) => `${folder}/${name}`);
}

test("every file that is exported or published is there", () => {
  const paths = [...Object.values(deno.exports), ...deno.publish.include];
  assertEquals(paths.filter((path) => !existsSync(`${ROOT}${path}`)), []);
});

test("hash-wasm is the only dependency at run time, in the version that JSR's users get", () => {
  assertEquals(Object.keys(npm.dependencies), ["hash-wasm"]);
  const atRunTime = Object.keys(deno.imports).filter((name) => !(name in npm.devDependencies));
  assertEquals(atRunTime, ["hash-wasm"]);

  const range = deno.imports["hash-wasm"]?.match(/^npm:hash-wasm@\^(\d+)\.(\d+)\.\d+$/);
  const tested = npm.dependencies["hash-wasm"]?.match(/^(\d+)\.(\d+)\.\d+$/);
  assertEquals(tested?.[1], range?.[1]);
  assert(Number(tested?.[2]) >= Number(range?.[2]), "the tested version is below the range");
});

test("development dependencies are pinned exactly", () => {
  for (const [name, version] of Object.entries(npm.devDependencies)) {
    assertMatch(version, /^((npm:\w+@)?\d+\.\d+\.\d+|file:.+)$/, name);
  }
});

test("package-lock.json belongs to package.json", () => {
  const root = lock.packages[""];
  assertEquals(root?.name, npm.name);
  assertEquals(root?.version, npm.version);
  assertEquals(root?.dependencies, npm.dependencies);
  assertEquals(root?.devDependencies, npm.devDependencies);
});

for (const path of ["package-lock.json", "bench/package-lock.json"]) {
  test(`${path} has the optional packages of every platform, without which npm ci refuses`, () => {
    const { packages } = read<NpmLock>(path);
    const missing = Object.values(packages)
      .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
      .filter((name) => !Object.hasOwn(packages, `node_modules/${name}`));
    assertEquals(missing, []);
  });
}

test("CHANGELOG.md begins with the version in deno.json", () => {
  const changes = readFileSync(`${ROOT}CHANGELOG.md`, "utf8");
  assertEquals(changes.match(/^## (\S+)/m)?.[1], deno.version);
});
