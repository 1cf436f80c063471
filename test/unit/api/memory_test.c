/* memory_test.c: every allocation fails once, and every allocation is the first of many that fail: each call
 * succeeds or says TUPLET_NOMEM, what it was to write is not written, the same call succeeds once there is
 * memory again, and nothing leaks. */
#include "support/database.h"
#include "support/latch.h"
#include "support/shared_fault_allocator.h"

typedef struct scenario {
  database *d;
  tuplet_db *db;
  shared_fault_allocator faults;
  size_t fail_at;
} scenario;

static void require(const scenario *s, bool holds, const char *what) {
  if (holds) return;
  print_error("allocation %zu fails (%s): %s; the last error: %s\n", s->fail_at,
              s->faults.persistent ? "and all after it" : "alone", what, s->d->error.message);
  fail();
}

/* Whether the call is to be made again. There is memory from then on. */
static bool must_repeat(scenario *s, tuplet_status status, tuplet_status wanted, const char *what) {
  if (status == wanted) return false;
  require(s, status == TUPLET_NOMEM, what);
  require(s, atomic_load(&s->faults.fired), "TUPLET_NOMEM, though no allocation has failed");
  require(s, atomic_load(&s->faults.fail_at) > 0, "TUPLET_NOMEM, though there is memory again");
  shared_fault_allocator_heal(&s->faults);
  return true;
}

/* ---- What stands in the database ---- */

enum { ENTRIES_MAX = 32 };

/* All entries as text, one a line; reads with another allocator's handle where it can, else after healing. */
static void describe(scenario *s, char *ret_text, size_t size) {
  ret_text[0] = '\0';
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_list *list = NULL;
  const tuplet_entry *entry = NULL;
  require(s, tuplet_list_open(s->db, &everything, NULL, &list, &s->d->error) == TUPLET_OK, "listing");
  while (tuplet_list_next(list, &entry, &s->d->error) == TUPLET_OK) {
    char versionstamp[TUPLET_VERSIONSTAMP_TEXT_SIZE];
    tuplet_versionstamp_to_text(&entry->versionstamp, versionstamp);
    size_t used = strlen(ret_text);
    (void)snprintf(ret_text + used, size - used, "%d %zu %llu %s\n", (int)entry->value.encoding,
                   entry->value.data.size, (unsigned long long)entry->value.u64, versionstamp);
  }
  tuplet_list_close(list);
}

/* A write that failed for want of memory left everything as it was. `before` is what describe gave before,
 * when there was memory then. */
static void require_unchanged(scenario *s, const char *before, const char *what) {
  char now[2048];
  describe(s, now, sizeof now);
  require(s, before[0] == '?' || strcmp(now, before) == 0, what);
}

/* Not while the fault may still come: the description would take it. */
static void describe_before(scenario *s, char *ret_text, size_t size) {
  (void)snprintf(ret_text, size, "?");
  if (atomic_load(&s->faults.fail_at) == 0) describe(s, ret_text, size);
}

/* ---- The calls ---- */

static void open_database(scenario *s) {
  tuplet_open_options options = quick_options();
  options.allocator = &s->faults.allocator;
  tuplet_status status;
  do {
    status = tuplet_open(s->d->path, &options, &s->db, &s->d->error);
    if (status != TUPLET_OK) require(s, atomic_load(&s->faults.live) == 0, "a failed open keeps memory");
  } while (must_repeat(s, status, TUPLET_OK, "open"));
}

static void set(scenario *s, tuplet_key key, tuplet_value value) {
  tuplet_versionstamp versionstamp;
  while (must_repeat(s, tuplet_set(s->db, key, value, TUPLET_NEVER, &versionstamp, &s->d->error), TUPLET_OK,
                     "set")) {
    tuplet_entry *entry = NULL;
    require(s, tuplet_get(s->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &s->d->error) == TUPLET_NOT_FOUND,
            "a set that failed wrote");
  }
}

static void get(scenario *s, tuplet_key key, const char *text) {
  tuplet_entry *entry = NULL;
  while (must_repeat(s, tuplet_get(s->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &s->d->error), TUPLET_OK,
                     "get")) {
    require(s, entry == NULL, "a get that failed gave an entry");
  }
  require(s, is_text(entry, text), "what get gave");
  tuplet_entry_free(entry);
}

static void get_many(scenario *s) {
  const tuplet_key keys[] = {TUPLET_KEY("a", 1), TUPLET_KEY("absent"), TUPLET_KEY("a", 3)};
  tuplet_entries *entries = NULL;
  while (must_repeat(s, tuplet_get_many(s->db, keys, 3, TUPLET_CONSISTENCY_STRONG, &entries, &s->d->error),
                     TUPLET_OK, "getMany")) {
    require(s, entries == NULL, "a getMany that failed gave entries");
  }
  require(s,
          is_text(&entries->items[0], "one") && !entries->items[1].exists &&
              is_text(&entries->items[2], "three"),
          "what getMany gave");
  tuplet_entries_free(entries);
}

/* A list that ran out of memory goes on where it was, and its cursor is that of the entry before. */
static void list(scenario *s, bool reverse) {
  static const char *const forward[] = {"one", "two", "three"}, *const backward[] = {"three", "two", "one"};
  const char *const *wanted = reverse ? backward : forward;
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = 1;
  options.reverse = reverse;
  tuplet_list *list = NULL;
  const tuplet_entry *entry = NULL;
  char last[64] = "";
  while (must_repeat(s, tuplet_list_open(s->db, &selector, &options, &list, &s->d->error), TUPLET_OK,
                     "opening a list"))
    require(s, list == NULL, "a list that failed to open");
  for (int i = 0; i <= 3; i++) {
    const char *cursor = NULL;
    while (must_repeat(s, tuplet_list_next(list, &entry, &s->d->error), i < 3 ? TUPLET_OK : TUPLET_DONE,
                       "a list's next")) {
      require(s, tuplet_list_cursor(list, &cursor, &s->d->error) == TUPLET_OK && strcmp(cursor, last) == 0,
              "the cursor after a failure");
    }
    if (i < 3) require(s, is_text(entry, wanted[i]), "a list goes on where it was");
    while (must_repeat(s, tuplet_list_cursor(list, &cursor, &s->d->error), TUPLET_OK, "a cursor")) {
    }
    require(s, (cursor[0] == '\0') == (i == 3), "the cursor");
    (void)snprintf(last, sizeof last, "%s", cursor);
  }
  tuplet_list_close(list);
}

/* Every kind of mutation. NULL when memory ran out. */
static tuplet_atomic *gather(scenario *s) {
  static const uint8_t number[] = {0xFF, 0x0F, 'I', 4}, large[] = {0xFF, 0x0F, 'I', 40};
  static const uint8_t bigint[] = {0xFF, 0x0F, 'Z', 16, 9, 0, 0, 0, 0, 0, 0, 0};
  tuplet_value two = tuplet_value_v8(tuplet_view(number, sizeof number));
  tuplet_value bound = tuplet_value_v8(tuplet_view(large, sizeof large));
  tuplet_value nine = tuplet_value_v8(tuplet_view(bigint, sizeof bigint));
  tuplet_atomic *atomic = tuplet_atomic_new(s->db);
  if (atomic == NULL) return NULL;
  (void)tuplet_atomic_check(atomic, TUPLET_KEY("absent"), NULL, NULL);
  (void)tuplet_atomic_set(atomic, TUPLET_KEY("set"), text_value("set"), 3600000, NULL);
  (void)tuplet_atomic_delete(atomic, TUPLET_KEY("a", 2), NULL);
  (void)tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 5, NULL);
  (void)tuplet_atomic_min(atomic, TUPLET_KEY("count"), 3, NULL);
  (void)tuplet_atomic_max(atomic, TUPLET_KEY("count"), 4, NULL);
  (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("number"), two, NULL, &bound, true, NULL);
  (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("number"), two, &two, &bound, true, NULL);
  (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("bigint"), nine, NULL, NULL, false, NULL);
  (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("bigint"), nine, NULL, &nine, true, NULL);
  (void)tuplet_atomic_set_versionstamped(atomic, TUPLET_KEY("log"), text_value("line"), TUPLET_NEVER, NULL);
  return atomic;
}

static void commit(scenario *s) {
  char before[2048];
  describe_before(s, before, sizeof before);
  tuplet_status status;
  do {
    tuplet_atomic *atomic = gather(s);
    tuplet_commit result;
    status = atomic == NULL ? TUPLET_NOMEM : tuplet_atomic_commit(atomic, &result, &s->d->error);
    tuplet_atomic_free(atomic);
    if (!must_repeat(s, status, TUPLET_OK, "commit")) break;
    require_unchanged(s, before, "a commit that failed wrote");
    tuplet_entry *entry = NULL;
    static const char *const new_keys[] = {"set", "count", "number", "bigint"};
    for (size_t i = 0; i < COUNT_OF(new_keys); i++) {
      status = tuplet_get(s->db, TUPLET_KEY(new_keys[i]), TUPLET_CONSISTENCY_STRONG, &entry, &s->d->error);
      require(s, status == TUPLET_NOT_FOUND, "a commit that failed wrote a part");
    }
    status = tuplet_get(s->db, TUPLET_KEY("a", 2), TUPLET_CONSISTENCY_STRONG, &entry, &s->d->error);
    require(s, status == TUPLET_OK, "a commit that failed deleted");
    tuplet_entry_free(entry);
  } while (true);
  tuplet_entry *entry = NULL;
  while (must_repeat(s,
                     tuplet_get(s->db, TUPLET_KEY("count"), TUPLET_CONSISTENCY_STRONG, &entry, &s->d->error),
                     TUPLET_OK, "get")) {
  }
  require(s, entry->value.u64 == 4, "what the commit came to");
  tuplet_entry_free(entry);
}

/* ---- With callbacks ---- */

typedef struct call {
  latch done;
  tuplet_status status;
} call;

static void on_entry(void *context, tuplet_status status, tuplet_entry *entry, const tuplet_error *error) {
  call *c = context;
  (void)error;
  tuplet_entry_free(entry);
  c->status = status;
  latch_add(&c->done);
}

static void on_entries(void *context, tuplet_status status, tuplet_entries *entries,
                       const tuplet_error *error) {
  call *c = context;
  (void)error;
  tuplet_entries_free(entries);
  c->status = status;
  latch_add(&c->done);
}

static void on_commit(void *context, tuplet_status status, const tuplet_commit *result,
                      const tuplet_error *error) {
  call *c = context;
  (void)result, (void)error;
  c->status = status;
  latch_add(&c->done);
}

static void on_watch(void *context, tuplet_status status, const tuplet_entries *entries,
                     const tuplet_error *error) {
  call *c = context;
  (void)entries, (void)error;
  c->status = status;
  latch_add(&c->done);
}

/* What the call came to: its own status, or that of its callback. */
static tuplet_status outcome(scenario *s, tuplet_status started, call *c) {
  if (started != TUPLET_OK) {
    require(s, latch_count(&c->done) == 0, "a call that failed called back");
    return started;
  }
  require(s, latch_wait(&c->done, 1), "a callback that never comes");
  return c->status;
}

static void call_back(scenario *s) {
  call c;
  const tuplet_key keys[] = {TUPLET_KEY("a", 1), TUPLET_KEY("absent")};
  do {
    c = (call){.done = LATCH_INIT};
  } while (must_repeat(
      s,
      outcome(s, tuplet_get_async(s->db, keys[0], TUPLET_CONSISTENCY_STRONG, on_entry, &c, &s->d->error), &c),
      TUPLET_OK, "get with a callback"));
  do {
    c = (call){.done = LATCH_INIT};
  } while (must_repeat(
      s,
      outcome(s,
              tuplet_get_many_async(s->db, keys, 2, TUPLET_CONSISTENCY_STRONG, on_entries, &c, &s->d->error),
              &c),
      TUPLET_OK, "getMany with a callback"));
  do {
    c = (call){.done = LATCH_INIT};
  } while (must_repeat(s,
                       outcome(s,
                               tuplet_set_async(s->db, TUPLET_KEY("async"), text_value("v"), TUPLET_NEVER,
                                                on_commit, &c, &s->d->error),
                               &c),
                       TUPLET_OK, "set with a callback"));
  do {
    c = (call){.done = LATCH_INIT};
  } while (must_repeat(
      s, outcome(s, tuplet_delete_async(s->db, TUPLET_KEY("async"), on_commit, &c, &s->d->error), &c),
      TUPLET_OK, "delete with a callback"));
}

static void watch(scenario *s) {
  enum { LONG_MS = 60000 };
  const tuplet_key keys[] = {TUPLET_KEY("a", 1), TUPLET_KEY("watched")};
  tuplet_watch *watch = NULL;
  const tuplet_entries *entries = NULL;
  while (
      must_repeat(s, tuplet_watch_open(s->db, keys, 2, &watch, &s->d->error), TUPLET_OK, "opening a watch"))
    require(s, watch == NULL, "a watch that failed to open");
  while (must_repeat(s, tuplet_watch_next(watch, LONG_MS, &entries, &s->d->error), TUPLET_OK,
                     "a watch's first state")) {
  }
  require(s, is_text(&entries->items[0], "one") && !entries->items[1].exists, "a watch's first state");
  set(s, TUPLET_KEY("watched"), text_value("v"));
  while (must_repeat(s, tuplet_watch_next(watch, LONG_MS, &entries, &s->d->error), TUPLET_OK,
                     "a watch's change")) {
  }
  require(s, is_text(&entries->items[0], "one") && is_text(&entries->items[1], "v"), "a watch's change");

  while (
      must_repeat(s, tuplet_delete(s->db, TUPLET_KEY("watched"), NULL, &s->d->error), TUPLET_OK, "delete")) {
  }
  call c;
  do {
    c = (call){.done = LATCH_INIT};
  } while (must_repeat(s, outcome(s, tuplet_watch_next_async(watch, on_watch, &c, &s->d->error), &c),
                       TUPLET_OK, "a watch with a callback"));
  tuplet_watch_close(watch);
}

/* ---- The loop ---- */

/* Whether the allocation that was to fail was reached. */
static bool run(database *d, size_t fail_at, bool persistent) {
  scenario s = {.d = d, .fail_at = fail_at};
  shared_fault_allocator_init(&s.faults, fail_at, persistent);
  open_database(&s);
  set(&s, TUPLET_KEY("a", 1), text_value("one"));
  set(&s, TUPLET_KEY("a", 2), text_value("two"));
  set(&s, TUPLET_KEY("a", 3), text_value("three"));
  get(&s, TUPLET_KEY("a", 1), "one");
  get_many(&s);
  list(&s, false);
  list(&s, true);
  commit(&s);
  call_back(&s);
  watch(&s);
  tuplet_close(s.db);
  require(&s, atomic_load(&s.faults.live) == 0, "memory is kept after close");
  if (!in_memory(d)) require(&s, remove(d->path) == 0, "removing the file");
  return atomic_load(&s.faults.fired);
}

static void fail_each(void **state, bool persistent) {
  database *d = *state;
  tuplet_close(d->db);
  d->db = NULL;
  if (!in_memory(d)) assert_int_equal(remove(d->path), 0);
  size_t fail_at = 1;
  while (run(d, fail_at, persistent)) fail_at++;
  assert_true(fail_at > 50); /* the loop has seen the scenario */
}

static void each_allocation_may_fail(void **state) {
  fail_each(state, false);
}

static void memory_may_run_out_at_each_allocation(void **state) {
  fail_each(state, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(each_allocation_may_fail),
      ON_MEMORY(memory_may_run_out_at_each_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
