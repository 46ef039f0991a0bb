/**
 * A program for tests: follows the log that its argument names and prints each entry.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";
import { text } from "../../kit/logs.ts";

const log = await Wal.open(process.argv[2] ?? "", { readOnly: true });
console.log("following");
for await (const { index, data } of log.follow()) console.log(`${index} ${text(data)}`);
