/**
 * The content of a machine's snapshot: how the state is held, the keys, and the state.
 *
 * ```text
 * format u8 = 1 | flags u8 | the keys, as in keys.ts |
 * with flag 2, what is to be handed over, as in undelivered.ts | the state, to the end
 * ```
 *
 * @module
 */
import { isBytes } from "../bytes.ts";
import { reasonOf, WalError } from "../errors.ts";
import type { HeldState } from "./held_state.ts";
import type { Keys } from "./keys.ts";
import { PieceReader } from "./piece_reader.ts";
import type { Undelivered } from "./undelivered.ts";

const FORMAT = 1;
const HEAD_SIZE = 2;

/** Something is to be handed over. Bit 0 is the held state's. */
const UNDELIVERED_FLAG = 2;

/** What a content is made of. */
export interface ContentParts<E> {
  readonly held: HeldState<E>;
  readonly keys: Keys;
  readonly undelivered: Undelivered;
}

/**
 * The content of a snapshot, as it is at its first piece, which is to be taken at once.
 *
 * @param isAtRest Whether no event is applied until the last piece was taken.
 * @throws {WalError} `ERR_MACHINE_STATE`: the state cannot be written; also a piece may throw that.
 */
export function contentOf<E>(
  { held, keys, undelivered }: ContentParts<E>,
  isAtRest = false,
): Iterable<Uint8Array> {
  const { pieces, flags } = orStateError("saved", () => held.save(isAtRest));
  const toCome = undelivered.save();
  const head = new Uint8Array([FORMAT, toCome.length > 0 ? flags | UNDELIVERED_FLAG : flags]);
  return joined(head, keys.save(), toCome, pieces);
}

function* joined(
  head: Uint8Array,
  keys: Generator<Uint8Array, void, undefined>,
  toCome: Uint8Array,
  state: Iterable<Uint8Array>,
): Generator<Uint8Array, void, undefined> {
  // Both are begun first: what they do at their first pieces belongs to the moment of the save.
  let pieces: Iterator<Uint8Array> | undefined;
  try {
    const count = keys.next();
    const from = pieces = state[Symbol.iterator]();
    const next = (): IteratorResult<Uint8Array> => orStateError("saved", () => from.next());
    let piece = next();
    yield head;
    if (count.done !== true) yield count.value;
    yield* keys;
    if (toCome.length > 0) yield toCome;
    while (piece.done !== true) {
      const bytes: unknown = piece.value;
      if (!isBytes(bytes)) throw stateError("saved", new TypeError("save yielded no Uint8Array"));
      yield bytes;
      piece = next();
    }
  } finally {
    keys.return();
    pieces?.return?.();
  }
}

/**
 * Takes a state and what is beside it from a content.
 *
 * @throws {WalError} `ERR_MACHINE_STATE`: the state cannot be read. `ERR_SNAPSHOT_VERSION`: it is of a
 * later version, or no upgrade leads from it.
 */
export function loadContent<E>(
  pieces: Iterable<Uint8Array>,
  version: number,
  { held, keys, undelivered }: ContentParts<E>,
): void {
  const content = new PieceReader(pieces);
  const [format, flags = 0] = content.take(HEAD_SIZE);
  if (format !== FORMAT) throw ofLaterVersion(`the format ${format} of a state machine's snapshot`);
  if (version > held.version) {
    throw ofLaterVersion(`version ${version} of the state, and this program knows ${held.version}`);
  }
  keys.load(content);
  undelivered.clear();
  if ((flags & UNDELIVERED_FLAG) !== 0) undelivered.load(content);
  orStateError("loaded", () => held.load(content.rest(), version, flags));
  // The last piece is followed by the check of all.
  for (const _ of content.rest());
}

function orStateError<T>(what: "saved" | "loaded", call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (cause instanceof WalError) throw cause;
    throw stateError(what, cause);
  }
}

function stateError(what: "saved" | "loaded", cause: unknown): WalError {
  return new WalError(
    "ERR_MACHINE_STATE",
    `The state cannot be ${what}: ${reasonOf(cause)}. The log and its snapshots are as before. ` +
      `Mend ${
        what === "saved" ? "save, or the state" : "load or the upgrade, or the version"
      }, and ` +
      "try again.",
    { cause },
  );
}

function ofLaterVersion(what: string): WalError {
  return new WalError(
    "ERR_SNAPSHOT_VERSION",
    `The newest snapshot has ${what}: a later program wrote it. Nothing was changed. Use that program.`,
  );
}
