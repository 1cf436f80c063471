// docs.mjs: writes what is made of sources in the package's documentation.
//
//   node scripts/docs.mjs [FOLDER]      FOLDER: docs of the project
//
// javascript-api.md is the reference, from the comments of the sources. typedoc.json says what belongs into it.
// Declarations are shown as they are written, in TypeScript; typedoc's lists that say the same once more are left out.
//
// javascript.md is written by hand, but for the list of what differs from Deno's built-in database, which is that of the
// tests (test/differences.mjs).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { MarkdownTheme, MarkdownThemeContext } from "typedoc-plugin-markdown";
import differences from "../test/differences.mjs";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const DOCS = join(PACKAGE, "..", "..", "docs");
const REFERENCE = "javascript-api.md"; // as typedoc.json names it
const PAGE = "javascript.md";
const MARK = "<!-- Made by `make js-docs` from the comments of bindings/js/src. -->";

class Context extends MarkdownThemeContext {
  constructor(...context) {
    super(...context);
    const nothing = () => "";
    for (const part of ["signatureReturns", "inheritance", "hierarchy"]) this.partials[part] = nothing;
  }
}

class Theme extends MarkdownTheme {
  getRenderContext(page) {
    return new Context(this, page, this.application.options);
  }
}

/** A declaration, indented by its brackets. */
function indented(code) {
  let depth = 0;
  return code.split("\n").map((line) => {
    const text = line.trim();
    const opened = text.match(/[({[]/g)?.length ?? 0;
    const closed = text.match(/[)}\]]/g)?.length ?? 0;
    const indent = "  ".repeat(Math.max(0, /^[)}\]]/.test(text) ? depth - 1 : depth));
    depth += opened - closed;
    return indent + text;
  }).join("\n");
}

/** The page as it is to be read: classes once (they are there as interfaces, too), headings only of names. */
function tidied(page) {
  const seen = new Set();
  const sections = page.split(/\n\*\*\*\n+/).filter((section) => {
    const name = /^## (.*)$/m.exec(section)?.[1];
    return !seen.has(name) && seen.add(name);
  });
  return MARK + "\n\n" + sections.join("\n")
    .replace(/^# tuplet$/m, "# The JavaScript package: reference")
    .replace(
      /^#+ (Examples?|Constructors|Properties|Methods|Accessors|Type Declaration|Get Signature|Call Signature)\n+/gm,
      "",
    )
    .replace(/^(#+ .*\n+```ts\n)([^]*?)(?=\n```$)/gm, (_, before, code) => before + indented(code))
    .replace(/^####+ (\S*)(\(\))?$/gm, "### $1$2")
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd() +
    "\n";
}

async function makeReference(folder) {
  process.chdir(PACKAGE);
  const application = await Application.bootstrapWithPlugins({ theme: "tuplet", logLevel: "Warn" });
  application.renderer.defineTheme("tuplet", Theme);
  const project = await application.convert();
  if (project !== undefined) await application.outputs.writeOutput({ name: "markdown", path: folder }, project);
  if (project === undefined || application.logger.hasErrors()) process.exit(1);
  return tidied(readFileSync(join(folder, REFERENCE), "utf8"));
}

/** The page with the list of today. */
function withDifferences(page) {
  const list = differences.map(({ what, why }) => `| ${what} | ${why} |\n`.replaceAll("*", "\\*")).join("");
  const marked = /(<!-- differences: begin -->\n)[^]*(<!-- differences: end -->\n)/;
  if (!marked.test(page)) throw new Error(`${PAGE} lacks the lines that mark the list of differences`);
  return page.replace(marked, (_, begin, end) => `${begin}| this package | why |\n| --- | --- |\n${list}${end}`);
}

const folder = mkdtempSync(join(tmpdir(), "tuplet-docs-"));
const target = resolve(process.argv[2] ?? DOCS);
try {
  writeFileSync(join(target, REFERENCE), await makeReference(folder));
  writeFileSync(join(target, PAGE), withDifferences(readFileSync(join(DOCS, PAGE), "utf8")));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
