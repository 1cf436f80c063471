#!/usr/bin/env python3
"""program_test.py: `tuplet` as a program: help, which database it opens, failing files and output."""

import os
import signal
import sqlite3
import subprocess
import unittest

from harness import ABSENT, DATA, SYSTEM, TUPLET, USAGE, Cli, main

COMMANDS = ("get", "set", "delete", "list", "watch", "atomic", "enqueue", "listen", "codec", "serve", "db", "token", "help", "version")


class Help(Cli):
    def test_overview_names_every_command(self):
        overview = self.run_text("--help")
        self.assertEqual(self.run_text("help"), overview)
        self.assertEqual(self.run_text("-h"), overview)
        for command in COMMANDS:
            self.assertRegex(overview, rf"(?m)^  {command} +\w")

    def test_each_command_explains_itself(self):
        for command in COMMANDS:
            with self.subTest(command):
                text = self.run_text(command, "--help")
                self.assertRegex(text, rf"^Usage: tuplet {command}\b")
                self.assertEqual(self.run_text("help", command), text)
                self.assertEqual([line for line in text.splitlines() if len(line) > 100], [])

    def test_help_needs_no_valid_rest(self):
        self.assertRegex(self.run_text("get", "--help", "x", "y"), "^Usage")

    def test_version(self):
        for arguments in (["version"], ["--version"], ["-V"]):
            self.assertRegex(self.run_text(*arguments), r"^tuplet \d+\.\d+\.\d+\n$")
        self.assertRegex(self.run_text("version", "--json"), r'^{"version":"\d+\.\d+\.\d+"}\n$')

    def test_mistakes(self):
        for arguments in ([], ["frob"], ["--frob"], ["-x"], ["--db"], ["help", "frob"], ["--", "frob"],
                          ["--db", "x"], ["-1"]):
            with self.subTest(arguments):
                self.run_text(*arguments, code=USAGE)


class WhichDatabase(Cli):
    def value_in(self, path):
        return self.run_text("get", "-d", path, '["a"]')

    def test_options_before_and_after_the_command(self):
        for i, arguments in enumerate((["--db", "{}", "set", '["a"]', "1"], ["-d", "{}", "set", '["a"]', "1"],
                                       ["set", "--db={}", '["a"]', "1"], ["set", '["a"]', "1", "-d", "{}"],
                                       ["--sqlite-path", "{}", "set", '["a"]', "1"],
                                       ["set", '["a"]', "--sqlite-path", "{}", "1"])):
            path = self.path(f"{i}.sqlite3")
            self.run_text(*(word.replace("{}", path) if word == "{}" or "=" in word else word for word in arguments))
            self.assertEqual(self.value_in(path), "1\n", arguments)

    def test_json_before_the_command(self):
        self.tuplet("set", '["a"]', "1")
        self.assertTrue(self.run_text("--json", "--db", self.db, "get", '["a"]').startswith("{"))

    def test_the_option_after_the_command_wins(self):
        other = self.path("other.sqlite3")
        self.run_text("--db", self.path("not"), "set", "--db", other, '["a"]', "1")
        self.assertEqual(self.value_in(other), "1\n")
        self.assertFalse(os.path.exists(self.path("not")))

    def test_environment(self):
        self.run_text("set", '["a"]', "1", env={"DENO_KV_SQLITE_PATH": self.db})
        self.assertEqual(self.value_in(self.db), "1\n")
        default = self.path("default.sqlite3")
        self.run_text("set", '["a"]', "2", env={"DENO_KV_DEFAULT_PATH": default})
        self.assertEqual(self.value_in(default), "2\n")
        self.run_text("set", "--db", self.db, '["a"]', "3", env={"DENO_KV_SQLITE_PATH": default})
        self.assertEqual((self.value_in(self.db), self.value_in(default)), ("3\n", "2\n"))

    def test_the_default_belongs_to_the_working_directory(self):
        os.mkdir(self.path("here"))
        self.run_text("set", '["a"]', "1", cwd=self.path("here"))
        self.assertEqual(self.run_text("get", '["a"]', cwd=self.path("here")), "1\n")
        self.assertTrue(os.path.isdir(self.path("data/tuplet")))
        self.run_text("set", '["b"]', "1", cwd=self.folder.name)
        self.run_text("get", '["a"]', cwd=self.folder.name, code=ABSENT)

    def test_memory(self):
        self.assertEqual(len(self.run_text("set", "-d", ":memory:", '["a"]', "1").strip()), 20)
        self.run_text("get", "-d", ":memory:", '["a"]', code=ABSENT)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_reading_makes_no_file(self):
        for arguments in (["get", '["a"]'], ["list"], ["watch", '["a"]']):
            self.tuplet(*arguments, code=SYSTEM)
            self.assertRegex(self.stderr, "^tuplet: ")
        self.assertFalse(os.path.exists(self.db))

    def test_what_is_no_database(self):
        with open(self.db, "w", encoding="utf-8") as file:
            file.write("This is a text, not a database at all.\n" * 100)
        self.tuplet("get", '["a"]', code=SYSTEM)
        self.tuplet("set", '["a"]', "1", code=SYSTEM)
        self.run_text("set", "-d", self.path("no/such/folder/x.sqlite3"), '["a"]', "1", code=SYSTEM)
        self.run_text("get", "-d", self.folder.name, '["a"]', code=SYSTEM)


class Output(Cli):
    def setUp(self):
        super().setUp()
        self.tuplet("set", '["a"]', '"' + "x" * 1000 + '"')

    def test_a_full_disk_is_noticed(self):
        for arguments in (["get", '["a"]'], ["list"], ["--json", "list"], ["get", "--raw", '["a"]'], ["--help"],
                          ["watch", "--count", "1", '["a"]']):
            with self.subTest(arguments), open("/dev/full", "wb") as full:
                self.run_text("--db", self.db, *arguments, stdout=full, code=SYSTEM)
                self.assertIn("standard output", self.stderr)

    def test_a_change_that_cannot_be_told_is_said_to_be_stored(self):
        for arguments in (["set", '["b"]', "2"], ["delete", '["a"]'], ["atomic", "set", '["c"]', "3"]):
            with self.subTest(arguments), open("/dev/full", "wb") as full:
                self.run_text("--db", self.db, *arguments, stdout=full, code=SYSTEM)
                self.assertIn("standard output", self.stderr)
                self.assertIn("the change is stored", self.stderr)
        self.assertEqual(self.tuplet("list"), '["b"]\t2\n["c"]\t3\n')
        with open("/dev/full", "wb") as full:
            self.run_text("--db", self.db, "get", '["b"]', stdout=full, code=SYSTEM)
            self.assertNotIn("stored", self.stderr)

    def test_a_closed_pipe_is_noticed(self):
        read, write = os.pipe()
        os.close(read)
        try:
            self.run_text("get", "--db", self.db, '["a"]', stdout=write, code=SYSTEM)
        finally:
            os.close(write)
        self.assertEqual(self.stderr, "")

    def test_a_closed_standard_output_never_writes_into_the_database(self):
        command = 'exec "$@" >&-'
        process = subprocess.run(["sh", "-c", command, "sh", *self.start_words("get", '["a"]')], env=self.environment,
                                 stderr=subprocess.PIPE, check=False)
        self.assertEqual(process.returncode, SYSTEM)
        process = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *self.start_words("set", '["b"]', "2")],
                                 env=self.environment, check=False)
        self.assertEqual(process.returncode, SYSTEM, "the versionstamp could not be printed")
        self.assertEqual(self.tuplet("get", '["b"]'), "2\n", "but the value is there")

    def start_words(self, command, *arguments):
        return [TUPLET, command, "--db", self.db, *arguments]

    def test_a_damaged_value_does_not_hide_the_others(self):
        self.tuplet("set", '["b"]', "2")
        self.tuplet("set", '["c"]', "3")
        connection = sqlite3.connect(self.db)
        connection.execute("update kv set v = x'ff0f22' where k = x'026200'")
        connection.commit()
        connection.close()
        out = self.tuplet("list", code=DATA)
        self.assertEqual([line.split("\t")[0] for line in out.splitlines()], ['["a"]', '["c"]'])
        self.tuplet("get", '["b"]', code=DATA)
        self.assertEqual(self.run_bytes("get", "-d", self.db, "--raw", '["b"]'), b"\xff\x0f\x22")


class Serve(Cli):
    def test_arguments_are_the_servers(self):
        self.assertRegex(self.run_text("serve", "--help"), r"--addr")
        process = self.start("--sqlite-path", self.db, "serve", "--frob")
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, USAGE)
        self.assertIn(b"--frob", err)

    def serve(self, *arguments):
        process = self.start(*arguments, "--access-token", "a-long-enough-token", "--addr", "127.0.0.1:0")
        self.addCleanup(process.kill)
        for line in process.stderr:
            if b"Listening on http://127.0.0.1:" in line:
                return process
        self.fail("the server ended before it was ready")

    def test_a_mistake_makes_no_file(self):
        for mistake in (["--addr", "nonsense"], ["--addr", "127.0.0.1:70000"], ["--num-workers", "0"],
                        ["--num-workers", "x"], ["--access-token", "short"]):
            with self.subTest(mistake):
                process = self.start("serve", "--sqlite-path", self.db, *mistake)
                _, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(b"Try 'tuplet serve --help'", err)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_the_database_after_the_command_wins(self):
        for i, after in enumerate((["{}"], ["--sqlite-path", "{}"], ["-d{}"])):
            path = self.path(f"{i}.sqlite3")
            arguments = [word.replace("{}", path) for word in after]
            process = self.serve("--sqlite-path", self.path("not"), "serve", *arguments)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)
            self.assertTrue(os.path.exists(path))
        self.assertFalse(os.path.exists(self.path("not")))

    def test_starts_as_denokv_does(self):
        process = self.serve("--sqlite-path", self.db, "serve")
        self.tuplet("set", '["a"]', "1")  # beside the server, on the same file
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.tuplet("get", '["a"]'), "1\n")


if __name__ == "__main__":
    main()
