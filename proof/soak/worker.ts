/**
 * The process that is killed: opens a log, tells what it found, and changes the log at random until
 * the end. It says so before each operation and when it is acknowledged.
 *
 * Arguments: the log's path, the run's seed, and the number of this worker within the run.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { contentsOf, digestOf, type WalContents } from "../../src/testing/testing.ts";
import type { Line } from "./lines.ts";
import { drawOf, RandomChanges, tell } from "./changes.ts";

const [path = "", seedText, lifeText] = process.argv.slice(2);
const seed = Number(seedText);
const life = Number(lifeText);
const segmentSize = 2048 << Math.floor(drawOf(seed, life)() * 4);
const changes = new RandomChanges(
  await Wal.open(path, { segmentSize }),
  seed,
  life,
  segmentSize,
);
tell({ kind: "found", contents: checkedContents(changes.log) } satisfies Line);
for (;;) {
  if (changes.draw() < 0.005) await reopen();
  else await changes.change();
}

async function reopen(): Promise<void> {
  await changes.perform({ kind: "sync" }, async () => {
    await changes.log.close();
    changes.log = await Wal.open(path, { segmentSize });
  });
}

/** What the log holds, once its own words about it are found to be true. */
function checkedContents(log: Wal): WalContents {
  const { firstIndex, lastIndex, durableIndex } = log;
  const indexes = Array.from(log.entries(), ({ index }) => index);
  if (indexes.some((index, i) => index !== firstIndex + i)) throw new Error("Indexes with a gap");
  if (lastIndex !== firstIndex + indexes.length - 1) throw new Error(`Not all up to ${lastIndex}`);
  if (durableIndex !== lastIndex) throw new Error(`Opened with only ${durableIndex} durable`);
  if (log.stats().rebuiltSeals.length > 0) throw new Error("A Seal was not valid");
  const found = contentsOf(log);
  if (lastIndex >= firstIndex) {
    const index = changes.between(firstIndex, lastIndex);
    if (digestOf(log.getEntry(index)) !== found.entries[index - firstIndex]) {
      throw new Error(`Entry ${index} reads differently`);
    }
  }
  return found;
}
