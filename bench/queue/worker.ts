/**
 * Measures the ways of a queue on the runtime that runs this, and prints one line of JSON for each.
 *
 * @module
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { RUNTIME } from "../../kit/runtime.ts";
import { FOLDER } from "../contestants/packages.ts";
import { mailOf, openWay, WAYS } from "./ways.ts";

/** What was measured: messages a second, each the median of the rounds. */
export interface QueueRates {
  readonly way: string;
  readonly enqueued: number;
  readonly worked: number;
}

await main(process.argv.slice(2));

async function main([folder = "", batch = "", seconds = "", rounds = ""]: string[]): Promise<void> {
  for (const name of WAYS) {
    if (!isHere(name)) continue;
    const rates: { enqueued: number; worked: number }[] = [];
    for (let round = 0; round < Number(rounds); round++) {
      rates.push(
        await measure(name, join(folder, name.replace(":", "-")), Number(batch), Number(seconds)),
      );
    }
    const enqueued = median(rates.map(({ enqueued }) => enqueued));
    const worked = median(rates.map(({ worked }) => worked));
    console.log(JSON.stringify({ way: name, enqueued, worked } satisfies QueueRates));
  }
}

function isHere(name: string): boolean {
  if (name === "bun:sqlite") return RUNTIME === "bun";
  if (name === "better-sqlite3") return RUNTIME === "node" && isInstalled(name);
  return name !== "node:sqlite" || RUNTIME !== "bun";
}

/** Whether a peer is there, as `npm ci --prefix bench` installs it. */
function isInstalled(name: string): boolean {
  return existsSync(join(FOLDER, "node_modules", name));
}

/** Enqueues for so many seconds, then takes all of it out again. */
async function measure(
  name: string,
  folder: string,
  batch: number,
  seconds: number,
): Promise<{ enqueued: number; worked: number }> {
  mkdirSync(folder, { recursive: true });
  const way = await openWay(name, join(folder, "queue"));
  let [count, wanted] = [0, 0];
  const mails = (): ReturnType<typeof mailOf>[] =>
    Array.from({ length: batch }, () => {
      wanted += ++count;
      return mailOf(count);
    });
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) await way.enqueue(mails());
  const enqueued = count / (performance.now() - start) * 1000;
  let [worked, sum] = [0, 0];
  if (name !== "log") {
    const began = performance.now();
    for (let left = count; left > 0; left -= batch) sum += await way.work(batch);
    worked = count / (performance.now() - began) * 1000;
    if (sum !== wanted) throw new Error(`${name}: the ids sum up to ${sum}, and not ${wanted}`);
  }
  await way.close();
  rmSync(folder, { recursive: true });
  return { enqueued, worked };
}

function median(numbers: number[]): number {
  return Math.round(numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0);
}
