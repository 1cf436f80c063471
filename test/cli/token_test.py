"""token_test.py: `tuplet token`: what it prints and what it leaves in the file."""

import json
import os
import re
import time

from harness import ABSENT, DATA, OK, SYSTEM, USAGE, Cli, main

TOKEN = r"tuplet_([0-9a-f]{12})_[A-Za-z0-9_-]{44}"


class Token(Cli):
    def setUp(self):
        super().setUp()
        self.environment.pop("TUPLET_TOKENS_FILE", None)
        self.file = self.path("tokens")

    def token(self, *arguments, **options):
        return self.run_text("token", *arguments, "--tokens-file", self.file, **options)

    def create(self, name, *arguments):
        return self.token("create", "--quiet", name, *arguments).rstrip("\n")

    def listed(self):
        return [json.loads(line) for line in self.token("list", "--json").splitlines()]

    def content(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()


class Create(Token):
    def test_prints_the_token_alone_and_keeps_its_hash_alone(self):
        token = self.create("orders-api")
        self.assertRegex(token, rf"^{TOKEN}$")
        self.assertIn("name=orders-api id=" + token[7:19], self.content())
        self.assertNotIn(token[20:], self.content())
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)

    def test_says_on_standard_error_what_it_may(self):
        process = self.start("token", "create", "a", "--read-only", "--database", "x-*", "--tokens-file", self.file)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, OK)
        self.assertRegex(out.decode(), rf"^{TOKEN}\n$")
        self.assertRegex(err.decode(), r"^a \(id [0-9a-f]{12}\) may read: x-\*\. It does not expire\. .*once\.\n$")

    def test_takes_databases_rights_and_expiry(self):
        self.create("a")
        self.create("b", "--read-only", "--database", "orders", "--database", "team-*", "--expires", "2099-01-31")
        self.create("c", "--database", ":memory:", "--expires", "90d")
        self.create("d", "--expires", "never")
        a, b, c, d = self.listed()
        self.assertEqual((a["databases"], a["rights"], a["expires"]), (["*"], "read-write", None))
        self.assertEqual((b["databases"], b["rights"]), (["orders", "team-*"], "read-only"))
        self.assertEqual(b["expires"], "2099-01-31T00:00:00Z")
        self.assertEqual(c["databases"], [":memory:"])
        days = (time.mktime(time.strptime(c["expires"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())) / 86400
        self.assertAlmostEqual(days, 90, delta=0.1)
        self.assertIsNone(d["expires"])
        self.assertFalse(any(token["expired"] for token in (a, b, c, d)))

    def test_json_has_the_token_once(self):
        made = json.loads(self.token("create", "--json", "a"))
        self.assertRegex(made["token"], rf"^{TOKEN}$")
        self.assertEqual(made["token"][7:19], made["id"])
        self.assertEqual(self.listed(), [{key: value for key, value in made.items() if key != "token"}])

    def test_a_name_is_taken_once(self):
        self.create("a")
        before = self.content()
        self.token("create", "a", code=DATA)
        self.assertIn("a token named a already", self.stderr)
        self.assertEqual(self.content(), before)

    def test_mistakes_are_told_and_change_nothing(self):
        for arguments in (
            ("create",), ("create", ""), ("create", "a b"), ("create", "-x"), ("create", "é"), ("create", "a" * 64),
            ("create", "0123456789ab"), ("create", "a", "b"),
            ("create", "a", "--database", ""), ("create", "a", "--database", "Orders"),
            ("create", "a", "--database", "a,b"), ("create", "a", "--database", "../x"),
            ("create", "a", *["--database", "x"] * 33),
            ("create", "a", "--expires", ""), ("create", "a", "--expires", "soon"), ("create", "a", "--expires", "0s"),
            ("create", "a", "--expires", "2001-01-01"), ("create", "a", "--expires", "2099-02-30"),
            ("create", "a", "--expires", "9999999d"), ("create", "a", "--db", "x"),
            ("list", "a"), ("list", "--read-only"), ("revoke",), ("revoke", "a", "b"), ("revoke", "a", "--expires", "1d"),
            (), ("make", "a"),
        ):
            self.token(*arguments, code=USAGE)
            self.assertFalse(os.path.exists(self.file), arguments)

    def test_a_file_has_to_be_named(self):
        self.run_text("token", "list", code=USAGE)
        self.assertIn("TUPLET_TOKENS_FILE", self.stderr)
        token = self.run_text("token", "create", "-q", "a", env={"TUPLET_TOKENS_FILE": self.file})
        self.assertRegex(token, rf"^{TOKEN}\n$")

    def test_a_token_that_nobody_got_is_revoked_again(self):
        with open("/dev/full", "wb") as full:
            self.token("create", "a", stdout=full, code=SYSTEM)
        self.assertIn("writing to standard output", self.stderr)
        self.assertEqual(self.listed(), [])

    def test_many_at_once_are_all_kept(self):
        processes = [self.start("token", "create", "-q", f"t{i}", "--tokens-file", self.file) for i in range(12)]
        tokens = []
        for process in processes:
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, err), (OK, b""))
            tokens.append(out.decode().strip())
        self.assertEqual(sorted(token[7:19] for token in tokens), sorted(token["id"] for token in self.listed()))
        self.assertEqual(os.listdir(self.folder.name), ["tokens"], "no draft is left")


class List(Token):
    def test_shows_everything_but_the_token(self):
        token = self.create("orders-api", "--database", "orders", "--expires", "2099-01-31")
        self.create("r", "--read-only")
        head, first, second = self.token("list").splitlines()
        self.assertEqual(head.split(), ["NAME", "ID", "RIGHTS", "DATABASES", "CREATED", "EXPIRES"])
        self.assertRegex(first, rf"^orders-api +{token[7:19]} +read-write +orders +20\d\d-\S+Z +2099-01-31T00:00:00Z$")
        self.assertRegex(second, r"^r +[0-9a-f]{12} +read-only +\* +20\d\d-\S+Z +never$")
        self.assertNotIn(token[20:], self.token("list") + self.token("list", "--json"))

    def test_says_what_has_expired(self):
        self.create("a", "--expires", "2099-01-31")
        content = self.content()
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(re.sub(r"expires=\S+", "expires=2001-01-31", content))
        self.assertIn("2001-01-31T00:00:00Z (expired)", self.token("list"))
        self.assertTrue(self.listed()[0]["expired"])

    def test_of_an_empty_file_is_empty(self):
        open(self.file, "w", encoding="utf-8").close()
        os.chmod(self.file, 0o600)
        self.assertEqual(self.token("list"), "")

    def test_a_file_that_is_not_there_or_not_understood_is_told(self):
        self.token("list", code=SYSTEM)
        self.assertIn(self.file + " is not there", self.stderr)
        self.token("revoke", "a", code=SYSTEM)
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("# fine\nname=a\n")
        self.token("list", code=SYSTEM)
        self.assertIn("Line 2 of " + self.file, self.stderr)

    def test_a_file_that_others_may_write_is_not_believed(self):
        self.create("a")
        os.chmod(self.file, 0o666)
        self.token("list", code=SYSTEM)
        self.assertIn("chmod go-w", self.stderr)


class Revoke(Token):
    def test_takes_a_name_or_an_id(self):
        self.create("a")
        token = self.create("b")
        self.create("c")
        self.assertRegex(self.token("revoke", "a"), r"^Revoked a \(id [0-9a-f]{12}\)\.\n$")
        self.assertEqual(json.loads(self.token("revoke", token[7:19], "--json")), {"revoked": "b", "id": token[7:19]})
        self.assertEqual([token["name"] for token in self.listed()], ["c"])
        self.assertEqual(self.token("revoke", "--quiet", "c"), "")

    def test_leaves_comments_where_they_are(self):
        self.create("a")
        with open(self.file, "a", encoding="utf-8") as file:
            file.write("\n# for the shop\n")
        self.create("b")
        self.token("revoke", "-q", "a")
        self.assertRegex(self.content(), r"(?s)^# The tokens .*\n\n# for the shop\nname=b .*\n$")

    def test_what_is_not_there_is_told(self):
        self.create("a")
        for what in ("b", "0123456789ab"):
            process = self.start("token", "revoke", what, "--tokens-file", self.file)
            out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (ABSENT, b""))
            self.assertIn("no token with that name or id", err.decode())
        self.assertEqual(len(self.listed()), 1)


class Help(Cli):
    def test_is_there(self):
        self.assertIn("tuplet token create", self.run_text("help", "token"))
        self.assertEqual(self.run_text("token", "--help"), self.run_text("help", "token"))
        self.assertRegex(self.run_text("help"), r"\n  token +make, list and revoke")


main()
