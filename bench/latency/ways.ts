/**
 * The ways to make a sync that are measured, as options of the log.
 *
 * @module
 */
import type { WalOptions } from "../../mod.ts";

/** The options by the way's name. */
export const WAYS: Readonly<Record<string, WalOptions>> = {
  "by default": {},
  'syncMode: "blocking"': { syncMode: "blocking" },
};
