/**
 * Logs on a disk that forgets what was not synced, after processes that died in the middle of it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Disk } from "../../examples/raft/disk.ts";
import { Random } from "../../examples/raft/random.ts";
import { Wal } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, text } from "../../kit/logs.ts";

const PATH = "a.wal";

test(
  "a reopening decides nothing on a head index that the disk may not have",
  { timeout: 120_000 },
  async () => {
    for (let steps = 0; steps < 5; steps++) {
      for (let reopenSteps = 0; reopenSteps < 10; reopenSteps++) {
        for (let seed = 1; seed <= 8; seed++) {
          const disk = new Disk(new MemoryFileSystem());
          const random = new Random(seed);
          const first = disk.start();
          const log = await Wal.open(PATH, { fileSystem: first, segmentSize: 256 });
          await log.setState(bytes("state"));
          for (let i = 1; i <= 20; i++) await log.appendAndSync(bytes(`entry ${i} of twenty`));
          // The process dies in the middle of a head truncation, and so does the next one, in open.
          first.dieAfter(steps, random);
          const truncated = await log.truncateBeforeIndex(15).then(() => true, () => false);
          first.die();
          const second = disk.start();
          second.dieAfter(reopenSteps, random);
          await Wal.open(PATH, { fileSystem: second, segmentSize: 256 }).then(() => {}, () => {});
          second.die();
          disk.cutPower(random);
          const found = await Wal.open(PATH, { fileSystem: disk.start(), segmentSize: 256 });
          assert(found.firstIndex === 15 || (found.firstIndex === 1 && !truncated));
          assertEquals(found.lastIndex, 20);
          assertEquals(text(found.getEntry(20)), "entry 20 of twenty");
          assertEquals(text(found.state), "state");
          await found.close();
        }
      }
    }
  },
);

test(
  "a log in a new directory is durable, though another process died while making the directories",
  {
    timeout: 60_000,
  },
  async () => {
    for (let step = 0, done = false; !done; step++) {
      const disk = new CrashFileSystem();
      const dying = new FaultyFileSystem(disk);
      dying.stopAfter(step);
      const [made] = await Promise.allSettled([Wal.open("x/y/a.wal", { fileSystem: dying })]);
      done = made.status === "fulfilled";
      disk.kill();
      const log = await Wal.open("x/y/a.wal", { fileSystem: disk });
      await log.appendAndSync(bytes("acknowledged"));
      for (const left of disk.crashStates()) {
        const again = await Wal.open("x/y/a.wal", { fileSystem: left });
        assertEquals(again.readAll().map(text), ["acknowledged"], `step ${step}, ${left.origin}`);
        await again.close();
      }
      await log.close();
    }
  },
);
