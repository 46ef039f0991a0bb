/**
 * Whether `inspect`, an open for writing and an open for reading agree about the files of a log:
 * each is asked on its own, and their accounts are compared.
 *
 * @module
 */
import { inspectLog, type Report } from "../src/cli/inspection.ts";
import { WalError } from "../src/errors.ts";
import { frameChecksum } from "../src/format/checksum.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { resolveOptions, type WalOptions } from "../src/options.ts";
import { viewOnce } from "../src/opening/open.ts";
import { ownPathError } from "../src/opening/view.ts";
import type { Reason, Step } from "../src/opening/plan.ts";
import { Wal } from "../src/wal.ts";
import { type Files, PATH } from "./frames.ts";
import { writeFile } from "./logs.ts";

/** What is known of a log, in words that can be compared. */
type Account = Readonly<Record<string, string | number | readonly string[]>>;

/** The three accounts of one log. */
interface Accounts {
  readonly inspected: Account;
  readonly opened: Account;
  readonly read: Account;
  /** Why inspect says that open would refuse. */
  readonly reason: Reason | undefined;
}

/** A reader removes nothing, so it shows a log beside a file that open would have to remove. */
const NOT_A_READERS: ReadonlySet<Reason | undefined> = new Set<Reason>([
  "foreign segment below the head",
  "no log at the path",
]);

/** How the accounts of a log differ, if they do, and what came of opening it, in short. */
export async function compareAccounts(
  files: Files,
  options: Pick<WalOptions, "maxEntrySize"> = {},
): Promise<{ readonly difference: string | undefined; readonly outcome: string }> {
  const accounts = await accountsOf(files, options);
  const { inspected, opened, reason } = accounts;
  const [made, removed] = [opened["made"] ?? [], opened["removed"] ?? []] as [string[], string[]];
  const outcome = `${reason ?? ""} ${opened["refused"] ?? opened["case"]} ${made.length} ` +
    `${removed.length} ${inspected["isSetAside"] ?? ""}`;
  return { difference: differenceOf(files, accounts), outcome };
}

function differenceOf(
  files: Files,
  { inspected, opened, read, reason }: Accounts,
): string | undefined {
  const { entries, ...done } = opened;
  if (textOf(inspected) !== textOf(done)) {
    return `inspect says ${textOf(inspected)}; open did ${textOf(done)}`;
  }
  // A reader shows a tail as it was before its replacement, or waits for the end of that.
  if (files.has(`${PATH}.redo`)) return undefined;
  if (NOT_A_READERS.has(reason)) return undefined;
  const shown = shownOf(opened, entries);
  return textOf(read) === textOf(shown)
    ? undefined
    : `a reader says ${textOf(read)}; open did ${textOf(shown)}`;
}

/** What a reader is to show of a log that open opens so. */
function shownOf(opened: Account, entries: Account[string] = []): Account {
  const { refused, made, case: verdict = "", segment = "" } = opened;
  if (refused !== undefined) return opened;
  // A reader makes no log.
  if ((made as readonly string[]).includes(PATH)) return { refused: "ERR_WAL_NOT_FOUND" };
  return { case: verdict, segment, entries };
}

function textOf(account: Account): string {
  return JSON.stringify(account);
}

/** Asks all three. */
async function accountsOf(
  files: Files,
  options: Pick<WalOptions, "maxEntrySize"> = {},
): Promise<Accounts> {
  const { account, reason } = inspect(files, options);
  return {
    inspected: account,
    reason,
    read: read(files, options),
    opened: await open(files, options),
  };
}

function loaded(files: Files): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  for (const [name, content] of files) writeFile(fileSystem, name, content);
  return fileSystem;
}

function refused(error: unknown): Account {
  if (!(error instanceof WalError)) {
    const { code } = error as { code?: string };
    if (code === "EBUSY") return { refused: "ERR_WAL_IO" };
    if (code === "ENOENT") return { refused: "ERR_WAL_NOT_FOUND" };
    throw error;
  }
  return { refused: error.code };
}

/** What inspect says that open would do. */
function inspect(
  files: Files,
  options: Pick<WalOptions, "maxEntrySize">,
): { account: Account; reason: Reason | undefined } {
  const { maxEntrySize } = resolveOptions(options);
  let report: Report;
  try {
    report = inspectLog(loaded(files), PATH, frameChecksum, maxEntrySize);
  } catch (error) {
    const account = refused(error);
    // Where nothing is, open makes a log, and there is nothing to inspect.
    const isNone = account["refused"] === "ERR_WAL_NOT_FOUND";
    if (isNone) return { account: made(PATH), reason: undefined };
    return { account, reason: isNoLog(files) ? "no log at the path" : undefined };
  }
  const { opening, recovery, firstIndex, lastIndex } = report;
  if (opening.kind === "refuse") {
    return { account: { refused: opening.code }, reason: opening.reason };
  }
  const { steps, segment } = opening;
  const left = new Set(files.keys());
  for (const step of steps) {
    for (const path of removedBy(step)) left.delete(path);
    for (const path of madeBy(step)) left.add(path);
  }
  const account = {
    case: recovery.case,
    segment,
    offset: recovery.offset,
    bytesCut: recovery.bytes,
    isSetAside: String(recovery.action === "set aside"),
    cuts: steps.flatMap(setAsideBy).sort(),
    removed: [...files.keys()].filter((path) => !left.has(path)).sort(),
    made: [...left].filter((path) => !files.has(path)).sort(),
    first: firstIndex,
    last: lastIndex,
  };
  return { account, reason: undefined };
}

/** Whether the file at the log's own path keeps open from looking any further. */
function isNoLog(files: Files): boolean {
  const sight = { fileSystem: loaded(files), checksum: frameChecksum, path: PATH };
  return ownPathError(sight) !== undefined;
}

/** The files that a step makes. */
function madeBy(step: Step): readonly string[] {
  if (step.kind === "make log" || step.kind === "begin at head") return [step.path];
  return step.kind === "begin next" || step.kind === "roll" ? [step.next] : [];
}

/** The files that a step removes, but for the redo file. */
function removedBy(step: Step): readonly string[] {
  if (step.kind === "remove") return [step.path];
  if (step.kind === "drop") return step.paths;
  return step.kind === "finish replacement" || step.kind === "begin at head" ? step.removes : [];
}

function setAsideBy(step: Step): string[] {
  if (step.kind !== "set aside") return [];
  return [`${step.segment} from ${step.from}: ${step.to - step.from} bytes`];
}

/** What open does where there is no file. */
function made(path: string): Account {
  return {
    case: "A",
    segment: path,
    offset: 54,
    bytesCut: 0,
    isSetAside: "false",
    cuts: [],
    removed: [],
    made: [path],
    first: 1,
    last: 0,
  };
}

/** What open does. */
async function open(files: Files, options: Pick<WalOptions, "maxEntrySize">): Promise<Account> {
  const fileSystem = loaded(files);
  let log: Wal;
  try {
    log = await Wal.open(PATH, { ...options, fileSystem });
  } catch (error) {
    return refused(error);
  }
  try {
    const names = fileSystem.list(".");
    const cut = /^.*\.cut-(\d{20})-(\d+)(?:-\d+)?$/;
    const copies = names.filter((name) => cut.test(name) && !files.has(name));
    const told = log.recovery.setAsideFiles.toSorted();
    if (told.join() !== copies.sort().join()) throw new Error(`${copies} made, and ${told} told`);
    const cuts = copies.map((name) => {
      const [, segment, from] = cut.exec(name) ?? [];
      const file = fileSystem.open(name, "read");
      const size = file.size();
      file.close();
      return `${Number(segment)} from ${from}: ${size} bytes`;
    });
    const isOther = (name: string): boolean =>
      !cut.test(name) && !name.startsWith(`${PATH}.lock`) && name !== `${PATH}.redo`;
    const { recovery, firstIndex, lastIndex } = log;
    return {
      case: recovery.case,
      segment: recovery.segment,
      offset: recovery.offset,
      bytesCut: recovery.bytesCut,
      isSetAside: String(recovery.setAside !== undefined),
      cuts: cuts.sort(),
      removed: [...files.keys()].filter((name) => isOther(name) && !names.includes(name)).sort(),
      made: names.filter((name) => isOther(name) && !files.has(name)).sort(),
      first: firstIndex,
      last: lastIndex,
      entries: entriesOf(log),
    };
  } finally {
    await log.close();
  }
}

/** What a reader shows, which waits for no process. */
function read(files: Files, options: Pick<WalOptions, "maxEntrySize">): Account {
  const fileSystem = loaded(files);
  try {
    const { segments, meta, recovery } = viewOnce(
      fileSystem,
      PATH,
      resolveOptions({ ...options, readOnly: true }),
    );
    try {
      const head = Math.max(segments.firstIndex, meta.current?.headIndex ?? 1);
      const entries = entriesOf({
        firstIndex: head,
        lastIndex: segments.lastIndex,
        getEntry: (index) => segments.read(index),
        state: meta.current?.state ?? new Uint8Array(0),
      });
      return { case: recovery.case, segment: recovery.segment, entries };
    } finally {
      segments.close();
      meta.close();
    }
  } catch (error) {
    return refused(error);
  }
}

/** The entries and the state of a log, in short. */
function entriesOf(
  log: Pick<Wal, "firstIndex" | "lastIndex" | "state"> & {
    getEntry(index: number): Uint8Array | undefined;
  },
): string[] {
  const entries = [`${log.firstIndex} to ${log.lastIndex}`, `state ${hex(log.state)}`];
  for (let index = log.firstIndex; index <= log.lastIndex; index++) {
    try {
      entries.push(hex(log.getEntry(index) ?? new Uint8Array(0)));
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      entries.push(error.code);
    }
  }
  return entries;
}

function hex(bytes: Uint8Array): string {
  let sum = 7;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
  return `${bytes.length}:${sum.toString(16)}`;
}
