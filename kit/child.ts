/**
 * `spawn` and `spawnSync` for tests, as `node:child_process` has them. Where a program dies of a defect
 * of its runtime, they note it: then `npm test` runs the step once more, and says so.
 *
 * @module
 */
import * as child from "node:child_process";
import { isRuntimeCrash, noteCrash } from "./crashes.ts";

export type { ChildProcess, ChildProcessByStdio } from "node:child_process";

/** Starts a program. */
export const spawn: typeof child.spawn = ((
  program: string,
  args: string[],
  options: child.SpawnOptions,
) => {
  const started = child.spawn(program, args, options);
  started.once("exit", (_, signal) => {
    if (isRuntimeCrash(signal) && !started.killed) noteCrash(signal, program, args);
  });
  return started;
}) as typeof child.spawn;

/** Runs a program to its end. */
export const spawnSync: typeof child.spawnSync = ((
  program: string,
  args: string[],
  options: child.SpawnSyncOptions,
) => {
  const ended = child.spawnSync(program, args, options);
  if (isRuntimeCrash(ended.signal)) noteCrash(ended.signal, program, args);
  return ended;
}) as typeof child.spawnSync;
