/* misuse_test.c: what must not be NULL is refused with TUPLET_MISUSE, by every call; what may be NULL is
 * fine. */
#include "support/database.h"

static void on_entry(void *context, tuplet_status status, tuplet_entry *entry, const tuplet_error *error) {
  (void)context, (void)status, (void)entry, (void)error;
}

static void on_entries(void *context, tuplet_status status, tuplet_entries *entries,
                       const tuplet_error *error) {
  (void)context, (void)status, (void)entries, (void)error;
}

static void on_list(void *context, tuplet_status status, const tuplet_entry *entry,
                    const tuplet_error *error) {
  (void)context, (void)status, (void)entry, (void)error;
}

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  (void)context, (void)status, (void)commit, (void)error;
}

static void on_watch(void *context, tuplet_status status, const tuplet_entries *entries,
                     const tuplet_error *error) {
  (void)context, (void)status, (void)entries, (void)error;
}

#define REFUSED(call) EXPECT(d, TUPLET_MISUSE, call)

static void a_missing_database_is_misuse(void **state) {
  database *d = *state;
  tuplet_key key = TUPLET_KEY("k");
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_entry *entry;
  tuplet_entries *entries;
  tuplet_list *list;
  tuplet_watch *watch;
  tuplet_error *error = &d->error;
  REFUSED(tuplet_open(":memory:", NULL, NULL, error));
  REFUSED(tuplet_get(NULL, key, TUPLET_CONSISTENCY_STRONG, &entry, error));
  REFUSED(tuplet_get_many(NULL, &key, 1, TUPLET_CONSISTENCY_STRONG, &entries, error));
  REFUSED(tuplet_list_open(NULL, &everything, NULL, &list, error));
  REFUSED(tuplet_set(NULL, key, text_value("v"), TUPLET_NEVER, NULL, error));
  REFUSED(tuplet_delete(NULL, key, NULL, error));
  REFUSED(tuplet_watch_open(NULL, &key, 1, &watch, error));
  REFUSED(tuplet_get_async(NULL, key, TUPLET_CONSISTENCY_STRONG, on_entry, NULL, error));
  REFUSED(tuplet_get_many_async(NULL, &key, 1, TUPLET_CONSISTENCY_STRONG, on_entries, NULL, error));
  REFUSED(tuplet_set_async(NULL, key, text_value("v"), TUPLET_NEVER, on_commit, NULL, error));
  REFUSED(tuplet_delete_async(NULL, key, on_commit, NULL, error));
  assert_null(tuplet_atomic_new(NULL));
  assert_string_equal(tuplet_path(NULL), "");
}

static void a_missing_handle_is_misuse(void **state) {
  database *d = *state;
  tuplet_key key = TUPLET_KEY("k");
  tuplet_value value = text_value("v");
  const tuplet_entry *entry;
  const tuplet_entries *entries;
  const char *cursor;
  tuplet_error *error = &d->error;
  REFUSED(tuplet_list_next(NULL, &entry, error));
  REFUSED(tuplet_list_next_async(NULL, on_list, NULL, error));
  REFUSED(tuplet_list_cursor(NULL, &cursor, error));
  REFUSED(tuplet_watch_next(NULL, 0, &entries, error));
  REFUSED(tuplet_watch_next_async(NULL, on_watch, NULL, error));
  REFUSED(tuplet_atomic_check(NULL, key, NULL, error));
  REFUSED(tuplet_atomic_set(NULL, key, value, TUPLET_NEVER, error));
  REFUSED(tuplet_atomic_delete(NULL, key, error));
  REFUSED(tuplet_atomic_set_versionstamped(NULL, key, value, TUPLET_NEVER, error));
  REFUSED(tuplet_atomic_sum(NULL, key, 1, error));
  REFUSED(tuplet_atomic_min(NULL, key, 1, error));
  REFUSED(tuplet_atomic_max(NULL, key, 1, error));
  REFUSED(tuplet_atomic_sum_value(NULL, key, value, NULL, NULL, false, error));
  REFUSED(tuplet_atomic_commit(NULL, NULL, error));
  REFUSED(tuplet_atomic_commit_async(NULL, on_commit, NULL, error));
}

static void a_missing_place_for_the_result_is_misuse(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_key key = TUPLET_KEY("k");
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_entries *entries;
  tuplet_list *list = NULL;
  tuplet_watch *watch = NULL;
  tuplet_versionstamp versionstamp;
  tuplet_error *error = &d->error;
  REFUSED(tuplet_get(d->db, key, TUPLET_CONSISTENCY_STRONG, NULL, error));
  REFUSED(tuplet_get_many(d->db, &key, 1, TUPLET_CONSISTENCY_STRONG, NULL, error));
  REFUSED(tuplet_get_many(d->db, NULL, 1, TUPLET_CONSISTENCY_STRONG, &entries, error));
  REFUSED(tuplet_list_open(d->db, NULL, NULL, &list, error));
  REFUSED(tuplet_list_open(d->db, &everything, NULL, NULL, error));
  REFUSED(tuplet_watch_open(d->db, &key, 1, NULL, error));
  REFUSED(tuplet_watch_open(d->db, NULL, 1, &watch, error));
  REFUSED(tuplet_versionstamp_from_text(NULL, &versionstamp, error));
  REFUSED(tuplet_versionstamp_from_text("00000000000000000000", NULL, error));

  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &everything, NULL, &list, error));
  REFUSED(tuplet_list_next(list, NULL, error));
  REFUSED(tuplet_list_cursor(list, NULL, error));
  tuplet_list_close(list);
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, &key, 1, &watch, error));
  REFUSED(tuplet_watch_next(watch, 0, NULL, error));
  tuplet_watch_close(watch);
}

static void a_missing_callback_is_misuse(void **state) {
  database *d = *state;
  tuplet_key key = TUPLET_KEY("k");
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_list *list = NULL;
  tuplet_watch *watch = NULL;
  tuplet_error *error = &d->error;
  REFUSED(tuplet_get_async(d->db, key, TUPLET_CONSISTENCY_STRONG, NULL, NULL, error));
  REFUSED(tuplet_get_many_async(d->db, &key, 1, TUPLET_CONSISTENCY_STRONG, NULL, NULL, error));
  REFUSED(tuplet_set_async(d->db, key, text_value("v"), TUPLET_NEVER, NULL, NULL, error));
  REFUSED(tuplet_delete_async(d->db, key, NULL, NULL, error));
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &everything, NULL, &list, error));
  REFUSED(tuplet_list_next_async(list, NULL, NULL, error));
  tuplet_list_close(list);
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, &key, 1, &watch, error));
  REFUSED(tuplet_watch_next_async(watch, NULL, NULL, error));
  tuplet_watch_close(watch);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  REFUSED(tuplet_atomic_commit_async(atomic, NULL, NULL, error));
  tuplet_atomic_free(atomic);
  expect_absent(d, key);
}

static void options_must_carry_their_size(void **state) {
  database *d = *state;
  const tuplet_open_options open_options = {0};
  const tuplet_list_options list_options = {0};
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_db *db;
  tuplet_list *list;
  REFUSED(tuplet_open(":memory:", &open_options, &db, &d->error));
  REFUSED(tuplet_list_open(d->db, &everything, &list_options, &list, &d->error));
}

static void nothing_can_be_closed_and_freed(void **state) {
  (void)state;
  tuplet_close(NULL);
  tuplet_list_close(NULL);
  tuplet_watch_close(NULL);
  tuplet_atomic_free(NULL);
  tuplet_entry_free(NULL);
  tuplet_entries_free(NULL);
}

/* No error wanted, no versionstamp wanted: errors come as statuses all the same. */
static void errors_need_not_be_asked_for(void **state) {
  database *d = *state;
  tuplet_entry *entry;
  assert_int_equal(tuplet_set(d->db, TUPLET_KEY_EMPTY, text_value("v"), TUPLET_NEVER, NULL, NULL),
                   TUPLET_INVALID);
  assert_int_equal(tuplet_set(d->db, TUPLET_KEY("k"), text_value("v"), -5, NULL, NULL), TUPLET_INVALID);
  assert_int_equal(tuplet_get(NULL, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &entry, NULL), TUPLET_MISUSE);
  assert_int_equal(tuplet_open("http://", NULL, &(tuplet_db *){NULL}, NULL), TUPLET_INVALID);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  assert_int_equal(tuplet_atomic_set(atomic, TUPLET_KEY((const char *)NULL), text_value("v"), 0, NULL),
                   TUPLET_INVALID);
  assert_int_equal(tuplet_atomic_commit(atomic, NULL, NULL), TUPLET_INVALID);
  tuplet_atomic_free(atomic);
  assert_int_equal(tuplet_delete(d->db, TUPLET_KEY("k"), NULL, NULL), TUPLET_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_MEMORY(a_missing_database_is_misuse),
      ON_MEMORY(a_missing_handle_is_misuse),
      ON_MEMORY(a_missing_place_for_the_result_is_misuse),
      ON_MEMORY(a_missing_callback_is_misuse),
      ON_MEMORY(options_must_carry_their_size),
      ON_MEMORY(nothing_can_be_closed_and_freed),
      ON_MEMORY(errors_need_not_be_asked_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
