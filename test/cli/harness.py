"""harness.py: what the tests of the command line share: they drive the real program on real files.

A test program defines subclasses of Cli and ends with main(). It is called as NAME_test.py TUPLET VECTORS [ARGUMENT...]:
the program under test, the folder of the byte vectors, and what unittest takes. Each test has a folder of its own.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
import unittest

SECONDS_MAX = 60  # for any one program; nothing should take longer, whatever the sanitizer

OK, ABSENT, USAGE, CONFLICT, DATA, SYSTEM = range(6)


class Cli(unittest.TestCase):
    """Methods to run the program. Standard output and error are checked to be UTF-8."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tuplet-cli-")
        self.addCleanup(self.folder.cleanup)
        self.db = os.path.join(self.folder.name, "test.sqlite3")
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("DENO_KV")}
        self.environment.update(HOME=self.folder.name, XDG_DATA_HOME=os.path.join(self.folder.name, "data"))
        self.stderr = ""

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", self.folder.name)
        options.setdefault("env", self.environment)
        return subprocess.Popen([TUPLET, *arguments], stdout=options.pop("stdout", subprocess.PIPE),
                                stderr=subprocess.PIPE, **options)

    def run_bytes(self, *arguments, code=OK, stdin=None, env=None, **options):
        """Runs the program, which must exit with `code`; its standard output."""
        if env is not None:
            options["env"] = {**self.environment, **env}
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(stdin, timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        self.stderr = err.decode()
        self.assertEqual(process.returncode, code, f"{arguments}: {self.stderr}")
        if code in (OK, ABSENT, CONFLICT):
            unexpected = [line for line in self.stderr.splitlines() if not line.startswith("cursor: ")]
            self.assertEqual(unexpected, [], arguments)
        elif code == USAGE:
            self.assertRegex(self.stderr, r"^tuplet[ :]", arguments)
            self.assertRegex(self.stderr, r"\nTry 'tuplet.* --help'\.\n$", arguments)
        return out or b""  # None when it went elsewhere

    def run_text(self, *arguments, stdin=None, **options):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return self.run_bytes(*arguments, stdin=data, **options).decode()

    def tuplet(self, command, *arguments, **options):
        """The same on the test's own database."""
        return self.run_text(command, "--db", self.db, *arguments, **options)

    def json(self, command, *arguments, **options):
        """The same with --json; the objects printed."""
        out = self.tuplet(command, "--json", *arguments, **options)
        self.assertTrue(out == "" or out.endswith("\n"))
        return [json.loads(line) for line in out.splitlines()]


class Lines:
    """The lines of a program that goes on running."""

    def __init__(self, process):
        self.process = process
        self.rest = b""

    def next(self):
        deadline = time.monotonic() + SECONDS_MAX
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError("the program prints nothing")
            data = os.read(self.process.stdout.fileno(), 65536)
            if data == b"":
                raise EOFError(self.process.stderr.read().decode())
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


class Result(unittest.TextTestResult):
    """One line a test before and after it, as cmocka prints them, so that the tests are counted."""

    def startTest(self, test):
        super().startTest(test)
        print(f"[ RUN      ] {test.id()}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"[       OK ] {test.id()}", flush=True)


def main():
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[3:]], testRunner=runner)


if len(sys.argv) < 3:
    sys.exit(f"Usage: {sys.argv[0]} TUPLET VECTORS [ARGUMENT...]")
TUPLET = os.path.abspath(sys.argv[1])
VECTORS = os.path.abspath(sys.argv[2])


def vectors(name):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]
