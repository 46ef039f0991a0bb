/**
 * The arguments of a command: what `parseArgs` makes of them, checked.
 *
 * @module
 */
import { reasonOf } from "../errors.ts";
import { memberOf } from "../fs/file_system.ts";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { MAX_LENGTH } from "../format/frame.ts";
import { resolveOptions } from "../options.ts";

/** The program was called in a way that makes no sense. */
export class UsageError extends Error {}

type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;

/** The option that every command that reads or writes entries has. */
export const MAX_ENTRY_SIZE = { "max-entry-size": { type: "string" } } as const;

/** What a command was given. */
export interface Parsed<T extends OptionsConfig> {
  /** The path of the log. */
  readonly log: string;
  /** The arguments after it. */
  readonly rest: string[];
  /** The options. */
  readonly values: ReturnType<
    typeof parseArgs<{ options: T; allowPositionals: true }>
  >["values"];
}

/**
 * Takes the arguments of a command apart.
 *
 * @param most How many arguments may follow the path of the log.
 * @throws {UsageError} If they make no sense.
 */
export function parseArguments<const T extends OptionsConfig>(
  args: string[],
  options: T,
  most = 0,
): Parsed<T> {
  const { values, positionals } = parse(args, options);
  const [log, ...rest] = positionals;
  if (log === undefined || log === "") throw new UsageError("The path of the LOG is missing.");
  if (rest.length > most) throw new UsageError(`Unexpected argument "${rest[most]}".`);
  return { log, rest, values };
}

function parse<const T extends OptionsConfig>(
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    if (!String(memberOf(error, "code")).startsWith("ERR_PARSE_ARGS")) throw error;
    // The sentences after the first are about positional arguments that look like options.
    throw new UsageError(`${reasonOf(error).split(". ", 1)[0]}.`);
  }
}

/** The whole number that an option was given, or `undefined` if the option is absent. */
export function wholeNumber(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value)) return value;
  const wanted = value > Number.MAX_SAFE_INTEGER
    ? `at most ${Number.MAX_SAFE_INTEGER}`
    : "a whole number";
  throw new UsageError(`--${option} must be ${wanted}, not "${given}".`);
}

/** The largest entry that a command takes, in bytes. */
export function maxEntrySizeOf(values: { "max-entry-size"?: string }): number {
  const maxEntrySize = wholeNumber("max-entry-size", values["max-entry-size"]);
  if (maxEntrySize === undefined) return resolveOptions({}).maxEntrySize;
  if (maxEntrySize >= 1 && maxEntrySize <= MAX_LENGTH) return maxEntrySize;
  throw new UsageError(
    `--max-entry-size must be from 1 to ${MAX_LENGTH} bytes, not ${maxEntrySize}.`,
  );
}
