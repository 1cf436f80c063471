// Line charts as SVG, made of text alone, for the pages that the benchmark writes.
//
// A picture carries its own background and follows the reader's light or dark mode; it has a title and a description
// for those who hear it. The same input gives the same bytes, so that a page changes only when its numbers do.

import { marginOf, NAME_SIZE, placeNames } from "./chart/labels.mjs";
import { makeScale } from "./chart/scale.mjs";
import { LINES_MAX, marker, pathClass, styleSheet } from "./chart/style.mjs";
import { escaped, formatMicroseconds, formatNumber, shortened, textWidth, wrapped } from "./chart/text.mjs";

const WIDTH = 840;
const PLOT_HEIGHT = 300;
const PADDING = 24;
const TICK_SIZE = 12;
const NAME_WIDTH_MAX = 200; // wider names go into a legend
const LEGEND_INDENT = 44;
const MARKERS_MAX = 32; // of a line; one with more points has a marker at its end only
const NUMBER_MIN = 1e-15;
const NUMBER_MAX = 1e15;

const FORMATS = { number: formatNumber, microseconds: formatMicroseconds };

const pixel = (value) => String(Math.round(value * 10) / 10);
const lineTo = (places) => `M${places.map(([x, y]) => `${pixel(x)} ${pixel(y)}`).join("L")}`;

function textAt(className, x, y, text, anchor = "start") {
  const anchored = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text class="${className}" x="${pixel(x)}" y="${pixel(y)}"${anchored}>${escaped(text)}</text>`;
}

function readText(value, name) {
  if (typeof value !== "string" || value.trim() === "") throw new TypeError(`${name} has to be a text, not ${value}`);
  return value;
}

function readAxis(axis, name) {
  const { label, log = false, format = "number" } = axis ?? {};
  const formatter = typeof format === "function" ? format : Object.hasOwn(FORMATS, format) ? FORMATS[format] : null;
  if (formatter === null) {
    const allowed = Object.keys(FORMATS).join(", ");
    throw new TypeError(`${name}.format is "${format}"; it has to be ${allowed} or a function`);
  }
  return { label: readText(label, `${name}.label`), log: Boolean(log), format: (value) => String(formatter(value)) };
}

function checkNumber(value, log, where) {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`${where} is ${value}, not a number`);
  if (log && value <= 0) throw new RangeError(`${where} is ${value}; a logarithmic axis has no place for it`);
  const size = Math.abs(value);
  if (size > NUMBER_MAX || (size < NUMBER_MIN && value !== 0)) {
    throw new RangeError(`${where} is ${value}; a chart's numbers are 0 or between ${NUMBER_MIN} and ${NUMBER_MAX}`);
  }
}

function readSeries(series, x, y) {
  if (!Array.isArray(series) || series.length === 0) throw new TypeError("series is empty: there is nothing to draw");
  if (series.length > LINES_MAX) {
    throw new RangeError(`${series.length} series: a chart keeps at most ${LINES_MAX} lines apart`);
  }
  const names = new Set();
  return series.map((line, i) => {
    const { name, points } = line ?? {};
    const where = `series "${readText(name, `series ${i + 1}'s name`)}"`;
    if (names.has(name)) throw new RangeError(`${where} is there twice`);
    names.add(name);
    if (!Array.isArray(points) || points.length === 0) throw new TypeError(`${where} has no points`);
    points.forEach((point, at) => {
      if (!Array.isArray(point) || point.length !== 2) throw new TypeError(`${where}: point ${at + 1} is no [x, y]`);
      checkNumber(point[0], x.log, `${where}: x of point ${at + 1}`);
      checkNumber(point[1], y.log, `${where}: y of point ${at + 1}`);
    });
    return { name, points };
  });
}

const labelOf = ({ label, log }) => label + (log ? " (logarithmic)" : "");

/** The whole in words, for the picture's description. */
function describe({ x, y, series }) {
  const lines = series.map(({ name, points }) => {
    const best = points.reduce((highest, point) => (point[1] > highest[1] ? point : highest));
    const [first, last, highest] = [...new Set([points[0], points.at(-1), best])].map(([at, value]) =>
      `${y.format(value)} at ${x.format(at)}`
    );
    return `${name}: ${first}` + (last ? ` first, ${last} last` : "") + (highest ? `, highest ${highest}` : "");
  });
  return `A line chart of ${labelOf(y)} against ${labelOf(x)}. ${lines.join("; ")}.`;
}

/** Lines of text from a height downwards: their SVG, and the height below them. */
function textBlock(lines, className, top, lineHeight) {
  const svg = lines.map((line, i) => textAt(className, PADDING, top + (i + 0.8) * lineHeight, line));
  return { svg, bottom: top + lines.length * lineHeight };
}

function legend(series, top) {
  const svg = [];
  let x = PADDING;
  let y = top + 11;
  series.forEach(({ name }, line) => {
    const text = shortened(name, NAME_SIZE, WIDTH - 2 * PADDING - LEGEND_INDENT);
    const width = LEGEND_INDENT + textWidth(text, NAME_SIZE);
    if (x > PADDING && x + width > WIDTH - PADDING) {
      x = PADDING;
      y += 22;
    }
    svg.push(
      `<path class="${pathClass(line)}" d="M${pixel(x)} ${y}h36"/>`,
      marker(line, pixel(x + 18), y, name),
      textAt(`name line${line}`, x + LEGEND_INDENT, y + 4.5, text),
    );
    x += width + 22;
  });
  return { svg, bottom: y + 14 };
}

function header({ title, subtitle, series }, withLegend) {
  const room = WIDTH - 2 * PADDING;
  const heading = textBlock(wrapped(title, 18, room, 2), "title ink", 18, 24);
  const below = textBlock(wrapped(String(subtitle ?? ""), 13, room, 3), "subtitle muted", heading.bottom + 2, 19);
  const last = withLegend ? legend(series, below.bottom + 10) : { svg: [], bottom: below.bottom };
  return { svg: [...heading.svg, ...below.svg, ...last.svg], bottom: last.bottom };
}

function axes({ x, y }, scaleX, scaleY, plot) {
  const vertical = scaleX.ticks.map(({ value }) => `M${pixel(scaleX.at(value))} ${plot.top}V${plot.bottom}`);
  const horizontal = scaleY.ticks.map(({ value }) => `M${plot.left} ${pixel(scaleY.at(value))}H${plot.right}`);
  const bottom = plot.bottom;
  return [
    `<path class="grid" d="${vertical.join("")}${horizontal.join("")}"/>`,
    `<path class="axis" d="M${plot.left} ${bottom}H${plot.right}"/>`,
    ...scaleX.ticks.filter(({ text }) => text).map(({ value, text }) =>
      textAt("tick muted", scaleX.at(value), bottom + 20, text, "middle")
    ),
    ...scaleY.ticks.filter(({ text }) => text).map(({ value, text }) =>
      textAt("tick muted", plot.left - 10, scaleY.at(value) + 4, text, "end")
    ),
    textAt("label muted", PADDING, plot.top - 16, labelOf(y)),
    textAt("label muted", (plot.left + plot.right) / 2, bottom + 44, labelOf(x), "middle"),
  ];
}

function drawLines({ x, y }, lines) {
  const drawn = lines.map(({ name, points, pixels }, line) => {
    const shown = points.length <= MARKERS_MAX ? points.map((_, i) => i) : [points.length - 1];
    return [
      `<path class="${pathClass(line)}" d="${lineTo(pixels)}"/>`,
      ...shown.map((i) => {
        const [px, py] = pixels[i].map(pixel);
        return marker(line, px, py, `${name}: ${y.format(points[i][1])} at ${x.format(points[i][0])}`);
      }),
    ];
  });
  return drawn.reverse().flat(); // the first lies on top
}

function drawNames(lines, plot) {
  const places = placeNames(lines, plot);
  return [
    ...places.map(({ leader }, line) =>
      leader ? `<path class="leader line${line}" d="${lineTo(leader)}"/>` : ""
    ).filter(Boolean),
    ...places.map(({ x, y }, line) => textAt(`name line${line}`, x, y + 4.5, lines[line].name)),
  ];
}

/** The picture's size and the places in it. */
function layOut(chart, top, margin) {
  const values = (axis) => chart.series.flatMap(({ points }) => points.map((point) => point[axis]));
  const plot = { top: top + 44, bottom: top + 44 + PLOT_HEIGHT };
  const scaleY = makeScale({ values: values(1), ...chart.y, size: TICK_SIZE, start: plot.bottom, end: plot.top });
  plot.left = Math.ceil(PADDING + 10 + Math.max(...scaleY.ticks.map(({ text }) => textWidth(text, TICK_SIZE))));
  plot.right = Math.floor(WIDTH - PADDING - margin);
  const inset = chart.x.log ? 12 : 0;
  const scaleX = makeScale({
    values: values(0), ...chart.x, own: true, tight: true, size: TICK_SIZE,
    start: plot.left + inset, end: plot.right - 12,
  });
  return { plot, scaleX, scaleY, height: plot.bottom + 62 };
}

/**
 * A line chart as the text of an SVG file.
 *
 * An axis is {label, log, format}: a text, whether it is logarithmic (false), and how its numbers are written:
 * "number" (5k, 1.5M), "microseconds" (20 µs, 1.5 ms) or a function. A linear axis includes zero. A series is {name,
 * points: [[x, y], ...]}, its points joined in their order; the first series is drawn the strongest.
 *
 * Throws a TypeError or a RangeError that says what is wrong: no series or more than LINES_MAX, a series without
 * points or with another's name, a number that is none, or one that a logarithmic axis cannot show.
 */
export function lineChart({ title, subtitle, x, y, series }) {
  const chart = { title: readText(title, "title"), subtitle, x: readAxis(x, "x"), y: readAxis(y, "y") };
  chart.series = readSeries(series, chart.x, chart.y);
  const margin = marginOf(chart.series.map(({ name }) => name));
  const withLegend = margin > NAME_WIDTH_MAX;
  const top = header(chart, withLegend);
  const { plot, scaleX, scaleY, height } = layOut(chart, top.bottom, withLegend ? 0 : margin);
  const lines = chart.series.map(({ name, points }) => ({
    name, points, pixels: points.map(([px, py]) => [scaleX.at(px), scaleY.at(py)]),
  }));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"` +
    ` role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(describe(chart))}</desc>`,
    `<style>${styleSheet()}</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    ...top.svg,
    ...axes(chart, scaleX, scaleY, plot),
    ...drawLines(chart, lines),
    ...(withLegend ? [] : drawNames(lines, plot)),
    "</svg>\n",
  ].join("\n");
}
