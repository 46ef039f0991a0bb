/**
 * The costs in memory as a table, and whether the targets are met.
 *
 * @module
 */
import type { Run } from "../costs/command.ts";
import { count, size, type Table, whole } from "../costs/text.ts";
import type { Cost } from "./subjects.ts";

/** What the heap may grow by. */
const HEAP_LIMIT = 2 ** 20;

/** How many collections an append may cause, to a raw write's. */
const COLLECTIONS_LIMIT = 1.1;

/** The costs on each runtime. */
export function tables({ options, results }: Run<readonly Cost[]>): Table[] {
  const entries = options["entries"] ?? NaN;
  return [{
    caption: `${whole(entries)} calls of 128 bytes each.`,
    words: 2,
    head: [
      "call",
      "runtime",
      "bytes allocated a call",
      "collections",
      "heap",
      "buffers",
      "target",
    ],
    rows: results.flatMap(({ runtime, result }) =>
      result.map((cost) => [
        cost.subject,
        runtime,
        count(cost.allocated / entries),
        whole(cost.count),
        size(cost.heap),
        size(cost.outside),
        cost.subject === "append" ? verdict(cost, result) : "",
      ])
    ),
  }];
}

function verdict({ heap, count }: Cost, all: readonly Cost[]): string {
  const raw = all.find(({ subject }) => subject === "writeSync")?.count ?? NaN;
  const isMet = heap < HEAP_LIMIT && count <= Math.ceil(raw * COLLECTIONS_LIMIT);
  return isMet ? "met" : "NOT MET";
}
