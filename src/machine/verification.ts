/**
 * Whether a state machine's events, applied again, give the state that its newest snapshot has.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { digestOfContent } from "../snapshot/digest.ts";
import { contentOf } from "./content.ts";
import { applyEntry, loadBeginning, type Rebuilt, requireNamed } from "./recovery.ts";
import { openNamed } from "./snapshots.ts";

/**
 * Rebuilds the state of the newest snapshot from the one before it, or from all events, and compares.
 *
 * @param own The layer's own bytes of the log's state.
 * @returns The index up to which it was compared; 0 if there is nothing to compare with.
 * @throws {WalError} `ERR_MACHINE_DIVERGED`: the states differ.
 */
export async function verifyEvents<E>(parts: Rebuilt<E>, own: Uint8Array): Promise<number> {
  const { log, fileSystem, held, undelivered } = parts;
  const [newest, ...older] = requireNamed(log, own);
  if (newest === undefined) return 0;
  const file = await openNamed(log, fileSystem, newest);
  const { version, index: last } = file;
  file.close();
  // An upgrade makes another content of the same state.
  if (version !== held.version) return 0;
  const { index: first, usable } = await loadBeginning(parts, older);
  if (usable.length === 0 && log.firstIndex > 1) return 0;
  undelivered.find(log, first);
  if (last > first) {
    log.replay((entry) => {
      applyEntry(parts, entry);
      held.settle();
    }, { from: first + 1, to: last });
  }
  const digest = await digestOfContent(contentOf(parts, true));
  if (digest === newest.digest) return last;
  throw new WalError(
    "ERR_MACHINE_DIVERGED",
    `The events ${
      first + 1
    } to ${last} of "${log.path}", applied again, give another state than the ` +
      "one that the newest snapshot has. Nothing was changed. Look for what apply reads beside its " +
      "arguments: a clock, random numbers, a variable outside; or for a rule that has changed.",
  );
}
