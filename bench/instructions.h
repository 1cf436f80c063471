/* instructions.h: fixed amounts of work, done the same way each time, so that their instructions can be
 * counted and compared with what they were (bench/instructions.py).
 *
 * callgrind counts what all threads do between instructions_begin and instructions_end, but for what runs
 * inside instructions_aside. It finds these functions by their names. */
#ifndef BENCH_INSTRUCTIONS_H
#define BENCH_INSTRUCTIONS_H

#include "bench.h"

#include "tuplet.h"

/* Gives other threads time for what opening and the first operations left them to do: connections of their
 * own, statements. Where they run late all the same, it is one such thing among all operations. */
void instructions_settle(void);

/* Sets all counts to zero. Whatever the workload needs has been done before, and a part of itself: caches are
 * full, statements prepared, threads started. */
void instructions_begin(void);

/* Writes the counts, and tells on standard output what they are of: `operations` of the workload. */
void instructions_end(const char *workload, uint64_t operations);

/* Runs something on this thread without counting it: a client's part, a write that only makes something
 * happen. */
void instructions_aside(void (*run)(void *context), void *context);

/* Ends the program unless the status is TUPLET_OK. */
void instructions_check(tuplet_status status, const tuplet_error *error);

enum {
  INSTRUCTIONS_ROWS = 10000,        /* ["users", 0n] and so on, which are there whenever something is read */
  INSTRUCTIONS_WRITTEN_ROWS = 1000, /* of them, that are written: so few that a warm-up touches all pages */
  INSTRUCTIONS_PARALLEL = 64        /* of what is asked for at the same time */
};

#define INSTRUCTIONS_PREFIX "users"

/* A file with the rows, below `directory`; it is filled once, and then copied. The caller frees its path. */
char *instructions_file_new(const char *directory, const char *name);

/* The workloads, all of a kind after each other; only: one of them alone, or NULL. */
void instructions_codec(const char *only);
void instructions_library(const char *directory, const char *only);
void instructions_server(const char *directory, const char *only);

/* Whether this workload is wanted. */
bool instructions_wants(const char *only, const char *workload);

#endif
