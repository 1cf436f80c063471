#!/usr/bin/env python3
"""tidy.py: what the compiler cannot check about the sources, above all that no layer reaches up.

Usage: tidy.py [ROOT]. Prints each breach as FILE:LINE: WHAT and exits with 1 when there is any.
"""

import ast
import os
import re
import sys

# File or folder: the folders that it may include from besides its own. The first that fits counts.
LAYERS = {
    "src/engine/engine.h": ["base"],  # the seam, and the vocabulary of all that speak about reads and writes
    "src/base": [],
    "src/codec": ["base"],
    "src/wire": ["base", "codec", "engine"],
    "src/http": ["base"],
    "src/net": ["base", "http"],
    "src/engine/sqlite": ["base", "codec", "engine"],
    "src/engine/remote": ["base", "codec", "wire", "engine"],
    "src/engine": ["base"],
    "src/store": ["base", "codec", "engine"],
    "src/api": ["base", "codec", "engine", "store"],
    "server": ["base", "codec", "wire", "http", "net", "store", "api"],
    "cli/bench": ["base", "codec", "wire", "engine"],
    "cli": ["server", "bench"],
    "bindings/js/addon": [],
}

# Only one file chooses an engine; everybody else sees the seam, and an engine nothing of another one.
ENGINE_SEAM = "engine/engine.h"
ENGINE_CHOOSER = "src/api/open.c"
# What the metadata exchange brings is no engine; another client of servers reads it, too.
ENGINE_SESSION = ("cli/bench", "engine/remote/session.h")

# A library's header: the folders that may know it. Elsewhere it is a detail.
LIBRARIES = {
    r"sqlite3\.h": ["src/engine/sqlite", "bench", "test"],
    r"uv\.h": ["src/net", "cli/bench", "test"],
    r"llhttp\.h": ["src/http", "cli/bench"],
    r"nghttp2/.*": ["src/http", "cli/bench", "test"],
    r"openssl/ssl\.h": ["src/net", "cli/bench", "test"],
    r"protobuf-c/.*": ["src/wire"],
    r"curl/.*": ["src/engine/remote", "server", "cli/bench", "test"],
    r"(js_native|node)_api.*\.h": ["bindings/js/addon"],
}

LINES_MAX = 700  # but for the public header, which is one file by design
C = (".c", ".h")
CODE = C + (".py", ".ts", ".js", ".mjs", ".sh")
TEXT = CODE + (".md", ".build", ".txt", ".json", ".jsonl", ".proto", ".1", ".3", ".5", "Makefile",
               "Dockerfile", "/setup", "/run", "/test", "/deb", "/pgo")
SKIPPED_FOLDERS = re.compile(r"^(build.*|dist|native|node_modules|\.git|\.setup|corpus|__pycache__)$")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)')
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X])\b")
# A path that exists on one person's machine only, or the address of a mirror in a lock file.
PERSONAL = re.compile(r'(?<![\w.}])/(home|root|work|workspace)/|/npm[t]\b|"resolve[d]":')


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not SKIPPED_FOLDERS.match(name))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            if path.endswith(TEXT) and not os.path.islink(os.path.join(root, path)):
                yield path


def under(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def check_include(path, form, header):
    if form == "<":
        for library, folders in LIBRARIES.items():
            if re.fullmatch(library, header) and not under(path, folders):
                return f"only {', '.join(folders)} may include <{header}>"
        return None
    layer = next((layer for layer in LAYERS if path == layer or path.startswith(layer + "/")), None)
    if layer is None or "/" not in header:
        return None
    target = header.split("/")[0]
    if target != os.path.basename(layer) and target not in LAYERS[layer]:
        return f"{layer} may not include {header}: it lies above or beside it"
    own = path == ENGINE_CHOOSER or os.path.dirname(path) == "src/" + os.path.dirname(header)
    if target == "engine" and header != ENGINE_SEAM and not own and (layer, header) != ENGINE_SESSION:
        return f"only {ENGINE_CHOOSER} may include {header}; the others use {ENGINE_SEAM}"
    return None


def twice_in_python(text):
    """What a module or class defines a second time, so that the first definition silently counts for nothing."""
    for scope in ast.walk(ast.parse(text)):
        names = set()
        for node in scope.body if isinstance(scope, (ast.Module, ast.ClassDef)) else []:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                if node.name in names and not node.decorator_list:  # a property's setter has its name again
                    yield node.lineno, f"{node.name} is defined a second time"
                names.add(node.name)


def check_file(root, path):
    with open(os.path.join(root, path), encoding="utf-8", newline="") as file:
        text = file.read()
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "the last line does not end"
    if path.endswith(CODE) and path != "include/tuplet.h" and len(lines) > LINES_MAX + 1:
        yield LINES_MAX, f"{len(lines) - 1} lines; a file of more than {LINES_MAX} asks to be split"
    if path.endswith(".py") or text.startswith("#!/usr/bin/env python3"):
        yield from twice_in_python(text)
    name = os.path.basename(path)
    if path.endswith(C) and not text.startswith(f"/* {name}: "):
        yield 1, f'the file does not open with "/* {name}: what it is for"'
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() and not path.startswith("test/vectors/"):  # there a blank is a case
            yield number, "blanks at the end of the line"
        if UNFINISHED.search(line):
            yield number, "marked as unfinished"
        if PERSONAL.search(line):
            yield number, "names a place on somebody's own machine"
        include = INCLUDE.match(line) if path.endswith(C) else None
        breach = check_include(path, *include.groups()) if include else None
        if breach:
            yield number, breach


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = list(files_of(root))
    if not any(path.endswith(".c") for path in paths):
        sys.exit(f"{root} holds no sources")
    breaches = [f"{path}:{number}: {what}" for path in paths for number, what in check_file(root, path)]
    print("\n".join(breaches) or f"{len(paths)} files are tidy")
    sys.exit(1 if breaches else 0)


main()
