/* collection_change_test.c: databases of a data directory are renamed, deleted and damaged while they are
 * used, and used by many at once. */
#include "support/collection.h"

#include <fcntl.h>
#include <pthread.h>

/* ---- Renamed, deleted, damaged ---- */

static void a_renamed_database_is_found_by_its_id_and_its_new_name(void **state) {
  fixture *f = *state;
  database_id old = make(f, "old");
  tp_catalog_hold hold;
  EXPECT(f, TUPLET_OK, tp_catalog_hold_alone(f->catalog, "old", WAIT_MS, &hold, &f->error));
  EXPECT(f, TUPLET_OK, tp_catalog_rename(&hold, "new", &f->error));
  tp_database *opened = open_it(f, old);
  assert_string_equal(tp_database_name(f->databases, opened), "new");
  tp_database_release(f->databases, opened);
  database_id id = {{0}};
  assert_int_equal(exchange(f, "old", false, &id), TUPLET_NOT_FOUND);
  EXPECT(f, TUPLET_OK, exchange(f, "new", false, &id));
  assert_memory_equal(&id, &old, sizeof id);
  assert_int_equal(known(f), 1);
}

static void a_deleted_database_is_not_found_and_the_next_of_its_name_is_another(void **state) {
  fixture *f = *state;
  database_id before = make(f, "shop");
  tp_catalog_hold hold;
  EXPECT(f, TUPLET_OK, tp_catalog_hold_alone(f->catalog, "shop", WAIT_MS, &hold, &f->error));
  EXPECT(f, TUPLET_OK, tp_catalog_delete(&hold, &f->error));
  assert_int_equal(use(f, before), TUPLET_NOT_FOUND);
  assert_int_equal(known(f), 0);
  database_id after = make(f, "shop");
  assert_memory_not_equal(&before, &after, sizeof after);
  EXPECT(f, TUPLET_OK, use(f, after));
  assert_int_equal(use(f, before), TUPLET_NOT_FOUND);
}

typedef struct claimant {
  fixture *f;
  const char *new_name; /* NULL: delete it */
  tuplet_status status;
  tuplet_error error;
  latch done;
} claimant;

static void *run_claimant(void *context) {
  claimant *c = context;
  tp_catalog_hold hold;
  c->status = tp_catalog_hold_alone(c->f->catalog, "shop", WAIT_MS, &hold, &c->error);
  if (c->status == TUPLET_OK)
    c->status = c->new_name == NULL ? tp_catalog_delete(&hold, &c->error)
                                    : tp_catalog_rename(&hold, c->new_name, &c->error);
  latch_add(&c->done);
  return NULL;
}

/* Sweeps until the database is noticed to be wanted. */
static void wait_until_leaving(fixture *f, const tp_database *opened) {
  for (int i = 0; i < 60000 && !tp_database_is_leaving(opened); i++) {
    (void)usleep(1000);
    (void)tp_databases_sweep(f->databases);
  }
  assert_true(tp_database_is_leaving(opened));
}

static void an_open_database_is_let_go_of_for_who_wants_it(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  tp_database *used = open_it(f, shop);
  pthread_t thread;
  claimant c = {.f = f, .new_name = "store", .done = LATCH_INIT};
  assert_int_equal(pthread_create(&thread, NULL, run_claimant, &c), 0);
  wait_until_leaving(f, used);
  assert_true(tp_databases_sweep(f->databases)); /* still in use: its watches are to be ended */
  assert_null(tp_databases_acquire_open(f->databases, shop.bytes));
  EXPECT(f, TUPLET_BUSY, use(f, shop));
  assert_int_equal(latch_count(&c.done), 0);
  tp_database_release(f->databases, used);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(c.status, TUPLET_OK);
  assert_false(tp_databases_sweep(f->databases));
  tp_database *again = open_it(f, shop);
  assert_string_equal(tp_database_name(f->databases, again), "store");
  tp_database_release(f->databases, again);
}

static void a_database_is_kept_when_who_wanted_it_gives_up(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  tp_database *used = open_it(f, shop);
  tp_catalog_hold hold;
  EXPECT(f, TUPLET_BUSY, tp_catalog_hold_alone(f->catalog, "shop", 0, &hold, &f->error));
  assert_false(tp_databases_sweep(f->databases));
  assert_false(tp_database_is_leaving(used));
  EXPECT(f, TUPLET_OK, use(f, shop));
  tp_database_release(f->databases, used);
}

static void a_database_whose_folder_is_moved_by_hand_is_let_go_of(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  tp_database *used = open_it(f, shop);
  char elsewhere[256];
  (void)snprintf(elsewhere, sizeof elsewhere, "%s", below(f, "moved"));
  assert_int_equal(rename(below(f, "shop"), elsewhere), 0);
  assert_true(tp_databases_sweep(f->databases));
  tp_database_release(f->databases, used);
  wait_for_files_open(f, 0);
  tp_database *again = open_it(f, shop);
  assert_string_equal(tp_database_name(f->databases, again), "moved");
  tp_database_release(f->databases, again);
}

static void a_damaged_database_does_not_keep_others_from_being_served(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  database_id blog = make(f, "blog");
  write_text(below(f, "shop/kv.sqlite3"),
             "this is no database, and long enough to be looked at as one, if it "
             "were one at all; it goes on, since what is short is taken for empty");
  EXPECT(f, TUPLET_FORMAT, use(f, shop));
  assert_non_null(strstr(f->error.message, below(f, "shop/kv.sqlite3")));
  assert_int_equal(unlink(below(f, "shop/kv.sqlite3")), 0);
  EXPECT(f, TUPLET_FORMAT, use(f, shop)); /* which does not make a new one */
  assert_int_equal(access(below(f, "shop/kv.sqlite3"), F_OK), -1);
  EXPECT(f, TUPLET_OK, use(f, blog));
  assert_int_equal(files_open(f), 1);
}

static void for_reading_nothing_is_made(void **state) {
  fixture *f = *state;
  database_id shop = make(f, "shop");
  EXPECT(f, TUPLET_OK, use(f, shop));
  stop(f);
  tp_catalog_close(f->catalog);
  EXPECT(f, TUPLET_OK, tp_catalog_open(NULL, f->path, TP_CATALOG_READ, &f->catalog, &f->error));
  start(f);
  database_id id = {{0}};
  assert_int_equal(exchange(f, "blog", true, &id), TUPLET_NOT_FOUND);
  EXPECT(f, TUPLET_OK, use(f, shop));
}

/* ---- Several at once ---- */

enum { USERS = 6, DATABASES = 2 * OPEN_MAX, TURNS = 60 };

typedef struct user {
  fixture *f;
  const database_id *ids;
  size_t served;
  size_t busy;
  unsigned number;
  tuplet_status status; /* what must not have come */
} user;

static void *run_user(void *context) {
  user *u = context;
  for (unsigned i = 0; i < TURNS && u->status == TUPLET_OK; i++) {
    wait_for asked = {.base = {.on_done = on_database}, .done = LATCH_INIT};
    const database_id *id = &u->ids[(i + u->number) % DATABASES];
    asked.base.database = tp_databases_acquire_open(u->f->databases, id->bytes);
    asked.base.status = TUPLET_OK;
    if (asked.base.database == NULL) {
      tp_databases_acquire(u->f->databases, id->bytes, &asked.base);
      if (!latch_wait(&asked.done, 1)) asked.base.status = TUPLET_TIMEOUT;
    }
    if (asked.base.status == TUPLET_OK) {
      if (tp_database_store(asked.base.database) == NULL) u->status = TUPLET_MISUSE;
      tp_database_release(u->f->databases, asked.base.database);
      u->served++;
    } else if (asked.base.status == TUPLET_BUSY) {
      u->busy++;
    } else {
      u->status = asked.base.status;
    }
  }
  return NULL;
}

static void users_of_more_databases_than_may_be_open_are_served_in_turn(void **state) {
  fixture *f = *state;
  database_id ids[DATABASES];
  pthread_t threads[USERS];
  user users[USERS];
  for (unsigned i = 0; i < DATABASES; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "db%u", i);
    plant(f, name, i);
    EXPECT(f, TUPLET_OK, exchange(f, name, false, &ids[i]));
  }
  for (unsigned i = 0; i < USERS; i++) {
    users[i] = (user){.f = f, .ids = ids, .number = i};
    assert_int_equal(pthread_create(&threads[i], NULL, run_user, &users[i]), 0);
  }
  for (int i = 0; i < 50; i++) {
    (void)usleep(1000);
    pass(f, IDLE_TIMEOUT_MS / 10);
    (void)tp_databases_sweep(f->databases);
    assert_in_range(files_open(f), 0, OPEN_MAX);
  }
  size_t served = 0;
  for (unsigned i = 0; i < USERS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(users[i].status, TUPLET_OK);
    served += users[i].served;
  }
  assert_in_range(served, USERS * TURNS / 2, USERS * TURNS);
}

static void those_who_make_one_at_once_get_the_same(void **state) {
  fixture *f = *state;
  enum { COUNT = 20 };
  lookup asked[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    asked[i] = (lookup){.base = {.on_done = on_lookup}, .done = LATCH_INIT};
    tp_databases_exchange(f->databases, tuplet_view("shop", 4), 0, true, &asked[i].base);
  }
  for (size_t i = 0; i < COUNT; i++) {
    assert_true(latch_wait(&asked[i].done, 1));
    assert_int_equal(asked[i].base.status, TUPLET_OK);
    assert_memory_equal(asked[i].base.id, asked[0].base.id, sizeof asked[0].base.id);
  }
  assert_int_equal(known(f), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_renamed_database_is_found_by_its_id_and_its_new_name),
      TEST(a_deleted_database_is_not_found_and_the_next_of_its_name_is_another),
      TEST(an_open_database_is_let_go_of_for_who_wants_it),
      TEST(a_database_is_kept_when_who_wanted_it_gives_up),
      TEST(a_database_whose_folder_is_moved_by_hand_is_let_go_of),
      TEST(a_damaged_database_does_not_keep_others_from_being_served),
      TEST(for_reading_nothing_is_made),
      TEST(users_of_more_databases_than_may_be_open_are_served_in_turn),
      TEST(those_who_make_one_at_once_get_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
