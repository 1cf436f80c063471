// The colours: those of text have to be read by everybody, and those of lines told apart by most who see few colours.

import assert from "node:assert/strict";
import test from "node:test";
import { DARK, LIGHT, LINES_MAX, marker, pathClass, styleSheet } from "./style.mjs";

// Machado, Oliveira and Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency",
// severity 1, on linear RGB.
const SIGHT = {
  everything: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * vector[i], 0));

function linear(color) {
  return [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
}

/** WCAG's contrast, from 1 to 21. */
function contrast(a, b) {
  const [one, other] = [a, b].map((color) => times([[0.2126, 0.7152, 0.0722]], linear(color))[0] + 0.05);
  return Math.max(one, other) / Math.min(one, other);
}

/** Oklab, where distances are how different colours look; times 100. */
function oklab(rgb) {
  const cones = times([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
  ], rgb);
  return times([
    [21.04542553, 79.3617785, -0.40720468],
    [197.79984951, -242.8592205, 45.05937099],
    [2.59040371, 78.27717662, -80.8675766],
  ], cones.map(Math.cbrt));
}

function difference(a, b, sight) {
  const [one, other] = [a, b].map((color) =>
    oklab(times(SIGHT[sight], linear(color)).map((part) => Math.min(1, Math.max(0, part))))
  );
  return Math.hypot(...one.map((part, i) => part - other[i]));
}

for (const [name, theme] of Object.entries({ light: LIGHT, dark: DARK })) {
  test(`${name}: every text can be read on its background`, () => {
    for (const color of [theme.ink, theme.muted, ...theme.lines]) {
      assert.ok(contrast(color, theme.background) >= 4.5, `${color}: ${contrast(color, theme.background)}`);
    }
  });

  test(`${name}: lines are told apart without red, green or blue`, () => {
    for (const sight of Object.keys(SIGHT)) {
      theme.lines.forEach((color, i) =>
        theme.lines.slice(0, i).forEach((other) => {
          const least = i < 5 ? 10 : 6;
          const found = difference(color, other, sight);
          assert.ok(found >= least, `${color} and ${other}, seeing ${sight}: ${found.toFixed(1)}`);
        })
      );
    }
  });
}

test("lines are told apart without colours", () => {
  const looks = Array.from({ length: LINES_MAX }, (_, line) => {
    const drawn = marker(line, 0, 0, "");
    return drawn.match(/ d="[^"]*"/)[0] + drawn.includes("hollow");
  });
  assert.equal(new Set(looks).size, LINES_MAX);
  assert.equal(DARK.lines.length, LINES_MAX);
});

test("each class of a line has its rule in both modes", () => {
  const [light, dark] = styleSheet().split("@media (prefers-color-scheme:dark)");
  for (let line = 0; line < LINES_MAX; line++) {
    assert.match(pathClass(line), new RegExp(`\\bline${line}\\b`));
    for (const mode of [light, dark]) {
      for (const element of ["path", ".marker", "text"]) assert.ok(mode.includes(`${element}.line${line}{`), element);
    }
  }
});
