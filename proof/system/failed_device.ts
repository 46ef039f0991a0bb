/**
 * A block device that fails once and is well again, without a restart between: what the next open
 * returns has to be on the disk, although the page cache holds bytes that the disk never got and calls
 * them clean.
 *
 * The device is a loop device over a sparse file in a small file system in memory. When that is full,
 * the device cannot store what it has not stored before, and says so as a disk does with a bad sector.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { FILE_HEADER_SIZE } from "../../src/format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts";
import { SEGMENT_FRAME_SIZE } from "../../src/format/segment_frame.ts";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import type { Contents } from "./contents.ts";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { fillSpace } from "./filler.ts";
import { loopMount, program } from "./needs.ts";
import type { Settings } from "./part.ts";
import type { Command } from "./remote_lines.ts";
import { RemoteLog } from "./remote_log.ts";
import { type Kind, type Mount, run, type Workshop } from "./workshop.ts";

/** The device's size in MiB; xfs needs 300. */
const SIZE: Readonly<Record<Kind, number>> = { ext4: 32, xfs: 320 };

/**
 * The first entry ends with a page. What the device is to fail has to begin with a page that is new
 * to it, since a loop device takes a write that was cut short for one that was made. So the log
 * writes no zeros ahead. It announces nothing when idle either: a remote log stands still between two
 * commands.
 */
const FIRST_SIZE = 5 * 4096 - FILE_HEADER_SIZE - SEGMENT_FRAME_SIZE - FRAME_HEADER_SIZE;

/** Several pages. */
const SECOND_SIZE = 20_000;

const SEGMENT_SIZE = 64 * 1024 * 1024;

/** Runs on both file systems, on each runtime. */
export async function failedDevice({ workshop, report }: Settings): Promise<void> {
  for (const kind of ["ext4", "xfs"] as const) {
    for (const runtime of RUNTIMES) {
      const needs = [loopMount(kind), program("fstrim"), program("fallocate")];
      await report.check(`a device that fails once, ${kind}, ${runtime}`, needs, async () => {
        const memory = workshop.mountTmpfs(`size=${SIZE[kind] + 8}m`);
        const image = join(memory.folder, "disk");
        const mount = workshop.mountImage(kind, { size: SIZE[kind], image, isWhole: true });
        try {
          return await failOnce(workshop, runtime, memory.folder, mount);
        } finally {
          mount.remove();
          memory.remove();
        }
      });
    }
  }
}

/** What is written when the device fails. */
interface Victim {
  readonly name: string;
  readonly prepare: Command;
  readonly write: Command;
}

const VICTIMS: readonly Victim[] = [
  {
    name: "an entry",
    prepare: { do: "appendAndSync", id: 1, size: FIRST_SIZE },
    write: { do: "appendAndSync", id: 2, size: SECOND_SIZE },
  },
  {
    name: "the first state",
    prepare: { do: "appendAndSync", id: 1, size: FIRST_SIZE },
    write: { do: "setState", id: 2, size: SECOND_SIZE },
  },
];

async function failOnce(
  workshop: Workshop,
  runtime: Runtime,
  memory: string,
  mount: Mount,
): Promise<string> {
  // From now on the device has to ask for room for what it stores in blocks that are free.
  run("fstrim", mount.folder);
  const plain = new PlainFile(join(mount.folder, "plain"));
  const openOf = (i: number): Command => {
    return {
      do: "open",
      path: join(mount.folder, `${i}.wal`),
      segmentSize: SEGMENT_SIZE,
      preallocate: 0,
    };
  };
  const returned: Contents[] = [];
  let cause = "";
  const remotes = VICTIMS.map(() => new RemoteLog(workshop, runtime));
  try {
    for (const [i, remote] of remotes.entries()) {
      await remote.do(openOf(i));
      await remote.do(VICTIMS[i]?.prepare as Command);
    }
    run("sync", "--file-system", mount.folder);
    const filler = fillSpace(memory);
    plain.append();
    if (plain.sync()) throw new Error("the device did not fail");
    for (const [i, remote] of remotes.entries()) {
      const { refused } = await remote.try(VICTIMS[i]?.write as Command);
      if (refused?.code !== "ERR_WAL_SYNC_FAILED") {
        throw new BrokenPromise(`The failed sync was ${refused?.code ?? "acknowledged"}`);
      }
      cause = String(refused.cause);
      await remote.try({ do: "close" });
    }
    filler.remove();
    // The device is well again.
    if (!plain.sync()) throw new Error("the device still fails");
    plain.remember();
    for (const [i, remote] of remotes.entries()) {
      await remote.do(openOf(i));
      returned.push(await remote.read());
    }
  } finally {
    // A process that has files open keeps the file system mounted.
    for (const remote of remotes) await remote.end();
    plain.close();
  }
  await mount.cutPower();
  const missing = plain.countMissing();
  if (missing === 0) throw new Error("control: the disk has all that the page cache held");
  const control = `control: the page cache held ${missing} bytes that the disk never had`;
  const lost: string[] = [];
  for (const [i, { name }] of VICTIMS.entries()) {
    const remote = new RemoteLog(workshop, runtime);
    try {
      await remote.do(openOf(i));
      if (!isDeepStrictEqual(await remote.read(), returned[i])) lost.push(name);
    } finally {
      await remote.end();
    }
  }
  if (lost.length > 0) {
    throw new BrokenPromise(
      `The open after the failure (${cause}) returned ${lost.join(" and ")}, which the disk did ` +
        `not have; ${control}`,
    );
  }
  return `what the open after it (${cause}) returned is on the disk; ${control}`;
}

/** A file without a log: what becomes of bytes that are not written again. */
class PlainFile {
  readonly #path: string;
  readonly #descriptor: number;
  #remembered: Uint8Array = new Uint8Array(0);

  constructor(path: string) {
    this.#path = path;
    writeFileSync(path, "");
    this.#descriptor = openSync(path, "r+");
    fsyncSync(this.#descriptor);
  }

  append(): void {
    writeSync(this.#descriptor, new Uint8Array(4 * 4096).fill(0xa5));
  }

  /** Whether the system says that all is durable. */
  sync(): boolean {
    try {
      fsyncSync(this.#descriptor);
      return true;
    } catch {
      return false;
    }
  }

  /** Remembers what the page cache returns. */
  remember(): void {
    this.#remembered = readFileSync(this.#path);
  }

  /** How many of the remembered bytes are not there. */
  countMissing(): number {
    const now = readFileSync(this.#path);
    return this.#remembered.reduce((missing, byte, i) => missing + (byte === now[i] ? 0 : 1), 0);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
