/**
 * Makes the peers ready: the packages from npm, in this folder, and the program in Go.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Installs the packages where they are missing or old; what is wrong, if anything. */
export function installPackages(): string | undefined {
  if (areInstalled()) return undefined;
  console.error("Installing the peers from npm: npm ci --prefix bench");
  // Their programs come prebuilt, so no script of theirs has to run.
  const args = ["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status } = spawnSync("npm", args, { shell: process.platform === "win32" });
  if (status === 0) return undefined;
  return 'The peers from npm are left out: installing them failed; "npm ci --prefix bench" says why.';
}

/** Whether npm's own record of what it installed is not older than the lock file. */
function areInstalled(): boolean {
  const record = join(FOLDER, "node_modules", ".package-lock.json");
  return existsSync(record) &&
    statSync(record).mtimeMs >= statSync(join(FOLDER, "package-lock.json")).mtimeMs;
}

/** The program with the Go peers, built into a folder, or what is wrong. */
export function buildGoProgram(folder: string): { program: string } | { problem: string } {
  const found = spawnSync("go", ["version"], { encoding: "utf8" });
  if (found.status !== 0) {
    return { problem: "The peers in Go are left out: there is no go (see https://go.dev/dl)." };
  }
  console.error("Building the peers in Go: go build (the first time takes a minute or two)");
  const program = join(folder, process.platform === "win32" ? "peers.exe" : "peers");
  const cwd = join(FOLDER, "go");
  if (spawnSync("go", ["build", "-o", program, "."], { cwd }).status === 0) return { program };
  return { problem: 'The peers in Go are left out: "go build" failed; in bench/go it says why.' };
}
