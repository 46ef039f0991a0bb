/**
 * What the benchmark runs on: the machine, and the file system of a folder.
 *
 * @module
 */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem, type as system } from "node:os";
import { basename } from "node:path";

/** What the benchmark runs on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** The operating system's name, version and architecture. */
  readonly system: string;
  /** When this was asked, as ISO 8601 in UTC; a run asks before it measures. */
  readonly date?: string;
  /** The load average of the minute before that; on Windows 0. */
  readonly load?: number;
}

/** A mounted file system, as /proc/mounts names it. */
export interface Mount {
  readonly type: string;
  readonly device: string;
  /** Where it is mounted. */
  readonly point: string;
  readonly options: string;
  /** Whether an ext4 has a journal, which a sync also writes; `undefined` where nothing tells. */
  readonly hasJournal?: boolean;
}

/** The machine that runs this. */
export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown CPU",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${system()} ${release()} ${arch()}`,
    date: new Date().toISOString(),
    load: Number((loadavg()[0] ?? NaN).toFixed(2)),
  };
}

/** A machine in words, with the date of the run and the load that it met. */
export function describeMachine({ cpu, cores, memoryGiB, system, date, load }: Machine): string {
  const when = date === undefined ? "" : `, ${date.slice(0, 10)}`;
  const busy = load === undefined ? "" : `, load average ${load} before the run`;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}${when}${busy}`;
}

/** The file system that holds a folder; `undefined` where the system has no /proc/mounts. */
export function mountOf(folder: string): Mount | undefined {
  let table: string;
  try {
    table = readFileSync("/proc/mounts", "utf8");
  } catch {
    return undefined;
  }
  const inside = `${realpathSync(folder)}/`;
  let found: Mount | undefined;
  let longest = 0;
  for (const line of table.split("\n")) {
    const [device, point, type, options = ""] = line.split(" ").map(unescape);
    if (device === undefined || point === undefined || type === undefined) continue;
    const prefix = point.endsWith("/") ? point : `${point}/`;
    // A later mount on the same place covers an earlier one.
    if (inside.startsWith(prefix) && prefix.length >= longest) {
      found = { type, device, point, options };
      longest = prefix.length;
    }
  }
  const hasJournal = found?.type === "ext4" ? journalOf(found.device) : undefined;
  return found === undefined || hasJournal === undefined ? found : { ...found, hasJournal };
}

/** Whether the kernel runs a journal for a device; it names each as `<device>-<inode>`. */
function journalOf(device: string): boolean | undefined {
  try {
    const name = basename(realpathSync(device));
    return readdirSync("/proc/fs/jbd2").some((journal) => journal.startsWith(`${name}-`));
  } catch {
    return undefined;
  }
}

/** A mount in words. */
export function describeMount(mount: Mount | undefined): string {
  if (mount === undefined) return "an unknown file system";
  const { type, device, point, options, hasJournal } = mount;
  const journal = type !== "ext4"
    ? ""
    : hasJournal === undefined
    ? ", not known whether with a journal"
    : hasJournal
    ? " with a journal"
    : " without a journal";
  return `${type}${journal} (${device} on ${point}, ${options})`;
}

/** A field of /proc/mounts, where a space is `\040`. */
function unescape(field: string): string {
  return field.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
