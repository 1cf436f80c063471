/* remote.c: a program that uses a database on a server, for remote.test.mjs.
 *
 *   remote [--http2] [--timeout MS] URL checks           one line for each thing checked, as lib/report.mjs
 * has them remote ... URL count MS THREADS                 adds to ["count"] and tells how often it was
 * committed remote ... URL guarded MS                       the same to ["guarded"], with a check remote
 * ... URL watch                                 ["watched"], each state a line, until it is "end" remote ...
 * URL listen COUNT                          messages, until so many were handled remote ... URL many COUNT so
 * many operations at once remote ... URL out-of-memory                         each allocation fails once
 *   remote ... URL open                                  opens, and tells what came of it
 *   remote ... URL close-under-way                       closes while much is under way, and tells how long
 * it took
 *
 * The access token is the environment's. */
#include "../support/shared_fault_allocator.h"
#include "tuplet.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms) {
  (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)putchar('\n');
  (void)fflush(stdout);
}

/* ---- Checks ---- */

static char failure[1024];

static void fail_at(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail_at(int line, const char *format, ...) {
  if (failure[0] != '\0') return;
  int size = snprintf(failure, sizeof failure, "remote.c:%d: ", line);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(failure + size, sizeof failure - (size_t)size, format, arguments);
  va_end(arguments);
  for (char *next = failure; *next != '\0'; next++) {
    if (*next == '"' || *next == '\\') *next = '\'';
    if (*next == '\n') *next = ' ';
  }
}

#define EXPECT(condition)                                                                                    \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fail_at(__LINE__, "%s", #condition);                                                                   \
      return;                                                                                                \
    }                                                                                                        \
  } while (0)

#define EXPECT_STATUS(wanted, call)                                                                          \
  do {                                                                                                       \
    error = (tuplet_error){0};                                                                               \
    tuplet_status got_status = (call);                                                                       \
    if (got_status != (wanted)) {                                                                            \
      fail_at(__LINE__, "%s instead of %s: %s", tuplet_status_name(got_status), tuplet_status_name(wanted),  \
              error.message);                                                                                \
      return;                                                                                                \
    }                                                                                                        \
  } while (0)

static tuplet_value text(const char *string) {
  return tuplet_value_bytes(string, strlen(string));
}

static bool is_text(const tuplet_entry *entry, const char *string) {
  return entry->exists && entry->value.encoding == TUPLET_ENCODING_BYTES &&
         entry->value.data.size == strlen(string) &&
         memcmp(entry->value.data.data, string, strlen(string)) == 0;
}

static void what_is_set_can_be_got(tuplet_db *db) {
  tuplet_error error;
  tuplet_versionstamp stamp;
  tuplet_entry *entry = NULL;
  EXPECT_STATUS(TUPLET_NOT_FOUND,
                tuplet_get(db, TUPLET_KEY("basic", 1), TUPLET_CONSISTENCY_STRONG, &entry, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, TUPLET_KEY("basic", 1), text("one"), TUPLET_NEVER, &stamp, &error));
  for (int consistency = 0; consistency < 2; consistency++) {
    EXPECT_STATUS(TUPLET_OK,
                  tuplet_get(db, TUPLET_KEY("basic", 1), (tuplet_consistency)consistency, &entry, &error));
    bool same = is_text(entry, "one") && memcmp(&entry->versionstamp, &stamp, sizeof stamp) == 0;
    tuplet_entry_free(entry);
    EXPECT(same);
  }
  EXPECT_STATUS(TUPLET_OK, tuplet_delete(db, TUPLET_KEY("basic", 1), NULL, &error));
  EXPECT_STATUS(TUPLET_NOT_FOUND,
                tuplet_get(db, TUPLET_KEY("basic", 1), TUPLET_CONSISTENCY_STRONG, &entry, &error));
}

static void values_of_every_kind_and_size_pass(tuplet_db *db) {
  tuplet_error error;
  static uint8_t large[65536];
  for (size_t i = 0; i < sizeof large; i++) large[i] = (uint8_t)(i * 7);
  static const uint8_t v8[] = {0xff, 0x0f, 0x22, 0x02, 'h', 'i'};
  const tuplet_value values[] = {tuplet_value_bytes("", 0), tuplet_value_bytes(large, sizeof large),
                                 tuplet_value_u64(UINT64_MAX),
                                 tuplet_value_v8((tuplet_bytes){v8, sizeof v8})};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    tuplet_entry *entry = NULL;
    EXPECT_STATUS(TUPLET_OK, tuplet_set(db, TUPLET_KEY("value"), values[i], TUPLET_NEVER, NULL, &error));
    EXPECT_STATUS(TUPLET_OK, tuplet_get(db, TUPLET_KEY("value"), TUPLET_CONSISTENCY_STRONG, &entry, &error));
    bool same = entry->value.encoding == values[i].encoding && entry->value.u64 == values[i].u64 &&
                (values[i].encoding == TUPLET_ENCODING_LE64 ||
                 (entry->value.data.size == values[i].data.size &&
                  (values[i].data.size == 0 ||
                   memcmp(entry->value.data.data, values[i].data.data, values[i].data.size) == 0)));
    tuplet_entry_free(entry);
    EXPECT(same);
  }
}

static void many_keys_are_one_snapshot(tuplet_db *db) {
  tuplet_error error;
  const tuplet_key keys[] = {TUPLET_KEY("many", 1), TUPLET_KEY("many", 2), TUPLET_KEY("many", 3)};
  tuplet_entries *entries = NULL;
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, keys[0], text("a"), TUPLET_NEVER, NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, keys[2], text("c"), TUPLET_NEVER, NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_get_many(db, keys, 3, TUPLET_CONSISTENCY_STRONG, &entries, &error));
  bool same = entries->count == 3 && is_text(&entries->items[0], "a") && !entries->items[1].exists &&
              is_text(&entries->items[2], "c");
  tuplet_entries_free(entries);
  EXPECT(same);
}

static void a_list_goes_through_batches_both_ways(tuplet_db *db) {
  tuplet_error error;
  enum { COUNT = 1234 };
  for (int start = 0; start < COUNT; start += 617) {
    tuplet_atomic *atomic = tuplet_atomic_new(db);
    for (int i = start; i < start + 617; i++)
      EXPECT_STATUS(TUPLET_OK, tuplet_atomic_set(atomic, TUPLET_KEY("list", i), tuplet_value_u64((uint64_t)i),
                                                 TUPLET_NEVER, &error));
    EXPECT_STATUS(TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &error));
    tuplet_atomic_free(atomic);
  }
  for (int reverse = 0; reverse < 2; reverse++) {
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.reverse = reverse == 1;
    options.batch_size = 100;
    options.consistency = reverse == 1 ? TUPLET_CONSISTENCY_EVENTUAL : TUPLET_CONSISTENCY_STRONG;
    tuplet_list *list;
    const tuplet_entry *entry;
    EXPECT_STATUS(TUPLET_OK, tuplet_list_open(db, &(tuplet_selector){.prefix = &TUPLET_KEY("list")}, &options,
                                              &list, &error));
    int seen = 0;
    bool in_order = true;
    tuplet_status status;
    while ((status = tuplet_list_next(list, &entry, &error)) == TUPLET_OK) {
      int wanted = reverse == 1 ? COUNT - 1 - seen : seen;
      in_order = in_order && entry->value.u64 == (uint64_t)wanted;
      seen++;
    }
    tuplet_list_close(list);
    EXPECT(status == TUPLET_DONE && in_order && seen == COUNT);
  }
}

static void checks_and_sums_hold(tuplet_db *db) {
  tuplet_error error;
  tuplet_commit commit;
  tuplet_versionstamp first;
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, TUPLET_KEY("checked"), text("1"), TUPLET_NEVER, &first, &error));
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("absent"), NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("checked"), &first, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_set(atomic, TUPLET_KEY("checked"), text("2"), TUPLET_NEVER, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("sum"), 5, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_commit(atomic, &commit, &error));
  tuplet_atomic_free(atomic);
  atomic = tuplet_atomic_new(db);
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("absent"), NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("checked"), &first, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("sum"), 5, &error));
  EXPECT_STATUS(TUPLET_CONFLICT, tuplet_atomic_commit(atomic, &commit, &error));
  tuplet_atomic_free(atomic);
  EXPECT(commit.failed_check_count == 0 || (commit.failed_check_count == 1 && commit.failed_checks[0] == 1));
  tuplet_entry *entry = NULL;
  EXPECT_STATUS(TUPLET_OK, tuplet_get(db, TUPLET_KEY("sum"), TUPLET_CONSISTENCY_STRONG, &entry, &error));
  uint64_t sum = entry->value.u64;
  tuplet_entry_free(entry);
  EXPECT(sum == 5);
}

static void an_entry_expires(tuplet_db *db) {
  tuplet_error error;
  tuplet_entry *entry = NULL;
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, TUPLET_KEY("brief"), text("x"), 700, NULL, &error));
  tuplet_status status = TUPLET_OK;
  for (int64_t until = now_ms() + 20000; status == TUPLET_OK && now_ms() < until; sleep_ms(50)) {
    status = tuplet_get(db, TUPLET_KEY("brief"), TUPLET_CONSISTENCY_STRONG, &entry, &error);
    if (status == TUPLET_OK) tuplet_entry_free(entry);
  }
  EXPECT(status == TUPLET_NOT_FOUND);
}

static void errors_are_those_of_a_local_database(tuplet_db *db) {
  tuplet_error error;
  static uint8_t large[65537];
  EXPECT_STATUS(TUPLET_LIMIT, tuplet_set(db, TUPLET_KEY("k"), tuplet_value_bytes(large, sizeof large),
                                         TUPLET_NEVER, NULL, &error));
  EXPECT_STATUS(TUPLET_INVALID, tuplet_set(db, TUPLET_KEY_EMPTY, text("v"), TUPLET_NEVER, NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_set(db, TUPLET_KEY("no counter"), text("v"), TUPLET_NEVER, NULL, &error));
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  EXPECT_STATUS(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("no counter"), 1, &error));
  EXPECT_STATUS(TUPLET_TYPE, tuplet_atomic_commit(atomic, NULL, &error));
  tuplet_atomic_free(atomic);
  EXPECT(strstr(error.message, "non-U64 value") != NULL);
}

static void a_watch_sees_changes(tuplet_db *db) {
  tuplet_error error;
  tuplet_watch *watch;
  const tuplet_entries *entries;
  const tuplet_key keys[] = {TUPLET_KEY("seen", 1), TUPLET_KEY("seen", 2)};
  EXPECT_STATUS(TUPLET_OK, tuplet_watch_open(db, keys, 2, &watch, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_watch_next(watch, 20000, &entries, &error));
  EXPECT(entries->count == 2 && !entries->items[0].exists && !entries->items[1].exists);
  for (int i = 0; i < 20; i++) {
    char value[16];
    (void)snprintf(value, sizeof value, "%d", i);
    EXPECT_STATUS(TUPLET_OK, tuplet_set(db, keys[i % 2], text(value), TUPLET_NEVER, NULL, &error));
    EXPECT_STATUS(TUPLET_OK, tuplet_watch_next(watch, 20000, &entries, &error));
    EXPECT(is_text(&entries->items[i % 2], value));
  }
  EXPECT_STATUS(TUPLET_TIMEOUT, tuplet_watch_next(watch, 50, &entries, &error));
  tuplet_watch_close(watch);
}

static void a_schedule_without_retries_is_refused(tuplet_db *db) {
  tuplet_error error;
  static const uint8_t v8[] = {0xff, 0x0f, 'T'};
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.backoff_ms = (const uint32_t[]){0};
  options.backoff_count = 0;
  EXPECT_STATUS(TUPLET_UNSUPPORTED,
                tuplet_enqueue(db, tuplet_value_v8((tuplet_bytes){v8, sizeof v8}), &options, NULL, &error));
}

typedef struct check {
  const char *name;
  void (*run)(tuplet_db *db);
} check;

static int run_checks(tuplet_db *db) {
  static const check checks[] = {
      {"what is set can be got", what_is_set_can_be_got},
      {"values of every kind and size pass", values_of_every_kind_and_size_pass},
      {"many keys are one snapshot", many_keys_are_one_snapshot},
      {"a list goes through batches, both ways", a_list_goes_through_batches_both_ways},
      {"checks and sums hold", checks_and_sums_hold},
      {"an entry expires", an_entry_expires},
      {"errors are those of a local database", errors_are_those_of_a_local_database},
      {"a watch sees changes", a_watch_sees_changes},
      {"a schedule without retries is refused", a_schedule_without_retries_is_refused},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    failure[0] = '\0';
    checks[i].run(db);
    if (failure[0] == '\0')
      say("{\"check\":\"%s\"}", checks[i].name);
    else
      say("{\"check\":\"%s\",\"error\":\"%s\"}", checks[i].name, failure);
  }
  say("{\"finished\":true}");
  return 0;
}

/* ---- Counting through troubles ---- */

typedef struct counts {
  uint64_t committed, unknown, refused;
} counts;

typedef struct counter {
  tuplet_db *db;
  int64_t until_ms;
  pthread_t thread;
  counts counts;
} counter;

static void *count_on(void *context) {
  counter *self = context;
  while (now_ms() < self->until_ms) {
    tuplet_error error;
    tuplet_atomic *atomic = tuplet_atomic_new(self->db);
    tuplet_status status =
        atomic == NULL ? TUPLET_NOMEM : tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, &error);
    if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, NULL, &error);
    tuplet_atomic_free(atomic);
    if (status == TUPLET_OK)
      self->counts.committed++;
    else if (status == TUPLET_UNKNOWN)
      self->counts.unknown++;
    else
      self->counts.refused++;
  }
  return NULL;
}

static int run_count(tuplet_db *db, int duration_ms, int thread_count) {
  enum { THREADS_MAX = 64 };
  counter counters[THREADS_MAX] = {0};
  if (thread_count > THREADS_MAX) thread_count = THREADS_MAX;
  say("counting");
  for (int i = 0; i < thread_count; i++) {
    counters[i] = (counter){.db = db, .until_ms = now_ms() + duration_ms};
    if (pthread_create(&counters[i].thread, NULL, count_on, &counters[i]) != 0) return 1;
  }
  counts all = {0};
  for (int i = 0; i < thread_count; i++) {
    (void)pthread_join(counters[i].thread, NULL);
    all.committed += counters[i].counts.committed;
    all.unknown += counters[i].counts.unknown;
    all.refused += counters[i].counts.refused;
  }
  say("{\"committed\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"refused\":%" PRIu64 "}", all.committed,
      all.unknown, all.refused);
  return 0;
}

/* One step: what is there, one more, if nobody came in between. */
static tuplet_status step_guarded(tuplet_db *db, tuplet_error *error) {
  tuplet_entry *entry = NULL;
  tuplet_status status = tuplet_get(db, TUPLET_KEY("guarded"), TUPLET_CONSISTENCY_STRONG, &entry, error);
  if (status != TUPLET_OK) return status == TUPLET_NOT_FOUND ? TUPLET_INVALID : status;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  status = tuplet_atomic_check(atomic, TUPLET_KEY("guarded"), &entry->versionstamp, error);
  if (status == TUPLET_OK) status = tuplet_atomic_sum(atomic, TUPLET_KEY("guarded"), 1, error);
  if (status == TUPLET_OK) status = tuplet_atomic_commit(atomic, NULL, error);
  tuplet_atomic_free(atomic);
  tuplet_entry_free(entry);
  return status;
}

static int run_guarded(tuplet_db *db, int duration_ms) {
  tuplet_error error;
  if (tuplet_set(db, TUPLET_KEY("guarded"), tuplet_value_u64(0), TUPLET_NEVER, NULL, &error) != TUPLET_OK)
    return 1;
  say("counting");
  counts counted = {0};
  for (int64_t until = now_ms() + duration_ms; now_ms() < until;) {
    tuplet_status status = step_guarded(db, &error);
    if (status == TUPLET_OK)
      counted.committed++;
    else if (status == TUPLET_UNKNOWN)
      counted.unknown++;
    else
      counted.refused++;
  }
  say("{\"committed\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"refused\":%" PRIu64 "}", counted.committed,
      counted.unknown, counted.refused);
  return 0;
}

/* ---- Watching and listening ---- */

static int run_watch(tuplet_db *db) {
  tuplet_error error;
  tuplet_watch *watch;
  const tuplet_key key = TUPLET_KEY("watched");
  if (tuplet_watch_open(db, &key, 1, &watch, &error) != TUPLET_OK) return 1;
  for (bool ended = false; !ended;) {
    const tuplet_entries *entries;
    tuplet_status status = tuplet_watch_next(watch, TUPLET_FOREVER, &entries, &error);
    if (status != TUPLET_OK) {
      say("failed %s %s", tuplet_status_name(status), error.message);
      continue;
    }
    const tuplet_entry *entry = &entries->items[0];
    if (entry->exists)
      say("state %.*s", (int)entry->value.data.size, (const char *)entry->value.data.data);
    else
      say("absent");
    ended = is_text(entry, "end");
  }
  tuplet_watch_close(watch);
  return 0;
}

static int run_listen(tuplet_db *db, int count) {
  tuplet_error error;
  tuplet_listener *listener;
  tuplet_status status = tuplet_listen(db, NULL, NULL, NULL, &listener, &error);
  if (status != TUPLET_OK) {
    say("failed %s %s", tuplet_status_name(status), error.message);
    return 0;
  }
  say("listening");
  for (int handled = 0; handled < count;) {
    tuplet_message *message;
    status = tuplet_listener_next(listener, 60000, &message, &error);
    if (status != TUPLET_OK) break;
    tuplet_owned printed;
    if (tuplet_value_to_text(message->payload, NULL, &printed, &error) != TUPLET_OK) break;
    uint32_t attempt = message->attempt;
    bool fails = strstr(printed.data, "fail") != NULL && attempt == 1;
    status = fails ? tuplet_message_nack(message, &error) : tuplet_message_ack(message, &error);
    say("message %u %s %s", attempt, tuplet_status_name(status), (const char *)printed.data);
    tuplet_owned_free(&printed);
    if (!fails && status == TUPLET_OK) handled++;
  }
  tuplet_listener_close(listener);
  return 0;
}

/* ---- Many at once ---- */

typedef struct crowd {
  pthread_mutex_t mutex;
  pthread_cond_t signal;
  int left;
  int well;
} crowd;

static void note(crowd *all, bool is_well) {
  (void)pthread_mutex_lock(&all->mutex);
  all->left--;
  if (is_well) all->well++;
  (void)pthread_cond_signal(&all->signal);
  (void)pthread_mutex_unlock(&all->mutex);
}

static void on_crowd_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                            const tuplet_error *error) {
  (void)commit;
  (void)error;
  note(context, status == TUPLET_OK);
}

static void on_crowd_entry(void *context, tuplet_status status, tuplet_entry *entry,
                           const tuplet_error *error) {
  (void)error;
  if (status == TUPLET_OK) tuplet_entry_free(entry);
  note(context, status == TUPLET_OK);
}

static void wait_for_all(crowd *all) {
  (void)pthread_mutex_lock(&all->mutex);
  while (all->left > 0) (void)pthread_cond_wait(&all->signal, &all->mutex);
  (void)pthread_mutex_unlock(&all->mutex);
}

static int run_many(tuplet_db *db, int count) {
  tuplet_error error;
  crowd all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  int64_t start = now_ms();
  all.left = count;
  for (int i = 0; i < count; i++) {
    if (tuplet_set_async(db, TUPLET_KEY("crowd", i), tuplet_value_u64((uint64_t)i), TUPLET_NEVER,
                         on_crowd_commit, &all, &error) != TUPLET_OK)
      note(&all, false);
  }
  wait_for_all(&all);
  int written = all.well;
  int64_t between = now_ms();
  (void)pthread_mutex_lock(&all.mutex);
  all.left = count;
  (void)pthread_mutex_unlock(&all.mutex);
  for (int i = 0; i < count; i++) {
    if (tuplet_get_async(db, TUPLET_KEY("crowd", i), TUPLET_CONSISTENCY_STRONG, on_crowd_entry, &all,
                         &error) != TUPLET_OK)
      note(&all, false);
  }
  wait_for_all(&all);
  say("{\"written\":%d,\"read\":%d,\"writing_ms\":%" PRId64 ",\"reading_ms\":%" PRId64 "}", written,
      all.well - written, between - start, now_ms() - between);
  return 0;
}

/* ---- Out of memory ---- */

/* A little of everything. Returns the first failure, or TUPLET_OK. */
static tuplet_status use_a_little(const char *url, const tuplet_open_options *options, tuplet_error *error) {
  tuplet_db *db;
  tuplet_watch *watch = NULL;
  tuplet_entry *entry = NULL;
  const tuplet_entries *entries;
  const tuplet_key key = TUPLET_KEY("scarce");
  tuplet_status status = tuplet_open(url, options, &db, error);
  if (status != TUPLET_OK) return status;
  status = tuplet_set(db, key, text("value"), TUPLET_NEVER, NULL, error);
  if (status == TUPLET_OK) status = tuplet_get(db, key, TUPLET_CONSISTENCY_STRONG, &entry, error);
  if (status == TUPLET_OK) {
    tuplet_entry_free(entry);
    status = tuplet_watch_open(db, &key, 1, &watch, error);
  }
  if (status == TUPLET_OK) status = tuplet_watch_next(watch, 20000, &entries, error);
  tuplet_watch_close(watch);
  tuplet_close(db);
  return status;
}

static int run_out_of_memory(const char *url, tuplet_open_options options) {
  for (size_t n = 1;; n++) {
    shared_fault_allocator faults;
    tuplet_error error = {0};
    shared_fault_allocator_init(&faults, n, false);
    options.allocator = &faults.allocator;
    tuplet_status status = use_a_little(url, &options, &error);
    size_t live = atomic_load(&faults.live);
    if (live != 0) {
      say("{\"n\":%zu,\"live\":%zu}", n, live);
      return 1;
    }
    bool fired = atomic_load(&faults.fired);
    if (status != TUPLET_OK && !(fired && (status == TUPLET_NOMEM || status == TUPLET_UNKNOWN))) {
      say("{\"n\":%zu,\"status\":\"%s\"}", n, tuplet_status_name(status));
      return 1;
    }
    if (!fired) {
      say("{\"allocations\":%zu}", n - 1);
      return 0;
    }
  }
}

/* ---- Closing ---- */

static void on_any_entry(void *context, tuplet_status status, tuplet_entry *entry,
                         const tuplet_error *error) {
  on_crowd_entry(context, status, entry, error);
}

/* Waits for a line on standard input before it closes, so that whoever starts it can take the server away. */
static int run_close_under_way(tuplet_db *db) {
  enum { COUNT = 100 };
  tuplet_error error;
  crowd all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, COUNT, 0};
  say("ready");
  if (getchar() == EOF) return 1;
  for (int i = 0; i < COUNT; i++) {
    if (tuplet_get_async(db, TUPLET_KEY("k", i), TUPLET_CONSISTENCY_STRONG, on_any_entry, &all, &error) !=
        TUPLET_OK)
      note(&all, false);
  }
  int64_t start = now_ms();
  tuplet_close(db);
  (void)pthread_mutex_lock(&all.mutex);
  int left = all.left;
  (void)pthread_mutex_unlock(&all.mutex);
  say("{\"left\":%d,\"closing_ms\":%" PRId64 "}", left, now_ms() - start);
  return 0;
}

/* ---- The program ---- */

static int run(tuplet_db *db, int argc, char **argv) {
  const char *what = argv[0];
  int first = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
  int second = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
  if (strcmp(what, "checks") == 0) return run_checks(db);
  if (strcmp(what, "count") == 0) return run_count(db, first, second);
  if (strcmp(what, "guarded") == 0) return run_guarded(db, first);
  if (strcmp(what, "watch") == 0) return run_watch(db);
  if (strcmp(what, "listen") == 0) return run_listen(db, first);
  if (strcmp(what, "many") == 0) return run_many(db, first);
  return strcmp(what, "open") == 0 ? 0 : 2;
}

int main(int argc, char **argv) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  int next = 1;
  for (; next < argc && argv[next][0] == '-'; next++) {
    if (strcmp(argv[next], "--http2") == 0) options.http = TUPLET_HTTP_2;
    if (strcmp(argv[next], "--timeout") == 0) options.timeout_ms = (uint32_t)strtoul(argv[++next], NULL, 10);
  }
  if (argc - next < 2) return 2;
  const char *url = argv[next++];
  if (strcmp(argv[next], "out-of-memory") == 0) return run_out_of_memory(url, options);
  tuplet_db *db;
  tuplet_error error;
  tuplet_status status = tuplet_open(url, &options, &db, &error);
  if (status != TUPLET_OK) {
    say("cannot open: %s: %s", tuplet_status_name(status), error.message);
    return strcmp(argv[next], "open") == 0 ? 0 : 1;
  }
  if (strcmp(argv[next], "close-under-way") == 0) return run_close_under_way(db);
  if (strcmp(argv[next], "open") == 0) say("open");
  int code = run(db, argc - next, argv + next);
  tuplet_close(db);
  return code;
}
