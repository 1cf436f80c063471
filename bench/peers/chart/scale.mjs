// The scale of an axis: what it spans, where its ticks are and what they are called.
//
// Ticks are 1, 2 or 5 times a power of ten. A linear axis includes zero, so that heights can be compared. A logarithmic
// one may have the measured values themselves as its ticks, when they are few and far enough apart: 1, 4, 16, 64 of a
// number of connections say more than 1, 2, 5, 10.

import { textWidth } from "./text.mjs";

const TICK_APART_PX = 80; // about, on a linear axis
const LOG_TICKS_MAX = 9;
const TICK_GAP_PX = 12; // between their names

const without = (error) => Number(error.toPrecision(12)); // of adding binary fractions

/** The smallest 1, 2 or 5 times a power of ten that is not below. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9));
  return factor * power;
}

function linearTicks(values, length) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const step = high > low ? niceStep((high - low) / (length / TICK_APART_PX)) : 1;
  const first = Math.floor(without(low / step));
  const last = Math.max(Math.ceil(without(high / step)), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => ({ value: without((first + i) * step), named: true }));
}

// The numbers 1, 2, 5, 10, 20, 50, ... by their places: 0 is 1, and -1 is 0.5.
function logStop(place) {
  const power = Math.floor(place / 3);
  return Number(`${[1, 2, 5][place - 3 * power]}e${power}`);
}

function logPlaceBelow(value) {
  let place = 3 * (Math.floor(Math.log10(value)) - 1);
  while (logStop(place + 1) <= value) place++;
  return place;
}

function logTicks(values) {
  const high = Math.max(...values);
  let first = logPlaceBelow(Math.min(...values));
  let last = logPlaceBelow(high);
  if (logStop(last) < high) last++;
  if (first === last) {
    first--;
    last++;
  }
  const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  // Where all of them would be too many, only powers of ten, or every so many of these, have their names.
  const decades = Math.ceil(places.length / 3 / LOG_TICKS_MAX);
  const every = places.length <= LOG_TICKS_MAX ? 1 : 3 * decades;
  return places.map((place) => ({ value: logStop(place), named: place % every === 0 }));
}

/** The measured values as ticks, or null when their names would touch. */
function ownTicks(values, at, format, size) {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (distinct.length < 2) return null;
  const apart = distinct.slice(1).every((value, i) => {
    const room = (textWidth(format(value), size) + textWidth(format(distinct[i]), size)) / 2 + TICK_GAP_PX;
    return at(value) - at(distinct[i]) >= room;
  });
  return apart ? distinct.map((value) => ({ value, named: true })) : null;
}

function position(low, high, log, start, end) {
  const place = log ? Math.log : (value) => value;
  return (value) => start + ((place(value) - place(low)) / (place(high) - place(low))) * (end - start);
}

/** The span of the ticks, or of the values alone when that keeps two names or more. */
function spanOf(ticks, values, log, tight) {
  const whole = { ticks, low: ticks[0].value, high: ticks.at(-1).value };
  if (!tight) return whole;
  const low = log ? Math.min(...values) : whole.low;
  const high = log ? Math.max(...values) : Math.max(0, ...values);
  const within = ticks.filter(({ value }) => value >= low && value <= high);
  return within.filter(({ named }) => named).length >= 2 ? { ticks: within, low, high } : whole;
}

/**
 * The scale of an axis between two places on the screen.
 *
 * `own` allows a logarithmic axis the values themselves as ticks; `tight` ends an axis where the values do instead of
 * at the tick after them; `size` is that of the ticks' text. Returns the ticks, [{value, text}] with no text where there
 * is only a line, and `at`, which maps a value to its place.
 */
export function makeScale({ values, log, format, own, tight, size, start, end }) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const measured = log && own ? ownTicks(values, position(least, most, true, start, end), format, size) : null;
  const found = measured ?? (log ? logTicks(values) : linearTicks(values, Math.abs(end - start)));
  const { ticks, low, high } = spanOf(found, values, log, tight);
  return {
    ticks: ticks.map(({ value, named }) => ({ value, text: named ? format(value) : "" })),
    at: position(low, high, log, start, end),
  };
}
