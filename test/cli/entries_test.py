#!/usr/bin/env python3
"""entries_test.py: `tuplet get`, `set`, `delete` and `list` on a file: every option, form and exit code."""

import json
import os
import re
import time

from harness import ABSENT, DATA, SYSTEM, USAGE, Cli, main

STAMP = r"[0-9a-f]{20}"


class SetAndGet(Cli):
    def test_a_value_comes_back_as_text_alone_on_a_line(self):
        self.assertRegex(self.tuplet("set", '["users", 1n]', '{name: "Alice"}'), rf"^{STAMP}\n$")
        self.assertEqual(self.tuplet("get", '["users", 1n]'), '{name: "Alice"}\n')

    def test_the_text_that_is_printed_can_be_set_again(self):
        texts = ['"quote \\" back \\\\ tab\\t nul\\0 line\\n"', "'single'", "`tick`", "undefined", "null", "-0", "NaN",
                 "12345678901234567890n", "new Date(0)", "/a[/]\\/b/gi", 'new Map([[1, {a: [,1]}], ["x", 2n]])',
                 "new Set([1])", "new Uint16Array([1, 65535])", '"\\ud800"', '"日本 😀 $HOME `id`"',
                 'new Error("boom")', "new Deno.KvU64(18446744073709551615n)", "new Uint8Array([0, 10, 255])"]
        for i, text in enumerate(texts):
            with self.subTest(text):
                self.tuplet("set", "--quiet", '["a"]', text)
                once = self.tuplet("get", '["a"]')
                self.assertEqual(once.count("\n"), 1)
                self.tuplet("set", '["b"]', once.rstrip("\n"))
                self.assertEqual(self.tuplet("get", '["b"]'), once)
        self.assertGreater(i, 10)

    def test_keys_with_odd_text(self):
        for key in ('["a\\tb\\n"]', '["\\u0000"]', '["\'\\"`$(id)"]', "[new Uint8Array([0, 255])]", "[-1n, -0, NaN, true]"):
            with self.subTest(key):
                self.tuplet("set", key, "1")
                self.assertEqual(self.tuplet("get", key), "1\n")
                line, = self.tuplet("list", "--keys-only").splitlines()
                self.assertEqual(self.tuplet("get", line), "1\n")
                self.tuplet("delete", line)

    def test_negative_numbers_are_values_and_not_options(self):
        self.tuplet("set", '["n"]', "-1")
        self.assertEqual(self.tuplet("get", '["n"]'), "-1\n")
        self.tuplet("set", "--", '["n"]', "-2n")
        self.assertEqual(self.tuplet("get", '["n"]'), "-2n\n")

    def test_absent(self):
        self.tuplet("set", '["a"]', "1")
        self.assertEqual(self.tuplet("get", '["b"]', code=ABSENT), "")
        self.assertEqual(self.json("get", '["b"]', code=ABSENT),
                         [{"key": ["b"], "keyText": '["b"]', "value": None, "versionstamp": None}])
        self.assertEqual(self.tuplet("get", "--versionstamp", '["b"]', code=ABSENT), "")
        self.assertEqual(self.tuplet("get", "--raw", '["b"]', code=ABSENT), "")

    def test_several_keys_are_a_line_each(self):
        self.tuplet("set", '["a"]', "1")
        self.tuplet("set", '["c"]', "3")
        self.assertEqual(self.tuplet("get", '["c"]', '["a"]'), '["c"]\t3\n["a"]\t1\n')
        self.assertEqual(self.tuplet("get", '["a"]', '["b"]', '["c"]', code=ABSENT), '["a"]\t1\n["b"]\t\n["c"]\t3\n')
        self.tuplet("get", *['["a"]'] * 11, code=DATA)

    def test_json(self):
        stamp = self.json("set", '["users", 1]', '{name: "Al\\tice", list: [1, null, "é"]}')[0]
        self.assertEqual(stamp["ok"], True)
        entry, = self.json("get", '["users", 1]')
        self.assertEqual(entry, {
            "key": ["users", 1], "keyText": '["users", 1]',
            "value": {"name": "Al\tice", "list": [1, None, "é"]}, "valueText": '{name: "Al\\tice", list: [1, null, "é"]}',
            "encoding": "v8", "versionstamp": stamp["versionstamp"]})

    def test_json_leaves_out_what_json_cannot_say(self):
        self.tuplet("set", "[1n]", "{a: 1n}")
        entry, = self.json("get", "[1n]")
        self.assertEqual((entry["keyText"], entry["valueText"]), ("[1n]", "{a: 1n}"))
        self.assertNotIn("key", entry)
        self.assertNotIn("value", entry)

    def test_versionstamp_alone(self):
        stamp = self.tuplet("set", '["a"]', "1")
        self.assertEqual(self.tuplet("get", "--versionstamp", '["a"]'), stamp)
        self.assertEqual(self.json("get", "--versionstamp", '["a"]')[0]["versionstamp"], stamp.strip())

    def test_consistency(self):
        self.tuplet("set", '["a"]', "1")
        for level in ("strong", "eventual"):
            self.assertEqual(self.tuplet("get", "--consistency", level, '["a"]'), "1\n")
        self.tuplet("get", "--consistency", "weak", '["a"]', code=USAGE)

    def test_quiet(self):
        self.assertEqual(self.tuplet("set", "-q", '["a"]', "1"), "")
        self.assertEqual(self.tuplet("delete", "--quiet", '["a"]'), "")

    def test_value_from_standard_input_and_file(self):
        self.tuplet("set", '["a"]', "-", stdin="{\n  a: 1,\n}\n")
        self.assertEqual(self.tuplet("get", '["a"]'), "{a: 1}\n")
        with open(self.path("value.js"), "w", encoding="utf-8") as file:
            file.write('"from a file"\n')
        self.tuplet("set", '["a"]', "--value-file", self.path("value.js"))
        self.assertEqual(self.tuplet("get", '["a"]'), '"from a file"\n')
        self.tuplet("set", '["a"]', "--value-file", "-", "--encoding", "json", stdin='{"b":2}')
        self.assertEqual(self.tuplet("get", '["a"]'), "{b: 2}\n")
        self.tuplet("set", "--encoding", "json", '["a"]', '[true]')
        self.assertEqual(self.tuplet("get", '["a"]'), "[true]\n")

    def test_raw_bytes_in_and_out(self):
        data = bytes(range(256)) * 4
        self.run_bytes("set", "-d", self.db, '["a"]', "--raw", "--value-file", "-", stdin=data)
        self.assertEqual(self.run_bytes("get", "-d", self.db, "--raw", '["a"]'), data)
        self.assertTrue(self.tuplet("get", '["a"]').startswith("new Uint8Array(["))
        self.run_bytes("set", "-d", self.db, '["a"]', "--encoding", "bytes", "-", stdin=b"")
        self.assertEqual(self.tuplet("get", '["a"]'), "new Uint8Array([])\n")

    def test_encoded_bytes_in_and_out(self):
        for encoding, hexed, text in (("v8", "ff0f4902", "1"), ("v8", "ff104902", "1"),
                                      ("le64", "0500000000000000", "new Deno.KvU64(5n)")):
            with self.subTest(hexed):
                data = bytes.fromhex(hexed)
                self.run_bytes("set", "-d", self.db, '["a"]', "-", "--encoding", encoding, stdin=data)
                self.assertEqual(self.tuplet("get", '["a"]'), text + "\n")
                self.assertEqual(self.run_bytes("get", "-d", self.db, "--raw", '["a"]'), data)
                self.assertEqual(self.json("get", '["a"]')[0]["encoding"], encoding)
        self.run_bytes("set", "-d", self.db, '["a"]', "-", "--encoding", "v8", stdin=b"\xff\x0f", code=DATA)
        self.run_bytes("set", "-d", self.db, '["a"]', "-", "--encoding", "le64", stdin=b"1", code=DATA)
        self.assertEqual(self.tuplet("get", '["a"]'), "new Deno.KvU64(5n)\n", "nothing was written")

    def test_expiry(self):
        self.tuplet("set", '["gone"]', "1", "--expire-in", "0")
        self.assertEqual(self.tuplet("get", '["gone"]', code=ABSENT), "")
        for duration in ("1h", "7d", "600m", "36000s", "3600000ms", "3600000"):
            with self.subTest(duration):
                self.tuplet("set", '["a"]', "1", f"--expire-in={duration}")
                self.assertEqual(self.tuplet("get", '["a"]'), "1\n")
        self.tuplet("set", '["soon"]', "1", "--expire-in", "50ms")
        deadline = time.monotonic() + 30
        while self.start("get", "-d", self.db, '["soon"]').wait() == 0:
            self.assertLess(time.monotonic(), deadline, "the entry does not expire")
        for duration in ("", "-1", "1.5s", "1 s", "s", "1w", "99999999999999999999", "9223372036854775807d"):
            with self.subTest(duration):
                self.tuplet("set", '["a"]', "1", f"--expire-in={duration}", code=USAGE)

    def test_limits_are_errors_of_data(self):
        self.tuplet("set", json.dumps(["x" * 2100]), "1", code=DATA)
        self.assertIn("2048", self.stderr)
        self.run_text("set", "-d", self.db, '["a"]', "-", stdin=json.dumps("x" * 70000), code=DATA)
        self.assertIn("65536", self.stderr)
        self.tuplet("set", "[]", "1", code=DATA)

    def test_invalid_keys_and_values(self):
        self.tuplet("set", '["a"', "1", code=DATA)
        self.assertRegex(self.stderr, "^tuplet: key: ")
        self.tuplet("set", '["a"]', "{", code=DATA)
        self.assertRegex(self.stderr, "^tuplet: value: ")
        self.assertFalse(os.path.exists(self.db), "a mistake makes no file")

    def test_usage(self):
        for arguments in (["get"], ["get", "--raw", "[1]", "[2]"], ["get", "--raw", "--json", "[1]"], ["set"],
                          ["set", "[1]"], ["set", "[1]", "1", "2"], ["set", "[1]", "1", "--value-file", "x"],
                          ["set", "[1]", "1", "--encoding", "bytes"], ["set", "[1]", "1", "--encoding", "hex"],
                          ["set", "[1]", "1", "--expire-in"], ["delete"], ["get", "-x", "[1]"], ["get", "--db"],
                          ["get", "--db=", "[1]"], ["get", "--json=1", "[1]"]):
            with self.subTest(arguments):
                self.run_text(*arguments, code=USAGE)

    def test_a_file_that_cannot_be_read(self):
        self.run_text("set", '["a"]', "--value-file", self.path("none"), "-d", self.db, code=SYSTEM)
        self.run_text("set", '["a"]', "--value-file", self.folder.name, "-d", self.db, code=SYSTEM)


class Delete(Cli):
    def test_removes_one_and_several(self):
        for key in "abc":
            self.tuplet("set", f'["{key}"]', "1")
        self.assertRegex(self.tuplet("delete", '["a"]', '["c"]', '["none"]'), rf"^{STAMP}\n$")
        self.assertEqual(self.tuplet("list", "-k"), '["b"]\n')
        self.assertEqual(self.json("delete", '["b"]')[0]["ok"], True)
        self.assertEqual(self.tuplet("list", "-k"), "")

    def test_all_or_none(self):
        self.tuplet("set", '["a"]', "1")
        self.tuplet("delete", '["a"]', '["b"', code=DATA)
        self.assertEqual(self.tuplet("get", '["a"]'), "1\n")


class List(Cli):
    def setUp(self):
        super().setUp()
        words = []
        for i in range(1, 6):
            words += ["set", f'["n", {i}n]', f"{i}"]
        self.tuplet("atomic", "set", '["m"]', '"first"', *words, "set", '["z"]', '"last"')

    def keys(self, *arguments, **options):
        return re.findall(r"(\d+)n\]", self.tuplet("list", "-k", *arguments, **options))

    def test_everything_in_key_order(self):
        self.assertEqual(self.tuplet("list"), '["m"]\t"first"\n' + "".join(f'["n", {i}n]\t{i}\n' for i in range(1, 6)) +
                         '["z"]\t"last"\n')

    def test_prefix(self):
        self.assertEqual(self.keys('["n"]'), list("12345"))
        self.assertEqual(self.keys("--prefix", '["n"]'), list("12345"))
        self.assertEqual(self.tuplet("list", '["m"]'), "", "a prefix does not select the key that equals it")
        self.assertEqual(self.tuplet("list", '["none"]'), "")

    def test_ranges(self):
        self.assertEqual(self.keys("--start", '["n", 2n]', "--end", '["n", 4n]'), ["2", "3"])
        self.assertEqual(self.keys('["n"]', "--start", '["n", 3n]'), ["3", "4", "5"])
        self.assertEqual(self.keys('["n"]', "--end", '["n", 3n]'), ["1", "2"])
        self.assertEqual(self.tuplet("list", "-k", "--start", '["n", 5n]'), '["n", 5n]\n["z"]\n')
        self.assertEqual(self.tuplet("list", "-k", "--end", '["n", 1n]'), '["m"]\n')

    def test_reverse_limit_and_batches(self):
        self.assertEqual(self.keys('["n"]', "--reverse"), list("54321"))
        self.assertEqual(self.keys('["n"]', "-r", "--limit", "2"), ["5", "4"])
        self.assertEqual(self.keys('["n"]', "--batch-size", "2"), list("12345"))
        self.assertEqual(self.keys('["n"]', "--limit=4", "--batch-size=3", "--consistency=eventual"), list("1234"))

    def test_pages_by_cursor(self):
        for direction in ([], ["--reverse"]):
            keys, pages, cursor = [], 0, ""
            while True:
                keys += self.keys('["n"]', "--limit", "2", "--show-cursor", "--cursor", cursor, *direction)
                pages += 1
                found = re.fullmatch(r"cursor: (\S+)\n", self.stderr)
                if not found:
                    self.assertEqual(self.stderr, "")
                    break
                cursor = found[1]
            self.assertEqual((keys, pages), (sorted(keys, reverse=bool(direction)), 3))
            self.assertEqual(len(keys), 5)

    def test_no_cursor_when_the_limit_leaves_nothing_out(self):
        self.keys('["n"]', "--limit", "5", "--show-cursor")
        self.assertEqual(self.stderr, "")
        self.keys('["n"]', "--show-cursor")
        self.assertEqual(self.stderr, "")

    def test_json_with_cursor(self):
        first, second, last = self.json("list", '["n"]', "--limit", "2", "--show-cursor")
        self.assertEqual((first["keyText"], first["value"], second["value"]), ('["n", 1n]', 1, 2))
        rest = self.json("list", '["n"]', "--cursor", last["cursor"], "--show-cursor")
        self.assertEqual([line.get("value") for line in rest], [3, 4, 5, None])
        self.assertEqual(rest[-1], {"cursor": ""})

    def test_json_keys_only(self):
        entry, = self.json("list", "-k", "--limit", "1")
        self.assertEqual(sorted(entry), ["key", "keyText", "versionstamp"])
        self.assertEqual(entry["key"], ["m"])

    def test_no_cursor_when_not_asked_for(self):
        self.keys("--limit", "1")
        self.assertEqual(self.stderr, "")

    def test_output_of_list_is_input_of_atomic(self):
        copy = self.path("copy.sqlite3")
        script = "".join(f"set\t{line}\n" for line in self.tuplet("list").splitlines())
        self.run_text("atomic", "--db", copy, "-", stdin=script)
        self.assertEqual(self.run_text("list", "--db", copy), self.tuplet("list"))

    def test_errors_of_data(self):
        for arguments in (["--cursor", "!"], ['["n"]', "--start", '["m"]'], ['["n"]', "--end", '["z"]'],
                          ["--start", '["b"]', "--end", '["a"]'], ["["],
                          ["--prefix", '["n"]', "--start", '["n", 1n]', "--end", '["n", 2n]']):
            with self.subTest(arguments):
                self.tuplet("list", *arguments, code=DATA)

    def test_usage(self):
        for arguments in (["[1]", "[2]"], ["[1]", "--prefix", "[1]"], ["--limit", "0"], ["--limit", "x"],
                          ["--limit", "-1"], ["--batch-size", "0"], ["--batch-size", "1001"], ["--consistency", "x"]):
            with self.subTest(arguments):
                self.tuplet("list", *arguments, code=USAGE)


if __name__ == "__main__":
    main()
