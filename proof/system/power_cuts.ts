/**
 * Power cuts on file systems that are there in practice, and the same with a file system that lies,
 * which shows that the harness would notice.
 *
 * @module
 */
import { type Edition, RUNTIMES } from "../../kit/runtime.ts";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { installed, loopMount } from "./needs.ts";
import type { Settings } from "./part.ts";
import { PowerCuts } from "./power_cut.ts";
import { PowerCutViolation } from "./power_cut_oracle.ts";
import type { Kind } from "./workshop.ts";

const KINDS: readonly Kind[] = ["ext4", "xfs"];

/** What can map files. */
const MAPPING: readonly Edition[] = ["deno", "bun", "node26"];

/** Within how many power cuts the lie has to be noticed. */
const MAX_LIES = 20;

/** Every entry that was acknowledged as durable is there after every power cut. */
export async function powerCut({ workshop, report, seed, cuts }: Settings): Promise<void> {
  for (const kind of KINDS) {
    for (const [i, runtime] of RUNTIMES.entries()) {
      const times = Math.floor((cuts[kind] + i) / RUNTIMES.length);
      if (times === 0) continue;
      await report.check(`power cuts on ${kind}, ${runtime}`, [loopMount(kind)], async () => {
        const mount = workshop.mountImage(kind);
        try {
          const log = new PowerCuts({ workshop, mount, runtime, seed, way: "honest" });
          await log.cut(times);
          return `${times} cuts, ${log.changes} changes, ${log.acknowledged} entries ` +
            `acknowledged as durable, 0 lost; ${log.gone} others gone`;
        } finally {
          mount.remove();
        }
      });
    }
  }
}

/** The same of a log whose files are mapped, and which stores what it appends. */
export async function mappedPowerCut({ workshop, report, seed, cuts }: Settings): Promise<void> {
  for (const kind of KINDS) {
    for (const [i, runtime] of MAPPING.entries()) {
      const times = Math.floor((cuts[kind] + i) / MAPPING.length);
      if (times === 0) continue;
      const title = `power cuts on ${kind}, ${runtime}, mapped`;
      await report.check(title, [loopMount(kind), installed(runtime)], async () => {
        const mount = workshop.mountImage(kind);
        try {
          const log = new PowerCuts({ workshop, mount, runtime, seed, way: "mapped" });
          await log.cut(times);
          if (log.stored === 0) throw new Error("nothing was stored");
          return `${times} cuts, ${log.changes} changes, at least ${log.stored} entries stored, ` +
            `${log.acknowledged} acknowledged as durable, 0 lost; ${log.gone} others gone`;
        } finally {
          mount.remove();
        }
      });
    }
  }
}

/** A sync that is reported and not made is noticed. */
export async function lyingSync({ workshop, report, seed }: Settings): Promise<void> {
  for (const kind of KINDS) {
    for (const runtime of RUNTIMES) {
      const title = `control: a lying fdatasync on ${kind}, ${runtime}`;
      await report.check(title, [loopMount(kind)], async () => {
        const mount = workshop.mountImage(kind);
        try {
          return await untilCaught(
            new PowerCuts({ workshop, mount, runtime, seed, way: "lying" }),
          );
        } finally {
          mount.remove();
        }
      });
    }
  }
}

/** Cuts the power until acknowledged entries are lost. */
async function untilCaught(log: PowerCuts): Promise<string> {
  for (let cuts = 1; cuts <= MAX_LIES; cuts++) {
    try {
      await log.cut(1);
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      if (error instanceof PowerCutViolation && error.lost > 0) {
        return `caught at cut ${cuts}: ${error.lost} acknowledged entries lost`;
      }
      // Noticed too, but lost entries are what is to be shown.
      log.beginAgain();
    }
  }
  throw new Error(`the lying fdatasync was not caught in ${MAX_LIES} power cuts`);
}
