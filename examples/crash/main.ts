/**
 * Kills a process that writes a text to a log, tears the log's end as a power cut would, opens it
 * again, and checks that every line that was acknowledged is there.
 *
 * Usage: main.ts [FILE]
 *
 * @module
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type RecoveryCase, Wal, WalError } from "@durable/wal";
import { largest, linesOf } from "./lines.ts";
import { cutPower } from "./power_cut.ts";
import { findLoss } from "./verify.ts";

const SHIPPED_TEXT = new URL("newton-opticks-1730-book-1-part-1.txt", import.meta.url);
const WRITER = new URL("writer.ts", import.meta.url);

/** The kill is drawn from this many acknowledgements at most, so that a long text takes no longer. */
const MOST_ACKNOWLEDGEMENTS = 2000;

/** How long after the drawn acknowledgement the kill comes at most, in milliseconds. */
const LONGEST_PAUSE = 5;

/** When the kill comes at the latest, in milliseconds, however slow the disk. */
const LONGEST_RUN = 10_000;

/** How many lines share a sync when the text is finished. */
const GROUP_SIZE = 1000;

const CASES: Readonly<Record<RecoveryCase, string>> = {
  A: "a clean end",
  B: "unused space at the end",
  C: "damage to acknowledged data",
  D: "an end that is torn or damaged, which cannot be told apart",
  E: "a torn last write",
};

/** Why the run cannot continue, in words for its user. */
class Failure extends Error {}

/** When the writer is killed. */
interface Moment {
  readonly acknowledgements: number;
  /** How long after the last of them, in milliseconds. */
  readonly pause: number;
}

/** What the writer had told when it ended. */
interface Ending {
  readonly killed: boolean;
  /** How many lines it had acknowledged. */
  readonly lines: number;
  /** How many bytes of the log it had acknowledged. */
  readonly bytes: number;
}

function say(label: string, text: string): void {
  console.log(`${label.padEnd(14)}${text}`);
}

/** A number with its noun: "1 line", "2,451 lines". */
function counted(n: number, noun: string): string {
  return `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;
}

function readText(path: string): Uint8Array {
  try {
    if (!statSync(path).isFile()) throw new Error("it is not a file");
    return readFileSync(path);
  } catch (error) {
    throw new Failure(`Cannot read "${path}": ${(error as Error).message}.`);
  }
}

/** Draws a moment in the first half of the text, since the writer runs on until it is dead. */
function drawMoment(lineCount: number): Moment {
  const most = Math.max(1, Math.min(Math.floor(lineCount / 2), MOST_ACKNOWLEDGEMENTS));
  return { acknowledgements: randomInt(1, most + 1), pause: randomInt(LONGEST_PAUSE + 1) };
}

/** Runs the writer up to the moment, or to its end where that comes first. */
async function writeUntil(moment: Moment, textPath: string, logPath: string): Promise<Ending> {
  const writer = spawn(process.execPath, [fileURLToPath(WRITER), textPath, logPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(writer, "close");
  const kill = () => writer.kill("SIGKILL");
  let timer = setTimeout(kill, LONGEST_RUN);
  let [lines, bytes] = [0, 0];
  let drawn = false;
  let unfinished = "";
  for await (const chunk of writer.stdout.setEncoding("latin1")) {
    // What follows the last newline is no acknowledgement yet.
    const told: string[] = `${unfinished}${chunk}`.split("\n");
    unfinished = told.pop() ?? "";
    const last = told.at(-1);
    if (last === undefined) continue;
    [lines, bytes] = last.split(" ").map(Number) as [number, number];
    if (drawn || lines < moment.acknowledgements) continue;
    drawn = true;
    clearTimeout(timer);
    timer = setTimeout(kill, moment.pause);
  }
  const [code, signal] = await closed;
  clearTimeout(timer);
  if (signal !== "SIGKILL" && code !== 0) {
    throw new Failure(`The writer failed (exit code ${code}); what it said is above.`);
  }
  return { killed: signal === "SIGKILL", lines, bytes };
}

/** Tears the log's end and tells how. */
async function tear(logPath: string, ending: Ending, nextLine: Uint8Array): Promise<void> {
  if (ending.bytes === 0) return say("Power cut", "none, since the log was not open yet");
  const { before, after } = await cutPower(logPath, ending.bytes, nextLine);
  const unacknowledged = counted(before - ending.bytes, "byte");
  say("On disk", `${counted(before, "byte")}, of which ${unacknowledged} not acknowledged`);
  say(
    "Power cut",
    after < before
      ? `the last ${counted(before - after, "byte")} are lost; drawn among the unacknowledged`
      : `the first ${counted(after - before, "byte")} of one more line's frame are written`,
  );
}

/** Fails unless the log holds the lines as it must. */
function check(log: Wal, lines: readonly Uint8Array[], acknowledged: number): void {
  const loss = findLoss(log.entries(), lines, acknowledged);
  if (loss !== undefined) throw new Failure(`LOST: ${loss.message}`);
}

/** Appends the lines that the log does not have yet. */
async function finish(log: Wal, lines: readonly Uint8Array[]): Promise<void> {
  while (log.lastIndex < lines.length) {
    for (const line of lines.slice(log.lastIndex, log.lastIndex + GROUP_SIZE)) log.append(line);
    await log.sync();
  }
}

async function run(path: string, folder: string): Promise<void> {
  const text = readText(path);
  const lines = linesOf(text);
  const options = { maxEntrySize: largest(lines) };
  say(
    "Text",
    `${basename(path)}: ${counted(lines.length, "line")}, ${counted(text.length, "byte")}`,
  );

  // Its own copy, so that writer and check see the same lines even if the file changes.
  const textPath = join(folder, "text");
  const logPath = join(folder, "text.wal");
  writeFileSync(textPath, text);

  const moment = drawMoment(lines.length);
  const acknowledgement = `acknowledgement ${moment.acknowledgements.toLocaleString("en-US")}`;
  say("Moment", `${moment.pause} ms after ${acknowledgement}, drawn at random`);
  const ending = await writeUntil(moment, textPath, logPath);
  const slow = ending.lines < moment.acknowledgements
    ? `, ${LONGEST_RUN / 1000} s after its start`
    : "";
  say("Writer", ending.killed ? `killed with SIGKILL${slow}` : "ended before the kill came");
  say("Acknowledged", counted(ending.lines, "line"));
  await tear(logPath, ending, lines[ending.lines] ?? lines[0] ?? new Uint8Array());

  const start = performance.now();
  const log = await Wal.open(logPath, options);
  const time = performance.now() - start;
  const { recovery } = log;
  console.log();
  say("Opened again", `in ${time.toFixed(1)} ms`);
  say("Found", `${CASES[recovery.case]} (case ${recovery.case})`);
  say("Cut off", counted(recovery.bytesCut, "byte"));
  if (recovery.setAside !== undefined) say("Set aside", `in ${basename(recovery.setAside)}`);
  say("Recovered", counted(log.lastIndex, "line"));
  const recovered = log.lastIndex;
  check(log, lines, ending.lines);
  say("Check", "every acknowledged line is there, in order, unchanged");

  await finish(log, lines);
  await log.close();
  console.log();
  say("Resumed", `after line ${recovered.toLocaleString("en-US")}`);
  say("Appended", counted(lines.length - recovered, "line"));
  await using whole = await Wal.open(logPath, { ...options, readOnly: true });
  check(whole, lines, lines.length);
  say("Check", `the log is the whole text: ${counted(whole.lastIndex, "line")}`);
}

const path = process.argv[2] ?? fileURLToPath(SHIPPED_TEXT);
const folder = mkdtempSync(join(tmpdir(), "wal-crash-"));
try {
  await run(path, folder);
} catch (error) {
  if (!(error instanceof Failure || error instanceof WalError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
