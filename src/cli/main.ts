/**
 * The command-line tool: it appends to logs, reads them, checks them, and mends them.
 *
 * @example In a shell, with any of the three runtimes
 * ```sh
 * alias wal="deno run --allow-read --allow-write jsr:@durable/wal/cli" # or: bun or node src/cli/main.ts
 *
 * echo hello | wal append data/server.wal
 * wal cat data/server.wal --from 1 --json
 * wal inspect data/server.wal --frames
 * wal verify data/server.wal
 * ```
 *
 * @module
 */
import { existsSync, realpathSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { WalError } from "../errors.ts";
import { isFileSystemError } from "../fs/file_system.ts";
import { append } from "./append.ts";
import { UsageError } from "./arguments.ts";
import { cat } from "./cat.ts";
import { importLines } from "./import.ts";
import { inspect } from "./inspect.ts";
import { messageOf } from "./messages.ts";
import { printLines, write } from "./output.ts";
import { recover } from "./recover.ts";
import { repair } from "./repair.ts";
import { tail } from "./tail.ts";
import { truncate } from "./truncate.ts";
import { verify } from "./verify.ts";
import { VERSION } from "./version.ts";

const USAGE = `Usage: wal COMMAND LOG [OPTIONS]

Commands:
  append LOG [FILE]        Append each line of FILE, or of the standard input, and make it durable.
    --format 1|2           The format of a new log; an existing one keeps its own (default 2).
  cat LOG                  Write each entry as a line.
    --from N, --to N       Only the entries from index N, up to index N.
    --json                 One JSON object a line, with "index" and "text" or else "base64".
    --raw                  Also of a layer's log the bytes alone: no time, version and value.
    --skip-damaged         Continue after damage, and report it; exits with 1 if there is some.
  inspect LOG              Tell what is in the files and what opening would do. Takes no lock and
                           changes nothing. Exits with 1 if opening would be refused.
    --frames               List every frame too.
    --json                 One JSON object for the log, then one a line for each frame.
  verify LOG               Check every byte that a checksum covers, and name each damaged place. Takes
                           no lock and changes nothing. Exits with 1 if there is damage.
    --speed                Tell also how that compares with only reading the files.
  tail LOG                 Write the last entries as lines.
    -n, --lines N          How many (default 10).
    -f, --follow           Then those that come, each once it is durable, until interrupted.
    --no-durable           With -f: each as soon as it is appended.
    --json, --raw          As for cat.
  truncate LOG             Drop entries for good.
    --from N               The entry at index N and all after it.
    --before N             All entries below index N.
    --dry-run              Only tell what would be dropped.
  recover LOG              Write every whole entry of a damaged log as a line of JSON, and between them
                           what is missing. LOG may also be one segment's file, or one that was set
                           aside. Takes no lock and changes nothing. Exits with 1 if something is
                           missing.
    -o, --output FILE      Into a new file, and not to the standard output.
    --into NEW             Take the entries into a new log, and tell which index each has there.
    --certain              Leave out what may be no entry of the log.
    --all                  Also entries that were dropped, or are of batches that are not whole.
    --no-set-aside         Not what is in ".cut-" files.
  import LOG [FILE]        Append the entries of FILE, or of the standard input, which has lines as
                           recover and cat --json write them, and make them durable.
    --all                  Also those that recover marked as dropped or of batches that are not whole.
  repair LOG               Make a damaged log open again, with the entries before the damage. What
                           cannot be kept is set aside in ".cut-" files.
    --dry-run              Only tell what would be done.

Options of every command:
  --max-entry-size BYTES   The largest entry (default 10 MiB).
  --help                   Print this.
  --version                Print the version.

Exit codes: 0 done, 1 an error of the log or its file, or damage, 2 a mistake in the usage.`;

const COMMANDS: ReadonlyMap<string, (args: string[]) => Promise<number>> = new Map([
  ["append", append],
  ["cat", cat],
  ["import", importLines],
  ["inspect", inspect],
  ["recover", recover],
  ["repair", repair],
  ["tail", tail],
  ["truncate", truncate],
  ["verify", verify],
]);

/**
 * Runs the tool on the standard streams.
 *
 * @param args The arguments after the program's name.
 * @returns The exit code: 0 if all went well, 1 for an error of the log, 2 for a mistake in the usage.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@durable/wal/cli";
 *
 * assertEquals(await main(["--version"]), 0);
 * ```
 */
export async function main(args: string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      await write(process.stderr, `wal: ${error.message}\n\n${USAGE}\n`);
      return 2;
    }
    if (error instanceof WalError || isFileSystemError(error)) {
      await write(process.stderr, `wal: ${messageOf(error)}\n`);
      return 1;
    }
    throw error;
  }
}

async function run(args: string[]): Promise<number> {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  if (options.includes("--help") || options.includes("-h")) {
    await printLines([USAGE]);
    return 0;
  }
  if (options.includes("--version")) {
    await printLines([VERSION]);
    return 0;
  }
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError("The COMMAND is missing.");
  const command = COMMANDS.get(name);
  if (command === undefined) throw new UsageError(`Unknown command "${name}".`);
  return await command(rest);
}

/** Whether this is the program, and not a module that another one imports. */
function isMain(): boolean {
  // Node has import.meta.main since 24.2.
  const { main }: { main?: boolean } = import.meta;
  if (main !== undefined) return main;
  const program = process.argv[1];
  return program !== undefined && existsSync(program) &&
    realpathSync(program) === fileURLToPath(import.meta.url);
}

// Not by way of exitCode: a read of the standard input that no one waits for must not hold the end
// up.
if (isMain()) process.exit(await main(process.argv.slice(2)));
