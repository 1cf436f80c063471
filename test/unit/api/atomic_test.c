/* atomic_test.c: atomic operations: checks, the order of mutations, all or nothing, and versionstamps. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>

static tuplet_status commit(database *d, tuplet_atomic *atomic, tuplet_commit *ret_commit) {
  tuplet_status status = tuplet_atomic_commit(atomic, ret_commit, &d->error);
  tuplet_atomic_free(atomic);
  return status;
}

/* ---- Checks ---- */

static void checks_compare_versionstamps(void **state) {
  database *d = *state;
  tuplet_versionstamp old = put(d, TUPLET_KEY("k"), text_value("old"));
  tuplet_versionstamp now = put(d, TUPLET_KEY("k"), text_value("now"));
  tuplet_versionstamp other = put(d, TUPLET_KEY("other"), text_value("v"));
  const tuplet_versionstamp none = {{0}};
  const struct {
    const char *key;
    const tuplet_versionstamp *versionstamp;
    tuplet_status status;
  } cases[] = {{"k", &now, TUPLET_OK},        {"k", &old, TUPLET_CONFLICT},     {"k", NULL, TUPLET_CONFLICT},
               {"k", &none, TUPLET_CONFLICT}, {"k", &other, TUPLET_CONFLICT},   {"absent", NULL, TUPLET_OK},
               {"absent", &none, TUPLET_OK},  {"absent", &now, TUPLET_CONFLICT}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    EXPECT(d, TUPLET_OK,
           tuplet_atomic_check(atomic, TUPLET_KEY(cases[i].key), cases[i].versionstamp, &d->error));
    EXPECT(d, TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, &d->error));
    EXPECT(d, cases[i].status, commit(d, atomic, NULL));
  }
  expect_u64(d, TUPLET_KEY("count"), 3); /* as many as committed */
  expect_text(d, d->db, TUPLET_KEY("k"), "now");
}

static void a_conflict_tells_every_check_that_failed(void **state) {
  database *d = *state;
  tuplet_versionstamp now = put(d, TUPLET_KEY("k"), text_value("v"));
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (int i = 0; i < 100; i++) {
    bool fails = i % 9 == 4;
    EXPECT(d, TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("k"), fails ? NULL : &now, &d->error));
  }
  EXPECT(d, TUPLET_OK, tuplet_atomic_delete(atomic, TUPLET_KEY("k"), &d->error));
  tuplet_commit result;
  memset(&result, 0xFF, sizeof result);
  EXPECT(d, TUPLET_CONFLICT, commit(d, atomic, &result));
  assert_int_equal(result.failed_check_count, 11);
  for (uint32_t i = 0; i < 11; i++) assert_int_equal(result.failed_checks[i], i * 9 + 4);
  assert_int_equal(compare_versionstamps(&result.versionstamp, &(tuplet_versionstamp){{0}}), 0);
  expect_text(d, d->db, TUPLET_KEY("k"), "v");
}

/* Checks see what was before the operation, not what it does. */
static void checks_come_before_mutations(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  EXPECT(d, TUPLET_OK, tuplet_atomic_set(atomic, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("k"), NULL, &d->error));
  EXPECT(d, TUPLET_OK, commit(d, atomic, NULL));
  expect_text(d, d->db, TUPLET_KEY("k"), "v");
}

static void an_operation_of_nothing_or_of_checks_commits(void **state) {
  database *d = *state;
  tuplet_versionstamp before = put(d, TUPLET_KEY("k"), text_value("v"));
  tuplet_commit result;
  EXPECT(d, TUPLET_OK, commit(d, tuplet_atomic_new(d->db), &result));
  assert_true(compare_versionstamps(&result.versionstamp, &before) > 0);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  EXPECT(d, TUPLET_OK, tuplet_atomic_check(atomic, TUPLET_KEY("k"), &before, &d->error));
  tuplet_versionstamp last = result.versionstamp;
  EXPECT(d, TUPLET_OK, commit(d, atomic, &result));
  assert_true(compare_versionstamps(&result.versionstamp, &last) > 0);
}

/* ---- The order of mutations ---- */

/* Each letter is a mutation of the same key: s(et to 10), t(ext), x (set, expired), d(elete), + (sum 3), -
 * (min 2), ^ (max 7). */
static void add_letter(tuplet_atomic *atomic, char letter) {
  tuplet_key key = TUPLET_KEY("k");
  switch (letter) {
  case 's': (void)tuplet_atomic_set(atomic, key, tuplet_value_u64(10), TUPLET_NEVER, NULL); break;
  case 't': (void)tuplet_atomic_set(atomic, key, text_value("text"), TUPLET_NEVER, NULL); break;
  case 'x': (void)tuplet_atomic_set(atomic, key, text_value("text"), 0, NULL); break;
  case 'd': (void)tuplet_atomic_delete(atomic, key, NULL); break;
  case '+': (void)tuplet_atomic_sum(atomic, key, 3, NULL); break;
  case '-': (void)tuplet_atomic_min(atomic, key, 2, NULL); break;
  default: (void)tuplet_atomic_max(atomic, key, 7, NULL);
  }
}

static void mutations_of_one_key_act_one_after_the_other(void **state) {
  database *d = *state;
  enum { ABSENT = -1, REFUSED = -2 };
  static const struct {
    const char *before, *letters;
    int after;
  } cases[] = {
      {"", "+", 3},          {"", "-", 2},         {"", "^", 7},         {"", "++", 6},
      {"", "s+", 13},        {"s", "+", 13},       {"s", "-", 2},        {"s", "^", 10},
      {"s", "d+", 3},        {"s", "+d", ABSENT},  {"s", "d", ABSENT},   {"s", "ds", 10},
      {"s", "+-^+", 10},     {"s", "^-+^", 7},     {"s", "+s", 10},      {"t", "+", REFUSED},
      {"t", "d+", 3},        {"t", "s+", 13},      {"t", "x+", 3},       {"s", "x", ABSENT},
      {"s", "x+", 3},        {"s", "x-+", 5},      {"s", "t+", REFUSED}, {"", "t^", REFUSED},
      {"s", "+t-", REFUSED}, {"", "t+s", REFUSED}, {"", "x", ABSENT},    {"", "xs", 10},
      {"s", "+td", ABSENT},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    (void)tuplet_atomic_delete(atomic, TUPLET_KEY("k"), NULL);
    for (const char *letter = cases[i].before; *letter != '\0'; letter++) add_letter(atomic, *letter);
    EXPECT(d, TUPLET_OK, commit(d, atomic, NULL));
    tuplet_entry *before = NULL, *after = NULL;
    (void)tuplet_get(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &before, NULL);

    atomic = tuplet_atomic_new(d->db);
    for (const char *letter = cases[i].letters; *letter != '\0'; letter++) add_letter(atomic, *letter);
    EXPECT(d, cases[i].after == REFUSED ? TUPLET_TYPE : TUPLET_OK, commit(d, atomic, NULL));
    if (cases[i].after == ABSENT) {
      expect_absent(d, TUPLET_KEY("k"));
    } else if (cases[i].after >= 0) {
      expect_u64(d, TUPLET_KEY("k"), (uint64_t)cases[i].after);
    } else {
      tuplet_status status = tuplet_get(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &after, &d->error);
      EXPECT(d, before == NULL ? TUPLET_NOT_FOUND : TUPLET_OK, status);
      if (before != NULL) assert_memory_equal(&before->versionstamp, &after->versionstamp, 10);
    }
    tuplet_entry_free(before);
    tuplet_entry_free(after);
  }
}

static void counters_wrap_and_compare_unsigned(void **state) {
  database *d = *state;
  (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(UINT64_MAX));
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 3, NULL);
  (void)tuplet_atomic_max(atomic, TUPLET_KEY("large"), UINT64_MAX - 1, NULL);
  (void)tuplet_atomic_max(atomic, TUPLET_KEY("large"), 1, NULL);
  (void)tuplet_atomic_min(atomic, TUPLET_KEY("small"), UINT64_MAX, NULL);
  (void)tuplet_atomic_min(atomic, TUPLET_KEY("small"), UINT64_MAX - 1, NULL);
  EXPECT(d, TUPLET_OK, commit(d, atomic, NULL));
  expect_u64(d, TUPLET_KEY("k"), 2);
  expect_u64(d, TUPLET_KEY("large"), UINT64_MAX - 1);
  expect_u64(d, TUPLET_KEY("small"), UINT64_MAX - 1);
}

static void every_key_of_an_operation_gets_its_versionstamp(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (int i = 0; i < 20; i++)
    (void)tuplet_atomic_set(atomic, TUPLET_KEY(i), text_value("v"), TUPLET_NEVER, NULL);
  (void)tuplet_atomic_sum(atomic, TUPLET_KEY(20), 1, NULL);
  tuplet_commit result;
  EXPECT(d, TUPLET_OK, commit(d, atomic, &result));
  for (int i = 0; i <= 20; i++) {
    tuplet_versionstamp versionstamp = versionstamp_of(d, TUPLET_KEY(i));
    assert_int_equal(compare_versionstamps(&versionstamp, &result.versionstamp), 0);
  }
}

/* ---- All or nothing ---- */

static void a_mutation_that_fails_undoes_those_before_it(void **state) {
  database *d = *state;
  static const char *const names[] = {"sum", "min", "max"};
  put_text(d, TUPLET_KEY("text"), "text");
  put_text(d, TUPLET_KEY("deleted"), "still here");
  (void)put(d, TUPLET_KEY("count"), tuplet_value_u64(1));
  for (int i = 0; i < 3; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("new"), text_value("v"), TUPLET_NEVER, NULL);
    (void)tuplet_atomic_delete(atomic, TUPLET_KEY("deleted"), NULL);
    (void)tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, NULL);
    (void)tuplet_atomic_set_versionstamped(atomic, TUPLET_KEY("stamped"), text_value("v"), TUPLET_NEVER,
                                           NULL);
    switch (i) {
    case 0: (void)tuplet_atomic_sum(atomic, TUPLET_KEY("text"), 1, NULL); break;
    case 1: (void)tuplet_atomic_min(atomic, TUPLET_KEY("text"), 1, NULL); break;
    default: (void)tuplet_atomic_max(atomic, TUPLET_KEY("text"), 1, NULL);
    }
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("after"), text_value("v"), TUPLET_NEVER, NULL);
    char message[128];
    (void)snprintf(message, sizeof message,
                   "Failed to perform '%s' mutation on a non-U64 value in the database", names[i]);
    EXPECT_ERROR(d, TUPLET_TYPE, message, commit(d, atomic, NULL));
  }
  expect_absent(d, TUPLET_KEY("new"));
  expect_absent(d, TUPLET_KEY("after"));
  expect_text(d, d->db, TUPLET_KEY("deleted"), "still here");
  expect_u64(d, TUPLET_KEY("count"), 1);
  const tuplet_selector stamped = {.prefix = &TUPLET_KEY("stamped")};
  tuplet_list *list = NULL;
  const tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &stamped, NULL, &list, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
  tuplet_list_close(list);
}

/* ---- Sums of values ---- */

/* A value in JavaScript's notation, or a counter written as 5u; `owned` keeps its bytes. */
static tuplet_value value_of(database *d, const char *text, tuplet_owned *owned) {
  size_t size = strlen(text);
  *owned = (tuplet_owned){0};
  if (text[size - 1] == 'u') return tuplet_value_u64(strtoull(text, NULL, 10));
  tuplet_value value = {0};
  EXPECT(d, TUPLET_OK, tuplet_value_from_text(text, size, NULL, &value, owned, &d->error));
  return value;
}

static void expect_stored(database *d, const char *text) {
  tuplet_owned owned, stored_text;
  tuplet_value value = value_of(d, text, &owned);
  tuplet_owned_free(&owned);
  if (value.encoding == TUPLET_ENCODING_LE64) {
    expect_u64(d, TUPLET_KEY("k"), value.u64);
    return;
  }
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_value_to_text(entry->value, NULL, &stored_text, &d->error));
  assert_string_equal(stored_text.data, text);
  tuplet_owned_free(&stored_text);
  tuplet_entry_free(entry);
}

static const char out_of_range[] = "The result of a Sum operation would exceed its range limit";
static const char other_types[] = "Min/max parameters have different types than the operand";
static const char not_values[] = "Some of the parameters are not valid V8 values";

/* stored NULL: absent. after NULL: refused with status and message. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the rows read in this order */
static const struct {
  const char *stored, *operand, *minimum, *maximum;
  bool clamp;
  const char *after;
  tuplet_status status;
  const char *message;
} sums[] = {
    {NULL, "5", NULL, NULL, false, "5", 0, NULL},
    {NULL, "5n", NULL, NULL, false, "5n", 0, NULL},
    {NULL, "5u", NULL, NULL, false, "5u", 0, NULL},
    {"2.5", "-4", NULL, NULL, false, "-1.5", 0, NULL},
    {"1e308", "1e308", NULL, NULL, false, "Infinity", 0, NULL},
    {"18446744073709551615n", "1n", NULL, NULL, false, "18446744073709551616n", 0, NULL},
    {"-1n", "1n", NULL, NULL, false, "0n", 0, NULL},
    {"5u", "7u", NULL, NULL, false, "12u", 0, NULL},
    {"5u", "7n", NULL, NULL, false, "12u", 0, NULL},
    {"18446744073709551615u", "2n", NULL, NULL, false, "1u", 0, NULL},
    {"5", "3", "0", "8", false, "8", 0, NULL},
    {"5", "3", "8", NULL, false, "8", 0, NULL},
    {"5", "4", "0", "8", false, NULL, TUPLET_RANGE, out_of_range},
    {"5", "-6", "0", "8", false, NULL, TUPLET_RANGE, out_of_range},
    {"5", "4", "0", "8", true, "8", 0, NULL},
    {"5", "-6", "0", "8", true, "0", 0, NULL},
    {"5n", "4n", NULL, "8n", false, NULL, TUPLET_RANGE, out_of_range},
    {"5n", "-40000000000000000000n", "-1n", "8n", true, "-1n", 0, NULL},
    {"5n", "40000000000000000000n", "-1n", "8n", true, "8n", 0, NULL},
    {"5", "1n", NULL, NULL, false, NULL, TUPLET_TYPE, "Cannot sum Number with BigInt"},
    {"5n", "1", NULL, NULL, false, NULL, TUPLET_TYPE, "Cannot sum BigInt with Number"},
    {"5u", "1", NULL, NULL, false, NULL, TUPLET_TYPE, "Cannot sum KvU64 with Number"},
    {"5u", "-1n", NULL, NULL, false, NULL, TUPLET_TYPE, "Cannot sum KvU64 with BigInt"},
    {"5u", "1n", "0n", NULL, false, NULL, TUPLET_TYPE, "Cannot sum KvU64 with BigInt"},
    {"5", "1u", NULL, NULL, false, NULL, TUPLET_TYPE,
     "Failed to perform 'sum' mutation on a non-U64 value in the database"},
    {"5u", "1u", "0", NULL, false, NULL, TUPLET_TYPE, "Cannot use min/max parameters with KvU64 operands"},
    {"5", "1", "0n", NULL, false, NULL, TUPLET_TYPE, other_types},
    {"5n", "1n", NULL, "9", true, NULL, TUPLET_TYPE, other_types},
    {"\"text\"", "1", NULL, NULL, false, NULL, TUPLET_TYPE, not_values},
    {"5", "\"text\"", NULL, NULL, false, NULL, TUPLET_TYPE, not_values},
    {"5", "1", "\"text\"", NULL, false, NULL, TUPLET_TYPE, not_values},
};

static void sums_of_values_follow_denos_table(void **state) {
  database *d = *state;
  for (size_t i = 0; i < COUNT_OF(sums); i++) {
    tuplet_owned stored = {0}, operand = {0}, minimum = {0}, maximum = {0};
    EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
    if (sums[i].stored != NULL) (void)put(d, TUPLET_KEY("k"), value_of(d, sums[i].stored, &stored));
    tuplet_value min = {0}, max = {0};
    if (sums[i].minimum != NULL) min = value_of(d, sums[i].minimum, &minimum);
    if (sums[i].maximum != NULL) max = value_of(d, sums[i].maximum, &maximum);
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    EXPECT(d, TUPLET_OK,
           tuplet_atomic_sum_value(atomic, TUPLET_KEY("k"), value_of(d, sums[i].operand, &operand),
                                   sums[i].minimum == NULL ? NULL : &min,
                                   sums[i].maximum == NULL ? NULL : &max, sums[i].clamp, &d->error));
    tuplet_owned_free(&operand); /* copied */
    tuplet_owned_free(&minimum);
    tuplet_owned_free(&maximum);
    tuplet_owned_free(&stored);
    if (sums[i].after != NULL) {
      EXPECT(d, TUPLET_OK, commit(d, atomic, NULL));
      expect_stored(d, sums[i].after);
    } else {
      EXPECT_ERROR(d, sums[i].status, sums[i].message, commit(d, atomic, NULL));
      expect_stored(d, sums[i].stored);
    }
  }
}

static void a_bound_must_be_a_v8_value(void **state) {
  database *d = *state;
  const tuplet_value bounds[] = {tuplet_value_u64(1), text_value("x"), tuplet_value_v8(tuplet_view(NULL, 0))};
  const tuplet_status statuses[] = {TUPLET_TYPE, TUPLET_TYPE, TUPLET_INVALID};
  static const uint8_t one[] = {0xFF, 0x0F, 'I', 2};
  for (size_t i = 0; i < COUNT_OF(bounds); i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("k"), tuplet_value_v8(tuplet_view(one, sizeof one)),
                                  NULL, &bounds[i], false, NULL);
    EXPECT(d, statuses[i], commit(d, atomic, NULL));
    expect_absent(d, TUPLET_KEY("k"));
  }
}

/* ---- Versionstamps ---- */

static void a_versionstamped_key_ends_in_the_commits_versionstamp(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  EXPECT(d, TUPLET_OK,
         tuplet_atomic_set_versionstamped(atomic, TUPLET_KEY("log", 7), text_value("line"), TUPLET_NEVER,
                                          &d->error));
  tuplet_commit result;
  EXPECT(d, TUPLET_OK, commit(d, atomic, &result));
  char text[TUPLET_VERSIONSTAMP_TEXT_SIZE];
  tuplet_versionstamp_to_text(&result.versionstamp, text);
  expect_text(d, d->db, TUPLET_KEY("log", 7, text), "line");

  const tuplet_selector selector = {.prefix = &TUPLET_KEY("log", 7)};
  tuplet_list *list = NULL;
  const tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, NULL, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  tuplet_key_parts *parts = NULL;
  EXPECT(d, TUPLET_OK, tuplet_key_decode(entry->key, NULL, &parts, &d->error));
  assert_int_equal(parts->count, 3);
  assert_int_equal(parts->parts[2].type, TUPLET_PART_STRING);
  assert_int_equal(parts->parts[2].bytes.size, 20);
  assert_memory_equal(parts->parts[2].bytes.data, text, 20);
  tuplet_key_parts_free(parts);
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
  tuplet_list_close(list);
}

enum { THREADS = 4, COMMITS = 150 };

typedef struct committer {
  tuplet_db *db;
  tuplet_versionstamp versionstamps[COMMITS];
  tuplet_status status;
  bool ordered;
} committer;

static void *commit_many(void *context) {
  committer *c = context;
  c->ordered = true;
  for (int i = 0; c->status == TUPLET_OK && i < COMMITS; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(c->db);
    (void)tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, NULL);
    tuplet_commit result;
    c->status = tuplet_atomic_commit(atomic, &result, NULL);
    tuplet_atomic_free(atomic);
    c->versionstamps[i] = result.versionstamp;
    if (i > 0 && compare_versionstamps(&c->versionstamps[i], &c->versionstamps[i - 1]) <= 0)
      c->ordered = false;
  }
  return NULL;
}

static int compare_elements(const void *a, const void *b) {
  return compare_versionstamps(a, b);
}

static void check_versionstamps(database *d, tuplet_db *second) {
  static committer committers[THREADS];
  static tuplet_versionstamp all[THREADS * COMMITS];
  pthread_t threads[THREADS];
  memset(committers, 0, sizeof committers);
  for (int i = 0; i < THREADS; i++) {
    committers[i].db = i % 2 == 0 ? d->db : second;
    assert_int_equal(pthread_create(&threads[i], NULL, commit_many, &committers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    EXPECT(d, TUPLET_OK, committers[i].status);
    assert_true(committers[i].ordered);
    memcpy(all + (ptrdiff_t)i * COMMITS, committers[i].versionstamps, sizeof committers[i].versionstamps);
  }
  qsort(all, COUNT_OF(all), sizeof all[0], compare_elements);
  for (size_t i = 1; i < COUNT_OF(all); i++) assert_true(compare_versionstamps(&all[i], &all[i - 1]) > 0);
  expect_u64(d, TUPLET_KEY("count"), (uint64_t)THREADS * COMMITS); /* no increment is lost */
  tuplet_versionstamp last = versionstamp_of(d, TUPLET_KEY("count"));
  assert_int_equal(compare_versionstamps(&last, &all[COUNT_OF(all) - 1]), 0);
}

static void versionstamps_strictly_increase_across_threads(void **state) {
  database *d = *state;
  check_versionstamps(d, d->db);
}

static void versionstamps_strictly_increase_across_handles(void **state) {
  database *d = *state;
  tuplet_db *second = open_another(d);
  check_versionstamps(d, second);
  tuplet_close(second);
}

/* Optimistic: read, check, write. No update may be lost. */
static void *increment_with_checks(void *context) {
  committer *c = context;
  for (int done = 0; done < COMMITS / 5;) {
    tuplet_entry *entry = NULL;
    tuplet_status status = tuplet_get(c->db, TUPLET_KEY("n"), TUPLET_CONSISTENCY_STRONG, &entry, NULL);
    tuplet_atomic *atomic = tuplet_atomic_new(c->db);
    (void)tuplet_atomic_check(atomic, TUPLET_KEY("n"), status == TUPLET_OK ? &entry->versionstamp : NULL,
                              NULL);
    uint64_t number = status == TUPLET_OK ? entry->value.u64 : 0;
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("n"), tuplet_value_u64(number + 1), TUPLET_NEVER, NULL);
    tuplet_entry_free(entry);
    if (status >= 0) status = tuplet_atomic_commit(atomic, NULL, NULL);
    tuplet_atomic_free(atomic);
    if (status < 0) c->status = status;
    if (status < 0) break;
    if (status == TUPLET_OK) done++;
  }
  return NULL;
}

static void checked_updates_are_never_lost(void **state) {
  database *d = *state;
  static committer committers[THREADS];
  pthread_t threads[THREADS];
  memset(committers, 0, sizeof committers);
  for (int i = 0; i < THREADS; i++) {
    committers[i].db = d->db;
    assert_int_equal(pthread_create(&threads[i], NULL, increment_with_checks, &committers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) EXPECT(d, TUPLET_OK, committers[i].status);
  expect_u64(d, TUPLET_KEY("n"), (uint64_t)THREADS * (COMMITS / 5));
}

/* ---- Gathering ---- */

static void a_spent_operation_is_misuse(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 1, NULL);
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_atomic_commit(atomic, NULL, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 1, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_atomic_check(atomic, TUPLET_KEY("k"), NULL, &d->error));
  tuplet_atomic_free(atomic);
  expect_u64(d, TUPLET_KEY("k"), 1);

  atomic = tuplet_atomic_new(d->db); /* also after a conflict */
  (void)tuplet_atomic_check(atomic, TUPLET_KEY("k"), NULL, NULL);
  EXPECT(d, TUPLET_CONFLICT, tuplet_atomic_commit(atomic, NULL, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_atomic_free(atomic);
}

static void the_first_error_comes_again_at_commit(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_set(atomic, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, NULL);
  EXPECT(d, TUPLET_INVALID, tuplet_atomic_set(atomic, TUPLET_KEY("k"), text_value("v"), -7, &d->error));
  static const uint8_t large[65537];
  EXPECT(d, TUPLET_LIMIT,
         tuplet_atomic_set(atomic, TUPLET_KEY("k"), tuplet_value_bytes(large, sizeof large), 0, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_atomic_delete(atomic, TUPLET_KEY("k"), &d->error));
  memset(&d->error, 0, sizeof d->error);
  EXPECT_ERROR(d, TUPLET_INVALID, "expireIn must be a non-negative integer: received -7",
               commit(d, atomic, NULL));
  expect_absent(d, TUPLET_KEY("k"));
}

static void keys_and_values_are_copied_when_they_are_added(void **state) {
  database *d = *state;
  char name[] = "name", text[] = "text";
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  EXPECT(d, TUPLET_OK,
         tuplet_atomic_set(atomic, TUPLET_KEY(name), text_value(text), TUPLET_NEVER, &d->error));
  memset(name, 'x', 4);
  memset(text, 'y', 4);
  EXPECT(d, TUPLET_OK, commit(d, atomic, NULL));
  expect_text(d, d->db, TUPLET_KEY("name"), "text");
}

static void an_operation_may_be_dropped(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (int i = 0; i < 500; i++)
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("k", i), text_value("v"), TUPLET_NEVER, NULL);
  tuplet_atomic_free(atomic);
  expect_absent(d, TUPLET_KEY("k", 0));
}

/* ---- Groups ---- */

typedef struct member {
  latch *done;
  tuplet_status status;
  int calls;
  uint32_t failed_check_count;
} member;

static void on_member(void *context, tuplet_status status, const tuplet_commit *result,
                      const tuplet_error *error) {
  member *m = context;
  m->status = status;
  m->calls++;
  if (status >= 0) m->failed_check_count = result->failed_check_count;
  if (status < 0 && error->message[0] == '\0') m->calls = 100;
  latch_add(m->done);
}

/* Many at once, so that they share commits; every seventh fails, by a check or by a sum. */
static void a_failing_operation_harms_no_neighbour(void **state) {
  database *d = *state;
  enum { OPERATIONS = 64 };
  latch done = LATCH_INIT;
  member members[OPERATIONS] = {0};
  put_text(d, TUPLET_KEY("text"), "text");
  for (int i = 0; i < OPERATIONS; i++) {
    members[i].done = &done;
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    if (i % 14 == 7) (void)tuplet_atomic_check(atomic, TUPLET_KEY("text"), NULL, NULL);
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("k", i), tuplet_value_u64((uint64_t)i), TUPLET_NEVER, NULL);
    (void)tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, NULL);
    if (i % 14 == 0) (void)tuplet_atomic_sum(atomic, TUPLET_KEY("text"), 1, NULL);
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit_async(atomic, on_member, &members[i], &d->error));
  }
  assert_true(latch_wait(&done, OPERATIONS));
  uint64_t committed = 0;
  for (int i = 0; i < OPERATIONS; i++) {
    tuplet_status wanted = i % 14 == 0 ? TUPLET_TYPE : i % 14 == 7 ? TUPLET_CONFLICT : TUPLET_OK;
    assert_int_equal(members[i].status, wanted);
    assert_int_equal(members[i].calls, 1);
    assert_int_equal(members[i].failed_check_count, wanted == TUPLET_CONFLICT ? 1 : 0);
    if (wanted == TUPLET_OK) {
      committed++;
      expect_u64(d, TUPLET_KEY("k", i), (uint64_t)i);
    } else {
      expect_absent(d, TUPLET_KEY("k", i));
    }
  }
  expect_u64(d, TUPLET_KEY("count"), committed);
  expect_text(d, d->db, TUPLET_KEY("text"), "text");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(checks_compare_versionstamps),
      ON_BOTH(a_conflict_tells_every_check_that_failed),
      ON_BOTH(checks_come_before_mutations),
      ON_BOTH(an_operation_of_nothing_or_of_checks_commits),
      ON_BOTH(mutations_of_one_key_act_one_after_the_other),
      ON_BOTH(counters_wrap_and_compare_unsigned),
      ON_BOTH(every_key_of_an_operation_gets_its_versionstamp),
      ON_BOTH(a_mutation_that_fails_undoes_those_before_it),
      ON_BOTH(sums_of_values_follow_denos_table),
      ON_MEMORY(a_bound_must_be_a_v8_value),
      ON_BOTH(a_versionstamped_key_ends_in_the_commits_versionstamp),
      ON_BOTH(versionstamps_strictly_increase_across_threads),
      ON_FILE(versionstamps_strictly_increase_across_handles),
      ON_BOTH(checked_updates_are_never_lost),
      ON_BOTH(a_spent_operation_is_misuse),
      ON_BOTH(the_first_error_comes_again_at_commit),
      ON_BOTH(keys_and_values_are_copied_when_they_are_added),
      ON_BOTH(an_operation_may_be_dropped),
      ON_BOTH(a_failing_operation_harms_no_neighbour),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
