/**
 * When what is durable is announced in the file.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { Announcer } from "../../src/writer/announce.ts";

/** An announcer whose timer goes off when a test says so, and what it has done. */
class Rig {
  readonly did: string[] = [];
  isAnnounced = false;
  mayWrite = true;
  isOver = false;
  /** What goes wrong at the next call of that name. */
  error: { at: "look" | "announce"; error: unknown } | undefined;
  readonly announcer: Announcer;
  #call: (() => void) | undefined;

  constructor() {
    const did = (what: "look" | "announce"): void => {
      this.did.push(what);
      if (this.error?.at === what) throw this.error.error;
    };
    const announce = (): boolean => {
      if (this.isAnnounced) return false;
      did("announce");
      return this.isAnnounced = true;
    };
    const isAnnounced = (): boolean => this.isAnnounced;
    const mayWrite = (): boolean => this.mayWrite;
    const isOver = (): boolean => this.isOver;
    this.announcer = new Announcer({
      get isAnnounced(): boolean {
        return isAnnounced();
      },
      announce,
    }, {
      get mayWrite(): boolean {
        return mayWrite();
      },
      get isOver(): boolean {
        return isOver();
      },
      rest: () => did("look"),
      failed: (error) => void this.did.push(`failed: ${error}`),
    });
  }

  /** Lets a call set the timer; whether it did. */
  sets(call: (announcer: Announcer) => void): boolean {
    const { after } = clock;
    const before = this.#call;
    clock.after = (_, call) => {
      this.#call = call;
      return { cancel: () => this.#call = undefined };
    };
    try {
      call(this.announcer);
    } finally {
      clock.after = after;
    }
    return this.#call !== undefined && this.#call !== before;
  }

  /** Lets the timer go off; whether it is set again. */
  fires(): boolean {
    const call = this.#call;
    this.#call = undefined;
    return call !== undefined && this.sets(call);
  }
}

test("what a sync made durable is announced once the log was idle for two timers", () => {
  const rig = new Rig();
  assertEquals(rig.sets((announcer) => announcer.synced()), true);
  assertEquals([rig.fires(), rig.did], [true, []]);
  assertEquals([rig.fires(), rig.did], [false, ["look", "announce"]]);
});

test("a sync begins the wait again, with the timer that runs", () => {
  const rig = new Rig();
  rig.sets((announcer) => announcer.synced());
  assertEquals(rig.fires(), true);
  assertEquals(rig.sets((announcer) => announcer.synced()), false);
  assertEquals([rig.fires(), rig.did], [true, []]);
  assertEquals([rig.fires(), rig.did], [false, ["look", "announce"]]);
});

test("an append has the files looked at, and announces nothing if nothing is owed", () => {
  const rig = new Rig();
  rig.isAnnounced = true;
  assertEquals(rig.sets((announcer) => announcer.whenIdle()), false);
  assertEquals(rig.sets((announcer) => announcer.written()), true);
  rig.fires();
  rig.fires();
  assertEquals(rig.did, ["look"]);
});

test("during a truncation the files are looked at, and nothing is written", () => {
  const rig = new Rig();
  rig.mayWrite = false;
  rig.sets((announcer) => announcer.whenIdle());
  rig.fires();
  rig.fires();
  assertEquals(rig.did, ["look"]);
});

test("nothing is done once the handle has ended or is closed", () => {
  const rig = new Rig();
  rig.sets((announcer) => announcer.synced());
  rig.isOver = true;
  assertEquals([rig.fires(), rig.did], [false, []]);
  assertEquals(rig.sets((announcer) => announcer.written()), false);
});

test("a full disk leaves the announcement to the next write, and another error is reported", () => {
  const rig = new Rig();
  rig.error = { at: "announce", error: new WalError("ERR_WAL_WRITE_FAILED", "full") };
  assertEquals([rig.announcer.now(), rig.did], [false, ["announce"]]);
  rig.error = { at: "announce", error: new TypeError("no such thing") };
  assertEquals(rig.announcer.now(), false);
  assertEquals(rig.did.at(-1), "failed: TypeError: no such thing");
  rig.error = { at: "look", error: new TypeError("gone") };
  rig.sets((announcer) => announcer.synced());
  rig.fires();
  rig.fires();
  assertEquals(rig.did.slice(-2), ["look", "failed: TypeError: gone"]);
});
