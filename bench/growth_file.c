/* growth_file.c: files of the same rows, few or many. */
#include "growth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILLED "filled" /* the key of a row that is set once all the others are there */

enum {
  ROWS_PER_ATOMIC = 1000,
  ATOMICS_IN_FLIGHT = 8 /* so that making the next ones and committing go on at the same time */
};

/* ---- Rows ---- */

void growth_check(tuplet_status status, const tuplet_error *error) {
  if (status < 0) bench_fail("tuplet: %s", error->message);
  if (status > 0) bench_fail("tuplet: %s", tuplet_status_text(status));
}

static tuplet_db *open_with(const char *path, const tuplet_open_options *options) {
  tuplet_db *db;
  tuplet_error error;
  growth_check(tuplet_open(path, options, &db, &error), &error);
  return db;
}

tuplet_db *growth_open(const char *path) {
  return open_with(path, NULL);
}

void growth_get(tuplet_db *db, uint32_t row, void *ret_begin, size_t size) {
  tuplet_entry *entry;
  tuplet_error error;
  growth_check(tuplet_get(db, GROWTH_KEY(row), TUPLET_CONSISTENCY_STRONG, &entry, &error), &error);
  if (entry->value.data.size != BENCH_VALUE_SIZE) bench_fail("tuplet gave a value of another size");
  memcpy(ret_begin, entry->value.data.data, size);
  tuplet_entry_free(entry);
}

void growth_set(tuplet_db *db, uint32_t row, const void *begin, size_t size) {
  uint8_t value[BENCH_VALUE_SIZE] = {0};
  memcpy(value, begin, size);
  tuplet_error error;
  growth_check(
      tuplet_set(db, GROWTH_KEY(row), tuplet_value_bytes(value, sizeof value), TUPLET_NEVER, NULL, &error),
      &error);
}

/* ---- Filling ---- */

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  (void)commit;
  growth_check(status, error);
  if (sem_post(context) != 0) bench_fail("a semaphore overflowed");
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) bench_fail("waiting failed: %s", strerror(errno));
  }
}

/* order: NULL for that of the keys. Bytes of values differ from row to row. */
static void submit_rows(tuplet_db *db, const uint32_t *order, uint32_t first, uint32_t end, sem_t *room) {
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) bench_fail("out of memory");
  for (uint32_t i = first; i < end; i++) {
    uint32_t row = order == NULL ? i : order[i];
    uint64_t value[(BENCH_VALUE_SIZE + 7) / 8];
    uint64_t seed = row;
    for (size_t j = 0; j < sizeof value / sizeof *value; j++) value[j] = bench_random(&seed, UINT32_MAX);
    /* What goes wrong is told by the commit. */
    (void)tuplet_atomic_set(atomic, GROWTH_KEY(row), tuplet_value_bytes(value, BENCH_VALUE_SIZE),
                            TUPLET_NEVER, NULL);
  }
  tuplet_error error;
  growth_check(tuplet_atomic_commit_async(atomic, on_commit, room, &error), &error);
}

/* The numbers below `count`, shuffled; the caller frees them. */
static uint32_t *shuffled(uint32_t count) {
  uint32_t *numbers = calloc(count, sizeof *numbers);
  if (numbers == NULL) bench_fail("out of memory");
  uint64_t random = 1;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t other = bench_random(&random, i + 1);
    numbers[i] = numbers[other];
    numbers[other] = i;
  }
  return numbers;
}

static void remove_files(const growth_file *file) {
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char name[4096];
    (void)snprintf(name, sizeof name, "%s%s", file->path, suffixes[i]);
    if (unlink(name) != 0 && errno != ENOENT) bench_fail("removing %s failed: %s", name, strerror(errno));
  }
}

bench_slice growth_file_fill(const growth_file *file, bool in_random_order) {
  remove_files(file);
  uint32_t *order = in_random_order ? shuffled(file->keys) : NULL;
  int64_t start_ns = bench_now_ns();
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.durability = TUPLET_DURABILITY_RELAXED;
  tuplet_db *db = open_with(file->path, &options);
  sem_t room;
  if (sem_init(&room, 0, ATOMICS_IN_FLIGHT) != 0)
    bench_fail("making a semaphore failed: %s", strerror(errno));
  for (uint32_t first = 0; first < file->keys; first += ROWS_PER_ATOMIC) {
    uint32_t end = file->keys - first < ROWS_PER_ATOMIC ? file->keys : first + ROWS_PER_ATOMIC;
    wait_for(&room);
    submit_rows(db, order, first, end, &room);
  }
  for (int i = 0; i < ATOMICS_IN_FLIGHT; i++) wait_for(&room);
  (void)sem_destroy(&room);
  tuplet_error error;
  growth_check(tuplet_set(db, TUPLET_KEY(FILLED), tuplet_value_u64(file->keys), TUPLET_NEVER, NULL, &error),
               &error);
  tuplet_close(db); /* and with it, the log is moved into the file */
  growth_file_settle(file);
  free(order);
  return (bench_slice){.operations = file->keys, .duration_ns = bench_now_ns() - start_ns};
}

bool growth_file_is_filled(const growth_file *file) {
  if (access(file->path, F_OK) != 0) return false;
  tuplet_db *db = growth_open(file->path);
  tuplet_entry *entry;
  tuplet_error error;
  tuplet_status status = tuplet_get(db, TUPLET_KEY(FILLED), TUPLET_CONSISTENCY_STRONG, &entry, &error);
  uint64_t keys = 0;
  if (status == TUPLET_OK) {
    keys = entry->value.u64;
    tuplet_entry_free(entry);
  } else if (status != TUPLET_NOT_FOUND) {
    growth_check(status, &error);
  }
  tuplet_close(db);
  return keys == file->keys;
}

/* ---- The file ---- */

void growth_file_init(growth_file *file, const char *directory, const char *name, uint32_t keys) {
  *file = (growth_file){.keys = keys};
  if (asprintf(&file->path, "%s/%s.sqlite3", directory, name) < 0) bench_fail("out of memory");
}

void growth_file_done(growth_file *file) {
  free(file->path);
}

void growth_file_warm(const growth_file *file) {
  static char buffer[1 << 20];
  int input = open(file->path, O_RDONLY | O_CLOEXEC);
  ssize_t size = input < 0 ? -1 : 1;
  while (size > 0) size = read(input, buffer, sizeof buffer);
  if (size < 0) bench_fail("%s: %s", file->path, strerror(errno));
  (void)close(input);
}

void growth_file_settle(const growth_file *file) {
  int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || syncfs(descriptor) != 0) bench_fail("%s: %s", file->path, strerror(errno));
  (void)close(descriptor);
}

int64_t growth_file_size(const growth_file *file) {
  struct stat status;
  if (stat(file->path, &status) != 0) bench_fail("%s: %s", file->path, strerror(errno));
  return status.st_size;
}

int64_t growth_file_log_size(const growth_file *file) {
  char name[4096];
  struct stat status;
  (void)snprintf(name, sizeof name, "%s-wal", file->path);
  if (stat(name, &status) == 0) return status.st_size;
  if (errno != ENOENT) bench_fail("%s: %s", name, strerror(errno));
  return 0;
}
