/* collection_test.c: databases of a data directory are opened when they are wanted and closed when they are
 * not. */
#include "server/databases.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/database.h"
#include "../../support/latch.h"
#include "../../support/shared_fault_allocator.h"

enum { OPEN_MAX = 3, KNOWN_MAX = 4000, IDLE_TIMEOUT_MS = 60000, WAIT_MS = 60000 };

typedef struct database_id {
  uint8_t bytes[TP_AUTH_DATABASE_ID_SIZE];
} database_id;

typedef struct fixture {
  char path[128];
  atomic_int_fast64_t now_ms;
  tp_catalog *catalog;
  tp_databases *databases;
  tuplet_error error;
} fixture;

static int64_t test_unix_ms(void *context) {
  (void)context;
  const tp_clock clock = tp_clock_system();
  return tp_clock_unix_ms(&clock); /* compared with times of files */
}

static int64_t test_monotonic_ns(void *context) {
  fixture *f = context;
  return atomic_load(&f->now_ms) * 1000000;
}

static tp_databases_config config_of(fixture *f, const tuplet_allocator *allocator) {
  return (tp_databases_config){.allocator = allocator,
                               .clock = {test_unix_ms, test_monotonic_ns, f},
                               .memory = tp_memory_bounds_default(),
                               .catalog = f->catalog,
                               .read_only = tp_catalog_is_read_only(f->catalog),
                               .known_max = KNOWN_MAX,
                               .open_max = OPEN_MAX,
                               .idle_timeout_ms = IDLE_TIMEOUT_MS};
}

static void start(fixture *f) {
  const tp_databases_config config = config_of(f, NULL);
  EXPECT(f, TUPLET_OK, tp_databases_new(&config, &f->databases, &f->error));
}

static void stop(fixture *f) {
  tp_databases_stop(f->databases);
  tp_databases_close(f->databases);
  tp_databases_free(f->databases);
  f->databases = NULL;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  const char *folder = getenv("TMPDIR");
  if (access("/dev/shm", W_OK) == 0) folder = "/dev/shm"; /* thousands of folders take disks a while */
  (void)snprintf(f->path, sizeof f->path, "%s/tuplet-test-XXXXXX", folder == NULL ? "/tmp" : folder);
  if (mkdtemp(f->path) == NULL) return -1;
  atomic_init(&f->now_ms, 1000000);
  *state = f;
  if (tp_catalog_open(NULL, f->path, TP_CATALOG_CHANGE, &f->catalog, &f->error) != TUPLET_OK) return -1;
  start(f);
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  if (f->databases != NULL) stop(f);
  tp_catalog_close(f->catalog);
  int result = remove_directory(f->path);
  free(f);
  return result;
}

static void pass(fixture *f, int64_t ms) {
  atomic_fetch_add(&f->now_ms, ms);
}

/* ---- Asking, and waiting for the answer ---- */

typedef struct lookup {
  tp_database_lookup base; /* first */
  latch done;
} lookup;

static void on_lookup(tp_database_lookup *base) {
  latch_add(&((lookup *)(void *)base)->done);
}

static tuplet_status exchange(fixture *f, const char *name, bool may_create, database_id *ret_id) {
  lookup asked = {.base = {.on_done = on_lookup}, .done = LATCH_INIT};
  tp_databases_exchange(f->databases, tuplet_view(name, strlen(name)), 0, may_create, &asked.base);
  assert_true(latch_wait(&asked.done, 1));
  if (asked.base.status < 0) f->error = asked.base.error;
  if (asked.base.status == TUPLET_OK) {
    assert_true(asked.base.lasting);
    memcpy(ret_id->bytes, asked.base.id, sizeof ret_id->bytes);
  }
  return asked.base.status;
}

static database_id make(fixture *f, const char *name) {
  database_id id = {{0}};
  EXPECT(f, TUPLET_OK, exchange(f, name, true, &id));
  return id;
}

typedef struct wait_for {
  tp_database_wait base; /* first */
  latch done;
} wait_for;

static void on_database(tp_database_wait *base) {
  latch_add(&((wait_for *)(void *)base)->done);
}

static tuplet_status acquire(fixture *f, database_id id, tp_database **ret_database) {
  wait_for asked = {.base = {.on_done = on_database}, .done = LATCH_INIT};
  tp_databases_acquire(f->databases, id.bytes, &asked.base);
  assert_true(latch_wait(&asked.done, 1));
  if (asked.base.status < 0) f->error = asked.base.error;
  *ret_database = asked.base.database;
  return asked.base.status;
}

static tp_database *open_it(fixture *f, database_id id) {
  tp_database *opened = NULL;
  EXPECT(f, TUPLET_OK, acquire(f, id, &opened));
  assert_non_null(tp_database_store(opened));
  return opened;
}

/* Uses a database for a moment; what came of it. */
static tuplet_status use(fixture *f, database_id id) {
  tp_database *opened;
  tuplet_status status = acquire(f, id, &opened);
  if (status == TUPLET_OK) tp_database_release(f->databases, opened);
  return status;
}

static size_t files_open(fixture *f) {
  return tp_databases_count_now(f->databases).files_open;
}

static size_t known(fixture *f) {
  return tp_databases_count_now(f->databases).known;
}

/* What closes files does so on another thread. */
static void wait_for_files_open(fixture *f, size_t count) {
  for (int i = 0; i < 60000 && files_open(f) != count; i++) (void)usleep(1000);
  assert_int_equal(files_open(f), count);
}

/* A path below the data directory; good until the next call. */
static const char *below(const fixture *f, const char *name) {
  static char path[256];
  (void)snprintf(path, sizeof path, "%s/%.100s", f->path, name);
  return path;
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* A database as a tool would make it, but faster: an empty file becomes one when it is opened. */
static void plant(const fixture *f, const char *name, unsigned number) {
  char path[128];
  char id[64];
  (void)snprintf(id, sizeof id, "%08x-8b14-46b4-9858-5f5481c8%04x\n", number, number & 0xffff);
  assert_int_equal(mkdir(below(f, name), 0700), 0);
  (void)snprintf(path, sizeof path, "%s/id", name);
  write_text(below(f, path), id);
  (void)snprintf(path, sizeof path, "%s/kv.sqlite3", name);
  write_text(below(f, path), "");
}

/* ---- Names and ids ---- */

static void a_database_is_made_only_for_those_who_may(void **state) {
  fixture *f = *state;
  database_id id;
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
  database_id id;
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
  database_id id;
  database_id shop;
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, "shop", NULL, shop.bytes, &f->error));
  EXPECT(f, TUPLET_OK, exchange(f, "shop", false, &id));
  assert_memory_equal(&id, &shop, sizeof id);
}

static void an_id_that_is_not_known_is_looked_for_at_most_once_a_second(void **state) {
  fixture *f = *state;
  database_id first;
  database_id second;
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
  database_id id;
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
  database_id id;
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
  database_id id;
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
    database_id id;
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

  pass(f, 10 * IDLE_TIMEOUT_MS);
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
  database_id id;
  assert_int_equal(exchange(f, "shop", true, &id), TUPLET_CLOSED);
  tuplet_status status = use(f, shop);
  assert_true(status == TUPLET_OK || status == TUPLET_CLOSED); /* as it is open, or not */
}

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
  database_id id;
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
  database_id id;
  assert_int_equal(exchange(f, "blog", true, &id), TUPLET_NOT_FOUND);
  EXPECT(f, TUPLET_OK, use(f, shop));
}

/* ---- Visits ---- */

static void on_visit(void *context, const char *name, tp_store *store) {
  char *seen = context;
  assert_non_null(store);
  strcat(seen, name);
}

static void those_that_are_open_are_visited_and_not_kept_open_by_it(void **state) {
  fixture *f = *state;
  char seen[200] = "";
  EXPECT(f, TUPLET_OK, use(f, make(f, "shop")));
  (void)make(f, "blog");
  pass(f, IDLE_TIMEOUT_MS);
  EXPECT(f, TUPLET_OK, tp_databases_visit(f->databases, on_visit, seen, &f->error));
  assert_string_equal(seen, "shop");
  (void)tp_databases_sweep(f->databases);
  wait_for_files_open(f, 0);
}

/* ---- Several at once ---- */

enum { USERS = 6, DATABASES = 2 * OPEN_MAX, TURNS = 60 };

typedef struct user {
  fixture *f;
  const database_id *ids;
  unsigned number;
  size_t served;
  size_t busy;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
      TEST(a_renamed_database_is_found_by_its_id_and_its_new_name),
      TEST(a_deleted_database_is_not_found_and_the_next_of_its_name_is_another),
      TEST(an_open_database_is_let_go_of_for_who_wants_it),
      TEST(a_database_is_kept_when_who_wanted_it_gives_up),
      TEST(a_database_whose_folder_is_moved_by_hand_is_let_go_of),
      TEST(a_damaged_database_does_not_keep_others_from_being_served),
      TEST(for_reading_nothing_is_made),
      TEST(those_that_are_open_are_visited_and_not_kept_open_by_it),
      TEST(users_of_more_databases_than_may_be_open_are_served_in_turn),
      TEST(those_who_make_one_at_once_get_the_same),
      TEST(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
