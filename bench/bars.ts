/**
 * A workload's ratios as a chart: horizontal bars, host by host, with the floor as a line at 1.
 *
 * @module
 */
import { isOurs } from "./contestants.ts";
import { HOSTS, LESS, type Line, type Table, times } from "./report.ts";

const WIDTH = 780;
const LEFT = 10;
const LABELS = 224;
const VALUES = 64;
const BAR = 14;
const STEP = 20;
const HEADING = 26;
const TOP = 50;
const BOTTOM = 44;

/** How many times ours, or the floor, a bar may be long before it is cut off. */
const CUT = 2.5;

/** Colours for a light background and for a dark one; the background itself shows through. */
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 14px; font-weight: 600; }
  .quiet { fill: #57606a; }
  .host, .ours-label { font-weight: 600; }
  .ours { fill: #0969da; }
  .peer { fill: #8c959f; }
  .less { fill: url(#hatch); stroke: #8c959f; }
  .hatch { stroke: #8c959f; stroke-width: 2; }
  .spread { stroke: #24292f; }
  .floor { stroke: #cf222e; stroke-dasharray: 4 3; }
  .floor-label { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #8d96a0; }
    .ours { fill: #4493f8; }
    .peer { fill: #6e7681; }
    .less { stroke: #6e7681; }
    .hatch { stroke: #6e7681; }
    .spread { stroke: #e6edf3; }
    .floor { stroke: #f85149; }
    .floor-label { fill: #f85149; }
  }`;

/** The chart of a workload, as the text of an SVG file. */
export function barsOf(table: Table): string {
  const { workload, lines } = table;
  const end = axisEnd(lines);
  const x = (ratio: number): number =>
    LABELS + Math.min(ratio, end) / end * (WIDTH - LABELS - VALUES);
  const parts: string[] = [];
  let y = TOP;
  for (const host of HOSTS) {
    const some = lines.filter(({ entrant }) => entrant.host === host);
    if (some.length === 0) continue;
    parts.push(text(LEFT, y + 14, host, "host"));
    y += HEADING - 4;
    for (const line of some) {
      parts.push(...bar(line, y, x, end));
      y += STEP;
    }
    y += 6;
  }
  const better = workload.score === "rate"
    ? "rate to the floor of the same runtime; longer is better"
    : "time to the floor of the same runtime; shorter is better";
  const legend = ["thin line: from the lowest round to the highest"];
  if (lines.some(({ less }) => less !== undefined)) legend.push(`hatched, ${LESS}: promises less`);
  if (lines.some(({ summary }) => summary.ratio > end)) legend.push("→: cut off");
  const title = `${workload.title} (${workload.id})`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + BOTTOM}" ` +
    `width="${WIDTH}" height="${y + BOTTOM}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" ' +
    'patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>',
    text(LEFT, 16, title, "title"),
    text(LEFT, 34, better, "quiet"),
    ...parts,
    `<line class="floor" x1="${round(x(1))}" y1="${TOP - 4}" x2="${round(x(1))}" y2="${y}"/>`,
    text(x(1), y + 12, "floor = 1", "floor-label", "middle"),
    text(LEFT, y + 32, legend.join(" · "), "quiet"),
    "</svg>\n",
  ].join("\n");
}

/** The ratio at the right end of the axis. */
function axisEnd(lines: readonly Line[]): number {
  const ours = lines.filter(({ entrant }) => isOurs(entrant.kind));
  const cut = CUT * Math.max(1, ...ours.map(({ summary }) => summary.ratio));
  const longest = Math.max(...lines.map(({ summary }) => summary.ratio));
  return Math.max(1.2, Math.min(longest * 1.05, cut));
}

function bar(
  { entrant, label, less, summary }: Line,
  y: number,
  x: (ratio: number) => number,
  end: number,
): string[] {
  const { ratio, lowest, highest } = summary;
  const isOwn = isOurs(entrant.kind);
  const kind = isOwn ? "ours" : less === undefined ? "peer" : "less";
  const middle = round(y + BAR / 2);
  const length = round(Math.max(x(ratio) - LABELS, 1));
  const isCut = ratio > end;
  const after = Math.max(x(ratio), x(highest)) + 6;
  return [
    text(
      LABELS - 8,
      y + 11,
      less === undefined ? label : `${label} ${LESS}`,
      isOwn ? "ours-label" : "",
      "end",
    ),
    `<rect class="${kind}" x="${LABELS}" y="${y}" width="${length}" height="${BAR}"/>`,
    `<line class="spread" x1="${round(x(lowest))}" y1="${middle}" x2="${round(x(highest))}" ` +
    `y2="${middle}"/>`,
    text(after, y + 11, `${isCut ? "→ " : ""}${times(ratio)}`, isOwn ? "ours-label" : ""),
  ];
}

function text(x: number, y: number, content: string, kind: string, anchor = "start"): string {
  const attributes = kind === "" ? "" : ` class="${kind}"`;
  const align = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}"${attributes}${align}>${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
