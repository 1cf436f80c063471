#!/usr/bin/env python3
"""codec_test.py: `tuplet codec` on every vector that Deno made, both directions, and on what is not valid."""

import json
import re
import unittest

from harness import DATA, USAGE, Cli, main, vectors


def text_of_part(part):
    """A key's part of the vectors as JavaScript, written by other code than the library's."""
    (kind, value), = part.items()
    if kind == "bytes":
        return f"new Uint8Array([{', '.join(str(byte) for byte in bytes.fromhex(value))}])"
    if kind == "string":
        return json.dumps(value)
    return {"bigint": f"{value}n", "number": value, "boolean": json.dumps(value)}[kind]


class Keys(Cli):
    def setUp(self):
        super().setUp()
        keys = vectors("keys.jsonl")
        self.hexes = [key["hex"] for key in keys]
        self.texts = [f"[{', '.join(text_of_part(part) for part in key['key'])}]" for key in keys]

    def lines(self, lines, *arguments):
        return self.run_text("codec", "key", "--lines", *arguments, stdin="\n".join(lines) + "\n").splitlines()

    def test_text_to_hex(self):
        self.assertEqual(self.lines(self.texts), self.hexes)

    def test_hex_to_text_to_hex(self):
        texts = self.lines(self.hexes, "--from-hex")
        self.assertEqual(self.lines(texts), self.hexes)

    def test_printed_text_is_the_plain_one_where_there_is_one(self):
        pairs = [(text, hexed) for text, hexed in zip(self.texts, self.hexes) if re.fullmatch(r"[ -~]*", text)]
        pairs = [(text, hexed) for text, hexed in pairs if "\\" not in text]
        self.assertEqual(self.lines([hexed for _, hexed in pairs], "--from-hex"), [text for text, _ in pairs])

    def test_hex_stands_alone_on_a_line(self):
        self.assertEqual(self.run_text("codec", "key", '["a",1n]'), "0261001501\n")

    def test_text_stands_alone_on_a_line(self):
        self.assertEqual(self.run_text("codec", "key", "--from-hex", "0261001501"), '["a", 1n]\n')
        self.assertEqual(self.run_text("codec", "key", "0261001501", "--from-hex"), '["a", 1n]\n')

    def test_hex_of_either_case(self):
        self.assertEqual(self.run_text("codec", "key", "--from-hex", "01FfAb00"), "[new Uint8Array([255, 171])]\n")

    def test_several_arguments_give_a_line_each(self):
        self.assertEqual(self.run_text("codec", "key", '["a"]', "[true]", "[]"), "026100\n27\n\n")

    def test_a_dash_is_standard_input(self):
        self.assertEqual(self.run_text("codec", "key", "-", stdin='[\n  "a",\n  1n,\n]\n'), "0261001501\n")
        self.assertEqual(self.run_text("codec", "key", "--from-hex", "-", stdin="27\n"), "[true]\n")

    def test_json_both_ways(self):
        self.assertEqual(self.run_text("codec", "key", "--json", '["a", 1, true]'), "02610021bff000000000000027\n")
        self.assertEqual(json.loads(self.run_text("codec", "key", "--json", "--from-hex", "02610021bff000000000000027")),
                         ["a", 1, True])

    def test_json_refuses_what_it_cannot_say(self):
        self.run_text("codec", "key", "--json", '["a", 1n]', code=DATA)
        self.run_text("codec", "key", "--json", "--from-hex", "0261001501", code=DATA)
        self.assertIn("BigInt", self.stderr)

    def test_invalid_text(self):
        for text in ("", "[", '["a"', '"a"', "[null]", "[[]]", "[{}]", '["a"] x', "[1n,,2n]", "[" + "9" * 700 + "n]"):
            with self.subTest(text):
                self.assertEqual(self.run_text("codec", "key", text, code=DATA), "")
                self.assertRegex(self.stderr, r"^tuplet: key: .")

    def test_invalid_bytes(self):
        for hexed in ("0", "0g", "02", "0261", "99", "21bff0", "02ff00", "1d05", "x", "02 6100"):
            with self.subTest(hexed):
                self.assertEqual(self.run_text("codec", "key", "--from-hex", hexed, code=DATA), "")

    def test_a_bad_line_is_named(self):
        out = self.run_text("codec", "key", "--lines", stdin='["a"]\n["b"\n["c"]\n', code=DATA)
        self.assertEqual(out, "026100\n")
        self.assertRegex(self.stderr, "^tuplet: line 2: ")


class Values(Cli):
    ENCODINGS = {1: "v8", 2: "le64", 3: "bytes"}

    def setUp(self):
        super().setUp()
        self.values = [value for value in vectors("values.jsonl") if "hex" in value]

    def lines(self, lines, *arguments):
        return self.run_text("codec", "value", "--lines", *arguments, stdin="\n".join(lines) + "\n").splitlines()

    def test_hex_to_text_to_hex_to_text(self):
        for number, encoding in self.ENCODINGS.items():
            hexes = [value["hex"] for value in self.values if value["encoding"] == number]
            self.assertGreater(len(hexes), 1)
            with self.subTest(encoding):
                texts = self.lines(hexes, "--from-hex", "--encoding", encoding)
                again = self.lines(texts, "--encoding", encoding)
                self.assertEqual(self.lines(texts), again, "forcing the value's own encoding changes nothing")
                self.assertEqual(self.lines(again, "--from-hex", "--encoding", encoding), texts)

    def test_bytes_are_those_of_deno_but_for_the_version(self):
        """What is written is version 15; nothing else differs for values that do not depend on the version."""
        plain = [value for value in self.values
                 if not re.search(r"\(\)=>|repeat|Array|\*\*|Object|class|Math|Error|Buffer|View", value["js"])]
        self.assertGreater(len(plain), 60)
        expected = [re.sub("^ff10", "ff0f", value["hex"]) if value["encoding"] == 1 else value["hex"]
                    for value in plain]
        self.assertEqual(self.lines([value["js"] for value in plain]), expected)

    def test_v8_is_what_hex_is_read_as_unless_told(self):
        self.assertEqual(self.run_text("codec", "value", "--from-hex", "ff0f4902"), "1\n")

    def test_encodings(self):
        self.assertEqual(self.run_text("codec", "value", "new Deno.KvU64(258n)"), "0201000000000000\n")
        self.assertEqual(self.run_text("codec", "value", "--encoding", "le64", "258n"), "0201000000000000\n")
        self.assertEqual(self.run_text("codec", "value", "--encoding", "le64", "258"), "0201000000000000\n")
        self.assertEqual(self.run_text("codec", "value", "new Uint8Array([1, 255])"), "01ff\n")
        self.assertEqual(self.run_text("codec", "value", "--from-hex", "--encoding", "bytes", ""),
                         "new Uint8Array([])\n")
        self.assertEqual(self.run_text("codec", "value", "--encoding=le64", "--from-hex", "0201000000000000"),
                         "new Deno.KvU64(258n)\n")

    def test_an_encoding_that_does_not_fit(self):
        for encoding, text in (("bytes", "1"), ("v8", "new Uint8Array([1])"), ("v8", "new Deno.KvU64(1n)"),
                               ("le64", '"x"'), ("le64", "-1n"), ("le64", "18446744073709551616n"), ("le64", "1.5")):
            with self.subTest(f"{encoding} {text}"):
                self.run_text("codec", "value", "--encoding", encoding, text, code=DATA)
        self.run_text("codec", "value", "--from-hex", "--encoding", "le64", "00", code=DATA)

    def test_negative_numbers_are_no_options(self):
        for text in ("-1", "-5n", "-0", "-.5", "-Infinity"):
            with self.subTest(text):
                hexed = self.run_text("codec", "value", text).strip()
                self.assertEqual(self.run_text("codec", "value", "--from-hex", hexed).strip(), text.replace("-.", "-0."))

    def test_json_both_ways(self):
        hexed = self.run_text("codec", "value", "--json", '{"a": [1, null, "x"]}').strip()
        self.assertEqual(json.loads(self.run_text("codec", "value", "--json", "--from-hex", hexed)),
                         {"a": [1, None, "x"]})
        self.run_text("codec", "value", "--json", "{a: 1}", code=DATA)
        big = self.run_text("codec", "value", "{a: [0, 1n]}").strip()
        self.run_text("codec", "value", "--json", "--from-hex", big, code=DATA)
        self.assertIn("$.a[1]", self.stderr)

    def test_invalid(self):
        for text in ("", "{", "undefined1", "function () {}", "new Foo()", "1 2", "[1", "'a"):
            with self.subTest(text):
                self.run_text("codec", "value", text, code=DATA)
                self.assertRegex(self.stderr, "^tuplet: value: ")
        for hexed in ("", "ff", "ff0f", "ff0f49", "0f4902", "ff0f490200", "ff0f5e00", "ff0f2205"):
            with self.subTest(hexed):
                self.run_text("codec", "value", "--from-hex", hexed, code=DATA)

    def test_nesting_without_end(self):
        self.run_text("codec", "value", "-", stdin="[" * 1000000, code=DATA)

    def test_usage(self):
        for arguments in ([], ["key"], ["both", "1"], ["value"], ["value", "--encoding", "utf8", "1"],
                          ["key", "--encoding", "v8", "[1]"], ["value", "--lines", "1"], ["value", "--from-hex"],
                          ["value", "--nope", "1"], ["value", "1", "--encoding"]):
            with self.subTest(arguments):
                self.run_text("codec", *arguments, code=USAGE)


if __name__ == "__main__":
    main()
