/**
 * The tag: which logs a layer opens, and what it says of those that it does not.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { bytes, fromHex, withLog } from "../../kit/logs.ts";
import { type FileSystem, Wal, WalError, type WalErrorCode } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { describeState, openTagged, readTag, type Tag, withTag } from "../../src/layer/tag.ts";
import { RaftStorage } from "../../src/raft/raft.ts";
import { exploreCrashes, FaultyFileSystem } from "../../src/testing/testing.ts";

const PATH = "a.wal";
const EVENTS: Tag = { kind: "events", codec: "json", format: 1 };

/** Refuses to open a log, and says so. */
async function refused(
  fileSystem: MemoryFileSystem,
  tag: Tag,
  code: WalErrorCode,
  said: string,
  readOnly = false,
): Promise<void> {
  const error = await assertRejects(
    () => openTagged(PATH, { fileSystem, readOnly }, tag),
    WalError,
  );
  assertEquals(error.code, code, error.message);
  assertStringIncludes(error.message, said);
}

test("a tag is in front of the layer's own bytes, and is read back", () => {
  const own = new Uint8Array([7, 8]);
  assertEquals(withTag(EVENTS, own), fromHex("574c01066576656e7473046a736f6e010708"));
  for (
    const tag of [EVENTS, { kind: "q", codec: "", format: 255 }, { ...EVENTS, codec: "größe" }]
  ) {
    assertEquals(readTag(withTag(tag, own)), { tag, own });
    assertEquals(readTag(withTag(tag, new Uint8Array())), { tag, own: new Uint8Array() });
  }
});

test("a tag that is cut anywhere is none, and neither is one of a later version", () => {
  const state = withTag(EVENTS, new Uint8Array());
  for (let size = 0; size < state.length; size++) {
    assertEquals(readTag(state.subarray(0, size)), undefined, `${size} bytes`);
  }
  assertEquals(readTag(state.with(2, 2)), undefined);
  assertEquals(readTag(state.with(3, 200)), undefined);
});

test("a new log gets the tag, which is durable, and the layer's bytes come back", async () => {
  const fileSystem = new MemoryFileSystem();
  const first = await openTagged(PATH, { fileSystem }, EVENTS);
  assertEquals(first.own, new Uint8Array());
  assertEquals(first.log.state, withTag(EVENTS, new Uint8Array()));
  await first.log.setState(withTag(EVENTS, bytes("own")));
  await first.log.close();
  const again = await openTagged(PATH, { fileSystem }, EVENTS);
  assertEquals(again.own, bytes("own"));
  await again.log.close();
});

test("a log of another layer, codec or format is refused, and the message says what it is", async () => {
  const fileSystem = new MemoryFileSystem();
  await (await openTagged(PATH, { fileSystem }, EVENTS)).log.close();
  const format: WalErrorCode = "ERR_WAL_FORMAT";
  await refused(
    fileSystem,
    { ...EVENTS, kind: "queue" },
    format,
    "EventLog of @durable/wal/events",
  );
  await refused(
    fileSystem,
    { ...EVENTS, codec: "text" },
    format,
    'a log of events with the codec "json"',
  );
  await refused(fileSystem, { ...EVENTS, format: 2 }, format, "the version of this package");
  const raft = await assertRejects(() => RaftStorage.open(PATH, { fileSystem }), WalError);
  assertEquals(raft.code, format);
  // What refuses changes nothing, and leaves the lock free.
  const again = await openTagged(PATH, { fileSystem }, EVENTS);
  await again.log.close();
});

test("a plain log, one with a state and a Raft node's are refused", async () => {
  for (
    const [make, said] of [
      [(log: Wal) => log.appendAndSync(bytes("x")), "is a plain log, and not a log of events"],
      [(log: Wal) => log.setState(bytes("x")), "is a plain log with a state"],
      [(log: Wal) => log.reset(5), "is a plain log, and not a log of events"],
      [(log: Wal) => log.setState(bytes("WL\u0002rest")), "a layer's log of a later version"],
      [(log: Wal) => log.setState(bytes("W")), "a plain log with a state"],
    ] as const
  ) {
    const fileSystem = new MemoryFileSystem();
    await withLog(PATH, { fileSystem }, async (log) => void await make(log));
    await refused(fileSystem, EVENTS, "ERR_WAL_FORMAT", said);
    await refused(fileSystem, EVENTS, "ERR_WAL_FORMAT", said, true);
  }
  const fileSystem = new MemoryFileSystem();
  const raft = await RaftStorage.open(PATH, { fileSystem });
  await raft.setHardState({ term: 1, votedFor: null });
  await raft.close();
  await refused(fileSystem, EVENTS, "ERR_WAL_FORMAT", "a Raft node's log");
});

test("a log that is empty and has no tag is none yet to a reader, and gets it from a writer", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, () => {});
  await refused(fileSystem, EVENTS, "ERR_WAL_NOT_FOUND", "is not a log of events", true);
  const { log } = await openTagged(PATH, { fileSystem }, EVENTS);
  assertEquals(describeState(log.state), 'a log of events with the codec "json"');
  await log.close();
});

test("a crash anywhere in the making of a log leaves one that opens, or none", async () => {
  const open = async (fileSystem: FileSystem): Promise<void> => {
    const { log } = await openTagged(PATH, { fileSystem }, EVENTS);
    await log.close();
  };
  const { states } = await exploreCrashes<true>({
    async run(fileSystem, promise) {
      await open(fileSystem);
      promise(true);
    },
    async check(fileSystem, promised) {
      if (promised.length > 0) {
        const log = await Wal.open(PATH, { fileSystem, readOnly: true });
        assertEquals(readTag(log.state)?.tag, EVENTS);
        await log.close();
      }
      await open(fileSystem);
    },
  });
  assertEquals(states > 10, true);
});

test("a tag that cannot be stored is an error, and the next open stores it", async () => {
  let refusals = 0;
  for (let after = 0; after < 8; after++) {
    const under = new MemoryFileSystem();
    await withLog(PATH, { fileSystem: under }, () => {});
    const faulty = new FaultyFileSystem(under);
    faulty.fail("write", "ENOSPC", { after });
    const opened = await openTagged(PATH, { fileSystem: faulty }, EVENTS).catch((error) => {
      assert(error instanceof WalError);
      refusals++;
    });
    await opened?.log.close();
    const { log } = await openTagged(PATH, { fileSystem: under }, EVENTS);
    assertEquals(readTag(log.state)?.tag, EVENTS);
    await log.close();
  }
  assert(refusals > 0);
});
