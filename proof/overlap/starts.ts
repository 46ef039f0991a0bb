/**
 * Logs as overlapping calls find them.
 *
 * @module
 */
import { digestOf } from "../../src/testing/testing.ts";
import type { Start } from "./scenario.ts";
import type { Session } from "./session.ts";

async function append(session: Session, durable: boolean, ...sizes: number[]): Promise<void> {
  for (const size of sizes) {
    const data = session.payload(size);
    const operation = { kind: "append", entries: [digestOf(data)], durable } as const;
    await session.do(
      operation,
      async () => durable ? await session.log.appendAndSync(data) : session.log.append(data),
    );
  }
}

async function appendBatch(session: Session, ...sizes: number[]): Promise<void> {
  const batch = sizes.map((size) => session.payload(size));
  const operation = { kind: "append", entries: batch.map(digestOf), durable: false } as const;
  await session.do(operation, () => session.log.appendBatch(batch));
}

/** One segment, entries that a Durable frame covers, and some that no sync covers. */
export const oneSegment: Start = {
  name: "one segment",
  options: { segmentSize: 2048 },
  async fill(session) {
    await append(session, true, 60, 60);
    await append(session, true, 600);
    await append(session, false, 60);
    await appendBatch(session, 60, 60);
  },
};

/** Several segments that were read, a head that was dropped, a state; the last segment is nearly full. */
export const manySegments: Start = {
  name: "many segments",
  options: { segmentSize: 1024 },
  async fill(session) {
    for (let i = 0; i < 3; i++) await append(session, false, 60, 700, 60);
    await session.do(
      { kind: "truncateBefore", index: 3 },
      () => session.log.truncateBeforeIndex(3),
    );
    const state = session.payload(30);
    await session.do(
      { kind: "setState", state: digestOf(state) },
      () => session.log.setState(state),
    );
    await append(session, true, 60, 60);
    await append(session, true, 60);
    await append(session, false, 60);
    session.read(session.log);
  },
};

/** Everything is durable, and the file is extended ahead. */
const spaceAhead: Start = {
  name: "space ahead",
  options: { segmentSize: 5600, preallocate: 8192 },
  async fill(session) {
    await append(session, false, 4500);
    await append(session, true, 60, 60);
    await append(session, true, 60);
  },
};

/** Nothing is owed to the disk: the log was just opened. */
export const justOpened: Start = {
  name: "just opened",
  options: { segmentSize: 1024 },
  async fill(session) {
    await append(session, false, 60, 700, 60, 60);
    await session.reopen();
  },
};

/** The syncs of a group stop the event loop. */
const blocking: Start = {
  ...manySegments,
  name: "blocking syncs",
  options: { segmentSize: 1024, syncMode: "blocking" },
};

/** All of them. */
export const STARTS: readonly Start[] = [
  manySegments,
  oneSegment,
  spaceAhead,
  justOpened,
  blocking,
];
