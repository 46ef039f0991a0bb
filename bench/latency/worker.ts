/**
 * Measures durable appends and their floor on the runtime that runs this, and prints the result as
 * JSON.
 *
 * @module
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Wal } from "../../mod.ts";
import { FRAME_SIZE, inFolder, requireWork, someEntry } from "../costs/work.ts";
import { spread } from "./latencies.ts";
import { LoopClock } from "./loop_clock.ts";
import type { LatencyResult, Level } from "./report.ts";
import { WAYS } from "./ways.ts";

/** How many callers there are. Each waits for its append before the next. */
const CALLERS = [1, 8, 64, 512];

/** How much of the time of a run goes before it uncounted, so that the code is compiled. */
const WARM_UP = 0.2;

const { values } = parseArgs({
  options: { folder: { type: "string", default: "." }, ms: { type: "string", default: "3000" } },
});
const ms = Number(values.ms);

const floor: number[] = [];
const levels: Level[] = [];
writeAndSync(ms * WARM_UP);
for (const callers of CALLERS) {
  for (const way of Object.keys(WAYS)) {
    // A part of the floor beside each run, so that a disk that changes its pace does so for both.
    floor.push(...writeAndSync(ms / 4));
    levels.push(await inFolder(values.folder, (folder) => appendDurably(folder, way, callers)));
  }
}
const result: LatencyResult = { floor: spread(floor), levels };
console.log(JSON.stringify(result));

/** Writes a frame and syncs it, again and again; how long each took. */
function writeAndSync(duration: number): number[] {
  const frame = new Uint8Array(FRAME_SIZE);
  const file = openSync(join(values.folder, "floor"), "w");
  const latencies: number[] = [];
  const end = performance.now() + duration;
  for (let before = performance.now(); before < end;) {
    writeSync(file, frame, 0, FRAME_SIZE, latencies.length * FRAME_SIZE);
    fdatasyncSync(file);
    const after = performance.now();
    latencies.push(after - before);
    before = after;
  }
  closeSync(file);
  return latencies;
}

/** Callers append until the time is over. */
async function appendDurably(folder: string, way: string, callers: number): Promise<Level> {
  const entry = someEntry();
  await using log = await Wal.open(join(folder, "a.wal"), WAYS[way]);
  const run = async (duration: number): Promise<number[]> => {
    const latencies: number[] = [];
    const end = performance.now() + duration;
    const call = async (): Promise<void> => {
      for (let before = performance.now(); before < end;) {
        await log.appendAndSync(entry);
        const after = performance.now();
        latencies.push(after - before);
        before = after;
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
    return latencies;
  };
  const { length: warmedUp } = await run(ms * WARM_UP);
  const { syncs } = log.stats();
  const clock = new LoopClock();
  const start = performance.now();
  const latencies = await run(ms);
  const seconds = (performance.now() - start) / 1000;
  const delays = clock.stop();
  requireWork("Durable", log.durableIndex, warmedUp + latencies.length);
  return {
    way,
    callers,
    latency: spread(latencies),
    perSecond: latencies.length / seconds,
    syncsPerEntry: (log.stats().syncs - syncs) / latencies.length,
    longestStall: spread(delays).max,
  };
}
