/* watch_range_test.c: tuplet_range_watch_next: whoever lists a range when told to, and applies what comes,
 * has what is in the range. */
#include "support/database.h"

#include "support/dice.h"
#include "support/latch.h"
#include "support/shared_fault_allocator.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LONG_MS = 60000 }; /* far longer than anything here takes: only a hang reaches it */

static tuplet_range_watch *watch_prefix(database *d, tuplet_db *db, tuplet_key prefix, uint32_t changes_max) {
  tuplet_range_watch_options options = TUPLET_RANGE_WATCH_OPTIONS_INIT;
  options.changes_max = changes_max;
  tuplet_range_watch *watch = NULL;
  EXPECT(d, TUPLET_OK,
         tuplet_range_watch_open(db, &(tuplet_selector){.prefix = &prefix}, &options, &watch, &d->error));
  return watch;
}

static const tuplet_changes *next(database *d, tuplet_range_watch *watch) {
  const tuplet_changes *changes = NULL;
  EXPECT(d, TUPLET_OK, tuplet_range_watch_next(watch, LONG_MS, &changes, &d->error));
  return changes;
}

static void expect_reread(database *d, tuplet_range_watch *watch) {
  const tuplet_changes *changes = next(d, watch);
  assert_true(changes->must_reread);
  assert_int_equal(changes->count, 0);
}

static void expect_nothing_new(database *d, tuplet_range_watch *watch) {
  const tuplet_changes *changes = NULL;
  EXPECT(d, TUPLET_TIMEOUT, tuplet_range_watch_next(watch, 0, &changes, &d->error));
  EXPECT(d, TUPLET_TIMEOUT, tuplet_range_watch_next(watch, 30, &changes, &d->error));
  assert_null(changes);
}

static bool is_key(tuplet_bytes encoded, tuplet_key key) {
  tuplet_owned wanted = {0};
  if (tuplet_key_encode(key, NULL, &wanted, NULL) != TUPLET_OK) return false;
  bool same = wanted.size == encoded.size && memcmp(wanted.data, encoded.data, wanted.size) == 0;
  tuplet_owned_free(&wanted);
  return same;
}

/* ---- What is told ---- */

static void the_beginning_is_a_versionstamp_to_list_after(void **state) {
  database *d = *state;
  tuplet_versionstamp before = put(d, TUPLET_KEY("r", 1), tuplet_value_u64(1));
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  const tuplet_changes *changes = next(d, watch);
  assert_true(changes->must_reread);
  assert_int_equal(changes->count, 0);
  assert_int_equal(compare_versionstamps(&changes->versionstamp, &before), 0);
  expect_nothing_new(d, watch);
  tuplet_range_watch_close(watch);
}

static void changes_come_in_key_order_each_key_once(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("r", 3), "old");
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  expect_reread(d, watch);
  put_text(d, TUPLET_KEY("r", 2), "two");
  put_text(d, TUPLET_KEY("r", 1), "one");
  put_text(d, TUPLET_KEY("r", 2), "two again");
  put_text(d, TUPLET_KEY("q", 2), "outside");
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("r", 3), NULL, &d->error));
  put_text(d, TUPLET_KEY("r", 4), "came");
  tuplet_versionstamp last;
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("r", 4), &last, &d->error));
  const tuplet_changes *changes = next(d, watch);
  assert_false(changes->must_reread);
  assert_int_equal(changes->count, 4);
  assert_true(is_key(changes->items[0].key, TUPLET_KEY("r", 1)) && is_text(&changes->items[0], "one"));
  assert_true(is_key(changes->items[1].key, TUPLET_KEY("r", 2)) && is_text(&changes->items[1], "two again"));
  assert_true(is_key(changes->items[2].key, TUPLET_KEY("r", 3)) && !changes->items[2].exists);
  assert_true(is_key(changes->items[3].key, TUPLET_KEY("r", 4)) && !changes->items[3].exists);
  assert_int_equal(compare_versionstamps(&changes->versionstamp, &last), 0);
  expect_nothing_new(d, watch);
  tuplet_range_watch_close(watch);
}

static void what_is_outside_the_range_wakes_nobody(void **state) {
  database *d = *state;
  tuplet_range_watch *watch = NULL;
  EXPECT(d, TUPLET_OK,
         tuplet_range_watch_open(d->db,
                                 &(tuplet_selector){.start = &TUPLET_KEY("b"), .end = &TUPLET_KEY("d")}, NULL,
                                 &watch, &d->error));
  expect_reread(d, watch);
  put_text(d, TUPLET_KEY("a"), "before");
  put_text(d, TUPLET_KEY("d"), "the end is not in it");
  expect_nothing_new(d, watch);
  put_text(d, TUPLET_KEY("b"), "the start is in it");
  assert_true(is_text(&next(d, watch)->items[0], "the start is in it"));
  tuplet_range_watch_close(watch);
}

static void a_range_of_nothing_begins_and_stays_silent(void **state) {
  database *d = *state;
  tuplet_range_watch *watch = NULL;
  EXPECT(d, TUPLET_OK,
         tuplet_range_watch_open(d->db,
                                 &(tuplet_selector){.start = &TUPLET_KEY("b"), .end = &TUPLET_KEY("b")}, NULL,
                                 &watch, &d->error));
  expect_reread(d, watch);
  put_text(d, TUPLET_KEY("b"), "not in it");
  expect_nothing_new(d, watch);
  tuplet_range_watch_close(watch);
}

static void a_refused_write_is_no_change(void **state) {
  database *d = *state;
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY_EMPTY, 0);
  expect_reread(d, watch);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_check(atomic, TUPLET_KEY("k"), &(tuplet_versionstamp){{1}}, NULL);
  (void)tuplet_atomic_set(atomic, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, NULL);
  EXPECT(d, TUPLET_CONFLICT, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_atomic_free(atomic);
  expect_nothing_new(d, watch);
  tuplet_range_watch_close(watch);
}

static void many_watches_of_ranges_in_each_other_hear_of_their_keys(void **state) {
  database *d = *state;
  tuplet_range_watch *all = watch_prefix(d, d->db, TUPLET_KEY_EMPTY, 0);
  tuplet_range_watch *inner[20], *twin = watch_prefix(d, d->db, TUPLET_KEY("n", 7), 0);
  for (int i = 0; i < 20; i++) {
    inner[i] = watch_prefix(d, d->db, TUPLET_KEY("n", i), 0);
    expect_reread(d, inner[i]);
  }
  expect_reread(d, all);
  expect_reread(d, twin);
  put_text(d, TUPLET_KEY("n", 7, "x"), "seven");
  assert_int_equal(next(d, all)->count, 1);
  assert_int_equal(next(d, twin)->count, 1);
  assert_int_equal(next(d, inner[7])->count, 1);
  for (int i = 0; i < 20; i++) {
    const tuplet_changes *changes = NULL;
    EXPECT(d, TUPLET_TIMEOUT, tuplet_range_watch_next(inner[i], 0, &changes, &d->error));
    tuplet_range_watch_close(inner[i]);
  }
  put_text(d, TUPLET_KEY("n", 7, "x"), "again");
  assert_int_equal(next(d, twin)->count, 1);
  tuplet_range_watch_close(twin);
  assert_int_equal(next(d, all)->count, 1);
  tuplet_range_watch_close(all);
}

/* ---- Bounds ---- */

static void more_changed_keys_than_are_remembered_must_be_reread(void **state) {
  database *d = *state;
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 3);
  expect_reread(d, watch);
  for (int i = 0; i < 3; i++) put_text(d, TUPLET_KEY("r", i), "fits");
  for (int i = 0; i < 3; i++) put_text(d, TUPLET_KEY("r", i), "the same keys");
  assert_int_equal(next(d, watch)->count, 3);
  tuplet_versionstamp last = {{0}};
  for (int i = 0; i < 4; i++) last = put(d, TUPLET_KEY("r", i), text_value("too many"));
  const tuplet_changes *changes = next(d, watch);
  assert_true(changes->must_reread);
  assert_int_equal(compare_versionstamps(&changes->versionstamp, &last), 0);
  expect_nothing_new(d, watch);
  put_text(d, TUPLET_KEY("r", 1), "as before");
  assert_true(is_text(&next(d, watch)->items[0], "as before"));
  tuplet_range_watch_close(watch);
}

static void larger_changes_than_a_delivery_may_be_must_be_reread(void **state) {
  database *d = *state;
  static const char large[65536];
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  expect_reread(d, watch);
  for (int i = 0; i < 65; i++) (void)put(d, TUPLET_KEY("r", i), tuplet_value_bytes(large, sizeof large));
  expect_reread(d, watch);
  put_text(d, TUPLET_KEY("r", 1), "small");
  assert_int_equal(next(d, watch)->count, 1);
  tuplet_range_watch_close(watch);
}

static void what_is_asked_for_is_checked(void **state) {
  database *d = *state;
  tuplet_range_watch *watch = NULL;
  tuplet_range_watch_options options = TUPLET_RANGE_WATCH_OPTIONS_INIT;
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  options.changes_max = TUPLET_RANGE_WATCH_CHANGES_MAX + 1;
  EXPECT(d, TUPLET_LIMIT, tuplet_range_watch_open(d->db, &everything, &options, &watch, &d->error));
  options.struct_size = 0;
  EXPECT(d, TUPLET_MISUSE, tuplet_range_watch_open(d->db, &everything, &options, &watch, &d->error));
  EXPECT(d, TUPLET_INVALID, tuplet_range_watch_open(d->db, &(tuplet_selector){0}, NULL, &watch, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_range_watch_open(d->db, NULL, NULL, &watch, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_range_watch_open(d->db, &everything, NULL, NULL, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_range_watch_next(NULL, 0, NULL, &d->error));
  assert_null(watch);
  tuplet_range_watch_close(NULL);
}

/* ---- Expiry ---- */

static void expiry_is_told_as_a_deletion(void **state) {
  database *d = *state;
  EXPECT(d, TUPLET_OK,
         tuplet_set(d->db, TUPLET_KEY("r", 1), text_value("from before"), 300, NULL, &d->error));
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  expect_reread(d, watch);
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("r", 2), text_value("new"), 600, NULL, &d->error));
  bool has_come = false, first_is_gone = false, second_is_gone = false;
  while (!first_is_gone || !second_is_gone) {
    const tuplet_changes *changes = next(d, watch);
    assert_false(changes->must_reread);
    for (size_t i = 0; i < changes->count; i++) {
      const tuplet_entry *item = &changes->items[i];
      bool is_first = is_key(item->key, TUPLET_KEY("r", 1));
      assert_true(is_first || is_key(item->key, TUPLET_KEY("r", 2)));
      if (item->exists && !is_first) has_come = true;
      if (!item->exists) *(is_first ? &first_is_gone : &second_is_gone) = true;
    }
  }
  assert_true(has_come);
  expect_absent(d, TUPLET_KEY("r", 1));
  expect_absent(d, TUPLET_KEY("r", 2));
  expect_nothing_new(d, watch);
  tuplet_range_watch_close(watch);
}

/* ---- Others ---- */

static void what_others_write_must_be_reread(void **state) {
  database *d = *state;
  tuplet_db *other = open_another(d);
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  expect_reread(d, watch);
  tuplet_versionstamp theirs;
  EXPECT(d, TUPLET_OK,
         tuplet_set(other, TUPLET_KEY("r", 1), text_value("theirs"), TUPLET_NEVER, &theirs, &d->error));
  const tuplet_changes *changes = next(d, watch);
  assert_true(changes->must_reread);
  assert_int_equal(compare_versionstamps(&changes->versionstamp, &theirs), 0);
  put_text(d, TUPLET_KEY("r", 2), "ours");
  assert_true(is_text(&next(d, watch)->items[0], "ours"));
  EXPECT(d, TUPLET_OK, tuplet_delete(other, TUPLET_KEY("r", 1), NULL, &d->error));
  put_text(d, TUPLET_KEY("r", 3), "ours, right after theirs");
  bool told = false;
  while (!told) told = next(d, watch)->must_reread;
  tuplet_range_watch_close(watch);
  tuplet_close(other);
}

static void a_handle_that_only_reads_hears_of_the_writes_of_others(void **state) {
  database *d = *state;
  tuplet_open_options options = quick_options();
  options.read_only = true;
  tuplet_db *reading = NULL;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &reading, &d->error));
  tuplet_range_watch *watch = watch_prefix(d, reading, TUPLET_KEY("r"), 0);
  expect_reread(d, watch);
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("r", 1), text_value("gone"), 200, NULL, &d->error));
  expect_reread(d, watch);
  const tuplet_changes *changes = next(d, watch); /* nobody wrote: it expired */
  if (changes->must_reread) changes = next(d, watch);
  assert_int_equal(changes->count, 1);
  assert_false(changes->items[0].exists);
  tuplet_range_watch_close(watch);
  tuplet_close(reading);
}

/* ---- A copy that follows ---- */

enum { KEYS = 40, WRITERS = 3, ROUNDS = 300, MOMENTS_MAX = 2 * WRITERS * ROUNDS };

/* What is under ["c", 0] to ["c", KEYS - 1]. */
typedef struct copy {
  bool exists[KEYS];
  tuplet_versionstamp versionstamps[KEYS];
  uint64_t values[KEYS];
} copy;

static size_t slot_of(tuplet_bytes encoded) {
  tuplet_key_parts *parts = NULL;
  if (tuplet_key_decode(encoded, NULL, &parts, NULL) != TUPLET_OK) return 0;
  size_t slot = parts->count == 2 ? (size_t)parts->parts[1].as.small : 0;
  tuplet_key_parts_free(parts);
  return slot < KEYS ? slot : 0;
}

static void apply(copy *c, const tuplet_entry *entry) {
  size_t slot = slot_of(entry->key);
  c->exists[slot] = entry->exists;
  c->versionstamps[slot] = entry->versionstamp;
  c->values[slot] = entry->value.u64;
}

static tuplet_status list_all(tuplet_db *db, copy *ret_copy, tuplet_error *error) {
  copy fresh = {0};
  tuplet_list *list = NULL;
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = 500; /* one snapshot */
  tuplet_status status =
      tuplet_list_open(db, &(tuplet_selector){.prefix = &TUPLET_KEY("c")}, &options, &list, error);
  const tuplet_entry *entry = NULL;
  while (status == TUPLET_OK && (status = tuplet_list_next(list, &entry, error)) == TUPLET_OK)
    apply(&fresh, entry);
  tuplet_list_close(list);
  if (status == TUPLET_DONE) *ret_copy = fresh;
  return status == TUPLET_DONE ? TUPLET_OK : status;
}

/* What a commit did: it set, or deleted, three keys together. */
typedef struct chaos_commit {
  tuplet_versionstamp versionstamp;
  uint32_t first;
  bool deletes;
} chaos_commit;

typedef struct chaos_writer {
  tuplet_db *db;
  uint64_t seed;
  tuplet_status status;
  atomic_bool is_done;
  chaos_commit commits[ROUNDS];
} chaos_writer;

static tuplet_status commit_three(tuplet_db *db, chaos_commit *commit) {
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return TUPLET_NOMEM;
  for (uint32_t i = commit->first; i < commit->first + 3; i++) {
    if (commit->deletes)
      (void)tuplet_atomic_delete(atomic, TUPLET_KEY("c", i), NULL);
    else
      (void)tuplet_atomic_set(atomic, TUPLET_KEY("c", i), tuplet_value_u64(commit->first), TUPLET_NEVER,
                              NULL);
  }
  tuplet_commit done;
  tuplet_status status = tuplet_atomic_commit(atomic, &done, NULL);
  commit->versionstamp = done.versionstamp;
  tuplet_atomic_free(atomic);
  return status;
}

static void *write_chaos(void *context) {
  chaos_writer *writer = context;
  dice random = {writer->seed};
  for (int round = 0; round < ROUNDS && writer->status == TUPLET_OK; round++) {
    chaos_commit *commit = &writer->commits[round];
    commit->first = dice_below(&random, KEYS - 2);
    commit->deletes = dice_once_in(&random, 4);
    writer->status = commit_three(writer->db, commit);
  }
  atomic_store(&writer->is_done, true);
  return NULL;
}

/* The copy as it was after a delivery of changes. */
typedef struct moment {
  tuplet_versionstamp versionstamp;
  copy copy;
} moment;

static int compare_commits(const void *left, const void *right) {
  const chaos_commit *a = left, *b = right;
  return compare_versionstamps(&a->versionstamp, &b->versionstamp);
}

static void redo(copy *model, const chaos_commit *commit) {
  for (uint32_t i = commit->first; i < commit->first + 3; i++) {
    model->exists[i] = !commit->deletes;
    model->versionstamps[i] = commit->deletes ? (tuplet_versionstamp){{0}} : commit->versionstamp;
    model->values[i] = commit->deletes ? 0 : commit->first;
  }
}

/* How many moments differ from what the commits up to their versionstamps come to. */
static int count_wrong(chaos_writer *writers, const moment *moments, size_t moment_count) {
  chaos_commit *commits = calloc((size_t)WRITERS * ROUNDS, sizeof *commits);
  assert_non_null(commits);
  for (size_t i = 0; i < WRITERS; i++)
    memcpy(commits + i * ROUNDS, writers[i].commits, sizeof writers[i].commits);
  qsort(commits, (size_t)WRITERS * ROUNDS, sizeof *commits, compare_commits);
  copy model = {0};
  int wrong = 0;
  size_t done = 0;
  for (size_t i = 0; i < moment_count; i++) {
    while (done < (size_t)WRITERS * ROUNDS &&
           compare_versionstamps(&commits[done].versionstamp, &moments[i].versionstamp) <= 0)
      redo(&model, &commits[done++]);
    wrong += memcmp(model.exists, moments[i].copy.exists, sizeof model.exists) != 0 ||
             memcmp(model.versionstamps, moments[i].copy.versionstamps, sizeof model.versionstamps) != 0 ||
             memcmp(model.values, moments[i].copy.values, sizeof model.values) != 0;
  }
  free(commits);
  return wrong;
}

static bool are_done(chaos_writer *writers) {
  bool all = true;
  for (int i = 0; i < WRITERS; i++) all = all && atomic_load(&writers[i].is_done);
  return all;
}

/* Follows until the last commit of the writers was told; fills in the moments. */
static tuplet_status follow_writers(database *d, tuplet_range_watch *watch, chaos_writer *writers,
                                    moment *moments, size_t *ret_moment_count) {
  pthread_t threads[WRITERS];
  for (int i = 0; i < WRITERS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, write_chaos, &writers[i]), 0);
  static copy mirror;
  mirror = (copy){0};
  tuplet_versionstamp last = {{0}}, final = {{0xFF}};
  bool joined = false;
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && compare_versionstamps(&last, &final) < 0) {
    const tuplet_changes *changes = NULL;
    bool were_done = are_done(writers);
    status = tuplet_range_watch_next(watch, joined ? LONG_MS : 50, &changes, &d->error);
    if (status == TUPLET_OK) {
      assert_true(compare_versionstamps(&changes->versionstamp, &last) >= 0);
      last = changes->versionstamp;
      if (changes->must_reread) {
        status = list_all(d->db, &mirror, &d->error);
        continue;
      }
      for (size_t i = 0; i < changes->count; i++) apply(&mirror, &changes->items[i]);
      if (*ret_moment_count < MOMENTS_MAX && compare_versionstamps(&last, &final) < 0)
        moments[(*ret_moment_count)++] = (moment){last, mirror};
    } else if (status == TUPLET_TIMEOUT && !joined && !were_done) {
      status = TUPLET_OK;
    } else if (status == TUPLET_TIMEOUT && !joined) {
      for (int i = 0; i < WRITERS; i++) (void)pthread_join(threads[i], NULL);
      joined = true;
      final = put(d, TUPLET_KEY("c", KEYS - 1), tuplet_value_u64(0));
      status = TUPLET_OK;
    }
  }
  return status;
}

static void follow(database *d, tuplet_db *writing[WRITERS], uint32_t changes_max) {
  tuplet_range_watch *watch = watch_prefix(d, d->db, TUPLET_KEY("c"), changes_max);
  chaos_writer *writers = calloc(WRITERS, sizeof *writers);
  moment *moments = calloc(MOMENTS_MAX, sizeof *moments);
  assert_true(writers != NULL && moments != NULL);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].db = writing[i];
    writers[i].seed = (uint64_t)i + 1;
  }
  size_t moment_count = 0;
  EXPECT(d, TUPLET_OK, follow_writers(d, watch, writers, moments, &moment_count));
  for (int i = 0; i < WRITERS; i++) assert_int_equal(writers[i].status, TUPLET_OK);
  bool is_alone = writing[1] == d->db && changes_max == 0; /* nothing hides what was told */
  if (is_alone) assert_true(moment_count > 0);
  assert_int_equal(count_wrong(writers, moments, moment_count), 0);
  tuplet_range_watch_close(watch);
  free(moments);
  free(writers);
}

static void a_copy_follows_writers_of_this_handle(void **state) {
  database *d = *state;
  tuplet_db *writing[WRITERS] = {d->db, d->db, d->db};
  follow(d, writing, 0);
}

static void a_copy_follows_although_it_loses_track(void **state) {
  database *d = *state;
  tuplet_db *writing[WRITERS] = {d->db, d->db, d->db};
  follow(d, writing, 4);
}

static void a_copy_follows_writers_of_other_handles(void **state) {
  database *d = *state;
  tuplet_db *writing[WRITERS] = {d->db, open_another(d), open_another(d)};
  follow(d, writing, 0);
  tuplet_close(writing[1]);
  tuplet_close(writing[2]);
}

/* ---- Out of memory ---- */

/* Makes the copy what the watch says it is, whatever fails meanwhile; false when it fails for another reason
 * than memory. */
static bool catch_up(database *d, tuplet_db *db, tuplet_range_watch *watch, copy *mirror,
                     const tuplet_versionstamp *until) {
  tuplet_versionstamp last = {{0}};
  while (compare_versionstamps(&last, until) < 0) {
    const tuplet_changes *changes = NULL;
    tuplet_status status = tuplet_range_watch_next(watch, LONG_MS, &changes, &d->error);
    if (status == TUPLET_OK && changes->must_reread) status = list_all(db, mirror, &d->error);
    if (status == TUPLET_NOMEM && changes == NULL) continue;
    while (status == TUPLET_NOMEM) status = list_all(db, mirror, &d->error);
    if (status != TUPLET_OK) return false;
    for (size_t i = 0; i < changes->count; i++) apply(mirror, &changes->items[i]);
    last = changes->versionstamp;
  }
  return true;
}

/* One allocation fails; false when there were not so many. */
static bool follow_without_memory(database *d, size_t fail_at) {
  shared_fault_allocator faults;
  shared_fault_allocator_init(&faults, 0, false);
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.allocator = &faults.allocator;
  tuplet_db *db = NULL;
  EXPECT(d, TUPLET_OK, tuplet_open(":memory:", &options, &db, &d->error));
  chaos_commit commit = {.first = 1};
  EXPECT(d, TUPLET_OK, commit_three(db, &commit));

  atomic_store(&faults.fail_at, atomic_load(&faults.count) + fail_at);
  tuplet_range_watch *watch = NULL;
  tuplet_status status = TUPLET_NOMEM;
  while (status == TUPLET_NOMEM)
    status =
        tuplet_range_watch_open(db, &(tuplet_selector){.prefix = &TUPLET_KEY("c")}, NULL, &watch, &d->error);
  EXPECT(d, TUPLET_OK, status);
  static copy mirror, real;
  mirror = real = (copy){0};
  assert_true(catch_up(d, db, watch, &mirror, &commit.versionstamp));
  for (uint32_t i = 5; i < 15; i += 5) {
    commit = (chaos_commit){.first = i, .deletes = i == 10};
    for (status = TUPLET_NOMEM; status == TUPLET_NOMEM;) status = commit_three(db, &commit);
    EXPECT(d, TUPLET_OK, status);
    assert_true(catch_up(d, db, watch, &mirror, &commit.versionstamp));
  }
  bool fired = atomic_load(&faults.fired);
  shared_fault_allocator_heal(&faults);
  EXPECT(d, TUPLET_OK, list_all(db, &real, &d->error));
  assert_memory_equal(&mirror, &real, sizeof real);
  tuplet_range_watch_close(watch);
  tuplet_close(db);
  assert_int_equal(atomic_load(&faults.live), 0);
  return fired;
}

static void whatever_memory_fails_nothing_is_missed(void **state) {
  database *d = *state;
  for (size_t fail_at = 1; follow_without_memory(d, fail_at); fail_at++) {
  }
}

/* ---- With a callback, and the end ---- */

typedef struct heard {
  latch done;
  atomic_int rereads, items;
  tuplet_status status;
  tuplet_range_watch *watch;
} heard;

static void on_changes(void *context, tuplet_status status, const tuplet_changes *changes,
                       const tuplet_error *error) {
  (void)error;
  heard *h = context;
  if (status != TUPLET_OK) {
    h->status = status;
    latch_add(&h->done);
    return;
  }
  if (changes->must_reread) atomic_fetch_add(&h->rereads, 1);
  atomic_fetch_add(&h->items, (int)changes->count);
  (void)tuplet_range_watch_next_async(h->watch, on_changes, h, NULL);
  latch_add(&h->done);
}

static void a_callback_hears_of_changes_and_of_the_end(void **state) {
  database *d = *state;
  heard h = {.done = LATCH_INIT};
  h.watch = watch_prefix(d, d->db, TUPLET_KEY("r"), 0);
  EXPECT(d, TUPLET_OK, tuplet_range_watch_next_async(h.watch, on_changes, &h, &d->error));
  assert_true(latch_wait(&h.done, 1));
  put_text(d, TUPLET_KEY("r", 1), "v");
  assert_true(latch_wait(&h.done, 2));
  assert_int_equal(atomic_load(&h.rereads), 1);
  assert_int_equal(atomic_load(&h.items), 1);
  tuplet_close(d->db);
  d->db = NULL;
  assert_true(latch_wait(&h.done, 3));
  assert_int_equal(h.status, TUPLET_CLOSED);
  const tuplet_changes *changes = NULL;
  EXPECT(d, TUPLET_CLOSED, tuplet_range_watch_next(h.watch, 0, &changes, &d->error));
  tuplet_range_watch_close(h.watch);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(the_beginning_is_a_versionstamp_to_list_after),
      ON_BOTH(changes_come_in_key_order_each_key_once),
      ON_MEMORY(what_is_outside_the_range_wakes_nobody),
      ON_MEMORY(a_range_of_nothing_begins_and_stays_silent),
      ON_BOTH(a_refused_write_is_no_change),
      ON_MEMORY(many_watches_of_ranges_in_each_other_hear_of_their_keys),
      ON_BOTH(more_changed_keys_than_are_remembered_must_be_reread),
      ON_MEMORY(larger_changes_than_a_delivery_may_be_must_be_reread),
      ON_MEMORY(what_is_asked_for_is_checked),
      ON_BOTH(expiry_is_told_as_a_deletion),
      ON_FILE(what_others_write_must_be_reread),
      ON_FILE(a_handle_that_only_reads_hears_of_the_writes_of_others),
      ON_BOTH(a_copy_follows_writers_of_this_handle),
      ON_BOTH(a_copy_follows_although_it_loses_track),
      ON_FILE(a_copy_follows_writers_of_other_handles),
      ON_MEMORY(whatever_memory_fails_nothing_is_missed),
      ON_BOTH(a_callback_hears_of_changes_and_of_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
