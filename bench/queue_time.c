/* queue_time.c: how well the queue keeps to its times. Payloads are numbers that say which message it is, or
 * when it was enqueued: the monotonic clock is the same for all processes. */
#include "queue_time.h"

#include "bench.h"
#include "queue_db.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

enum { SETTLE_MS = 200, APART_MS = 37 };

static const uint32_t intervals_ms[QUEUE_TIME_INTERVALS] = {100, 200, 500, 1000, 50};

static void enqueue(tuplet_db *db, int64_t number, const tuplet_enqueue_options *options) {
  char text[32];
  tuplet_owned owned;
  tuplet_value value;
  tuplet_error error;
  int size = snprintf(text, sizeof text, "%" PRId64 "n", number);
  queue_check(tuplet_value_from_text(text, (size_t)size, NULL, &value, &owned, &error), &error);
  queue_check(tuplet_enqueue(db, value, options, NULL, &error), &error);
  tuplet_owned_free(&owned);
}

static int64_t number_of(const tuplet_message *message) {
  tuplet_owned text;
  tuplet_error error;
  queue_check(tuplet_value_to_text(message->payload, NULL, &text, &error), &error);
  int64_t number = strtoll(text.data, NULL, 10);
  tuplet_owned_free(&text);
  return number;
}

static double off_ms(int64_t begun_ns, int64_t from_ns, uint32_t interval_ms) {
  return fabs((double)(begun_ns - from_ns) / 1e6 - interval_ms);
}

/* ---- A listener that measures. Its callback runs on one thread ---- */

typedef struct measuring {
  double *results;
  int left;         /* results that are still to come */
  int64_t *from_ns; /* when each message failed last, or was enqueued */
  atomic_int ends;  /* of messages, that are under way */
  sem_t done, ended;
} measuring;

static void on_end(void *context, tuplet_status status, const tuplet_error *error) {
  measuring *m = context;
  queue_check(status, error);
  (void)sem_post(&m->ended);
}

static void end_message(measuring *m, tuplet_message *message, bool is_handled) {
  tuplet_error error;
  (void)atomic_fetch_add(&m->ends, 1);
  queue_check(is_handled ? tuplet_message_ack_async(message, on_end, m, &error)
                         : tuplet_message_nack_async(message, on_end, m, &error),
              &error);
}

static void note(measuring *m, double result) {
  *m->results++ = result;
  if (--m->left == 0) (void)sem_post(&m->done);
}

static void measure(tuplet_db *db, measuring *m, tuplet_message_callback on_message,
                    void (*enqueue_all)(tuplet_db *db, measuring *m)) {
  tuplet_listener *listener;
  tuplet_error error;
  atomic_init(&m->ends, 0);
  queue_semaphore_init(&m->done, 0);
  queue_semaphore_init(&m->ended, 0);
  queue_check(tuplet_listen(db, NULL, on_message, m, &listener, &error), &error);
  queue_pause_ms(SETTLE_MS);
  enqueue_all(db, m);
  queue_wait_for(&m->done);
  for (int i = atomic_load(&m->ends); i > 0; i--) queue_wait_for(&m->ended);
  tuplet_listener_close(listener);
  (void)sem_destroy(&m->done);
  (void)sem_destroy(&m->ended);
}

/* ---- Retries ---- */

static void on_failing_message(void *context, tuplet_message *message) {
  measuring *m = context;
  int64_t begun_ns = bench_now_ns(), number = number_of(message);
  uint32_t attempt = message->attempt;
  bool is_last = attempt > QUEUE_TIME_INTERVALS;
  int64_t failed_ns = m->from_ns[number];
  m->from_ns[number] = bench_now_ns();
  end_message(m, message, is_last);
  if (attempt > 1) note(m, off_ms(begun_ns, failed_ns, intervals_ms[attempt - 2]));
}

static void enqueue_failing(tuplet_db *db, measuring *m) {
  (void)m;
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.backoff_ms = intervals_ms;
  options.backoff_count = QUEUE_TIME_INTERVALS;
  for (int i = 0; i < QUEUE_TIME_MESSAGES; i++) {
    enqueue(db, i, &options);
    queue_pause_ms(APART_MS);
  }
}

void queue_time_retries(const char *path, double ret_off_ms[QUEUE_TIME_RETRIES]) {
  int64_t failed_ns[QUEUE_TIME_MESSAGES];
  measuring m = {.left = QUEUE_TIME_RETRIES, .from_ns = failed_ns};
  m.results = ret_off_ms;
  tuplet_db *db = queue_open(path);
  measure(db, &m, on_failing_message, enqueue_failing);
  tuplet_close(db);
}

/* ---- Delays ---- */

static void on_delayed_message(void *context, tuplet_message *message) {
  measuring *m = context;
  int64_t begun_ns = bench_now_ns(), number = number_of(message);
  end_message(m, message, true);
  note(m, off_ms(begun_ns, m->from_ns[number], intervals_ms[number]));
}

static void enqueue_delayed(tuplet_db *db, measuring *m) {
  for (int i = 0; i < QUEUE_TIME_INTERVALS; i++) {
    tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
    options.delay_ms = intervals_ms[i];
    m->from_ns[i] = bench_now_ns();
    enqueue(db, i, &options);
  }
}

void queue_time_delays(const char *path, double ret_off_ms[QUEUE_TIME_INTERVALS]) {
  int64_t enqueued_ns[QUEUE_TIME_INTERVALS];
  measuring m = {.left = QUEUE_TIME_INTERVALS, .from_ns = enqueued_ns};
  m.results = ret_off_ms;
  tuplet_db *db = queue_open(path);
  measure(db, &m, on_delayed_message, enqueue_delayed);
  tuplet_close(db);
}

/* ---- A neighbour ---- */

typedef struct neighbourhood {
  measuring base; /* first, so that the one is found from the other */
  const char *path;
  int count;
} neighbourhood;

static void on_foreign_message(void *context, tuplet_message *message) {
  measuring *m = context;
  double ms = (double)(bench_now_ns() - number_of(message)) / 1e6;
  end_message(m, message, true);
  note(m, ms);
}

void queue_time_enqueue(const char *path, int count) {
  tuplet_db *db = queue_open(path);
  for (int i = 0; i < count; i++) {
    queue_pause_ms(5 + i % 11);
    enqueue(db, bench_now_ns(), NULL);
  }
  tuplet_close(db);
}

static void run_neighbour(tuplet_db *db, measuring *m) {
  (void)db;
  const neighbourhood *n = (const neighbourhood *)m;
  char count[16];
  (void)snprintf(count, sizeof count, "%d", n->count);
  const char *words[] = {"queue", QUEUE_TIME_NEIGHBOUR, n->path, count, NULL};
  pid_t process;
  int rc = posix_spawn(&process, "/proc/self/exe", NULL, NULL, (char *const *)(uintptr_t)words, environ);
  if (rc != 0) bench_fail("running itself failed: %s", strerror(rc));
  int status = 0;
  if (waitpid(process, &status, 0) != process || status != 0) bench_fail("the neighbour failed");
}

void queue_time_neighbour(const char *path, int count, double *ret_ms) {
  neighbourhood n = {.base = {.left = count}, .path = path, .count = count};
  n.base.results = ret_ms;
  tuplet_db *db = queue_open(path);
  measure(db, &n.base, on_foreign_message, run_neighbour);
  tuplet_close(db);
}
