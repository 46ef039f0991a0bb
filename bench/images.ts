/**
 * File systems in image files, each mounted for as long as it is needed: what a sync costs, and what
 * may be mapped, depends on the file system. A sync costs more on an ext4 with a journal than on one
 * without, and most servers have one.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Bytes of an image; it is sparse. */
const SIZE = 4 * 2 ** 30;

// Lazy, it would still write in the background while others are measured.
const EAGER = ["-E", "lazy_itable_init=0,lazy_journal_init=0"];

/** A file system in an image: an ext4 with a journal, one without, or an XFS. */
export type Image = "journalled" | "unjournalled" | "xfs";

/** How each is made. */
const MAKERS: Readonly<Record<Image, readonly [program: string, ...args: string[]]>> = {
  journalled: ["mkfs.ext4", "-q", "-F", "-O", "has_journal", ...EAGER],
  unjournalled: ["mkfs.ext4", "-q", "-F", "-O", "^has_journal", ...EAGER],
  xfs: ["mkfs.xfs", "-q", "-f"],
};

/** All of them. */
export const IMAGES: readonly Image[] = ["journalled", "unjournalled", "xfs"];

/** An image that cannot be made, mounted or unmounted. */
export class MountError extends Error {}

/** A mounted image. */
export interface Mounted {
  readonly image: Image;
  /** Its folder. */
  readonly folder: string;
}

/** Mounted images; they go with the end of the block that holds them with `using`. */
export interface MountedImages extends Disposable {
  readonly mounted: readonly Mounted[];
}

/** Makes and mounts images in a folder; needs root. */
export function mountImages(parent: string, images: readonly Image[]): MountedImages {
  const mounted: Mounted[] = [];
  const unmount = (): void => {
    for (const { image, folder } of mounted.splice(0)) {
      run("umount", folder);
      rmSync(fileOf(parent, image), { force: true });
    }
  };
  try {
    for (const image of images) mounted.push({ image, folder: mount(parent, image) });
  } catch (error) {
    unmount();
    throw error;
  }
  return { mounted, [Symbol.dispose]: unmount };
}

/** Makes an image and mounts it; returns its folder. */
function mount(parent: string, image: Image): string {
  const path = fileOf(parent, image);
  const folder = join(parent, image);
  mkdirSync(folder);
  const file = openSync(path, "w");
  ftruncateSync(file, SIZE);
  closeSync(file);
  const [program, ...args] = MAKERS[image];
  run(program, ...args, path);
  run("mount", "-o", "loop", path, folder);
  return folder;
}

function fileOf(parent: string, image: Image): string {
  return join(parent, `${image}.img`);
}

function run(program: string, ...args: string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return;
  throw new MountError(
    `"${program} ${args.join(" ")}" failed: ${(error?.message ?? stderr).trim()}. --images needs ` +
      "root and loop devices.",
  );
}
