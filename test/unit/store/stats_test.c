/* stats_test.c: what an engine counts is what happened, and stays when it is closed. */
#include "api/open.h"
#include "codec/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fault_allocator.h"
#include "support/latch.h"

enum { WAIT_S = 60, PAGE_SIZE = 4096 };

typedef struct fixture {
  char folder[128];
  char path[160];
  tp_engine_stats stats;
  tp_store *store;
  tuplet_error error;
} fixture;

static void open_store(fixture *f, const char *path) {
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  const tp_open_wants wants = {.stats = &f->stats};
  assert_int_equal(
      tp_open_store_for_server(path, &options, tp_clock_system(), &wants, &f->store, NULL, &f->error),
      TUPLET_OK);
}

static void close_store(fixture *f) {
  tp_store_close(f->store);
  f->store = NULL;
}

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  *state = f;
  const char *parent = getenv("TMPDIR");
  (void)snprintf(f->folder, sizeof f->folder, "%s/tuplet-test-XXXXXX", parent != NULL ? parent : "/tmp");
  if (mkdtemp(f->folder) == NULL) return -1;
  (void)snprintf(f->path, sizeof f->path, "%s/kv.sqlite", f->folder);
  return tp_engine_stats_init(&f->stats, NULL, &f->error) == TUPLET_OK ? 0 : -1;
}

static int tear_down(void **state) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  fixture *f = *state;
  tp_store_close(f->store);
  tp_engine_stats_done(&f->stats);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    char path[176];
    (void)snprintf(path, sizeof path, "%s%s", f->path, endings[i]);
    (void)unlink(path);
  }
  int result = rmdir(f->folder);
  free(f);
  return result;
}

static uint64_t value_of(const _Atomic uint64_t *counter) {
  return atomic_load(counter);
}

/* ---- Writing ---- */

typedef struct waited_write {
  tp_write write;
  latch *done;
  tp_arena arena;
  uint32_t failed_checks[1];
} waited_write;

static void on_written(tp_write *write) {
  latch_add(((waited_write *)(void *)write)->done); /* its first member */
}

static void submit(fixture *f, waited_write *waited, latch *done) {
  waited->done = done;
  waited->write.arena = &waited->arena;
  waited->write.on_done = on_written;
  waited->write.failed_checks = waited->failed_checks;
  tp_arena_init(&waited->arena, NULL, 512);
  tp_store_write(f->store, &waited->write);
}

static tuplet_status commit(fixture *f, waited_write *waited) {
  latch done = LATCH_INIT;
  submit(f, waited, &done);
  assert_true(latch_wait(&done, 1));
  tp_arena_done(&waited->arena);
  return waited->write.status;
}

static tp_mutation set_of(const char *key, const void *value, size_t size, int64_t expires_at_ms) {
  return (tp_mutation){.type = TP_MUTATION_SET,
                       .key = {key, strlen(key)},
                       .encoding = TUPLET_ENCODING_BYTES,
                       .value = {value, size},
                       .expires_at_ms = expires_at_ms};
}

static void set(fixture *f, const char *key, size_t size, int64_t expires_at_ms) {
  static const uint8_t value[TP_LIMIT_VALUE_SIZE_MAX];
  const tp_mutation mutation = set_of(key, value, size, expires_at_ms);
  waited_write waited = {.write = {.mutations = &mutation, .mutation_count = 1}};
  assert_int_equal(commit(f, &waited), TUPLET_OK);
}

/* ---- What is counted ---- */

static void writes_by_what_became_of_them(void **state) {
  fixture *f = *state;
  open_store(f, f->path);
  set(f, "\x02k", 10, TP_EXPIRES_NEVER);
  set(f, "\x02l", 20, TP_EXPIRES_NEVER);

  const tp_check check = {.key = {"\x02k", 2}, .must_be_absent = true};
  waited_write conflicting = {.write = {.checks = &check, .check_count = 1}};
  assert_int_equal(commit(f, &conflicting), TUPLET_CONFLICT);

  tp_mutation sum = set_of("\x02k", "\1\0\0\0\0\0\0", 8, TP_EXPIRES_NEVER);
  sum.type = TP_MUTATION_SUM;
  sum.encoding = TUPLET_ENCODING_LE64;
  waited_write failing = {.write = {.mutations = &sum, .mutation_count = 1}};
  assert_true(commit(f, &failing) < 0); /* bytes cannot be added to */

  assert_int_equal(value_of(&f->stats.writes_committed), 2);
  assert_int_equal(value_of(&f->stats.writes_conflicting), 1);
  assert_int_equal(value_of(&f->stats.writes_failed), 1);
  assert_int_equal(value_of(&f->stats.commits_failed), 0);
  assert_int_equal(value_of(&f->stats.written_size), 2 + 10 + 2 + 20);
  assert_int_equal(tp_histogram_count(&f->stats.group_size), 2); /* what was refused is in no commit */
  assert_int_equal(tp_histogram_count(&f->stats.commit_ns), 2);
  assert_true(tp_histogram_sum(&f->stats.commit_ns) > 0);
}

static void group_sizes_add_up_to_the_writes(void **state) {
  enum { WRITES = 200 };
  fixture *f = *state;
  open_store(f, f->path);
  const tp_mutation mutation = set_of("\x02k", "v", 1, TP_EXPIRES_NEVER);
  waited_write *writes = calloc(WRITES, sizeof *writes);
  assert_non_null(writes);
  latch done = LATCH_INIT;
  for (size_t i = 0; i < WRITES; i++) {
    writes[i].write.mutations = &mutation;
    writes[i].write.mutation_count = 1;
    submit(f, &writes[i], &done);
  }
  assert_true(latch_wait(&done, WRITES));
  for (size_t i = 0; i < WRITES; i++) tp_arena_done(&writes[i].arena);
  free(writes);
  uint64_t commits = tp_histogram_count(&f->stats.group_size);
  assert_int_equal(value_of(&f->stats.writes_committed), WRITES);
  assert_int_equal(tp_histogram_sum(&f->stats.group_size), WRITES);
  assert_true(commits >= 1 && commits <= WRITES);
  assert_int_equal(tp_histogram_count(&f->stats.commit_ns), commits);
}

static bool reaches(const _Atomic uint64_t *counter, uint64_t wanted) {
  for (int i = 0; i < WAIT_S * 200 && value_of(counter) < wanted; i++) (void)usleep(5000);
  return value_of(counter) >= wanted;
}

static void expired_rows_when_they_are_removed(void **state) {
  fixture *f = *state;
  open_store(f, f->path);
  set(f, "\x02m", 1, TP_EXPIRES_NEVER);
  int64_t soon_ms = tp_store_now_ms(f->store) + 30;
  const tp_mutation expiring[] = {set_of("\x02k", "v", 1, soon_ms), set_of("\x02l", "v", 1, soon_ms)};
  waited_write last = {.write = {.mutations = expiring, .mutation_count = 2}};
  assert_int_equal(commit(f, &last),
                   TUPLET_OK); /* no write is left with which removing could share a commit */
  assert_true(reaches(&f->stats.expired_removed, 2));
  assert_int_equal(value_of(&f->stats.expired_removed), 2);
  assert_int_equal(value_of(&f->stats.writes_committed), 2); /* removing is no write */
  assert_int_equal(tp_histogram_count(&f->stats.group_size), 2);
  assert_int_equal(tp_histogram_count(&f->stats.commit_ns), 3); /* but takes a commit */
}

static void the_log_while_it_is_used(void **state) {
  fixture *f = *state;
  open_store(f, f->path);
  assert_int_equal(atomic_load(&f->stats.log_size), 0);
  set(f, "\x02k", 50000, TP_EXPIRES_NEVER);
  int64_t size = atomic_load(&f->stats.log_size);
  assert_true(size > 50000 && size < 50000 + 20 * PAGE_SIZE);
  assert_int_equal((size - 32) % (PAGE_SIZE + 24), 0);
  set(f, "\x02l", 50000, TP_EXPIRES_NEVER);
  assert_true(atomic_load(&f->stats.log_size) > size + 50000);
  close_store(f);
  assert_int_equal(atomic_load(&f->stats.log_size), 0);
}

static void checkpoints_as_the_log_grows(void **state) {
  enum { WRITES = 400 }; /* of 16 pages each: beyond the 4,000 at which one begins */
  fixture *f = *state;
  open_store(f, f->path);
  for (int i = 0; i < WRITES; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "\x02%d", i);
    set(f, key, 60000, TP_EXPIRES_NEVER);
  }
  for (int i = 0; i < WAIT_S * 200 && tp_histogram_count(&f->stats.checkpoint_ns) == 0; i++)
    (void)usleep(5000);
  assert_true(tp_histogram_count(&f->stats.checkpoint_ns) >= 1);
  assert_true(value_of(&f->stats.checkpoints_incomplete) <= tp_histogram_count(&f->stats.checkpoint_ns));
}

static void engines_share_one_and_leave_what_they_counted(void **state) {
  fixture *f = *state;
  tp_store *first;
  open_store(f, ":memory:");
  first = f->store;
  open_store(f, f->path);
  assert_int_equal(atomic_load(&f->stats.engine_count), 2);
  set(f, "\x02k", 1, TP_EXPIRES_NEVER);
  tp_store *second = f->store;
  f->store = first;
  set(f, "\x02k", 1, TP_EXPIRES_NEVER);
  close_store(f);
  f->store = second;
  assert_int_equal(atomic_load(&f->stats.engine_count), 1);
  assert_int_equal(value_of(&f->stats.writes_committed), 2);
  close_store(f);
  assert_int_equal(atomic_load(&f->stats.engine_count), 0);
  assert_int_equal(value_of(&f->stats.writes_committed), 2);
  assert_int_equal(tp_histogram_count(&f->stats.commit_ns), 2);
}

/* ---- Queues ---- */

static void enqueue(fixture *f, int64_t due_at_ms) {
  const tp_enqueue message = {.payload = {"\xff\x0f"
                                          "0",
                                          3},
                              .due_at_ms = due_at_ms};
  waited_write waited = {.write = {.enqueues = &message, .enqueue_count = 1}};
  assert_int_equal(commit(f, &waited), TUPLET_OK);
}

static tp_queue_state queue_of(fixture *f, uint32_t count_max) {
  tp_queue_state queue;
  assert_int_equal(tp_store_queue_state(f->store, count_max, &queue, &f->error), TUPLET_OK);
  return queue;
}

static void check_queue(fixture *f, const char *path) {
  open_store(f, path);
  assert_int_equal(queue_of(f, 100).waiting, 0);
  assert_true(queue_of(f, 100).oldest_due_at_ms == INT64_MAX);
  int64_t now_ms = tp_store_now_ms(f->store);
  enqueue(f, now_ms + 5000);
  enqueue(f, now_ms - 1000);
  enqueue(f, now_ms - 500);
  tp_queue_state queue = queue_of(f, 100);
  assert_int_equal(queue.waiting, 3);
  assert_int_equal(queue.running, 0);
  assert_int_equal(queue.oldest_due_at_ms, now_ms - 1000);
  assert_int_equal(queue_of(f, 2).waiting, 2); /* no more is counted than asked for */
  close_store(f);
}

static void a_queue_is_counted_up_to_a_limit(void **state) {
  fixture *f = *state;
  check_queue(f, f->path);
  check_queue(f, ":memory:");
  assert_int_equal(value_of(&f->stats.messages_enqueued), 6);
}

static void no_memory_for_them_is_told(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_engine_stats stats;
    tuplet_error error;
    tuplet_status status = tp_engine_stats_init(&stats, &faults.allocator, &error);
    bool fired = fault_allocator_fired(&faults);
    assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
    tp_engine_stats_done(&stats);
    assert_int_equal(faults.live, 0);
    if (!fired) break;
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(writes_by_what_became_of_them),      TEST(group_sizes_add_up_to_the_writes),
      TEST(expired_rows_when_they_are_removed), TEST(the_log_while_it_is_used),
      TEST(checkpoints_as_the_log_grows),       TEST(engines_share_one_and_leave_what_they_counted),
      TEST(a_queue_is_counted_up_to_a_limit),   cmocka_unit_test(no_memory_for_them_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
