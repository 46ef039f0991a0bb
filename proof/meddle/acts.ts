/**
 * What cleaners, deploys and backups do to a writer's files.
 *
 * @module
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** Where the writer's log is. */
export interface Place {
  /** A folder with nothing else in it. */
  readonly folder: string;
  /** The log's directory, in that folder. */
  readonly directory: string;
  /** The log's path. */
  readonly path: string;
}

/** What an act leaves. */
export interface Outcome {
  /**
   * What the writer owes: `"nothing"`: the log is as before, and it must not complain. `"either"`: it
   * may have noticed, and if not, all must be there. `"a word"`: it has to tell, at close at the latest.
   */
  readonly owed: "nothing" | "either" | "a word";
  /** Where the whole log is now, if it was renamed. */
  readonly movedTo?: string;
  /** Whether another log is to be made at the path. */
  readonly makesAnother?: boolean;
}

/** Something that is done to the files; `undefined` where there is nothing to do it to. */
export type Act = (place: Place, draw: () => number) => Outcome | undefined;

const NOTHING: Outcome = { owed: "nothing" };
const EITHER: Outcome = { owed: "either" };
const A_WORD: Outcome = { owed: "a word" };

/** The names of a log's files, one kind of them. */
function filesOf({ directory }: Place, which: RegExp): string[] {
  return readdirSync(directory).filter((name) => which.test(name)).sort()
    .map((name) => join(directory, name));
}

const SEGMENT = /^a\.wal(\.\d{20})?$/;
const LAST = "the last segment";

/** One of the log's files by what it is. */
function pick(place: Place, which: string, draw: () => number): string | undefined {
  if (which === LAST) return filesOf(place, SEGMENT).toSorted(byIndex).at(-1);
  if (which === "a full segment") {
    const full = filesOf(place, SEGMENT).toSorted(byIndex).slice(0, -1);
    return full[Math.floor(draw() * full.length)];
  }
  const path = `${place.path}${which === "the lock file" ? ".lock" : ".meta"}`;
  return existsSync(path) ? path : undefined;
}

/** The first segment has no index in its name. */
function byIndex(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

const FILES = [LAST, "a full segment", "the lock file", "the meta file"] as const;

/** What is done to one file. */
const TO_A_FILE: Readonly<Record<string, (path: string) => void>> = {
  "is removed": (path) => rmSync(path),
  "is renamed": (path) => renameSync(path, `${path}.old`),
  "is replaced by a copy": (path) => {
    copyFileSync(path, `${path}.new`);
    renameSync(`${path}.new`, path);
  },
  "is replaced by an empty file": (path) => {
    writeFileSync(`${path}.new`, "");
    renameSync(`${path}.new`, path);
  },
  "is replaced by a directory": (path) => {
    rmSync(path);
    mkdirSync(path);
  },
};

/** Copies the files of a directory that a writer changes meanwhile. */
function copyAll(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    isDone(() => copyFileSync(join(from, name), join(to, name)));
  }
}

/** Does something to a file; whether that was still there. */
function isDone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/** What is done to more than that. */
const TO_ALL: Readonly<Record<string, Act>> = {
  "the directory is renamed": ({ directory }) => {
    renameSync(directory, `${directory}.old`);
    return { owed: "a word", movedTo: `${directory}.old/a.wal` };
  },
  "the directory is renamed and made again": ({ directory }) => {
    renameSync(directory, `${directory}.old`);
    mkdirSync(directory);
    return { owed: "a word", movedTo: `${directory}.old/a.wal` };
  },
  "another log takes the directory's place": ({ directory }) => {
    renameSync(directory, `${directory}.old`);
    return { owed: "a word", movedTo: `${directory}.old/a.wal`, makesAnother: true };
  },
  "the directory is removed": ({ directory }) => {
    rmSync(directory, { recursive: true, maxRetries: 10 });
    return A_WORD;
  },
  "the directory is removed and another log made": ({ directory }) => {
    rmSync(directory, { recursive: true, maxRetries: 10 });
    return { owed: "a word", makesAnother: true };
  },
  "the directory is moved and a link left": ({ folder, directory }) => {
    renameSync(directory, join(folder, "disk"));
    // Between the two a look may find nothing.
    symlinkSync(join(folder, "disk"), directory);
    return EITHER;
  },
  "the directory is renamed and back": ({ directory }) => {
    renameSync(directory, `${directory}.old`);
    renameSync(`${directory}.old`, directory);
    return EITHER;
  },
  "the directory is replaced by a backup": ({ folder, directory }) => {
    copyAll(directory, join(folder, "backup"));
    renameSync(directory, `${directory}.old`);
    renameSync(join(folder, "backup"), directory);
    return { owed: "a word", movedTo: `${directory}.old/a.wal` };
  },
  "the last segment is renamed and back": (place, draw) => {
    const path = pick(place, LAST, draw);
    if (path === undefined) return undefined;
    isDone(() => {
      renameSync(path, `${path}.old`);
      renameSync(`${path}.old`, path);
    });
    return EITHER;
  },
  "the last segment is cut to nothing": (place, draw) => {
    const path = pick(place, LAST, draw);
    if (path === undefined) return undefined;
    isDone(() => truncateSync(path, 0));
    return EITHER;
  },
  "a backup is made by copies": ({ folder, directory }) => {
    copyAll(directory, join(folder, "backup"));
    return NOTHING;
  },
  "a backup is made by links": (place, draw) => {
    const path = pick(place, LAST, draw);
    if (path === undefined) return undefined;
    isDone(() => linkSync(path, join(place.folder, "backup")));
    return NOTHING;
  },
  "links to the log are made": ({ folder, directory, path }) => {
    symlinkSync(path, join(folder, "link.wal"));
    symlinkSync(directory, join(folder, "link"));
    return NOTHING;
  },
  "other files come and go beside the log": ({ directory }) => {
    for (let i = 0; i < 20; i++) writeFileSync(join(directory, `other-${i}`), "x");
    for (let i = 0; i < 20; i++) rmSync(join(directory, `other-${i}`));
    return NOTHING;
  },
};

/** All acts by name. */
export const ACTS: ReadonlyMap<string, Act> = new Map([
  ...Object.entries(TO_ALL),
  ...FILES.flatMap((which) =>
    Object.entries(TO_A_FILE).map(([what, act]): [string, Act] => [`${which} ${what}`, (
      place,
      draw,
    ) => {
      const path = pick(place, which, draw);
      if (path === undefined) return undefined;
      return isDone(() => act(path)) ? A_WORD : EITHER;
    }])
  ),
]);
