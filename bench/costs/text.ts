/**
 * Numbers with their units, tables and paragraphs, for a terminal and as Markdown that `deno fmt`
 * leaves as it is.
 *
 * @module
 */

/** A table; its first columns hold words, the others numbers. */
export interface Table {
  readonly caption: string;
  /** How many columns hold words. */
  readonly words: number;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** How wide a line of a document is. */
const WIDTH = 100;

const NANOSECONDS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]] as const;
const COUNTS = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]] as const;
const BYTES = [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]] as const;

/** A duration, such as `1.2 ms`. */
export function duration(nanoseconds: number): string {
  return scaled(nanoseconds, NANOSECONDS.map(([size, unit]) => [size, ` ${unit}`] as const));
}

/** A short count, such as `10M`. */
export function shortCount(value: number): string {
  return scaled(value, COUNTS);
}

/** A size in bytes, such as `64 MiB`. */
export function size(bytes: number): string {
  return scaled(bytes, BYTES);
}

/** A number with separators and three digits that count. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
}

/** A whole number with separators. */
export function whole(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 0 });
}

function scaled(value: number, units: readonly (readonly [number, string])[]): string {
  if (!Number.isFinite(value)) return "unknown";
  const magnitude = Math.abs(value);
  // What would be rounded up to the next unit is shown in that one.
  const [unit, name] = units.find(([unit]) => magnitude >= unit * 0.9995) ?? units.at(-1) ??
    [1, ""];
  const text = (value / unit).toPrecision(3);
  return `${text.includes("e") ? Math.round(value / unit) : Number(text)}${name}`;
}

/** A table for a terminal. */
export function plain({ caption, words, head, rows }: Table): string {
  const widths = widthsOf(head, rows);
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => pad(cell, widths[i] ?? 0, i >= words)).join("  ").trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [caption, "", line(head), rule, ...rows.map(line)].join("\n");
}

/** A table in Markdown, its caption above it. */
export function markdown({ caption, words, head, rows }: Table): string {
  const widths = widthsOf(head, rows);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => pad(cell, widths[i] ?? 0, i >= words)).join(" | ")} |`;
  const rule = widths.map((width, i) =>
    i >= words ? `${"-".repeat(width - 1)}:` : "-".repeat(width)
  );
  return [paragraph(caption), "", line(head), line(rule), ...rows.map(line)].join("\n");
}

/** A text in lines of a document's width. */
export function paragraph(text: string): string {
  return fill(text, "");
}

/** A list item in such lines. */
export function item(text: string): string {
  return `- ${fill(text, "  ")}`;
}

function fill(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > WIDTH && line.trim() !== "") {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line].join("\n").slice(indent.length);
}

function widthsOf(head: readonly string[], rows: Table["rows"]): number[] {
  return head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
}

function pad(cell: string, width: number, isNumber: boolean): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}
