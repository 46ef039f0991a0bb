/**
 * A process that may open no more files, or only a few: what cannot be done is not begun, and is done
 * once there are some again.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertRejects } from "@std/assert";
import { type FileSystem, FileSystemError, Wal, WalError } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { spawnSync } from "../kit/child.ts";
import { like } from "../kit/like.ts";
import { bytes } from "../kit/logs.ts";
import { command, ROOT } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

test("a roll for which too few files may be opened is refused, and made when it can be", {
  timeout: 60_000,
}, () =>
  withFolder((folder) => {
    if (process.platform === "win32") return; // It has no such limit.
    const file = join(ROOT, "tests/support/few_files.ts");
    const { program, args } = command(file, join(folder, "a.wal"));
    // As the shell's own limit: Bun and Deno raise theirs as far as they may.
    const script = ["-c", 'ulimit -n 90; exec "$@"', "sh", program, ...args];
    const { stdout, stderr } = spawnSync("sh", script, { encoding: "utf8" });
    const refused = "ERR_WAL_WRITE_FAILED by EMFILE";
    const wanted = [[refused, refused], [refused, "done"], ["done", "done"]].map(
      ([rolls, state], free) => ({
        ...{ free, rolls, again: rolls, state, synced: "done", after: "done", stored: "done" },
        ...{ hasRolled: true, closed: "done", isWhole: true },
      }),
    );
    assertEquals([stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), stderr], [
      wanted,
      "",
    ]);
  }));

const CALLS: Readonly<Record<string, (log: Wal) => Promise<void>>> = {
  "truncateFromIndex, of a full segment": (log) => log.truncateFromIndex(2),
  "reset, to a lower index": (log) => log.reset(1),
  "reset, to a higher index": (log) => log.reset(100),
  "setState": (log) => log.setState(bytes("state")),
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`what cannot be begun leaves the log as it was, and open: ${name}`, async () => {
    const disk = new MemoryFileSystem();
    let isFull = false;
    const fileSystem = like<FileSystem>(disk, {
      open: (path, mode) => {
        if (isFull) throw new FileSystemError("EMFILE", "Open", path);
        return disk.open(path, mode);
      },
    });
    const log = await Wal.open("a.wal", { fileSystem, segmentSize: 256 });
    for (let i = 1; i <= 12; i++) await log.appendAndSync(bytes(`entry ${i} of the log`));
    const before = log.readAll();
    isFull = true;
    const error = await assertRejects(() => call(log), WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    isFull = false;
    assertEquals([log.readAll(), log.state.length], [before, 0]);
    assertEquals(log.append(bytes("more")), 13);
    await call(log);
    await log.close();
  });
}
