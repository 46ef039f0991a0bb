/**
 * The mutations of what state machines and durable maps promise.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const MACHINE = "tests/machine/machine_test.ts";
const SNAPSHOTS = "tests/machine/machine_snapshots_test.ts";
const REPLICA = "tests/machine/machine_replica_test.ts";
const MAP = "tests/map/map_test.ts";
const OFFLOAD = "tests/machine/machine_offload_test.ts";
const OUTBOX = "tests/machine/outbox_test.ts";
const CRASH = "proof/machine/machine_crash_test.ts";

const EVERY_CRASH = "every crash of a machine keeps every promise, immutable";
const FULL_DISK = "on a full disk the whole turn rejects, and the state goes back";

/** Of the order in which a snapshot is taken. */
const ORDER: readonly Mutation[] = [
  {
    name: "a snapshot is named before the log has its entries",
    in: "Snapshots.take",
    find: "if (log.durableIndex < index) await log.sync();",
    replace: "",
    caughtBy: [
      SNAPSHOTS,
      "a snapshot is not named before the log has the entries that are in it",
    ],
  },
  {
    name: "entries are dropped before the snapshot is named that has them",
    in: "Snapshots.take",
    find: "await log.setState(stateWith(encodeNamed(named)));",
    replace: "if (named.length === KEPT) " +
      "await log.truncateBeforeIndex((named.at(-1)?.index ?? 0) + 1); " +
      "await log.setState(stateWith(encodeNamed(named)));",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "files are removed before the snapshot is named that takes their place",
    in: "Snapshots.take",
    find: "await log.setState(stateWith(encodeNamed(named)));",
    replace: "this.removeOthers(named); await log.setState(stateWith(encodeNamed(named)));",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "the same name is written again",
    in: "Snapshots.take",
    find: "const number = this.#nextNumber++;",
    replace: "const number = this.#nextNumber;",
    caughtBy: [SNAPSHOTS, "the last two snapshots are kept, and all events after the older one"],
  },
  {
    name: "a name is taken that was used by a file that is not named",
    in: "MachineCore.open",
    find: "const known = [...snapshotNumbers(fileSystem, log.path), ...inState];",
    replace: "const known = inState;",
    caughtBy: [
      SNAPSHOTS,
      "files that the state does not name are removed, but not those that are something else",
    ],
  },
  {
    name: "the last sync of a snapshot file is not waited for",
    in: "SnapshotWriter.finish",
    find: "this.#append(this.#durableFrame()); await this.#file.sync();",
    replace: "this.#append(this.#durableFrame()); this.#file.sync().catch(() => {});",
    caughtBy: [
      SNAPSHOTS,
      "a snapshot is not named before sync 2 of its file, if it is slower than the log",
    ],
  },
  {
    name: "entries are dropped up to the newest snapshot",
    in: "Snapshots.#giveSpaceBack",
    find: "this.#named.at(-1)",
    replace: "this.#named[0]",
    caughtBy: [SNAPSHOTS, "where the newest snapshot is missing, the one before it stands in"],
  },
  {
    name: "a lost snapshot counts as one of the two that are kept",
    in: "loadBeginning",
    find: "usable: named.slice(i)",
    replace: "usable: named",
    caughtBy: [SNAPSHOTS, "where the newest snapshot is missing, the one before it stands in"],
  },
];

/** Of how a state is saved. */
const SAVES: readonly Mutation[] = [
  {
    name: "a thread is asked for a snapshot before the log has its entries",
    in: "Snapshots.#have",
    find: "= capture(); await log.sync();",
    replace: "= capture();",
    caughtBy: [
      OFFLOAD,
      "a snapshot from another thread has the state up to its index, and an open loads it",
    ],
  },
  {
    name: "a snapshot of another thread is taken for what was ordered",
    in: "Snapshots.#have",
    find: "if (last === index && written === version)",
    replace: "if (last <= index)",
    caughtBy: [
      OFFLOAD,
      "where the thread writes another index, the snapshot fails with a code of its own and the " +
      "machine continues",
    ],
  },
  {
    name: "the end of a machine waits for a thread that never answers",
    in: "MachineCore.close",
    find: "this.#snapshots.stopWaiting();",
    replace: "",
    caughtBy: [OFFLOAD, "the end of a machine waits for no thread, and tells it"],
  },
  {
    name: "a snapshot continues that apply has changed the state of",
    in: "PlainState.#whileImmutable",
    find: 'if (this.#way !== "immutable") throw changedMeanwhile();',
    replace: "",
    caughtBy: [
      SNAPSHOTS,
      "an apply that changes a state while it is saved as one that stays tears no snapshot",
    ],
  },
  {
    name: "a key is forgotten while a snapshot takes the keys",
    in: "Keys.forget",
    find: "if (size <= this.#limit || this.#saves > 0) return;",
    replace: "if (size <= this.#limit) return;",
    caughtBy: [
      MACHINE,
      "a snapshot has the keys of its beginning, also those that are forgotten meanwhile",
    ],
  },
  {
    name: "all files that a snapshot gives back are removed in one turn",
    in: "Snapshots.#dropUpTo",
    find: "await log.truncateBeforeIndex(firstIndex);",
    replace: "",
    caughtBy: [
      SNAPSHOTS,
      "the files that a snapshot gives back are removed in turns of their own",
    ],
  },
];

/** Of dispatches. */
const DISPATCHES: readonly Mutation[] = [
  {
    name: "a dispatch is acknowledged before its event is synced",
    in: "MachineCore.#answer",
    find: "await this.#log.sync();",
    replace: "await Promise.resolve();",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "what was applied stays where the log has refused it",
    in: "MachineCore.#takeBack",
    find: "if (!this.#held.takeBack(turn.mark))",
    replace: "if (this.#index < 0)",
    caughtBy: [MACHINE, FULL_DISK],
  },
  {
    name: "a key is remembered whose call the log has refused",
    in: "MachineCore.#takeBack",
    find: "for (const [key] of turn.keys()) this.#keys.drop(key);",
    replace: "",
    caughtBy: [MACHINE, FULL_DISK],
  },
  {
    name: "a turn that is appended early tells its calls nothing of a full disk",
    in: "MachineCore.#flush",
    find: "turn.reject(error); this.#refusal",
    replace: "turn.resolve(); this.#refusal",
    caughtBy: [
      MACHINE,
      "a turn that is too large for one atom is appended early, and each part answers for itself",
    ],
  },
  {
    name: "a state that apply has changed counts as taken back",
    in: "PlainState.takeBack",
    find: 'if (this.#way === "mutating") return false;',
    replace: "",
    caughtBy: [
      MACHINE,
      "an apply that changes the state and throws ends the machine, and a reopen rebuilds it",
    ],
  },
  {
    name: "a key of a snapshot is loaded with another index",
    in: "Keys.load",
    find: "const firstIndex = readUint64(fields, 0);",
    replace: "const firstIndex = readUint64(fields, 0) + 1;",
    caughtBy: [
      MACHINE,
      "a key that is given again is answered as the first time, also after an open and a snapshot",
    ],
  },
  {
    name: "a transaction is made whose decision has lost the events that it rests on",
    in: "MachineCore.decide",
    find: "if (this.#refusal !== undefined && this.#refusal !== before) throw this.#refusal.error;",
    replace: "if (this.#refusal !== undefined && before === null) throw this.#refusal.error;",
    caughtBy: [
      MACHINE,
      "a transaction is refused if what it dispatches has lost the events by which it decided",
    ],
  },
  {
    name: "apply closes its machine",
    in: "MachineCore.close",
    find: "if (this.#isApplying) throw busy(this.#log.path); if (!this.#isClosed &&",
    replace: "if (!this.#isClosed &&",
    caughtBy: [
      MACHINE,
      "apply cannot close its machine, and a codec that does has nothing written after that",
    ],
  },
  {
    name: "a replica shows half a batch",
    in: "Replica.#run",
    find: "for await (const batch of this.#log.follow({ from, batches: true, signal })) {",
    replace:
      "for await (const entry of this.#log.follow({ from, signal })) { const batch = [entry];",
    caughtBy: [REPLICA, "a replica shows no call in part"],
  },
];

/** Of messages that are handed over to queues. */
const HANDED_OVER: readonly Mutation[] = [
  {
    name: "messages are handed over before their event is durable",
    in: "Delivery.#due",
    find: "if (index > durableIndex || bytes > MOST_BYTES) return;",
    replace: "if (index > durableIndex + 1e9 || bytes > MOST_BYTES) return;",
    caughtBy: [OUTBOX, "nothing is handed over before its event is durable"],
  },
  {
    name: "messages count as handed over before the queue has made them durable",
    in: "Delivery.#handSomeOver",
    find: "const outcomes = await Promise.allSettled(calls);",
    replace:
      "const outcomes = await Promise.allSettled(calls.map((call) => void call.catch(() => {})));",
    caughtBy: [
      CRASH,
      "every crash of an outbox leaves each message once, with a queue that is slower than its machine",
    ],
  },
  {
    name: "a close does not keep what was handed over",
    in: "Delivery.end",
    find: "this.#tryToNote();",
    replace: "",
    caughtBy: [
      OUTBOX,
      "a clean close keeps how far it came: nothing is offered to the queue again",
    ],
  },
  {
    name: "what was handed over is never kept while the machine is open",
    in: "Delivery.#lookAgain",
    find: "if (this.#log.ending === undefined) await this.#noteAndSync();",
    replace: "",
    caughtBy: [OUTBOX, "how far it came is kept a second after the last call"],
  },
  {
    name: "messages are enqueued under another key after a crash",
    in: "Delivery.#enqueue",
    find: "const key = `${this.#log.id}/${index}/${time}`;",
    replace: "const key = `${this.#log.id}/${index}/${time}/${Math.random()}`;",
    caughtBy: [OUTBOX, "a message that was settled is not enqueued again after a crash"],
  },
  {
    name: "a snapshot drops entries whose messages were not handed over",
    in: "snapshotsOf",
    find: "const firstNeeded = (): number => undelivered.firstIndex;",
    replace: "const firstNeeded = (): number => undelivered.queues.size > 999 ? 0 : Infinity;",
    caughtBy: [
      OUTBOX,
      "snapshots never drop what was not handed over, and give the space back later",
    ],
  },
  {
    name: "a snapshot forgets what is to be handed over",
    in: "contentOf beside loadContent",
    find: "const toCome = undelivered.save();",
    replace: "const toCome = undelivered.save().subarray(0, 0);",
    caughtBy: [
      OUTBOX,
      "snapshots never drop what was not handed over, and give the space back later",
    ],
  },
  {
    name: "messages of a turn that the log has refused are handed over",
    in: "MachineCore.#take",
    find: "if (messages !== undefined) turn.messages.set(this.#index + 1, messages);",
    replace: "if (messages !== undefined) this.#undelivered.add(this.#index + 1, messages);",
    caughtBy: [OUTBOX, "what the event's refusal takes back takes the messages back"],
  },
];

/** Of maps. */
const MAPS: readonly Mutation[] = [
  {
    name: "a key that changes leaves no old value with a running snapshot",
    in: "MapState.apply",
    find: "if (slot !== undefined) this.#leave(key, slot);",
    replace: "",
    caughtBy: [MAP, "a snapshot is the map as it was when it began, whatever changes meanwhile"],
  },
  {
    name: "a key that is new is in a snapshot that began before",
    in: "MapState.apply",
    find: "order, saved: this.#snapshot",
    replace: "order, saved: 0",
    caughtBy: [MAP, "a snapshot is the map as it was when it began, whatever changes meanwhile"],
  },
  {
    name: "the keys of a snapshot keep the order of its items",
    in: "MapState.load",
    find: "if (!isSorted) this.#sort();",
    replace: "",
    caughtBy: [MAP, "a snapshot is the map as it was when it began, whatever changes meanwhile"],
  },
  {
    name: "a key that is put back stands at the end",
    in: "MapState.takeBack",
    find: "if (!isInOrder) this.#sort();",
    replace: "",
    caughtBy: [
      MAP,
      "on a full disk the changes of the turn are taken back, in the order of the keys",
    ],
  },
];

/** The changes, each of which a test notices. */
export const MACHINES: readonly Mutation[] = [
  ...ORDER,
  ...SAVES,
  ...DISPATCHES,
  ...HANDED_OVER,
  ...MAPS,
]
  .map((mutation) => ({ ...mutation, group: "machines" }));
