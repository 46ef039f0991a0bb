/**
 * One Raft node: what it does when its election timer ends, when a message comes, when a client
 * proposes a command, and when it takes a snapshot. The storage does the rest.
 *
 * The rule that all of it follows: what an answer promises is durable before the answer is sent. A
 * node does one thing at a time, and has no clock; the simulation says when its timers end.
 *
 * @module
 */
import type { FileSystem } from "@durable/wal";
import type { NewRaftEntry, RaftStorage, RaftStorageOptions } from "@durable/wal/raft";
import { apply, type Snapshot, Snapshots } from "./machine.ts";

/** What a message says, and in which term. */
export type Message =
  & { readonly from: string; readonly to: string; readonly term: number }
  & (
    | { readonly kind: "request vote"; readonly lastIndex: number; readonly lastTerm: number }
    | { readonly kind: "vote"; readonly granted: boolean }
    | {
      readonly kind: "append entries";
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly NewRaftEntry[];
      readonly commitIndex: number;
    }
    | { readonly kind: "appended"; readonly matchIndex: number }
    | { readonly kind: "refused"; readonly nextIndex: number }
    | { readonly kind: "install snapshot"; readonly snapshot: Snapshot }
  );

/** A message before it has a sender. */
type Saying = Message extends infer M ? M extends Message ? Omit<M, "from" | "term"> : never
  : never;

/** What a node needs of its storage. */
export type Storage = Pick<
  RaftStorage,
  | "append"
  | "appendFromLeader"
  | "close"
  | "compact"
  | "entries"
  | "firstIndex"
  | "hardState"
  | "installSnapshot"
  | "lastIndex"
  | "lastTerm"
  | "setHardState"
  | "snapshot"
  | "term"
>;

/** Opens a node's storage. */
export type OpenStorage = (path: string, options: RaftStorageOptions) => Promise<Storage>;

/** What a node is given. */
export interface NodeOptions {
  readonly id: string;
  /** The ids of the others. */
  readonly peers: readonly string[];
  readonly fileSystem: FileSystem;
  /** Where its log and its snapshots are. */
  readonly folder: string;
  readonly openStorage: OpenStorage;
  readonly send: (message: Message) => void;
  /** Is told what the simulation's summary counts. */
  readonly note: (event: "elected" | "dropped" | "skipped to snapshot" | "compacted") => void;
}

/** Small, so that a short run has full segments. */
const SEGMENT_SIZE = 512;

/** The most entries of one message. */
const MAX_ENTRIES = 4;

/** A Raft node. */
export class RaftNode {
  readonly id: string;
  readonly storage: Storage;
  readonly #options: NodeOptions;
  readonly #snapshots: Snapshots;
  #role: "follower" | "candidate" | "leader" = "follower";
  #votes = new Set<string>();
  /** As a leader, for each other node: the next entry to send, and the last that it is known to have. */
  readonly #nextIndex = new Map<string, number>();
  readonly #matchIndex = new Map<string, number>();
  #commitIndex: number;
  #machine: Snapshot;

  private constructor(options: NodeOptions, storage: Storage, snapshots: Snapshots) {
    this.id = options.id;
    this.#options = options;
    this.storage = storage;
    this.#snapshots = snapshots;
    // What the snapshot has is committed; how far the rest is, a leader will tell.
    this.#commitIndex = storage.snapshot.index;
    this.#machine = snapshots.load(storage.snapshot.index);
  }

  /** Starts a node, new or from what it left on its disk. */
  static async start(options: NodeOptions): Promise<RaftNode> {
    const { fileSystem, folder, openStorage } = options;
    const path = `${folder}/raft.wal`;
    const storage = await openStorage(path, { fileSystem, segmentSize: SEGMENT_SIZE });
    const snapshots = new Snapshots(fileSystem, folder);
    snapshots.removeAllBut(storage.snapshot.index);
    return new RaftNode(options, storage, snapshots);
  }

  get isLeader(): boolean {
    return this.#role === "leader";
  }

  get term(): number {
    return this.storage.hardState.term;
  }

  get commitIndex(): number {
    return this.#commitIndex;
  }

  /** The machine's state, which is always that after the last committed entry. */
  get machine(): Snapshot {
    return this.#machine;
  }

  /** The election timer ended: stands for the next term. */
  async stand(): Promise<void> {
    const { storage } = this;
    await storage.setHardState({ term: this.term + 1, votedFor: this.id });
    this.#role = "candidate";
    this.#votes = new Set([this.id]);
    const { lastIndex, lastTerm } = storage;
    for (const to of this.#options.peers) {
      this.#send({ kind: "request vote", to, lastIndex, lastTerm });
    }
  }

  /** The heartbeat timer ended: a leader sends each of the others what it lacks. */
  beat(): void {
    for (const peer of this.#options.peers) this.#bringUpToDate(peer);
  }

  /** A client proposes commands to a leader. */
  async propose(commands: readonly Uint8Array[]): Promise<void> {
    const { term } = this;
    await this.storage.append(commands.map((data) => ({ term, data })));
    this.beat();
  }

  /** Takes a snapshot of the machine and drops the entries that it has. */
  async compact(): Promise<void> {
    const { index } = this.#machine;
    if (index === this.storage.snapshot.index) return;
    await this.#snapshots.save(this.#machine);
    await this.storage.compact(index);
    this.#snapshots.removeAllBut(index);
    this.#options.note("compacted");
  }

  /** A message came. */
  async receive(message: Message): Promise<void> {
    if (message.term > this.term) {
      await this.storage.setHardState({ term: message.term, votedFor: null });
      this.#role = "follower";
    }
    const isOfOld = message.term < this.term;
    switch (message.kind) {
      case "request vote":
        return await this.#answerRequest(message.from, !isOfOld && this.#isUpToDate(message));
      case "vote":
        if (!isOfOld && message.granted) await this.#count(message.from);
        return;
      case "append entries":
        if (isOfOld) return this.#send({ kind: "refused", to: message.from, nextIndex: 0 });
        return await this.#follow(message);
      case "install snapshot":
        if (isOfOld) return this.#send({ kind: "refused", to: message.from, nextIndex: 0 });
        return await this.#install(message.from, message.snapshot);
      case "appended":
        if (!isOfOld && this.isLeader) this.#learn(message.from, message.matchIndex);
        return;
      case "refused":
        if (!isOfOld && this.isLeader) this.#goBack(message.from, message.nextIndex);
        return;
    }
  }

  /** Whether a candidate's log has at least what this one has (§5.4.1 of the paper). */
  #isUpToDate(candidate: { readonly lastIndex: number; readonly lastTerm: number }): boolean {
    const { lastIndex, lastTerm } = this.storage;
    if (candidate.lastTerm !== lastTerm) return candidate.lastTerm > lastTerm;
    return candidate.lastIndex >= lastIndex;
  }

  async #answerRequest(candidate: string, mayHaveIt: boolean): Promise<void> {
    const { term, votedFor } = this.storage.hardState;
    const granted = mayHaveIt && (votedFor === null || votedFor === candidate);
    if (granted) await this.storage.setHardState({ term, votedFor: candidate });
    this.#send({ kind: "vote", to: candidate, granted });
  }

  async #count(voter: string): Promise<void> {
    if (this.#role !== "candidate") return;
    this.#votes.add(voter);
    if (this.#votes.size < this.#majority) return;
    this.#role = "leader";
    for (const peer of this.#options.peers) {
      this.#nextIndex.set(peer, this.storage.lastIndex + 1);
      this.#matchIndex.set(peer, 0);
    }
    this.#options.note("elected");
    // An entry of its own term, with which those of earlier terms are committed too (§8).
    await this.propose([new Uint8Array()]);
  }

  async #follow(message: Message & { kind: "append entries" }): Promise<void> {
    const { from, prevIndex, prevTerm, entries, commitIndex } = message;
    this.#role = "follower";
    const outcome = await this.storage.appendFromLeader(prevIndex, prevTerm, entries);
    if (!outcome.matches) {
      return this.#send({ kind: "refused", to: from, nextIndex: outcome.conflict.index });
    }
    if (outcome.droppedFrom !== undefined) this.#options.note("dropped");
    this.#commit(Math.min(commitIndex, outcome.lastIndex));
    this.#send({ kind: "appended", to: from, matchIndex: outcome.lastIndex });
  }

  async #install(leader: string, snapshot: Snapshot): Promise<void> {
    this.#role = "follower";
    const { index, term } = snapshot;
    if (index > this.storage.snapshot.index) {
      await this.#snapshots.save(snapshot);
      await this.storage.installSnapshot({ index, term });
      this.#snapshots.removeAllBut(index);
      this.#options.note("skipped to snapshot");
    }
    if (index > this.#machine.index) {
      this.#machine = snapshot;
      this.#commitIndex = index;
    }
    this.#send({ kind: "appended", to: leader, matchIndex: index });
  }

  /** A follower has the log up to an index. */
  #learn(peer: string, matchIndex: number): void {
    const known = Math.max(matchIndex, this.#matchIndex.get(peer) ?? 0);
    this.#matchIndex.set(peer, known);
    this.#nextIndex.set(peer, Math.max(known + 1, this.#nextIndex.get(peer) ?? 0));
    const everywhere = [this.storage.lastIndex, ...this.#matchIndex.values()];
    everywhere.sort((a, b) => b - a);
    const byMajority = everywhere[this.#majority - 1] ?? 0;
    // Only an entry of its own term can be counted as committed (§5.4.2).
    if (byMajority > this.#commitIndex && this.storage.term(byMajority) === this.term) {
      this.#commit(byMajority);
    }
    if (known < this.storage.lastIndex) this.#bringUpToDate(peer);
  }

  /** A follower's log differs; tries further in front. */
  #goBack(peer: string, nextIndex: number): void {
    const known = this.#matchIndex.get(peer) ?? 0;
    const now = this.#nextIndex.get(peer) ?? 1;
    // An answer that comes late may be about what is settled by now.
    if (nextIndex <= known || nextIndex >= now) return;
    this.#nextIndex.set(peer, nextIndex);
    this.#bringUpToDate(peer);
  }

  #bringUpToDate(to: string): void {
    const { storage } = this;
    const prevIndex = (this.#nextIndex.get(to) ?? 1) - 1;
    if (prevIndex < storage.snapshot.index) {
      const snapshot = this.#snapshots.load(storage.snapshot.index);
      return this.#send({ kind: "install snapshot", to, snapshot });
    }
    const last = Math.min(storage.lastIndex, prevIndex + MAX_ENTRIES);
    this.#send({
      kind: "append entries",
      to,
      prevIndex,
      prevTerm: storage.term(prevIndex),
      entries: Array.from(storage.entries({ from: prevIndex + 1, to: last })),
      commitIndex: this.#commitIndex,
    });
  }

  /** Applies what is committed now. */
  #commit(index: number): void {
    if (index <= this.#commitIndex) return;
    for (const entry of this.storage.entries({ from: this.#commitIndex + 1, to: index })) {
      this.#machine = apply(this.#machine, entry);
    }
    this.#commitIndex = index;
  }

  get #majority(): number {
    return Math.floor((this.#options.peers.length + 1) / 2) + 1;
  }

  #send(saying: Saying): void {
    this.#options.send({ ...saying, from: this.id, term: this.term } as Message);
  }
}
