/**
 * The system calls that a log makes, as strace(1) sees them on Linux.
 *
 * @module
 */
import { test } from "node:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { spawnSync } from "../../kit/child.ts";
import { Wal } from "../../mod.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { bytes, readFile, text, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const TRACED =
  "openat,access,statx,stat,faccessat2,faccessat,newfstatat,write,pwrite64,writev,pwritev," +
  "read,pread64,readv,preadv,fsync,fdatasync,ftruncate,unlink,close,fallocate";

const strace = spawnSync("strace", ["--version"]).status === 0;

/** A call on a file below the folder, in the order in which the calls began. */
interface Call {
  readonly name: string;
  readonly file: string;
  readonly result: string;
  readonly line: string;
  /** In which lines of the trace it begins and ends. */
  readonly begins: number;
  readonly ends: number;
}

/** Runs the program of steps under strace; the calls on the folder's files by step. */
function trace(folder: string, ...options: string[]): Trace {
  return traceOf("tests/support/steps.ts", folder, ...options);
}

interface Trace {
  readonly steps: Map<string, Call[]>;
  readonly stdout: string;
}

/** The same of any program that marks its steps. */
function traceOf(file: string, folder: string, ...options: string[]): Trace {
  const output = join(folder, "trace");
  const { program, args } = command(join(ROOT, file), join(folder, "a.wal"));
  const { stdout, stderr } = spawnSync(
    "strace",
    ["-f", "-y", "-s", "16", "-e", `trace=${TRACED}`, ...options, "-o", output, program, ...args],
    { encoding: "utf8" },
  );
  assertEquals(stderr, "");
  const steps = new Map<string, Call[]>();
  let current: Call[] = [];
  const lines = readFileSync(output, "utf8").split("\n");
  for (const [begins, line] of lines.entries()) {
    const step = /"\/step-(\w+)"/.exec(line)?.[1];
    if (step !== undefined) {
      if (!steps.has(step)) steps.set(step, current = []);
      continue;
    }
    if (line.includes("resumed>") || !line.includes(folder)) continue;
    const match = /^\d+ +(\w+)\((?:AT_FDCWD(?:<[^>]*>)?, )?(?:\d+<([^>]+)>|"([^"]+)")/.exec(line);
    if (match === null) continue;
    const file = (match[2] ?? match[3] ?? "").replace(folder, ".");
    if (file.endsWith("/trace")) continue;
    const result = / = (.*)$/.exec(line)?.[1] ?? "";
    const name = match[1] ?? "";
    current.push({ name, file, result, line, begins, ends: endOf(lines, begins, name) });
  }
  return { steps, stdout };
}

/** The line in which a call ends: another, if calls of other threads began meanwhile. */
function endOf(lines: readonly string[], begins: number, name: string): number {
  const line = lines[begins] ?? "";
  if (!line.includes("<unfinished ...>")) return begins;
  const isEnd = `<... ${name} resumed>`;
  return lines.findIndex((other, i) =>
    i > begins && threadOf(other) === threadOf(line) && other.includes(isEnd)
  );
}

function threadOf(line: string): string | undefined {
  return line.split(" ", 1)[0];
}

/** The calls of a step that change or sync the log or its folder. */
function changes(steps: Map<string, Call[]>, step: string): string[] {
  const calls = steps.get(step);
  assert(calls !== undefined, `no step ${step}`);
  return calls
    .filter(({ file, name, line }) =>
      (file === "./a.wal" || file === ".") &&
      (/^(p?write|fsync|fdatasync|ftruncate)/.test(name) || line.includes("O_CREAT"))
    )
    .map(({ name, file }) => `${name.replace("pwrite64", "write")} ${file}`);
}

/** Defines a test that needs strace; without it, the run says so. */
function traced(name: string, body: (folder: string) => Promise<void> | void): void {
  test(name, { timeout: 120_000 }, async (t) => {
    if (!strace) return t.skip("strace is not installed: apt-get install strace");
    await withFolder((folder) => body(folder));
  });
}

traced(
  "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
  (folder) => {
    const { steps } = trace(folder);
    assertEquals(changes(steps, "open"), [
      "openat ./a.wal",
      "write ./a.wal",
      "fsync ./a.wal",
      "fsync .",
    ]);
    assertEquals(changes(steps, "append"), ["write ./a.wal", "write ./a.wal", "write ./a.wal"]);
    assertEquals(changes(steps, "sync"), ["fdatasync ./a.wal"]);
    assertEquals(changes(steps, "again"), ["write ./a.wal", "fdatasync ./a.wal"]);
    assertEquals(changes(steps, "close"), ["write ./a.wal", "fdatasync ./a.wal"]);
  },
);

traced(
  "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
  async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, (log) => log.append(bytes("whole")));
    writeFileSync(path, "\x01torn", { flag: "a" });
    const { steps } = trace(folder);
    const calls = (steps.get("open") ?? []).filter(({ file }) =>
      file === "./a.wal" || file === "."
    );
    const names = calls.map(({ name }) => name.replace("pread64", "read"));
    const synced = names.indexOf("fsync");
    // Before the fsync only the file's first eight bytes are looked at.
    for (const { name, line } of calls.slice(0, synced)) {
      if (name.includes("read")) assertMatch(line, /"WAL!\\0\\0\\0\\2", 8(, 0)?\) += 8$/);
    }
    assert(names.slice(synced + 1).includes("read"), "the frames are read after it");
    assertEquals(changes(steps, "open"), [
      "fsync ./a.wal",
      "ftruncate ./a.wal",
      "write ./a.wal",
      "fsync ./a.wal",
      "fsync .",
    ]);
  },
);

traced("EIO from fdatasync ends the handle, and fdatasync is not tried again", (folder) => {
  const { steps, stdout } = trace(folder, "-e", "inject=fdatasync:error=EIO:when=1");
  assertEquals(stdout, "ERR_WAL_SYNC_FAILED\n");
  assertEquals(changes(steps, "sync"), ["fdatasync ./a.wal"]);
  assertEquals(steps.has("again"), false);
  assertEquals(changes(steps, "close"), []);
});

traced(
  "a roll syncs nothing in the append, and says nothing in the next segment before all is durable",
  (folder) => {
    const { steps, stdout } = traceOf("tests/support/roll.ts", folder);
    assertEquals(stdout, "");
    const [full, next] = ["./a.wal", "./a.wal.00000000000000000003"];
    const inRoll = steps.get("roll") ?? [];
    const made = inRoll.find(({ file, line }) => file === next && line.includes("O_CREAT"));
    assert(made !== undefined, "it rolls");
    // What the append makes itself; other threads may begin the syncs meanwhile.
    const own = inRoll.filter(({ line }) => threadOf(line) === threadOf(made.line));
    assertEquals(own.filter(({ name }) => name === "fsync" || name === "fdatasync"), []);

    const calls = [...inRoll, ...steps.get("sync") ?? []];
    const written = calls.filter(({ name, file }) => file === next && /^p?write/.test(name));
    // "!" is 33, the length of the payload of a Durable frame.
    const durables = written.filter(({ line }) => /"\\2\\0\\0\\0!/.test(line));
    const syncs = (file: string, name: string): Call[] =>
      calls.filter((call) => call.file === file && call.name === name);
    const [durable] = durables;
    const [acknowledging] = syncs(next, "fdatasync");
    assert(durable !== undefined && acknowledging !== undefined, "it is told, and acknowledged");
    for (const file of [full, next, "."]) {
      const [sync] = syncs(file, "fsync");
      assert(sync !== undefined && sync.ends > 0, `${file} is synced`);
      assert(sync.ends < durable.begins, `${file} is durable before that is told`);
    }
    assert(durable.ends < acknowledging.begins, "it is told before an entry is acknowledged");
    // Its entries are written before the sync of the full segment, and its Seal after that.
    const [ofFull] = syncs(full, "fsync");
    assert(ofFull !== undefined);
    const writes = calls.filter(({ name, file }) => file === full && /^p?write/.test(name));
    const late = writes.filter(({ begins }) => begins > ofFull.begins);
    assert(late.length < writes.length && late.every(({ begins }) => begins > ofFull.ends));
  },
);

traced("an interrupted fdatasync is made again", (folder) => {
  const { steps, stdout } = trace(folder, "-e", "inject=fdatasync:error=EINTR:when=1");
  assertEquals(stdout, "");
  // strace counts for each thread, so a second try on another thread is interrupted too.
  const syncs = changes(steps, "sync").filter((call) => call === "fdatasync ./a.wal");
  assert(syncs.length >= 2, `${syncs.length} fdatasync`);
});

/** Runs a program under strace, which lets calls on some paths fail; what the program prints. */
function runFailing(
  file: string,
  folder: string,
  paths: readonly string[],
  failures: Readonly<Record<string, string>>,
): string {
  const { program, args } = command(join(ROOT, file), folder);
  const { stdout, stderr } = spawnSync("strace", [
    ...["-f", "-o", "/dev/null", "-e", `trace=${Object.keys(failures)}`],
    ...paths.flatMap((path) => ["-P", path]),
    ...Object.entries(failures).flatMap(([calls, code]) => ["-e", `inject=${calls}:error=${code}`]),
    ...[program, ...args],
  ], { encoding: "utf8" });
  assertEquals(stderr, "");
  return stdout;
}

traced("an error is told by its name, also one that the runtime has no name for", (folder) => {
  const paths = ["file", "directory"].map((name) => join(folder, name));
  const told = runFailing("tests/support/tell_errors.ts", folder, paths, {
    ftruncate: "EDQUOT",
    fdatasync: "ESTALE",
    fsync: "ENOLCK",
    "?unlink,unlinkat": "EOPNOTSUPP",
    "?mkdir,mkdirat": "EUCLEAN",
    close: "EIO",
  });
  assertEquals(told.trimEnd().split("\n"), [
    'Truncate "./file": the disk quota is used up (EDQUOT)',
    'Fdatasync "./file": the file server no longer has the file (ESTALE)',
    'Fsync "./file": the file system has no locks to give (ENOLCK)',
    'Remove "./file": the file system does not have this call (ENOTSUP)',
    'Make directory "./directory": the file system is damaged (EUCLEAN)',
    "no error",
  ]);
});

traced(
  "a killed writer's log opens although the quota leaves no space for the redo file",
  async (folder) => {
    const path = join(folder, "a.wal");
    const fileSystem = await defaultFileSystem();
    const log = await Wal.open(path, { fileSystem });
    log.append(bytes("never synced"));
    const killed = readFile(fileSystem, path);
    await log.close();
    writeFileSync(path, killed);
    const told = runFailing("tests/support/open.ts", path, [`${path}.redo`], {
      "write,pwrite64,writev,pwritev": "EDQUOT",
    });
    assertEquals(told, "opened\n");
    await withLog(path, {}, (log) => assertEquals(log.readAll().map(text), ["never synced"]));
  },
);

test(
  "a short write at any byte of a frame leaves no part of it",
  { timeout: 120_000 },
  async (t) => {
    if (spawnSync("prlimit", ["--version"]).status !== 0) return t.skip("prlimit is not installed");
    await withFolder(async (folder) => {
      const size = 54 + 40 * (9 + 7); // Some entries: the lock file needs a few hundred bytes too.
      for (const limit of [size - 1, size - 8, size - 16, size - 17, size + 1]) {
        const path = join(folder, `${limit}.wal`);
        const { program, args } = command(join(ROOT, "tests/support/fill.ts"), path);
        // At the limit the kernel sends a signal too, which would end the process.
        const script = `trap "" XFSZ; exec prlimit --fsize=${limit} "$@"`;
        const { stdout, status, stderr } = spawnSync("sh", ["-c", script, "sh", program, ...args], {
          encoding: "utf8",
        });
        assertEquals(status, 0, stderr);
        const whole = Math.floor((limit - 54) / 16);
        assertEquals(stdout, `ERR_WAL_WRITE_FAILED after ${whole}, ${54 + whole * 16} bytes\n`);
        await withLog(path, {}, (log) => {
          assertEquals([log.recovery.case, log.lastIndex, log.append(bytes("more"))], [
            "A",
            whole,
            whole + 1,
          ]);
        });
      }
    });
  },
);

test("a full disk leaves whole entries, and the log can be used when there is space", {
  timeout: 120_000,
}, async (t) => {
  await withFolder(async (folder) => {
    const disk = join(folder, "disk");
    const mounted = spawnSync("sh", [
      "-c",
      `mkdir "$1" && mount -t tmpfs -o size=256k tmpfs "$1"`,
      "sh",
      disk,
    ]);
    if (mounted.status !== 0) return t.skip("needs root on Linux, to mount a small tmpfs");
    try {
      const path = join(disk, "a.wal");
      await withLog(path, {}, async (log) => {
        const fill = join(disk, "fill");
        let acknowledged = 0;
        const full = (): boolean => {
          try {
            acknowledged = log.append(new Uint8Array(5000).fill(acknowledged));
            return false;
          } catch (error) {
            assertEquals((error as { code?: string }).code, "ERR_WAL_WRITE_FAILED");
            assertEquals(((error as Error).cause as { code?: string }).code, "ENOSPC");
            return true;
          }
        };
        writeFileSync(fill, new Uint8Array(100_000));
        while (!full());
        await log.sync();
        assertEquals(
          log.readAll().map((data) => data[7]),
          Array.from({ length: acknowledged }, (_, i) => i),
        );
        const before = acknowledged;
        writeFileSync(fill, "");
        assertEquals(full(), false, "there is space again");
        assertEquals(acknowledged, before + 1);
      });
      await withLog(path, {}, (log) => {
        assertEquals(log.recovery.case, "A");
        assertEquals(
          log.readAll().map((data) => data[7]),
          Array.from({ length: log.lastIndex }, (_, i) => i),
        );
      });
    } finally {
      assertEquals(spawnSync("umount", [disk]).status, 0);
    }
  });
});
