/**
 * What must hold after each step, whatever happens: the safety properties of figure 3 of the paper.
 *
 * @module
 */
import { apply, NO_SNAPSHOT, type Snapshot } from "./machine.ts";
import type { RaftNode } from "./node.ts";

/** One of them does not hold. */
export class Violation extends Error {
  constructor(property: string, what: string) {
    super(`${property}: ${what}`);
    this.name = "Violation";
  }
}

/** What an entry says, to be compared. */
interface Said {
  readonly term: number;
  readonly command: string;
}

/** What a node's log says, by index. */
type Log = ReadonlyMap<number, Said>;

/** Watches the nodes. */
export class Invariants {
  /** By term. */
  readonly #leaders = new Map<number, string>();
  /**
   * Every entry that a node has ever counted as committed, the term in which one first did, and the
   * machine's state after it.
   */
  readonly #committed: { readonly said: Said; readonly by: number; readonly after: Snapshot }[] =
    [];
  /** By node: what its log says, as of its last step, and how much of what is committed it had then. */
  readonly #logs = new Map<string, Log>();
  readonly #held = new Map<string, number>();

  /** How many entries are committed. */
  get committed(): number {
    return this.#committed.length;
  }

  /** How many terms had a leader. */
  get leaders(): number {
    return this.#leaders.size;
  }

  /** Election safety and leader completeness, of a node that has just been elected. */
  elected(node: RaftNode): void {
    const other = this.#leaders.get(node.term);
    if (other !== undefined && other !== node.id) {
      throw new Violation("Election safety", `${other} and ${node.id} lead term ${node.term}`);
    }
    this.#leaders.set(node.term, node.id);
    const held = this.#heldBy(node, logOf(node));
    // A leader of an earlier term may still come to know of its election.
    const needed = this.#committed.findLastIndex(({ by }) => by < node.term) + 1;
    if (held < needed) {
      const what = `${node.id} leads term ${node.term} without the committed entry ${held + 1}`;
      throw new Violation("Leader completeness", what);
    }
  }

  /** The others, of a node that has done something or was started again. */
  check(node: RaftNode): void {
    const log = logOf(node);
    this.#logs.set(node.id, log);
    for (const [other, theirs] of this.#logs) {
      if (other !== node.id) requireLogMatching(node.id, log, other, theirs);
    }
    this.#checkMachine(node, log);
    this.#checkHeld(node, log);
  }

  /** State machine safety: no node commits another entry than the others, nor applies another. */
  #checkMachine(node: RaftNode, log: Log): void {
    const { index, hash } = node.machine;
    if (index !== node.commitIndex) {
      throw new Violation("State machine safety", `${node.id} has not applied what is committed`);
    }
    for (let i = this.committed + 1; i <= index; i++) {
      const entry = log.get(i);
      const before = this.#committed.at(-1)?.after ?? NO_SNAPSHOT;
      if (entry === undefined) {
        throw new Violation("State machine safety", `${node.id} has no entry ${i} to commit`);
      }
      const data = Uint8Array.from(entry.command, (character) => character.charCodeAt(0));
      const after = apply(before, { index: i, term: entry.term, data });
      this.#committed.push({ said: entry, by: node.term, after });
    }
    if (hash !== (this.#committed[index - 1]?.after ?? NO_SNAPSHOT).hash) {
      throw new Violation(
        "State machine safety",
        `${node.id} has applied others than the committed entries up to ${index}`,
      );
    }
  }

  /** What is committed and was in a node's log stays there, in the log or in the snapshot. */
  #checkHeld(node: RaftNode, log: Log): void {
    const held = this.#heldBy(node, log);
    const before = this.#held.get(node.id) ?? 0;
    if (held < before) {
      throw new Violation(
        "State machine safety",
        `${node.id} had the committed entries up to ${before}, and now only up to ${held}`,
      );
    }
    this.#held.set(node.id, held);
  }

  /** Up to which index a log has what is committed. */
  #heldBy(node: RaftNode, log: Log): number {
    const { snapshot } = node.storage;
    const marked = this.#committed[snapshot.index - 1];
    if (snapshot.index > 0 && marked?.said.term !== snapshot.term) {
      const what = `${node.id} has a snapshot of what is not committed, up to ${snapshot.index}`;
      throw new Violation("State machine safety", what);
    }
    let held = snapshot.index;
    while (held < this.committed && isSame(log.get(held + 1), this.#committed[held]?.said)) held++;
    return held;
  }
}

/** Log matching: logs that agree at an index agree in all before it. */
function requireLogMatching(a: string, ours: Log, b: string, theirs: Log): void {
  let agreed: number | undefined;
  for (const index of [...ours.keys()].toReversed()) {
    const [one, other] = [ours.get(index), theirs.get(index)];
    if (one === undefined || other === undefined) continue;
    if (one.term === other.term) agreed ??= index;
    if (agreed === undefined || isSame(one, other)) continue;
    const what = `the logs of ${a} and ${b} agree at ${agreed} and differ at ${index}`;
    throw new Violation("Log matching", what);
  }
}

function isSame(a: Said | undefined, b: Said | undefined): boolean {
  return a !== undefined && b !== undefined && a.term === b.term && a.command === b.command;
}

/** Reads a node's log from its disk. */
function logOf({ storage }: RaftNode): Log {
  const log = new Map<number, Said>();
  for (const { index, term, data } of storage.entries()) {
    log.set(index, { term, command: String.fromCharCode(...data) });
  }
  return log;
}
