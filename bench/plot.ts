/**
 * Line charts as SVG: each line has its name and last value at its end, in its own colour, so that
 * a reader has to look nothing up. Readable on a light and on a dark page.
 *
 * @module
 */

/** A line; the same `colour` number means the same colour in every chart. */
export interface Series {
  readonly name: string;
  /** Which of the colours and point shapes, from 0. */
  readonly colour: number;
  /** For what a line is compared with. */
  readonly isDashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** An axis. */
export interface Axis {
  readonly scale: "log" | "linear";
  /** A value as text. */
  readonly show: (value: number) => string;
  /** The values that are marked; without them they are chosen. */
  readonly ticks?: readonly number[];
}

/** A chart. */
export interface LineChart {
  readonly title: string;
  /** How to read it, in a few words. */
  readonly subtitle: string;
  readonly x: Axis;
  /** What stands below the horizontal axis. */
  readonly xLabel: string;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/** From a value to a place on the page. */
interface Scale {
  readonly ticks: readonly number[];
  place(value: number): number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const WIDTH = 760;
const HEIGHT = 400;

/** The area of the lines; to its right stand their names. */
const LEFT = 78;
const RIGHT = 560;
const TOP = 72;
const BOTTOM = 344;

/** The least distance of two names. */
const LINE_HEIGHT = 17;

/** Of each, the colour on a light and on a dark page; told apart by the colour-blind too. */
const COLOURS = [
  ["#0062a3", "#5bb4f0"],
  ["#c24e00", "#f0a04b"],
  ["#00795a", "#3ccfa4"],
  ["#6b6b6b", "#a8a8a8"],
] as const;

const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #333 }
  .page { fill: #fff }
  .title { font-size: 17px; font-weight: 600; fill: #111 }
  .grid { stroke: #e3e3e3 }
  .axis { stroke: #888 }
  .line { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round }
  .dashed { stroke-dasharray: 2 5 }
  .name { font-weight: 600 }
  .value { font-weight: 400 }
${COLOURS.map(([light], i) => `  ${colourRules(i, light)}`).join("\n")}
  @media (prefers-color-scheme: dark) {
    text { fill: #c9c9c9 }
    .page { fill: #15181c }
    .title { fill: #f2f2f2 }
    .grid { stroke: #2d3238 }
    .axis { stroke: #777 }
${COLOURS.map(([, dark], i) => `    ${colourRules(i, dark)}`).join("\n")}
  }
`;

/** The chart as an SVG document. */
export function lineChart({ title, subtitle, x, xLabel, y, series }: LineChart): string {
  const points = series.flatMap(({ points }) => points);
  if (points.length === 0) throw new Error(`The chart "${title}" has no points.`);
  const across = scaleOf(x, points.map(([x]) => x), { from: LEFT, to: RIGHT - 12 }, true);
  const up = scaleOf(y, points.map(([, y]) => y), { from: BOTTOM, to: TOP }, false);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" ` +
    `height="${HEIGHT}" role="img" aria-label="${escape(`${title}. ${subtitle}`)}">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    `<text class="title" x="20" y="30">${escape(title)}</text>`,
    `<text x="20" y="51">${escape(subtitle)}</text>`,
    ...up.ticks.map((tick) => horizontal(up.place(tick), tick === 0 ? "0" : y.show(tick))),
    ...across.ticks.map((tick) => vertical(across.place(tick), x.show(tick))),
    `<path class="axis" d="M${LEFT} ${BOTTOM}H${RIGHT}"/>`,
    `<text x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle">${
      escape(xLabel)
    }</text>`,
    ...series.map((one) => line(one, across, up)),
    ...names(series, y, up),
    "</svg>",
    "",
  ].join("\n");
}

function colourRules(number: number, colour: string): string {
  return `.c${number} { stroke: ${colour} } .f${number}, text.f${number} { fill: ${colour} }`;
}

function horizontal(place: number, text: string): string {
  const at = round(place);
  return `<path class="grid" d="M${LEFT} ${at}H${RIGHT}"/>` +
    `<text x="${LEFT - 9}" y="${at + 4.5}" text-anchor="end">${escape(text)}</text>`;
}

function vertical(place: number, text: string): string {
  const at = round(place);
  return `<path class="axis" d="M${at} ${BOTTOM}v5"/>` +
    `<text x="${at}" y="${BOTTOM + 20}" text-anchor="middle">${escape(text)}</text>`;
}

function line({ colour, isDashed, points }: Series, across: Scale, up: Scale): string {
  const places = points.map(([x, y]) => [round(across.place(x)), round(up.place(y))] as const);
  const number = colour % COLOURS.length;
  const path = places.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x} ${y}`).join("");
  return [
    `<path class="line c${number}${isDashed ? " dashed" : ""}" d="${path}"/>`,
    ...places.map(([x, y]) => mark(number, x, y)),
  ].join("");
}

/** A point, in a shape of the line's own. */
function mark(number: number, x: number, y: number): string {
  const shape = [
    `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
    `M${x - 3.5} ${y - 3.5}h7v7h-7z`,
    `M${x} ${y - 4.5}l4.5 8h-9z`,
    `M${x} ${y - 4.5}l4.5 4.5l-4.5 4.5l-4.5 -4.5z`,
  ][number];
  return `<path class="f${number}" d="${shape}"/>`;
}

/** The names at the ends of the lines, moved apart where these are close. */
function names(series: readonly Series[], y: Axis, up: Scale): string[] {
  const ends = series.flatMap(({ name, colour, points }) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ name, colour, value: last[1], at: up.place(last[1]) }];
  }).sort((a, b) => a.at - b.at);
  const top = TOP + 4;
  let lowest = top - LINE_HEIGHT;
  for (const end of ends) lowest = end.at = Math.max(end.at, lowest + LINE_HEIGHT);
  let highest = BOTTOM + LINE_HEIGHT;
  for (const end of ends.toReversed()) highest = end.at = Math.min(end.at, highest - LINE_HEIGHT);
  return ends.map(({ name, colour, value, at }) =>
    `<text class="name f${colour % COLOURS.length}" x="${RIGHT + 6}" y="${round(at) + 4.5}">` +
    `${escape(name)} <tspan class="value">${escape(y.show(value))}</tspan></text>`
  );
}

/** A scale that has all values in it; across, it ends with the values, and up with a tick. */
function scaleOf(axis: Axis, values: readonly number[], room: Range, isTight: boolean): Scale {
  const isLog = axis.scale === "log";
  const counted = isLog ? values.filter((value) => value > 0) : [...values, 0];
  const low = Math.min(...counted);
  const high = Math.max(...counted);
  const ticks = axis.ticks ?? (isLog ? logTicks(low, high) : linearTicks(high));
  const first = isTight ? low : Math.min(low, ticks[0] ?? low);
  const last = isTight ? high : Math.max(high, ticks.at(-1) ?? high);
  const measure = isLog ? Math.log10 : (value: number) => value;
  const span = measure(last) - measure(first) || 1;
  return {
    ticks: ticks.filter((tick) => tick >= first && tick <= last),
    // What a logarithm cannot show stands on the ground.
    place: (value) =>
      room.from +
      (room.to - room.from) * (measure(Math.max(value, isLog ? first : value)) - measure(first)) /
        span,
  };
}

/** Powers of ten, and 2 and 5 times these where there would be few; the values are between them. */
function logTicks(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const steps = to - from > 3 ? [1] : [1, 2, 5];
  const all = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i))
    .flatMap((power) => steps.map((step) => step * power));
  const begin = all.findLastIndex((tick) => tick <= low);
  const end = all.findIndex((tick) => tick >= high);
  return all.slice(Math.max(0, begin), end < 0 ? undefined : end + 1);
}

/** Up to six round numbers from zero. */
function linearTicks(high: number): number[] {
  const rough = high / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, i) => i * step);
}

function round(place: number): number {
  return Math.round(place * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
