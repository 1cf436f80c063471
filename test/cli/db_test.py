#!/usr/bin/env python3
"""db_test.py: `tuplet db`: the databases of a data directory, with and without a server that serves them."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import time
import urllib.error
import urllib.request

from harness import ABSENT, DATA, SECONDS_MAX, SYSTEM, TUPLET, USAGE, Cli, main

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TOKEN = "a-token-of-the-tests"


class Db(Cli):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")

    def do(self, action, *arguments, **options):
        return self.run_text("db", action, "--data-dir", self.data, *arguments, **options)

    def objects(self, action, *arguments, **options):
        return [json.loads(line) for line in self.do(action, "--json", *arguments, **options).splitlines()]

    def create(self, *names):
        return [self.objects("create", name)[0]["id"] for name in names]

    def fails(self, code, *arguments):
        """What the program says when it fails with that code."""
        process = self.start("db", *arguments, env={**self.environment, "TUPLET_DATA_DIR": self.data})
        out, err = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, code, err)
        self.assertEqual(out, b"")
        return err.decode()

    def file_of(self, name):
        return os.path.join(self.data, name, "kv.sqlite3")

    def things(self):
        return sorted(os.listdir(self.data))


class WithoutServer(Db):
    def test_made_listed_renamed_and_deleted(self):
        self.assertRegex(self.do("create", "shop"), rf"^Made shop \(id {ID}\)\.\n$")
        self.assertRegex(self.do("create", "a-blog_2"), r"^Made a-blog_2 ")
        listed = self.do("list")
        self.assertRegex(listed, rf"^NAME      ID\na-blog_2  {ID}\nshop      {ID}\n$")
        shop = re.search(rf"shop +({ID})", listed).group(1)
        self.assertEqual(self.do("rename", "shop", "store"), f"Renamed shop to store (id {shop}).\n")
        self.assertEqual(self.do("delete", "store", "a-blog_2").splitlines()[0], f"Deleted store (id {shop}).")
        self.assertEqual(self.do("list"), "")
        self.assertEqual(self.things(), [])

    def test_json(self):
        made, = self.objects("create", "shop")
        self.assertEqual(list(made), ["created", "id"])
        self.assertEqual(self.objects("list"), [{"name": "shop", "id": made["id"]}])
        self.assertEqual(self.objects("rename", "shop", "store"),
                         [{"renamed": "shop", "name": "store", "id": made["id"]}])
        self.assertEqual(self.objects("delete", "store"), [{"deleted": "store", "id": made["id"]}])

    def test_quiet(self):
        self.assertEqual(self.do("create", "-q", "shop"), "")
        self.assertEqual(self.do("rename", "--quiet", "shop", "store"), "")
        self.assertEqual(self.do("delete", "-q", "store"), "")

    def test_the_environment_names_the_data_directory(self):
        environment = {"TUPLET_DATA_DIR": self.data}
        self.run_text("db", "create", "shop", env=environment)
        self.assertIn("shop", self.run_text("db", "list", env=environment))

    def test_what_is_made_is_the_owners_alone_and_a_database_for_every_command(self):
        self.create("shop")
        self.assertEqual(stat.S_IMODE(os.stat(self.data).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.data, "shop")).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.file_of("shop")).st_mode), 0o600)
        self.run_text("set", "-d", self.file_of("shop"), '["a"]', "1")
        self.assertEqual(self.run_text("get", "-d", self.file_of("shop"), '["a"]'), "1\n")

    def test_a_new_database_of_an_old_name_is_another(self):
        before, = self.create("shop")
        self.do("delete", "shop")
        self.assertNotEqual(self.create("shop"), [before])

    def test_names_that_are_none(self):
        self.create("shop")
        for name in ("", "Shop", "a.b", "../shop", "a/b", ".", "-a ", "v2", "metrics", ":memory:", "a" * 64, "ä"):
            with self.subTest(name):
                for arguments in (["create", "--", name], ["delete", "--", name], ["rename", "--", "shop", name],
                                  ["rename", "--", name, "other"], ["stats", "--", name],
                                  ["delete", "--", "shop", name]):
                    self.assertIn("cannot name a database", self.fails(DATA, *arguments))
        self.assertEqual([entry["name"] for entry in self.objects("list")], ["shop"])

    def test_names_that_are_taken_or_absent(self):
        self.create("shop", "blog")
        self.assertIn("taken", self.fails(DATA, "create", "shop"))
        self.assertIn("taken", self.fails(DATA, "rename", "blog", "shop"))
        self.assertIn("no database none", self.fails(ABSENT, "rename", "none", "other"))
        self.assertIn("no database none", self.fails(ABSENT, "delete", "none"))
        self.assertEqual([entry["name"] for entry in self.objects("list")], ["blog", "shop"])

    def test_delete_goes_on_after_one_that_is_not_there(self):
        self.create("shop", "blog")
        process = self.start("db", "delete", "--data-dir", self.data, "shop", "none", "blog")
        out, err = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, ABSENT)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertEqual(len(err.splitlines()), 1)
        self.assertEqual(self.things(), [])

    def test_mistakes(self):
        for arguments in ([], ["frob"], ["list"], ["create", "--data-dir", self.data],
                          ["create", "--data-dir", self.data, "a", "b"], ["list", "--data-dir", self.data, "a"],
                          ["rename", "--data-dir", self.data, "a"], ["delete", "--data-dir", self.data],
                          ["list", "--data-dir", ""], ["list", "--data-dir", self.data, "--from", "x"],
                          ["create", "--data-dir", self.data, "--timeout", "1s", "a"],
                          ["delete", "--data-dir", self.data, "--timeout", "soon", "a"], ["list", "--frob"]):
            with self.subTest(arguments):
                self.run_text("db", *arguments, code=USAGE)
        self.run_text("--db", "x", "db", "list", "--data-dir", self.data, code=USAGE)

    def test_a_data_directory_that_is_none(self):
        for action in (["list"], ["stats"], ["delete", "a"], ["rename", "a", "b"]):
            self.assertIn("No such file", self.fails(SYSTEM, *action))
        with open(self.data, "w", encoding="utf-8"):
            pass
        for action in (["list"], ["create", "a"], ["stats"], ["delete", "a"]):
            self.assertIn(self.data, self.fails(SYSTEM, *action))

    def test_what_is_damaged_is_told_of_beside_the_rest(self):
        self.create("good", "bad")
        os.mkdir(os.path.join(self.data, "empty"))
        with open(self.file_of("bad"), "wb") as file:
            file.write(b"no database" * 1000)
        for action in ("list", "stats"):
            process = self.start("db", action, "--json", "--data-dir", self.data)
            out, err = process.communicate(timeout=SECONDS_MAX)
            self.assertEqual(process.returncode, SYSTEM)
            self.assertIn("good", out.decode())
            self.assertIn(os.path.join(self.data, "empty"), err.decode())
        self.assertIn(self.file_of("bad"), err.decode())
        self.run_text("db", "delete", "--data-dir", self.data, "bad")

    def test_links_are_not_followed(self):
        self.create("shop")
        os.symlink("shop", os.path.join(self.data, "link"))
        self.assertIn("not a folder", self.fails(SYSTEM, "delete", "link"))
        self.assertIn("taken", self.fails(DATA, "create", "link"))

    def test_what_a_killed_run_left_behind_is_removed(self):
        self.create("shop")
        for name in (".new-87005793-8b14-46b4-9858-5f5481c86e6c", ".deleted-87005793-8b14-46b4-9858-5f5481c86e6d"):
            os.mkdir(os.path.join(self.data, name))
        self.do("list")
        self.assertEqual(len(self.things()), 3)
        self.do("create", "blog")
        self.assertEqual(self.things(), ["blog", "shop"])


class Copies(Db):
    def test_of_a_file_with_entries_versionstamps_and_queue(self):
        stamp = self.tuplet("set", '["a"]', "{n: 1n}").strip()
        last = self.tuplet("set", "--expire-in", "1h", '["b"]', "2").strip()
        with sqlite3.connect(self.db) as file:
            file.execute("INSERT INTO queue VALUES (1, 'x', x'00', 'null', '[]')")
        self.do("create", "--from", self.db, "copy")
        self.assertEqual(self.run_text("get", "-d", self.file_of("copy"), "--versionstamp", '["a"]').strip(), stamp)
        self.assertEqual(self.run_text("get", "-d", self.file_of("copy"), '["a"]'), "{n: 1n}\n")
        stats, = self.objects("stats", "copy")
        self.assertEqual((stats["entries"], stats["expiring"], stats["queued"]), (2, 1, 1))
        self.assertEqual(stats["lastCommit"], last)

    def test_while_somebody_writes(self):
        self.tuplet("set", '["a"]', "1")
        with sqlite3.connect(self.db, isolation_level=None) as file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM kv")
            self.do("create", "--from", self.db, "copy")
            file.execute("ROLLBACK")
        self.assertEqual(self.objects("stats", "copy")[0]["entries"], 1)

    def test_of_what_is_no_database(self):
        self.do("create", "shop")
        text = self.path("text")
        with open(text, "wb") as file:
            file.write(b"no database" * 1000)
        other = self.path("other.sqlite3")
        with sqlite3.connect(other) as file:
            file.execute("CREATE TABLE t (x)")
        for source in (text, other, self.path("none"), self.folder.name, "/dev/null"):
            with self.subTest(source):
                self.assertIn(source, self.fails(SYSTEM, "create", "--from", source, "copy"))
        self.assertEqual(self.things(), ["shop"])
        self.assertFalse(os.path.exists(self.path("none")))


class Stats(Db):
    def test_counts(self):
        self.create("shop", "blog")
        for i in range(3):
            self.run_text("set", "-d", self.file_of("shop"), f'["a", {i}]', "1")
        self.run_text("set", "-d", self.file_of("shop"), "--expire-in", "1ms", '["gone"]', "1")
        last = self.run_text("set", "-d", self.file_of("shop"), "--expire-in", "1h", '["b"]', "1").strip()
        shop, = self.objects("stats", "shop")
        self.assertEqual((shop["entries"], shop["expiring"], shop["queued"], shop["delivering"]), (4, 1, 0, 0))
        self.assertEqual(shop["lastCommit"], last)
        self.assertEqual(shop["bytes"], os.stat(self.file_of("shop")).st_size)
        self.assertFalse(shop["served"])
        self.assertEqual([entry["name"] for entry in self.objects("stats")], ["blog", "shop"])
        table = self.do("stats").splitlines()
        self.assertRegex(table[0], r"^NAME +ID +ENTRIES +EXPIRING +QUEUED +BYTES +LOG BYTES +LAST COMMIT +SERVED$")
        self.assertRegex(table[2], rf"^shop +{ID} +4 +1 +0 +\d+ +0 +{last} +no$")
        self.assertEqual(self.fails(ABSENT, "stats", "--json", "none").count("\n"), 1)

    def test_change_nothing(self):
        self.create("shop")
        self.run_text("set", "-d", self.file_of("shop"), '["a"]', "1")
        with open(self.file_of("shop"), "rb") as file:
            before = file.read()
        self.do("stats")
        with open(self.file_of("shop"), "rb") as file:
            self.assertEqual(file.read(), before)


class WithServer(Db):
    def serve(self, *arguments):
        """A server on the data directory, ended with the test."""
        log = open(self.path("log"), "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [TUPLET, "serve", "--data-dir", self.data, "--addr", "127.0.0.1:0", "--access-token", TOKEN, *arguments],
            stdout=subprocess.DEVNULL, stderr=log, env=self.environment)
        self.addCleanup(self.end, process)
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            with open(self.path("log"), encoding="utf-8") as file:
                found = re.search(r"Listening on (http://[0-9.:]+)", file.read())
            if found:
                self.url = found.group(1)
                return process
            self.assertIsNone(process.poll(), "the server has ended")
            time.sleep(0.01)
        raise TimeoutError("the server does not listen")

    def end(self, process):
        process.terminate()
        try:
            self.assertEqual(process.wait(SECONDS_MAX), 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def post(self, path, headers, body):
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def exchange(self, name):
        status, body = self.post(f"/{name}", {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
                                 b'{"supportedVersions":[3]}')
        return status, json.loads(body) if status == 200 else body.decode()

    def use(self, session):
        """Whether the database of a session answers: the status of a read of nothing."""
        headers = {"authorization": f"Bearer {session['token']}", "x-denokv-version": "3",
                   "x-denokv-database-id": session["databaseId"], "content-type": "application/x-protobuf"}
        return self.post("/v2/snapshot_read", headers, b"")[0]

    def test_stats_tell_what_is_served(self):
        self.create("shop", "blog")
        self.serve()
        self.assertEqual(self.use(self.exchange("shop")[1]), 200)
        self.assertEqual({entry["name"]: entry["served"] for entry in self.objects("stats")},
                         {"shop": True, "blog": False})

    def test_a_served_database_is_renamed_and_keeps_its_sessions(self):
        shop, = self.create("shop")
        self.serve()
        status, session = self.exchange("shop")
        self.assertEqual((status, session["databaseId"]), (200, shop))
        self.assertEqual(self.use(session), 200)
        self.do("rename", "shop", "store")
        self.assertEqual(self.use(session), 200)
        self.assertEqual(self.exchange("shop")[0], 404)
        self.assertEqual(self.exchange("store")[1]["databaseId"], shop)

    def test_a_served_database_is_deleted_and_its_sessions_end(self):
        self.create("shop")
        self.serve()
        session = self.exchange("shop")[1]
        self.assertEqual(self.use(session), 200)
        self.do("delete", "shop")
        self.assertEqual(self.use(session), 404)
        self.assertEqual(self.exchange("shop")[0], 404)
        another, = self.create("shop")
        self.assertEqual(self.exchange("shop")[1]["databaseId"], another)
        self.assertEqual(self.use(session), 404)

    def test_a_server_that_does_not_let_go_is_not_waited_for_any_longer(self):
        self.create("shop")
        process = self.serve()
        self.assertEqual(self.use(self.exchange("shop")[1]), 200)
        process.send_signal(19)  # SIGSTOP
        try:
            for arguments in (["delete", "--timeout", "200ms", "shop"], ["rename", "--timeout", "0", "shop", "b"]):
                self.assertIn("in use", self.fails(SYSTEM, *arguments))
        finally:
            process.send_signal(18)  # SIGCONT
        self.assertEqual(self.use(self.exchange("shop")[1]), 200)

    def test_the_database_of_the_root(self):
        self.serve()
        self.assertEqual(self.use(self.exchange("")[1]), 200)
        self.assertEqual([entry["name"] for entry in self.objects("list")], ["default"])
        self.do("delete", "default")
        self.assertEqual(self.exchange("")[0], 404)


main()
