// Whether two outcomes of a case are the same but for the differences that are meant.

import differences from "../differences.mjs";

/** A text in which what stands for a difference is its number: both sides then read the same. */
function neutral(text, side, name) {
  const whole = differences.findIndex(({ outcomes }) => outcomes?.[name]?.[side] === text);
  if (whole >= 0) return `<difference ${whole}>`;
  differences.forEach((difference, number) => {
    if (difference[side] === undefined || !(difference.cases ?? /^/).test(name)) return;
    text = text.replace(difference[side], `<difference ${number}>`);
  });
  return text;
}

/** The numbers of the differences that make them the same are added to `met`. */
export function isSame(name, deno, tuplet, met) {
  if (deno === tuplet) return true;
  const [left, right] = [neutral(deno, "deno", name), neutral(tuplet, "tuplet", name)];
  if (left !== right) return false;
  for (const [, number] of left.matchAll(/<difference (\d+)>/g)) met.add(Number(number));
  return true;
}
