/* databases_test.c: which database a path stands for. */
#include "server/databases/databases.h"

#include "api/open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t own_id[TP_AUTH_DATABASE_ID_SIZE] = "the server's own";

typedef struct fixture {
  tp_store *store;
  tp_databases *databases;
  tuplet_error error;
} fixture;

/* A server with a file of its own and without a data directory. */
static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  if (tp_open_store(":memory:", &options, tp_clock_system(), &f->store, NULL, &f->error) != TUPLET_OK)
    return -1;
  tp_databases_config config = {
      .clock = tp_clock_system(), .store = f->store, .memory = tp_memory_bounds_default()};
  memcpy(config.id, own_id, sizeof own_id);
  *state = f;
  return tp_databases_new(&config, &f->databases, &f->error) == TUPLET_OK ? 0 : -1;
}

static int teardown(void **state) {
  fixture *f = *state;
  tp_databases_stop(f->databases);
  tp_databases_close(f->databases);
  tp_databases_free(f->databases);
  tp_store_close(f->store);
  free(f);
  return 0;
}

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static void expect_name(const char *path, const char *wanted) {
  tuplet_bytes name;
  assert_true(tp_database_name_from_path(view(path), &name));
  assert_int_equal(name.size, strlen(wanted));
  assert_memory_equal(name.data, wanted, name.size);
}

static void a_path_names_a_database(void **state) {
  (void)state;
  expect_name("/", "default");
  expect_name("/default", "default");
  expect_name("/shop", "shop");
  expect_name("/:memory:", ":memory:");
}

static void no_other_path_names_one(void **state) {
  (void)state;
  static const char *const paths[] = {
      "",        "*",         "shop",     "//",         "//shop",    "/shop/",    "/shop/a",
      "/Shop",   "/.",        "/..",      "/../x",      "/..%2fx",   "/%2e%2e/x", "/.new-x",
      "/a.b",    "/a b",      "/-a",      "/_a",        "/v2",       "/metrics",  "/healthz",
      "/readyz", "/\xc3\xa4", "/:memory", "/:memory:/", "/:MEMORY:", "/:memory:x"};
  tuplet_bytes name;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    assert_false(tp_database_name_from_path(view(paths[i]), &name));
  assert_false(tp_database_name_from_path((tuplet_bytes){"/a\0b", 4}, &name));
  assert_false(tp_database_name_from_path((tuplet_bytes){NULL, 0}, &name));
}

static void on_lookup(tp_database_lookup *lookup) {
  lookup->may_create = true; /* marks it as told */
}

static tuplet_status exchange(fixture *f, const char *name, tp_database_lookup *lookup) {
  *lookup = (tp_database_lookup){.on_done = on_lookup};
  tp_databases_exchange(f->databases, view(name), 0, false, lookup);
  assert_true(lookup->may_create); /* at once: no disk is asked */
  return lookup->status;
}

static void on_wait(tp_database_wait *wait) {
  (void)wait;
}

static void the_default_database_is_the_servers_own(void **state) {
  fixture *f = *state;
  tp_database_lookup lookup;
  assert_int_equal(exchange(f, "default", &lookup), TUPLET_OK);
  assert_true(lookup.lasting);
  assert_memory_equal(lookup.id, own_id, sizeof own_id);

  tp_database *open = tp_databases_acquire_open(f->databases, own_id);
  assert_non_null(open);
  tp_database_wait wait = {.on_done = on_wait};
  tp_databases_acquire(f->databases, own_id, &wait);
  assert_int_equal(wait.status, TUPLET_OK);
  assert_ptr_equal(wait.database, open);
  assert_ptr_equal(tp_database_store(open), f->store);
  assert_true(tp_database_is_default(f->databases, open));
  assert_false(tp_database_is_leaving(open));
  assert_string_equal(tp_database_name(f->databases, open), "default");
  tp_database_release(f->databases, open);
  tp_database_release(f->databases, open);
}

static void a_database_in_memory_is_opened_when_it_is_used(void **state) {
  fixture *f = *state;
  tp_database_lookup lookup;
  assert_int_equal(exchange(f, ":memory:", &lookup), TUPLET_OK);
  assert_false(lookup.lasting);
  assert_null(tp_databases_acquire_open(f->databases, lookup.id));
  tp_database_wait wait = {.on_done = on_wait};
  tp_databases_acquire(f->databases, lookup.id, &wait);
  assert_int_equal(wait.status, TUPLET_OK);
  assert_ptr_not_equal(tp_database_store(wait.database), f->store);
  assert_false(tp_database_is_default(f->databases, wait.database));
  assert_string_equal(tp_database_name(f->databases, wait.database), ":memory:");
  tp_database_release(f->databases, wait.database);
  tp_databases_count count = tp_databases_count_now(f->databases);
  assert_int_equal(count.entries, 1);
  assert_int_equal(count.open, 1);
  assert_int_equal(count.known, 1); /* the own */
}

static void without_a_data_directory_there_is_no_other(void **state) {
  fixture *f = *state;
  tp_database_lookup lookup;
  assert_int_equal(exchange(f, "shop", &lookup), TUPLET_NOT_FOUND);
  tp_database_wait wait = {.on_done = on_wait};
  tp_databases_acquire(f->databases, (const uint8_t *)"nobody's id.....", &wait);
  assert_int_equal(wait.status, TUPLET_NOT_FOUND);
  assert_false(tp_databases_sweep(f->databases));
}

typedef struct visits {
  size_t count;
  const char *name;
  tp_store *store;
} visits;

static void on_visit(void *context, const char *name, tp_store *store) {
  visits *seen = context;
  *seen = (visits){seen->count + 1, name, store};
}

static void the_servers_own_is_visited(void **state) {
  fixture *f = *state;
  visits seen = {0};
  assert_int_equal(tp_databases_visit(f->databases, on_visit, &seen, &f->error), TUPLET_OK);
  assert_int_equal(seen.count, 1);
  assert_string_equal(seen.name, "default");
  assert_ptr_equal(seen.store, f->store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_path_names_a_database),        cmocka_unit_test(no_other_path_names_one),
      TEST(the_default_database_is_the_servers_own),    TEST(a_database_in_memory_is_opened_when_it_is_used),
      TEST(without_a_data_directory_there_is_no_other), TEST(the_servers_own_is_visited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
