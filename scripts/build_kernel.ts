/**
 * Compiles the frame kernel, `kernel/frame_kernel.ts`, with SIMD and without, into modules that every
 * runtime loads: `src/format/kernel/simd.ts` and `src/format/kernel/scalar.ts`.
 *
 * ```sh
 * npm run build:kernel
 * npm run build:kernel -- --check   # are the modules what the source builds?
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCE = "kernel/frame_kernel.ts";

/** The memory, in pages of 64 KiB: the tables, the offsets, the staging area, and a little. */
const PAGES = "33";

const OPTIONS = [
  "-O3",
  "--converge",
  "--noAssert",
  ...["--runtime", "stub"],
  ...["--memoryBase", "1024"],
  ...["--initialMemory", PAGES],
  ...["--maximumMemory", PAGES],
];

const BUILDS = [
  { name: "simd", about: "with SIMD", flag: "--enable" },
  { name: "scalar", about: "without SIMD", flag: "--disable" },
] as const;

for (const { name, about, flag } of BUILDS) {
  const path = `src/format/kernel/${name}.ts`;
  const module = moduleOf(compile([...OPTIONS, flag, "simd"]), about);
  if (!process.argv.includes("--check")) {
    writeFileSync(`${ROOT}${path}`, module);
    console.log(`${path}: ${module.length} characters`);
  } else if (readFileSync(`${ROOT}${path}`, "utf8") !== module) {
    console.error(`${path} is not what ${SOURCE} builds: run "npm run build:kernel".`);
    process.exitCode = 1;
  }
}

/** Runs the compiler, whose own types are not for other programs. */
function compile(options: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "wal-kernel-"));
  try {
    const binary = join(folder, "kernel.wasm");
    const compiler = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
    const { status, stderr } = spawnSync(
      process.platform === "win32" ? "node.exe" : "node",
      [compiler, SOURCE, "--outFile", binary, ...options],
      { cwd: ROOT, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`The compiler failed:\n${stderr}`);
    return readFileSync(binary);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function moduleOf(binary: Uint8Array, about: string): string {
  const lines = Buffer.from(binary).toString("base64").match(/.{1,92}/g) ?? [];
  return `/**
 * The frame kernel ${about}: \`${SOURCE}\` as WebAssembly, in base64.
 *
 * Made by \`npm run build:kernel\`; not to be changed by hand.
 *
 * @module
 */

/** The module's bytes. */
export const KERNEL: string =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`;
}
