#!/usr/bin/env python3
"""instructions_test.py: that the guard of bench/instructions.py lets pass what it is to let pass, and nothing else.

Usage: bench/instructions_test.py PROGRAM       PROGRAM is build/bench/instructions
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # beside the sources

import instructions

GUARD = Path(__file__).with_name("instructions.py")
WORKLOAD = "key-encode"


class Guard(unittest.TestCase):
    """The guard as it is called, on one workload, with baselines that are made for it."""

    @classmethod
    def setUpClass(cls):
        results = instructions.measure(cls.program, cls.program.parent, WORKLOAD)
        cls.numbers = instructions.sums(cls.program, dict(results)[WORKLOAD])
        cls.build = instructions.build_key(cls.program)
        cls.libraries = instructions.libraries_key()

    def guard(self, baseline, only=WORKLOAD, environment=None):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "baseline.json")
            file.write_text(json.dumps(baseline))
            command = [sys.executable, GUARD, self.program, "--only", only, "--baseline", file]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def baseline(self, ours=1.0, everything=1.0):
        return {self.build: {"ours": {WORKLOAD: round(self.numbers["ours"] * ours)},
                             "all": {self.libraries: {WORKLOAD: round(self.numbers["all"] * everything)}}}}

    def test_the_same_work_passes(self):
        run = self.guard(self.baseline())
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("pass 1\nfail 0\n", run.stdout)

    def test_more_instructions_of_ours_fail(self):
        run = self.guard(self.baseline(ours=1 / 1.1))
        self.assertEqual(run.returncode, 1)
        self.assertIn("counted once again", run.stdout)
        self.assertRegex(run.stdout, rf"(?m)^{WORKLOAD} .*ours: MORE THAN 5 % MORE$")
        self.assertIn("pass 0\nfail 1\n", run.stdout)

    def test_more_instructions_of_libraries_fail(self):
        run = self.guard(self.baseline(everything=1 / 1.1))
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stdout, rf"(?m)^{WORKLOAD} .* all: MORE THAN 5 % MORE$")

    def test_without_valgrind_it_fails(self):
        run = self.guard(self.baseline(), environment={**os.environ, "PATH": ""})
        self.assertEqual(run.returncode, 1)
        self.assertIn("valgrind is missing", run.stderr)

    def test_a_workload_that_is_not_there_fails(self):
        run = self.guard(self.baseline(), only="no-such-workload")
        self.assertEqual(run.returncode, 1)
        self.assertIn("no-such-workload", run.stderr)


class Comparing(unittest.TestCase):
    MEASURED = {"get": {"ours": 1000, "all": 10000}}

    def verdicts(self, baseline, is_part=False):
        return {(row[0], row[1]): row[4] for row in instructions.compare(self.MEASURED, baseline, is_part)}

    def test_up_to_five_percent_more_is_the_same(self):
        baseline = {"ours": {"get": 953}, "all": {"get": 9500}}
        self.assertEqual(self.verdicts(baseline), {("get", "ours"): "same", ("get", "all"): "more"})

    def test_more_than_five_percent_less_is_told(self):
        baseline = {"ours": {"get": 1060}, "all": {"get": 10400}}
        self.assertEqual(self.verdicts(baseline), {("get", "ours"): "less", ("get", "all"): "same"})

    def test_what_nothing_is_known_of_passes(self):
        self.assertEqual(self.verdicts({}), {("get", "ours"): "alone", ("get", "all"): "alone"})

    def test_a_workload_without_a_number_is_no_guarded_one(self):
        self.assertEqual(self.verdicts({"ours": {}})[("get", "ours")], "new")

    def test_a_workload_that_vanished_is_missed_unless_a_part_was_asked_for(self):
        baseline = {"ours": {"get": 1000, "set": 2000}}
        self.assertEqual(self.verdicts(baseline)[("set", "ours")], "gone")
        self.assertNotIn(("set", "ours"), self.verdicts(baseline, is_part=True))

    def test_of_two_countings_the_smaller_numbers_count(self):
        again = {"get": {"ours": 1100, "all": 9000}}
        self.assertEqual(instructions.smaller(self.MEASURED, again), {"get": {"ours": 1000, "all": 9000}})

    def test_a_baseline_is_for_its_build_and_its_libraries(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "baseline.json")
            instructions.write_baseline(file, "gcc", "sqlite 1", self.MEASURED)
            instructions.write_baseline(file, "clang", "sqlite 1", self.MEASURED)
            both = {"ours": {"get": 1000}, "all": {"get": 10000}}
            self.assertEqual(instructions.baseline_of(file, "gcc", "sqlite 1"), both)
            self.assertEqual(instructions.baseline_of(file, "gcc", "sqlite 2"), {"ours": {"get": 1000}})
            self.assertEqual(instructions.baseline_of(file, "tcc", "sqlite 1"), {})


class Dumps(unittest.TestCase):
    DUMP = ("ob=(1) /lib/libc.so\nfl=(1) ???\nfn=(1) memcpy\n0 10\n+3 5\n\n"
            "ob=(2) /bin/program\nfn=(2) main\n0 7\ncob=(1)\ncfn=(1)\ncalls=1 0\n0 15\n* 1\n\n"
            "totals: 23\n")

    def test_what_a_callee_takes_is_not_counted_twice(self):
        self.assertEqual(instructions.parse_dump(self.DUMP),
                         {("/lib/libc.so", "memcpy"): 15, ("/bin/program", "main"): 8})

    def test_who_waits_in_circles_is_left_out(self):
        dump = self.DUMP.replace("cfn=(1)\n", "cfn=(3) sched_yield\n")
        self.assertEqual(instructions.parse_dump(dump), {("/lib/libc.so", "memcpy"): 15})

    def test_a_file_that_is_cut_off_is_refused(self):
        with self.assertRaises(instructions.Failure):
            instructions.parse_dump(self.DUMP[:-len("totals: 23\n")])

    def test_a_file_that_does_not_add_up_is_refused(self):
        with self.assertRaises(instructions.Failure):
            instructions.parse_dump(self.DUMP.replace("* 1", "* 2"))


def main():
    Guard.program = Path(sys.argv[1]).resolve()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"pass {result.testsRun - bad}\nfail {bad}")
    sys.exit(1 if bad or result.testsRun == 0 else 0)


main()
