/**
 * What a state machine hands messages over to: a queue, as the machine's outbox sees it.
 *
 * @module
 */

/**
 * The side of a queue that a state machine's outbox uses. `Queue` has one as its `outlet`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { type Outlet, Queue, text } from "@durable/wal/queue";
 *
 * const fileSystem = new MemoryFileSystem();
 * await using mail = await Queue.open("mail.wal", { codec: text(), fileSystem });
 * const outlet: Outlet<string> = mail.outlet;
 * assertEquals(outlet.codec, "text");
 * ```
 */
export interface Outlet<M> {
  /** The name of the codec by which messages become bytes. */
  readonly codec: string;
  /** How many keys of {@linkcode enqueue} are remembered. */
  readonly keys: number;
  /**
   * The bytes of messages that are to be enqueued later, as one atom, each in memory of its own.
   *
   * @param messages At least one.
   * @param keySize The most bytes that the key will have.
   * @throws {WalError} What `enqueue` would throw of these messages, whatever the disk does: one has no
   * form in bytes, they are too large, or the queue is closed or has ended.
   */
  encode(messages: readonly M[], keySize: number): Uint8Array[];
  /**
   * Enqueues what {@linkcode encode} has returned, as one atom. Of a key that is remembered, nothing.
   *
   * Durability at return: all of it.
   *
   * @param options The key; the signal ends the wait for room.
   */
  enqueue(
    messages: readonly Uint8Array[],
    options: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<unknown>;
}

/** Something that has an outlet, such as a `Queue`. */
export interface HasOutlet<M> {
  /** Where a machine enqueues messages. */
  readonly outlet: Outlet<M>;
}
