/* growth_file.h: files of the same rows, few or many: keys ["users", n], values of BENCH_VALUE_SIZE bytes.
 * Errors end the program. */
#ifndef BENCH_GROWTH_FILE_H
#define BENCH_GROWTH_FILE_H

#include "bench.h"

#include "tuplet.h"

#include <stdbool.h>

#define GROWTH_KEY(row) TUPLET_KEY("users", row)

typedef struct growth_file {
  char *path;
  uint32_t keys; /* n is below it */
} growth_file;

/* The name is that of a file in `directory`. */
void growth_file_init(growth_file *file, const char *directory, const char *name, uint32_t keys);
void growth_file_done(growth_file *file);

/* Makes the file anew, in key order or in random order, 1000 rows in each atomic operation, with
 * TUPLET_DURABILITY_RELAXED; afterwards it is on the disk. What is told includes that. */
bench_slice growth_file_fill(const growth_file *file, bool in_random_order);

/* Whether an earlier run filled it to the end. */
bool growth_file_is_filled(const growth_file *file);

/* Reads it from beginning to end, so that the system has it in memory if there is room. */
void growth_file_warm(const growth_file *file);

/* Waits until the disk has what was written so far. */
void growth_file_settle(const growth_file *file);

int64_t growth_file_size(const growth_file *file);
int64_t growth_file_log_size(const growth_file *file); /* 0: there is none */

tuplet_db *growth_open(const char *path);                           /* or a URL */
void growth_check(tuplet_status status, const tuplet_error *error); /* that it is TUPLET_OK */

/* Gets a row that must be there and copies the value's first bytes. */
void growth_get(tuplet_db *db, uint32_t row, void *ret_begin, size_t size);

/* Sets a row to a value with these first bytes, durably. */
void growth_set(tuplet_db *db, uint32_t row, const void *begin, size_t size);

#endif
