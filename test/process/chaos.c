/* chaos.c: a program that uses a database over a connection which cannot be relied on, and tells exactly what
 * it was told, for chaos.test.mjs.
 *
 *   chaos [--timeout MS] URL count NAME SECONDS THREADS   adds to ["counter"]
 *   chaos [--timeout MS] URL sum SECONDS THREADS          adds to ["sum"], and checks nothing
 *   chaos [--timeout MS] URL send COUNT                   enqueues "0", "1", …, each exactly once
 *   chaos [--timeout MS] URL listen                       handles messages
 *   chaos [--timeout MS] URL watch                        watches ["counter"]
 *   chaos PATH dump                                       what is there in the end
 *
 * Each increment is one atomic operation that checks the counter's version, sets it to one more, and sets
 * ["marker", worker, step] to the same number. It prints "step WORKER STEP STATUS" when it was told what came
 * of it. A listener fails the first attempt of each tenth message. Listeners and watchers end with their
 * standard input. The access token is the environment's. */
#include "tuplet.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 1024, NAME_SIZE_MAX = 64, THREADS_MAX = 32, HANDLE_MS = 3, PAUSE_MS = 20 };

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms) {
  (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Lines are shorter than PIPE_BUF, so that those of several threads do not mix. */
static void say(const char *format, ...) {
  char line[LINE_SIZE_MAX];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (size < 0 || (size_t)size >= sizeof line - 1) exit(1);
  line[size++] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)size) != size) exit(1);
}

static _Noreturn void fail(const char *doing, tuplet_status status, const tuplet_error *error) {
  (void)fprintf(stderr, "chaos: %s: %s: %s\n", doing, tuplet_status_name(status), error->message);
  exit(1);
}

/* What the network may do to a call that cannot have changed anything. All else is a fault. */
static bool is_trouble(tuplet_status status) {
  return status == TUPLET_IO || status == TUPLET_BUSY || status == TUPLET_TIMEOUT;
}

static bool input_has_ended(int wait_ms) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&input, 1, wait_ms) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* ---- Counting ---- */

typedef struct counter {
  tuplet_db *db;
  int64_t until_ms;
  pthread_t thread;
  char worker[NAME_SIZE_MAX];
} counter;

static tuplet_status add_one(tuplet_db *db, const tuplet_entry *entry, const char *worker, int64_t step,
                             tuplet_error *error) {
  const tuplet_value next = tuplet_value_u64(entry->exists ? entry->value.u64 + 1 : 1);
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) exit(1);
  tuplet_status status =
      tuplet_atomic_check(atomic, TUPLET_KEY("counter"), entry->exists ? &entry->versionstamp : NULL, error);
  if (status == TUPLET_OK)
    status = tuplet_atomic_set(atomic, TUPLET_KEY("counter"), next, TUPLET_NEVER, error);
  if (status == TUPLET_OK)
    status = tuplet_atomic_set(atomic, TUPLET_KEY("marker", worker, step), next, TUPLET_NEVER, error);
  if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, NULL, error);
  tuplet_atomic_free(atomic);
  return status;
}

static void *count_on(void *context) {
  const counter *self = context;
  for (int64_t step = 0; now_ms() < self->until_ms; step++) {
    tuplet_error error = {0};
    tuplet_entry *entry = NULL;
    tuplet_status status =
        tuplet_get(self->db, TUPLET_KEY("counter"), TUPLET_CONSISTENCY_STRONG, &entry, &error);
    if (status == TUPLET_NOT_FOUND) {
      status = add_one(self->db, &(tuplet_entry){.exists = false}, self->worker, step, &error);
    } else if (status == TUPLET_OK) {
      status = add_one(self->db, entry, self->worker, step, &error);
      tuplet_entry_free(entry);
    } else if (is_trouble(status)) {
      say("unread %s %s %s", self->worker, tuplet_status_name(status), error.message);
      continue;
    }
    bool is_answer = status == TUPLET_OK || status == TUPLET_CONFLICT || status == TUPLET_UNKNOWN;
    if (!is_answer && !is_trouble(status)) fail("adding one", status, &error);
    say("step %s %" PRId64 " %s", self->worker, step, tuplet_status_name(status));
  }
  return NULL;
}

static void *sum_on(void *context) {
  const counter *self = context;
  while (now_ms() < self->until_ms) {
    tuplet_error error = {0};
    tuplet_atomic *atomic = tuplet_atomic_new(self->db);
    if (atomic == NULL) exit(1);
    tuplet_status status = tuplet_atomic_sum(atomic, TUPLET_KEY("sum"), 1, &error);
    if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, NULL, &error);
    tuplet_atomic_free(atomic);
    if (status != TUPLET_OK && status != TUPLET_UNKNOWN && !is_trouble(status)) fail("a sum", status, &error);
    say("%s", status == TUPLET_OK ? "committed" : status == TUPLET_UNKNOWN ? "unknown" : "failed");
    if (status != TUPLET_OK) sleep_ms(PAUSE_MS);
  }
  return NULL;
}

static void run_threads(tuplet_db *db, void *(*run)(void *context), const char *name, char **arguments) {
  static counter counters[THREADS_MAX];
  int64_t until_ms = now_ms() + strtol(arguments[0], NULL, 10) * 1000;
  long thread_count = strtol(arguments[1], NULL, 10);
  if (thread_count > THREADS_MAX) thread_count = THREADS_MAX;
  for (long i = 0; i < thread_count; i++) {
    counters[i] = (counter){.db = db, .until_ms = until_ms};
    (void)snprintf(counters[i].worker, sizeof counters[i].worker, "%s.%ld", name, i);
    if (pthread_create(&counters[i].thread, NULL, run, &counters[i]) != 0) exit(1);
  }
  for (long i = 0; i < thread_count; i++) (void)pthread_join(counters[i].thread, NULL);
}

/* ---- Enqueueing ---- */

/* The mark that goes with the message tells, whenever nobody knows, whether the message is there. */
static tuplet_status enqueue_once(tuplet_db *db, long number, tuplet_error *error) {
  char text[32];
  (void)snprintf(text, sizeof text, "%ld", number);
  const uint32_t backoff_ms[] = {50, 100, 200, 300, 500};
  const tuplet_key undelivered = TUPLET_KEY("undelivered", (int64_t)number);
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.backoff_ms = backoff_ms;
  options.backoff_count = sizeof backoff_ms / sizeof *backoff_ms;
  options.keys_if_undelivered = &undelivered;
  options.keys_if_undelivered_count = 1;
  tuplet_value value;
  tuplet_owned owned;
  tuplet_status status = tuplet_value_from_text(text, strlen(text), NULL, &value, &owned, error);
  if (status != TUPLET_OK) fail("a message", status, error);
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) exit(1);
  const tuplet_key mark = TUPLET_KEY("sent", (int64_t)number);
  status = tuplet_atomic_check(atomic, mark, NULL, error);
  if (status == TUPLET_OK) status = tuplet_atomic_set(atomic, mark, value, TUPLET_NEVER, error);
  if (status == TUPLET_OK) status = tuplet_atomic_enqueue(atomic, value, &options, error);
  if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, NULL, error);
  tuplet_atomic_free(atomic);
  tuplet_owned_free(&owned);
  return status;
}

static void send_all(tuplet_db *db, char **arguments) {
  long count = strtol(arguments[0], NULL, 10);
  for (long number = 0; number < count;) {
    tuplet_error error = {0};
    tuplet_status status = enqueue_once(db, number, &error);
    bool is_sent = status == TUPLET_OK || status == TUPLET_CONFLICT;
    if (!is_sent && status != TUPLET_UNKNOWN && !is_trouble(status)) fail("enqueueing", status, &error);
    say("send %ld %s", number, tuplet_status_name(status));
    if (is_sent)
      number++;
    else
      sleep_ms(PAUSE_MS);
  }
}

/* ---- Listening ---- */

static void handle(void *context, tuplet_message *message) {
  (void)context;
  tuplet_error error = {0};
  tuplet_owned text;
  tuplet_status status = tuplet_value_to_text(message->payload, NULL, &text, &error);
  if (status != TUPLET_OK) fail("a payload", status, &error);
  long number = strtol(text.data, NULL, 10);
  tuplet_owned_free(&text);
  say("begin %ld %u %s", number, message->attempt, message->id);
  sleep_ms(HANDLE_MS);
  bool fails = number % 10 == 9 && message->attempt == 1;
  status = fails ? tuplet_message_nack(message, &error) : tuplet_message_ack(message, &error);
  bool is_answer = status == TUPLET_OK || status == TUPLET_NOT_FOUND || status == TUPLET_UNKNOWN;
  if (!is_answer && status != TUPLET_CLOSED && !is_trouble(status)) fail("ending a message", status, &error);
  say("%s %ld %s", fails ? "failed" : "done", number, tuplet_status_name(status));
}

static void listen_until_told(tuplet_db *db) {
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.in_flight_max = 8;
  options.thread_count = 2;
  tuplet_listener *listener = NULL;
  tuplet_error error = {0};
  tuplet_status status;
  while ((status = tuplet_listen(db, &options, handle, NULL, &listener, &error)) != TUPLET_OK) {
    if (!is_trouble(status)) fail("listening", status, &error);
  }
  while (!input_has_ended(-1)) continue;
  tuplet_listener_close(listener);
}

/* ---- Watching ---- */

static void watch_until_told(tuplet_db *db) {
  tuplet_watch *watch = NULL;
  const tuplet_entries *entries;
  const tuplet_key key = TUPLET_KEY("counter");
  tuplet_error error = {0};
  tuplet_status status = tuplet_watch_open(db, &key, 1, &watch, &error);
  if (status != TUPLET_OK) fail("watching", status, &error);
  while (!input_has_ended(0)) {
    status = tuplet_watch_next(watch, 100, &entries, &error);
    if (status == TUPLET_OK)
      say("seen %" PRIu64, entries->items[0].exists ? entries->items[0].value.u64 : 0);
    else if (!is_trouble(status))
      fail("watching", status, &error);
    else if (status != TUPLET_TIMEOUT)
      say("unseen %s", tuplet_status_name(status));
  }
  tuplet_watch_close(watch);
}

/* ---- What is there ---- */

static void dump(tuplet_db *db) {
  tuplet_error error = {0};
  tuplet_list *list = NULL;
  const tuplet_entry *entry;
  tuplet_status status =
      tuplet_list_open(db, &(tuplet_selector){.prefix = &TUPLET_KEY_EMPTY}, NULL, &list, &error);
  if (status != TUPLET_OK) fail("listing", status, &error);
  while ((status = tuplet_list_next(list, &entry, &error)) == TUPLET_OK) {
    tuplet_owned key, value;
    if (tuplet_key_to_text(tuplet_key_of(entry->key), NULL, &key, &error) != TUPLET_OK ||
        tuplet_value_to_text(entry->value, NULL, &value, &error) != TUPLET_OK)
      fail("an entry", error.status, &error);
    say("%s %s", (const char *)key.data, (const char *)value.data);
    tuplet_owned_free(&key);
    tuplet_owned_free(&value);
  }
  if (status != TUPLET_DONE) fail("listing", status, &error);
  tuplet_list_close(list);
}

/* ---- The program ---- */

/* The server may be away for longer than one attempt to open takes. */
static tuplet_db *open_patiently(const char *url, const tuplet_open_options *options) {
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  tuplet_status status;
  while ((status = tuplet_open(url, options, &db, &error)) != TUPLET_OK) {
    if (!is_trouble(status)) fail("opening", status, &error);
  }
  return db;
}

int main(int argc, char **argv) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  int next = 1;
  if (argc > 3 && strcmp(argv[1], "--timeout") == 0) {
    options.timeout_ms = (uint32_t)strtoul(argv[2], NULL, 10);
    next = 3;
  }
  int count = argc - next - 2;
  if (count < 0) return 2;
  const char *what = argv[next + 1];
  char **arguments = argv + next + 2;
  tuplet_db *db = open_patiently(argv[next], &options);
  if (strcmp(what, "count") == 0 && count == 3)
    run_threads(db, count_on, arguments[0], arguments + 1);
  else if (strcmp(what, "sum") == 0 && count == 2)
    run_threads(db, sum_on, "", arguments);
  else if (strcmp(what, "send") == 0 && count == 1)
    send_all(db, arguments);
  else if (strcmp(what, "listen") == 0)
    listen_until_told(db);
  else if (strcmp(what, "watch") == 0)
    watch_until_told(db);
  else if (strcmp(what, "dump") == 0)
    dump(db);
  else
    return 2;
  tuplet_close(db);
  return 0;
}
