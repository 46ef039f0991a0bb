/**
 * The process of one contestant: takes trials from its standard input, a line each, and answers each
 * with a line.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import type { Contestant } from "./contestants/contestant.ts";
import { type Answer, Runner, type Trial } from "./trial.ts";

const contestant = await load(process.argv[2] ?? "");
if (contestant !== undefined) await serve(contestant);
// A peer may have left threads or timers.
process.exit(0);

function answer(line: Answer): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The contestant of a name; `undefined`, and an answer that says why, where it cannot be loaded. */
async function load(name: string): Promise<Contestant | undefined> {
  try {
    return await find(name);
  } catch (error) {
    answer({ missing: reasonOf(error) });
    return undefined;
  }
}

async function find(name: string): Promise<Contestant> {
  switch (name) {
    case "floor":
      return (await import("./contestants/floor.ts")).contestant;
    case "ours":
      return (await import("./contestants/ours.ts")).ours({});
    case "ours, blocking":
      return (await import("./contestants/ours.ts")).ours({ syncMode: "blocking" });
    case "ours, mapped":
      return (await import("./contestants/ours.ts")).ours({ memoryMap: "on" });
    case "lmdb":
      return (await import("./contestants/lmdb.ts")).lmdb();
    case "classic-level":
      return (await import("./contestants/level.ts")).level();
    default: {
      const [binding = "", isOpenEnded] = name.split(", ");
      return (await import("./contestants/sqlite.ts")).sqlite(binding, isOpenEnded !== undefined);
    }
  }
}

async function serve(found: Contestant): Promise<void> {
  const runner = new Runner(found);
  answer({ ready: found.version, hasGroupCommit: found.hasGroupCommit });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await runner.run(JSON.parse(line) as Trial));
    } catch (error) {
      answer({ error: reasonOf(error) });
    }
  }
  await runner.close();
}

/** The first line of what went wrong. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0] ?? text;
}
