// Where the names of the lines go: at their ends. A line that ends at the right edge has its name in the margin there,
// where names that would overlap are moved apart. One that ends earlier has it beside its end where that covers
// nothing, else in the margin, too, with a thin line that leads to it.

import { textWidth } from "./text.mjs";

export const NAME_SIZE = 13;
const HEIGHT = 18;
const GAP = 11; // between the last point and the name beside it
const MARGIN_GAP = 12; // between the right edge and the names in the margin
const EDGE = 20; // ends this near to the right edge count as at it
const MOVED = 5; // a name this far from its line's end needs a leader

/** A name is bold, which is wider. */
const nameWidth = (name) => 1.07 * textWidth(name, NAME_SIZE) + 2;

/** Whether the segment from a to b touches the box (Liang and Barsky's clipping). */
function touches(box, [ax, ay], [bx, by]) {
  let from = 0;
  let to = 1;
  for (const [start, length, low, high] of [[ax, bx - ax, box.left, box.right], [ay, by - ay, box.top, box.bottom]]) {
    if (length === 0) {
      if (start < low || start > high) return false;
      continue;
    }
    const times = [(low - start) / length, (high - start) / length];
    from = Math.max(from, Math.min(...times));
    to = Math.min(to, Math.max(...times));
  }
  return from <= to;
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function inside(box, plot) {
  const top = plot.top - HEIGHT / 2; // a line may end at the very top
  return box.left >= plot.left && box.right <= plot.right && box.top >= top && box.bottom <= plot.bottom;
}

/** Places beside a line's end, the best first: right of it, above, below, left. */
function placesBeside([x, y], width) {
  const half = HEIGHT / 2;
  return [
    { left: x + GAP, middle: y },
    { left: x - width / 2, middle: y - GAP - half },
    { left: x - width / 2, middle: y + GAP + half },
    { left: x - width, middle: y - GAP - half },
    { left: x - GAP - width, middle: y },
  ].map(({ left, middle }) => ({ left, right: left + width, top: middle - half, bottom: middle + half }));
}

/** The middles of names that want to be at these heights, in rising order, moved apart within the plot. */
function movedApart(wanted, plot) {
  const groups = []; // of names that touch: their common top, and what each would like that top to be
  for (const middle of wanted) {
    groups.push({ tops: [middle - HEIGHT / 2] });
    for (;;) {
      const last = groups.at(-1);
      const height = last.tops.length * HEIGHT;
      const mean = last.tops.reduce((sum, top) => sum + top, 0) / last.tops.length;
      last.top = Math.max(plot.top - HEIGHT / 2, Math.min(mean, plot.bottom + HEIGHT / 2 - height));
      const before = groups.at(-2);
      if (before === undefined || before.top + before.tops.length * HEIGHT <= last.top) break;
      groups.pop();
      before.tops.push(...last.tops.map((top) => top - before.tops.length * HEIGHT));
    }
  }
  return groups.flatMap(({ top, tops }) => tops.map((_, i) => top + (i + 0.5) * HEIGHT));
}

function besideItsEnd(line, lines, taken, plot) {
  const width = nameWidth(line.name);
  return placesBeside(line.pixels.at(-1), width).find((box) =>
    inside(box, plot) && !taken.some((other) => overlap(box, other)) &&
    !lines.some(({ pixels }) => pixels.some((point, i) => touches(box, pixels[Math.max(i - 1, 0)], point)))
  );
}

/**
 * Places the names of lines, [{name, pixels: [[x, y], ...]}], around the plot {left, right, top, bottom}.
 *
 * Returns for each line {x, y}, the left end and the middle of its name, and `leader`, null or the points of a line
 * that leads there.
 */
export function placeNames(lines, plot) {
  const placed = new Map();
  const taken = [];
  for (const line of lines) {
    if (line.pixels.at(-1)[0] >= plot.right - EDGE) continue;
    const box = besideItsEnd(line, lines, taken, plot);
    if (box === undefined) continue;
    taken.push(box);
    placed.set(line, { x: box.left, y: (box.top + box.bottom) / 2, leader: null });
  }
  const rest = lines.filter((line) => !placed.has(line)).sort((a, b) => a.pixels.at(-1)[1] - b.pixels.at(-1)[1]);
  const middles = movedApart(rest.map(({ pixels }) => pixels.at(-1)[1]), plot);
  rest.forEach((line, i) => placed.set(line, inTheMargin(line.pixels.at(-1), middles[i], plot.right)));
  return lines.map((line) => placed.get(line));
}

function inTheMargin([endX, endY], y, right) {
  const x = right + MARGIN_GAP;
  const far = Math.abs(y - endY) > MOVED || right - endX > EDGE;
  return { x, y, leader: far ? [[endX, endY], [right, endY], [x - 2, y]] : null };
}

/** How wide the margin has to be. */
export function marginOf(names) {
  return MARGIN_GAP + Math.max(...names.map(nameWidth));
}
