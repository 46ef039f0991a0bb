/**
 * A program for tests: uses a log while this process may open no more files, or only a few, and tells
 * what each call said. It is to be started with a limit on open files.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { FileSystemError, Wal, WalError } from "../../mod.ts";
import { bytes, text } from "../../kit/logs.ts";

const path = process.argv[2] ?? "";
const OPTIONS = { segmentSize: 256 };

/**
 * Lets Deno take the descriptors that it needs for signals. It takes them at a moment of its own, once,
 * and panics if there are none then.
 */
function takeSignals(): void {
  const ignore = (): void => {};
  process.on("SIGUSR2", ignore);
  process.off("SIGUSR2", ignore);
}

/** Opens files until there may be no more, but for some; what gives them back. */
function takeAllBut(free: number): () => void {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    for (const descriptor of taken.splice(0, free)) closeSync(descriptor);
  }
  return () => {
    for (const descriptor of taken) closeSync(descriptor);
  };
}

async function told(call: () => unknown): Promise<string> {
  try {
    await call();
    return "done";
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    const cause = error.cause instanceof FileSystemError ? ` by ${error.cause.code}` : "";
    return `${error.code}${cause}`;
  }
}

takeSignals();
for (let free = 0; free <= 2; free++) {
  const log = await Wal.open(`${path}${free}`, OPTIONS);
  const acknowledged: string[] = [];
  const append = (): void => {
    const entry = `entry ${acknowledged.length + 1} of the log`;
    log.append(bytes(entry));
    acknowledged.push(entry);
  };
  const { segments } = log.stats();
  while (log.byteLength + 80 <= OPTIONS.segmentSize) append();
  const giveBack = takeAllBut(free);
  const rolls = await told(() => {
    for (let i = 0; i < 3; i++) append();
  });
  const again = await told(append);
  // A roll keeps the full segment open until it is durable and has its Seal.
  const synced = await told(() => log.sync());
  await new Promise((resolve) => setTimeout(resolve, 200));
  const state = await told(() => log.setState(bytes("state")));
  giveBack();
  const after = await told(() => {
    for (let i = 0; i < 9; i++) append();
  });
  const stored = await told(() => log.setState(bytes("state")));
  const hasRolled = log.stats().segments > segments;
  const closed = await told(() => log.close());
  const reopened = await Wal.open(`${path}${free}`, OPTIONS);
  const isWhole = String(reopened.readAll().map(text)) === String(acknowledged);
  await reopened.close();
  console.log(
    JSON.stringify({
      free,
      rolls,
      again,
      state,
      synced,
      after,
      stored,
      hasRolled,
      closed,
      isWhole,
    }),
  );
}
