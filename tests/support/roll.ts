/**
 * A program for tests that trace system calls: a log rolls to its next segment, appends on, and syncs.
 * It says before each step what comes next by trying to open a file of that name.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { Wal } from "../../mod.ts";

const mark = (step: string): void => void existsSync(`/step-${step}`);

const log = await Wal.open(process.argv[2] ?? "", { segmentSize: 4096 });
log.append(new Uint8Array(1000));
await log.sync();
log.append(new Uint8Array(1000));
mark("roll");
log.append(new Uint8Array(3000));
log.append(new Uint8Array(30));
mark("sync");
await log.sync();
mark("close");
await log.close();
mark("end");
