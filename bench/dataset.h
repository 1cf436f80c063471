/* dataset.h: the files that are measured, two of each kind with the same bytes: one for either side. */
#ifndef BENCH_DATASET_H
#define BENCH_DATASET_H

#include "bench.h"

#include "tuplet.h"

/* The parts of the keys, and the whole keys as the file has them, so that bare SQLite need not make them. */
#define DATASET_HOT_PREFIX  "users"
#define DATASET_LIST_PREFIX "events"
#define DATASET_COUNTER     "counter"

typedef enum dataset_kind { DATASET_HOT, DATASET_LIST } dataset_kind;

typedef enum dataset_side { DATASET_TUPLET, DATASET_SQLITE } dataset_side;

typedef struct dataset {
  char *directory;                       /* made for this run */
  tuplet_owned hot_keys[BENCH_HOT_KEYS]; /* ["users", n] */
  tuplet_owned counter_key;              /* ["counter"] */
  tuplet_owned list_prefix;              /* ["events"] */
} dataset;

/* Makes a directory below `parent`, which goes away with the program, and the encoded keys. */
dataset *dataset_new(const char *parent);
void dataset_free(dataset *data);

/* Makes the file of this kind anew, through the library, and a copy of it. */
void dataset_fill(dataset *data, dataset_kind kind);

/* Waits until the disk has what was written so far, so that one side does not wait for the other's. */
void dataset_settle(const dataset *data);

/* Where a side's file is; the caller frees the path. */
char *dataset_path(const dataset *data, dataset_kind kind, dataset_side side);

#endif
