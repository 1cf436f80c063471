// Lines of the server's log, read strictly, in both their forms.

import assert from "node:assert/strict";

const FIELD = /([a-z][a-z0-9_]*)=(?:"((?:[^"\\\x00-\x1f\x7f]|\\(?:["\\nrt]|u[0-9a-f]{4}))*)"|([^\s"=\\]+))/y;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The fields of each line of a text of whole lines. */
export function parseLog(text, format = "logfmt") {
  assert.ok(text === "" || text.endsWith("\n"), "the last line ends");
  return text.split("\n").slice(0, -1).map((line) => {
    const fields = format === "json" ? JSON.parse(line) : parseLine(line);
    assert.match(fields.time, TIME, line);
    assert.ok(["error", "warning", "info", "debug"].includes(fields.level), line);
    assert.equal(typeof fields.msg, "string", line);
    assert.deepEqual(Object.keys(fields).slice(0, 3), ["time", "level", "msg"], line);
    return fields;
  });
}

function parseLine(line) {
  const fields = {};
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < line.length) {
    const start = FIELD.lastIndex;
    const found = FIELD.exec(line);
    assert.ok(found, `no field at '${line.slice(start)}' of ${line}`);
    assert.ok(!(found[1] in fields), `${found[1]} twice: ${line}`);
    fields[found[1]] = found[3] ?? JSON.parse(`"${found[2]}"`);
    if (FIELD.lastIndex === line.length) break;
    assert.equal(line[FIELD.lastIndex], " ", line);
    FIELD.lastIndex++;
    assert.ok(FIELD.lastIndex < line.length, `a blank at the end: ${line}`);
  }
  return fields;
}
