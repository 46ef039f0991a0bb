/**
 * The calls whose omission no crash of the programs turns into a broken promise, each with the reason.
 * Most have a test of their own, or a mutation of the code, where a sync fails or several die.
 *
 * @module
 */

const FAILED = "it gives up blocks that a failed sync has lost, and none fails here";
const DIED =
  "it is for a writer that died before, or for a sync that failed, of which these programs have none";
const SLOT = "one of the two slots is enough, until the other is damaged";
const LEFTOVER = "the next opening removes what is below the first index";
const FRAME = "it is for a frame that tells damage from a torn write, and a crash damages nothing";
const TORN = "what is after the end is found torn again, or written over";
const MARK = "it takes two openings that die, one after the other, to need the mark";
const REDO = "a redo file that is back is used, and leaves the same, unless entries follow at once";
const AHEAD = "it is the space ahead, which only saves time";
const LATER = "a later sync of the directory comes before the answer";
const SPACE = "it only gives space back";

/** By the key of the call. */
export const UNNOTICED: Readonly<Record<string, string>> = {
  "open: truncate segment, after sync directory": FAILED,
  "open: truncate segment, after write redo": FAILED,
  "open: truncate meta, after sync segment": FAILED,
  "open: truncate meta, after write redo": FAILED,
  "open: sync directory, after nothing": DIED,
  "open: sync segment, after sync directory": DIED,
  "open: sync meta, after truncate meta": DIED,
  "open: sync directory, after sync meta": DIED,
  "open: sync directory, after sync directory": DIED,
  "open: sync segment, after sync segment": DIED,
  "open: sync directory, after remove segment": DIED,
  "open: sync segment, after truncate segment": DIED,
  "open: write segment, after sync segment": DIED,
  "close: sync directory, after sync segment": DIED,
  "setState: write meta, after sync meta": SLOT,
  "truncateBefore: write meta, after nothing": SLOT,
  "truncateBefore: write meta, after sync meta": SLOT,
  "open: write meta, after truncate meta": SLOT,
  "reset: write meta, after nothing": SLOT,
  "reset: write meta, after sync meta": SLOT,
  "reset: write meta, after sync segment": SLOT,
  "truncateBefore: remove segment, after sync meta": LEFTOVER,
  "truncateBefore: remove segment, after remove segment": LEFTOVER,
  "truncateBefore: sync directory, after remove segment": LEFTOVER,
  "truncateBefore: remove segment, after sync directory": LEFTOVER,
  "close: sync segment, after write segment": FRAME,
  "open: truncate segment, after sync segment": TORN,
  "open: write redo, after sync directory": MARK,
  "truncateFrom: write redo, after sync directory": MARK,
  "reset: write redo, after sync directory": MARK,
  "open: sync directory, after remove redo": REDO,
  "reset: remove redo, after sync segment": REDO,
  "reset: sync directory, after remove redo": REDO,
  "append: write segment, after sync segment": AHEAD,
  "reset: sync directory, after sync meta": LATER,
  "close: truncate segment, after nothing": SPACE,
};
