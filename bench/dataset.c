/* dataset.c: the files that are measured. */
#include "dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS_PER_COMMIT = 500 };

static tuplet_owned encode(tuplet_key key) {
  tuplet_owned encoded;
  tuplet_error error;
  if (tuplet_key_encode(key, NULL, &encoded, &error) != TUPLET_OK) bench_fail("%s", error.message);
  return encoded;
}

dataset *dataset_new(const char *parent) {
  dataset *data = calloc(1, sizeof *data);
  if (data == NULL) bench_fail("out of memory");
  data->directory = bench_directory_new(parent);
  for (uint32_t i = 0; i < BENCH_HOT_KEYS; i++) data->hot_keys[i] = encode(TUPLET_KEY(DATASET_HOT_PREFIX, i));
  data->counter_key = encode(TUPLET_KEY(DATASET_COUNTER));
  data->list_prefix = encode(TUPLET_KEY(DATASET_LIST_PREFIX));
  return data;
}

void dataset_free(dataset *data) {
  if (data == NULL) return;
  for (size_t i = 0; i < BENCH_HOT_KEYS; i++) tuplet_owned_free(&data->hot_keys[i]);
  tuplet_owned_free(&data->counter_key);
  tuplet_owned_free(&data->list_prefix);
  free(data->directory);
  free(data);
}

char *dataset_path(const dataset *data, dataset_kind kind, dataset_side side) {
  static const char *const kinds[] = {[DATASET_HOT] = "hot", [DATASET_LIST] = "list"};
  static const char *const sides[] = {[DATASET_TUPLET] = "tuplet", [DATASET_SQLITE] = "sqlite"};
  char *path;
  if (asprintf(&path, "%s/%s-%s.sqlite3", data->directory, kinds[kind], sides[side]) < 0) {
    bench_fail("out of memory");
  }
  return path;
}

static void remove_database(const char *path) {
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char name[4096];
    (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
    if (unlink(name) != 0 && errno != ENOENT) bench_fail("removing %s failed: %s", name, strerror(errno));
  }
}

static void copy_file(const char *from, const char *to) {
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  struct stat status;
  if (in < 0 || out < 0 || fstat(in, &status) != 0)
    bench_fail("copying %s failed: %s", from, strerror(errno));
  for (off_t left = status.st_size; left > 0;) {
    ssize_t sent = sendfile(out, in, NULL, (size_t)left);
    if (sent <= 0) bench_fail("copying %s failed: %s", from, strerror(errno));
    left -= sent;
  }
  if (fsync(out) != 0) bench_fail("copying %s failed: %s", from, strerror(errno));
  (void)close(in);
  (void)close(out);
}

/* Adds rows `first` to `end`, in one commit; bytes of values differ from row to row. */
static void add_rows(tuplet_db *db, const char *prefix, uint32_t first, uint32_t end) {
  tuplet_error error;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) bench_fail("out of memory");
  for (uint32_t row = first; row < end; row++) {
    uint8_t value[BENCH_VALUE_SIZE];
    uint64_t seed = row;
    for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)bench_random(&seed, 256);
    /* What goes wrong is told by the commit. */
    (void)tuplet_atomic_set(atomic, TUPLET_KEY(prefix, row), tuplet_value_bytes(value, sizeof value),
                            TUPLET_NEVER, NULL);
  }
  if (tuplet_atomic_commit(atomic, NULL, &error) != TUPLET_OK) bench_fail("%s", error.message);
  tuplet_atomic_free(atomic);
}

void dataset_settle(const dataset *data) {
  int directory = open(data->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || syncfs(directory) != 0) bench_fail("%s: %s", data->directory, strerror(errno));
  (void)close(directory);
}

void dataset_fill(dataset *data, dataset_kind kind) {
  char *path = dataset_path(data, kind, DATASET_TUPLET);
  char *copy_path = dataset_path(data, kind, DATASET_SQLITE);
  remove_database(path);
  remove_database(copy_path);

  tuplet_error error;
  tuplet_db *db;
  if (tuplet_open(path, NULL, &db, &error) != TUPLET_OK) bench_fail("%s", error.message);
  const char *prefix = kind == DATASET_LIST ? DATASET_LIST_PREFIX : DATASET_HOT_PREFIX;
  uint32_t rows = kind == DATASET_LIST ? BENCH_LIST_ROWS : BENCH_HOT_KEYS;
  for (uint32_t first = 0; first < rows; first += ROWS_PER_COMMIT) {
    add_rows(db, prefix, first, rows - first < ROWS_PER_COMMIT ? rows : first + ROWS_PER_COMMIT);
  }
  if (tuplet_set(db, TUPLET_KEY(DATASET_COUNTER), tuplet_value_u64(0), TUPLET_NEVER, NULL, &error) !=
      TUPLET_OK) {
    bench_fail("%s", error.message);
  }
  tuplet_close(db); /* and with it, the log is moved into the file */
  copy_file(path, copy_path);
  free(path);
  free(copy_path);
}
