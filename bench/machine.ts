/**
 * What the benchmark runs on: the machine, and the file system of a folder.
 *
 * @module
 */
import { readFileSync, realpathSync } from "node:fs";
import { arch, cpus, release, totalmem, type as system } from "node:os";

/** What the benchmark runs on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** The operating system's name, version and architecture. */
  readonly system: string;
}

/** A mounted file system, as /proc/mounts names it. */
export interface Mount {
  readonly type: string;
  readonly device: string;
}

/** The machine that runs this. */
export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown CPU",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${system()} ${release()} ${arch()}`,
  };
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
    const [device, point, type] = line.split(" ").map(unescape);
    if (device === undefined || point === undefined || type === undefined) continue;
    const prefix = point.endsWith("/") ? point : `${point}/`;
    // A later mount on the same place covers an earlier one.
    if (inside.startsWith(prefix) && prefix.length >= longest) {
      found = { type, device };
      longest = prefix.length;
    }
  }
  return found;
}

/** A field of /proc/mounts, where a space is `\040`. */
function unescape(field: string): string {
  return field.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
