/**
 * Writes the snapshot that a machine in another thread has ordered.
 *
 * @module
 */
import { invalid, requireOptions, requirePath } from "../arguments.ts";
import { SnapshotFile, type SnapshotSummary } from "../snapshot/snapshot.ts";
import { contentOf } from "./content.ts";
import { offloadFailed, type SnapshotOrder } from "./offload.ts";
import { applyEntry, loadBeginning, type Rebuilt, requireNamed } from "./recovery.ts";

/** How the file is written. */
export interface OrderedFile {
  readonly mode: number;
  readonly compress: boolean;
}

/** Refuses an order that makes no sense. */
export function requireOrder(order: SnapshotOrder): void {
  requireOptions("order", order, ["log", "index", "file"]);
  requirePath(order.log);
  requirePath(order.file);
  const { index } = order;
  if (!Number.isSafeInteger(index) || index < 0) {
    throw invalid("index", "a whole number from 0", index);
  }
}

/**
 * Rebuilds the state up to an index and writes the snapshot.
 *
 * @param own The layer's own bytes of the log's state.
 * @throws {WalError} `ERR_SNAPSHOT_OFFLOAD`: the log has not these events any more, or not yet.
 */
export async function writeOrdered<E>(
  parts: Rebuilt<E>,
  own: Uint8Array,
  { index, file }: SnapshotOrder,
  { mode, compress }: OrderedFile,
): Promise<SnapshotSummary> {
  const { log, fileSystem, held, undelivered } = parts;
  const named = requireNamed(log, own).filter((one) => one.index <= index);
  const { index: first } = await loadBeginning(parts, named);
  undelivered.find(log, first);
  if (log.lastIndex < index) {
    throw offloadFailed(file, `the log ends with entry ${log.lastIndex}, and not with ${index}`);
  }
  if (first < index) {
    log.replay((entry) => {
      applyEntry(parts, entry);
      held.settle();
    }, { from: first + 1, to: index });
  }
  const writer = await SnapshotFile.create(file, { logId: log.id, fileSystem, mode, compress });
  try {
    for (const piece of contentOf(parts, true)) await writer.write(piece);
    return await writer.finish({ index, version: held.version });
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
