#!/usr/bin/env python3
"""watch_test.py: `tuplet watch` in one process while others write."""

import json
import signal

from harness import ABSENT, DATA, SYSTEM, USAGE, Cli, Lines, main


class Watch(Cli):
    def setUp(self):
        super().setUp()
        self.tuplet("set", '["a"]', "1")

    def watch(self, *arguments):
        process = self.start("watch", "--db", self.db, *arguments)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, Lines(process)

    def test_changes_by_another_process(self):
        process, lines = self.watch('["a"]', '["b"]')
        self.assertEqual([lines.next(), lines.next()], ['["a"]\t1', '["b"]\t'])
        self.tuplet("set", '["b"]', "2")
        self.assertEqual(lines.next(), '["b"]\t2')
        self.tuplet("set", '["other"]', "0")
        self.tuplet("delete", '["a"]')
        self.assertEqual(lines.next(), '["a"]\t')
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), -signal.SIGTERM)

    def test_count_ends_it(self):
        process, lines = self.watch("--count", "2", '["a"]')
        self.assertEqual(lines.next(), '["a"]\t1')
        self.tuplet("set", '["a"]', "2")
        self.assertEqual(lines.next(), '["a"]\t2')
        self.assertEqual(process.wait(), 0)

    def test_json(self):
        process, lines = self.watch("--json", "--count=2", '["b"]')
        self.assertEqual(json.loads(lines.next()),
                         {"key": ["b"], "keyText": '["b"]', "value": None, "versionstamp": None})
        stamp = self.tuplet("set", '["b"]', "[1]").strip()
        self.assertEqual(json.loads(lines.next()), {"key": ["b"], "keyText": '["b"]', "value": [1], "valueText": "[1]",
                                                    "encoding": "v8", "versionstamp": stamp})
        self.assertEqual(process.wait(), 0)

    def test_expiry_is_a_change(self):
        self.tuplet("set", '["a"]', "1", "--expire-in", "1s")
        _, lines = self.watch('["a"]')
        first = lines.next()
        if first != '["a"]\t':  # a slow machine may find it expired already
            self.assertEqual((first, lines.next()), ('["a"]\t1', '["a"]\t'))

    def test_timeout(self):
        self.assertEqual(self.tuplet("watch", "--timeout", "50ms", '["a"]'), '["a"]\t1\n')
        self.assertEqual(self.tuplet("watch", "--timeout", "50", "--count", "2", '["a"]', code=ABSENT), '["a"]\t1\n')
        self.assertEqual(self.tuplet("watch", "--timeout", "1h", "--count", "1", '["a"]'), '["a"]\t1\n')

    def test_the_reader_goes_away(self):
        process, lines = self.watch('["a"]')
        lines.next()
        process.stdout.close()
        self.tuplet("set", '["a"]', "2")
        self.assertEqual(process.wait(), SYSTEM)

    def test_a_range(self):
        process, lines = self.watch("--prefix", '["r"]')
        for text in ('["r", 2]\t2', '["r", 1]\t1', '["r", 2]\t3'):
            self.tuplet("set", *text.split("\t"))
            self.assertEqual(lines.next(), text)
        self.tuplet("set", '["other"]', "0")
        self.tuplet("delete", '["r", 1]')
        self.assertEqual(lines.next(), '["r", 1]\t')
        self.tuplet("set", '["r", 3]', "4", "--expire-in", "1s")
        self.assertEqual([lines.next(), lines.next()], ['["r", 3]\t4', '["r", 3]\t'])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(), -signal.SIGTERM)

    def test_a_range_begins_with_what_is_there(self):
        for i in range(3):
            self.tuplet("set", f'["r", {i}]', str(i))
        process, lines = self.watch("--json", "--count", "2", "--start", '["r", 1]', "--end", '["r", 3]')
        self.assertEqual([json.loads(lines.next())["key"] for _ in range(2)], [["r", 1], ["r", 2]])
        self.tuplet("delete", '["r", 0]')
        self.tuplet("delete", '["r", 2]')
        self.assertEqual(json.loads(lines.next()),
                         {"key": ["r", 2], "keyText": '["r", 2]', "value": None, "versionstamp": None})
        self.assertEqual(process.wait(), 0)
        self.assertEqual(self.tuplet("watch", "--timeout", "50ms", "--prefix", "[]", "--count", "2", code=ABSENT),
                         '["a"]\t1\n["r", 1]\t1\n')

    def test_mistakes(self):
        self.tuplet("watch", "--prefix", '["a"]', '["b"]', code=USAGE)
        self.tuplet("watch", "--start", '["a"]', code=DATA)
        self.tuplet("watch", code=USAGE)
        self.tuplet("watch", "--count", "0", '["a"]', code=USAGE)
        self.tuplet("watch", "--timeout", "soon", '["a"]', code=USAGE)
        self.tuplet("watch", '["a"', code=DATA)
        self.tuplet("watch", *(f"[{i}]" for i in range(11)), code=DATA)
        self.assertIn("10", self.stderr)


if __name__ == "__main__":
    main()
