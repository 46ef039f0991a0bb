/**
 * The state of a queue as bytes, so that an open reads the records after them only, and those before
 * them can be dropped.
 *
 * ```text
 * highest number
 * messages: their number, then of each: id, less the one before | at, less the id | size | time |
 *           due | delay
 * consumers: their number, then of each: number | name |
 *            tasks: their number, then of each: id | attempts | due | delay |
 *            dead: their number, then of each: id | attempts | time | reason
 * keys: their number, then of each, the oldest first: key | id
 * ```
 *
 * All are numbers of variable length, and texts.
 *
 * @module
 */
import { FieldReader, FieldWriter, NoField } from "./fields.ts";
import { type ConsumerState, type Message, QueueState } from "./state.ts";

/** The state as bytes. */
export function encodeCheckpoint(state: QueueState): Uint8Array {
  const fields = new FieldWriter(1024);
  fields.varint(state.lastNumber);
  fields.varint(state.messages.size);
  let before = 0;
  for (const { id, at, size, time, due, delay } of state.messages.values()) {
    for (const value of [id - before, at - id, size, time, due, delay]) fields.varint(value);
    before = id;
  }
  fields.varint(state.consumers.size);
  for (const consumer of state.consumers.values()) encodeConsumer(fields, consumer);
  fields.varint(state.keys.size);
  for (const [key, id] of state.keys) {
    fields.text(key);
    fields.varint(id);
  }
  return fields.done();
}

function encodeConsumer(fields: FieldWriter, consumer: ConsumerState): void {
  fields.varint(consumer.number);
  fields.text(consumer.name);
  fields.varint(consumer.tasks.size);
  for (const [id, { attempts, due, delay }] of consumer.tasks) {
    for (const value of [id, attempts, due, delay]) fields.varint(value);
  }
  fields.varint(consumer.dead.size);
  for (const [id, { attempts, time, reason }] of consumer.dead) {
    for (const value of [id, attempts, time]) fields.varint(value);
    fields.text(reason);
  }
}

/**
 * The state in these bytes; `undefined` if they are none.
 *
 * @param keys How many keys are remembered from now on.
 */
export function decodeCheckpoint(bytes: Uint8Array, keys: number): QueueState | undefined {
  const fields = new FieldReader(bytes);
  const state = new QueueState(keys);
  try {
    const lastNumber = fields.varint();
    readMessages(fields, state);
    state.dropNoConsumer();
    for (let left = fields.varint(); left > 0; left--) readConsumer(fields, state);
    for (let left = fields.varint(); left > 0; left--) state.addKey(fields.text(), fields.varint());
    const isWhole = fields.isOver && state.consumers.size > 0;
    if (!isWhole) return undefined;
    state.useNumbersTo(lastNumber);
    return state;
  } catch (error) {
    if (error instanceof NoField) return undefined;
    throw error;
  }
}

function readMessages(fields: FieldReader, state: QueueState): void {
  const found: Omit<Message, "pending" | "dead">[] = [];
  let id = 0;
  for (let left = fields.varint(); left > 0; left--) {
    id += fields.varint();
    const at = id + fields.varint();
    const [size, time] = [fields.varint(), fields.varint()];
    found.push({ id, at, size, time, due: fields.varint(), delay: fields.varint() });
  }
  state.addMessages(found);
}

function readConsumer(fields: FieldReader, state: QueueState): void {
  const consumer = state.addConsumer(fields.varint(), fields.text());
  const messageOf = (id: number): Message => {
    const message = state.messages.get(id);
    if (message === undefined) throw new NoField(`There is no message ${id}`);
    return message;
  };
  for (let left = fields.varint(); left > 0; left--) {
    const message = messageOf(fields.varint());
    const attempts = fields.varint();
    state.addTask(consumer, { message, attempts, due: fields.varint(), delay: fields.varint() });
  }
  for (let left = fields.varint(); left > 0; left--) {
    const message = messageOf(fields.varint());
    const [attempts, time] = [fields.varint(), fields.varint()];
    state.addDead(consumer, { message, attempts, time, reason: fields.text() });
  }
}
