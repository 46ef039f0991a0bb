/**
 * What a consumer of an open queue has to do now: what can be delivered, what waits for its time, and
 * what is leased. None of it is on the disk.
 *
 * A task that is pending is in one of these places, or was given to a caller that puts it back or
 * leases it in the same turn.
 *
 * @module
 */
import type { Timer } from "../fs/clock.ts";
import { type QueueClock, ring } from "./clock.ts";
import { Deadlines } from "./deadlines.ts";
import { Deque } from "./deque.ts";
import type { ConsumerState, Task } from "./state.ts";

/** Why a lease is over. */
export type LeaseEnd = "settled" | "expired" | "closed" | "removed";

/** The right to settle a message that was delivered. There is one for each delivery. */
export class Lease {
  readonly task: Task;
  /** Until when it lasts, by the clock that never goes back. */
  deadline: number;
  /** Whether what came of it is about to be appended, in this turn. Then it ends. */
  isSettling = false;
  #end: LeaseEnd | undefined;
  readonly #listeners: ((end: LeaseEnd) => void)[] = [];

  constructor(task: Task, deadline: number) {
    this.task = task;
    this.deadline = deadline;
  }

  /** How it ended; `undefined` while it lasts. */
  get end(): LeaseEnd | undefined {
    return this.#end;
  }

  /** Calls back once it has ended. */
  whenOver(listener: (end: LeaseEnd) => void): void {
    if (this.#end === undefined) this.#listeners.push(listener);
    else listener(this.#end);
  }

  /** Ends it. */
  finish(end: LeaseEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const listener of this.#listeners) listener(end);
  }
}

/** What a consumer has to do. */
export class Subscription {
  readonly state: ConsumerState;
  readonly #time: QueueClock;
  readonly #isDurable: (index: number) => boolean;
  /** What was never delivered and waits for nothing, in the order of the ids. */
  readonly #fresh = new Deque<Task>();
  /** What waited for its time, and what is to be delivered again. It goes before what is fresh. */
  readonly #again = new Deque<Task>();
  /** What waits for its time, by the clock that never goes back. */
  readonly #delayed = new Deadlines<Task>();
  readonly #leases = new Map<number, Lease>();
  readonly #listeners = new Set<() => void>();
  #alarm: { readonly at: number; readonly timer: Timer } | undefined;
  #isEnded = false;

  /** @param isDurable Whether the entry at an index is. What a power cut may take is not delivered. */
  constructor(state: ConsumerState, time: QueueClock, isDurable: (index: number) => boolean) {
    this.state = state;
    this.#time = time;
    this.#isDurable = isDurable;
    for (const task of state.tasks.values()) this.offer(task);
  }

  /** Whether it is over: the consumer was removed, or the queue is closed. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether something can be delivered now. */
  get hasReady(): boolean {
    this.#wakeDelayed();
    if (this.#again.size > 0) return true;
    const first = this.#fresh.first;
    return first !== undefined && this.#isDurable(first.message.id);
  }

  /** Takes a task up that is new, or was retried or redriven. */
  offer(task: Task): void {
    const { id } = task.message;
    if (task.attempts === 0 && task.delay === 0 && id > (this.#fresh.last?.message.id ?? 0)) {
      this.#fresh.push(task);
      return;
    }
    // The wall clock may have been put back since; the delay was never longer than it was.
    const left = Math.max(0, Math.min(task.due - this.#time.now(), task.delay));
    if (left === 0 && this.#isDurable(id)) {
      this.#again.push(task);
    } else {
      const at = this.#time.elapsed() + left;
      this.#delayed.add(at, task);
      this.#setAlarm(at);
    }
  }

  /** Takes the next that can be delivered. */
  take(): Task | undefined {
    while (this.hasReady) {
      const task = this.#again.shift() ?? this.#fresh.shift();
      // One that was redriven may have been discarded in the same turn.
      if (task !== undefined && this.state.tasks.get(task.message.id) === task) return task;
    }
    return undefined;
  }

  /** Gives back what was taken and not leased; it is the next again. */
  putBack(tasks: readonly Task[]): void {
    if (tasks.length > 0) this.#again.putBack(tasks);
  }

  /** Leases what was taken. */
  lease(task: Task, visibility: number): Lease {
    const lease = new Lease(task, this.#time.elapsed() + visibility);
    this.#leases.set(task.message.id, lease);
    this.#setAlarm(lease.deadline);
    return lease;
  }

  /** Whether a lease still holds and nothing has come of it; one that is late ends here. */
  holds(lease: Lease): boolean {
    if (lease.end !== undefined || lease.isSettling) return false;
    if (lease.deadline > this.#time.elapsed()) return true;
    this.#expire(lease);
    this.wake();
    return false;
  }

  /** Lets a lease last until so many milliseconds from now. */
  extend(lease: Lease, milliseconds: number): void {
    lease.deadline = this.#time.elapsed() + milliseconds;
    this.#setAlarm(lease.deadline);
  }

  /** Keeps a lease that was to be settled and could not be. */
  keep(lease: Lease): void {
    lease.isSettling = false;
  }

  /** Ends the lease of a message, if there is one: the log has what came of it. */
  settle(id: number): void {
    this.#leases.get(id)?.finish("settled");
    this.#leases.delete(id);
    this.#stopIfIdle();
  }

  /** Calls a function whenever something may have become ready, or all is over. */
  listen(listener: () => void): void {
    this.#listeners.add(listener);
    const { at } = this.#delayed.first ?? {};
    if (at !== undefined) this.#setAlarm(at);
  }

  /** Calls it no more. */
  unlisten(listener: () => void): void {
    this.#listeners.delete(listener);
    this.#stopIfIdle();
  }

  /** Tells those that listen if something is ready. */
  wakeIfReady(): void {
    if (this.#listeners.size > 0 && this.hasReady) this.wake();
  }

  /** Tells those that listen. */
  wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Ends it, with all leases. */
  end(why: "closed" | "removed"): void {
    this.#isEnded = true;
    this.#alarm?.timer.cancel();
    this.#alarm = undefined;
    for (const lease of this.#leases.values()) lease.finish(why);
    this.#leases.clear();
    this.wake();
  }

  #expire(lease: Lease): void {
    const { id } = lease.task.message;
    this.#leases.delete(id);
    // One that was given up elsewhere is not to be delivered.
    if (this.state.tasks.get(id) === lease.task) this.#again.push(lease.task);
    lease.finish("expired");
  }

  /** Moves what has waited long enough. */
  #wakeDelayed(): void {
    const now = this.#time.elapsed();
    for (;;) {
      const { at, item } = this.#delayed.first ?? {};
      if (at === undefined || item === undefined) return;
      if (at > now) return this.#setAlarm(at);
      // The sync that makes it so wakes those that listen.
      if (!this.#isDurable(item.message.id)) return;
      this.#delayed.take();
      this.#again.push(item);
    }
  }

  /** Has the alarm ring at a moment, or before, if anything depends on it. */
  #setAlarm(at: number): void {
    if (this.#leases.size === 0 && this.#listeners.size === 0) return;
    if (this.#isEnded || (this.#alarm !== undefined && this.#alarm.at <= at)) return;
    this.#alarm?.timer.cancel();
    this.#alarm = { at, timer: ring(this.#time, at, () => this.#ring()) };
  }

  #ring(): void {
    this.#alarm = undefined;
    const now = this.#time.elapsed();
    for (const lease of [...this.#leases.values()]) {
      if (lease.deadline <= now) this.#expire(lease);
      else this.#setAlarm(lease.deadline);
    }
    if (this.hasReady) this.wake();
  }

  /** A timer would keep the process alive. */
  #stopIfIdle(): void {
    if (this.#leases.size > 0) return;
    if (this.#listeners.size > 0 && this.#delayed.size > 0) return;
    this.#alarm?.timer.cancel();
    this.#alarm = undefined;
  }
}
