/**
 * What a writer does when its files are removed, renamed, replaced or cut under it: it tells, at the
 * latest at the next call that promises anything, and touches nothing that is not its own.
 *
 * @module
 */
import { test } from "node:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type FileHandle, MovedError, type OpenMode, Wal, type WalOptions } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { spawnSync } from "../../kit/child.ts";
import { like } from "../../kit/like.ts";
import { bytes } from "../../kit/logs.ts";
import { withFolder } from "../../kit/temporary.ts";

/** A segment has four of these. */
const DATA: Uint8Array = new Uint8Array(900).fill(7);
const OPTIONS: WalOptions = { segmentSize: 4096 };

/** A log of two full segments and a last one, with a meta file. */
interface Place {
  readonly folder: string;
  /** The log's directory. */
  readonly directory: string;
  /** The log's path, its first segment. */
  readonly path: string;
  /** Its last segment. */
  readonly last: string;
}

/** What is done to the files; returns the name that the error has to have. */
type Meddling = (place: Place) => string | Promise<string>;

function remove(path: string): string {
  rmSync(path, { recursive: true });
  return path;
}

function rename(path: string): string {
  renameSync(path, `${path}.old`);
  return path;
}

/** Puts another file in its place, at once. */
function replace(path: string, content: Uint8Array = readFileSync(path)): string {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  return path;
}

/** Does what a writer has to notice before it acknowledges any entry. */
const MEDDLINGS: Readonly<Record<string, Meddling>> = {
  "its directory is renamed": ({ directory }) => rename(directory),
  "its directory is renamed and made again": ({ directory }) => {
    rename(directory);
    mkdirSync(directory);
    return directory;
  },
  "another log is made in its directory's place": async ({ directory, path }) => {
    rename(directory);
    const log = await Wal.open(path, OPTIONS);
    await log.appendAndSync(bytes("another's"));
    await log.close();
    return directory;
  },
  "its directory is replaced by a copy": ({ directory }) => {
    rename(directory);
    mkdirSync(directory);
    for (const name of readdirSync(`${directory}.old`)) {
      copyFileSync(join(`${directory}.old`, name), join(directory, name));
    }
    return directory;
  },
  "its directory is replaced by a copy with its times": ({ directory }) => {
    rename(directory);
    spawnSync("cp", ["-a", `${directory}.old`, directory]);
    return directory;
  },
  "its directory is removed": ({ directory }) => remove(directory),
  "a directory above is renamed": ({ folder, directory }) => {
    rename(join(folder, "above"));
    return directory;
  },
  "the last file is removed": ({ last }) => remove(last),
  "the last file is renamed": ({ last }) => rename(last),
  "the last file is replaced by a copy": ({ last }) => replace(last),
  "the last file is replaced by an empty one": ({ last }) => replace(last, new Uint8Array(0)),
  "the last file is replaced by a directory": ({ last }) => {
    remove(last);
    mkdirSync(last);
    return last;
  },
  "the last file is replaced by a link to a copy": ({ last }) => {
    copyFileSync(last, `${last}.copy`);
    remove(last);
    if (process.platform !== "win32") symlinkSync(`${last}.copy`, last);
    return last;
  },
};

/** The same, of what cannot be read any more. */
const MEDDLINGS_IN_PLACE: Readonly<Record<string, Meddling>> = {
  "the last file is cut to nothing": ({ last }) => {
    truncateSync(last, 0);
    return last;
  },
  "the last file is overwritten by an older copy": ({ last }) => {
    writeFileSync(last, readFileSync(last).subarray(0, 200));
    return last;
  },
};

/** The same before it rolls, changes its ends or its state, or ends. */
const SLOWER_MEDDLINGS: Readonly<Record<string, Meddling>> = {
  "its lock file is removed": ({ path }) => remove(`${path}.lock`),
  "its lock file is replaced": ({ path }) => replace(`${path}.lock`, new Uint8Array(0)),
  "its meta file is removed": ({ path }) => remove(`${path}.meta`),
  "its meta file is renamed": ({ path }) => rename(`${path}.meta`),
  "its meta file is replaced by a copy": ({ path }) => replace(`${path}.meta`),
  "its first segment is removed": ({ path }) => remove(path),
  "its first segment is replaced by a copy": ({ path }) => replace(path),
  "its second segment is renamed": ({ path }) => rename(`${path}.00000000000000000005`),
};

/** The calls that promise that an entry is durable. */
const ACKNOWLEDGING: Readonly<Record<string, (log: Wal) => unknown>> = {
  appendAndSync: (log) => log.appendAndSync(DATA),
  appendBatchAndSync: (log) => log.appendBatchAndSync([bytes("a"), bytes("b")]),
  "append and sync": async (log) => {
    log.append(DATA);
    await log.sync();
  },
  "append and syncBlocking": (log) => {
    log.append(DATA);
    log.syncBlocking();
  },
};

/** The calls that make or remove files, or end. */
const CHANGING: Readonly<Record<string, (log: Wal) => unknown>> = {
  "append over a roll": (log) => {
    for (let i = 0; i < 5; i++) log.append(DATA);
  },
  setState: (log) => log.setState(bytes("new")),
  truncateFromIndex: (log) => log.truncateFromIndex(4),
  truncateBeforeIndex: (log) => log.truncateBeforeIndex(9),
  "reset forward": (log) => log.reset(100),
  "reset backward": (log) => log.reset(1),
  close: (log) => log.close(),
  // It looks a moment after an append or a sync, too.
  "append, and wait": async (log) => {
    for (;;) {
      log.append(bytes("x"));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
};

async function check(
  meddle: Meddling,
  name: string,
  call: (log: Wal) => unknown,
  isInPlace = false,
  isAtRest = false,
): Promise<void> {
  await withFolder(async (temporary) => {
    const folder = realpathSync(temporary);
    const directory = join(folder, "above/logs");
    const path = join(directory, "a.wal");
    const log = await Wal.open(path, OPTIONS);
    await log.setState(bytes("old"));
    for (let i = 0; i < 9; i++) await log.appendAndSync(DATA);
    if (isAtRest) await rested(log);
    const { durableIndex } = log;
    const wanted = await meddle({
      folder,
      directory,
      path,
      last: `${path}.${"9".padStart(20, "0")}`,
    });
    const before = contentOf(directory);

    const error = await assertRejects(async () => await call(log), MovedError);
    const told = [error.code, error.path, error.durableIndex];
    assertEquals(told, ["ERR_WAL_MOVED", wanted, durableIndex], name);
    assertStringIncludes(error.message, wanted);

    // It has ended, reads still work, and close has nothing more to report.
    if (name !== "close") {
      for (const later of [...Object.values(ACKNOWLEDGING), () => log.setState(bytes("later"))]) {
        assertEquals(await assertRejects(async () => await later(log)), error);
      }
      if (!isInPlace) assertEquals(log.getEntry(9), DATA);
      await log.close();
    }
    // It has made and removed nothing, and written to nothing that is not its own.
    const after = contentOf(directory);
    assertEquals(Object.keys(after), Object.keys(before), name);
    if (wanted === directory) assertEquals(after, before, name);
  });
}

/** Syncs when the directory has not changed for so long that it is asked in place of the file. */
async function rested(log: Wal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 150));
  for (let i = 0; i < 2; i++) await log.appendAndSync(bytes("at rest"));
}

/** What is in a directory, if it is there. */
function contentOf(directory: string): Record<string, string> {
  if (!existsSync(directory)) return {};
  const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ name }) => [name, readFileSync(join(directory, name)).toString("latin1")]),
  );
}

for (const [what, meddle] of Object.entries({ ...MEDDLINGS, ...MEDDLINGS_IN_PLACE })) {
  test(`a writer tells at once that ${what}`, { timeout: 120_000 }, async () => {
    const isInPlace = Object.hasOwn(MEDDLINGS_IN_PLACE, what);
    const calls = Object.entries({ ...ACKNOWLEDGING, ...CHANGING });
    await Promise.all(calls.map(([name, call]) => check(meddle, name, call, isInPlace)));
    const syncs = Object.entries(ACKNOWLEDGING);
    await Promise.all(syncs.map(([name, call]) => check(meddle, name, call, isInPlace, true)));
  });
}

test("a change that has the same time as the one before is seen", async () => {
  await withFolder(async (folder) => {
    const path = join(realpathSync(folder), "a.wal");
    const real = await defaultFileSystem();
    // A clock that moves once in so many milliseconds, as the file system's may.
    const now = Date.now();
    const fileSystem = like(real, { modified: () => now });
    const log = await Wal.open(path, { fileSystem });
    for (let i = 0; i < 3; i++) await log.appendAndSync(DATA);
    rename(path);
    await assertRejects(() => log.appendAndSync(DATA), MovedError);
    await log.close();
  });
});

test("a file is not asked for its times at a sync while its directory rests", async () => {
  await withFolder(async (folder) => {
    const path = join(realpathSync(folder), "a.wal");
    const asked: string[] = [];
    const real = await defaultFileSystem();
    const fileSystem = like(real, {
      identify: (path) => {
        asked.push(path);
        return real.identify(path);
      },
      open: (path, mode, permissions) => {
        const file = real.open(path, mode, permissions);
        return like(file, {
          size: () => {
            asked.push(path);
            return file.size();
          },
        });
      },
    });
    const log = await Wal.open(path, { fileSystem });
    await log.appendAndSync(DATA);
    await rested(log);
    asked.length = 0;
    for (let i = 0; i < 20; i++) await log.appendAndSync(DATA);
    for (let i = 0; i < 20; i++) {
      log.append(DATA);
      log.syncBlocking();
    }
    // The look of an idle moment may come between.
    assert(asked.filter((name) => name === path).length <= 4, asked.join());
    await log.close();
  });
});

for (const [what, meddle] of Object.entries(SLOWER_MEDDLINGS)) {
  test(`a writer tells that ${what}`, { timeout: 120_000 }, async () => {
    const calls = Object.entries(CHANGING);
    await Promise.all(calls.map(([name, call]) => check(meddle, name, call)));
  });
}

/** Does something to the files right before a file is made, once. */
class Meddled extends FaultyFileSystem {
  meddle: (() => void) | undefined;

  override open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    const meddle = mode === "create" ? this.meddle : undefined;
    if (mode === "create") this.meddle = undefined;
    meddle?.();
    return super.open(path, mode, permissions);
  }
}

test("a roll in the moment in which its directory is replaced leaves nothing there", () =>
  withFolder(async (temporary) => {
    const directory = join(realpathSync(temporary), "logs");
    const fileSystem = new Meddled(await defaultFileSystem());
    const log = await Wal.open(join(directory, "a.wal"), { ...OPTIONS, fileSystem });
    for (let i = 0; i < 4; i++) await log.appendAndSync(DATA);
    fileSystem.meddle = () => {
      rename(directory);
      mkdirSync(directory);
    };
    const error = assertThrows(() => log.append(DATA), MovedError);
    assertEquals([error.path, error.durableIndex], [directory, 4]);
    assertEquals(readdirSync(directory), []);
    await log.close();
    assertEquals(readdirSync(directory), []);
    // What was moved is whole.
    await using again = await Wal.open(join(`${directory}.old`, "a.wal"));
    assertEquals(again.lastIndex, 4);
  }));

test("what is cut off before it is synced is not acknowledged", () =>
  withFolder(async (folder) => {
    const path = join(realpathSync(folder), "a.wal");
    const log = await Wal.open(path, OPTIONS);
    await log.appendAndSync(DATA);
    log.append(DATA);
    truncateSync(path, statSync(path).size - 10);
    const error = await assertRejects(() => log.sync(), MovedError);
    assertEquals([error.path, error.durableIndex, log.durableIndex], [path, 1, 1]);
    await log.close();
  }));

test("a log whose directory was moved, with a link left in its place, can be used", () =>
  withFolder(async (temporary) => {
    if (process.platform === "win32") return;
    const directory = join(realpathSync(temporary), "logs");
    const log = await Wal.open(join(directory, "a.wal"), OPTIONS);
    await log.appendAndSync(DATA);
    symlinkSync(rename(directory) + ".old", directory);
    for (let i = 0; i < 5; i++) await log.appendAndSync(DATA);
    await log.setState(bytes("state"));
    await log.close();
    await using again = await Wal.open(join(directory, "a.wal"));
    assertEquals([again.lastIndex, again.recovery.case], [6, "A"]);
  }));

test("a full segment that is cut is reported by close", () =>
  withFolder(async (folder) => {
    const path = join(realpathSync(folder), "a.wal");
    const log = await Wal.open(path, OPTIONS);
    for (let i = 0; i < 5; i++) await log.appendAndSync(DATA);
    truncateSync(path, 100);
    const error = await assertRejects(() => log.close(), MovedError);
    assertEquals([error.path, error.durableIndex], [path, 5]);
  }));

test("a writer that only appends looks after a moment", async () => {
  const { after } = clock;
  const due: (() => void)[] = [];
  clock.after = (_, call) => {
    due.push(call);
    return { cancel: () => void due.splice(due.indexOf(call), 1) };
  };
  try {
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open("a.wal", { fileSystem });
    // What open has left to do.
    for (let call = due.shift(); call !== undefined; call = due.shift()) call();
    log.append(DATA);
    fileSystem.remove("a.wal");
    log.append(DATA);
    for (let call = due.shift(); call !== undefined; call = due.shift()) call();
    const error = assertThrows(() => log.append(DATA), MovedError);
    assertEquals([error.path, error.durableIndex], ["a.wal", 0]);
    await log.close();
  } finally {
    clock.after = after;
  }
});

test("an entry is not acknowledged beside one that was overwritten", () =>
  withFolder(async (folder) => {
    const path = join(realpathSync(folder), "a.wal");
    const log = await Wal.open(path, OPTIONS);
    await log.appendAndSync(DATA);
    writeFileSync(path, readFileSync(path).subarray(0, 200));
    const error = await assertRejects(() => log.appendAndSync(DATA), MovedError);
    assertEquals([error.path, error.durableIndex], [path, 1]);
    await log.close();
  }));

for (const size of [0, 65_540]) {
  test(`a meta file that is cut to ${size} bytes is reported by close, and before its next change`, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const meta = `${path}.meta`;
      for (const call of ["close", "setState"] as const) {
        const log = await Wal.open(path);
        await log.setState(bytes("term 7, vote for b"));
        truncateSync(meta, size);
        const told = call === "close" ? log.close() : log.setState(bytes("term 8"));
        assertEquals((await assertRejects(() => told, MovedError)).path, realpathSync(meta));
        if (call !== "close") await log.close();
        rmSync(meta);
      }
    }));
}

test("a state that is larger or smaller than the one before is no sign of a cut", () =>
  withFolder(async (folder) => {
    const log = await Wal.open(join(folder, "a.wal"));
    for (const length of [1, 30_000, 0, 5]) await log.setState(new Uint8Array(length));
    await log.close();
    const again = await Wal.open(join(folder, "a.wal"));
    assertEquals(again.state.length, 5);
    await again.setState(new Uint8Array(10));
    await again.close();
  }));
