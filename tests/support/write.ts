/**
 * A program for tests: opens the log that its argument names, prints what it holds as hexadecimal
 * lines, and appends its further arguments durably.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { bytes, toHex } from "../../kit/logs.ts";

const [path = "", format = "2", ...entries] = process.argv.slice(2);
const log = await Wal.open(path, { format: format === "1" ? 1 : 2 });
for (const data of log.readAll()) console.log(toHex(data));
for (const entry of entries) await log.appendAndSync(bytes(entry));
await log.close();
