/**
 * A program for tests: opens a log by a relative path, and goes to another directory before its
 * segments roll, its state is stored and its ends are cut.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { bytes } from "../../kit/logs.ts";

const [from = "", to = "", path = ""] = process.argv.slice(2);
process.chdir(from);
const log = await Wal.open(path, { segmentSize: 4096 });
const data = new Uint8Array(900).fill(7);
for (let i = 0; i < 5; i++) await log.appendAndSync(data);
process.chdir(to);
for (let i = 5; i < 25; i++) await log.appendAndSync(data);
await log.setState(bytes("moved"));
await log.truncateFromIndex(24);
await log.truncateBeforeIndex(6);
const [first] = log.entries({ from: 6, to: 6 });
console.log(JSON.stringify({ path: log.path, read: first?.data.length }));
await log.close();
