/**
 * A warning to the people that run the program.
 *
 * @module
 */

/** The parts of the runtimes that are used. */
interface Runtime {
  readonly Deno?: unknown;
  readonly process?: { emitWarning(message: string, options: { code: string }): void };
}

/** Warns on the runtime's own way. */
export function warn(code: string, message: string): void {
  const { Deno, process }: Runtime = globalThis;
  // Deno's own emitWarning is without a code.
  if (Deno === undefined && process !== undefined) process.emitWarning(message, { code });
  else console.warn(`Warning (${code}): ${message}`);
}
