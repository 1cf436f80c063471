/* collection_test.c: databases of a data directory are opened when they are wanted and closed when they are
 * not. */
#include "support/collection.h"

#include "support/shared_fault_allocator.h"

/* ---- Names and ids ---- */

static void a_database_is_made_only_for_those_who_may(void **state) {
  fixture *f = *state;
  database_id id = {{0}};
  assert_int_equal(exchange(f, "shop", false, &id), TUPLET_NOT_FOUND);
  assert_int_equal(known(f), 0);
  database_id made = make(f, "shop");
  assert_int_equal(known(f), 1);
  EXPECT(f, TUPLET_OK, exchange(f, "shop", false, &id));
  assert_memory_equal(&id, &made, sizeof id);
  assert_int_equal(files_open(f), 0);
}

static void a_name_that_is_none_is_not_found(void **state) {
  fixture *f = *state;
  database_id id = {{0}};
  assert_int_equal(exchange(f, "../shop", true, &id), TUPLET_NOT_FOUND);
  assert_int_equal(exchange(f, "", true, &id), TUPLET_NOT_FOUND);
  assert_int_equal(known(f), 0);
}

static void an_id_is_known_again_after_a_restart(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  stop(f);
  start(f);
  assert_int_equal(known(f), 1);
  EXPECT(f, TUPLET_OK, use(f, shop));
}

static void what_tools_make_meanwhile_is_found(void **state) {
  fixture *f = *state;
  database_id id = {{0}};
  database_id shop;
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, "shop", NULL, shop.bytes, &f->error));
  EXPECT(f, TUPLET_OK, exchange(f, "shop", false, &id));
  assert_memory_equal(&id, &shop, sizeof id);
}

static void an_id_that_is_not_known_is_looked_for_at_most_once_a_second(void **state) {
  fixture *f = *state;
  database_id first = {{0}};
  database_id second = {{0}};
  pass(f, 1000);
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, "first", NULL, first.bytes, &f->error));
  EXPECT(f, TUPLET_OK, use(f, first)); /* as another server on the folder may have told it */
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, "second", NULL, second.bytes, &f->error));
  assert_int_equal(use(f, second), TUPLET_NOT_FOUND);
  pass(f, 1000);
  EXPECT(f, TUPLET_OK, use(f, second));
}

static void more_than_are_allowed_are_not_made(void **state) {
  fixture *f = *state;
  database_id id = {{0}};
  stop(f);
  tp_databases_config config = config_of(f, NULL);
  config.known_max = 2;
  EXPECT(f, TUPLET_OK, tp_databases_new(&config, &f->databases, &f->error));
  (void)make(f, "a");
  (void)make(f, "b");
  EXPECT(f, TUPLET_FULL, exchange(f, "c", true, &id));
  EXPECT(f, TUPLET_NOT_FOUND, tp_catalog_find(f->catalog, "c", id.bytes, &f->error));
  EXPECT(f, TUPLET_OK, exchange(f, "a", true, &id));
}

static void a_copied_folder_does_not_stand_in_for_the_original(void **state) {
  fixture *f = *state;
  database_id id = {{0}};
  plant(f, "b-original", 1);
  EXPECT(f, TUPLET_OK, exchange(f, "b-original", false, &id));
  plant(f, "a-copy", 1);
  database_id copy;
  EXPECT(f, TUPLET_FORMAT, exchange(f, "a-copy", false, &copy));
  assert_non_null(strstr(f->error.message, "same id as b-original"));
  pass(f, 1000);
  assert_int_equal(use(f, (database_id){"nobody's"}), TUPLET_NOT_FOUND); /* which reads the folder anew */
  tp_database *opened = open_it(f, id);
  assert_string_equal(tp_database_name(f->databases, opened), "b-original");
  tp_database_release(f->databases, opened);
}

static void at_the_start_the_older_of_two_folders_of_one_id_is_the_original(void **state) {
  fixture *f = *state;
  stop(f);
  plant(f, "m-original", 1);
  (void)usleep(50000); /* more than the step of the file system's time */
  plant(f, "a-copy", 1);
  plant(f, "z-copy", 1);
  start(f);
  assert_int_equal(known(f), 1);
  database_id id = {{0}};
  EXPECT(f, TUPLET_OK, exchange(f, "m-original", false, &id));
  EXPECT(f, TUPLET_FORMAT, exchange(f, "a-copy", false, &id));
  EXPECT(f, TUPLET_FORMAT, exchange(f, "z-copy", false, &id));
  tp_database *opened = open_it(f, id);
  assert_string_equal(tp_database_name(f->databases, opened), "m-original");
  tp_database_release(f->databases, opened);
}

static void thousands_are_known_and_few_are_open(void **state) {
  fixture *f = *state;
  enum { COUNT = 2000, USED = 40 };
  stop(f);
  char name[32];
  for (unsigned i = 0; i < COUNT; i++) {
    (void)snprintf(name, sizeof name, "db%u", i);
    plant(f, name, i);
  }
  start(f);
  assert_int_equal(known(f), COUNT);
  for (unsigned i = 0; i < USED; i++) {
    database_id id = {{0}};
    (void)snprintf(name, sizeof name, "db%u", i * (COUNT / USED));
    EXPECT(f, TUPLET_OK, exchange(f, name, false, &id));
    EXPECT(f, TUPLET_OK, use(f, id));
    assert_in_range(files_open(f), 1, OPEN_MAX);
  }
  assert_int_equal(known(f), COUNT);
}

/* ---- Open and closed ---- */

static void a_database_is_opened_when_it_is_used_and_then_had_at_once(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  database_id blog = make(f, "blog");
  assert_null(tp_databases_acquire_open(f->databases, shop.bytes));
  tp_database *a = open_it(f, shop);
  tp_database *b = open_it(f, blog);
  assert_ptr_not_equal(tp_database_store(a), tp_database_store(b));
  assert_string_equal(tp_database_name(f->databases, a), "shop");
  assert_false(tp_database_is_default(f->databases, a));
  tp_database *again = tp_databases_acquire_open(f->databases, shop.bytes);
  assert_ptr_equal(again, a);
  assert_int_equal(files_open(f), 2);
  assert_true(tp_catalog_is_served(f->catalog, "shop"));
  tp_database_release(f->databases, again);
  tp_database_release(f->databases, a);
  tp_database_release(f->databases, b);
  assert_int_equal(files_open(f), 2);
}

static void a_database_that_is_not_used_is_closed(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  database_id blog = make(f, "blog");
  tp_database *busy = open_it(f, blog);
  EXPECT(f, TUPLET_OK, use(f, shop));
  pass(f, IDLE_TIMEOUT_MS - 1);
  assert_false(tp_databases_sweep(f->databases));
  assert_int_equal(files_open(f), 2);
  pass(f, 1);
  assert_false(tp_databases_sweep(f->databases));
  wait_for_files_open(f, 1);
  assert_false(tp_catalog_is_served(f->catalog, "shop"));
  assert_null(tp_databases_acquire_open(f->databases, shop.bytes));
  EXPECT(f, TUPLET_OK, use(f, shop));

  pass(f, (int64_t)10 * IDLE_TIMEOUT_MS);
  tp_database_release(f->databases, busy);
  (void)tp_databases_sweep(f->databases);
  wait_for_files_open(f, 1); /* the one that was in use until now */
  assert_non_null(tp_databases_acquire_open(f->databases, blog.bytes));
  tp_database_release(f->databases, busy);
}

static void for_one_more_the_one_unused_for_longest_is_closed(void **state) {
  fixture *f = *state;
  database_id ids[OPEN_MAX + 1];
  static const char *const names[OPEN_MAX + 1] = {"a", "b", "c", "d"};
  for (size_t i = 0; i <= OPEN_MAX; i++) ids[i] = make(f, names[i]);
  for (size_t i = 0; i < OPEN_MAX; i++) EXPECT(f, TUPLET_OK, use(f, ids[i]));
  EXPECT(f, TUPLET_OK, use(f, ids[0]));
  EXPECT(f, TUPLET_OK, use(f, ids[OPEN_MAX]));
  assert_int_equal(files_open(f), OPEN_MAX);
  assert_false(tp_catalog_is_served(f->catalog, "b"));
  assert_true(tp_catalog_is_served(f->catalog, "a"));
  EXPECT(f, TUPLET_OK, use(f, ids[1]));
}

static void when_all_are_in_use_one_more_is_refused(void **state) {
  fixture *f = *state;
  tp_database *used[OPEN_MAX];
  static const char *const names[OPEN_MAX] = {"a", "b", "c"};
  for (size_t i = 0; i < OPEN_MAX; i++) used[i] = open_it(f, make(f, names[i]));
  database_id other = make(f, "d");
  wait_for asked = {.base = {.on_done = on_database}, .done = LATCH_INIT};
  tp_databases_acquire(f->databases, other.bytes, &asked.base);
  for (int i = 0; i < 60000 && latch_count(&asked.done) == 0; i++) {
    (void)usleep(1000);
    pass(f, 100);
    (void)tp_databases_sweep(f->databases);
  }
  assert_true(latch_wait(&asked.done, 1));
  assert_int_equal(asked.base.status, TUPLET_BUSY);
  assert_non_null(strstr(asked.base.error.message, "try again later"));
  tp_database_release(f->databases, used[1]);
  EXPECT(f, TUPLET_OK, use(f, other));
  tp_database_release(f->databases, used[0]);
  tp_database_release(f->databases, used[2]);
}

static void one_that_is_let_go_of_makes_room_for_who_waits(void **state) {
  fixture *f = *state;
  tp_database *used[OPEN_MAX];
  static const char *const names[OPEN_MAX] = {"a", "b", "c"};
  for (size_t i = 0; i < OPEN_MAX; i++) used[i] = open_it(f, make(f, names[i]));
  wait_for asked[2];
  static const char *const others[] = {"d", "e"};
  for (size_t i = 0; i < COUNT_OF(asked); i++) {
    asked[i] = (wait_for){.base = {.on_done = on_database}, .done = LATCH_INIT};
    tp_databases_acquire(f->databases, make(f, others[i]).bytes, &asked[i].base);
  }
  (void)tp_databases_sweep(f->databases); /* no time has passed */
  for (size_t i = 0; i < COUNT_OF(asked); i++) assert_int_equal(latch_count(&asked[i].done), 0);
  for (size_t i = 0; i < OPEN_MAX; i++) tp_database_release(f->databases, used[i]);
  for (size_t i = 0; i < COUNT_OF(asked); i++) {
    assert_true(latch_wait(&asked[i].done, 1));
    assert_int_equal(asked[i].base.status, TUPLET_OK);
    tp_database_release(f->databases, asked[i].base.database);
  }
  assert_in_range(files_open(f), 1, OPEN_MAX);
}

static void who_waits_for_room_when_the_server_ends_is_told(void **state) {
  fixture *f = *state;
  tp_database *used[OPEN_MAX];
  static const char *const names[OPEN_MAX] = {"a", "b", "c"};
  for (size_t i = 0; i < OPEN_MAX; i++) used[i] = open_it(f, make(f, names[i]));
  wait_for asked = {.base = {.on_done = on_database}, .done = LATCH_INIT};
  tp_databases_acquire(f->databases, make(f, "d").bytes, &asked.base);
  tp_databases_stop(f->databases);
  assert_int_equal(latch_count(&asked.done), 1);
  assert_int_equal(asked.base.status, TUPLET_CLOSED);
  for (size_t i = 0; i < OPEN_MAX; i++) tp_database_release(f->databases, used[i]);
}

static void who_waits_when_the_server_ends_is_told(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  wait_for asked[20];
  for (size_t i = 0; i < COUNT_OF(asked); i++) {
    asked[i] = (wait_for){.base = {.on_done = on_database}, .done = LATCH_INIT};
    tp_databases_acquire(f->databases, shop.bytes, &asked[i].base);
  }
  tp_databases_stop(f->databases);
  for (size_t i = 0; i < COUNT_OF(asked); i++) {
    assert_int_equal(latch_count(&asked[i].done), 1);
    assert_true(asked[i].base.status == TUPLET_OK || asked[i].base.status == TUPLET_CLOSED);
  }
  for (size_t i = 0; i < COUNT_OF(asked); i++) {
    if (asked[i].base.status == TUPLET_OK) tp_database_release(f->databases, asked[i].base.database);
  }
  database_id id = {{0}};
  assert_int_equal(exchange(f, "shop", true, &id), TUPLET_CLOSED);
  tuplet_status status = use(f, shop);
  assert_true(status == TUPLET_OK || status == TUPLET_CLOSED); /* as it is open, or not */
}

/* ---- Visits ---- */

typedef struct names_seen {
  char names[200];
} names_seen;

static void on_visit(void *context, const char *name, tp_store *store) {
  names_seen *seen = context;
  size_t size = strlen(seen->names);
  assert_non_null(store);
  (void)snprintf(seen->names + size, sizeof seen->names - size, "%s", name);
}

static void those_that_are_open_are_visited_and_not_kept_open_by_it(void **state) {
  fixture *f = *state;
  names_seen seen = {""};
  EXPECT(f, TUPLET_OK, use(f, make(f, "shop")));
  (void)make(f, "blog");
  pass(f, IDLE_TIMEOUT_MS);
  EXPECT(f, TUPLET_OK, tp_databases_visit(f->databases, on_visit, &seen, &f->error));
  assert_string_equal(seen.names, "shop");
  (void)tp_databases_sweep(f->databases);
  wait_for_files_open(f, 0);
}

/* ---- Memory ---- */

static void every_allocation_may_fail(void **state) {
  fixture *f = *state;
  (void)make(f, "shop");
  stop(f);
  for (size_t n = 1;; n++) {
    shared_fault_allocator faults;
    shared_fault_allocator_init(&faults, n, false);
    const tp_databases_config config = config_of(f, &faults.allocator);
    tuplet_status status = tp_databases_new(&config, &f->databases, &f->error);
    if (status == TUPLET_OK) {
      database_id id;
      status = exchange(f, "shop", false, &id);
      if (status == TUPLET_OK) status = use(f, id);
      stop(f);
    }
    assert_int_equal(atomic_load(&faults.live), 0);
    assert_true(status == TUPLET_OK || status == TUPLET_NOMEM);
    if (!atomic_load(&faults.fired)) {
      assert_int_equal(status, TUPLET_OK);
      break;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_database_is_made_only_for_those_who_may),
      TEST(a_name_that_is_none_is_not_found),
      TEST(an_id_is_known_again_after_a_restart),
      TEST(what_tools_make_meanwhile_is_found),
      TEST(an_id_that_is_not_known_is_looked_for_at_most_once_a_second),
      TEST(more_than_are_allowed_are_not_made),
      TEST(a_copied_folder_does_not_stand_in_for_the_original),
      TEST(at_the_start_the_older_of_two_folders_of_one_id_is_the_original),
      TEST(thousands_are_known_and_few_are_open),
      TEST(a_database_is_opened_when_it_is_used_and_then_had_at_once),
      TEST(a_database_that_is_not_used_is_closed),
      TEST(for_one_more_the_one_unused_for_longest_is_closed),
      TEST(when_all_are_in_use_one_more_is_refused),
      TEST(one_that_is_let_go_of_makes_room_for_who_waits),
      TEST(who_waits_for_room_when_the_server_ends_is_told),
      TEST(who_waits_when_the_server_ends_is_told),
      TEST(those_that_are_open_are_visited_and_not_kept_open_by_it),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
