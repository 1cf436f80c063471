"""completions_test.py: bash, zsh and fish offer every command and every option that `tuplet` has, and nothing else.

Usage: completions_test.py PROGRAM COMPLETION...      the built files tuplet (bash), _tuplet (zsh), tuplet.fish

Each shell itself is asked, with the file loaded as an installation has it.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
FILES = {Path(name).name: Path(name).resolve() for name in sys.argv[2:]}
DEADLINE_SECONDS = 60

BASH = """
source "$1"; shift
complete -p tuplet >/dev/null || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tuplet
((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
"""

# An interactive zsh, whose completion tells a file what it offers.
ZSH = """PROMPT=; unset zle_bracketed_paste; fpath=("$FOLDER" $fpath); autoload -Uz compinit && compinit -u -D
compadd() {{ if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi; local -a offered; \
builtin compadd -O offered "$@"; (( $#offered )) && print -rl -- $offered >> $OFFERED; builtin compadd "$@"; }}
offer() {{ _main_complete; print -r -- {end} >> $OFFERED; }}
zle -C offer complete-word offer; bindkey '^I' offer; print -r -- {ready} >> $OFFERED
"""
READY, END = "the-shell-is-ready", "nothing-more-to-offer"


def offered_by_bash(*words):
    arguments = ["bash", "--norc", "-c", BASH, "bash", FILES["tuplet"], *words]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def offered_by_fish(*words, described=False):
    with tempfile.TemporaryDirectory() as home:
        script = f"source {FILES['tuplet.fish']}; complete -C '{' '.join(words)}'"
        environment = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        output = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True,
                                env=environment).stdout
    lines = output.split("\n")[:-1]
    return lines if described else [line.split("\t")[0] for line in lines]


class Zsh:
    """One shell for all questions: its completion system takes a second to start."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "offered"
        self.path.touch()
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(FOLDER=str(FILES["_tuplet"].parent), OFFERED=str(self.path), TERM="dumb",
                              ZDOTDIR=self.folder.name)
            os.execvp("zsh", ["zsh", "-f", "-i"])
        os.write(self.terminal, ZSH.format(ready=READY, end=END).encode())
        self.read_until(READY)

    def read_until(self, word):
        """Until the shell has written the word to the file; what it prints on its terminal is thrown away."""
        end = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.02)[0]:
                os.read(self.terminal, 65536)
            lines = self.path.read_text().split("\n")
            if word in lines:
                return lines[: lines.index(word)]
        raise AssertionError(f"zsh did not come to {word}: {self.path.read_text()}")

    def offered(self, *words):
        self.path.write_text("")
        os.write(self.terminal, ("\x15" + " ".join(words) + "\t").encode())  # Control-U: an empty line
        return self.read_until(END)

    def close(self):
        os.close(self.terminal)  # hangs up
        os.waitpid(self.child, 0)
        self.folder.cleanup()


SHELLS = {"bash": offered_by_bash, "fish": offered_by_fish}  # and zsh, once it runs


def help_of(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True).stdout


def long_options(text):
    return sorted(set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z0-9][a-z0-9-]*)", text, re.MULTILINE)))


def commands():
    """Every command's words, those of `tuplet db` and the like included."""
    for name in re.findall(r"^  ([a-z]+) {2,}", help_of("help"), re.MULTILINE):
        text = help_of(name, "--help")
        yield (name,), text
        for sub in dict.fromkeys(re.findall(rf"^.{{7}}tuplet {name} ([a-z]+)(?=[ \n])", text, re.MULTILINE)):
            yield (name, sub), help_of(name, sub, "--help")


class Completions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        zsh = Zsh()
        cls.addClassCleanup(zsh.close)
        SHELLS["zsh"] = zsh.offered

    def test_every_command_and_no_other_word_is_offered_first(self):
        names = sorted(words[0] for words, _ in commands() if len(words) == 1)
        self.assertIn("serve", names)
        for shell, offered in SHELLS.items():
            with self.subTest(shell=shell):
                self.assertEqual(sorted(offered("tuplet", "")), names)

    def test_every_option_of_every_command_and_no_other_is_offered(self):
        found = list(commands())
        self.assertGreaterEqual(len(found), 10)
        for words, text in found:
            options = long_options(text)
            for shell, offered in SHELLS.items():
                with self.subTest(shell=shell, command=" ".join(words)):
                    longs = sorted({word for word in offered("tuplet", *words, "--") if word.startswith("--")})
                    self.assertEqual(longs, options)

    def test_options_before_the_command_do_not_hide_it(self):
        for shell, offered in SHELLS.items():
            with self.subTest(shell=shell):
                self.assertIn("--expire-in", offered("tuplet", "--db", "get", "set", "--"))

    def test_words_that_an_option_takes_are_offered(self):
        for shell, offered in SHELLS.items():
            with self.subTest(shell=shell):
                self.assertEqual(sorted(offered("tuplet", "list", "--consistency", "")), ["eventual", "strong"])

    def test_bash_completes_behind_an_equals_sign(self):
        self.assertEqual(offered_by_bash("tuplet", "get", "--consistency", "=", "ev"), ["eventual"])
        self.assertEqual(offered_by_bash("tuplet", "get", "--consistency", "="), ["strong", "eventual"])

    def test_paths_are_offered_where_a_path_is_due(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "app file.sqlite3"
            path.touch()
            self.assertEqual(offered_by_bash("tuplet", "get", "--db", str(Path(folder) / "app")), [str(path)])
            self.assertEqual(offered_by_fish("tuplet", "get", "--db", f"{folder}/other"), [])
            self.assertEqual(len(offered_by_fish("tuplet", "get", "--db", f"{folder}/app")), 1)

    def test_what_an_option_is_for_is_said_in_a_clause_of_the_help(self):
        for words, option, beginning in [
            (("serve",), "--addr", "HOST:PORT, [IPv6]:PORT or unix:PATH"),
            (("serve",), "--metrics-addr", "serve /metrics, /healthz and /readyz here, to everybody"),
            (("list",), "--show-cursor", 'when the limit leaves entries out, print "cursor: CURSOR" …'),
            (("token", "create"), "--read-only", "the token may read and watch, not write"),
            (("db", "create"), "--from", "copy a Deno KV file, as it is now, entries with their …"),
        ]:
            with self.subTest(option=option):
                lines = offered_by_fish("tuplet", *words, option, described=True)
                self.assertEqual([line.split("\t")[1] for line in lines if line.split("\t")[0] == option], [beginning])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
