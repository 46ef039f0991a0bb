/**
 * A process of a pair.
 *
 * @module
 */
import { join } from "node:path";
import { spawn } from "../../kit/child.ts";
import { commandOn, ROOT, type Runtime } from "../../kit/runtime.ts";

/** The process. */
export interface Child {
  /** Resolves when it has ended well; rejects if it has failed. */
  readonly ended: Promise<void>;
  /** Rejects if it ends by itself and not well; never resolves. */
  readonly failed: Promise<never>;
  /** Kills it, if it has not ended, and waits for its end. */
  kill(): Promise<void>;
}

/** Starts a program of this folder. */
export function run(runtime: Runtime, file: string, ...args: string[]): Child {
  const { program, args: all } = commandOn(runtime, join(ROOT, "proof/readers", file), ...args);
  const child = spawn(program, all, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => errors += text);
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve();
      else {reject(
          new Error(`${file} on ${runtime} ended with ${signal ?? code}: ${errors.trim()}`),
        );}
    });
  });
  const failed = new Promise<never>((_, reject) => ended.catch(reject));
  // The calls that wait for each one look at it.
  failed.catch(() => {});
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
  };
  return { ended, failed, kill };
}
