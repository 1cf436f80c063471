#!/usr/bin/env python3
"""queue_test.py: `tuplet enqueue` and `tuplet listen`: what is printed, what commands get, and what goes back."""

import fcntl
import os
import re
import signal
import struct
import termios
import time

from harness import ABSENT, DATA, OK, SECONDS_MAX, SYSTEM, USAGE, Cli, Lines, main

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Queue(Cli):
    def enqueue(self, payload, *options):
        return self.tuplet("enqueue", payload, *options).strip()

    def listen(self, *arguments, **options):
        """Starts `tuplet listen`; it is ended with the test."""
        process = self.start("listen", "--db", self.db, *arguments, **options)
        for file in (process.stderr, process.stdout):
            if file is not None:
                self.addCleanup(file.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def listen_until_end(self, *arguments, code=OK):
        """The same until it ends by itself: what it printed, and what it reported."""
        process = self.listen(*arguments)
        out, err = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, code, err.decode())
        return out.decode(), err.decode()

    def payloads(self, count):
        """Takes so many messages."""
        return [line.split("\t")[2] for line in self.tuplet("listen", "--count", str(count)).splitlines()]

    def assert_queue_empty(self):
        self.assertEqual(self.tuplet("listen", "--timeout", "50ms"), "")

    def wait_until(self, what, condition):
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"not in time: {what}")
            time.sleep(0.01)

    def content(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""


class Enqueue(Queue):
    def test_prints_the_versionstamp_or_nothing(self):
        first = self.enqueue("1")
        self.assertRegex(first, r"^[0-9a-f]{20}$")
        outcome, = self.json("enqueue", "2")
        self.assertTrue(outcome["ok"] and outcome["versionstamp"] > first)
        self.assertEqual(self.tuplet("enqueue", "--quiet", "3"), "")
        self.assertEqual(self.payloads(3), ["1", "2", "3"])

    def test_takes_values_as_set_does(self):
        path = self.path("payload")
        with open(path, "wb") as file:
            file.write(b"\x00\xff")
        self.tuplet("enqueue", "--raw", "--value-file", path)
        self.tuplet("enqueue", "-", stdin="{a: 1n}")
        self.tuplet("enqueue", "--encoding", "json", '{"b": [null]}')
        self.tuplet("enqueue", "-5")
        self.tuplet("enqueue", "--encoding", "v8", "--value-file", "-", stdin=b"\xff\x0fT")
        self.assertEqual(self.payloads(5), ["new Uint8Array([0, 255])", "{a: 1n}", "{b: [null]}", "-5", "true"])

    def test_delays(self):
        self.enqueue('"late"', "--delay", "1s")
        self.enqueue('"soon"', "--delay=1")
        self.assertEqual(self.payloads(2), ['"soon"', '"late"'])

    def test_what_cannot_be_handled_is_stored_under_its_keys(self):
        self.enqueue("{n: 1}", "--backoff", "none", "--undelivered", '["dead", 1n]', "--undelivered", '["dead", 2n]')
        self.enqueue("{n: 2}", "--backoff", "10ms,20ms", "--undelivered", '["dead", 3n]')
        self.listen_until_end("--exec", f"cat >> {self.path('seen')}; exit 1", "--timeout", "1s", "--quiet")
        self.wait_until("the third", lambda: '["dead", 3n]' in self.tuplet("list"))
        self.assertEqual(self.tuplet("list"), '["dead", 1n]\t{n: 1}\n["dead", 2n]\t{n: 1}\n["dead", 3n]\t{n: 2}\n')
        self.assertEqual(sorted(self.content("seen").splitlines()), ["{n: 1}", "{n: 2}", "{n: 2}", "{n: 2}"])
        self.assert_queue_empty()

    def test_mistakes(self):
        for words in ([], ["1", "2"], ["1", "--delay", "soon"], ["1", "--backoff", "1y"], ["1", "--backoff", ""],
                      ["1", "--backoff", "1s,"], ["1", "--backoff", "50d"], ["--raw", "1"], ["1", "--encoding", "x"]):
            with self.subTest(words):
                self.tuplet("enqueue", *words, code=USAGE)
        for words in (["{"], ["new Deno.KvU64(1n)"], ["1", "--undelivered", "x"], ["1", "--delay", "31d"],
                      ["1", "--backoff", "2h"], ["1", "--backoff", "1,1,1,1,1,1"], ["-", "--value-file", "/dev/null"],
                      ["1", *["--undelivered", "[1]"] * 11]):
            with self.subTest(words):
                self.tuplet("enqueue", *words, code=USAGE if words[0] == "-" else DATA)
        self.tuplet("enqueue", "-", stdin="'" + "x" * 70000 + "'", code=DATA)
        self.assertIn("65536", self.stderr.replace(",", ""))

    def test_as_part_of_an_atomic_operation(self):
        self.tuplet("atomic", "set", '["a"]', "1", "enqueue", "1", "enqueue", "2", "--delay", "500ms", "--undelivered",
                    '["x"]', "--backoff=none", "--undelivered", '["y"]', "delete", '["b"]')
        self.tuplet("atomic", "-", stdin='enqueue\t"a b"\t--delay\t200\nset\t["c"]\t3\n')
        self.tuplet("atomic", "check", '["a"]', "null", "enqueue", '"never"', code=3)
        self.assertEqual(self.payloads(3), ["1", '"a b"', "2"])
        self.assert_queue_empty()
        for words in (["enqueue"], ["enqueue", "1", "--delay"], ["enqueue", "1", "--delay", "x"],
                      ["enqueue", "1", "--undelivered"], ["enqueue", "1", "--backoff"], ["enqueue", "1", "2"]):
            with self.subTest(words):
                self.tuplet("atomic", *words, code=USAGE)
        self.tuplet("atomic", "enqueue", "1", "--undelivered", "x", code=DATA)


class Printing(Queue):
    def test_a_line_for_each_message_with_id_attempt_and_payload(self):
        self.enqueue("{a: 1n}")
        self.assertRegex(self.tuplet("listen", "--count", "1"), rf"^{UUID}\t1\t{{a: 1n}}\n$")
        self.assert_queue_empty()

    def test_json(self):
        self.enqueue("{a: [1]}")
        self.enqueue("1n")
        exact, text = self.json("listen", "--count", "2")
        self.assertRegex(exact.pop("id"), f"^{UUID}$")
        self.assertEqual(exact, {"attempt": 1, "payload": {"a": [1]}, "payloadText": "{a: [1]}"})
        self.assertEqual((text["payloadText"], "payload" in text), ("1n", False))

    def test_messages_of_another_process_come_as_they_are_sent(self):
        lines = Lines(self.listen())
        for i in range(5):
            self.enqueue(str(i))
            self.assertEqual(lines.next().split("\t")[1:], ["1", str(i)])

    def test_many_messages(self):
        self.tuplet("atomic", "-", stdin="".join(f"enqueue\t{i}\n" for i in range(1000)))
        self.assertEqual(sorted(map(int, self.payloads(1000))), list(range(1000)))
        self.assert_queue_empty()

    def test_what_the_count_leaves_is_for_the_next(self):
        self.tuplet("atomic", *[word for i in range(10) for word in ("enqueue", str(i))])
        parts = [self.payloads(3), self.payloads(3), self.payloads(4)]
        self.assertEqual([len(part) for part in parts], [3, 3, 4])
        self.assertEqual(sorted(sum(parts, [])), [str(i) for i in range(10)])

    def test_timeout(self):
        self.assertEqual(self.tuplet("listen", "--timeout", "50ms"), "")
        self.enqueue("1")
        self.tuplet("listen", "--timeout", "500ms", "--count", "2", code=ABSENT)

    def test_signals_end_it_in_order(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # what is ignored here is ignored by who is started
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                self.enqueue("1")
                process = self.listen()
                self.assertIn("\t1", Lines(process).next())
                process.send_signal(number)
                self.assertEqual(process.wait(SECONDS_MAX), OK)

    def test_a_reader_that_goes_away_ends_it_and_takes_nothing(self):
        process = self.listen()
        self.enqueue("1")
        self.assertIn("\t1", Lines(process).next())
        process.stdout.close()
        self.assertEqual(process.wait(SECONDS_MAX), SYSTEM)
        self.enqueue("2")
        self.assertEqual(self.payloads(1), ["2"])

    def test_what_cannot_be_written_out_goes_back_at_once(self):
        self.enqueue("1")
        with open("/dev/full", "wb") as full:
            process = self.listen(stdout=full)
            self.assertEqual(process.wait(SECONDS_MAX), SYSTEM)
        self.assertIn("standard output", process.stderr.read().decode())
        began = time.monotonic()
        self.assertEqual(self.payloads(1), ["1"])
        self.assertLess(time.monotonic() - began, 4, "it was not left to the end of its lease")

    def test_a_signal_ends_it_though_the_reader_has_stalled(self):
        text = "x" * 60000
        self.tuplet("atomic", "-", stdin="".join(f'enqueue\t"{i}{text}"\n' for i in range(10)))
        process = self.listen()
        self.wait_until("a full pipe", lambda: waiting_in(process.stdout) > 60000)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(SECONDS_MAX), OK)
        whole = [line.split("\t")[2] for line in process.stdout.read().decode().split("\n")[:-1]]
        self.assertLess(len(whole), 10)
        rest = self.payloads(10 - len(whole))
        self.assertEqual(sorted(payload[1] for payload in whole + rest), [str(i) for i in range(10)])
        self.assert_queue_empty()

    def test_mistakes(self):
        for words in (["x"], ["--count", "0"], ["--timeout", "soon"], ["--jobs", "2"], ["--exec", "true", "--jobs", "65"],
                      ["--max-in-flight", "1001"], ["--max-in-flight", "0"], ["--exec"]):
            with self.subTest(words):
                self.tuplet("listen", *words, code=USAGE)
        self.assertFalse(os.path.exists(self.db))


class Commands(Queue):
    def test_gets_the_payload_the_id_and_the_attempt(self):
        self.enqueue("{a: 1n}")
        out, err = self.listen_until_end("--count", "1", "--exec", 'echo "$TUPLET_MESSAGE_ID $TUPLET_ATTEMPT"; cat')
        self.assertRegex(out, rf"^{UUID} 1\n{{a: 1n}}\n$")
        self.assertEqual(err, "")
        self.enqueue("[1]")
        out, _ = self.listen_until_end("--count", "1", "--json", "--exec", "cat")
        self.assertRegex(out, rf'^{{"id":"{UUID}","attempt":1,"payload":\[1\],"payloadText":"\[1\]"}}\n$')
        self.assert_queue_empty()

    def test_variables_of_a_listener_around_it_are_replaced(self):
        self.enqueue("1")
        self.environment.update(TUPLET_MESSAGE_ID="outer", TUPLET_ATTEMPT="7")
        out, _ = self.listen_until_end("--count", "1", "--exec", "env | grep TUPLET_ | sort")
        self.assertRegex(out, rf"^TUPLET_ATTEMPT=1\nTUPLET_MESSAGE_ID={UUID}\n$")

    def test_failure_is_reported_and_the_message_comes_again(self):
        self.enqueue("1", "--backoff", "10ms,10ms")
        out, err = self.listen_until_end("--count", "1", "--exec", '[ "$TUPLET_ATTEMPT" = 3 ] && cat')
        self.assertEqual(out, "1\n")
        self.assertEqual(re.findall(rf"tuplet: message {UUID}, attempt (\d): the command exited with 1\n", err), ["1", "2"])
        self.assert_queue_empty()

    def test_death_by_a_signal_is_failure(self):
        self.enqueue("1", "--backoff", "10ms")
        _, err = self.listen_until_end("--count", "1", "--exec", '[ "$TUPLET_ATTEMPT" = 2 ] || kill -9 $$')
        self.assertRegex(err, r"ended by signal 9\n$")

    def test_a_command_that_is_not_there_ends_it_and_costs_no_attempt(self):
        self.enqueue("1", "--backoff", "none")
        _, err = self.listen_until_end("--exec", "no-such-command-at-all", code=SYSTEM)
        self.assertIn("127", err)
        self.assertEqual(self.payloads(1), ["1"])

    def test_a_command_need_not_read(self):
        self.tuplet("enqueue", "-", stdin="'" + "x" * 65000 + "'")
        self.enqueue("2")
        self.listen_until_end("--count", "2", "--exec", "exec <&-; exit 0")
        self.assert_queue_empty()

    def test_a_large_payload_comes_whole_and_jobs_do_not_wait_for_it(self):
        self.tuplet("enqueue", "-", stdin="new Uint8Array([" + "200," * 60000 + "])")
        out, _ = self.listen_until_end("--count", "1", "--exec", "sleep 0.2; wc -c")
        self.assertGreater(int(out), 240000)

    def test_jobs_run_at_the_same_time(self):
        for i in range(3):
            self.enqueue(str(i))
        wait_for_all = f'touch {self.folder.name}/here-$TUPLET_MESSAGE_ID; while [ $(ls {self.folder.name} | grep -c here-) ' \
                       '-lt 3 ]; do sleep 0.05; done'
        self.listen_until_end("--count", "3", "--jobs", "3", "--exec", wait_for_all)
        self.assert_queue_empty()

    def test_one_runs_at_a_time_without_jobs_and_others_get_the_rest(self):
        for i in range(3):
            self.enqueue(str(i))
        process = self.listen("--exec", f"echo x >> {self.path('began')}; sleep 60")
        self.wait_until("the first command", lambda: self.content("began"))
        self.assertEqual(self.payloads(2), ["1", "2"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(SECONDS_MAX), OK)
        self.assertEqual(self.content("began"), "x\n")

    def test_a_signal_ends_the_command_and_what_it_has_started_and_the_message_goes_back(self):
        self.enqueue("1", "--backoff", "none")
        process = self.listen("--exec", f"sleep 300 & echo $! > {self.path('pid')}; wait")
        self.wait_until("the command", lambda: self.content("pid").endswith("\n"))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(SECONDS_MAX), OK)
        self.wait_until("the end of what it started", lambda: not is_running(int(self.content("pid"))))
        began = time.monotonic()
        self.assertEqual(self.payloads(1), ["1"])
        self.assertLess(time.monotonic() - began, 4)

    def test_a_command_that_ends_well_though_it_was_told_to_end_has_handled_its_message(self):
        self.enqueue("1")
        process = self.listen("--exec", f"trap 'exit 0' TERM; echo > {self.path('began')}; while :; do sleep 0.05; done")
        self.wait_until("the command", lambda: self.content("began"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(SECONDS_MAX), OK)
        self.assert_queue_empty()

    def test_a_second_signal_kills(self):
        self.enqueue("1")
        process = self.listen("--exec", f"trap '' TERM; echo > {self.path('began')}; sleep 300; sleep 300")
        self.wait_until("the command", lambda: self.content("began"))
        process.send_signal(signal.SIGTERM)
        self.wait_until("signal taken", lambda: not is_pending(process.pid, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(SECONDS_MAX), OK)
        self.assertEqual(self.payloads(1), ["1"])

    def test_a_timeout_lets_commands_end(self):
        self.enqueue("1")
        out, _ = self.listen_until_end("--timeout", "200ms", "--exec", "sleep 0.5; cat")
        self.assertEqual(out, "1\n")
        self.assert_queue_empty()

    def test_a_listener_that_is_killed_leaves_its_message_to_another(self):
        self.enqueue("1")
        process = self.listen("--exec", f"echo $$ > {self.path('pid')}; sleep 300")
        self.wait_until("the command", lambda: self.content("pid").endswith("\n"))
        self.addCleanup(lambda: os.killpg(int(self.content("pid")), signal.SIGKILL))
        process.kill()
        self.assertEqual(self.payloads(1), ["1"])


def waiting_in(pipe):
    """The bytes that the other end has written."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_pending(pid, number):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file.read().splitlines())
    return any(int(fields[name], 16) >> (number - 1) & 1 for name in ("SigPnd", "ShdPnd"))


if __name__ == "__main__":
    main()
