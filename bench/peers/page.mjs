// What was measured, as the part of a Markdown page and as text for a terminal.

import { medianOf, sidesOf } from "./curves.mjs";
import { formatMebibytes, formatMicroseconds, formatRate, formatSpread, markdownTable, plainTable } from "./format.mjs";
import { EMBEDDED_LOADS, LOADS } from "./measure.mjs";
import { serverTitle } from "./servers.mjs";
import { median, ratio } from "./statistics.mjs";
import { judge, NOT_MET, TARGETS } from "./targets.mjs";

const rates = (slices) => slices?.map(({ rate }) => rate);

const SIDE_TITLES = {
  "tuplet-http1": "tuplet, HTTP/1.1",
  "tuplet-h2load": "tuplet, loaded by h2load",
  "nghttpd": "nghttpd, loaded by h2load",
};
const sideTitle = (side) => SIDE_TITLES[side] ?? serverTitle(side);

// ---- Tables: { title, columns, rows }, undefined for what was not measured ----

function targetsTable(results) {
  const rows = TARGETS.map((target) => judge(target, results));
  return {
    title: "Targets",
    columns: ["what", "against", ">target", ">measured (min to max)", ""],
    rows: rows.map(({ what, against, goal, measured, verdict }) => [what, against, goal, measured, verdict]),
  };
}

function libraryTable({ library }) {
  if (library === undefined) return undefined;
  return {
    title: "The library, beside bare SQLite and bare fdatasync",
    columns: ["the library", "beside", ">tuplet, 1/s", ">bare, 1/s", ">ratio (min to max)"],
    rows: library.workloads.map(({ title, bareTitle, tuplet, bare }) => [
      ...[title, bareTitle, formatRate(median(tuplet)), formatRate(median(bare))],
      formatSpread(ratio(tuplet, bare)),
    ]),
  };
}

function embeddedTable({ embedded }) {
  if (embedded === undefined) return undefined;
  return {
    title: "The library, beside what else is embedded",
    columns: ["operations a second", ">tuplet", ">Deno's built-in KV", ">times", ">@deno/kv on Node", ">times"],
    rows: Object.keys(EMBEDDED_LOADS).filter((title) => embedded[title]).map((title) => {
      const { tuplet, deno, node } = embedded[title];
      const beside = (peer) => [formatRate(medianOf(peer, "rate")), formatSpread(ratio(rates(tuplet), rates(peer)))];
      return [title, formatRate(medianOf(tuplet, "rate")), ...beside(deno), ...beside(node)];
    }),
  };
}

const heading = ({ workload, connections, inFlight }) =>
  `${workload === "set" ? "durable set" : workload}, ${connections} × ${inFlight}`;

/** The loads that were measured, and all sides that took any. */
function serversMeasured({ servers = {} }) {
  const titles = Object.keys(LOADS).filter((title) => servers[title]);
  return { titles, sides: [...new Set(titles.flatMap((title) => Object.keys(servers[title])))] };
}

function serversTable(results) {
  const { titles, sides } = serversMeasured(results);
  if (titles.length === 0) return undefined;
  const rate = (title, side) => formatRate(medianOf(results.servers[title][side], "rate"));
  return {
    title: "Servers",
    columns: ["operations a second, connections × in flight", ...titles.map((title) => `>${heading(LOADS[title])}`)],
    rows: sides.map((side) => [sideTitle(side), ...titles.map((title) => rate(title, side))]),
  };
}

/** What an operation costs the server and the client, which share the machine. */
function processorTable(results) {
  const { titles, sides } = serversMeasured(results);
  if (titles.length === 0) return undefined;
  const seconds = results.settings.seconds + results.settings.warmUp;
  const cost = (slices, field) =>
    slices && formatMicroseconds(median(slices.map((slice) => slice[field] * 1e6 / (slice.rate * seconds))));
  return {
    title: "Processor time of an operation: of the server, and of its client",
    columns: [
      "processor time of an operation",
      ...titles.flatMap((title) => [`>${heading(LOADS[title])}: server`, ">client"]),
    ],
    rows: sides.map((side) => [
      sideTitle(side),
      ...titles.flatMap((title) => {
        const slices = results.servers[title][side];
        return [cost(slices, "serverSeconds") ?? "-", cost(slices, "clientSeconds") ?? "-"];
      }),
    ]),
  };
}

function latencyTable({ latency }) {
  if (latency === undefined) return undefined;
  return {
    title: `Latency at ${formatRate(latency.rate)} gets a second, half of denokv's top rate`,
    columns: [`at ${formatRate(latency.rate)} gets a second`, ">median", ">p99"],
    rows: Object.entries(latency.slices).map(([side, slices]) => [
      ...[sideTitle(side), formatMicroseconds(medianOf(slices, "p50")), formatMicroseconds(medianOf(slices, "p99"))],
    ]),
  };
}

function memoryTable({ memory }) {
  if (memory === undefined) return undefined;
  return {
    title: "Memory, 1,000 connections busy",
    columns: ["1,000 connections busy", ">resident, MiB", ">peak, MiB"],
    rows: Object.entries(memory).map(([side, { resident, peak }]) => [
      ...[sideTitle(side), formatMebibytes(resident), formatMebibytes(peak)],
    ]),
  };
}

function connectionsTables({ connections }) {
  return Object.entries(connections ?? {}).map(([workload, points]) => ({
    title: `Throughput against connections: ${workload}`,
    columns: [`${workload}s a second, by connections`, ...points.map((point) => `>${point.connections}`)],
    rows: sidesOf(points).map((side) => [
      sideTitle(side),
      ...points.map(({ slices }) => formatRate(medianOf(slices[side], "rate"))),
    ]),
  }));
}

function loadTable({ load }) {
  if (load === undefined || load.length === 0) return undefined;
  const sides = sidesOf(load);
  const cells = (slices, side) => ["p50", "p99"].map((field) => formatMicroseconds(medianOf(slices[side], field)));
  return {
    title: "Latency against load",
    columns: [
      ...[">gets a second", "which is"],
      ...sides.flatMap((side) => [`>${sideTitle(side)}, median`, `>p99`]),
    ],
    rows: load.map(({ rate, part, of, slices }) => [
      ...[formatRate(rate), `${Math.round(part * 100)} % of ${sideTitle(of)}'s top`],
      ...sides.flatMap((side) => cells(slices, side)),
    ]),
  };
}

// ---- The whole ----

function facts(results) {
  const { machine, versions, settings, missing, problems, command, date } = results;
  return [
    ...machine,
    `${versions.map(([what, version]) => `${what} ${version}`).join(", ")}; ${date}`,
    `slices of ${settings.seconds} s; rounds: ${settings.rounds} of servers, ${settings.roundsEmbedded} of what is ` +
    `embedded, ${settings.roundsCurves} of curves`,
    ...missing.map(({ title, lacks, install }) => `not installed: ${title} (${lacks.join(", ")}): ${install}`),
    ...problems.map((problem) => `failed: ${problem}`),
    `\`${command}\``,
  ];
}

const CHARTS_OF = {
  get: "get_connections.svg",
  set: "set_connections.svg",
  load: "get_load.svg",
};

/** The page's part, lines of Markdown. charts: of drawCharts; folder: theirs, as the page calls it. */
export function renderPage(results, charts, folder) {
  const chart = (file) => charts[file] ? [`![${charts[file].alt}](${folder}/${file})`, ""] : [];
  const table = (table) => table ? [...markdownTable(table.columns, table.rows), ""] : [];
  const connections = connectionsTables(results);
  const targets = targetsTable(results);
  const bold = targets.rows.map((row) => row.map((cell) => cell === NOT_MET ? `**${cell}**` : cell));
  const lines = [
    ...facts(results).map((fact) => `- ${fact}`),
    "",
    ...table({ ...targets, rows: bold }),
    ...[libraryTable, embeddedTable, serversTable, processorTable].flatMap((make) => table(make(results))),
    ...chart(CHARTS_OF.get),
    ...chart(CHARTS_OF.set),
    ...connections.flatMap(table),
    ...table(latencyTable(results)),
    ...chart(CHARTS_OF.load),
    ...table(loadTable(results)),
    ...table(memoryTable(results)),
  ];
  return lines.slice(0, -1); // the last one is blank
}

/** The same for a terminal. */
export function renderText(results) {
  const tables = [
    ...[targetsTable, libraryTable, embeddedTable, serversTable, processorTable, latencyTable].map((make) =>
      make(results)
    ),
    ...connectionsTables(results),
    ...[loadTable, memoryTable].map((make) => make(results)),
  ].filter((table) => table !== undefined);
  return [
    ...facts(results),
    ...tables.flatMap(({ title, columns, rows }) => ["", `== ${title}`, ...plainTable(columns, rows)]),
  ];
}

/** Puts lines between a page's markers `<!-- NAME: begin -->` and `<!-- NAME: end -->`. */
export function replacePart(page, name, lines) {
  const [begin, end] = [`<!-- ${name}: begin -->\n`, `<!-- ${name}: end -->\n`];
  const [before, after] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
  if (before < begin.length || after < before) {
    throw new Error(`the page lacks the lines ${begin.trim()} and ${end.trim()}`);
  }
  return page.slice(0, before) + lines.join("\n") + "\n" + page.slice(after);
}
