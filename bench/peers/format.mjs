// Numbers and tables as readers see them.

/** 1234567.8 as "1,234,568"; undefined as "-". */
export function formatRate(rate) {
  return rate === undefined ? "-" : Math.round(rate).toLocaleString("en-US");
}

const THREE_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3, minimumSignificantDigits: 3 });

/** Three digits that count, so that what is below a target does not look as if it met it: 0.897, 12.3, 1,230. */
export function formatNumber(number) {
  return number === undefined ? "-" : THREE_DIGITS.format(number);
}

/** A spread as "1.02 (0.97 to 1.10)"; of a single measurement only that. */
export function formatSpread(spread) {
  if (spread === undefined) return "-";
  const { median, min, max } = spread;
  return min === max ? formatNumber(median) : `${formatNumber(median)} (${formatNumber(min)} to ${formatNumber(max)})`;
}

export function formatMicroseconds(time) {
  if (time === undefined) return "-";
  return time < 1000 ? `${formatNumber(time)} µs` : `${formatNumber(time / 1000)} ms`;
}

export function formatMebibytes(bytes) {
  return bytes === undefined ? "-" : formatNumber(bytes / 2 ** 20);
}

/** A table of Markdown. columns: their titles, a leading ">" for numbers, which stand on the right. */
export function markdownTable(columns, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const titles = columns.map((column) => column.replace(/^>/, ""));
  const rules = columns.map((column) => column.startsWith(">") ? "---:" : "---");
  return [line(titles), line(rules), ...rows.map(line)];
}

/** The same for a terminal: columns of equal width. */
export function plainTable(columns, rows) {
  const all = [columns.map((column) => column.replace(/^>/, "")), ...rows];
  const widths = columns.map((_, i) => Math.max(...all.map((row) => [...row[i]].length)));
  const pad = (cell, i) => columns[i].startsWith(">") ? cell.padStart(widths[i]) : cell.padEnd(widths[i]);
  return all.map((row) => row.map(pad).join("  ").trimEnd());
}
