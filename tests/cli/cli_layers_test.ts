/**
 * The commands on the logs of layers, which they show in the layers' own terms.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "../../kit/child.ts";
import { bytes, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";
import { type Codec, EventLog, json } from "../../src/events/events.ts";
import { Queue } from "../../src/queue/queue.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };
const now = (): number => Date.UTC(2026, 0, 1);

function run(...args: string[]): { status: number | null; lines: string[]; stderr: string } {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout, stderr } = spawnSync(program, before, { encoding: "utf8" });
  return { status, lines: stdout === "" ? [] : stdout.trimEnd().split("\n"), stderr };
}

/** Makes a log of two events, and an entry that is none. */
async function withEvents(
  body: (path: string, folder: string) => Promise<void> | void,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "orders.wal");
    const log = await EventLog.open(path, { codec: json(), now });
    await log.append({ id: 7 });
    await log.close();
    const untimed = await EventLog.open(path, { codec: json(), timestamps: false });
    await untimed.append(["größe"]);
    await untimed.close();
    await withLog(path, {}, (log) => log.appendAndSync(bytes("")).then(() => {}));
    await body(path, folder);
  });
}

test("cat and tail show an event's time, version and value", options, async () => {
  await withEvents((path) => {
    const lines = [
      '1 2026-01-01T00:00:00.000Z v1 {"id":7}',
      '2 - v1 ["größe"]',
      "3 no event: base64",
    ];
    assertEquals(run("cat", path), { status: 0, lines, stderr: "" });
    assertEquals(run("tail", "-n", "2", path).lines, lines.slice(1));
    assertEquals(run("cat", path, "--raw", "--from", "2").lines[0], '\u0001["größe"]');
    assertEquals(run("tail", "-n", "3", path, "--raw").lines[1], '\u0001["größe"]');
  });
});

test("cat --json has the event beside the bytes, and import takes its lines", options, async () => {
  await withEvents((path, folder) => {
    const { lines } = run("cat", path, "--json");
    const [first, second, third] = lines.map((line) => JSON.parse(line));
    assertEquals(first.event, { version: 1, time: "2026-01-01T00:00:00.000Z", value: { id: 7 } });
    assertEquals(second.event, { version: 1, time: null, value: ["größe"] });
    assertEquals([third.index, third.event, third.text], [3, null, ""]);
    writeFileSync(join(folder, "lines"), lines.join("\n"));
    assertEquals(run("import", join(folder, "copy.wal"), join(folder, "lines")).status, 0);
    const raw = run("cat", path, "--raw", "--json").lines;
    assertEquals(run("cat", join(folder, "copy.wal"), "--json").lines, raw);
    assertEquals("event" in JSON.parse(raw[0] ?? ""), false);
  });
});

test("recover --into keeps the layer", options, async () => {
  await withEvents(async (path, folder) => {
    const copy = join(folder, "copy.wal");
    assertEquals(run("recover", path, "--into", copy).status, 0);
    await using log = await EventLog.open(copy, { codec: json() });
    assertEquals(log.get(1).value, { id: 7 });
  });
});

test("inspect tells the layer and its codec", options, async () => {
  await withEvents((path) => {
    const { lines } = run("inspect", path);
    assertStringIncludes(lines.join("\n"), '\nlayer     a log of events with the codec "json"\n');
    const report = JSON.parse(run("inspect", path, "--json").lines[0] ?? "");
    assertEquals(report.meta.layer, {
      kind: "events",
      codec: "json",
      format: 1,
      words: ['a log of events with the codec "json"'],
    });
  });
});

test("a value of a codec that is not the layers' own is shown as bytes", options, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const codec: Codec<number> = {
      name: "byte",
      encode: (value) => Uint8Array.of(value),
      decode: ([value = 0]) => value,
    };
    const log = await EventLog.open(path, { codec, now });
    await log.append(255);
    await log.close();
    assertEquals(run("cat", path).lines, ["1 2026-01-01T00:00:00.000Z v1 base64 /w=="]);
  });
});

test("a queue is shown by its messages, its consumers and what these did", options, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "mail.wal");
    const mail = await Queue.open(path, { codec: json<string>() });
    await mail.enqueue(["a", "b"], {});
    await mail.enqueue(["c"], { key: "k", delay: 60_000 });
    const smtp = mail.consumer("smtp");
    const [job] = await smtp.reserve();
    await job?.ack();
    await mail.close();
    const lines = run("cat", path).lines.map((line) =>
      line.replaceAll(/\d{4}-[-\d]+T[\d:.]+Z/g, "TIME")
    );
    for (
      const wanted of [
        /^\d+ TIME message "a"$/,
        /^\d+ TIME message "c" due TIME key "k"$/,
        /^\d+ consumer 1 "smtp" from first$/,
        /^\d+ consumer 1 delivered \d+$/,
        /^\d+ consumer 1 acked \d+$/,
      ]
    ) {
      assertEquals(lines.filter((line) => wanted.test(line)).length, 1, lines.join("\n"));
    }
    const json_ = run("cat", path, "--json").lines.map((line) => JSON.parse(line));
    assertEquals(json_.every(({ record }) => record !== null), true);
    assertStringIncludes(
      run("inspect", path).lines.join("\n"),
      "\nlayer     a queue with the codec",
    );
  });
});

test("append refuses a log of a layer", options, async () => {
  await withEvents((path, folder) => {
    writeFileSync(join(folder, "line"), "a line");
    const { status, stderr } = run("append", path, join(folder, "line"));
    assertEquals(status, 1);
    assertStringIncludes(stderr, "a log of events with the codec");
    assertEquals(run("cat", path).lines.length, 3);
  });
});
