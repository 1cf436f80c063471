/* collection.h: databases of a data directory to test with, as a server has them; the clock stands still. */
#ifndef TEST_SUPPORT_COLLECTION_H
#define TEST_SUPPORT_COLLECTION_H

#include "server/databases/databases.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/database.h"
#include "support/latch.h"

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

static inline int64_t test_unix_ms(void *context) {
  (void)context;
  const tp_clock clock = tp_clock_system();
  return tp_clock_unix_ms(&clock); /* compared with times of files */
}

static inline int64_t test_monotonic_ns(void *context) {
  fixture *f = context;
  return atomic_load(&f->now_ms) * 1000000;
}

static inline tp_databases_config config_of(fixture *f, const tuplet_allocator *allocator) {
  return (tp_databases_config){.allocator = allocator,
                               .clock = {test_unix_ms, test_monotonic_ns, f},
                               .memory = tp_memory_bounds_default(),
                               .catalog = f->catalog,
                               .read_only = tp_catalog_is_read_only(f->catalog),
                               .known_max = KNOWN_MAX,
                               .open_max = OPEN_MAX,
                               .idle_timeout_ms = IDLE_TIMEOUT_MS};
}

static inline void start(fixture *f) {
  const tp_databases_config config = config_of(f, NULL);
  EXPECT(f, TUPLET_OK, tp_databases_new(&config, &f->databases, &f->error));
}

static inline void stop(fixture *f) {
  tp_databases_stop(f->databases);
  tp_databases_close(f->databases);
  tp_databases_free(f->databases);
  f->databases = NULL;
}

static inline int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  *state = f;
  const char *folder = getenv("TMPDIR");
  if (access("/dev/shm", W_OK) == 0) folder = "/dev/shm"; /* thousands of folders take disks a while */
  (void)snprintf(f->path, sizeof f->path, "%s/tuplet-test-XXXXXX", folder == NULL ? "/tmp" : folder);
  if (mkdtemp(f->path) == NULL) return -1;
  atomic_init(&f->now_ms, 1000000);
  if (tp_catalog_open(NULL, f->path, TP_CATALOG_CHANGE, &f->catalog, &f->error) != TUPLET_OK) return -1;
  start(f);
  return 0;
}

static inline int teardown(void **state) {
  fixture *f = *state;
  if (f->databases != NULL) stop(f);
  tp_catalog_close(f->catalog);
  int result = remove_directory(f->path);
  free(f);
  return result;
}

static inline void pass(fixture *f, int64_t ms) {
  atomic_fetch_add(&f->now_ms, ms);
}

/* ---- Asking, and waiting for the answer ---- */

typedef struct lookup {
  tp_database_lookup base; /* first */
  latch done;
} lookup;

static inline void on_lookup(tp_database_lookup *base) {
  latch_add(&((lookup *)(void *)base)->done);
}

static inline tuplet_status exchange(fixture *f, const char *name, bool may_create, database_id *ret_id) {
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

static inline database_id make(fixture *f, const char *name) {
  database_id id = {{0}};
  EXPECT(f, TUPLET_OK, exchange(f, name, true, &id));
  return id;
}

typedef struct wait_for {
  tp_database_wait base; /* first */
  latch done;
} wait_for;

static inline void on_database(tp_database_wait *base) {
  latch_add(&((wait_for *)(void *)base)->done);
}

static inline tuplet_status acquire(fixture *f, database_id id, tp_database **ret_database) {
  wait_for asked = {.base = {.on_done = on_database}, .done = LATCH_INIT};
  tp_databases_acquire(f->databases, id.bytes, &asked.base);
  assert_true(latch_wait(&asked.done, 1));
  if (asked.base.status < 0) f->error = asked.base.error;
  *ret_database = asked.base.database;
  return asked.base.status;
}

static inline tp_database *open_it(fixture *f, database_id id) {
  tp_database *opened = NULL;
  EXPECT(f, TUPLET_OK, acquire(f, id, &opened));
  assert_non_null(tp_database_store(opened));
  return opened;
}

/* Uses a database for a moment; what came of it. */
static inline tuplet_status use(fixture *f, database_id id) {
  tp_database *opened;
  tuplet_status status = acquire(f, id, &opened);
  if (status == TUPLET_OK) tp_database_release(f->databases, opened);
  return status;
}

static inline size_t files_open(fixture *f) {
  return tp_databases_count_now(f->databases).files_open;
}

static inline size_t known(fixture *f) {
  return tp_databases_count_now(f->databases).known;
}

/* What closes files does so on another thread. */
static inline void wait_for_files_open(fixture *f, size_t count) {
  for (int i = 0; i < 60000 && files_open(f) != count; i++) (void)usleep(1000);
  assert_int_equal(files_open(f), count);
}

/* A path below the data directory; good until the next call. */
static const char *below(const fixture *f, const char *name) {
  static char path[256];
  (void)snprintf(path, sizeof path, "%s/%.100s", f->path, name);
  return path;
}

static inline void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* A database as a tool would make it, but faster: an empty file becomes one when it is opened. */
static inline void plant(const fixture *f, const char *name, unsigned number) {
  char path[128];
  char id[64];
  (void)snprintf(id, sizeof id, "%08x-8b14-46b4-9858-5f5481c8%04x\n", number, number & 0xffff);
  assert_int_equal(mkdir(below(f, name), 0700), 0);
  (void)snprintf(path, sizeof path, "%s/id", name);
  write_text(below(f, path), id);
  (void)snprintf(path, sizeof path, "%s/kv.sqlite3", name);
  write_text(below(f, path), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
