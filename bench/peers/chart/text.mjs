// Text in a chart: numbers as people write them, how wide text will be, where it breaks, how it is escaped.

/** Three digits at most, without zeros at the end: what a tick or a summary shows. */
function short(number) {
  return String(Number(number.toPrecision(3)));
}

function scaled(number, units) {
  const size = Math.abs(number);
  // A number that rounds up to the next unit is told in that one: 999,999 is 1M, not 1000k.
  const rounded = Math.abs(Number(number.toPrecision(3)));
  const [factor, unit] = units.find(([factor]) => Math.max(size, rounded) >= factor) ?? units.at(-1);
  return short(number / factor) + unit;
}

const withMinus = (text) => text.replace(/^-/, "−");

const KILO = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const MICROSECONDS = [[1e6, " s"], [1e3, " ms"], [1, " µs"]];
const PLAIN_MAX = 100_000;

/** 5k, 1.5M, 0.05; a whole number below 100,000 that three digits do not hold stays whole: 1,024. */
export function formatNumber(number) {
  const whole = Number.isInteger(number) && Math.abs(number) < PLAIN_MAX;
  if (whole && Number(number.toPrecision(3)) !== number) {
    return withMinus(String(number).replace(/\B(?=(\d{3})+$)/g, ","));
  }
  return withMinus(scaled(number, KILO));
}

/** A time in microseconds: 20 µs, 1.5 ms, 2 s. */
export function formatMicroseconds(number) {
  return number === 0 ? "0" : withMinus(scaled(number, MICROSECONDS));
}

// Widths of a sans-serif's characters, in thousandths of its size; close enough to leave room, for the font is the
// reader's.
const WIDTHS = [
  [/[ilj.,:;'|!()[\]{}ftrI/\\ ·-]/, 330],
  [/[mwMW@%—]/, 880],
  [/[A-Z]/, 690],
  [/[\u2e80-\u{10ffff}]/u, 1000],
];
const WIDTH_OTHERS = 575;

/** How wide a text of this size is, in pixels, rather too much than too little. */
export function textWidth(text, size) {
  let sum = 0;
  for (const character of text) sum += WIDTHS.find(([which]) => which.test(character))?.[1] ?? WIDTH_OTHERS;
  return (sum * size) / 1000;
}

/** The text, or its beginning and "…" when it is wider than that. */
export function shortened(text, size, width) {
  if (textWidth(text, size) <= width) return text;
  let kept = "";
  let room = width - textWidth("…", size);
  for (const character of text) {
    room -= textWidth(character, size);
    if (room < 0) break;
    kept += character;
  }
  return kept.trimEnd() + "…";
}

/** The text in lines of at most that width; what does not fit into linesMax of them is cut off. */
export function wrapped(text, size, width, linesMax) {
  const lines = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    const fits = lines.length > 0 && textWidth(longer, size) <= width;
    if (fits || lines.length === linesMax) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map((line) => shortened(line, size, width));
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
// What XML 1.0 cannot hold in any form.
const IMPOSSIBLE = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

/** For the inside of an element or an attribute. */
export function escaped(text) {
  return String(text).replace(IMPOSSIBLE, "\ufffd").replace(/[&<>"']/g, (character) => ENTITIES[character]);
}
