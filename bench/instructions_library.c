/* instructions_library.c: the library's calls on a file, and watches and messages in memory, where no other
 * process can be and so nothing looks for one. */
#include "instructions.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

typedef struct library {
  tuplet_db *db;
  uint64_t random;
  tuplet_versionstamp versionstamp; /* of the commit before */
  tuplet_watch *watch;
  tuplet_listener *listener;
  tuplet_error error;
} library;

static void check(library *l, tuplet_status status) {
  instructions_check(status, &l->error);
}

static uint32_t random_row(library *l) {
  return bench_random(&l->random, INSTRUCTIONS_ROWS);
}

static uint32_t written_row(library *l) {
  return bench_random(&l->random, INSTRUCTIONS_WRITTEN_ROWS);
}

/* ---- Reads ---- */

static void get(library *l) {
  tuplet_entry *entry;
  check(l, tuplet_get(l->db, TUPLET_KEY(INSTRUCTIONS_PREFIX, random_row(l)), TUPLET_CONSISTENCY_STRONG,
                      &entry, &l->error));
  tuplet_entry_free(entry);
}

static void get_missing(library *l) {
  tuplet_entry *entry;
  tuplet_key key = TUPLET_KEY(INSTRUCTIONS_PREFIX, random_row(l), "missing");
  tuplet_status status = tuplet_get(l->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &l->error);
  if (status != TUPLET_NOT_FOUND) bench_fail("a key that is not there was found");
}

static void get_many(library *l) {
  enum { KEYS = 10 };
  tuplet_key keys[KEYS];
  tuplet_part parts[KEYS][2];
  for (size_t i = 0; i < KEYS; i++) {
    parts[i][0] = tuplet_part_text(INSTRUCTIONS_PREFIX);
    parts[i][1] = tuplet_part_unsigned(random_row(l));
    keys[i] = (tuplet_key){parts[i], 2, {NULL, 0}};
  }
  tuplet_entries *entries;
  check(l, tuplet_get_many(l->db, keys, KEYS, TUPLET_CONSISTENCY_STRONG, &entries, &l->error));
  tuplet_entries_free(entries);
}

static void list(library *l) {
  tuplet_list *rows;
  const tuplet_selector selector = {.prefix = &TUPLET_KEY(INSTRUCTIONS_PREFIX)};
  check(l, tuplet_list_open(l->db, &selector, NULL, &rows, &l->error));
  uint32_t count = 0;
  const tuplet_entry *entry;
  tuplet_status status;
  while ((status = tuplet_list_next(rows, &entry, &l->error)) == TUPLET_OK) count++;
  if (status != TUPLET_DONE) check(l, status);
  if (count != INSTRUCTIONS_ROWS) bench_fail("%u rows were listed", count);
  tuplet_list_close(rows);
}

/* ---- Writes, each alone ---- */

static tuplet_value next_value(library *l, uint8_t room[BENCH_VALUE_SIZE]) {
  memset(room, 0, BENCH_VALUE_SIZE);
  memcpy(room, &l->random, sizeof l->random);
  return tuplet_value_bytes(room, BENCH_VALUE_SIZE);
}

static void set(library *l) {
  uint8_t value[BENCH_VALUE_SIZE];
  check(l, tuplet_set(l->db, TUPLET_KEY(INSTRUCTIONS_PREFIX, written_row(l)), next_value(l, value),
                      TUPLET_NEVER, NULL, &l->error));
}

static void set_expiring(library *l) {
  enum { DAY_MS = 24 * 60 * 60 * 1000 };
  uint8_t value[BENCH_VALUE_SIZE];
  check(l, tuplet_set(l->db, TUPLET_KEY("sessions", written_row(l)), next_value(l, value), DAY_MS, NULL,
                      &l->error));
}

static tuplet_atomic *begin(library *l) {
  tuplet_atomic *atomic = tuplet_atomic_new(l->db);
  if (atomic == NULL) bench_fail("out of memory");
  return atomic;
}

static void end(library *l, tuplet_atomic *atomic) {
  tuplet_commit commit;
  check(l, tuplet_atomic_commit(atomic, &commit, &l->error));
  l->versionstamp = commit.versionstamp;
  tuplet_atomic_free(atomic);
}

static void sum(library *l) {
  tuplet_atomic *atomic = begin(l);
  check(l, tuplet_atomic_sum(atomic, TUPLET_KEY("counter"), 1, &l->error));
  end(l, atomic);
}

/* What the operation before wrote is checked, and written again, and a counter goes up. */
static void check_set_sum(library *l) {
  uint8_t value[BENCH_VALUE_SIZE];
  tuplet_key key = TUPLET_KEY("checked");
  tuplet_atomic *atomic = begin(l);
  check(l, tuplet_atomic_check(atomic, key, &l->versionstamp, &l->error));
  check(l, tuplet_atomic_set(atomic, key, next_value(l, value), TUPLET_NEVER, &l->error));
  check(l, tuplet_atomic_sum(atomic, TUPLET_KEY("counter"), 1, &l->error));
  end(l, atomic);
}

/* ---- Writes that share a commit ---- */

static void post(sem_t *semaphore) {
  if (sem_post(semaphore) != 0) bench_fail("a semaphore overflowed");
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) bench_fail("waiting failed: %s", strerror(errno));
  }
}

typedef struct group {
  library *library;
  sem_t committer_waits, go_on, done;
} group;

/* Holds the committer until all that is to be in the next group has been submitted. */
static void on_first(void *context, tuplet_status status, const tuplet_commit *commit,
                     const tuplet_error *error) {
  (void)commit;
  group *g = context;
  instructions_check(status, error);
  post(&g->committer_waits);
  wait_for(&g->go_on);
}

static void on_set(void *context, tuplet_status status, const tuplet_commit *commit,
                   const tuplet_error *error) {
  (void)commit;
  instructions_check(status, error);
  post(context);
}

static void submit(group *g, tuplet_commit_callback on_done, void *context) {
  library *l = g->library;
  uint8_t value[BENCH_VALUE_SIZE];
  check(l, tuplet_set_async(l->db, TUPLET_KEY(INSTRUCTIONS_PREFIX, written_row(l)), next_value(l, value),
                            TUPLET_NEVER, on_done, context, &l->error));
}

/* One write by itself, and then a group. */
static void set_group(library *l) {
  group g = {.library = l};
  if (sem_init(&g.committer_waits, 0, 0) != 0 || sem_init(&g.go_on, 0, 0) != 0 ||
      sem_init(&g.done, 0, 0) != 0)
    bench_fail("making a semaphore failed: %s", strerror(errno));
  submit(&g, on_first, &g);
  wait_for(&g.committer_waits);
  for (int i = 1; i < INSTRUCTIONS_PARALLEL; i++) submit(&g, on_set, &g.done);
  post(&g.go_on);
  for (int i = 1; i < INSTRUCTIONS_PARALLEL; i++) wait_for(&g.done);
  (void)sem_destroy(&g.committer_waits);
  (void)sem_destroy(&g.go_on);
  (void)sem_destroy(&g.done);
}

/* ---- Watches and messages ---- */

static void change_watched(void *context) {
  library *l = context;
  uint8_t value[BENCH_VALUE_SIZE];
  check(l, tuplet_set(l->db, TUPLET_KEY("watched"), next_value(l, value), TUPLET_NEVER, NULL, &l->error));
}

static void watch_poll(library *l) {
  const tuplet_entries *entries;
  instructions_aside(change_watched, l);
  check(l, tuplet_watch_next(l->watch, TUPLET_FOREVER, &entries, &l->error));
}

static void enqueue_take_end(library *l) {
  static const uint8_t payload[] = "\xff\x0f\"\x05hello";
  tuplet_message *message;
  check(l, tuplet_enqueue(l->db, tuplet_value_v8(tuplet_view(payload, sizeof payload - 1)), NULL, NULL,
                          &l->error));
  check(l, tuplet_listener_next(l->listener, TUPLET_FOREVER, &message, &l->error));
  check(l, tuplet_message_ack(message, &l->error));
}

/* ---- All of them ---- */

typedef struct workload {
  const char *name;
  void (*operate)(library *l);
  int warm_up;
  int count;
  int operations; /* that one call is */
} workload;

static const workload in_file[] = {
    {"get", get, 500, 1000, 1},
    {"get-missing", get_missing, 500, 1000, 1},
    {"getmany-10", get_many, 50, 100, 1},
    {"list-row", list, 1, 2, INSTRUCTIONS_ROWS},
    {"set", set, 200, 200, 1},
    {"set-expiring", set_expiring, 200, 200, 1},
    {"sum", sum, 20, 200, 1},
    {"check-set-sum", check_set_sum, 20, 200, 1},
    {"set-of-64", set_group, 8, 8, INSTRUCTIONS_PARALLEL},
};

static const workload in_memory[] = {
    {"watch-poll", watch_poll, 20, 200, 1},
    {"enqueue-take-end", enqueue_take_end, 20, 200, 1},
};

static void run(library *l, const workload *w) {
  l->random = 1;
  l->versionstamp = (tuplet_versionstamp){{0}}; /* of what is not there yet */
  for (int i = 0; i < w->warm_up; i++) w->operate(l);
  instructions_settle();
  instructions_begin();
  for (int i = 0; i < w->count; i++) w->operate(l);
  instructions_end(w->name, (uint64_t)w->count * (uint64_t)w->operations);
}

/* Each in a file of its own: what a write costs depends on how much the log holds already. */
static void run_in_file(const char *directory, const char *only) {
  for (size_t i = 0; i < sizeof in_file / sizeof in_file[0]; i++) {
    if (!instructions_wants(only, in_file[i].name)) continue;
    library l = {0};
    char *path = instructions_file_new(directory, in_file[i].name);
    check(&l, tuplet_open(path, NULL, &l.db, &l.error));
    free(path);
    run(&l, &in_file[i]);
    tuplet_close(l.db);
  }
}

static void run_in_memory(const char *only) {
  for (size_t i = 0; i < sizeof in_memory / sizeof in_memory[0]; i++) {
    if (!instructions_wants(only, in_memory[i].name)) continue;
    library l = {0};
    check(&l, tuplet_open(":memory:", NULL, &l.db, &l.error));
    check(&l, tuplet_watch_open(l.db, &TUPLET_KEY("watched"), 1, &l.watch, &l.error));
    check(&l, tuplet_listen(l.db, NULL, NULL, NULL, &l.listener, &l.error));
    run(&l, &in_memory[i]);
    tuplet_listener_close(l.listener);
    tuplet_watch_close(l.watch);
    tuplet_close(l.db);
  }
}

void instructions_library(const char *directory, const char *only) {
  run_in_file(directory, only);
  run_in_memory(only);
}
