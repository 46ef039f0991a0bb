/**
 * The score as docs/scoreboard.md, formatted as `deno fmt` formats it, and back.
 *
 * @module
 */
import { type Outcome, OUTCOMES } from "./judge.ts";
import { casesIn, COMPARED, type Counts, noCounts, type Score, totalOf } from "./score.ts";

/** What the document's line on the runtime begins with; it is not compared. */
export const MADE_BY = "Made with ";

const LINE_WIDTH = 100;

/** Measured elsewhere on 20 records of 100 bytes. */
const ELSEWHERE = {
  tidwall: { wrong: 16_062, of: 16_160 },
  raftWal: { wrong: 15_281, of: 19_456 },
  rosedb: { lost: 106, of: 106 },
} as const;

const MEANING: Readonly<Record<Outcome, string>> = {
  "right":
    "Every acknowledged entry is returned. What was never acknowledged may be cut or set aside.",
  "refused":
    "A `WalError` with a code: at open, and every file is as it was; or at the read of the entry that is damaged, while the others can be read.",
  "set aside":
    "`log.recovery` says the case, and a `.cut-` file has the bytes that were cut, each one of them compared.",
  "cut and reported":
    "`log.recovery` says the case and how many bytes were cut. What is gone is the last group of entries, for which no Durable frame, later segment or meta file was left as proof: this is what a torn write looks like (cases B and E). In version 1 it is only zeros, or the rest of a file that was cut short.",
  "gone with all evidence":
    "The files are, byte for byte, what a shorter log would be: a file that ends where a frame ends, a last file that is gone, a meta file that is gone. From these files alone it cannot be known that there was more.",
  "taken for another log":
    "The files are, byte for byte, what a log would be to which other entries were appended: whole valid frames appended by a stranger, or whole frames moved. See below.",
  "silent loss": "An acknowledged entry, or the state, is gone, and nothing says so.",
  "silent wrong data": "An entry has other bytes than were written, or was never written.",
  "crash or hang":
    "An error without a code, reads that contradict each other, a log that is not the same after an append and a reopen, or more than five seconds.",
  "refused but changed": "An error at open, and a file is not as it was.",
};

/** The whole document. */
export function documentOf(score: Score, madeBy: string): string {
  const total = totalOf(score.byKind.values());
  const [flips, cuts] = COMPARED.map((kind) =>
    totalOf(
      [...score.reference].filter(([row]) => row.endsWith(`: ${kind}`)).map(([, counts]) => counts),
    )
  ) as [Counts, Counts];
  const { tidwall, raftWal, rosedb } = ELSEWHERE;
  const silent = (counts: Counts): number => counts["silent wrong data"] + counts["silent loss"];
  const opened = casesIn(cuts) - cuts.refused;
  return [
    "# Scoreboard",
    paragraph(
      `${
        number(casesIn(total))
      } damaged logs. Acknowledged entries that were lost without a word although the files still proved them: in ${
        number(total["silent loss"])
      } logs. Wrong data: in ${number(total["silent wrong data"])}. Crashes: ${
        number(total["crash or hang"])
      }. Refusals that changed a file: ${number(total["refused but changed"])}.`,
    ),
    paragraph(
      "Logs of 15 to 20 entries are damaged in every way below, one at a time, on a copy. The damaged log is opened, read in both ways (`readAll`, and `getEntry` for each index), and compared with what was written. Then one more entry is appended and synced, the log is closed and opened again, and must return the same and the new entry.",
    ),
    "```sh\nnpm run scoreboard              # writes this file\nnpm run scoreboard -- --check   # compares with it\n```",
    `${MADE_BY}${madeBy}.`,
    "## Beside others",
    paragraph(
      "20 records of 100 bytes. The figures of the others were measured by us elsewhere, on logs of the same records, and are not made by this program.",
    ),
    [
      `Every single bit flipped, silent wrong data: \`tidwall/wal\` (Go) in ${
        fraction(tidwall.wrong, tidwall.of)
      }, \`hashicorp/raft-wal\` (Go) in ${
        fraction(raftWal.wrong, raftWal.of)
      }. Silent wrong data or loss: \`@durable/wal\` in ${
        fraction(silent(flips), casesIn(flips))
      }.`,
      `A torn last record, then appends, and later acknowledged records lost: \`rosedb\` (Go) in ${
        fraction(rosedb.lost, rosedb.of)
      }.`,
      `A cut at every length, then appends, and later acknowledged records lost: \`@durable/wal\` in ${
        fraction(cuts["crash or hang"], opened)
      }.`,
    ].map(item).join("\n"),
    `## ${HEADINGS.byKind}`,
    paragraph(
      "How many logs had which outcome; [what the words mean](#what-the-words-mean) is explained below. An outcome that is not named did not occur.",
    ),
    countsList(score.byKind, true),
    `## ${HEADINGS.byLog}`,
    paragraph(
      "`reference`: 20 records of 100 bytes, synced in groups of five. `hostile`: a batch, empty entries, one of 1000 bytes, a state, dropped entries (version 2), and payloads that imitate frames: whole Data frames, the log's own Segment frame, Durable frames with the log's id and right checksums, also one that states exactly the offset at which it stands. `closed` stands for a writer killed when idle too, and in version 1 for one killed after a sync: the bytes are the same. A log `killed in mid-write` ends with half a write that was never acknowledged. A `roll` is a full segment N and the segment N+1 that was begun without a wait. Nothing in N+1 was acknowledged (`no evidence`), or a Durable frame in it or a further segment says that N was durable.",
    ),
    countsList(score.byLog, true),
    `## ${HEADINGS.reference}`,
    countsList(score.reference, false),
    "## What the words mean",
    OUTCOMES.map((outcome) => item(`**${outcome}.** ${MEANING[outcome]}`)).join("\n"),
    "## What cannot be found",
    [
      "**A file that ends where a frame ends.** A cut of the last file at a frame's boundary takes the evidence with it. A cut anywhere else in a log is refused if a later segment, a Durable frame or the meta file still proves it, and reported otherwise.",
      "**A whole frame that a stranger appended.** A Data frame is the one of Go-WAL and says neither of what log it is nor which index it has. The checksum is no signature.",
      "**Whole frames that changed places.** For the same reason. It takes records whose frames begin and end where sectors do, and a disk that swaps two sectors or writes one in the place of another. The two logs of `sector-sized records` show it; only whole sectors are damaged there. Records that need to be safe from that should hold a number of their own.",
      '**A torn last entry whose payload states a Durable frame of this log, in its place.** It cannot be distinguished from the real one, so a crash in the middle of that write looks like damage to what was acknowledged, and the log is refused. A caller that can read the log and choose its entries can do that; nothing is lost, and `recovery: "salvage"` opens it.',
    ].map(item).join("\n"),
    "## What is damaged",
    paragraph(
      "Every byte and bit of every segment. Of the meta file, whose two slots are 64 KiB apart, every byte and bit of both slots and 16 bytes after each, and all sectors; what lies between means nothing. Sectors are 512 bytes, from the file's start. `garbage appended` is random bytes, zeros, halves of the file's own frames, and whole ones after a zero. `whole valid frames appended` is a copy of each of the file's own frames, and forged ones of every kind with right checksums: batches whole and half, Durable frames in and out of place, Seals of too few and too many entries, unknown kinds.",
    ),
    paragraph(
      "`N torn under N+1` is of the logs `roll` alone: N without its Seal, cut at each byte, with zeros from each byte on, with each bit flipped, longer by zeros, ones and its own frames, and with holes of 512 bytes and 4 KiB; and a part of these beside an N+1 whose own beginning is torn. It has evidence if the torn files still hold the Durable frame or the further segment. Then an entry of N is never given up: the log is refused, or the read of the entry. Without it, N+1 is set aside and told, if it holds a whole entry, or N's own Durable frame refuses.",
    ),
  ].join("\n\n") + "\n";
}

/** What a document says, but for the line on the runtime. */
export function withoutRuntime(document: string): string {
  return document.split("\n").filter((line) => !line.startsWith(MADE_BY)).join("\n");
}

/** The counts that a document's list has, by the names of its items. */
export function countsIn(document: string, list: keyof typeof HEADINGS): Map<string, Counts> {
  const [, section] = document.split(`\n## ${HEADINGS[list]}\n`);
  if (section === undefined) throw new Error(`No section "${HEADINGS[list]}"`);
  const items = section.replace(/\n## [^]*/, "").split("\n- ").slice(1)
    .map((item) => item.trim().replace(/\s+/g, " "));
  return new Map(items.flatMap((item) => {
    const [, name = "", cases, outcomes = ""] =
      item.match(/^\*\*(.*?)\*\*: ([\d,]+) cases: (.*)\.$/) ?? [];
    if (cases === undefined) throw new Error(`No counts: ${item}`);
    if (name === TOTAL) return [];
    const counts = noCounts();
    for (const outcome of outcomes.split(", ")) {
      const [, what = "", amount = ""] = outcome.match(/^([a-z ]+) ([\d,]+)$/) ?? [];
      if (!Object.hasOwn(counts, what)) throw new Error(`No outcome "${outcome}"`);
      counts[what as Outcome] = Number(amount.replaceAll(",", ""));
    }
    return [[name, counts] as const];
  }));
}

const HEADINGS = {
  byKind: "By class of damage",
  byLog: "By log",
  reference: "The reference logs",
} as const;

const TOTAL = "all";

/** An item for each name: how many cases, and how many of each outcome. The total names all. */
function countsList(rows: ReadonlyMap<string, Counts>, hasTotal: boolean): string {
  const shown = (name: string, counts: Counts, outcomes: readonly Outcome[]): string =>
    item(
      `**${name}**: ${number(casesIn(counts))} cases: ${
        outcomes.map((outcome) => `${outcome} ${number(counts[outcome])}`).join(", ")
      }.`,
    );
  const items = Array.from(
    rows,
    ([name, counts]) => shown(name, counts, OUTCOMES.filter((outcome) => counts[outcome] > 0)),
  );
  return [...items, ...(hasTotal ? [shown(TOTAL, totalOf(rows.values()), OUTCOMES)] : [])]
    .join("\n");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function fraction(some: number, all: number): string {
  return `${number(some)} of ${number(all)} cases`;
}

function paragraph(text: string): string {
  return wrap(text, "");
}

function item(text: string): string {
  return `- ${wrap(text, "  ")}`;
}

/** Breaks text into lines, but not within `code`; those after the first are indented. */
function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const [word] of text.matchAll(/(?:`[^`]*`|[^ `])+/g)) {
    if (line !== "" && indent.length + line.length + 1 + word.length > LINE_WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
}
