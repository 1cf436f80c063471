"""bench_test.py: `tuplet bench`: its command line, and what it prints of a file. Servers: test/clients."""

import contextlib
import json
import os
import sqlite3

from harness import SYSTEM, USAGE, Cli, main

SHORT = ["--duration", "100ms", "--warm-up", "0", "--keys", "50", "--connections", "2"]


def rows_of(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT k, v FROM kv ORDER BY k").fetchall()


class Options(Cli):
    def refused(self, *arguments, saying, db=True):
        self.run_text("bench", *(["--db", self.db] if db else []), *arguments, code=USAGE)
        self.assertIn(saying, self.stderr)
        self.assertFalse(os.path.exists(self.db))

    def test_what_is_missing(self):
        self.refused(saying="a workload is missing")
        self.refused("get", db=False, saying="--db must say which database")
        self.refused("--reuse", "get", saying="--reuse needs the --name")

    def test_workloads(self):
        self.refused("fetch", saying="'fetch' is not a workload")
        self.refused("get", "set", "get", saying="the workload get is there twice")

    def test_numbers(self):
        for option, wrong in (("connections", "0"), ("connections", "10001"), ("in-flight", "-1"), ("threads", "65"),
                              ("keys", "0"), ("keys", "1e6"), ("value-size", "65537"), ("rate", "0"),
                              ("slices", "0"), ("batch", "1001"), ("zipf-exponent", "0"), ("zipf-exponent", "nan"),
                              ("zipf-exponent", "1x"), ("warm-up", "soon"), ("duration", "0"), ("duration", "25h"),
                              ("seed", "x")):
            with self.subTest(option=option, value=wrong):
                self.refused(f"--{option}", wrong, "get", saying=f"--{option} must be")
                self.assertIn(f"'{wrong}'", self.stderr)

    def test_words(self):
        self.refused("--distribution", "even", "get", saying="must be uniform or zipf, not 'even'")
        self.refused("--http", "3", "get", saying="must be auto, 1 or 2, not '3'")
        for name in ("", "a b", "x" * 65, "ü"):
            self.refused("--name", name, "get", saying="--name must be 1 to 64")
        self.refused("--versus", "", "get", saying="--versus needs")

    def test_what_does_not_go_together(self):
        self.refused("--keys", "9", "getmany", saying="getmany reads 10 keys: --keys must not be 9")
        self.refused("--keys", "99", "list", saying="list lists 100 keys")
        self.refused("--keys", "1", "transfer", saying="transfer changes 2 keys")
        self.refused("--batch", "11", "getmany", saying="--batch of getmany must be at most 10")
        self.refused("-t", "3", "-c", "2", "get", saying="--threads must be at most --connections (2), not 3")
        self.refused("-c", "64", "-m", "17", "get", saying="takes a thread: at most 1024, not 1088")
        self.run_text("bench", "--db", "http://127.0.0.1:1", "--http", "1", "-m", "2", "get", code=USAGE)
        self.assertIn("--in-flight must be 1", self.stderr)
        self.run_text("bench", "--db", "http://127.0.0.1:1", "-t", "2", "get", "queue", code=USAGE)
        self.assertIn("queue takes one of the --threads, not 2", self.stderr)


class Files(Cli):
    def bench(self, *arguments, **options):
        return self.json("bench", *SHORT, *arguments, **options)

    def keys(self):
        return self.run_text("list", "--db", self.db).splitlines()

    def test_the_table(self):
        lines = self.tuplet("bench", *SHORT, "get", "transfer").splitlines()
        self.assertEqual(lines[0], f"{self.db} (library)")
        self.assertRegex(lines[1], r"^2 threads; 50 keys, values of 100 bytes, uniform; ")
        self.assertEqual(lines[2].split(), ["op/s", "p50", "p99", "p99.9", "max", "failed"])
        self.assertRegex(lines[3], r"^get +\d+( +[\d.]+ (ns|us|ms|s)){4} +0$")
        self.assertRegex(lines[4], r"^transfer +\d+( +[\d.]+ (ns|us|ms|s)){4} +0$")
        self.assertRegex(lines[5], r"^  \d+ conflicts; the accounts hold together what they did before$")
        self.assertEqual(len(lines), 6)

    def test_json_says_what_was_asked_for(self):
        [result] = self.bench("--distribution", "zipf", "--value-size", "7", "--in-flight", "2", "get")
        expected = {"workload": "get", "target": self.db, "protocol": "library", "connections": 2, "inFlight": 2,
                    "threads": 4, "keys": 50, "valueSize": 7, "zipfExponent": 0.99, "rate": 0, "failed": 0, "unsent": 0,
                    "faults": []}
        for name, value in expected.items():
            self.assertEqual(result[name], value, name)
        self.assertAlmostEqual(result["operationsPerSecond"], result["operations"] / result["seconds"])

    def test_nothing_stays_and_nothing_else_is_touched(self):
        self.tuplet("set", '["tuplet-bench", "mine", 0]', "1")
        self.bench("get", "set", "transfer", "sum")
        self.assertEqual(self.keys(), ['["tuplet-bench", "mine", 0]\t1'])

    def test_kept_values_have_their_size(self):
        self.bench("--name", "kept", "--keep", "--value-size", "3", "set")
        lines = self.tuplet("bench", *SHORT, "--name", "kept", "--keep", "--reuse", "--value-size", "3", "get")
        self.assertTrue(lines.endswith('kept under ["tuplet-bench", "kept"]\n'))
        keys = self.keys()
        self.assertEqual(len(keys), 50)
        self.assertRegex(keys[7], r'^\["tuplet-bench", "kept", 7\]\tnew Uint8Array\(\[\d+, \d+, \d+\]\)$')

    def test_reuse_notices_what_is_not_there(self):
        [result] = self.bench("--name", "none", "--reuse", "get", code=SYSTEM)
        self.assertEqual(result["operations"], 0)
        self.assertEqual(result["faults"][0]["message"], "a wrong answer: an entry is not there")

    def test_transfers_that_were_tampered_with_are_found_out(self):
        self.bench("--name", "accounts", "--keep", "transfer")
        self.tuplet("atomic", "sum", '["tuplet-bench", "accounts", 3]', "1n")
        self.bench("--name", "accounts", "--reuse", "transfer", code=SYSTEM)
        self.assertIn("the accounts hold 50001 and should hold 50000: transfers were not atomic", self.stderr)

    def test_a_file_that_is_none(self):
        with open(self.db, "w", encoding="utf-8") as file:
            file.write("no database" * 1000)
        self.bench("get", code=SYSTEM)
        self.assertIn(self.db, self.stderr)

    def test_two_files_by_turns(self):
        other = self.path("other.sqlite3")
        turns = ["--versus", other, "--slices", "2", "--duration", "1s", "get"]
        first, second, slices = self.bench(*turns)
        self.assertEqual((first["target"], second["target"]), (self.db, other))
        self.assertEqual(len(slices["slices"]), 2)
        ratios = [part["ratio"] for part in slices["slices"]]
        self.assertAlmostEqual(slices["medianRatio"], sum(ratios) / 2)
        lines = self.tuplet("bench", *SHORT, *turns).splitlines()
        self.assertRegex(lines[-1], r"^  the first to the second, median +[\d.]+$")

    def test_memory(self):
        [result] = [json.loads(self.run_text("bench", "--db", ":memory:", "--json", *SHORT, "mixed"))]
        self.assertEqual(result["failed"], 0)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_the_same_seed_writes_the_same_values(self):
        for path in (self.db, self.path("b.sqlite3")):
            self.run_text("bench", "--db", path, *SHORT, "-c", "1", "--seed", "5", "--name", "n", "--keep", "get")
        first, second = map(rows_of, (self.db, self.path("b.sqlite3")))
        self.assertEqual(len(first), 50)
        self.assertEqual(first, second)


main()
