#!/usr/bin/env python3
"""atomic_test.py: `tuplet atomic`: each operation, as arguments and as lines, conflicts and mistakes."""

import os

from harness import ABSENT, CONFLICT, DATA, USAGE, Cli, main


class Atomic(Cli):
    def test_every_operation_at_once(self):
        old = self.tuplet("set", '["old"]', '"x"').strip()
        self.tuplet("set", '["gone"]', "1")
        stamp = self.tuplet(
            "atomic", "check", '["old"]', old, "check", '["new"]', "null", "set", '["new"]', "{a: 1}", "delete",
            '["gone"]', "sum", '["sum"]', "5n", "min", '["min"]', "7", "max", '["max"]', "new Deno.KvU64(9n)",
            "set-versionstamped", '["log"]', '"event"', "sum-value", '["big"]', "12345678901234567890123n").strip()
        self.assertEqual(self.tuplet("list"), f"""["big"]\t12345678901234567890123n
["log", "{stamp}"]\t"event"
["max"]\tnew Deno.KvU64(9n)
["min"]\tnew Deno.KvU64(7n)
["new"]\t{{a: 1}}
["old"]\t"x"
["sum"]\tnew Deno.KvU64(5n)
""")
        self.assertGreater(stamp, old)

    def test_counters(self):
        for operation, operand, expected in (("sum", "5n", 5), ("sum", "18446744073709551615n", 4), ("max", "3n", 4),
                                             ("max", "10n", 10), ("min", "12n", 10), ("min", "2n", 2)):
            self.tuplet("atomic", operation, '["n"]', operand)
            self.assertEqual(self.tuplet("get", '["n"]'), f"new Deno.KvU64({expected}n)\n", operation)

    def test_conflict_names_the_checks_and_writes_nothing(self):
        stamp = self.tuplet("set", '["a"]', "1").strip()
        checks = ["check", '["a"]', "null", "check", '["a"]', stamp, "check", '["b"]', stamp]
        self.assertEqual(self.tuplet("atomic", *checks, "set", '["c"]', "1", code=CONFLICT), "0 2\n")
        self.assertEqual(self.json("atomic", *checks, "set", '["c"]', "1", code=CONFLICT),
                         [{"ok": False, "failedChecks": [0, 2]}])
        self.tuplet("get", '["c"]', code=ABSENT)

    def test_json_and_quiet(self):
        outcome, = self.json("atomic", "set", '["a"]', "1")
        self.assertEqual(outcome, {"ok": True, "versionstamp": self.tuplet("get", "--versionstamp", '["a"]').strip()})
        self.assertEqual(self.tuplet("atomic", "-q", "set", '["a"]', "1"), "")

    def test_compare_and_set_in_a_script(self):
        self.tuplet("set", '["a"]', "1")
        stamp = self.tuplet("get", "--versionstamp", '["a"]').strip()
        self.tuplet("atomic", "check", '["a"]', stamp, "set", '["a"]', "2")
        self.tuplet("atomic", "check", '["a"]', stamp, "set", '["a"]', "3", code=CONFLICT)
        self.assertEqual(self.tuplet("get", '["a"]'), "2\n")

    def test_expiry_belongs_to_its_set(self):
        self.tuplet("atomic", "set", '["a"]', "1", "--expire-in", "0", "set", '["b"]', "2", "--expire-in=1h", "set",
                    '["c"]', "3")
        self.assertEqual(self.tuplet("list", "-k"), '["b"]\n["c"]\n')
        self.tuplet("atomic", "set-versionstamped", '["v"]', "1", "--expire-in", "0ms")
        self.assertEqual(self.tuplet("list", "-k"), '["b"]\n["c"]\n')

    def test_sum_of_values(self):
        self.tuplet("atomic", "sum-value", '["n"]', "1.5", "sum-value", '["n"]', "2")
        self.assertEqual(self.tuplet("get", '["n"]'), "3.5\n")
        self.tuplet("atomic", "sum-value", '["n"]', "1", "--max", "4", code=DATA)
        self.assertEqual(self.tuplet("get", '["n"]'), "3.5\n")
        self.tuplet("atomic", "sum-value", '["n"]', "1", "--max=4", "--clamp")
        self.assertEqual(self.tuplet("get", '["n"]'), "4\n")
        self.tuplet("atomic", "sum-value", '["n"]', "-10", "--clamp", "--max", "4", "--min", "-3")
        self.assertEqual(self.tuplet("get", '["n"]'), "-3\n")
        self.tuplet("atomic", "sum-value", '["n"]', "1n", code=DATA)

    def test_a_failing_operation_leaves_nothing(self):
        self.tuplet("set", '["text"]', '"no counter"')
        self.tuplet("atomic", "set", '["a"]', "1", "sum", '["text"]', "1n", code=DATA)
        self.assertIn("non-U64 value", self.stderr)
        self.tuplet("get", '["a"]', code=ABSENT)

    def test_lines_from_standard_input(self):
        script = '# a comment\n\nset\t["a b"]\t{x: "y z"}\nset\t["e"]\t1\t--expire-in\t0\r\nsum\t["n"]\t2n\n' \
                 'check\t["n"]\tnull\ndelete\t["q"]'
        self.tuplet("atomic", "-", stdin=script)
        self.assertEqual(self.tuplet("list"), '["a b"]\t{x: "y z"}\n["n"]\tnew Deno.KvU64(2n)\n')

    def test_lines_between_arguments(self):
        self.tuplet("atomic", "set", '["a"]', "1", "-", "set", '["c"]', "3", stdin='set\t["b"]\t2\n')
        self.assertEqual(self.tuplet("list", "-k"), '["a"]\n["b"]\n["c"]\n')

    def test_many_operations(self):
        self.tuplet("atomic", "-", stdin="".join(f"set\t[{i}n]\t{i}\n" for i in range(1000)))
        self.assertEqual(len(self.tuplet("list").splitlines()), 1000)
        self.tuplet("atomic", "-", stdin="".join(f"delete\t[{i}n]\n" for i in range(1001)), code=DATA)
        self.assertIn("1000", self.stderr)
        self.assertEqual(len(self.tuplet("list").splitlines()), 1000)

    def test_mistakes_name_their_place(self):
        self.tuplet("atomic", "set", '["a"]', "1", "set", '["a"', "1", code=DATA)
        self.assertRegex(self.stderr, "^tuplet: operation 2: ")
        self.tuplet("atomic", "-", stdin='set\t["a"]\t1\nset\t["b"]\t{\n', code=DATA)
        self.assertRegex(self.stderr, "^tuplet: line 2: ")
        self.tuplet("atomic", "-", stdin='set\t["a"]\t1\nfrob\t["b"]\n', code=USAGE)
        self.assertRegex(self.stderr, "^tuplet atomic: line 2: 'frob'")
        self.assertFalse(os.path.exists(self.db), "a mistake makes no file")

    def test_invalid_operands(self):
        for words in (["check", "[1]", "123"], ["check", "[1]", "g" * 20], ["sum", "[1]", "-1n"], ["sum", "[1]", "1.5"],
                      ["sum", "[1]", '"x"'], ["min", "[1]", "18446744073709551616n"], ["delete", "[]"],
                      ["sum-value", "[1]", '"x"'], ["sum-value", "[1]", "1", "--min", "1n"], ["set", "x", "1"]):
            with self.subTest(words):
                self.tuplet("atomic", *words, code=DATA)

    def test_usage(self):
        for words in ([], ["frob"], ["set"], ["set", "[1]"], ["check", "[1]"], ["delete"], ["sum", "[1]"],
                      ["set", "[1]", "1", "--expire-in"], ["set", "[1]", "1", "--expire-in", "1y"],
                      ["set", "[1]", "1", "--frob"], ["sum-value", "[1]", "1", "--min"], ["--frob", "delete", "[1]"],
                      ["delete", "[1]", "2"]):
            with self.subTest(words):
                self.tuplet("atomic", *words, code=USAGE)
        for line in ('delete\t["a"]\t1\n', "set\t[1]\t1" + "\tx" * 20 + "\n", 'set ["a"] 1\n'):
            with self.subTest(line):
                self.tuplet("atomic", "-", stdin=line, code=USAGE)
        self.tuplet("atomic", "-", stdin='set\t["a\0b"]\t1\n', code=DATA)


if __name__ == "__main__":
    main()
