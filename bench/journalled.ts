/**
 * An ext4 with a journal, in an image file that is mounted for as long as it is needed. A sync costs
 * more there than on an ext4 without one, and most servers have one.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Bytes of the image; it is sparse. */
const SIZE = 2 * 2 ** 30;

/** An image that cannot be made, mounted or unmounted. */
export class MountError extends Error {}

/** A mounted image; goes with the end of the block that holds it with `using`. */
export interface Mounted extends Disposable {
  /** Its folder. */
  readonly folder: string;
}

/** Makes and mounts an image in a folder; needs root. */
export function mountJournalled(parent: string): Mounted {
  const image = join(parent, "journalled.img");
  const folder = join(parent, "journalled");
  mkdirSync(folder);
  const file = openSync(image, "w");
  ftruncateSync(file, SIZE);
  closeSync(file);
  // Lazy, it would still write in the background while others are measured.
  const eager = ["-E", "lazy_itable_init=0,lazy_journal_init=0"];
  run("mkfs.ext4", "-q", "-F", "-O", "has_journal", ...eager, image);
  run("mount", "-o", "loop", image, folder);
  return {
    folder,
    [Symbol.dispose]: () => {
      run("umount", folder);
      rmSync(image, { force: true });
    },
  };
}

function run(program: string, ...args: string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return;
  throw new MountError(
    `"${program} ${args.join(" ")}" failed: ${(error?.message ?? stderr).trim()}. --journalled ` +
      "needs root and loop devices.",
  );
}
