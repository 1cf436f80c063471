// docs.mjs: writes the reference of the package from the comments of its sources.
//
//   node scripts/docs.mjs [FILE]      FILE: docs/javascript-api.md of the project
//
// typedoc.json says what belongs into it. Declarations are shown as they are written, in TypeScript; typedoc's lists that
// say the same once more are left out.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { MarkdownTheme, MarkdownThemeContext } from "typedoc-plugin-markdown";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "javascript-api.md"; // as typedoc.json names it
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
    .replace(/^#+ (Examples?|Constructors|Properties|Methods|Accessors|Type Declaration|Get Signature|Call Signature)\n+/gm, "")
    .replace(/^(#+ .*\n+```ts\n)([^]*?)(?=\n```$)/gm, (_, before, code) => before + indented(code))
    .replace(/^####+ (\S*)(\(\))?$/gm, "### $1$2")
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd() + "\n";
}

const folder = mkdtempSync(join(tmpdir(), "tuplet-docs-"));
try {
  process.chdir(PACKAGE);
  const application = await Application.bootstrapWithPlugins({ theme: "tuplet", logLevel: "Warn" });
  application.renderer.defineTheme("tuplet", Theme);
  const project = await application.convert();
  if (project !== undefined) await application.outputs.writeOutput({ name: "markdown", path: folder }, project);
  if (project === undefined || application.logger.hasErrors()) process.exit(1);
  const page = tidied(readFileSync(join(folder, PAGE), "utf8"));
  writeFileSync(process.argv[2] ?? join(PACKAGE, "..", "..", "docs", PAGE), page);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
