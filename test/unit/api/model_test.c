/* model_test.c: long random sequences of operations, each compared with a model of the database.
 *
 * To repeat one: TUPLET_TEST_SEED=n (printed by a failure) and TUPLET_TEST_STEPS=n in the environment. */
#include "support/model.h"

enum { SEEDS = 4, STEPS = 2500 };

typedef struct run {
  database *d;
  uint64_t seed;
  dice dice;
  long step;
  model model;
  tuplet_versionstamp last;
} run;

static void expect(const run *r, bool holds, const char *what) {
  if (holds) return;
  print_error("seed %llu, step %ld: %s\n", (unsigned long long)r->seed, r->step, what);
  fail();
}

static void expect_result(const run *r, tuplet_status wanted, tuplet_status status, const char *what) {
  if (status == wanted) return;
  print_error("%s instead of %s: %s\n", tuplet_status_name(status), tuplet_status_name(wanted),
              status < 0 ? r->d->error.message : "");
  expect(r, false, what);
}

/* ---- Writes ---- */

/* Mostly small keys, so that operations meet. */
static size_t random_key(run *r) {
  size_t key = model_random_key(&r->dice);
  return dice_once_in(&r->dice, 3) ? key : 1 + key % 8;
}

static model_value random_value(run *r) {
  static const model_kind kinds[] = {MODEL_COUNTER, MODEL_COUNTER, MODEL_NUMBER, MODEL_BIGINT, MODEL_TEXT};
  model_kind kind = kinds[dice_below(&r->dice, COUNT_OF(kinds))];
  int64_t number = (int64_t)dice_below(&r->dice, 2001) - 1000;
  if (kind == MODEL_COUNTER && !dice_once_in(&r->dice, 10)) number += 1000; /* else close to 2^64: it wraps */
  return (model_value){kind, number};
}

static model_mutation random_mutation(run *r) {
  static const model_mutation_type types[] = {MODEL_SET,         MODEL_SET,    MODEL_SET_FOR_A_WHILE,
                                              MODEL_SET_EXPIRED, MODEL_DELETE, MODEL_SUM,
                                              MODEL_MIN,         MODEL_MAX,    MODEL_SUM_VALUE};
  model_mutation mutation = {.type = types[dice_below(&r->dice, COUNT_OF(types))], .key = random_key(r)};
  mutation.value = random_value(r);
  if (mutation.type >= MODEL_SUM && mutation.type <= MODEL_MAX) mutation.value.kind = MODEL_COUNTER;
  if (mutation.type != MODEL_SUM_VALUE) return mutation;
  mutation.value.kind = dice_once_in(&r->dice, 2) ? MODEL_NUMBER : MODEL_BIGINT;
  mutation.has_min = dice_once_in(&r->dice, 3);
  mutation.has_max = dice_once_in(&r->dice, 3);
  mutation.clamp = dice_once_in(&r->dice, 2);
  mutation.min = -(int64_t)dice_below(&r->dice, 1000);
  mutation.max = dice_below(&r->dice, 1000);
  return mutation;
}

/* The entry as it is, or as it was at some time, or none. */
static model_check random_check(run *r) {
  model_check check = {.key = random_key(r)};
  const model_slot *slot = &r->model.slots[check.key];
  if (slot->exists && !dice_once_in(&r->dice, 8)) check.versionstamp = slot->versionstamp;
  if (!slot->exists && dice_once_in(&r->dice, 16)) check.versionstamp = r->last;
  return check;
}

static void add_mutation(run *r, tuplet_atomic *atomic, const model_mutation *mutation) {
  char room[MODEL_VALUE_SIZE_MAX], min_room[MODEL_VALUE_SIZE_MAX], max_room[MODEL_VALUE_SIZE_MAX];
  tuplet_key key = model_key_at(&r->model, mutation->key);
  tuplet_value value = model_encode(mutation->value, room);
  tuplet_value min = {0}, max = {0};
  uint64_t operand = (uint64_t)mutation->value.number;
  tuplet_status status = TUPLET_OK;
  switch (mutation->type) {
  case MODEL_SET: status = tuplet_atomic_set(atomic, key, value, TUPLET_NEVER, NULL); break;
  case MODEL_SET_FOR_A_WHILE: status = tuplet_atomic_set(atomic, key, value, 1000000000, NULL); break;
  case MODEL_SET_EXPIRED: status = tuplet_atomic_set(atomic, key, value, 0, NULL); break;
  case MODEL_DELETE: status = tuplet_atomic_delete(atomic, key, NULL); break;
  case MODEL_SUM: status = tuplet_atomic_sum(atomic, key, operand, NULL); break;
  case MODEL_MIN: status = tuplet_atomic_min(atomic, key, operand, NULL); break;
  case MODEL_MAX: status = tuplet_atomic_max(atomic, key, operand, NULL); break;
  default:
    if (mutation->has_min) min = model_encode((model_value){mutation->value.kind, mutation->min}, min_room);
    if (mutation->has_max) max = model_encode((model_value){mutation->value.kind, mutation->max}, max_room);
    status = tuplet_atomic_sum_value(atomic, key, value, mutation->has_min ? &min : NULL,
                                     mutation->has_max ? &max : NULL, mutation->clamp, NULL);
  }
  expect_result(r, TUPLET_OK, status, "adding a mutation");
}

static void check_commit(run *r, const model_write *write, tuplet_status status,
                         const tuplet_commit *result) {
  tuplet_commit wanted = {0};
  expect_result(r, model_commit(&r->model, write, &wanted), status, "a commit");
  if (status == TUPLET_CONFLICT) {
    expect(r,
           result->failed_check_count == wanted.failed_check_count &&
               memcmp(result->failed_checks, wanted.failed_checks,
                      wanted.failed_check_count * sizeof wanted.failed_checks[0]) == 0,
           "the checks that failed");
  }
  if (status != TUPLET_OK) return;
  expect(r, compare_versionstamps(&result->versionstamp, &r->last) > 0, "versionstamps increase");
  r->last = result->versionstamp;
  for (size_t i = 0; i < write->mutation_count; i++)
    model_stamp(&r->model, write->mutations[i].key, &r->last);
}

static void step_atomic(run *r) {
  model_write write = {.check_count = dice_below(&r->dice, 4),
                       .mutation_count = dice_below(&r->dice, MODEL_MUTATIONS_MAX + 1)};
  tuplet_atomic *atomic = tuplet_atomic_new(r->d->db);
  for (size_t i = 0; i < write.check_count; i++) {
    write.checks[i] = random_check(r);
    const tuplet_versionstamp none = {{0}}, *given = &write.checks[i].versionstamp;
    bool absent = compare_versionstamps(given, &none) == 0;
    tuplet_key key = model_key_at(&r->model, write.checks[i].key);
    expect_result(r, TUPLET_OK, tuplet_atomic_check(atomic, key, absent ? NULL : given, NULL),
                  "adding a check");
  }
  for (size_t i = 0; i < write.mutation_count; i++) {
    write.mutations[i] = random_mutation(r);
    add_mutation(r, atomic, &write.mutations[i]);
  }
  tuplet_commit result = {0};
  tuplet_status status = tuplet_atomic_commit(atomic, &result, &r->d->error);
  tuplet_atomic_free(atomic);
  check_commit(r, &write, status, &result);
}

static void step_single(run *r) {
  model_write write = {.mutation_count = 1};
  model_mutation *mutation = &write.mutations[0];
  *mutation = (model_mutation){.type = dice_once_in(&r->dice, 4) ? MODEL_DELETE : MODEL_SET,
                               .key = random_key(r),
                               .value = random_value(r)};
  char room[MODEL_VALUE_SIZE_MAX];
  tuplet_key key = model_key_at(&r->model, mutation->key);
  tuplet_commit result = {0};
  tuplet_status status = mutation->type == MODEL_DELETE
                             ? tuplet_delete(r->d->db, key, &result.versionstamp, &r->d->error)
                             : tuplet_set(r->d->db, key, model_encode(mutation->value, room), TUPLET_NEVER,
                                          &result.versionstamp, &r->d->error);
  check_commit(r, &write, status, &result);
}

/* ---- Reads ---- */

static void step_get(run *r) {
  size_t index = random_key(r);
  tuplet_entry *entry = NULL;
  tuplet_status status =
      tuplet_get(r->d->db, model_key_at(&r->model, index), TUPLET_CONSISTENCY_STRONG, &entry, &r->d->error);
  expect_result(r, r->model.slots[index].exists ? TUPLET_OK : TUPLET_NOT_FOUND, status, "a get");
  if (status == TUPLET_OK) expect(r, model_matches(&r->model, index, entry), "what get gave");
  tuplet_entry_free(entry);
}

static void step_get_many(run *r) {
  size_t count = dice_below(&r->dice, 11), indexes[10];
  tuplet_key keys[10];
  for (size_t i = 0; i < count; i++) {
    indexes[i] = random_key(r);
    keys[i] = model_key_at(&r->model, indexes[i]);
  }
  tuplet_entries *entries = NULL;
  tuplet_status status =
      tuplet_get_many(r->d->db, keys, count, TUPLET_CONSISTENCY_STRONG, &entries, &r->d->error);
  expect_result(r, TUPLET_OK, status, "a getMany");
  expect(r, entries->count == count, "as many entries as keys");
  for (size_t i = 0; i < count; i++) {
    expect(r, model_is_key(&r->model, indexes[i], entries->items[i].key), "getMany's key");
    expect(r, model_matches(&r->model, indexes[i], &entries->items[i]), "what getMany gave");
  }
  tuplet_entries_free(entries);
}

static tuplet_list *open_list(run *r, model_selector selector, const tuplet_list_options *options) {
  tuplet_key prefix, start, end;
  tuplet_selector given = {0};
  if (selector.prefix != MODEL_NO_KEY) {
    prefix = model_key_at(&r->model, selector.prefix);
    given.prefix = &prefix;
  }
  if (selector.start != MODEL_NO_KEY) {
    start = model_key_at(&r->model, selector.start);
    given.start = &start;
  }
  if (selector.end != MODEL_NO_KEY) {
    end = model_key_at(&r->model, selector.end);
    given.end = &end;
  }
  tuplet_list *list = NULL;
  expect_result(r, TUPLET_OK, tuplet_list_open(r->d->db, &given, options, &list, &r->d->error),
                "opening a list");
  return list;
}

static void step_list(run *r) {
  model_selector selector = model_random_selector(&r->model, &r->dice);
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.limit = dice_once_in(&r->dice, 2) ? 0 : 1 + dice_below(&r->dice, 30);
  options.batch_size = dice_once_in(&r->dice, 2) ? 0 : 1 + dice_below(&r->dice, 60);
  options.reverse = dice_once_in(&r->dice, 2);
  size_t wanted[MODEL_KEY_COUNT];
  size_t count = model_list(&r->model, selector, wanted);
  size_t given = options.limit > 0 && options.limit < count ? (size_t)options.limit : count;
  tuplet_list *list = open_list(r, selector, &options);
  const tuplet_entry *entry = NULL;
  for (size_t i = 0; i < given; i++) {
    size_t index = options.reverse ? wanted[count - 1 - i] : wanted[i];
    expect_result(r, TUPLET_OK, tuplet_list_next(list, &entry, &r->d->error), "the next of a list");
    expect(r, model_is_key(&r->model, index, entry->key), "a list's key");
    expect(r, model_matches(&r->model, index, entry), "a list's entry");
  }
  expect_result(r, TUPLET_DONE, tuplet_list_next(list, &entry, &r->d->error), "the end of a list");
  tuplet_list_close(list);
}

/* Everything, as the last word. */
static void compare_all(run *r) {
  size_t wanted[MODEL_KEY_COUNT];
  model_selector everything = {0, MODEL_NO_KEY, MODEL_NO_KEY};
  size_t count = model_list(&r->model, everything, wanted);
  tuplet_list *list = open_list(r, everything, NULL);
  const tuplet_entry *entry = NULL;
  for (size_t i = 0; i < count; i++) {
    expect_result(r, TUPLET_OK, tuplet_list_next(list, &entry, &r->d->error), "the next of all");
    expect(r, model_is_key(&r->model, wanted[i], entry->key) && model_matches(&r->model, wanted[i], entry),
           "one of all");
  }
  expect_result(r, TUPLET_DONE, tuplet_list_next(list, &entry, &r->d->error), "the end of all");
  tuplet_list_close(list);
}

/* ---- Runs ---- */

static void reopen(run *r) {
  tuplet_close(r->d->db);
  r->d->db = open_another(r->d);
}

static void run_seed(database *d, uint64_t seed, long steps) {
  run *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->d = d;
  r->seed = seed;
  r->dice = (dice){seed};
  model_init(&r->model, &r->dice);
  for (r->step = 0; r->step < steps; r->step++) {
    uint32_t pick = dice_below(&r->dice, 100);
    if (pick < 35) {
      step_atomic(r);
    } else if (pick < 60) {
      step_single(r);
    } else if (pick < 75) {
      step_get(r);
    } else if (pick < 90) {
      step_get_many(r);
    } else {
      step_list(r);
    }
    if (!in_memory(d) && dice_once_in(&r->dice, 500)) reopen(r);
  }
  compare_all(r);
  free(r);
}

static long number_of_environment(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text == NULL ? otherwise : strtol(text, NULL, 10);
}

static void every_operation_does_what_the_model_does(void **state) {
  database *d = *state;
  long seed = number_of_environment("TUPLET_TEST_SEED", 0);
  long steps = number_of_environment("TUPLET_TEST_STEPS", STEPS);
  for (uint64_t i = 1; i <= (seed > 0 ? 1 : SEEDS); i++) {
    run_seed(d, seed > 0 ? (uint64_t)seed : i, steps);
    tuplet_close(d->db); /* the next seed has other keys */
    if (!in_memory(d)) assert_int_equal(remove(d->path), 0);
    d->db = open_another(d);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {ON_BOTH(every_operation_does_what_the_model_does)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
