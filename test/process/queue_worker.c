/* queue_worker.c: a program that enqueues messages, or listens and tells what it handles, until it is ended.
 *
 *   queue_worker enqueue PATH PREFIX COUNT [BACKOFF_MS...]
 *   queue_worker listen PATH IN_FLIGHT HANDLE_MS THREADS [FAILURES]
 *   queue_worker state PATH
 *
 * Messages are the strings "PREFIX 0", "PREFIX 1", …. With delays, they go under ["undelivered", message] in
 * the end.
 *
 * A listener takes HANDLE_MS over each message. It prints, each with one write(2), "begin ATTEMPT TIME_MS
 * MESSAGE" when one comes, and "done …" when its end is durable (or "lost …" when the lease had been lost),
 * and "ready" at first. The first FAILURES attempts of a message are said to have failed. It ends when its
 * standard input does.
 *
 * The state is how many messages wait and how many are on lease, as plain SQLite finds them. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tuplet.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 512, BACKOFF_MAX = 5 };

typedef struct worker {
  long handle_ms;
  unsigned long failures;
} worker;

static _Noreturn void fail(const char *doing, const tuplet_error *error) {
  (void)fprintf(stderr, "queue_worker: %s: %s\n", doing, error->message);
  exit(1);
}

static long long now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
  const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  (void)nanosleep(&pause, NULL);
}

/* Lines are shorter than PIPE_BUF, so that those of several threads do not mix. */
static void tell(const char *what, unsigned attempt, const char *message) {
  char line[LINE_SIZE_MAX];
  int size = snprintf(line, sizeof line, "%s %u %lld %s\n", what, attempt, now_ms(), message);
  if (size < 0 || (size_t)size >= sizeof line || write(STDOUT_FILENO, line, (size_t)size) != size) exit(1);
}

static void handle(void *context, tuplet_message *message) {
  const worker *w = context;
  tuplet_error error = {0};
  tuplet_owned text;
  if (tuplet_value_to_text(message->payload, NULL, &text, &error) != TUPLET_OK) fail("a payload", &error);
  unsigned attempt = message->attempt;
  tell("begin", attempt, text.data);
  if (w->handle_ms > 0) sleep_ms(w->handle_ms);
  bool fails = attempt <= w->failures;
  tuplet_status status = fails ? tuplet_message_nack(message, &error) : tuplet_message_ack(message, &error);
  if (status != TUPLET_OK && status != TUPLET_NOT_FOUND) fail("ending a message", &error);
  tell(status == TUPLET_NOT_FOUND ? "lost" : fails ? "failed" : "done", attempt, text.data);
  tuplet_owned_free(&text);
}

static void listen_until_told(tuplet_db *db, char **arguments, int count) {
  worker w = {.handle_ms = strtol(arguments[1], NULL, 10)};
  if (count > 3) w.failures = strtoul(arguments[3], NULL, 10);
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.in_flight_max = (uint32_t)strtoul(arguments[0], NULL, 10);
  options.thread_count = (uint32_t)strtoul(arguments[2], NULL, 10);
  tuplet_listener *listener = NULL;
  tuplet_error error = {0};
  if (tuplet_listen(db, &options, handle, &w, &listener, &error) != TUPLET_OK) fail("listening", &error);
  tell("ready", 0, "");
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  tuplet_listener_close(listener);
}

static void enqueue_one(tuplet_db *db, const char *message, tuplet_enqueue_options *options) {
  char text[LINE_SIZE_MAX];
  tuplet_error error = {0};
  tuplet_value value;
  tuplet_owned owned;
  const tuplet_key key = TUPLET_KEY("undelivered", message);
  (void)snprintf(text, sizeof text, "\"%s\"", message);
  if (tuplet_value_from_text(text, strlen(text), NULL, &value, &owned, &error) != TUPLET_OK)
    fail("a message", &error);
  options->keys_if_undelivered = options->backoff_ms == NULL ? NULL : &key;
  options->keys_if_undelivered_count = options->backoff_ms == NULL ? 0 : 1;
  if (tuplet_enqueue(db, value, options, NULL, &error) != TUPLET_OK) fail("enqueueing", &error);
  tuplet_owned_free(&owned);
}

static void enqueue_all(tuplet_db *db, char **arguments, int count) {
  uint32_t backoff_ms[BACKOFF_MAX];
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  for (int i = 2; i < count && options.backoff_count < BACKOFF_MAX; i++)
    backoff_ms[options.backoff_count++] = (uint32_t)strtoul(arguments[i], NULL, 10);
  if (options.backoff_count > 0) options.backoff_ms = backoff_ms;
  long message_count = strtol(arguments[1], NULL, 10);
  for (long i = 0; i < message_count; i++) {
    char message[LINE_SIZE_MAX / 2];
    (void)snprintf(message, sizeof message, "%s %ld", arguments[0], i);
    enqueue_one(db, message, &options);
    tell("enqueued", 0, message);
  }
}

static void print_state(const char *path) {
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(db, "SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM queue_running)",
                            -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc != SQLITE_ROW) {
    (void)fprintf(stderr, "queue_worker: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
  (void)printf("%d %d\n", sqlite3_column_int(statement, 0), sqlite3_column_int(statement, 1));
  (void)sqlite3_finalize(statement);
  (void)sqlite3_close(db);
}

int main(int argc, char **argv) {
  bool listens = argc >= 6 && strcmp(argv[1], "listen") == 0;
  bool enqueues = argc >= 5 && strcmp(argv[1], "enqueue") == 0;
  if (argc == 3 && strcmp(argv[1], "state") == 0) {
    print_state(argv[2]);
    return 0;
  }
  if (!listens && !enqueues) {
    (void)fprintf(stderr, "usage: queue_worker enqueue PATH PREFIX COUNT [BACKOFF_MS...]\n"
                          "       queue_worker listen PATH IN_FLIGHT HANDLE_MS THREADS [FAILURES]\n"
                          "       queue_worker state PATH\n");
    return 2;
  }
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  if (tuplet_open(argv[2], NULL, &db, &error) != TUPLET_OK) fail("opening", &error);
  (listens ? listen_until_told : enqueue_all)(db, argv + 3, argc - 3);
  tuplet_close(db);
  return 0;
}
