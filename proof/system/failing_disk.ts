/**
 * A disk that fails for as long as it is told to, and is well again: nbdkit serves it, nbdfuse makes a
 * file of it, and a loop device makes that a disk. It can hold what it is to write, so that calls
 * overlap.
 *
 * The file system's journal lies on a disk of its own, which does not
 * fail: with its journal gone a file system refuses all that follows, and nothing is left to see.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Kind, Mount, run, type Workshop } from "./workshop.ts";

/** Sizes in MiB. xfs needs 300. */
const SIZE: Readonly<Record<Kind, number>> = { ext4: 128, xfs: 320 };
const JOURNAL_SIZE = 80;
const XFS_LOG_SIZE = 64;

/** How long each write takes besides, in seconds. */
const WRITE_SECONDS = 0.01;

/** Within how many milliseconds the disk has to be there. */
const START_MS = 10_000;

/** What the disk refuses. */
export type Failure = "write" | "flush";

/** The disk, with a file system on it that is mounted. */
export class FailingDisk {
  /** The file system. */
  readonly mount: Mount;
  readonly #memory: Mount;
  readonly #remove: () => Promise<void>;

  private constructor(mount: Mount, memory: Mount, remove: () => Promise<void>) {
    this.mount = mount;
    this.#memory = memory;
    this.#remove = remove;
  }

  /** Makes the disk, and a file system on it. */
  static async make(workshop: Workshop, kind: Kind): Promise<FailingDisk> {
    const memory = workshop.mountTmpfs(`size=${SIZE[kind] + JOURNAL_SIZE + 8}m`);
    const stored = newFile(join(memory.folder, "disk"), SIZE[kind]);
    const journal = workshop.attachLoop(newFile(join(memory.folder, "journal"), JOURNAL_SIZE));
    let options: string;
    if (kind === "ext4") {
      run("mkfs.ext4", "-q", "-b", "4096", "-O", "journal_dev", journal);
      run("mkfs.ext4", "-q", "-b", "4096", "-J", `device=${journal}`, stored);
      options = `loop,journal_path=${journal}`;
    } else {
      run("mkfs.xfs", "-q", "-f", "-K", "-l", `logdev=${journal},size=${XFS_LOG_SIZE}m`, stored);
      options = `loop,logdev=${journal}`;
    }
    const { folder: served, remove: stop } = await serve(workshop, memory.folder, stored);
    const mount = new Mount(workshop, workshop.newFolder(kind), join(served, "disk"), options);
    mount.mount();
    return new FailingDisk(mount, memory, async () => {
      mount.unmount();
      await stop();
      workshop.detachLoop(journal);
      memory.remove();
    });
  }

  /** From now on it refuses. */
  fail(failure: Failure): void {
    this.#set(failure, true);
  }

  /** It is well again. */
  heal(): void {
    this.#set("write", false);
    this.#set("flush", false);
  }

  /** From now on writes wait. */
  hold(): void {
    this.#set("waiting", false);
    this.#set("hold", true);
  }

  /** Whether a write waits. */
  get isWaitedFor(): boolean {
    return existsSync(join(this.#memory.folder, "waiting"));
  }

  /** The writes that wait are made, or refused. */
  release(): void {
    this.#set("hold", false);
  }

  #set(name: Failure | "hold" | "waiting", isOn: boolean): void {
    const path = join(this.#memory.folder, name);
    if (isOn) writeFileSync(path, "");
    else rmSync(path, { force: true });
  }

  /** How often it has refused. */
  get refused(): number {
    const path = join(this.#memory.folder, "refused");
    return existsSync(path) ? readFileSync(path).length : 0;
  }

  /** Unmounts and removes it. */
  async remove(): Promise<void> {
    await this.#remove();
  }
}

function newFile(path: string, mebibytes: number): string {
  writeFileSync(path, "");
  truncateSync(path, mebibytes * 1024 * 1024);
  return path;
}

/** Serves a file as a disk that refuses what a file beside it is named after. */
async function serve(
  workshop: Workshop,
  folder: string,
  stored: string,
): Promise<{ folder: string; remove: () => Promise<void> }> {
  const served = workshop.newFolder("disk");
  const socket = join(folder, "socket");
  const refuse = (failure: Failure) =>
    `if [ -e ${join(folder, failure)} ]; then printf . >>${join(folder, "refused")}; ` +
    "echo EIO >&2; exit 1; fi";
  const dd = "dd bs=128k status=none iflag=fullblock";
  const nbdkit = spawn("nbdkit", [
    "--foreground",
    "--unix",
    socket,
    "eval",
    `get_size=stat --format %s ${stored}`,
    `pread=${dd},skip_bytes,count_bytes if=${stored} skip=$4 count=$3`,
    `pwrite=while sleep ${WRITE_SECONDS}; [ -e ${join(folder, "hold")} ]; ` +
    `do touch ${join(folder, "waiting")}; done; ` +
    `${refuse("write")}; ` +
    `${dd} oflag=seek_bytes of=${stored} seek=$4 conv=notrunc`,
    `flush=${refuse("flush")}`,
  ], { stdio: "ignore" });
  workshop.adopt(nbdkit);
  await until(() => existsSync(socket), "nbdkit");
  const nbdfuse = spawn("nbdfuse", [join(served, "disk"), `nbd+unix:///?socket=${socket}`], {
    stdio: "ignore",
  });
  workshop.adopt(nbdfuse);
  await until(() => existsSync(join(served, "disk")), "nbdfuse");
  workshop.mounted(served);
  const remove = async (): Promise<void> => {
    workshop.unmount(served);
    await end(nbdfuse);
    await end(nbdkit);
  };
  return { folder: served, remove };
}

async function end(program: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => program.on("close", () => resolve()));
  if (program.exitCode !== null || program.signalCode !== null) return;
  program.kill();
  await ended;
}

async function until(isThere: () => boolean, what: string): Promise<void> {
  for (const start = Date.now(); !isThere(); await sleep(20)) {
    if (Date.now() - start > START_MS) throw new Error(`${what} did not start`);
  }
}
