// The curves of a run, as charts.

import { lineChart } from "./chart.mjs";
import { serverTitle } from "./servers.mjs";
import { median } from "./statistics.mjs";

const CHART_OF = { get: "get", set: "durable set" };

/** The names of the sides that any point has, in the order in which they are first seen. */
export const sidesOf = (points) => [...new Set(points.flatMap(({ slices }) => Object.keys(slices)))];

export const medianOf = (slices, field) => slices && median(slices.map((slice) => slice[field]));

function seriesOf(points, side, name, x, field) {
  const measured = points.filter(({ slices }) => slices[side] !== undefined);
  const places = measured.map((point) => [point[x], medianOf(point.slices[side], field)]);
  return { name, points: places.sort(([a], [b]) => a - b) };
}

function connectionsChart(workload, points) {
  return lineChart({
    title: `${CHART_OF[workload]}: throughput against connections`,
    subtitle: "values of 100 bytes, one request at a time on each connection; higher is better",
    x: { label: "connections", log: true },
    y: { label: "operations a second" },
    series: sidesOf(points).map((side) => seriesOf(points, side, serverTitle(side), "connections", "rate")),
  });
}

function loadChart(points) {
  const fields = [["p50", "median"], ["p99", "p99"]];
  return lineChart({
    title: "get: latency against load",
    subtitle: "64 connections, gets begun at a fixed rate whatever became of those before; lower is better",
    x: { label: "gets a second", log: true },
    y: { label: "latency", log: true, format: "microseconds" },
    series: sidesOf(points).flatMap((side) =>
      fields.map(([field, title]) => seriesOf(points, side, `${serverTitle(side)}, ${title}`, "rate", field))
    ),
  });
}

/** { file: { text, alt } } of what was measured. */
export function drawCharts({ connections, load }) {
  const charts = {};
  for (const [workload, points] of Object.entries(connections ?? {})) {
    if (sidesOf(points).length === 0) continue;
    charts[`${workload}_connections.svg`] = {
      text: connectionsChart(workload, points),
      alt: `Operations a second of ${CHART_OF[workload]} against connections`,
    };
  }
  if (load?.length > 0 && sidesOf(load).length > 0) {
    charts["get_load.svg"] = { text: loadChart(load), alt: "Latency of get against gets a second" };
  }
  return charts;
}
