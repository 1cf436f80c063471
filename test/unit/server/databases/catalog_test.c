/* catalog_test.c: databases on disk are there whole or not at all, under names that mean nothing to a disk.
 */
#include "support/catalog.h"

#include "api/open.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "support/fault_allocator.h"

/* ---- Names ---- */

static void a_name_has_lower_case_letters_digits_dashes_and_underscores(void **state) {
  (void)state;
  static const char *const good[] = {"a", "0",   "shop",   "a-b_c",   "9lives",
                                     "v", "v22", "metric", "default", "memory"};
  static const char *const bad[] = {
      "",         ".",  "..",   "-a",       "_a", "A",       "aB",      "a b",    "a/b", "/", "a.b", "a\n",
      "\xc3\xa4", "a%", "a\\b", ":memory:", "v2", "metrics", "healthz", "readyz", "a:b", "~", "*",   "a\x7f"};
  for (size_t i = 0; i < COUNT_OF(good); i++)
    assert_true(tp_database_name_is_valid(tuplet_view(good[i], strlen(good[i]))));
  for (size_t i = 0; i < COUNT_OF(bad); i++)
    assert_false(tp_database_name_is_valid(tuplet_view(bad[i], strlen(bad[i]))));
  assert_false(tp_database_name_is_valid((tuplet_bytes){0}));
  assert_false(tp_database_name_is_valid((tuplet_bytes){"a\0b", 3}));
}

static void a_name_has_at_most_63_characters(void **state) {
  fixture *f = *state;
  char name[70];
  memset(name, 'a', sizeof name);
  assert_true(tp_database_name_is_valid((tuplet_bytes){name, 63}));
  assert_false(tp_database_name_is_valid((tuplet_bytes){name, 64}));
  name[63] = '\0';
  (void)create(f, name);
  database_id found;
  EXPECT(f, TUPLET_OK, find(f, name, &found));
}

static void a_name_that_is_refused_is_told_with_what_is_allowed(void **state) {
  fixture *f = *state;
  assert_int_equal(tp_database_name_check(tuplet_view("Shop", 4), &f->error), TUPLET_INVALID);
  assert_non_null(strstr(f->error.message, "'Shop'"));
  assert_non_null(strstr(f->error.message, "a-z"));
  assert_int_equal(tp_database_name_check(tuplet_view("v2", 2), &f->error), TUPLET_INVALID);
  assert_non_null(strstr(f->error.message, "the server has that path itself"));
  char name[300];
  memset(name, 'a', sizeof name);
  assert_int_equal(tp_database_name_check(tuplet_view(name, sizeof name), &f->error), TUPLET_INVALID);
  assert_non_null(strstr(f->error.message, "aaa'..."));
}

static void a_name_that_is_none_does_not_reach_the_file_system(void **state) {
  fixture *f = *state;
  database_id id;
  tp_catalog_hold hold;
  assert_int_equal(mkdir(below(f, "../elsewhere"), 0700), 0);
  EXPECT(f, TUPLET_INVALID, tp_catalog_create(f->catalog, "../x", NULL, id.bytes, &f->error));
  EXPECT(f, TUPLET_INVALID, tp_catalog_hold_shared(f->catalog, "../elsewhere", false, &hold, &f->error));
  EXPECT(f, TUPLET_INVALID, tp_catalog_hold_alone(f->catalog, "..", 0, &hold, &f->error));
  (void)create(f, "a");
  hold = hold_alone(f, "a");
  EXPECT(f, TUPLET_INVALID, tp_catalog_rename(&hold, "../elsewhere/a", &f->error));
  tp_catalog_release(&hold);
  EXPECT(f, TUPLET_OK, find(f, "a", &id));
}

/* ---- Making, finding, renaming, deleting ---- */

static void what_is_made_is_found_and_listed_by_name(void **state) {
  fixture *f = *state;
  database_id shop = create(f, "shop");
  database_id blog = create(f, "blog");
  assert_memory_not_equal(&shop, &blog, sizeof shop);
  database_id found;
  EXPECT(f, TUPLET_OK, find(f, "shop", &found));
  assert_memory_equal(&found, &shop, sizeof shop);
  EXPECT(f, TUPLET_NOT_FOUND, find(f, "else", &found));

  tp_catalog_entry *entries;
  size_t count;
  EXPECT(f, TUPLET_OK, tp_catalog_list(f->catalog, NULL, NULL, &entries, &count, &f->error));
  assert_int_equal(count, 2);
  assert_string_equal(entries[0].name, "blog");
  assert_memory_equal(entries[0].id, &blog, sizeof blog);
  assert_string_equal(entries[1].name, "shop");
  tp_catalog_list_free(f->catalog, entries);
}

static void an_empty_catalog_lists_nothing(void **state) {
  fixture *f = *state;
  tp_catalog_entry *entries;
  size_t count = 1;
  EXPECT(f, TUPLET_OK, tp_catalog_list(f->catalog, NULL, NULL, &entries, &count, &f->error));
  assert_int_equal(count, 0);
  tp_catalog_list_free(f->catalog, entries);
}

static void only_the_owner_may_enter_and_read(void **state) {
  fixture *f = *state;
  struct stat attributes;
  mode_t before = umask(0);
  (void)create(f, "shop");
  (void)umask(before);
  assert_int_equal(stat(below(f, "shop"), &attributes), 0);
  assert_int_equal(attributes.st_mode & 0777, 0700);
  assert_int_equal(stat(below(f, "shop/id"), &attributes), 0);
  assert_int_equal(attributes.st_mode & 0777, 0600);
  assert_int_equal(stat(below(f, "shop/kv.sqlite3"), &attributes), 0);
  assert_int_equal(attributes.st_mode & 0777, 0600);
  assert_int_equal(count_things(f), 1);
}

static void what_root_makes_belongs_to_the_owner_of_the_data_directory(void **state) {
  fixture *f = *state;
  struct stat attributes;
  uid_t owner = geteuid() == 0 ? 4512 : geteuid(); /* others can only have their own */
  assert_int_equal(chown(f->path, owner, (gid_t)-1), 0);
  (void)create(f, "shop");
  static const char *const made[] = {"shop", "shop/id", "shop/kv.sqlite3"};
  for (size_t i = 0; i < COUNT_OF(made); i++) {
    assert_int_equal(stat(below(f, made[i]), &attributes), 0);
    assert_int_equal(attributes.st_uid, owner);
  }
}

static void a_name_that_is_taken_is_not_given_again(void **state) {
  fixture *f = *state;
  database_id first = create(f, "shop");
  database_id id;
  EXPECT(f, TUPLET_CONFLICT, tp_catalog_create(f->catalog, "shop", NULL, id.bytes, &f->error));
  (void)create(f, "blog");
  tp_catalog_hold hold = hold_alone(f, "blog");
  EXPECT(f, TUPLET_CONFLICT, tp_catalog_rename(&hold, "shop", &f->error));
  tp_catalog_release(&hold);
  EXPECT(f, TUPLET_OK, find(f, "shop", &id));
  assert_memory_equal(&id, &first, sizeof first);
  write_text(below(f, "file"), "");
  EXPECT(f, TUPLET_CONFLICT, tp_catalog_create(f->catalog, "file", NULL, id.bytes, &f->error));
  assert_int_equal(count_things(f), 3);
}

static void a_renamed_database_keeps_its_id(void **state) {
  fixture *f = *state;
  database_id before = create(f, "old");
  tp_catalog_hold hold = hold_alone(f, "old");
  EXPECT(f, TUPLET_OK, tp_catalog_rename(&hold, "new", &f->error));
  assert_null(hold.catalog);
  database_id after;
  EXPECT(f, TUPLET_NOT_FOUND, find(f, "old", &after));
  EXPECT(f, TUPLET_OK, find(f, "new", &after));
  assert_memory_equal(&before, &after, sizeof after);
}

static void a_deleted_database_is_gone_and_the_next_of_its_name_is_another(void **state) {
  fixture *f = *state;
  database_id before = create(f, "shop");
  write_text(below(f, "shop/kv.sqlite3-wal"), "left by a process that was killed");
  tp_catalog_hold hold = hold_alone(f, "shop");
  EXPECT(f, TUPLET_OK, tp_catalog_delete(&hold, &f->error));
  assert_null(hold.catalog);
  assert_int_equal(count_things(f), 0);
  database_id after;
  EXPECT(f, TUPLET_NOT_FOUND, find(f, "shop", &after));
  after = create(f, "shop");
  assert_memory_not_equal(&before, &after, sizeof after);
}

static void a_database_that_cannot_be_written_leaves_nothing_behind(void **state) {
  fixture *f = *state;
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  for (rlim_t size = 0; size <= 20000; size += 4000) { /* in the id, in the data */
    struct rlimit small = {.rlim_cur = size, .rlim_max = before.rlim_max};
    database_id id;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tuplet_status status = tp_catalog_create(f->catalog, "shop", NULL, id.bytes, &f->error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(status == TUPLET_IO || status == TUPLET_FULL);
    assert_int_equal(count_things(f), 0);
  }
  (void)signal(SIGXFSZ, handler);
  (void)create(f, "shop");
}

/* ---- What is no database ---- */

static void what_is_no_database_is_told_of_and_left_alone(void **state) {
  fixture *f = *state;
  (void)create(f, "good");
  write_text(below(f, "file"), "");
  assert_int_equal(mkdir(below(f, "empty"), 0700), 0);
  assert_int_equal(mkdir(below(f, "bad"), 0700), 0);
  write_text(below(f, "bad/id"), "not a UUID\n");
  assert_int_equal(symlink("good", below(f, "link")), 0);
  assert_int_equal(mkdir(below(f, "idlink"), 0700), 0);
  assert_int_equal(symlink("../good/id", below(f, "idlink/id")), 0);
  assert_int_equal(mkdir(below(f, "pipe"), 0700), 0);
  assert_int_equal(mkfifo(below(f, "pipe/id"), 0600), 0);
  assert_int_equal(mkdir(below(f, "Not.Ours"), 0700), 0); /* cannot be meant as a database */

  static const char *const names[] = {"file", "empty", "bad", "link", "idlink", "pipe"};
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    database_id found;
    tp_catalog_hold hold;
    EXPECT(f, TUPLET_FORMAT, find(f, names[i], &found));
    assert_non_null(strstr(f->error.message, below(f, names[i])));
    EXPECT(f, TUPLET_FORMAT, tp_catalog_hold_shared(f->catalog, names[i], true, &hold, &f->error));
  }
  tp_catalog_entry *entries;
  size_t count;
  complaints heard = {0};
  EXPECT(f, TUPLET_OK, tp_catalog_list(f->catalog, on_damaged, &heard, &entries, &count, &f->error));
  assert_int_equal(count, 1);
  assert_int_equal(heard.count, COUNT_OF(names));
  tp_catalog_list_free(f->catalog, entries);
}

static void a_file_of_data_must_be_one(void **state) {
  fixture *f = *state;
  tp_catalog_hold hold;
  tp_buffer path;
  (void)create(f, "shop");
  EXPECT(f, TUPLET_OK, tp_catalog_hold_shared(f->catalog, "shop", false, &hold, &f->error));
  tp_buffer_init(&path, NULL);
  EXPECT(f, TUPLET_OK, tp_catalog_file(&hold, &path, &f->error));
  assert_string_equal((const char *)path.data, below(f, "shop/kv.sqlite3"));

  assert_int_equal(unlink(below(f, "shop/kv.sqlite3")), 0);
  tp_buffer_clear(&path);
  EXPECT(f, TUPLET_FORMAT, tp_catalog_file(&hold, &path, &f->error));
  assert_int_equal(symlink("id", below(f, "shop/kv.sqlite3")), 0);
  tp_buffer_clear(&path);
  EXPECT(f, TUPLET_FORMAT, tp_catalog_file(&hold, &path, &f->error));
  tp_buffer_done(&path);
  tp_catalog_release(&hold);
}

static void a_data_directory_must_be_a_folder(void **state) {
  fixture *f = *state;
  tp_catalog *other;
  write_text(below(f, "file"), "");
  EXPECT(f, TUPLET_IO, tp_catalog_open(NULL, below(f, "file"), TP_CATALOG_MAKE, &other, &f->error));
  EXPECT(f, TUPLET_IO, tp_catalog_open(NULL, below(f, "none"), TP_CATALOG_CHANGE, &other, &f->error));
  EXPECT(f, TUPLET_IO, tp_catalog_open(NULL, below(f, "none"), TP_CATALOG_READ, &other, &f->error));
  assert_non_null(strstr(f->error.message, "No such file or directory"));
  EXPECT(f, TUPLET_INVALID, tp_catalog_open(NULL, "", TP_CATALOG_MAKE, &other, &f->error));
  EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, below(f, "a/b/c/"), TP_CATALOG_MAKE, &other, &f->error));
  assert_string_equal(tp_catalog_path(other), below(f, "a/b/c"));
  tp_catalog_close(other);
}

static void a_catalog_for_reading_changes_nothing(void **state) {
  fixture *f = *state;
  tp_catalog *reader;
  database_id id = create(f, "shop");
  assert_int_equal(mkdir(below(f, ".new-87005793-8b14-46b4-9858-5f5481c86e6c"), 0700), 0);
  EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, f->path, TP_CATALOG_READ, &reader, &f->error));
  tp_catalog_hold hold;
  EXPECT(f, TUPLET_READ_ONLY, tp_catalog_create(reader, "blog", NULL, id.bytes, &f->error));
  EXPECT(f, TUPLET_READ_ONLY, tp_catalog_hold_alone(reader, "shop", 0, &hold, &f->error));
  EXPECT(f, TUPLET_OK, tp_catalog_find(reader, "shop", id.bytes, &f->error));
  assert_int_equal(count_things(f), 2);
  tp_catalog_close(reader);
}

/* ---- Copies ---- */

static void a_copy_has_all_entries_with_their_versionstamps(void **state) {
  fixture *f = *state;
  database d = {0};
  (void)snprintf(d.path, sizeof d.path, "%s/deno.sqlite3", f->root);
  tuplet_open_options options = quick_options();
  EXPECT(f, TUPLET_OK, tuplet_open(d.path, &options, &d.db, &f->error));
  tuplet_key a = TUPLET_KEY("a");
  tuplet_key b = TUPLET_KEY("b");
  put_text(&d, a, "first");
  tuplet_versionstamp stamp = put(&d, b, text_value("second"));

  database_id id;
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, "copy", d.path, id.bytes, &f->error));
  put_text(&d, a, "later"); /* the copy is of then */
  tuplet_close(d.db);

  (void)snprintf(d.path, sizeof d.path, "%s", below(f, "copy/kv.sqlite3"));
  EXPECT(f, TUPLET_OK, tuplet_open(d.path, &options, &d.db, &f->error));
  expect_text(&d, d.db, a, "first");
  tuplet_versionstamp copied = versionstamp_of(&d, b);
  assert_memory_equal(&copied, &stamp, sizeof stamp);
  tuplet_close(d.db);
  tp_file_survey survey;
  EXPECT(f, TUPLET_OK, tp_file_survey_take(d.path, tp_clock_system(), &survey, &f->error));
  assert_int_equal(survey.entries, 2);
  assert_int_equal(survey.expiring, 0);
  assert_memory_equal(&survey.last_commit, &stamp, sizeof stamp);
}

static void what_is_no_database_is_not_copied(void **state) {
  fixture *f = *state;
  database_id id;
  char path[512];
  (void)snprintf(path, sizeof path, "%s/text", f->root);
  write_text(
      path, "this is no database, and long enough to be looked at as one, if it were one at all; it goes on, "
            "since what is short is taken for an empty one");
  EXPECT(f, TUPLET_FORMAT, tp_catalog_create(f->catalog, "copy", path, id.bytes, &f->error));
  assert_non_null(strstr(f->error.message, path));
  write_text(path, "");
  EXPECT(f, TUPLET_FORMAT, tp_catalog_create(f->catalog, "copy", path, id.bytes, &f->error));
  (void)snprintf(path, sizeof path, "%s/none", f->root);
  EXPECT(f, TUPLET_IO, tp_catalog_create(f->catalog, "copy", path, id.bytes, &f->error));
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(count_things(f), 0);
}

/* ---- Memory ---- */

static tuplet_status use_catalog(const fixture *f, const tuplet_allocator *allocator, tuplet_error *error) {
  tp_catalog *catalog = NULL;
  tp_catalog_entry *entries = NULL;
  size_t count;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  tp_catalog_hold hold = {0};
  tuplet_status status = tp_catalog_open(allocator, f->path, TP_CATALOG_MAKE, &catalog, error);
  if (status == TUPLET_OK) status = tp_catalog_create(catalog, "shop", NULL, id, error);
  if (status == TUPLET_OK) status = tp_catalog_list(catalog, NULL, NULL, &entries, &count, error);
  if (catalog != NULL) tp_catalog_list_free(catalog, entries);
  if (status == TUPLET_OK) status = tp_catalog_hold_alone(catalog, "shop", 0, &hold, error);
  tp_buffer path;
  tp_buffer_init(&path, allocator);
  if (status == TUPLET_OK) status = tp_catalog_file(&hold, &path, error);
  tp_buffer_done(&path);
  if (hold.catalog != NULL) assert_int_equal(tp_catalog_delete(&hold, NULL), TUPLET_OK);
  tp_catalog_close(catalog);
  return status;
}

static void every_allocation_may_fail(void **state) {
  fixture *f = *state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tuplet_status status = use_catalog(f, &faults.allocator, &f->error);
    assert_int_equal(faults.live, 0);
    if (!fault_allocator_fired(&faults)) {
      assert_int_equal(status, TUPLET_OK);
      break;
    }
    assert_true(status == TUPLET_NOMEM || status == TUPLET_OK);
    tp_catalog_hold hold;
    if (tp_catalog_hold_alone(f->catalog, "shop", 0, &hold, NULL) == TUPLET_OK)
      assert_int_equal(tp_catalog_delete(&hold, NULL), TUPLET_OK);
    assert_int_equal(count_things(f), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_has_lower_case_letters_digits_dashes_and_underscores),
      TEST(a_name_has_at_most_63_characters),
      TEST(a_name_that_is_refused_is_told_with_what_is_allowed),
      TEST(a_name_that_is_none_does_not_reach_the_file_system),
      TEST(what_is_made_is_found_and_listed_by_name),
      TEST(an_empty_catalog_lists_nothing),
      TEST(only_the_owner_may_enter_and_read),
      TEST(what_root_makes_belongs_to_the_owner_of_the_data_directory),
      TEST(a_name_that_is_taken_is_not_given_again),
      TEST(a_renamed_database_keeps_its_id),
      TEST(a_deleted_database_is_gone_and_the_next_of_its_name_is_another),
      TEST(a_database_that_cannot_be_written_leaves_nothing_behind),
      TEST(what_is_no_database_is_told_of_and_left_alone),
      TEST(a_file_of_data_must_be_one),
      TEST(a_data_directory_must_be_a_folder),
      TEST(a_catalog_for_reading_changes_nothing),
      TEST(a_copy_has_all_entries_with_their_versionstamps),
      TEST(what_is_no_database_is_not_copied),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
