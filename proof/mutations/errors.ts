/**
 * The mutations of what the log makes of a runtime: of its errors, its bytes, its timers and what it
 * allows.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const BYTES = "tests/bytes_test.ts";
const CLOCK = "tests/fs/clock_test.ts";
const FILE_SYSTEM = "tests/fs/file_system_test.ts";
const PERMISSIONS = "tests/permissions_test.ts";
const SYSTEM_CALLS = "tests/fs/system_calls_test.ts";

/** The changes, each of which a test notices. */
export const ERRORS: readonly Mutation[] = [
  {
    name: "only arrays of this realm are bytes",
    in: "isBytes",
    find: 'kindOf?.call(value) === "Uint8Array" && isWhole(value as Uint8Array)',
    replace: "value instanceof Uint8Array",
    caughtBy: [BYTES, "one of another realm is taken, by every call, and copied"],
  },
  {
    name: "a detached array is an empty entry",
    in: "isBytes",
    find: '=== "Uint8Array" && isWhole(value as Uint8Array)',
    replace: '=== "Uint8Array"',
    caughtBy: [BYTES, "a detached one is refused, by every call, and nothing is written"],
  },
  {
    name: "the state shares the caller's memory",
    in: "copyOf",
    find: "return new Uint8Array(bytes);",
    replace: "return bytes.slice();",
    caughtBy: [BYTES, "a Buffer is taken, by every call, and copied"],
  },
  {
    name: "a fake of the timers that was there before is believed",
    in: "isRuntimes",
    find: 'handle !== null && "_destroyed" in handle',
    replace: "handle !== null",
    caughtBy: [CLOCK, "a log works with timers that were faked before it was loaded (modules too)"],
    hangs: true,
  },
  {
    name: "the timers are looked up at each use",
    in: "turnBy",
    find: "return () => new Promise((resolve) => void set(resolve));",
    replace: "return () => new Promise((resolve) => void (setImmediate as Set)(resolve, " +
      "Number(set)));",
    caughtBy: [CLOCK, "a log works with timers that were faked after it was loaded (globals)"],
    hangs: true,
  },
  {
    name: "Bun's own fake timers are believed",
    in: "isFaked",
    find: 'return "clock" in set;',
    replace: 'return "none" in set;',
    caughtBy: [CLOCK, "a log works with the fake timers of Bun's own test runner"],
  },
  {
    name: "an error without a name has no number either",
    in: "codeOf",
    find: "return BY_NUMBER[number] ?? others[number] ??",
    replace: "return",
    caughtBy: [
      SYSTEM_CALLS,
      "a killed writer's log opens although the quota leaves no space for the redo file",
    ],
    runtime: "node",
  },
  {
    name: "the numbers of one platform are taken for those of another",
    in: "BY_PLATFORM",
    find: "darwin: { ...BSD, 102",
    replace: "darwin: { ...LINUX, 102",
    caughtBy: [
      FILE_SYSTEM,
      "an error without a name is known by the system's number, on each platform",
    ],
  },
  {
    name: "an error of another copy of the library does not count",
    in: "isFileSystemError",
    find: 'return typeof code === "string" && isFileSystemErrorCode(code); }',
    replace: "return error instanceof FileSystemError && code !== undefined; }",
    caughtBy: [
      FILE_SYSTEM,
      "an error of another copy of the library, or of a file system of one's own, counts",
    ],
  },
  {
    name: "Deno asks for the parent of the log's directory",
    in: "DenoFileSystem.#requireRight",
    find: 'if (this.#isGranted({ name: "read", path: directory })) return;',
    replace: 'if (!this.#isGranted({ name: "read", path: directory })) return;',
    caughtBy: [
      PERMISSIONS,
      "on Deno, the rights for the log's directory are enough, and no more is asked for",
    ],
  },
  {
    name: "a directory is made before it is known whether its name can be made durable",
    in: "makeDirectories",
    find: "await fileSystem.syncDirectory(parent); await syncParentIfAllowed(fileSystem, parent);",
    replace: "await syncParentIfAllowed(fileSystem, parent);",
    caughtBy: [
      PERMISSIONS,
      "on Deno, a directory whose name could not be made durable is not made",
    ],
  },
  {
    name: "Node's permission model is met after the lock file was made",
    in: "NodeFileSystem.lock",
    find: "requireSyncs(path);",
    replace: "",
    caughtBy: [PERMISSIONS, "Node's permission model refuses every fsync, and the log says so"],
  },
];
