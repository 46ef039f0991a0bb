/**
 * What becomes of mapped files when their log rolls, is closed, disposed of, refused or forgotten, each in
 * a process of its own: a stale view would end it.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { Wal } from "../../mod.ts";
import { spawn } from "../../kit/child.ts";
import { command, ROOT, RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const LIMIT = { timeout: 60_000 } as const;

/** What the process has found. */
interface Found {
  readonly memoryMap: string;
  readonly wrong: readonly string[];
  readonly codes: readonly (string | null)[];
  readonly mapped: number;
}

/** Runs the process that does a thing to the log in a folder. */
async function live(folder: string, thing: string, beside?: () => Promise<void>): Promise<Found> {
  const script = join(ROOT, "tests/support/mapped_lives.ts");
  const { program, args } = command(script, thing, join(folder, "a.wal"));
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let errors = "";
  const ended = new Promise<readonly unknown[]>((done) => {
    child.on("close", (code, signal) => done([code, signal]));
  });
  const begun = new Promise<void>((done) => {
    child.stderr.on("data", (piece) => {
      errors += piece;
      done();
    });
    child.on("close", () => done());
  });
  child.stdout.on("data", (piece) => said += piece);
  if (beside !== undefined) {
    await begun;
    while (child.exitCode === null && child.signalCode === null) await beside();
  }
  assertEquals(await ended, [0, null], errors);
  const found = JSON.parse(said) as Found;
  assertEquals([found.wrong, found.mapped], [[], 0], thing);
  return found;
}

/** Whether this runtime is known to map files here. */
function maps({ memoryMap }: Found): boolean {
  if (memoryMap === "on") return true;
  assert(RUNTIME === "node" || process.platform !== "linux", memoryMap);
  return false;
}

test(
  "files that roll under loops and reads are read as they were appended",
  LIMIT,
  () => withFolder(async (folder) => void maps(await live(folder, "roll"))),
);

test(
  "a log that is closed reads nothing more, while it closes and after",
  LIMIT,
  () =>
    withFolder(async (folder) => {
      const { codes } = await live(folder, "close");
      // A follower ends.
      assertEquals(codes, [...Array.from({ length: 8 }, () => "ERR_WAL_CLOSED"), null]);
    }),
);

test("a log that is disposed of reads nothing more", LIMIT, () =>
  withFolder(async (folder) => {
    const { codes } = await live(folder, "dispose");
    assertEquals(codes, Array.from({ length: 3 }, () => "ERR_WAL_CLOSED"));
  }));

test(
  "a file that is refused after it was mapped leaves the others to be read",
  LIMIT,
  () =>
    withFolder(async (folder) => {
      const { codes } = await live(folder, "refuse");
      const each = ["ERR_WAL_CORRUPT", "ERR_WAL_LOCKED"];
      assertEquals(codes, [...each, ...each, ...each, "ERR_WAL_CORRUPT", "ERR_WAL_CLOSED"]);
    }),
);

test(
  "a process that reads lives while another cuts and appends",
  LIMIT,
  () =>
    withFolder(async (folder) => {
      const entry = (index: number): Uint8Array =>
        new Uint8Array(120 + index % 60).fill(index % 251);
      const log = await Wal.open(join(folder, "a.wal"), {
        segmentSize: 128 * 1024,
        memoryMap: "on",
      });
      const fill = (): void => {
        while (log.lastIndex < 3000) log.append(entry(log.lastIndex + 1));
      };
      fill();
      let cuts = 0;
      await live(folder, "read beside", async () => {
        await log.truncateFromIndex(300 + (cuts++ * 611) % 2600);
        fill();
        await log.sync();
      });
      assert(cuts > 5, `${cuts} cuts`);
      await log.close();
    }),
);

test(
  "the memory of a log that was never closed is given back when it is collected",
  LIMIT,
  () => withFolder(async (folder) => void maps(await live(folder, "abandon"))),
);
