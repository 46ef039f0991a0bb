/**
 * Explores what crashes may leave of state machines, with outboxes and without, and of durable maps, on
 * each runtime: the machine dies before each call that changes something, or a call fails, and every
 * state in which the disk may then be is opened and judged. The runtimes must see the same states.
 *
 * ```sh
 * npm run machines                       # 10,000 states of a machine and more, and as many of a map
 * npm run machines -- --states 100 --runtime node
 * ```
 *
 * A broken promise prints the crash and the state of the disk, and the exit code is 1.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  BrokenPromise,
  type Exploration,
  exploreCrashes,
  exploreFaults,
  type FailedSync,
} from "../../src/testing/testing.ts";
import { commandOn, RUNTIMES } from "../../kit/runtime.ts";
import {
  newOutboxTally,
  type OutboxTally,
  outboxTrial,
  slowFile,
  useOutbox,
} from "./outbox_trial.ts";
import {
  type MachineTally,
  machineTrial,
  mapTrial,
  newMachineTally,
  slowSyncs,
  useMachine,
} from "./trials.ts";

const USAGE = `Usage: machines [--runtime ${RUNTIMES.join("|")}] [--states N]`;

const FAILED_SYNCS: readonly FailedSync[] = ["ext4", "xfs", "btrfs"];

const SLOW = [
  ["a slow log", (call: string): boolean => !call.includes(".snapshot-")],
  ["slow snapshots", (call: string): boolean => call.includes(".snapshot-")],
] as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      states: { type: "string", default: "128" },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const states = Number(values.states);
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const isWrong = runtimes.length < new Set(values.runtime).size || !(states >= 1);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.here) return await explore(states);
  const digests = new Set<string>();
  for (const runtime of runtimes) {
    const args = ["--here", "--states", values.states];
    const { program, args: all } = commandOn(runtime, fileURLToPath(import.meta.url), ...args);
    const { stdout, status } = spawnSync(program, all, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    for (const line of stdout.trimEnd().split("\n")) console.log(`${runtime}: ${line}`);
    if (status !== 0) return 1;
    digests.add(stdout.match(/digest \S+/g)?.join(" ") ?? "");
  }
  if (digests.size === 1) return 0;
  console.error("The runtimes did not see the same states");
  return 1;
}

/** Explores on this runtime, with at most so many states for each crash. */
async function explore(statesPerCrash: number): Promise<number> {
  try {
    for (const way of ["immutable", "mutating"] as const) {
      const crashes = newMachineTally();
      const trial = machineTrial(useMachine, way, crashes);
      tell(`machine, ${way}`, await exploreCrashes(trial, { statesPerCrash }), crashes);
      for (const [what, isSlow] of SLOW) {
        const slow = newMachineTally();
        const options = { statesPerCrash, observe: slowSyncs(isSlow) };
        const explored = await exploreCrashes(machineTrial(useMachine, way, slow), options);
        tell(`machine, ${way}, ${what}`, explored, slow);
      }
      const apart = newMachineTally();
      const choices = { segmentSize: 512, isOffloaded: true };
      const offloaded = machineTrial(useMachine, way, apart, choices);
      tell(
        `machine, ${way}, offloaded`,
        await exploreCrashes(offloaded, { statesPerCrash }),
        apart,
      );
      for (const failedSync of FAILED_SYNCS) {
        const faults = newMachineTally();
        const faulty = machineTrial(useMachine, way, faults);
        const most = Math.ceil(statesPerCrash / 16);
        const options = { failedSync, statesPerCrash: most };
        tell(
          `machine, ${way}, faults as on ${failedSync}`,
          await exploreFaults(faulty, options),
          faults,
        );
      }
    }
    const tally = newMachineTally();
    tell("map", await exploreCrashes(mapTrial(tally), { statesPerCrash }), tally);
    for (const failedSync of FAILED_SYNCS) {
      const faults = newMachineTally();
      const options = { failedSync, statesPerCrash: Math.ceil(statesPerCrash / 16) };
      tell(
        `map, faults as on ${failedSync}`,
        await exploreFaults(mapTrial(faults), options),
        faults,
      );
    }
    await exploreOutbox(statesPerCrash);
    return 0;
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    console.log(`BROKEN  ${error.message}`);
    return 1;
  }
}

/** The same of a machine that hands messages over to a queue. */
async function exploreOutbox(statesPerCrash: number): Promise<void> {
  for (const file of ["none", "a.wal", "mail.wal"]) {
    const tally = newOutboxTally();
    const observe = slowFile(file);
    const options = { statesPerCrash: Math.ceil(statesPerCrash / 4), observe };
    tellOutbox(
      `outbox, ${file} slow`,
      await exploreCrashes(outboxTrial(useOutbox, tally), options),
      tally,
    );
  }
  const tally = newOutboxTally();
  const options = { statesPerCrash: Math.ceil(statesPerCrash / 64) };
  const explored = await exploreFaults(outboxTrial(useOutbox, tally), options);
  tellOutbox("outbox, faults", explored, tally);
}

function tellOutbox(
  what: string,
  { crashes, states }: Exploration,
  { withPending, digest }: OutboxTally,
): void {
  console.log(
    `${what}: ${crashes} crashes, ${states} states, ${withPending} with something to hand over, ` +
      `digest ${digest}`,
  );
}

function tell(
  what: string,
  { crashes, states }: Exploration,
  { fromSnapshot, digest }: MachineTally,
): void {
  console.log(
    `${what}: ${crashes} crashes, ${states} states, ${fromSnapshot} from a snapshot, digest ${digest}`,
  );
}
