/**
 * What the fuzzer finds: something that must not be, whatever the files hold.
 *
 * @module
 */
import { WalError } from "../../src/errors.ts";
import { FileSystemError } from "../../src/fs/file_system.ts";

/** Something that must not be. */
export class Finding extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Finding";
  }
}

/** What an error's first line says, without the numbers and names by which two of a kind differ. */
export function gistOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [line = ""] = error.message.split("\n");
  const message = line.replaceAll(/"[^"]*"/g, '""').replaceAll(/-?\d[\d.e+]*/g, "#");
  return `${error.name}: ${message.slice(0, 300)}`;
}

/** The gist of an error that may be thrown; any other is a finding. */
export function expected(error: unknown): string {
  if (error instanceof Finding) throw error;
  if (error instanceof WalError || error instanceof FileSystemError) return gistOf(error);
  const shown = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  throw new Finding(`an error without a type: ${shown}`, { cause: error });
}

/** Finds fault unless a condition holds. */
export function require(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Finding(what);
}
