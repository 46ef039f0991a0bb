/**
 * The examples, run for real.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes, fail } from "@std/assert";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { largest, linesOf } from "../examples/crash/lines.ts";
import { cutPower } from "../examples/crash/power_cut.ts";
import { findLoss } from "../examples/crash/verify.ts";
import { Wal } from "../mod.ts";
import { type ChildProcess, spawn } from "../kit/child.ts";
import { type Command, command, commandOn, ROOT } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

const CRASH = join(ROOT, "examples/crash/main.ts");
const SERVER = join(ROOT, "examples/key_value_server.ts");
const SCRIPT = join(ROOT, "examples/durable_script.ts");
const LINES = join(ROOT, "examples/line_log.ts");
const SHARED = join(ROOT, "examples/shared_log.ts");
const BANK = join(ROOT, "examples/bank.ts");
const EVENT_SOURCING = join(ROOT, "examples/event_sourcing.ts");
const REPLICA = join(ROOT, "examples/replica.ts");
const OUTBOX = join(ROOT, "examples/outbox.ts");
const QUEUE_SERVER = join(ROOT, "examples/queue_server.ts");

/** A program that runs. */
class Program {
  /** What it has said, on stdout and stderr. */
  output = "";
  /** Its exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  #hasEnded = false;

  constructor({ program, args }: Command, folder: string, input: string = "") {
    this.#child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, TMPDIR: folder },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin?.end(input);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk) => this.output += chunk);
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => {
        this.#hasEnded = true;
        resolve(code);
      });
    });
  }

  /** Waits until it has said something like this. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.output.match(pattern);
      if (found !== null) return found[0];
      if (this.#hasEnded) fail(`The program ended without "${pattern.source}":\n${this.output}`);
      await wait(10);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  /** Asks it to end, and waits for its exit code. Deno's `kill` of a child would hide that. */
  async terminate(): Promise<number | null> {
    process.kill(this.#child.pid ?? fail("The program did not start"), "SIGTERM");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function lineCountOf(file: string): number {
  return linesOf(readFileSync(file)).length;
}

/** Runs the crash example in a folder and returns what it says; it must succeed and leave nothing. */
async function runCrash(folder: string, ...args: string[]): Promise<string> {
  const before = readdirSync(folder);
  await using program = new Program(command(CRASH, ...args), folder);
  const code = await program.ended;
  assertEquals(code, 0, program.output);
  assertEquals(readdirSync(folder), before, "The temporary folder is still there");
  return program.output;
}

test("the crash example loses nothing of the shipped text", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    for (let run = 0; run < 3; run++) {
      const output = await runCrash(folder);
      assertMatch(output, /^Acknowledged +[1-9]/m);
      assertStringIncludes(output, "every acknowledged line is there, in order, unchanged");
      assertStringIncludes(output, "the log is the whole text: 2,455 lines");
    }
  });
});

test("the crash example kills its writer in the middle", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "text");
    writeFileSync(file, "a line\n".repeat(50_000));
    const output = await runCrash(folder, file);
    assertMatch(output, /^Writer +killed with SIGKILL$/m);
    assertMatch(output, /^Appended +[1-9]/m);
    assertStringIncludes(output, "the log is the whole text: 50,000 lines\n");
  });
});

test("the crash example takes any file", { timeout: 120_000 }, async () => {
  const texts: Record<string, { text: Uint8Array; lines: string }> = {
    "empty": { text: new Uint8Array(), lines: "0 lines" },
    "one line": { text: bytes("one\n"), lines: "1 line" },
    "no final newline": { text: bytes("a\n\nb"), lines: "3 lines" },
    "CRLF": { text: bytes("carriage\r\n".repeat(300)), lines: "300 lines" },
    "newlines only": { text: bytes("\n".repeat(700)), lines: "700 lines" },
    "not UTF-8": {
      text: Uint8Array.from({ length: 8192 }, (_, i) => (i * 167) % 256),
      lines: "33 lines",
    },
    "a line above the default limit": {
      text: bytes(`short\n${"x".repeat(11 * 1024 * 1024)}\n`),
      lines: "2 lines",
    },
  };
  await withFolder(async (folder) => {
    for (const [name, { text, lines }] of Object.entries(texts)) {
      const file = join(folder, `${name}.txt`);
      writeFileSync(file, text);
      assertStringIncludes(await runCrash(folder, file), `the log is the whole text: ${lines}\n`);
    }
  });
});

test("the crash example says in one line what it cannot read", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    for (const path of [join(folder, "missing"), folder]) {
      await using program = new Program(command(CRASH, path), folder);
      assertEquals(await program.ended, 1);
      assertMatch(program.output, /^Cannot read "[^\n]+\n$/);
      assertEquals(readdirSync(folder), []);
    }
  });
});

test("the check of the crash example finds every kind of loss", () => {
  const lines = linesOf(bytes("one\ntwo\nthree\nfour\n"));
  const [one, two, three, four] = lines as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const lossIn = (kept: Uint8Array[], acknowledged: number) => {
    const { kind, line } = findLoss(
      kept.map((data, i) => ({ index: i + 1, data })),
      lines,
      acknowledged,
    ) ?? { kind: "none", line: 0 };
    return `${kind} ${line}`;
  };
  assertEquals(lossIn([], 0), "none 0");
  assertEquals(lossIn(lines, 4), "none 0");
  assertEquals(lossIn([one, two, three], 2), "none 0");

  assertEquals(lossIn([], 1), "missing 1");
  assertEquals(lossIn([one, two], 3), "missing 3");
  assertEquals(lossIn([one, three, four], 2), "misplaced 2");
  assertEquals(lossIn([one, three, two, four], 4), "misplaced 2");
  assertEquals(lossIn([one, one, two], 2), "misplaced 2");
  assertEquals(lossIn([one, two, bytes("thr3e"), four], 4), "changed 3");
  assertEquals(lossIn([one, bytes("")], 1), "changed 2");
  assertEquals(lossIn([one, bytes("two\r")], 2), "changed 2");
  assertEquals(lossIn([...lines, one], 4), "surplus 5");
});

test("a text's lines are the bytes between newlines", () => {
  const split = (text: string) =>
    linesOf(bytes(text)).map((line) => new TextDecoder().decode(line));
  assertEquals(split(""), []);
  assertEquals(split("\n"), [""]);
  assertEquals(split("a"), ["a"]);
  assertEquals(split("a\n"), ["a"]);
  assertEquals(split("a\r\n\nb"), ["a\r", "", "b"]);
  assertEquals(linesOf(new Uint8Array([255, 10, 0])), [new Uint8Array([255]), new Uint8Array([0])]);
  assertEquals(largest([]), 1);
  assertEquals(largest([bytes("a"), bytes("abc"), bytes("")]), 3);
});

test("a power cut tears only what is not acknowledged", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const first = await Wal.open(path);
    await first.appendAndSync(bytes("acknowledged"));
    await first.close();
    const acknowledged = readFileSync(path);
    for (const unacknowledged of [bytes(""), bytes("more"), bytes("and more of it")]) {
      for (let run = 0; run < 10; run++) {
        writeFileSync(path, acknowledged);
        appendFileSync(path, unacknowledged);
        const { before, after } = await cutPower(path, acknowledged.length, bytes("next line"));
        const torn = readFileSync(path);
        assertEquals(before, acknowledged.length + unacknowledged.length);
        assertEquals(after, torn.length);
        assert(unacknowledged.length > 0 ? after < before : after > before);
        assert(acknowledged.equals(torn.subarray(0, acknowledged.length)));
        await using log = await Wal.open(path);
        assertEquals(log.recovery.case, after === acknowledged.length ? "A" : "E");
        assertEquals(log.recovery.bytesCut, after - acknowledged.length);
        assertEquals(log.readAll(), [bytes("acknowledged")]);
      }
    }
  });
});

test("the key-value server keeps what it has answered", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    const start = () =>
      new Program(commandOn("bun", SERVER, "--log", "data/kv.wal", "--port", "0"), folder);
    const urlOf = (server: Program) => server.says(/http:\S+\/(?=\n)/);
    const value = new Uint8Array([0, 10, 255, 254]);
    const key = "\uFEFFa/ö";
    {
      await using server = start();
      const url = await urlOf(server);
      const status = async (method: string, path: string, body?: Uint8Array<ArrayBuffer>) => {
        const answer = await fetch(url + path, { method, ...(body && { body }) });
        await answer.body?.cancel();
        return answer.status;
      };
      assertEquals(await status("GET", "none"), 404);
      assertEquals(await status("DELETE", "none"), 404);
      assertEquals(await status("PUT", "", value), 404);
      assertEquals(await status("PUT", "bytes", new Uint8Array([1])), 204);
      assertEquals(await status("PUT", "bytes", value), 204);
      assertEquals(await status("PUT", encodeURIComponent(key), value), 204);
      assertEquals(await status("PUT", "empty", new Uint8Array()), 204);
      assertEquals(await status("PUT", "gone", value), 204);
      assertEquals(await status("DELETE", "gone"), 204);
      assertEquals(await status("GET", "gone"), 404);
      assertEquals(await status("PUT", "large", new Uint8Array(10 * 1024 * 1024)), 413);
      assertEquals(await status("POST", "bytes", value), 405);
      assertEquals(await status("GET", "%ff"), 400);
      const many = Array.from({ length: 50 }, (_, i) => status("PUT", `many${i}`, value));
      assertEquals(new Set(await Promise.all(many)), new Set([204]));
      await server.kill();
    }
    {
      await using server = start();
      const url = await urlOf(server);
      const get = async (path: string) => {
        const answer = await fetch(url + path);
        return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : answer.status;
      };
      assertEquals(await get("bytes"), value);
      assertEquals(await get(encodeURIComponent(key)), value);
      assertEquals(await get("empty"), new Uint8Array());
      assertEquals(await get("gone"), 404);
      assertEquals(await get("large"), 404);
      for (let i = 0; i < 50; i++) assertEquals(await get(`many${i}`), value);
      assertEquals(await server.terminate(), 0, server.output);
    }
    await using log = await Wal.open(join(folder, "data/kv.wal"));
    assertEquals(log.recovery.case, "A");
    assertEquals(log.lastIndex, 56);
  });
});

test("the bank refuses, makes a repeat once, and opens with its snapshot", {
  timeout: 60_000,
}, async () => {
  await withFolder(async (folder) => {
    const run = async (): Promise<string[]> => {
      await using program = new Program(command(BANK, "bank.wal"), folder);
      assertEquals(await program.ended, 0, program.output);
      return program.output.trim().split("\n");
    };
    assertEquals(await run(), [
      "Opened with snapshot 0 and 0 events: alice 100, bob 0",
      "alice to bob, 30: events 1 and 2",
      "alice to bob, 5: events 3 and 4",
      "alice to bob, 5: events 3 and 4",
      "bob to carol, 1000: RangeError: bob has not that much",
      "Now: alice 65, bob 35",
    ]);
    assertEquals(await run(), [
      "Opened with snapshot 4 and 0 events: alice 65, bob 35",
      "alice to bob, 30: events 5 and 6",
      "alice to bob, 5: events 3 and 4",
      "alice to bob, 5: events 3 and 4",
      "bob to carol, 1000: RangeError: bob has not that much",
      "Now: alice 35, bob 65",
    ]);
  });
});

test("the shop's outbox has each order's mail in the queue once, though it is killed", {
  timeout: 120_000,
}, async () => {
  await withFolder(async (folder) => {
    const taken = new Set<number>();
    const run = async (until: RegExp): Promise<void> => {
      await using program = new Program(command(OUTBOX, "shop", "60"), folder);
      await program.says(until);
      await program.kill();
      for (const [, number] of program.output.matchAll(/^Order (\d+)$/gm)) {
        taken.add(Number(number));
      }
    };
    for (const until of [/^Order 1$/m, /^Order 17$/m, /^Opened/m, /^Order 40$/m]) await run(until);
    await using program = new Program(command(OUTBOX, "shop", "60"), folder);
    assertEquals(await program.ended, 0, program.output);
    assertStringIncludes(program.output, "All mails are sent");
    assertEquals(Math.max(...taken) >= 40, true);
    // A mail may be sent twice, but it is one message: it has one number.
    const lines = new Set(readFileSync(join(folder, "shop/sent.txt"), "utf8").trim().split("\n"));
    const sent = [...lines].map((line) => Number(line.split(" ")[0]));
    assertEquals(sent.toSorted((a, b) => a - b), Array.from({ length: 60 }, (_, i) => i + 1));
  });
});

test("the queue server sends each mail that it has taken, though it is killed", {
  timeout: 60_000,
}, async () => {
  await withFolder(async (folder) => {
    const start = () =>
      new Program(
        commandOn("bun", QUEUE_SERVER, "--queue", "data/mail.wal", "--port", "0"),
        folder,
      );
    const urlOf = (server: Program) => server.says(/http:\S+\/(?=\n)/);
    const file = join(folder, "sent.txt");
    // The server may be killed before it has sent any.
    const sent = () => existsSync(file) ? linesOf(readFileSync(file)).map(textOf) : [];
    const taken: string[] = [];
    {
      await using server = start();
      const url = await urlOf(server);
      const post = async (to: string, key?: string) => {
        const body = JSON.stringify({ to, text: "hello" });
        const headers = key === undefined ? {} : { "idempotency-key": key };
        const answer = await fetch(url, { method: "POST", body, headers });
        assertEquals(answer.status, 202);
        const { index } = await answer.json() as { index: number };
        return index;
      };
      const addresses = Array.from({ length: 40 }, (_, i) => `${i}@example.com`);
      await Promise.all(
        [...addresses, "nowhere"].map(async (to) => taken.push(`${await post(to)}`)),
      );
      assertEquals(await post("once@example.com", "k"), await post("once@example.com", "k"));
      const wrong = await fetch(url, { method: "POST", body: "no mail" });
      assertEquals([wrong.status, await wrong.text()], [400, "not a mail"]);
      assert(sent().length < 40, "All was sent before the kill");
      await server.kill();
    }
    await using server = start();
    const url = await urlOf(server);
    const told = async () => await (await fetch(url)).json() as { waiting: number; dead: object[] };
    while ((await told()).waiting > 0) await wait(20);
    const [dead, ...others] = (await told()).dead;
    // The kill may have come in the middle of its last attempt.
    assertMatch(JSON.stringify(dead), /"nowhere".*"(no address: nowhere|no attempt is left)"/);
    assertEquals(others, []);
    assertEquals(await server.terminate(), 0, server.output);
    const mails = sent().map((line) => JSON.parse(line) as { key: string; to: string });
    assertEquals(new Set(mails.map(({ to }) => to)).size, 41);
    assertEquals(new Set(mails.map(({ key }) => key)).size, 41, "A mail has the same key twice");
    assertEquals(taken.length, 41);
  });
});

test("the durable script does no finished step again", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    const { program, args } = commandOn("deno", SCRIPT, "order.wal");
    const few = ["--allow-read", "--allow-write", "--no-prompt"];
    const limited = args.flatMap((arg) => arg === "--allow-all" ? few : [arg]);
    assert(limited.length > args.length);
    const start = () => new Program({ program, args: limited }, folder);
    {
      await using killed = start();
      await killed.says(/charge the card: begun/);
      await killed.kill();
      assertEquals(killed.output.trim().split("\n"), [
        "number the order: begun",
        "number the order: done",
        "charge the card: begun",
      ]);
    }
    await using resumed = start();
    assertEquals(await resumed.ended, 0, resumed.output);
    const lines = resumed.output.trim().split("\n");
    const sent = lines.pop() ?? "";
    assertMatch(sent, /^Sent the parcel of [0-9a-f-]{36} for 42\.$/);
    assertEquals(lines, [
      "number the order: remembered",
      "charge the card: begun",
      "charge the card: done",
      "send the parcel: begun",
      "send the parcel: done",
    ]);
    await using again = start();
    assertEquals(await again.ended, 0, again.output);
    assertEquals(again.output.trim().split("\n"), [
      "number the order: remembered",
      "charge the card: remembered",
      "send the parcel: remembered",
      sent,
    ]);
  });
});

test("the line log keeps each line, and prints those of another process", {
  timeout: 60_000,
}, async () => {
  await withFolder(async (folder) => {
    const lines = Array.from({ length: 3000 }, (_, n) => `line ${n}, ä`);
    const inputs = [lines.slice(0, 2000), lines.slice(2000)].map((some) => some.join("\n"));
    {
      await using first = new Program(command(LINES, "a.wal"), folder, `${inputs[0]}\n`);
      assertEquals(await first.ended, 0, first.output);
      assertEquals(first.output, "2000 lines are durable\n");
    }
    await using follower = new Program(command(LINES, "a.wal", "--follow"), folder);
    await follower.says(/^2000: line 1999, ä$/m);
    await using second = new Program(command(LINES, "a.wal"), folder, inputs[1]);
    assertEquals(await second.ended, 0, second.output);
    await follower.says(/^3000: line 2999, ä$/m);
    assertEquals(follower.output.trim().split("\n"), lines.map((line, n) => `${n + 1}: ${line}`));
  });
});

test("the shared log has the entries of all its threads", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    await using program = new Program(command(SHARED, "a.wal"), folder);
    assertEquals(await program.ended, 0, program.output);
    const [, syncs] =
      program.output.match(/^3000 entries of 3 threads, durable by (\d+) syncs$/m) ??
        fail(program.output);
    assert(Number(syncs) <= 310, `${syncs} syncs`);
    await using log = await Wal.open(join(folder, "a.wal"));
    assertEquals([log.lastIndex, log.recovery.case], [3000, "A"]);
  });
});

test("the bank keeps its events, and its replica follows", { timeout: 60_000 }, async () => {
  await withFolder(async (folder) => {
    const bank = async (...args: string[]): Promise<string> => {
      const all = commandOn("node", EVENT_SOURCING, "bank.wal", ...args);
      await using program = new Program(all, folder);
      const code = await program.ended;
      return `${program.output}${code === 0 ? "" : `exit code ${code}`}`.trim();
    };
    // It waits for the log to be made.
    await using replica = new Program(commandOn("node", REPLICA, "bank.wal"), folder);
    assertEquals(await bank("deposit", "ada", "500"), "ada: 500 cents");
    assertEquals(await bank("transfer", "ada", "bob", "200"), "ada: 300 cents\nbob: 200 cents");
    const refused = await bank("withdraw", "bob", "201");
    assertEquals(refused, "Refused: bob has 200 cents only\nexit code 1");
    for (const cents of ["-5", "0.5", "much"]) {
      assertMatch(await bank("deposit", "ada", cents), /^Refused: The value does not pass/);
    }
    assertEquals(await bank("show"), "ada: 300 cents\nbob: 200 cents");
    await replica.says(/bob has 200/);
    assertEquals(await replica.terminate(), 0);
    assertEquals(replica.output.trim().split("\n"), [
      "1: ada has 500 cents",
      "3: ada has 300 cents, bob has 200 cents",
    ]);
  });
});

test("the short examples are short", () => {
  const [server, script] = [lineCountOf(SERVER), lineCountOf(SCRIPT)];
  assert(server < 80, `The key-value server has ${server} lines`);
  assert(script < 60, `The durable script has ${script} lines`);
  for (const path of [LINES, SHARED, EVENT_SOURCING, REPLICA, BANK, QUEUE_SERVER]) {
    assert(lineCountOf(path) < 80, path);
  }
});
