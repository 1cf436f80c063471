// The pages of the package: the reference is the one that the sources' comments make, its links lead somewhere, and what
// differs from Deno's KV is told, point by point.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../../../test/clients/lib/harness.mjs";

const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const PROJECT = dirname(dirname(PACKAGE));
const DOCS = join(PROJECT, "docs");

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page) {
  const counts = new Map();
  const anchors = new Set([...page.matchAll(/<a id="([^"]+)">/g)].map((found) => found[1]));
  for (const [, title] of page.replace(/```[^]*?```/g, "").matchAll(/^#+ (.*)$/gm)) {
    const slug = title.toLowerCase().replace(/[^\p{L}\p{N}\- _]/gu, "").replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

test("the reference and the list of differences are what the sources say", async (t) => {
  const folder = await temporaryFolder(t);
  execFileSync(process.execPath, [join(PACKAGE, "scripts", "docs.mjs"), folder]);
  for (const name of ["javascript-api.md", "javascript.md"]) {
    const [expected, actual] = await Promise.all([folder, DOCS].map((where) => readFile(join(where, name), "utf8")));
    assert.equal(actual, expected, `docs/${name} is of other sources; make js-docs`);
  }
});

for (const name of ["javascript.md", "javascript-api.md"]) {
  test(`the links of ${name} lead somewhere`, async () => {
    const page = await readFile(join(DOCS, name), "utf8");
    const links = [...page.matchAll(/\]\(([^)#]*)#?([^)]*)\)/g)].filter(([, path]) => !/^https?:/.test(path));
    assert.ok(links.length > 5);
    for (const [link, path, anchor] of links) {
      assert.ok(existsSync(join(DOCS, path)), link);
      if (anchor === "") continue;
      assert.ok(anchorsOf(path === "" ? page : await readFile(join(DOCS, path), "utf8")).has(anchor), link);
    }
  });
}

test("the README names the packages that compiling needs", async () => {
  const needs = execFileSync(join(PROJECT, "scripts", "setup"), ["needs"], { encoding: "utf8" });
  const packages = needs.trim().split("\n").map((line) => line.split(/[|=]/)[0]);
  for (const path of [join(PACKAGE, "README.md"), join(DOCS, "javascript.md")]) {
    const [, list] = /apt-get install ((?:[^\n]*\\\n)*[^\n]*)/.exec(await readFile(path, "utf8"));
    assert.deepEqual(list.split(/[\s\\]+/), packages, path);
  }
});
