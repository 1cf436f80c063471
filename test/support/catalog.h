/* catalog.h: a catalog of databases to test with, in a folder of its own. */
#ifndef TEST_SUPPORT_CATALOG_H
#define TEST_SUPPORT_CATALOG_H

#include "server/databases/catalog.h"

#include <dirent.h>
#include <unistd.h>

#include "support/database.h"

/* How long something that must come is waited for. */
enum { WAIT_MS = 60000 };

typedef struct fixture {
  char root[128]; /* a folder for what is outside, too */
  char path[160]; /* of the catalog: root/data */
  tp_catalog *catalog;
  tuplet_error error;
} fixture;

static inline int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  *state = f;
  const char *folder = getenv("TMPDIR");
  (void)snprintf(f->root, sizeof f->root, "%s/tuplet-test-XXXXXX", folder == NULL ? "/tmp" : folder);
  if (mkdtemp(f->root) == NULL) return -1;
  (void)snprintf(f->path, sizeof f->path, "%s/data", f->root);
  return tp_catalog_open(NULL, f->path, TP_CATALOG_MAKE, &f->catalog, &f->error) == TUPLET_OK ? 0 : -1;
}

static inline int teardown(void **state) {
  fixture *f = *state;
  tp_catalog_close(f->catalog);
  int result = remove_directory(f->root);
  free(f);
  return result;
}

typedef struct database_id {
  uint8_t bytes[TP_AUTH_DATABASE_ID_SIZE];
} database_id;

static inline database_id create(fixture *f, const char *name) {
  database_id id = {{0}};
  EXPECT(f, TUPLET_OK, tp_catalog_create(f->catalog, name, NULL, id.bytes, &f->error));
  return id;
}

static inline tuplet_status find(fixture *f, const char *name, database_id *ret_id) {
  return tp_catalog_find(f->catalog, name, ret_id->bytes, &f->error);
}

static inline tp_catalog_hold hold_alone(fixture *f, const char *name) {
  tp_catalog_hold hold = {0};
  EXPECT(f, TUPLET_OK, tp_catalog_hold_alone(f->catalog, name, WAIT_MS, &hold, &f->error));
  return hold;
}

/* A path below the catalog; good until the next call. */
static const char *below(const fixture *f, const char *name) {
  static char path[sizeof((database *)NULL)->path];
  (void)snprintf(path, sizeof path, "%s/%.100s", f->path, name);
  return path;
}

static inline void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* How many things the catalog's folder holds. */
static inline size_t count_things(const fixture *f) {
  DIR *folder = opendir(f->path);
  assert_non_null(folder);
  size_t count = 0;
  for (const struct dirent *item; (item = readdir(folder)) != NULL;)
    count += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
  assert_int_equal(closedir(folder), 0);
  return count;
}

typedef struct complaints {
  size_t count;
  tuplet_error last;
} complaints;

static inline void on_damaged(void *context, const tuplet_error *reason) {
  complaints *heard = context;
  heard->count++;
  heard->last = *reason;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
