/**
 * What a part needs of the machine, and what to do where it is missing.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { commandOn, type Edition } from "../../kit/runtime.ts";
import { type Kind, type Mount, Workshop } from "./workshop.ts";

/** What is missing of it, in words; nothing if it is there. */
export type Need = () => string | undefined;

/** The programs, and the package of Debian's that has each. */
const PACKAGES: Readonly<Record<string, string>> = {
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  "xfs_io": "xfsprogs",
  "fallocate": "util-linux",
  "fstrim": "util-linux",
  "losetup": "util-linux",
  "nbdfuse": "libnbd-bin",
  "nbdkit": "nbdkit",
  "prlimit": "util-linux",
  "strace": "strace",
};

/** Linux, and the rights of root there. */
export function root(): string | undefined {
  if (process.platform !== "linux") return `it needs Linux, this is ${process.platform}`;
  return process.getuid?.() === 0 ? undefined : "it needs root (run it with sudo)";
}

/** A program. */
export function program(name: string): Need {
  return () => {
    // One that is not there has no status at all; what it makes of the option is its own business.
    const isThere = spawnSync(name, ["-V"]).error === undefined;
    return isThere ? undefined : `${name} is missing (apt-get install ${PACKAGES[name]})`;
  };
}

/** A runtime that is not among the project's own packages. */
export function installed(edition: Edition): Need {
  return () => {
    const { program } = commandOn(edition, "");
    return existsSync(program)
      ? undefined
      : `${program} is missing (npm ci --prefix kit/${edition})`;
  };
}

/** A file system in memory. */
export function tmpfsMount(): string | undefined {
  return root() ?? tried("tmpfs cannot be mounted", (workshop) => workshop.mountTmpfs("size=1m"));
}

/** A loop device with a file system that can be shut down. */
export function loopMount(kind: Kind): Need {
  return () =>
    firstMissing([tmpfsMount, program(`mkfs.${kind}`), program("xfs_io")]) ??
      tried(`${kind} cannot be mounted from a file`, (workshop) => workshop.mountImage(kind));
}

/** A disk that fails when it is told to. */
export function failingDisk(kind: Kind): Need {
  return () => firstMissing([loopMount(kind), ...["losetup", "nbdkit", "nbdfuse"].map(program)]);
}

/** The first of the needs that is not met, in words. */
export function firstMissing(needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    const missing = need();
    if (missing !== undefined) return missing;
  }
  return undefined;
}

/** Whether a file system can be mounted, and unmounted again. */
function tried(what: string, mount: (workshop: Workshop) => Mount): string | undefined {
  const workshop = new Workshop();
  try {
    mount(workshop).remove();
    return undefined;
  } catch (error) {
    return `${what} (${(error as Error).message})`;
  } finally {
    workshop.close();
  }
}
