/**
 * The commands on the logs of state machines and durable maps, which they show in their own terms.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "../../kit/child.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import { DurableMap } from "../../src/map/map.ts";
import { Queue, text } from "../../src/queue/queue.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };

function run(...args: string[]): { status: number | null; lines: string[] } {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout } = spawnSync(program, before, { encoding: "utf8" });
  return { status, lines: stdout === "" ? [] : stdout.trimEnd().split("\n") };
}

test("a machine's log is shown with its events, keys and snapshots", options, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const machine = await StateMachine.open(path, {
      initial: () => 0,
      apply: (sum: number, { amount }: { amount: number }) => sum + amount,
      now: () => Date.UTC(2026, 0, 1),
    });
    await machine.dispatch({ amount: 1 }, { key: "a" });
    await machine.dispatch({ amount: 2 });
    await machine.snapshot();
    await machine.close();
    assertEquals(run("cat", path).lines, [
      '1 2026-01-01T00:00:00.000Z v1 {"amount":1} key "a"',
      '2 2026-01-01T00:00:00.000Z v1 {"amount":2}',
    ]);
    const [first] = run("cat", path, "--json").lines.map((line) => JSON.parse(line));
    assertEquals([first.key, first.event.value], ["a", { amount: 1 }]);
    const { lines } = run("inspect", path);
    assertStringIncludes(lines.join("\n"), 'a state machine\'s log with the codec "json"');
    assertStringIncludes(lines.join("\n"), "snapshot 1 up to index 2");
  });
});

test("messages of a machine are shown, and how far they were handed over", options, async () => {
  await withFolder(async (folder) => {
    const mail = await Queue.open(join(folder, "mail.wal"), { codec: text() });
    const path = join(folder, "a.wal");
    const machine = await StateMachine.open(path, {
      initial: () => 0,
      apply: (sum: number, amount: number) => sum + amount,
      now: () => Date.UTC(2026, 0, 1),
      queues: { mail },
    });
    await machine.dispatch(5, { key: "a", enqueue: { mail: ["hello", "you"] } });
    await machine.close();
    await mail.close();
    assertEquals(run("cat", path).lines, [
      '1 2026-01-01T00:00:00.000Z v1 5 key "a" for "mail" "hello" "you"',
      '2 handed over to "mail" up to 1',
    ]);
    const [first, second] = run("cat", path, "--json").lines.map((line) => JSON.parse(line));
    const messages = [{ value: "hello" }, { value: "you" }];
    assertEquals(first.enqueue, [{ queue: "mail", messages }]);
    assertEquals(second.handedOver, { queue: "mail", index: 1 });
    const copy = join(folder, "copy.wal");
    writeFileSync(join(folder, "lines"), run("cat", path, "--json").lines.join("\n"));
    assertEquals(run("import", copy, join(folder, "lines")).status, 0);
  });
});

test("a map's log is shown with its changes", options, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const map = await DurableMap.open<string, unknown>(path);
    await map.set("a", { b: 1 });
    await map.delete("a");
    await map.set("c", "x");
    await map.clear();
    await map.close();
    assertEquals(run("cat", path).lines, [
      '1 set "a" {"b":1}',
      '2 delete "a"',
      '3 set "c" "x"',
      "4 clear",
    ]);
    const [first] = run("cat", path, "--json").lines.map((line) => JSON.parse(line));
    assertEquals(first.change, { set: "a", value: { b: 1 } });
  });
});
