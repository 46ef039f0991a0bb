/**
 * A schedule: three nodes, a network that loses, repeats and reorders messages, and machines that
 * die and come back, all in an order that a seed decides. After each step the invariants are
 * checked; at the end the disturbances cease, and the nodes must agree and continue.
 *
 * @module
 */
import type { FileSystem } from "@durable/wal";
import { RaftStorage } from "@durable/wal/raft";
import { Disk, type Process } from "./disk.ts";
import { Invariants, Violation } from "./invariants.ts";
import { type Message, type OpenStorage, RaftNode } from "./node.ts";
import { Random } from "./random.ts";

/** What happened in a schedule. */
export interface Summary {
  readonly steps: number;
  readonly leaders: number;
  readonly committed: number;
  /** Followers' tails that a leader overwrote. */
  readonly dropped: number;
  readonly compacted: number;
  /** Snapshots that a leader sent and a follower installed. */
  readonly installed: number;
  /** Deaths of a process, those of them in the middle of something, and those with the power. */
  readonly kills: number;
  readonly killsAtWork: number;
  readonly powerCuts: number;
  /** A hash of all that was done: equal for equal seeds. */
  readonly trace: number;
}

/** How a schedule is run. */
export interface ScheduleOptions {
  readonly seed: number;
  /** Steps with disturbances. */
  readonly steps: number;
  /** Where the nodes' folders are made. */
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly openStorage?: OpenStorage;
  /** Is told each step. */
  readonly say?: (line: string) => void;
}

const IDS: readonly string[] = ["a", "b", "c"];

/** More messages than this are lost, the oldest first. */
const MAX_IN_FLIGHT = 60;

/** Rounds without disturbances within which the nodes must agree. */
const MAX_ROUNDS = 200;

/** Runs one schedule; rejects with a {@linkcode Violation} if an invariant does not hold. */
export async function runSchedule(options: ScheduleOptions): Promise<Summary> {
  return await new Schedule(options).run();
}

/** A machine: a disk, and what runs on it. */
interface Machine {
  readonly id: string;
  readonly disk: Disk;
  running: { readonly process: Process; readonly node: RaftNode } | undefined;
}

class Schedule {
  readonly #options: ScheduleOptions;
  readonly #random: Random;
  readonly #invariants = new Invariants();
  readonly #machines: readonly Machine[];
  #messages: Message[] = [];
  /** The node that the network has cut off, if any. */
  #isolated: string | undefined;
  #isCalm = false;
  #commands = 0;
  #trace = 0;
  readonly #counts = {
    steps: 0,
    dropped: 0,
    compacted: 0,
    installed: 0,
    kills: 0,
    killsAtWork: 0,
    powerCuts: 0,
  };

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#machines = IDS.map((id) => {
      options.fileSystem.makeDirectory(`${options.folder}/${id}`, 0o700);
      return { id, disk: new Disk(options.fileSystem), running: undefined };
    });
  }

  async run(): Promise<Summary> {
    for (const machine of this.#machines) await this.#start(machine);
    for (let step = 0; step < this.#options.steps; step++) await this.#disturb();
    await this.#settle();
    for (const { running } of this.#machines) await running?.node.storage.close();
    const { leaders, committed } = this.#invariants;
    return { ...this.#counts, leaders, committed, trace: this.#trace };
  }

  /** One step of a bad day. */
  async #disturb(): Promise<void> {
    this.#counts.steps++;
    const random = this.#random;
    const machine = random.pick(this.#machines);
    const dice = random.between(1, 1000);
    if (dice <= 650) return await this.#deliver(random.between(0, this.#messages.length - 1));
    if (machine === undefined) return;
    const { running } = machine;
    if (running === undefined) {
      if (dice <= 800) await this.#start(machine);
      return;
    }
    const { node, process } = running;
    if (dice <= 670) return await this.#stand(machine);
    if (dice <= 770) return await this.#step(machine, "beats", () => this.#beat(node));
    if (dice <= 940) return await this.#step(machine, "proposes", () => this.#propose(node));
    if (dice <= 965) return await this.#step(machine, "compacts", () => node.compact());
    if (dice <= 980) return this.#isolate(random.chance(0.5) ? machine.id : undefined);
    if (dice <= 985) {
      process.die();
      return this.#bury(machine);
    }
    // It will die in the middle of what it does next.
    process.dieAfter(random.between(0, 12), random.fork());
  }

  /** An election timer ends, and sometimes another at the same moment, so that votes are split. */
  async #stand(machine: Machine): Promise<void> {
    const other = this.#random.chance(0.3) ? this.#random.pick(this.#machines) : undefined;
    for (const candidate of new Set([machine, other ?? machine])) {
      const { node } = candidate.running ?? {};
      if (node !== undefined) await this.#step(candidate, "stands", () => node.stand());
    }
  }

  /** Ends the disturbances; the nodes must elect a leader, commit a command and all come to have it. */
  async #settle(): Promise<void> {
    this.#isCalm = true;
    this.#isolated = undefined;
    for (const machine of this.#machines) {
      machine.running?.process.liveOn();
      if (machine.running === undefined) await this.#start(machine);
    }
    // Entries before this may be committed, though no node knows it yet.
    let wanted = Infinity;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      while (this.#messages.length > 0) await this.#deliver(0);
      const nodes = this.#machines.flatMap(({ running }) => running?.node ?? []);
      if (nodes.every((node) => node.commitIndex >= wanted)) return;
      const leader = nodes.filter((node) => node.isLeader).sort((a, b) => b.term - a.term)[0];
      const chosen = leader?.id ?? this.#random.pick(IDS);
      const machine = this.#machines.find(({ id }) => id === chosen);
      if (machine === undefined) continue;
      if (leader === undefined) {
        const { node } = machine.running ?? {};
        await this.#step(machine, "stands", async () => await node?.stand());
      } else if (wanted === Infinity || wanted > leader.storage.lastIndex) {
        wanted = leader.storage.lastIndex + 1;
        await this.#step(machine, "proposes", () => leader.propose([this.#command()]));
      } else {
        await this.#step(machine, "beats", () => this.#beat(leader));
      }
    }
    throw new Violation("Progress", `the nodes do not agree after ${MAX_ROUNDS} calm rounds`);
  }

  /** A machine starts, and its node with what the disk has. It may die over it. */
  async #start(machine: Machine): Promise<void> {
    const { fileSystem: _, folder, openStorage = RaftStorage.open } = this.#options;
    const process = machine.disk.start();
    if (!this.#isCalm && this.#random.chance(0.15)) {
      process.dieAfter(this.#random.between(0, 12), this.#random.fork());
    }
    this.#say(`${machine.id} starts`);
    try {
      const node = await RaftNode.start({
        id: machine.id,
        peers: IDS.filter((id) => id !== machine.id),
        fileSystem: process,
        folder: `${folder}/${machine.id}`,
        openStorage,
        send: (message) => this.#send(message),
        note: (event) => this.#note(machine, event),
      });
      machine.running = { process, node };
      this.#invariants.check(node);
    } catch (error) {
      if (process.isAlive) throw error;
      this.#counts.killsAtWork++;
      this.#bury(machine);
    }
  }

  /** A node does something, if it lives to see it done. */
  async #step(machine: Machine, doing: string, work: () => void | Promise<void>): Promise<void> {
    const { running } = machine;
    if (running === undefined) return;
    this.#say(`${machine.id} ${doing}`);
    try {
      await work();
      this.#invariants.check(running.node);
    } catch (error) {
      // What a dead process's calls report is of no matter; what a living one's do is.
      if (running.process.isAlive) throw error;
      this.#counts.killsAtWork++;
      this.#bury(machine);
    }
  }

  /** The process has died; the power may have gone with it. Its node is left as it is. */
  #bury(machine: Machine): void {
    machine.running = undefined;
    this.#counts.kills++;
    const losing = this.#random.fork();
    const powerGoes = this.#random.chance(0.6);
    this.#say(`${machine.id} ${powerGoes ? "loses its power" : "is killed"}`);
    if (!powerGoes) return;
    this.#counts.powerCuts++;
    machine.disk.cutPower(losing);
  }

  async #deliver(at: number): Promise<void> {
    const message = this.#messages[at];
    if (message === undefined) return;
    if (this.#isCalm || !this.#random.chance(0.1)) this.#messages.splice(at, 1); // or it comes again
    if (!this.#isCalm && this.#random.chance(0.05)) return; // lost
    const machine = this.#machines.find(({ id }) => id === message.to);
    const node = machine?.running?.node;
    if (machine === undefined || node === undefined) return;
    if (this.#isolated === message.from || this.#isolated === message.to) return;
    const { kind, from, term } = message;
    await this.#step(machine, `receives "${kind}" of term ${term} from ${from}`, async () => {
      await node.receive(message);
    });
  }

  #beat(node: RaftNode): void {
    if (node.isLeader) node.beat();
  }

  async #propose(node: RaftNode): Promise<void> {
    if (!node.isLeader) return;
    await node.propose(Array.from({ length: this.#random.between(1, 3) }, () => this.#command()));
  }

  #command(): Uint8Array {
    return new TextEncoder().encode(`x = ${++this.#commands}`);
  }

  #isolate(id: string | undefined): void {
    this.#isolated = id;
    this.#say(id === undefined ? "the network is whole" : `${id} is cut off`);
  }

  #send(message: Message): void {
    this.#messages.push(message);
    if (this.#messages.length > MAX_IN_FLIGHT) this.#messages.shift();
  }

  #note(
    machine: Machine,
    event: "elected" | "dropped" | "skipped to snapshot" | "compacted",
  ): void {
    this.#say(`${machine.id}: ${event}`);
    if (event === "dropped") this.#counts.dropped++;
    if (event === "compacted") this.#counts.compacted++;
    if (event === "skipped to snapshot") this.#counts.installed++;
    if (event === "elected" && machine.running !== undefined) {
      this.#invariants.elected(machine.running.node);
    }
  }

  #say(line: string): void {
    for (let i = 0; i < line.length; i++) {
      this.#trace = Math.imul(this.#trace ^ line.charCodeAt(i), 0x01000193);
    }
    this.#options.say?.(line);
  }
}
