/**
 * Kills a process in the middle of its stores, again and again, and looks each time whether the log
 * has every entry whose append had returned. Prints what it found, as JSON.
 *
 * Arguments: the log's path, and how often to kill; without the latter, it is the process that is
 * killed, which tells the index of its last append in a file of eight bytes.
 *
 * @module
 */
import { openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import process from "node:process";
import { Wal } from "../../mod.ts";
import { spawn } from "../../kit/child.ts";
import { command } from "../../kit/runtime.ts";

/** After how many appends the process tells the index of its last. */
const TELL_EVERY = 7;

const [path = "", count] = process.argv.slice(2);
const toldPath = `${path}-told`;

/** The entry at an index: what it is filled with and how long it is follows from that. */
function entry(index: number): Uint8Array {
  return new Uint8Array(20 + (index * 7919) % 600).fill(index % 251);
}

if (count === undefined) await store();
else await killAgain(Number(count));

async function store(): Promise<never> {
  const log = await Wal.open(path, { segmentSize: 4 * 1024 * 1024, memoryMap: "on" });
  const told = new BigUint64Array(1);
  const descriptor = openSync(toldPath, "r+");
  for (;;) {
    for (let i = 0; i < TELL_EVERY; i++) log.append(entry(log.lastIndex + 1));
    told[0] = BigInt(log.lastIndex);
    writeSync(descriptor, told, 0, 8, 0);
    // A sync that is begun unasked has its turn.
    if (log.lastIndex % (TELL_EVERY * 5000) === 0) await new Promise((next) => setTimeout(next));
  }
}

async function killAgain(times: number): Promise<void> {
  let lost = 0;
  let torn = 0;
  let memoryMap = "";
  let last = 0;
  writeFileSync(toldPath, new Uint8Array(8));
  for (let kill = 0; kill < times; kill++) {
    const { program, args } = command(new URL(import.meta.url).pathname, path);
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise<void>((done) => child.on("close", () => done()));
    // Some while after it has begun to append.
    while (toldNow() <= last && child.exitCode === null) await pause(5);
    await pause((kill * 37) % 90);
    if (child.exitCode !== null) throw new Error(`It has ended with ${child.exitCode}`);
    child.kill("SIGKILL");
    await ended;
    last = toldNow();
    const log = await Wal.open(path, { segmentSize: 4 * 1024 * 1024, memoryMap: "on" });
    ({ memoryMap } = log.stats());
    if (log.lastIndex < last) lost++;
    if (log.recovery.case !== "A" && log.recovery.case !== "B") torn++;
    log.replay(({ index, data }) => {
      const wanted = entry(index);
      if (data.length === wanted.length && data.every((byte, i) => byte === wanted[i])) return;
      throw new Error(`Entry ${index} is another`);
    }, { from: Math.max(log.firstIndex, log.lastIndex - 20_000) });
    last = log.lastIndex;
    if (log.stats().segments > 4) await log.truncateBeforeIndex(log.lastIndex - 30_000);
    await log.close();
  }
  console.log(JSON.stringify({ kills: times, lost, torn, memoryMap, last }));
}

function toldNow(): number {
  return Number(new BigUint64Array(new Uint8Array(readFileSync(toldPath)).buffer)[0]);
}

function pause(ms: number): Promise<void> {
  return new Promise((next) => setTimeout(next, ms));
}
