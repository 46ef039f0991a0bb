/**
 * A program for tests: appends durably over several segments, replaces a part of the tail, and
 * prints what a follower has to see.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { bytes } from "../../kit/logs.ts";

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));

const log = await Wal.open(process.argv[2] ?? "", { segmentSize: 2000 });

/** Appends entries up to an index, some alone and some in groups. */
async function append(word: string, last: number): Promise<void> {
  while (log.lastIndex < last) {
    const group = Array.from({ length: 1 + log.lastIndex % 4 }, (_, i) => {
      const line = `${word} ${log.lastIndex + 1 + i} ${"x".repeat((log.lastIndex * 7) % 50)}`;
      console.log(`${log.lastIndex + 1 + i} ${line}`);
      return bytes(line);
    });
    await log.appendBatchAndSync(group);
  }
}

await append("first", 100);
await pause(); // Followers in other processes have seen all of it when the tail is replaced.
await log.truncateFromIndex(60);
await append("second", 130);
await log.close();
