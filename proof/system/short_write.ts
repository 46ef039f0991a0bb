/**
 * Writes that the system cuts short at every byte of what the log writes, by a limit of the size of
 * files (`RLIMIT_FSIZE`): nothing of it stays, and the log can be used when the limit is lifted.
 *
 * @module
 */
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { RUNTIMES } from "../../kit/runtime.ts";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { ExpectedLog, isEnd, requireRefusal } from "./expected_log.ts";
import { program, tmpfsMount } from "./needs.ts";
import type { Settings } from "./part.ts";
import type { Refusal } from "./remote_lines.ts";
import { RemoteLog } from "./remote_log.ts";
import { run } from "./workshop.ts";

/** What is written while the limit holds. */
interface Target {
  readonly name: string;
  /** Brings the log to where it is written. */
  readonly prepare: (log: ExpectedLog) => Promise<unknown>;
  readonly write: (log: ExpectedLog) => Promise<Refusal | undefined>;
  /** The file that is written. */
  readonly file: "segment" | "meta";
}

/** Where the second slot of the meta file begins. */
const SECOND_SLOT = 65_536;

const TARGETS: readonly Target[] = [
  {
    name: "a Durable and a Data frame",
    prepare: (log) => log.append(7, true),
    write: (log) => log.append(7),
    file: "segment",
  },
  {
    name: "a Batch frame and its Data frames",
    prepare: (log) => log.append(7),
    write: (log) => log.appendBatch([3, 0, 5]),
    file: "segment",
  },
  {
    name: "the first state",
    prepare: (log) => log.append(7),
    write: (log) => log.setState(5),
    file: "meta",
  },
  {
    name: "a state in place of another",
    prepare: (log) => log.setState(5),
    write: (log) => log.setState(12),
    file: "meta",
  },
];

/** Runs on each runtime. */
export async function shortWrite({ workshop, report }: Settings): Promise<void> {
  for (const runtime of RUNTIMES) {
    await report.check(
      `short writes at every byte, ${runtime}`,
      [tmpfsMount, program("prlimit")],
      async () => {
        // In memory: it is the writes that count here.
        const mount = workshop.mountTmpfs("size=64m");
        const remote = new RemoteLog(workshop, runtime);
        try {
          const made = await limitMaking(remote, mount.folder);
          let limits = 0;
          for (const target of TARGETS) limits += await limitTarget(remote, mount.folder, target);
          return `${made} limits while a log is made, ${limits} on ${TARGETS.length} writes; ` +
            "nothing partial stayed";
        } finally {
          await remote.end();
          mount.remove();
        }
      },
    );
  }
}

/** Limits the making of a log, at every byte of its beginning. */
async function limitMaking(remote: RemoteLog, folder: string): Promise<number> {
  const size = await sizeOf(remote, folder, () => Promise.resolve(), "");
  for (let limit = 0; limit <= size; limit++) {
    const log = new ExpectedLog(remote, join(folder, "a.wal"));
    limitFiles(remote, limit);
    const command = { do: "open", path: log.path, segmentSize: log.segmentSize } as const;
    const { refused } = await remote.try(command);
    limitFiles(remote, undefined);
    // At the last byte the log fits, if the lock's record does.
    if (refused === undefined && limit < size) {
      throw new BrokenPromise(`A log of ${size} bytes was made below a limit of ${limit}`);
    }
    if (refused !== undefined && (refused.code === undefined || refused.cause !== "EFBIG")) {
      throw new BrokenPromise(`Open at the limit ${limit}: ${refused.message}`);
    }
    if (refused !== undefined) await log.open();
    await log.append(7, true);
    await log.judge();
    await finish(remote, folder);
  }
  return size + 1;
}

/** Limits a write at every byte of it. */
async function limitTarget(remote: RemoteLog, folder: string, target: Target): Promise<number> {
  const suffix = target.file === "meta" ? ".meta" : "";
  const before = await sizeOf(remote, folder, target.prepare, suffix);
  const after = await sizeOf(remote, folder, async (log) => {
    await target.prepare(log);
    await target.write(log);
  }, suffix);
  // The first state writes both slots; a later one begins with the second, which is the last.
  const slotSize = after - SECOND_SLOT;
  const begins = target.file === "segment"
    ? [{ at: before, size: after - before }]
    : [{ at: 0, size: slotSize }, { at: SECOND_SLOT, size: slotSize }];
  let limits = 0;
  for (const { at, size } of begins) {
    for (let limit = at; limit <= at + size; limit++) {
      // When the first copy of the state is durable, it is not known which one counts.
      const isFirstCopyWritten = target.file === "meta" && before === 0 && limit >= slotSize;
      const code = isFirstCopyWritten ? "ERR_WAL_SYNC_FAILED" : "ERR_WAL_WRITE_FAILED";
      await limitWrite(remote, folder, target, limit, limit < after ? code : undefined);
      limits++;
    }
  }
  return limits;
}

/** Makes a write at a limit, and then without one. */
async function limitWrite(
  remote: RemoteLog,
  folder: string,
  { name, prepare, write, file }: Target,
  limit: number,
  expected: Refusal["code"],
): Promise<void> {
  const log = new ExpectedLog(remote, join(folder, "a.wal"));
  await log.open();
  await prepare(log);
  const before = readFileSync(log.path);
  limitFiles(remote, limit);
  const refused = await write(log);
  limitFiles(remote, undefined);
  const what = `${name} at the limit ${limit}`;
  if (expected !== undefined) requireRefusal(what, refused, expected, "EFBIG");
  else if (refused !== undefined) throw new BrokenPromise(`${what}: ${refused.message}`);
  if (refused !== undefined && file === "segment" && !readFileSync(log.path).equals(before)) {
    throw new BrokenPromise(`${what} left the file changed`);
  }
  if (isEnd(refused)) await log.reopenEnded();
  await log.judge();
  const again = await write(log);
  if (again !== undefined) throw new BrokenPromise(`${what}, then without: ${again.message}`);
  await log.judge();
  await finish(remote, folder);
}

/** How large a file is, after something. */
async function sizeOf(
  remote: RemoteLog,
  folder: string,
  prepare: (log: ExpectedLog) => Promise<unknown>,
  suffix: string,
): Promise<number> {
  const log = new ExpectedLog(remote, join(folder, "a.wal"));
  await log.open();
  await prepare(log);
  const size = statSync(log.path + suffix, { throwIfNoEntry: false })?.size ?? 0;
  await finish(remote, folder);
  return size;
}

/** Closes the log and removes its files. */
async function finish(remote: RemoteLog, folder: string): Promise<void> {
  await remote.do({ do: "close" });
  for (const suffix of ["", ".meta", ".lock"]) {
    rmSync(join(folder, `a.wal${suffix}`), { force: true });
  }
}

/** Sets the limit from outside, or lifts it. */
function limitFiles({ pid }: RemoteLog, size: number | undefined): void {
  run("prlimit", "--pid", String(pid), `--fsize=${size ?? "unlimited"}:unlimited`);
}
