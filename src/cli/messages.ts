/**
 * The messages of the library, in the words of the command line: what a program does with an option
 * of the log, a person does with a command.
 *
 * @module
 */
import type { WalError } from "../errors.ts";
import type { FileSystemError } from "../fs/file_system.ts";

/** What the library says, and what it is here. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bOpen it with \{ maxEntrySize: (\d+) \} or more\b/g, "Give --max-entry-size $1 or more"],
  [/\{ maxEntrySize(?:: (\d+))? \}/g, "--max-entry-size $1"],
  [
    /\bTo continue (without them|with what is before them), open the log with \{ recovery: "salvage" \}: /g,
    "To continue $1, run `wal repair`: ",
  ],
  [/\bopen the log with \{ recovery: "salvage" \}/g, "run `wal repair`"],
  [
    /\bor open (?:it )?with \{ readOnly: true \}/g,
    "or only read it, with `wal cat`, `tail`, `inspect`, `verify` or `recover`",
  ],
  [/\bopen the log with a larger maxEntrySize\b/g, "give a larger --max-entry-size"],
  [/\bopen the log without \{ format: 1 \}/g, "begin a new log without --format 1"],
];

/** The message with the code at its end. */
export function messageOf({ message, code }: WalError | FileSystemError): string {
  let text = message;
  for (const [words, here] of WORDS) text = text.replaceAll(words, here);
  const end = `(${code})`;
  return text.endsWith(end) ? text : `${text} ${end}`;
}
