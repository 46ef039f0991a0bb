/**
 * Prints what `stats().memoryMap` says of a log, after entries of full files were read.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";

const [path = ""] = process.argv.slice(2);
const log = await Wal.open(path, { segmentSize: 4096, memoryMap: "reads" });
for (let i = 0; i < 100; i++) log.append(new Uint8Array(100).fill(i));
if (log.readAll().length !== 100) throw new Error("Entries are missing");
console.log(log.stats().memoryMap);
await log.close();
