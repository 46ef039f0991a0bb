/**
 * The program that is started: writes a log with one build of the kernel, or the same bytes without
 * any WebAssembly, and ends by itself.
 *
 * Arguments: the kernel, a folder of its own, and how many rounds to write. The rounds are drawn by the
 * starter, so that the ends come while the runtime's compilers are at other work each time.
 *
 * @module
 */
import { closeSync, fdatasync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

const ENTRIES_PER_ROUND = 50;

const [kernel = "", folder = "", roundsText] = process.argv.slice(2);
const rounds = Number(roundsText);
const data = Uint8Array.from({ length: 300 }, (_, i) => i);

if (kernel === "none") await writeBytes();
else await writeLog();
process.stdout.write(`${kernel} wrote ${rounds}\n`);

async function writeLog(): Promise<void> {
  // Where SIMD is not known to the runtime, the library takes the scalar build.
  if (kernel === "scalar") WebAssembly.validate = () => false;
  const { Wal } = await import("../../mod.ts");
  const { kernel: used } = await import("../../src/format/kernel/kernel.ts");
  if (used.build !== kernel) throw new Error(`The kernel is ${used.build}, not ${kernel}`);
  const log = await Wal.open(join(folder, "a.wal"));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ENTRIES_PER_ROUND; i++) log.append(data);
    await log.sync();
  }
  log.replay(() => {});
  await log.close();
}

async function writeBytes(): Promise<void> {
  const file = openSync(join(folder, "a.wal"), "wx+");
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ENTRIES_PER_ROUND; i++) {
      data[0] = checksumOf(data);
      writeSync(file, data);
    }
    await promisify(fdatasync)(file);
  }
  closeSync(file);
}

/** Some work for the compiler of JavaScript: a CRC-32, a bit at a time. */
function checksumOf(bytes: Uint8Array): number {
  let checksum = 0xffffffff;
  for (const byte of bytes) {
    checksum ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      checksum = (checksum >>> 1) ^ ((checksum & 1) === 0 ? 0 : 0xedb88320);
    }
  }
  return ~checksum >>> 0;
}
