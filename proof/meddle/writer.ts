/**
 * The process whose files are meddled with: opens the logs that it is told to, one after the other,
 * and changes each at random until it is told to close it.
 *
 * Argument: the run's seed.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Wal, WalError } from "../../mod.ts";
import { contentsOf } from "../../src/testing/testing.ts";
import { drawOf, RandomChanges, tell } from "../soak/changes.ts";
import type { Answer, Command, Failure } from "./lines.ts";

const seed = Number(process.argv[2]);
let stop: (() => void) | undefined;
let isStopped = false;

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line) as Command;
  if (command.kind === "open") {
    void live(command.path, command.life);
  } else {
    isStopped = true;
    stop?.();
  }
});

async function live(path: string, life: number): Promise<void> {
  const segmentSize = 2048 << Math.floor(drawOf(seed, life)() * 4);
  const log = await Wal.open(path, { segmentSize });
  isStopped = false;
  const stopped = new Promise<void>((resolve) => stop = resolve);
  say({ kind: "found", contents: contentsOf(log) });
  const changes = new RandomChanges(log, seed, life, segmentSize);
  try {
    while (!isStopped) {
      await changes.change();
      // The next command is read in between.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } catch (error) {
    say({ kind: "failed", failure: failureOf(error) });
  }
  await stopped;
  try {
    await log.close();
    say({ kind: "closed" });
  } catch (error) {
    say({ kind: "closed", failure: failureOf(error) });
  }
}

/** What is no error of the log's is a defect, which ends this process. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof WalError)) throw error;
  return { code: error.code, message: error.message };
}

function say(answer: Answer): void {
  tell(answer);
}
