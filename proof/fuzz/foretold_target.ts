/**
 * The accounts of one log that the library gives: what `wal inspect` says that open would do, what open
 * does, and what a reader shows. They must agree.
 *
 * @module
 */
import { compareAccounts } from "../../kit/foretold.ts";
import type { FuzzCase } from "./case.ts";
import { Finding } from "./finding.ts";
import type { Target } from "./target.ts";

/** The three accounts of a log. */
export function foretoldTarget(): Target {
  return { name: "foretold", corpus: "logs", share: 1_000, run: compare };
}

async function compare({ files, settings: { maxEntrySize } }: FuzzCase): Promise<string> {
  const { difference, outcome } = await compareAccounts(files, { maxEntrySize });
  if (difference !== undefined) throw new Finding(difference);
  return outcome;
}
