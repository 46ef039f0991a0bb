/**
 * What `inspect` says that open would do is what open then does, and a reader shows the same log.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Wal, WalError, type WalOptions } from "../../mod.ts";
import { consequence, consequencesOf } from "../../src/cli/inspect.ts";
import { inspectLog, type Report } from "../../src/cli/inspection.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { isFileSystemError } from "../../src/fs/file_system.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { CrashFileSystem } from "../../src/testing/testing.ts";
import { compareAccounts } from "../../kit/foretold.ts";
import { concat, type Files, META, PATH, segmentsOf } from "../../kit/frames.ts";
import { bytes, random, readFile, writeFile } from "../../kit/logs.ts";

const REDO = `${PATH}.redo`;

/** The files that a program leaves, without the lock. */
async function filesOf(
  options: WalOptions,
  body: (log: Wal) => void | Promise<void>,
): Promise<Map<string, Uint8Array>> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { ...options, fileSystem });
  await body(log);
  await log.close();
  return filesIn(fileSystem);
}

function filesIn(fileSystem: MemoryFileSystem | CrashFileSystem): Map<string, Uint8Array> {
  const names = fileSystem.list(".").filter((name) => !name.includes(".lock"));
  return new Map(names.map((name) => [name, readFile(fileSystem, name)]));
}

function inspect(files: Files): Report {
  const fileSystem = new MemoryFileSystem();
  for (const [name, content] of files) writeFile(fileSystem, name, content);
  return inspectLog(fileSystem, PATH, frameChecksum, 1 << 20);
}

function append(log: Wal, count: number, size: number = 60): void {
  for (let i = 0; i < count; i++) log.append(new Uint8Array(size).fill(log.lastIndex + 1));
}

/** Two entries a segment. */
const SEGMENTED: WalOptions = { segmentSize: 300 };

const ONE = await filesOf({}, (log) => append(log, 5));
const MANY = await filesOf(SEGMENTED, (log) => append(log, 12));
const HEADED = await filesOf({}, async (log) => {
  append(log, 5);
  await log.truncateBeforeIndex(3);
});
const DROPPED = await filesOf(SEGMENTED, async (log) => {
  append(log, 12);
  await log.setState(bytes("a state"));
  await log.truncateBeforeIndex(9);
});
const VERSION_1 = await filesOf({ format: 1 }, (log) => append(log, 3));

function get(files: Files, name: string): Uint8Array {
  return files.get(name) ?? new Uint8Array(0);
}

/** With some files changed; `undefined` for those that are gone. */
function changed(files: Files, changes: Readonly<Record<string, Uint8Array | undefined>>): Files {
  const copy = new Map(files);
  for (const [name, content] of Object.entries(changes)) {
    if (content === undefined) copy.delete(name);
    else copy.set(name, content);
  }
  return copy;
}

function lastOf(files: Files): string {
  return segmentsOf(files).at(-1) ?? PATH;
}

/** Logs where one tool once said something else than the other, and others like them. */
const LOGS: Readonly<Record<string, { files: Files; says: string | RegExp }>> = {
  "a torn end of version 1 is set aside": {
    files: changed(VERSION_1, { [PATH]: get(VERSION_1, PATH).slice(0, -1) }),
    says: "would set 68 bytes aside",
  },
  "a lone file of zeros, and a head after its first index": {
    files: changed(HEADED, { [PATH]: new Uint8Array(100) }),
    says: "the head index 3 in the meta file says that it had entries",
  },
  "a lone empty file, and a head after its first index": {
    files: changed(HEADED, { [PATH]: new Uint8Array(0) }),
    says: "the head index 3 in the meta file says that it had entries",
  },
  "a lone file of other bytes, and a head after its first index": {
    files: changed(HEADED, {
      [PATH]: concat(get(HEADED, PATH).slice(0, 8), new Uint8Array(99).fill(7)),
    }),
    says: "its Segment frame is not valid, and the head index 3",
  },
  "the meta file of another log": {
    files: changed(ONE, { [META]: get(HEADED, META) }),
    says: "it belongs to another log",
  },
  "a meta file that is something else": {
    files: changed(ONE, { [META]: bytes("something else") }),
    says: "none of this version",
  },
  "a Seal without a next file": {
    files: changed(MANY, { [lastOf(MANY)]: undefined }),
    says: /would make the next segment, a\.wal\.0{18}11$/m,
  },
  "a next file in the making": {
    files: changed(MANY, { [lastOf(MANY)]: get(MANY, lastOf(MANY)).slice(0, 20) }),
    says: /would remove a\.wal\.0{18}11: never in use\n.*would make the next segment/,
  },
  "a next file in the making, and a torn end before it": {
    files: changed(ONE, {
      [PATH]: get(ONE, PATH).slice(0, -50),
      [`${PATH}.00000000000000000005`]: bytes("WAL!"),
    }),
    says: "would cut 61 bytes",
  },
  "a redo file that is something else": {
    files: changed(ONE, {
      [REDO]: bytes("something else, of more than 44 bytes in all, beside it"),
    }),
    says: 'it does not begin with "REDO"',
  },
  "a redo file in the making": {
    files: changed(ONE, { [REDO]: bytes("REDO") }),
    says: "would first remove a.wal.redo",
  },
  "a first file that is no log, below the head": {
    files: changed(DROPPED, { [PATH]: bytes("something else") }),
    says: '"a.wal" is not a log',
  },
  "a foreign segment below the head": {
    files: changed(DROPPED, { [`${PATH}.00000000000000000002`]: bytes("something else") }),
    says: "it does not begin as a segment",
  },
  "a segment of the log below the head": {
    files: changed(DROPPED, {
      [`${PATH}.00000000000000000003`]: get(DROPPED, lastOf(DROPPED)).slice(0, 30),
    }),
    says: /would remove a\.wal\.0{19}3: below the head/,
  },
  "a state without a segment": {
    files: changed(HEADED, { [PATH]: undefined }),
    says: "is missing",
  },
  "a missing segment": {
    files: changed(MANY, { [segmentsOf(MANY)[2] ?? ""]: undefined }),
    says: "is missing",
  },
};

/** What inspect prints of opening a log; or the error that it ends with. */
function said(files: Files): string {
  let report: Report;
  try {
    report = inspect(files);
  } catch (error) {
    assert(error instanceof WalError);
    return error.message;
  }
  const { opening, recovery } = report;
  if (opening.kind === "refuse") return opening.message;
  return [consequence(recovery), ...consequencesOf(opening)].join("\n");
}

for (const [what, { files, says }] of Object.entries(LOGS)) {
  test(`inspect, open and a reader agree about ${what}`, async () => {
    const { difference } = await compareAccounts(files);
    assertEquals(difference, undefined);
    const text = said(files);
    if (typeof says === "string") assertStringIncludes(text, says);
    else assert(says.test(text), text);
  });
}

test("a truncation or a reset that a crash interrupted is foretold at every step", async () => {
  const programs: ((log: Wal) => Promise<void>)[] = [
    (log) => log.truncateFromIndex(3),
    (log) => log.truncateBeforeIndex(log.lastIndex + 1),
    (log) => log.truncateBeforeIndex(6),
    (log) => log.reset(40),
    (log) => log.reset(2),
    (log) => log.setState(bytes("another state")),
  ];
  const reasons = new Set<string>();
  for (const program of programs) {
    const disk = new CrashFileSystem();
    const log = await Wal.open(PATH, { fileSystem: disk, ...SEGMENTED });
    append(log, 8);
    await log.setState(bytes("a state"));
    await log.sync();
    const left: Map<string, Uint8Array>[] = [];
    disk.observe(() => left.push(filesIn(disk)));
    await program(log);
    append(log, 1);
    await log.close();
    // An open makes a replacement too.
    const again = await Wal.open(PATH, { fileSystem: disk, ...SEGMENTED });
    disk.observe(undefined);
    await again.close();
    for (const files of left) {
      const { difference, outcome } = await compareAccounts(files);
      assertEquals(difference, undefined);
      reasons.add(outcome);
    }
  }
  assert(reasons.size > 5, `only ${[...reasons]}`);
});

/** Damages some files in one of a few ways. */
function damage(files: Files, all: readonly Files[], draw: () => number): Files {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const copy = new Map(files);
  for (let i = 0; i <= draw() * 2; i++) {
    const name = pick([...copy.keys()]);
    const content = (copy.get(name) ?? new Uint8Array(0)).slice();
    const at = Math.floor(draw() * (content.length + 1));
    const other = pick(all);
    const ways: (() => void)[] = [
      () => void copy.set(name, content.slice(0, at)),
      () => void copy.set(name, content.fill(0, at)),
      () => void copy.set(name, concat(content, content.slice(at))),
      () => void copy.set(name, content.fill(0, at, at + 9)),
      () => void copy.set(name, content.map((byte, i) => i === at ? byte ^ 1 : byte)),
      () => void copy.delete(name),
      () => void copy.set(name, other.get(name) ?? content),
      () => void copy.set(pick([...other.keys()]), content),
      () => void copy.set(META, other.get(META) ?? content),
    ];
    pick(ways)();
    if (copy.size === 0) copy.set(PATH, content);
  }
  return copy;
}

test("what is foretold of logs with random damage is what open does", async () => {
  const all = [ONE, MANY, HEADED, DROPPED, VERSION_1];
  const draw = random(11);
  const outcomes = new Set<string>();
  for (let i = 0; i < 800; i++) {
    const files = damage(all[i % all.length] ?? ONE, all, draw);
    const { difference, outcome } = await compareAccounts(files);
    const names = [...files].map(([name, content]) => `${name}: ${content.length}`).join(", ");
    assert(difference === undefined, `log ${i} (${names}): ${difference}`);
    outcomes.add(outcome);
  }
  assert(outcomes.size > 15, `only ${outcomes.size} outcomes`);
});

test("nothing is inspected where nothing is, and nothing is made", () => {
  const fileSystem = new MemoryFileSystem();
  const error = assertThrows(() => inspectLog(fileSystem, PATH, frameChecksum, 1000));
  assert(isFileSystemError(error) && error.code === "ENOENT");
  assertEquals(fileSystem.list("."), []);
});
