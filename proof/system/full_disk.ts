/**
 * A disk that is full: what is refused leaves nothing, and the log can be used when there is room.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { RUNTIMES } from "../../kit/runtime.ts";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { ExpectedLog, isEnd, requireRefusal } from "./expected_log.ts";
import { fillInodes, fillSpace } from "./filler.ts";
import { loopMount, type Need, tmpfsMount } from "./needs.ts";
import type { Settings } from "./part.ts";
import { RemoteLog } from "./remote_log.ts";
import type { Mount, Workshop } from "./workshop.ts";

const ENTRY_SIZE = 5000;

/** Four entries of about a page, and a little more than four pages. */
const SEGMENT_SIZE = 4 * 4096 + 100;

interface Disk {
  readonly name: string;
  readonly need: Need;
  readonly make: (workshop: Workshop) => Mount;
}

const DISKS: readonly Disk[] = [
  {
    name: "tmpfs",
    need: tmpfsMount,
    make: (workshop) => workshop.mountTmpfs("size=512k,nr_inodes=64"),
  },
  {
    name: "ext4",
    need: loopMount("ext4"),
    make: (workshop) => workshop.mountImage("ext4", { size: 8 }),
  },
];

/** Runs on each runtime. */
export async function fullDisk({ workshop, report }: Settings): Promise<void> {
  for (const { name, need, make } of DISKS) {
    for (const runtime of RUNTIMES) {
      await report.check(`full disk, ${name}, ${runtime}`, [need], async () => {
        const mount = make(workshop);
        const remote = new RemoteLog(workshop, runtime);
        try {
          const refused = await appendUntilFull(remote, mount.folder);
          const rolls = await rollWhenFull(remote, mount.folder);
          const states = await storeWhenFull(remote, mount.folder);
          return `refused: ${refused} appends, ${rolls} rolls, ${states} states; all acknowledged ` +
            "entries there, clean end";
        } finally {
          await remote.end();
          mount.remove();
        }
      });
    }
  }
}

/** Appends until nothing fits, makes room, and continues; several times over. */
async function appendUntilFull(remote: RemoteLog, folder: string): Promise<number> {
  const log = new ExpectedLog(remote, join(folder, "append.wal"));
  await log.open();
  let refusals = 0;
  for (let round = 0; round < 4; round++) {
    const filler = fillSpace(folder);
    for (;;) {
      const refused = await log.append(ENTRY_SIZE + round, round % 2 === 1);
      if (refused === undefined) continue;
      requireRefusal("An append to a full disk", refused, "ERR_WAL_WRITE_FAILED", "ENOSPC");
      refusals++;
      break;
    }
    // What is there can be made durable, closed, opened and read on a full disk.
    await remote.do({ do: "sync" });
    await log.judge();
    filler.remove();
    for (let i = 0; i < 5; i++) await mustWork("append", log.append(ENTRY_SIZE, i % 2 === 0));
    await log.judge();
  }
  await remote.do({ do: "close" });
  return refusals;
}

/** The next segment cannot be made: for want of room for its name, and of room for its bytes. */
async function rollWhenFull(remote: RemoteLog, folder: string): Promise<number> {
  let rolls = 0;
  for (const fill of [fillInodes, fillSpace]) {
    for (let round = 0; round < 6; round++) {
      const path = join(folder, `roll-${fill.name}-${round}.wal`);
      const log = new ExpectedLog(remote, path, SEGMENT_SIZE);
      await log.open();
      // After four of these, the last page has room for the segment's Seal, or has not.
      const size = 4040 + 8 * round;
      for (let i = 0; i < 4; i++) await mustWork("append", log.append(size));
      const filler = fill(folder);
      for (let tries = 0; tries < 3; tries++) {
        const refused = await log.append(size);
        requireRefusal("A roll on a full disk", refused, "ERR_WAL_WRITE_FAILED", "ENOSPC");
        rolls++;
      }
      await log.judge();
      filler.remove();
      for (let i = 0; i < 9; i++) await mustWork("append", log.append(size, i % 2 === 0));
      await log.judge();
      await remote.do({ do: "close" });
      for (const suffix of ["", ".00000000000000000005", ".00000000000000000009"]) {
        rmSync(path + suffix, { force: true });
      }
    }
  }
  return rolls;
}

/** The meta file cannot be made or grown; where it is, a state of the same size can be stored. */
async function storeWhenFull(remote: RemoteLog, folder: string): Promise<number> {
  const log = new ExpectedLog(remote, join(folder, "state.wal"));
  await log.open();
  await mustWork("append", log.append(ENTRY_SIZE));
  let refusals = 0;
  for (const size of [100, 20_000, 32_000]) {
    const filler = fillSpace(folder);
    const refused = await log.setState(size);
    // The first copy may have found room where the second did not.
    const code = isEnd(refused) ? "ERR_WAL_SYNC_FAILED" : "ERR_WAL_WRITE_FAILED";
    requireRefusal("A state on a full disk", refused, code, "ENOSPC");
    if (isEnd(refused)) await log.reopenEnded();
    refusals++;
    await log.judge();
    filler.remove();
    await mustWork("setState", log.setState(size));
    await log.judge();
    const again = fillSpace(folder);
    await mustWork("setState in the room that it has", log.setState(size));
    await log.judge();
    again.remove();
  }
  await remote.do({ do: "close" });
  return refusals;
}

async function mustWork(what: string, call: Promise<unknown>): Promise<void> {
  const refused = await call as { message: string } | undefined;
  if (refused !== undefined) throw new BrokenPromise(`${what} with room: ${refused.message}`);
}
