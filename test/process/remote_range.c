/* remote_range.c: a program that watches the range ["range"] of a database on a server, for
 * remote_ranges.test.mjs.
 *
 *   remote_range [--changes-max N] URL checks         one line for each thing checked, as lib/report.mjs has
 * them remote_range ...               URL follow         keeps a copy, a line for each change, until
 * ["range", "end"] is there; then tells whether the copy is what a list gives remote_range ... URL fetch a
 * delivery for each line on standard input remote_range ...               URL out-of-memory  each allocation
 * fails once
 *
 * The access token is the environment's. */
#include "../support/shared_fault_allocator.h"
#include "tuplet.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { WAIT_MS = 30000 };

static const tuplet_part range_part = {.type = TUPLET_PART_STRING, .bytes = {"range", 5}};
static const tuplet_key range_key = {.parts = &range_part, .part_count = 1};
static const tuplet_selector range_selector = {.prefix = &range_key};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)putchar('\n');
  (void)fflush(stdout);
}

static tuplet_status open_watch(tuplet_db *db, uint32_t changes_max, tuplet_range_watch **ret_watch,
                                tuplet_error *error) {
  tuplet_range_watch_options options = TUPLET_RANGE_WATCH_OPTIONS_INIT;
  options.changes_max = changes_max;
  return tuplet_range_watch_open(db, &range_selector, &options, ret_watch, error);
}

/* ---- A copy of the range ---- */

typedef struct known_key {
  uint8_t *bytes;
  size_t size;
  tuplet_versionstamp versionstamp;
} known_key;

typedef struct range_copy {
  known_key *items; /* in no order */
  size_t count;
  size_t capacity;
} range_copy;

static void copy_clear(range_copy *copy) {
  for (size_t i = 0; i < copy->count; i++) free(copy->items[i].bytes);
  free(copy->items);
  *copy = (range_copy){0};
}

static known_key *copy_find(const range_copy *copy, tuplet_bytes key) {
  for (size_t i = 0; i < copy->count; i++) {
    known_key *item = &copy->items[i];
    if (item->size == key.size && memcmp(item->bytes, key.data, key.size) == 0) return item;
  }
  return NULL;
}

static void copy_put(range_copy *copy, const tuplet_entry *entry) {
  known_key *item = copy_find(copy, entry->key);
  if (item == NULL) {
    if (copy->count == copy->capacity) {
      copy->capacity = copy->capacity * 2 + 16;
      copy->items = realloc(copy->items, copy->capacity * sizeof *copy->items);
      if (copy->items == NULL) abort();
    }
    item = &copy->items[copy->count++];
    *item = (known_key){.bytes = malloc(entry->key.size), .size = entry->key.size};
    if (item->bytes == NULL) abort();
    memcpy(item->bytes, entry->key.data, entry->key.size);
  }
  item->versionstamp = entry->versionstamp;
}

static void copy_take_out(range_copy *copy, known_key *item) {
  free(item->bytes);
  *item = copy->items[--copy->count];
}

static int compare(const tuplet_versionstamp *a, const tuplet_versionstamp *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static tuplet_status copy_list(tuplet_db *db, range_copy *copy, tuplet_error *error) {
  tuplet_list *list;
  const tuplet_entry *entry;
  copy_clear(copy);
  tuplet_status status = tuplet_list_open(db, &range_selector, NULL, &list, error);
  if (status != TUPLET_OK) return status;
  while ((status = tuplet_list_next(list, &entry, error)) == TUPLET_OK) copy_put(copy, entry);
  tuplet_list_close(list);
  return status == TUPLET_DONE ? TUPLET_OK : status;
}

/* As tuplet.h says: what is older than the copy is passed over. */
static void copy_apply(range_copy *copy, const tuplet_entry *entry, const tuplet_versionstamp *told) {
  known_key *known = copy_find(copy, entry->key);
  if (known != NULL && compare(entry->exists ? &entry->versionstamp : told, &known->versionstamp) < 0) return;
  if (entry->exists)
    copy_put(copy, entry);
  else if (known != NULL)
    copy_take_out(copy, known);
}

static bool copy_is_same(const range_copy *a, const range_copy *b) {
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++) {
    const known_key *item = copy_find(b, (tuplet_bytes){a->items[i].bytes, a->items[i].size});
    same = item != NULL && compare(&item->versionstamp, &a->items[i].versionstamp) == 0;
  }
  return same;
}

/* ---- Following ---- */

static void say_change(const tuplet_entry *entry) {
  tuplet_owned key = {0}, value = {0};
  if (tuplet_key_to_text(tuplet_key_of(entry->key), NULL, &key, NULL) != TUPLET_OK) abort();
  if (!entry->exists)
    say("gone %s", (const char *)key.data);
  else if (tuplet_value_to_text(entry->value, NULL, &value, NULL) == TUPLET_OK)
    say("set %s %s", (const char *)key.data, (const char *)value.data);
  tuplet_owned_free(&key);
  tuplet_owned_free(&value);
}

typedef struct following {
  range_copy copy;
  tuplet_versionstamp versionstamp;
  unsigned deliveries, rereads, reversals;
} following;

static tuplet_status take_delivery(tuplet_db *db, following *f, const tuplet_changes *changes,
                                   tuplet_error *error) {
  f->deliveries++;
  if (compare(&changes->versionstamp, &f->versionstamp) < 0) f->reversals++;
  f->versionstamp = changes->versionstamp;
  if (changes->must_reread) {
    f->rereads++;
    tuplet_status status = copy_list(db, &f->copy, error);
    if (status == TUPLET_OK) say("reread %zu", f->copy.count);
    return status;
  }
  for (size_t i = 0; i < changes->count; i++) {
    copy_apply(&f->copy, &changes->items[i], &changes->versionstamp);
    say_change(&changes->items[i]);
  }
  return TUPLET_OK;
}

/* Whether all has been told up to the last write, that of ["range", "end"]. */
static bool is_complete(const following *f, tuplet_bytes end_key) {
  const known_key *end = copy_find(&f->copy, end_key);
  return end != NULL && compare(&f->versionstamp, &end->versionstamp) >= 0;
}

static int run_follow(tuplet_db *db, uint32_t changes_max) {
  static const char end_text[] = "[\"range\", \"end\"]";
  tuplet_error error = {0};
  tuplet_range_watch *watch;
  tuplet_owned end_key;
  following f = {0};
  range_copy listed = {0};
  if (tuplet_key_from_text(end_text, sizeof end_text - 1, NULL, &end_key, &error) != TUPLET_OK) return 1;
  if (open_watch(db, changes_max, &watch, &error) != TUPLET_OK) {
    say("failed %s %s", tuplet_status_name(error.status), error.message);
    return 0;
  }
  while (!is_complete(&f, (tuplet_bytes){end_key.data, end_key.size})) {
    const tuplet_changes *changes;
    tuplet_status status = tuplet_range_watch_next(watch, TUPLET_FOREVER, &changes, &error);
    if (status == TUPLET_OK) status = take_delivery(db, &f, changes, &error);
    if (status != TUPLET_OK) say("failed %s %s", tuplet_status_name(status), error.message);
  }
  bool is_listed = copy_list(db, &listed, &error) == TUPLET_OK;
  say("{\"same\":%s,\"count\":%zu,\"deliveries\":%u,\"rereads\":%u,\"reversals\":%u}",
      is_listed && copy_is_same(&f.copy, &listed) ? "true" : "false", listed.count, f.deliveries, f.rereads,
      f.reversals);
  copy_clear(&listed);
  copy_clear(&f.copy);
  tuplet_range_watch_close(watch);
  tuplet_owned_free(&end_key);
  return 0;
}

static int run_fetch(tuplet_db *db, uint32_t changes_max) {
  tuplet_error error = {0};
  tuplet_range_watch *watch;
  if (open_watch(db, changes_max, &watch, &error) != TUPLET_OK) {
    say("failed %s %s", tuplet_status_name(error.status), error.message);
    return 0;
  }
  say("watching");
  for (int next; (next = getchar()) != EOF;) {
    if (next != '\n') continue;
    const tuplet_changes *changes;
    tuplet_status status = tuplet_range_watch_next(watch, WAIT_MS, &changes, &error);
    if (status == TUPLET_TIMEOUT)
      say("timeout");
    else if (status != TUPLET_OK)
      say("failed %s %s", tuplet_status_name(status), error.message);
    else if (changes->must_reread)
      say("reread");
    else
      say("changes %zu", changes->count);
  }
  tuplet_range_watch_close(watch);
  return 0;
}

/* ---- Checks ---- */

static char failure[1024];

static void fail_at(int line, const char *what, const char *message) {
  if (failure[0] != '\0') return;
  (void)snprintf(failure, sizeof failure, "remote_range.c:%d: %s: %s", line, what, message);
  for (char *next = failure; *next != '\0'; next++) {
    if (*next == '"' || *next == '\\') *next = '\'';
    if (*next == '\n') *next = ' ';
  }
}

#define EXPECT(condition)                                                                                    \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fail_at(__LINE__, #condition, "");                                                                     \
      return;                                                                                                \
    }                                                                                                        \
  } while (0)

#define EXPECT_STATUS(wanted, call)                                                                          \
  do {                                                                                                       \
    error = (tuplet_error){0};                                                                               \
    tuplet_status got_status = (call);                                                                       \
    if (got_status != (wanted)) {                                                                            \
      fail_at(__LINE__, tuplet_status_name(got_status), error.message);                                      \
      return;                                                                                                \
    }                                                                                                        \
  } while (0)

typedef struct place {
  const char *url;
  const tuplet_open_options *options;
  tuplet_db *db;
} place;

static tuplet_status set(tuplet_db *db, int64_t number, tuplet_error *error) {
  return tuplet_set(db, TUPLET_KEY("range", number), tuplet_value_u64((uint64_t)number), TUPLET_NEVER, NULL,
                    error);
}

static void sets_and_deletions_are_told(const place *at) {
  tuplet_error error;
  tuplet_range_watch *watch;
  const tuplet_changes *changes;
  tuplet_versionstamp stamp;
  EXPECT_STATUS(TUPLET_OK, open_watch(at->db, 0, &watch, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT(changes->must_reread && changes->count == 0);
  EXPECT_STATUS(TUPLET_OK,
                tuplet_set(at->db, TUPLET_KEY("elsewhere"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_set(at->db, TUPLET_KEY("range", 1), tuplet_value_u64(7), TUPLET_NEVER,
                                      &stamp, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT(!changes->must_reread && changes->count == 1);
  EXPECT(changes->items[0].exists && changes->items[0].value.u64 == 7);
  EXPECT(compare(&changes->items[0].versionstamp, &stamp) == 0 &&
         compare(&changes->versionstamp, &stamp) >= 0);
  EXPECT_STATUS(TUPLET_OK, tuplet_delete(at->db, TUPLET_KEY("range", 1), NULL, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT(!changes->must_reread && changes->count == 1 && !changes->items[0].exists);
  EXPECT_STATUS(TUPLET_TIMEOUT, tuplet_range_watch_next(watch, 50, &changes, &error));
  EXPECT_STATUS(TUPLET_OK,
                tuplet_set(at->db, TUPLET_KEY("range", 1), tuplet_value_u64(8), 300, &stamp, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT(changes->count == 1 && changes->items[0].exists);
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT(changes->count == 1 && !changes->items[0].exists); /* it has expired */
  tuplet_range_watch_close(watch);
}

static void changes_are_merged_until_they_are_fetched(const place *at) {
  tuplet_error error;
  tuplet_range_watch *watch, *another;
  const tuplet_changes *changes;
  EXPECT_STATUS(TUPLET_OK, open_watch(at->db, 0, &watch, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  EXPECT_STATUS(TUPLET_OK, open_watch(at->db, 0, &another, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(another, WAIT_MS, &changes, &error));
  /* Each is seen by another watch before the next is made: so the server has told both. */
  for (int64_t i = 0; i < 30; i++) {
    EXPECT_STATUS(TUPLET_OK, set(at->db, i % 3, &error));
    EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(another, WAIT_MS, &changes, &error));
  }
  unsigned deliveries = 0;
  for (tuplet_versionstamp last = changes->versionstamp, told = {{0}}; compare(&told, &last) < 0;) {
    EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
    EXPECT(!changes->must_reread && changes->count > 0 && changes->count <= 3);
    told = changes->versionstamp;
    deliveries++;
  }
  EXPECT(deliveries < 15); /* the last ones may have been on their way */
  tuplet_range_watch_close(watch);
  tuplet_range_watch_close(another);
}

/* While nobody fetches. */
static void as_many_changes_are_told_as_are_remembered(const place *at) {
  enum { COMMITS = 10, PER_COMMIT = TUPLET_RANGE_WATCH_CHANGES_MAX / COMMITS };
  tuplet_error error;
  tuplet_range_watch *watch;
  const tuplet_changes *changes;
  tuplet_commit commit = {0};
  EXPECT_STATUS(TUPLET_OK, open_watch(at->db, TUPLET_RANGE_WATCH_CHANGES_MAX, &watch, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
  for (int i = 0; i < COMMITS; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(at->db);
    for (int j = 0; j < PER_COMMIT; j++)
      EXPECT_STATUS(TUPLET_OK, tuplet_atomic_set(atomic, TUPLET_KEY("range", i, j), tuplet_value_u64(1),
                                                 TUPLET_NEVER, &error));
    EXPECT_STATUS(TUPLET_OK, tuplet_atomic_commit(atomic, &commit, &error));
    tuplet_atomic_free(atomic);
  }
  size_t told = 0;
  while (compare(&changes->versionstamp, &commit.versionstamp) < 0) {
    EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watch, WAIT_MS, &changes, &error));
    EXPECT(!changes->must_reread);
    told += changes->count;
  }
  EXPECT(told == TUPLET_RANGE_WATCH_CHANGES_MAX);
  tuplet_range_watch_close(watch);
}

static void wrong_options_are_refused(const place *at) {
  tuplet_error error;
  tuplet_range_watch *watch;
  EXPECT_STATUS(TUPLET_LIMIT, open_watch(at->db, TUPLET_RANGE_WATCH_CHANGES_MAX + 1, &watch, &error));
  const tuplet_selector nothing = {.prefix = &range_key, .start = &range_key};
  EXPECT_STATUS(TUPLET_INVALID, tuplet_range_watch_open(at->db, &nothing, NULL, &watch, &error));
}

/* ---- Callbacks and ends ---- */

typedef struct waiter {
  pthread_mutex_t mutex;
  pthread_cond_t signal;
  tuplet_range_watch *watch;
  int calls;
  int left; /* deliveries to be asked for; from the callback */
  tuplet_status status;
} waiter;

static void on_changes(void *context, tuplet_status status, const tuplet_changes *changes,
                       const tuplet_error *error) {
  waiter *w = context;
  (void)changes;
  (void)error;
  (void)pthread_mutex_lock(&w->mutex);
  w->calls++;
  w->status = status;
  bool goes_on = status == TUPLET_OK && --w->left > 0;
  (void)pthread_cond_signal(&w->signal);
  (void)pthread_mutex_unlock(&w->mutex);
  if (goes_on) (void)tuplet_range_watch_next_async(w->watch, on_changes, w, NULL);
}

static tuplet_status wait_for_calls(waiter *w, int calls) {
  (void)pthread_mutex_lock(&w->mutex);
  while (w->calls < calls) (void)pthread_cond_wait(&w->signal, &w->mutex);
  tuplet_status status = w->status;
  (void)pthread_mutex_unlock(&w->mutex);
  return status;
}

static void callbacks_get_changes_and_the_end(const place *at) {
  tuplet_error error;
  waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .signal = PTHREAD_COND_INITIALIZER, .left = 4};
  EXPECT_STATUS(TUPLET_OK, open_watch(at->db, 0, &w.watch, &error));
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next_async(w.watch, on_changes, &w, &error));
  for (int i = 1; i < 4; i++) {
    EXPECT(wait_for_calls(&w, i) == TUPLET_OK);
    EXPECT_STATUS(TUPLET_OK, set(at->db, i, &error));
  }
  EXPECT(wait_for_calls(&w, 4) == TUPLET_OK);
  EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next_async(w.watch, on_changes, &w, &error));
  tuplet_range_watch_close(w.watch);
  EXPECT(wait_for_calls(&w, 5) == TUPLET_CLOSED);
}

static void *wait_for_end(void *context) {
  waiter *w = context;
  const tuplet_changes *changes;
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK) {
    status = tuplet_range_watch_next(w->watch, TUPLET_FOREVER, &changes, NULL);
    (void)pthread_mutex_lock(&w->mutex);
    w->calls++;
    w->status = status;
    (void)pthread_cond_signal(&w->signal);
    (void)pthread_mutex_unlock(&w->mutex);
  }
  return NULL;
}

static void closing_the_database_ends_a_wait(const place *at) {
  tuplet_error error;
  tuplet_db *db;
  pthread_t thread;
  waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .signal = PTHREAD_COND_INITIALIZER};
  EXPECT_STATUS(TUPLET_OK, tuplet_open(at->url, at->options, &db, &error));
  EXPECT_STATUS(TUPLET_OK, open_watch(db, 0, &w.watch, &error));
  EXPECT(pthread_create(&thread, NULL, wait_for_end, &w) == 0);
  (void)wait_for_calls(&w, 1);
  tuplet_close(db);
  (void)pthread_join(thread, NULL);
  EXPECT(w.status == TUPLET_CLOSED);
  tuplet_range_watch_close(w.watch);
}

typedef struct writer {
  tuplet_db *db;
  atomic_bool ends;
  tuplet_status status;
} writer;

static void *write_on(void *context) {
  writer *w = context;
  for (int64_t i = 0; !atomic_load(&w->ends) && w->status == TUPLET_OK; i++)
    w->status = set(w->db, i % 100, NULL);
  return NULL;
}

/* changes_max of 1: they also lose track and begin anew. */
static void watches_may_be_closed_at_any_moment(const place *at) {
  tuplet_error error;
  pthread_t thread;
  writer w = {.db = at->db};
  EXPECT(pthread_create(&thread, NULL, write_on, &w) == 0);
  for (int i = 0; i < 120 && failure[0] == '\0'; i++) {
    tuplet_range_watch *watch;
    const tuplet_changes *changes;
    waiter closed = {.mutex = PTHREAD_MUTEX_INITIALIZER, .signal = PTHREAD_COND_INITIALIZER, .left = 1000};
    if (open_watch(at->db, (uint32_t)(i % 2), &watch, &error) != TUPLET_OK)
      fail_at(__LINE__, "open_watch", error.message);
    for (int j = 0; j < i % 7; j++) (void)tuplet_range_watch_next(watch, j % 4, &changes, NULL);
    closed.watch = watch;
    bool is_async =
        i % 3 == 0 && tuplet_range_watch_next_async(watch, on_changes, &closed, NULL) == TUPLET_OK;
    tuplet_range_watch_close(watch);
    if (is_async) (void)wait_for_calls(&closed, 1);
  }
  atomic_store(&w.ends, true);
  (void)pthread_join(thread, NULL);
  EXPECT(w.status == TUPLET_OK);
}

static void many_watches_hear_of_a_change(const place *at) {
  enum { COUNT = 40 };
  tuplet_error error;
  tuplet_range_watch *watches[COUNT];
  const tuplet_changes *changes;
  for (int i = 0; i < COUNT; i++) EXPECT_STATUS(TUPLET_OK, open_watch(at->db, 0, &watches[i], &error));
  for (int i = 0; i < COUNT; i++)
    EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watches[i], WAIT_MS, &changes, &error));
  EXPECT_STATUS(TUPLET_OK, set(at->db, 1, &error));
  for (int i = 0; i < COUNT; i++) {
    EXPECT_STATUS(TUPLET_OK, tuplet_range_watch_next(watches[i], WAIT_MS, &changes, &error));
    EXPECT(changes->count == 1);
  }
  for (int i = 0; i < COUNT; i++) tuplet_range_watch_close(watches[i]);
}

static int run_checks(const place *at) {
  static const struct {
    const char *name;
    void (*run)(const place *at);
  } checks[] = {
      {"sets, deletions and expiries are told", sets_and_deletions_are_told},
      {"changes are merged until they are fetched", changes_are_merged_until_they_are_fetched},
      {"as many changes are told as are remembered", as_many_changes_are_told_as_are_remembered},
      {"wrong options are refused", wrong_options_are_refused},
      {"callbacks get changes, and the end", callbacks_get_changes_and_the_end},
      {"closing the database ends a wait", closing_the_database_ends_a_wait},
      {"watches may be closed at any moment", watches_may_be_closed_at_any_moment},
      {"many watches hear of a change", many_watches_hear_of_a_change},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    failure[0] = '\0';
    checks[i].run(at);
    if (failure[0] == '\0')
      say("{\"check\":\"%s\"}", checks[i].name);
    else
      say("{\"check\":\"%s\",\"error\":\"%s\"}", checks[i].name, failure);
  }
  say("{\"finished\":true}");
  return 0;
}

/* ---- Out of memory ---- */

/* Follows three changes; running out of memory on the way may cost the place, but nothing else. */
static tuplet_status follow_a_little(tuplet_db *db, tuplet_error *error) {
  tuplet_range_watch *watch;
  tuplet_status status = open_watch(db, 0, &watch, error);
  if (status != TUPLET_OK) return status;
  const tuplet_changes *changes;
  status = tuplet_range_watch_next(watch, WAIT_MS, &changes, error);
  for (int64_t i = 0; status == TUPLET_OK && i < 3; i++) {
    status = set(db, i, error);
    if (status == TUPLET_OK) status = tuplet_range_watch_next(watch, WAIT_MS, &changes, error);
  }
  tuplet_range_watch_close(watch);
  return status;
}

static int run_out_of_memory(const char *url, tuplet_open_options options) {
  for (size_t n = 1;; n++) {
    shared_fault_allocator faults;
    tuplet_error error = {0};
    tuplet_db *db;
    shared_fault_allocator_init(&faults, n, false);
    options.allocator = &faults.allocator;
    tuplet_status status = tuplet_open(url, &options, &db, &error);
    if (status == TUPLET_OK) {
      status = follow_a_little(db, &error);
      tuplet_close(db);
    }
    bool fired = atomic_load(&faults.fired);
    bool is_right = status == TUPLET_OK || (fired && (status == TUPLET_NOMEM || status == TUPLET_UNKNOWN));
    if (atomic_load(&faults.live) != 0 || !is_right) {
      say("{\"n\":%zu,\"live\":%zu,\"status\":\"%s\"}", n, atomic_load(&faults.live),
          tuplet_status_name(status));
      return 1;
    }
    if (!fired) {
      say("{\"allocations\":%zu}", n - 1);
      return 0;
    }
  }
}

/* ---- The program ---- */

int main(int argc, char **argv) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  uint32_t changes_max = 0;
  int next = 1;
  if (argc > 3 && strcmp(argv[1], "--changes-max") == 0) {
    changes_max = (uint32_t)strtoul(argv[2], NULL, 10);
    next = 3;
  }
  if (argc - next != 2) return 2;
  const char *url = argv[next], *what = argv[next + 1];
  if (strcmp(what, "out-of-memory") == 0) return run_out_of_memory(url, options);
  tuplet_db *db;
  tuplet_error error;
  if (tuplet_open(url, &options, &db, &error) != TUPLET_OK) {
    say("cannot open: %s: %s", tuplet_status_name(error.status), error.message);
    return 1;
  }
  int code = 2;
  if (strcmp(what, "checks") == 0) code = run_checks(&(place){url, &options, db});
  if (strcmp(what, "follow") == 0) code = run_follow(db, changes_max);
  if (strcmp(what, "fetch") == 0) code = run_fetch(db, changes_max);
  tuplet_close(db);
  return code;
}
