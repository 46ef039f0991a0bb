/**
 * A log by remote control: does what the lines of its input say, one after the other, and answers
 * each with a line.
 *
 * @module
 */
import { readSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FileSystemError, Wal, WalError } from "../../mod.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { digestOf } from "../../src/testing/testing.ts";
import { contentOf, type Contents } from "./contents.ts";
import { GatedFileSystem } from "./gated_file_system.ts";
import { REMOTE_SEED } from "./remote_log.ts";
import type {
  Answer,
  CallOutcome,
  Command,
  GatedCall,
  Refusal,
  SingleCommand,
  View,
} from "./remote_lines.ts";

const STDIN = 0;
const STDOUT = 1;

let log: Wal | undefined;
const fileSystem = new GatedFileSystem(await defaultFileSystem(), {
  before: (call: GatedCall) => wait({ kind: "before", call }),
  after: (call: GatedCall) => wait({ kind: "after", call }),
});

for (let line = readLine(); line !== undefined; line = readLine()) {
  await obey(JSON.parse(line) as Command);
}

async function obey(command: Command): Promise<void> {
  const acknowledged: number[] = [];
  try {
    if (command.do === "overlap") {
      const outcomes = await overlap(command.commands);
      return tell({ kind: "done", view: view(), outcomes });
    }
    const contents = await carryOut(command, acknowledged);
    tell({ kind: "done", view: view(), ...(contents && { contents }) });
  } catch (error) {
    tell({ kind: "refused", refused: refusalOf(error, acknowledged), view: view() });
  }
}

async function overlap(commands: readonly SingleCommand[]): Promise<CallOutcome[]> {
  const calls: Promise<CallOutcome>[] = [];
  for (const command of commands) {
    const call = carryOut(command, []).then(
      () => ({}),
      (error) => ({ refused: refusalOf(error, []) }),
    );
    calls.push(call);
    if (command.do === "pause") await call;
  }
  return await Promise.all(calls);
}

async function carryOut(
  command: SingleCommand,
  acknowledged: number[],
): Promise<Contents | undefined> {
  if (command.do === "open") {
    const { path, do: _, ...options } = command;
    log = undefined;
    log = await Wal.open(path, { ...options, fileSystem });
    return undefined;
  }
  if (command.do === "gate") {
    fileSystem.gateAt(command.at);
    return undefined;
  }
  if (command.do === "pause") {
    await sleep(command.milliseconds);
    return undefined;
  }
  if (log === undefined) throw new Error("No log is open");
  switch (command.do) {
    case "close": {
      const closing = log.close();
      log = undefined;
      await closing;
      return undefined;
    }
    case "append":
      log.append(entryOf(command.id, 0, command.size));
      return undefined;
    case "appendAndSync":
      await log.appendAndSync(entryOf(command.id, 0, command.size));
      return undefined;
    case "appendBatch":
      log.appendBatch(entriesOf(command));
      return undefined;
    case "appendBatchAndSync":
      await log.appendBatchAndSync(entriesOf(command));
      return undefined;
    case "appendGroup": {
      const open = log;
      const calls = command.sizes.map(async (size, i) => {
        await open.appendAndSync(entryOf(command.id + i, 0, size));
        acknowledged.push(command.id + i);
      });
      const outcomes = await Promise.allSettled(calls);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      return undefined;
    }
    case "sync":
      await log.sync();
      return undefined;
    case "syncBlocking":
      log.syncBlocking();
      return undefined;
    case "truncateFrom":
      await log.truncateFromIndex(command.index);
      return undefined;
    case "truncateBefore":
      await log.truncateBeforeIndex(command.index);
      return undefined;
    case "reset":
      await log.reset(command.index);
      return undefined;
    case "setState":
      await log.setState(entryOf(command.id, 0, command.size));
      return undefined;
    case "read":
      return {
        firstIndex: log.firstIndex,
        lastIndex: log.lastIndex,
        entries: log.readAll().map(digestOf),
        state: digestOf(log.state),
      };
  }
}

function entriesOf({ id, sizes }: { id: number; sizes: readonly number[] }): Uint8Array[] {
  return sizes.map((size, position) => entryOf(id, position, size));
}

function entryOf(id: number, position: number, size: number): Uint8Array {
  return contentOf(REMOTE_SEED, id, position, size);
}

function view(): View | undefined {
  if (log === undefined) return undefined;
  const { firstIndex, lastIndex, durableIndex, byteLength, recovery } = log;
  const { calls } = fileSystem;
  return { firstIndex, lastIndex, durableIndex, byteLength, recovery: recovery.case, calls };
}

function refusalOf(error: unknown, acknowledged: readonly number[]): Refusal {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof WalError ? error.code : undefined;
  let cause = error;
  while (cause instanceof WalError) cause = cause.cause;
  const callCode = cause instanceof FileSystemError ? cause.code : undefined;
  return { code, cause: callCode, message, acknowledged };
}

/** Says that a call waits, until the parent says to continue. */
function wait(answer: Answer): void {
  tell(answer);
  readLine();
}

function tell(answer: Answer): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(answer)}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(STDOUT, bytes, at);
}

/** Waits for a line; nothing at the end of the input. */
function readLine(): string | undefined {
  const byte = new Uint8Array(1);
  const bytes: number[] = [];
  for (;;) {
    try {
      if (readSync(STDIN, byte, 0, 1, null) === 0) return undefined;
    } catch (error) {
      // A program that was run meanwhile may have made the pipe one that does not wait.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      continue;
    }
    if (byte[0] === 0x0a) return new TextDecoder().decode(Uint8Array.from(bytes));
    bytes.push(byte[0] as number);
  }
}
