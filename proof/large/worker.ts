/**
 * One step of the proof of large entries, in a process of its own.
 *
 * ```sh
 * node proof/large/worker.ts write PATH SIZE
 * node proof/large/worker.ts read PATH SIZE
 * ```
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { CHUNK, fill, isFilled } from "./pattern.ts";

const [step, path = "", digits = ""] = process.argv.slice(2);
const size = Number(digits);
const options = { maxEntrySize: Math.max(size, CHUNK), segmentSize: 2 ** 31 };

if (step === "write") {
  await using log = await Wal.open(path, options);
  log.append(fill(new Uint8Array(CHUNK), 1));
  log.append(fill(new Uint8Array(size), 2));
  await log.sync();
  const index = log.append(fill(new Uint8Array(CHUNK), 3));
  console.log(`appended up to ${index}`);
} else {
  await using log = await Wal.open(path, { ...options, readOnly: step === "view" });
  const sizes: number[] = [];
  for (const [i, length] of [CHUNK, size, CHUNK].entries()) {
    const data = log.getEntry(i + 1);
    if (data.length !== length || !isFilled(data, i + 1)) throw new Error(`Entry ${i + 1} differs`);
    sizes.push(data.length);
  }
  log.replay(({ index, bytes, start, end }) => {
    if (!isFilled(bytes.subarray(start, end), index)) throw new Error(`Entry ${index} differs`);
  });
  console.log(`read ${sizes.join(", ")}`);
}
