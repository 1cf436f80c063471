// How lines look: colours, dashes, markers, and the style sheet for light and dark readers.
//
// The colours differ for people who see no red, no green or no blue, and stand out from the background enough to be
// those of text (4.5 to 1); the first five keep farther apart than the rest. Nobody needs them: each line has a marker
// and a name of its own.

import { escaped } from "./text.mjs";

export const LIGHT = {
  background: "#ffffff",
  border: "#d1d9e0",
  ink: "#1f2328",
  muted: "#59636e",
  grid: "#e4e8ec",
  lines: ["#3237b2", "#94020d", "#117f79", "#652f67", "#ac5d13", "#784fd0", "#1a6588", "#56585e"],
};
export const DARK = {
  background: "#0d1117",
  border: "#3d444d",
  ink: "#f0f6fc",
  muted: "#9198a1",
  grid: "#262c34",
  lines: ["#8b8dff", "#e4974b", "#1df0da", "#d05a6a", "#efd127", "#ac69b2", "#1bb9fa", "#ababab"],
};

export const LINES_MAX = LIGHT.lines.length;

const DASHES = ["", "7 4", "3 4", "10 4 2 4"];

// Each a path around 0,0. The later ones of a shape are hollow, so that eight differ in black and white, too.
const CIRCLE = "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0 -8.4 0z";
const SQUARE = "M-3.8 -3.8h7.6v7.6h-7.6z";
const TRIANGLE = "M0 -4.9L4.7 3.6H-4.7z";
const DIAMOND = "M0 -5.2L5.2 0L0 5.2L-5.2 0z";
const MARKERS = [CIRCLE, SQUARE, TRIANGLE, DIAMOND];

/** A marker at a place, with a title, which those see who open the picture by itself. */
export function marker(line, x, y, title) {
  const hollow = line >= MARKERS.length ? " hollow" : "";
  return `<path class="marker line${line}${hollow}" transform="translate(${x} ${y})" ` +
    `d="${MARKERS[line % MARKERS.length]}"><title>${escaped(title)}</title></path>`;
}

function themeRules(theme) {
  const { background, border, ink, muted, grid, lines } = theme;
  return [
    `.card{fill:${background};stroke:${border}}`,
    `.ink{fill:${ink}}`,
    `.muted{fill:${muted}}`,
    `.grid{stroke:${grid}}`,
    `.axis{stroke:${muted}}`,
    `.name,.marker{stroke:${background}}`,
    ...lines.flatMap((color, i) => [
      `path.line${i}{stroke:${color}}`,
      `.marker.line${i}{${i < MARKERS.length ? `fill:${color};stroke:${background}` : `fill:${background}`}}`,
      `text.line${i}{fill:${color}}`,
    ]),
  ].join("\n");
}

/** The text of the style element. */
export function styleSheet() {
  return `text{font-family:-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}
.title{font-size:18px;font-weight:600}
.subtitle{font-size:13px}
.tick{font-size:12px;font-variant-numeric:tabular-nums}
.label{font-size:12px;font-weight:600}
.name{font-size:13px;font-weight:600;paint-order:stroke;stroke-width:4px;stroke-linejoin:round}
.grid,.axis,.path,.leader{fill:none}
.grid,.axis{stroke-width:1px}
.path{stroke-width:2.25px;stroke-linejoin:round}
.first{stroke-width:3.25px}
.leader{stroke-width:1px;stroke-opacity:.6}
.marker{stroke-width:3px;paint-order:stroke}
.hollow{stroke-width:2px;paint-order:normal}
${DASHES.map((dash, i) => (dash ? `.dash${i}{stroke-dasharray:${dash}}\n` : "")).join("")}${themeRules(LIGHT)}
@media (prefers-color-scheme:dark){
${themeRules(DARK)}
}`;
}

/** The classes of a line's path. */
export function pathClass(line) {
  return `path line${line} dash${line % DASHES.length}${line === 0 ? " first" : ""}`;
}
