/* growth_crash.c: what a process that is killed while it writes leaves. */
#include "growth_crash.h"

#include "crew.h"
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a value begins with, and what the writer tells of a set that was acknowledged. */
typedef struct stamp {
  uint32_t round;
  uint32_t row;
  uint64_t number; /* of the set among those of its thread, from 1; a row is one thread's */
} stamp;

/* ---- The process that writes ---- */

typedef struct writer {
  tuplet_db *db;
  uint32_t keys;
  uint32_t round;
} writer;

static void operate_set(crew_worker *worker) {
  const writer *self = worker->context;
  uint32_t group = bench_random(&worker->random, self->keys / BENCH_THREADS);
  stamp set = {
      .round = self->round, .row = group * BENCH_THREADS + worker->number, .number = worker->operations + 1};
  growth_set(self->db, set.row, &set, sizeof set);
  /* So few bytes are written whole or not at all. */
  if (write(STDOUT_FILENO, &set, sizeof set) != sizeof set) bench_fail("telling failed: %s", strerror(errno));
}

/* A snapshot that is never left. */
static void hold_snapshot(const char *path) {
  sqlite3 *db;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
      sqlite3_exec(db, "BEGIN; SELECT version FROM data_version;", NULL, NULL, NULL) != SQLITE_OK)
    bench_fail("SQLite: %s", sqlite3_errmsg(db));
}

void growth_crash_write(const char *path, uint32_t keys, uint32_t round, bool holds) {
  enum { SECONDS_MAX = 600 }; /* nobody lives as long */
  writer self = {.db = growth_open(path), .keys = keys, .round = round};
  if (holds) hold_snapshot(path);
  (void)crew_run(operate_set, &self, round, INT64_C(1000000000) * SECONDS_MAX);
  bench_fail("the writer was not killed");
}

/* ---- The process that opens ---- */

void growth_crash_open(const char *path, uint32_t row) {
  stamp found;
  int64_t start_ns = bench_now_ns();
  tuplet_db *db = growth_open(path);
  growth_get(db, row, &found, sizeof found);
  int64_t open_ns = bench_now_ns() - start_ns;
  (void)printf("%" PRId64 "\n", open_ns);
  (void)fflush(stdout); /* which fails when nobody listens any more */
  /* Until it is killed, for closing would tidy up; or until who started it is gone. */
  struct pollfd listener = {.fd = STDOUT_FILENO};
  while (poll(&listener, 1, -1) < 0) continue;
}

/* ---- Both, from outside ---- */

/* This program again. */
static const char program_path[] = "/proc/self/exe";

static void kill_process(pid_t process) {
  if (!WIFSIGNALED(process_end(process, SIGKILL))) bench_fail("a process ended before it was killed");
}

/* ---- What was acknowledged ---- */

/* Of each row the last set that was acknowledged; 0: none. */
typedef struct ledger {
  uint64_t *numbers;
  uint32_t keys;
  uint32_t round;
  uint64_t acknowledged;
  uint8_t rest[sizeof(stamp)]; /* of a stamp that has not come as a whole */
  size_t rest_size;
} ledger;

static void note(ledger *book, const stamp *set) {
  if (set->round != book->round || set->row >= book->keys || set->number <= book->numbers[set->row])
    bench_fail("the writer told of a set that cannot be");
  book->numbers[set->row] = set->number;
  book->acknowledged++;
}

/* Reads once; false at the end. */
static bool read_stamps(ledger *book, int output) {
  uint8_t bytes[sizeof(stamp) * 4096];
  memcpy(bytes, book->rest, book->rest_size);
  ssize_t size = read(output, bytes + book->rest_size, sizeof bytes - book->rest_size);
  if (size < 0) bench_fail("reading from the writer failed: %s", strerror(errno));
  if (size == 0) return false;
  size_t filled = book->rest_size + (size_t)size, used = 0;
  for (; filled - used >= sizeof(stamp); used += sizeof(stamp)) {
    stamp set;
    memcpy(&set, bytes + used, sizeof set);
    note(book, &set);
  }
  book->rest_size = filled - used;
  memcpy(book->rest, bytes + used, book->rest_size);
  return true;
}

/* Has a process write until it is time to kill it, and takes down what was acknowledged. */
static void load(const growth_file *file, ledger *book, int64_t load_ms, int64_t log_size_min) {
  enum { LOOK_EVERY_MS = 10, LOG_WAIT_MAX_MS = 60000 };
  char keys[16], round[16];
  (void)snprintf(keys, sizeof keys, "%" PRIu32, book->keys);
  (void)snprintf(round, sizeof round, "%" PRIu32, book->round);
  const char *words[] = {program_path, GROWTH_WRITER, file->path, keys, round, log_size_min > 0 ? "1" : "0",
                         NULL};
  int output;
  pid_t process = process_start(words, false, &output);
  int64_t begun_ns = 0; /* when the first set was acknowledged */
  for (;;) {
    struct pollfd ready = {.fd = output, .events = POLLIN};
    if (poll(&ready, 1, LOOK_EVERY_MS) < 0 && errno != EINTR) bench_fail("poll: %s", strerror(errno));
    if (ready.revents != 0 && !read_stamps(book, output)) bench_fail("the writer ended by itself");
    if (book->acknowledged == 0) continue;
    int64_t now_ns = bench_now_ns();
    if (begun_ns == 0) begun_ns = now_ns;
    int64_t loaded_ms = (now_ns - begun_ns) / 1000000;
    if (loaded_ms > LOG_WAIT_MAX_MS) bench_fail("the log does not become as long as it should");
    if (loaded_ms >= load_ms && growth_file_log_size(file) >= log_size_min) break;
  }
  kill_process(process);
  while (read_stamps(book, output)) continue;
  (void)close(output);
}

/* Each row that was set has its last set, or the one that was on its way when the process was killed. */
static void check_rows(const growth_file *file, const ledger *book) {
  tuplet_db *db = growth_open(file->path);
  for (uint32_t row = 0; row < book->keys; row++) {
    if (book->numbers[row] == 0) continue;
    stamp found;
    growth_get(db, row, &found, sizeof found);
    if (found.round != book->round || found.row != row || found.number < book->numbers[row])
      bench_fail("row %" PRIu32 ": a write that was acknowledged is lost", row);
  }
  tuplet_close(db);
}

/* ---- A round ---- */

static void open_in_process(const growth_file *file, growth_crash *crash) {
  const char *words[] = {program_path, GROWTH_OPENER, file->path, "0", NULL};
  int output;
  char line[32] = {0};
  int64_t start_ns = bench_now_ns();
  pid_t process = process_start(words, false, &output);
  if (read(output, line, sizeof line - 1) <= 0) bench_fail("the process that opens did not answer");
  crash->process_ns = bench_now_ns() - start_ns;
  crash->open_ns = strtoll(line, NULL, 10);
  kill_process(process);
  (void)close(output);
}

static void open_in_server(const growth_file *file, bench_server *server, const char *program,
                           growth_crash *crash) {
  stamp found;
  int64_t start_ns = bench_now_ns();
  bench_server_start(server, program, file->path);
  tuplet_db *db = growth_open(server->url);
  growth_get(db, 0, &found, sizeof found);
  crash->server_ns = bench_now_ns() - start_ns;
  tuplet_close(db);
  bench_server_stop(server);
}

growth_crash growth_crash_round(const growth_file *file, int64_t load_ms, int64_t log_size_min,
                                bench_server *server, const char *program) {
  growth_crash crash = {0};
  /* Seconds name the round, on a file that is kept, too: no round is over within one. */
  ledger book = {.keys = file->keys, .round = (uint32_t)time(NULL)};
  book.numbers = calloc(book.keys, sizeof *book.numbers);
  if (book.numbers == NULL) bench_fail("out of memory");
  load(file, &book, load_ms, log_size_min);
  crash.acknowledged = book.acknowledged;
  crash.log_size = growth_file_log_size(file);
  open_in_process(file, &crash);
  if (server != NULL) open_in_server(file, server, program, &crash);
  check_rows(file, &book);
  free(book.numbers);
  return crash;
}
