/* growth_crash.h: what a process that is killed while it writes leaves, and how soon the next one answers.
 * Errors end the program, and so does an acknowledged write that is not there. */
#ifndef BENCH_GROWTH_CRASH_H
#define BENCH_GROWTH_CRASH_H

#include "growth_file.h"
#include "server.h"

/* What one round came to. */
typedef struct growth_crash {
  uint64_t acknowledged; /* writes, before it was killed; all are there */
  int64_t log_size;      /* that it left, bytes */
  int64_t open_ns;       /* in a new process: tuplet_open and the first tuplet_get */
  int64_t process_ns;    /* the same with the process: from before it is started until it tells */
  int64_t server_ns;     /* from before `tuplet serve` is started until tuplet_get has its answer; 0: none */
} growth_crash;

/* A process sets random rows from BENCH_THREADS threads and tells of each set that was acknowledged; after
 * load_ms, which is more than a second, and when its log has at least log_size_min bytes, it is killed. With
 * a log_size_min above 0 the process also reads from a snapshot that it never leaves, as a program may that
 * uses the file besides, so that its log cannot be started over.
 *
 * Then a process opens the file and gets a row, and is killed likewise, so that it leaves all as it was; then
 * a server does, if there is one (prepared; or NULL). */
growth_crash growth_crash_round(const growth_file *file, int64_t load_ms, int64_t log_size_min,
                                bench_server *server, const char *program);

/* What these processes do: this program runs itself with one of these and its arguments in place of its
 * options. */
#define GROWTH_WRITER "--as-writer" /* PATH KEYS ROUND HOLDS */
#define GROWTH_OPENER "--as-opener" /* PATH ROW */
void growth_crash_write(const char *path, uint32_t keys, uint32_t round, bool holds);
void growth_crash_open(const char *path, uint32_t row);

#endif
