"""manual_test.py: the manual and the program say the same: every option of each --help stands in its man page with its
default, libtuplet(3) names every function of tuplet.h, and no page or example names what there is not.

Usage: manual_test.py PROGRAM MAN_FOLDER EXAMPLE_CONFIGURATION HEADER
"""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
MAN = Path(sys.argv[2])
EXAMPLE = Path(sys.argv[3])
HEADER = Path(sys.argv[4])

# Those that tuplet(1) explains once, for all commands.
COMMON = {"db", "sqlite-path", "url", "access-token-file", "json", "quiet", "help", "version"}
NOT_IN_A_FILE = {"config", "help"}
NOT_IN_THE_EXAMPLE = {"atomic-write-batch-timeout-ms"}

OPTION = re.compile(r"^ {2,6}(?:-\w, )?--([a-z0-9][a-z0-9-]*)(?: (\S+))?")


def help_of(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True)
    return done.stdout


def options_of(text):
    """name: (argument or None, default or None), of a --help."""
    options = {}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found = OPTION.match(line)
        if not found:
            continue
        below = []
        for further in lines[number + 1:]:
            if not further.startswith("      ") or OPTION.match(further):
                break
            below.append(further.strip())
        default = re.search(r"\[([^\[\]]+)\]$", " ".join(below))
        options[found[1]] = (found[2], default[1] if default else None)
    return options


def functions_of(header):
    """Those of tuplet.h, but for families that the page names as such and for what frees what others made."""
    names = set(re.findall(r"^TUPLET_API\b[^(;]*?\b(tuplet_\w+)\(", header, re.MULTILINE))
    assert len(names) > 80, "tuplet.h does not look as it did"
    return {name for name in names if not re.search(r"_(free|async)$|^tuplet_node_", name)}


def page(name):
    return (MAN / name).read_text()


def options_in(mdoc):
    """The long options that a page's list items name: name -> the item's line."""
    items = {}
    for line in re.findall(r"^\.It (Fl .*)$", mdoc, re.MULTILINE):
        for name in re.findall(r"Fl \\&-([a-z0-9-]+)", line):
            items[name] = line
    return items


def section_of(mdoc, command):
    found = re.search(rf"^\.Ss tuplet {command}\b.*?(?=^\.S[hs] |\Z)", mdoc, re.MULTILINE | re.DOTALL)
    return found[0] if found else None


def settings_of(text):
    """name: (value, whether the line is commented out) of the example."""
    return {name: (value, bool(mark)) for mark, name, value in
            re.findall(r"^(#?)([a-z][a-z0-9-]*) = (.*)$", text, re.MULTILINE)}


class Manual(unittest.TestCase):
    def test_tuplet_serve_and_its_page_have_the_same_options_and_defaults(self):
        options = options_of(help_of("serve", "--help"))
        items = options_in(page("tuplet-serve.1"))
        self.assertGreater(len(options), 30)
        self.assertEqual(set(items) - {"db"}, set(options))
        for name, (_, default) in options.items():
            with self.subTest(option=name):
                shown = re.search(r"Pq (\S+)$", items[name])
                self.assertEqual(shown[1] if shown else None, default)

    def test_every_command_is_in_a_page_with_all_of_its_options(self):
        whole = page("tuplet.1")
        common = options_in(whole.split("\n.Sh COMMANDS")[0])
        self.assertEqual(set(common), COMMON)
        for name in re.findall(r"^  ([a-z]+) {2,}", help_of("help"), re.MULTILINE):
            options = set(options_of(help_of(name, "--help")))
            with self.subTest(command=name):
                own = MAN / f"tuplet-{name}.1"
                if own.exists() and name != "serve":
                    usage = rf"^.{{7}}tuplet {name} ([a-z]+)(?=[ \n])"
                    for sub in re.findall(usage, help_of(name, "--help"), re.MULTILINE):
                        options |= set(options_of(help_of(name, sub, "--help")))
                    self.assertEqual(set(options_in(own.read_text())) - COMMON, options - COMMON)
                    self.assertIn(f".Xr tuplet-{name} 1", whole)
                elif name == "serve":
                    self.assertIn(".Xr tuplet-serve 1", whole)
                else:
                    section = section_of(whole, name)
                    self.assertIsNotNone(section, f"tuplet.1 does not explain {name}")
                    self.assertEqual(set(options_in(section)) - COMMON, options - COMMON)

    def test_the_page_of_the_library_names_every_function_and_no_other(self):
        header = HEADER.read_text()
        lines = re.findall(r"^\.(?:It )?Fn .*$", page("libtuplet.3"), re.MULTILINE)
        named = set(re.findall(r"\btuplet_\w+", " ".join(lines)))
        self.assertEqual(functions_of(header) - named, set())
        self.assertEqual({name for name in named if not re.search(rf"\b{name}\(", header)}, set())

    def test_the_page_of_the_configuration_lists_every_name_with_its_default(self):
        options = options_of(help_of("serve", "--help"))
        rows = dict(re.findall(r"^\.It Li ([a-z0-9-]+) Ta (\S+) Ta ", page("tuplet.conf.5"), re.MULTILINE))
        expected = {name: default or ("no" if argument is None else r"\(em")
                    for name, (argument, default) in options.items() if name not in NOT_IN_A_FILE}
        self.assertEqual(rows, expected)

    def test_the_example_configuration_has_every_name_commented_out_at_its_default(self):
        options = options_of(help_of("serve", "--help"))
        settings = settings_of(EXAMPLE.read_text())
        self.assertEqual(set(settings), set(options) - NOT_IN_A_FILE - NOT_IN_THE_EXAMPLE)
        in_force = [name for name, (_, commented) in settings.items() if not commented]
        self.assertEqual(in_force, ["data-dir"])  # where the service keeps its databases
        for name, (value, _) in settings.items():
            argument, default = options[name]
            with self.subTest(name=name):
                if argument is None:
                    self.assertEqual(value, "no")
                elif default is not None:
                    self.assertEqual(value, default)

    def test_the_server_takes_every_line_of_the_example_with_its_hash_removed(self):
        text = re.sub(r"^#([a-z][a-z0-9-]* = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tuplet.conf"
            # A wrong line after all others: only one that is read and allowed lets its message through.
            path.write_text(text + "\nno-such-name = 1\n")
            done = subprocess.run([PROGRAM, "serve", "--config", path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, f"line {len(text.splitlines()) + 2}: .*'no-such-name'")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
