/**
 * What the parts work with and what must be gone at the end: a folder, mounts and processes.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The file systems that are made on a loop device. */
export type Kind = "ext4" | "xfs";

/** How large an image is, in MiB. xfs needs 300. */
const IMAGE_MIB: Readonly<Record<Kind, number>> = { ext4: 64, xfs: 400 };

/** How often an unmount is tried while the kernel still lets go of a dead process's files. */
const UNMOUNT_TRIES = 500;

/** Runs a program to its end. */
export function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** A folder, and all that was mounted and started in it. */
export class Workshop {
  readonly folder: string = mkdtempSync(join(tmpdir(), "system-"));
  readonly #mounts = new Set<string>();
  readonly #children = new Set<ChildProcess>();
  readonly #loops = new Set<string>();
  #folders = 0;
  #images: string | undefined;

  /** A new, empty folder. */
  newFolder(name: string): string {
    const folder = join(this.folder, `${name}-${++this.#folders}`);
    mkdirSync(folder);
    return folder;
  }

  /** Sees to it that a process does not outlive the workshop. */
  adopt(child: ChildProcess): void {
    this.#children.add(child);
    child.on("close", () => this.#children.delete(child));
  }

  /** A file system in the page cache; `options` are those of mount(8). */
  mountTmpfs(options: string): Mount {
    const folder = this.newFolder("tmpfs");
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder);
    this.#mounts.add(folder);
    return new Mount(this, folder, undefined);
  }

  /**
   * A new file system on a loop device over a file.
   *
   * @param options The device's size in MiB, and the file; by default one in memory, since it is the
   * loop device that loses power. `isWhole` makes the file one that is not sparse.
   */
  mountImage(
    kind: Kind,
    options: { size?: number; image?: string; isWhole?: boolean } = {},
  ): Mount {
    const { size = IMAGE_MIB[kind], image = this.#newImage(), isWhole = false } = options;
    writeFileSync(image, "");
    truncateSync(image, size * 1024 * 1024);
    if (kind === "ext4") run("mkfs.ext4", "-q", "-b", "4096", "-E", "nodiscard", image);
    else run("mkfs.xfs", "-q", "-f", "-K", image);
    if (isWhole) run("fallocate", "--length", `${size}MiB`, image);
    const mount = new Mount(this, this.newFolder(kind), image);
    mount.mount();
    return mount;
  }

  /** A loop device over a file. */
  attachLoop(file: string): string {
    const device = run("losetup", "--find", "--show", file).trim();
    this.#loops.add(device);
    return device;
  }

  /** Gives a loop device back. */
  detachLoop(device: string): void {
    run("losetup", "--detach", device);
    this.#loops.delete(device);
  }

  #newImage(): string {
    this.#images ??= this.mountTmpfs("size=1g").folder;
    return join(this.#images, `${++this.#folders}.img`);
  }

  /** A file system was mounted. */
  mounted(folder: string): void {
    this.#mounts.add(folder);
  }

  /** Unmounts a file system, which a process that has ended may keep busy for a moment. */
  unmount(folder: string): void {
    for (let tries = 1;; tries++) {
      const { status, stderr } = spawnSync("umount", [folder], { encoding: "utf8" });
      if (status === 0) break;
      if (tries === UNMOUNT_TRIES) throw new Error(stderr.trim());
      spawnSync("sleep", ["0.02"]);
    }
    this.#mounts.delete(folder);
  }

  /** Where what is needed to look into a failure is kept. */
  get kept(): string {
    return join(this.folder, "kept");
  }

  /** Ends the processes, unmounts what is mounted, and removes all but what is kept. */
  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    // What was mounted last may lie on what was mounted before.
    for (const folder of [...this.#mounts].toReversed()) {
      spawnSync("umount", ["--lazy", folder]);
    }
    this.#mounts.clear();
    for (const device of this.#loops) spawnSync("losetup", ["--detach", device]);
    for (const name of readdirSync(this.folder)) {
      const path = join(this.folder, name);
      if (path !== this.kept) rmSync(path, { recursive: true, force: true });
    }
    if (!existsSync(this.kept)) rmdirSync(this.folder);
  }
}

/** A mounted file system. */
export class Mount {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #workshop: Workshop;
  readonly #image: string | undefined;
  readonly #options: string;

  /** @param options Those of mount(8). */
  constructor(
    workshop: Workshop,
    folder: string,
    image: string | undefined,
    options: string = "loop",
  ) {
    this.#workshop = workshop;
    this.folder = folder;
    this.#image = image;
    this.#options = options;
  }

  /** Mounts it, which replays its journal. */
  mount(): void {
    if (this.#image === undefined) throw new TypeError("A tmpfs is gone when it is unmounted");
    run("mount", "-o", this.#options, this.#image, this.folder);
    this.#workshop.mounted(this.folder);
  }

  /** Unmounts it. */
  unmount(): void {
    this.#workshop.unmount(this.folder);
  }

  /** Unmounts it for good, and removes what it was on. */
  remove(): void {
    this.unmount();
    if (this.#image !== undefined) rmSync(this.#image);
  }

  /**
   * Gets ready to shut the file system down, which takes effect within a fraction of a millisecond
   * when the returned function is called: what is only in the page cache never reaches the disk, and
   * from then on every write and sync fails with EIO.
   *
   * @param journal Whether what the journal holds in memory is written first, or dropped too.
   */
  readyToShutDown(journal: "dropped" | "written"): () => Promise<void> {
    const xfsIo = spawn("xfs_io", ["-x", this.folder], { stdio: ["pipe", "ignore", "pipe"] });
    this.#workshop.adopt(xfsIo);
    let errors = "";
    xfsIo.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
    const closed = new Promise<void>((resolve) => xfsIo.on("close", () => resolve()));
    return async () => {
      xfsIo.stdin.end(journal === "written" ? "shutdown -f\n" : "shutdown\n");
      await closed;
      if (errors !== "") throw new Error(`xfs_io: ${errors.trim()}`);
    };
  }

  /** Mounts what is on the disk, as after a restart. */
  restart(): void {
    this.unmount();
    this.mount();
  }

  /** Cuts the power, and starts again. */
  async cutPower(): Promise<void> {
    if (!this.#isDown()) await this.readyToShutDown("dropped")();
    this.restart();
  }

  /** Whether it has shut itself down, as XFS does when it cannot write its journal. */
  #isDown(): boolean {
    try {
      readdirSync(this.folder);
      return false;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EIO")) throw error;
      return true;
    }
  }
}
