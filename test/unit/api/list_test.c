/* list_test.c: what a list gives, in which order, and how a cursor goes on; compared with a model that knows
 * no encoding. */
#include "support/model.h"

#include "support/latch.h"

#include <pthread.h>

/* ---- Against the model ---- */

/* Every other key or so has an entry. */
static model *fill(database *d, uint64_t seed, dice *dice_of_test) {
  *dice_of_test = (dice){seed};
  model *m = malloc(sizeof *m);
  assert_non_null(m);
  model_init(m, dice_of_test);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (size_t i = 1; i < MODEL_KEY_COUNT; i++) {
    if (dice_once_in(dice_of_test, 2)) continue;
    m->slots[i] = (model_slot){.exists = true, .value = {MODEL_TEXT, (int64_t)i}};
    char room[MODEL_VALUE_SIZE_MAX];
    tuplet_value value = model_encode(m->slots[i].value, room);
    EXPECT(d, TUPLET_OK, tuplet_atomic_set(atomic, model_key_at(m, i), value, TUPLET_NEVER, &d->error));
  }
  tuplet_commit commit;
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, &commit, &d->error));
  tuplet_atomic_free(atomic);
  for (size_t i = 0; i < MODEL_KEY_COUNT; i++) model_stamp(m, i, &commit.versionstamp);
  return m;
}

static tuplet_list *open_list(database *d, const model *m, model_selector selector,
                              const tuplet_list_options *options) {
  tuplet_key keys[3];
  tuplet_selector given = {0};
  const size_t indexes[] = {selector.prefix, selector.start, selector.end};
  const tuplet_key **places[] = {&given.prefix, &given.start, &given.end};
  for (size_t i = 0; i < 3; i++) {
    if (indexes[i] == MODEL_NO_KEY) continue;
    keys[i] = model_key_at(m, indexes[i]);
    *places[i] = &keys[i];
  }
  tuplet_list *list = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &given, options, &list, &d->error));
  return list;
}

/* Goes through a list, and now and then closes it and goes on with its cursor. */
static void compare_list(database *d, const model *m, model_selector selector, tuplet_list_options options,
                         dice *dice_of_test) {
  size_t wanted[MODEL_KEY_COUNT];
  size_t count = model_list(m, selector, wanted);
  uint64_t limit = options.limit;
  size_t wanted_count = limit > 0 && limit < count ? (size_t)limit : count;
  tuplet_list *list = open_list(d, m, selector, &options);
  char cursor[256];
  for (size_t i = 0; i < wanted_count; i++) {
    const tuplet_entry *entry = NULL;
    EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
    size_t index = options.reverse ? wanted[count - 1 - i] : wanted[i];
    assert_true(model_is_key(m, index, entry->key));
    assert_true(model_matches(m, index, entry));
    if (!dice_once_in(dice_of_test, 10) || i + 1 == limit) continue;
    const char *text = NULL;
    EXPECT(d, TUPLET_OK, tuplet_list_cursor(list, &text, &d->error));
    assert_true(text[0] != '\0' && strlen(text) < sizeof cursor);
    memcpy(cursor, text, strlen(text) + 1);
    tuplet_list_close(list);
    options.cursor = cursor;
    if (limit > 0) options.limit = limit - i - 1;
    list = open_list(d, m, selector, &options);
  }
  const tuplet_entry *none = NULL;
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &none, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &none, &d->error)); /* and it stays so */
  assert_null(none);
  tuplet_list_close(list);
}

static void lists_are_those_of_the_model(void **state) {
  database *d = *state;
  static const uint64_t limits[] = {0, 0, 1, 2, 7, 100, 1000, UINT64_MAX};
  static const uint32_t batch_sizes[] = {0, 0, 1, 2, 3, 50, 1000};
  for (uint64_t seed = 1; seed <= 4; seed++) {
    dice random;
    model *m = fill(d, seed, &random);
    for (int i = 0; i < 120; i++) {
      tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
      options.limit = limits[dice_below(&random, COUNT_OF(limits))];
      options.batch_size = batch_sizes[dice_below(&random, COUNT_OF(batch_sizes))];
      options.reverse = dice_once_in(&random, 2);
      compare_list(d, m, model_random_selector(m, &random), options, &random);
    }
    free(m);
    tuplet_close(d->db); /* the next seed has other keys */
    if (!in_memory(d)) assert_int_equal(remove(d->path), 0);
    d->db = open_another(d);
  }
}

/* ---- Selectors ---- */

/* The texts of the entries, joined. */
static void expect_list(database *d, tuplet_selector selector, const tuplet_list_options *options,
                        const char *wanted) {
  char joined[256] = "";
  tuplet_list *list = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, options, &list, &d->error));
  for (;;) {
    const tuplet_entry *entry = NULL;
    tuplet_status status = tuplet_list_next(list, &entry, &d->error);
    if (status == TUPLET_DONE) break;
    EXPECT(d, TUPLET_OK, status);
    (void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%.*s ",
                   (int)entry->value.data.size, (const char *)entry->value.data.data);
  }
  tuplet_list_close(list);
  assert_string_equal(joined, wanted);
}

static void a_prefix_selects_what_extends_it_and_not_itself(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("a"), "a");
  put_text(d, TUPLET_KEY("a", "b"), "ab");
  put_text(d, TUPLET_KEY("a", "b", 1), "ab1");
  put_text(d, TUPLET_KEY("a", "c"), "ac");
  put_text(d, TUPLET_KEY("aa"), "aa");
  put_text(d, TUPLET_KEY("a\x01"), "a1");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY("a")}, NULL, "ab ab1 ac ");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY("a", "b")}, NULL, "ab1 ");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY("a", "d")}, NULL, "");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY_EMPTY}, NULL, "a ab ab1 ac a1 aa ");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY("a"), .start = &TUPLET_KEY("a", "b", 0)}, NULL,
              "ab1 ac ");
  expect_list(d, (tuplet_selector){.prefix = &TUPLET_KEY("a"), .end = &TUPLET_KEY("a", "c")}, NULL,
              "ab ab1 ");
  expect_list(d, (tuplet_selector){.start = &TUPLET_KEY("a", "c"), .end = &TUPLET_KEY("aa")}, NULL, "ac a1 ");
  expect_list(d, (tuplet_selector){.start = &TUPLET_KEY("a"), .end = &TUPLET_KEY("a")}, NULL, "");
}

static void selectors_and_cursors_that_make_no_sense_are_refused(void **state) {
  database *d = *state;
  const struct {
    tuplet_selector selector;
    const char *cursor;
    bool reverse;
    const char *message;
  } cases[] = {
      {{NULL, NULL, NULL},
       NULL,
       false,
       "Selector must specify either 'prefix' or both 'start' and 'end' key"},
      {{.start = &TUPLET_KEY("a")},
       NULL,
       false,
       "Selector must specify either 'prefix' or both 'start' and 'end' key"},
      {{&TUPLET_KEY("a"), &TUPLET_KEY("a", 1), &TUPLET_KEY("a", 2)},
       NULL,
       false,
       "Selector can not specify both 'start' and 'end' key when specifying 'prefix'"},
      {{&TUPLET_KEY("a"), &TUPLET_KEY("b", 1), NULL},
       NULL,
       false,
       "Start key is not in the keyspace defined by prefix"},
      {{&TUPLET_KEY("a"), NULL, &TUPLET_KEY("b", 1)},
       NULL,
       false,
       "End key is not in the keyspace defined by prefix"},
      {{NULL, &TUPLET_KEY("b"), &TUPLET_KEY("a")}, NULL, false, "Start key is greater than end key"},
      {{.prefix = &TUPLET_KEY("a")}, "!", false, "invalid cursor"},
      {{.prefix = &TUPLET_KEY("a")}, "AmIA+", false, "invalid cursor"},
      {{NULL, &TUPLET_KEY("a"), &TUPLET_KEY("b")}, "AA==", false, "cursor out of bounds"},
      {{NULL, &TUPLET_KEY("a"), &TUPLET_KEY("b")}, "_w==", true, "cursor out of bounds"},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.cursor = cases[i].cursor;
    options.reverse = cases[i].reverse;
    tuplet_list *list = NULL;
    EXPECT_ERROR(d, TUPLET_INVALID, cases[i].message,
                 tuplet_list_open(d->db, &cases[i].selector, &options, &list, &d->error));
    assert_null(list);
  }
}

static void the_selector_may_go_once_the_list_is_open(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("a", "b"), "ab");
  char name[] = "a", cursor[] = "";
  tuplet_part part = tuplet_part_text(name);
  tuplet_key prefix = {&part, 1, {NULL, 0}};
  tuplet_selector selector = {.prefix = &prefix};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.cursor = cursor;
  tuplet_list *list = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
  memset(name, 'x', 1);
  memset(&part, 0xFF, sizeof part);
  memset(&prefix, 0xFF, sizeof prefix);
  memset(&selector, 0xFF, sizeof selector);
  memset(&options, 0xFF, sizeof options);
  const tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  assert_true(is_text(entry, "ab"));
  tuplet_list_close(list);
}

/* ---- Cursors ---- */

static const char *cursor_of(database *d, tuplet_list *list) {
  const char *cursor = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_cursor(list, &cursor, &d->error));
  return cursor;
}

static void the_cursor_is_denos_and_ends_with_the_range(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("a", "b"), "ab");
  put_text(d, TUPLET_KEY("a", "c"), "ac");
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
  tuplet_list *list = NULL;
  const tuplet_entry *entry;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, NULL, &list, &d->error));
  assert_string_equal(cursor_of(d, list), "");
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  assert_string_equal(cursor_of(d, list), "AmIA"); /* 02 'b' 00 */
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  assert_string_equal(cursor_of(d, list), "AmMA");
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
  assert_string_equal(cursor_of(d, list), "");
  tuplet_list_close(list);
}

static void a_limit_leaves_the_cursor_of_its_last_entry(void **state) {
  database *d = *state;
  for (int i = 0; i < 3; i++) put_text(d, TUPLET_KEY("a", i), "v");
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.limit = 2;
  tuplet_list *list = NULL;
  const tuplet_entry *entry;
  char cursor[64];
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
  (void)snprintf(cursor, sizeof cursor, "%s", cursor_of(d, list));
  tuplet_list_close(list);
  assert_string_not_equal(cursor, "");
  options.cursor = cursor;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
  tuplet_list_close(list);
}

static void a_cursor_goes_on_where_its_entry_was_deleted(void **state) {
  database *d = *state;
  for (int i = 0; i < 5; i++) {
    char text[8];
    (void)snprintf(text, sizeof text, "%d", i);
    put_text(d, TUPLET_KEY("a", i), text);
  }
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
  for (int reverse = 0; reverse <= 1; reverse++) {
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.reverse = reverse == 1;
    tuplet_list *list = NULL;
    const tuplet_entry *entry;
    EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
    for (int i = 0; i < 3; i++) EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
    assert_true(is_text(entry, "2"));
    char cursor[64];
    (void)snprintf(cursor, sizeof cursor, "%s", cursor_of(d, list));
    tuplet_list_close(list);
    EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("a", 2), NULL, &d->error));
    options.cursor = cursor;
    expect_list(d, selector, &options, reverse == 1 ? "1 0 " : "3 4 ");
    put_text(d, TUPLET_KEY("a", 2), "2");
  }
}

/* ---- Beside writers ---- */

typedef struct churn {
  tuplet_db *db;
  latch stop, started;
  tuplet_status status;
} churn;

/* Writes and deletes the odd keys without end; the even ones stay. */
static void *churn_odd_keys(void *context) {
  churn *c = context;
  for (int i = 0; c->status == TUPLET_OK && latch_count(&c->stop) == 0; i++) {
    int number = i * 7 % 200 * 2 + 1;
    c->status = i % 3 == 0
                    ? tuplet_delete(c->db, TUPLET_KEY("a", number), NULL, NULL)
                    : tuplet_set(c->db, TUPLET_KEY("a", number), text_value("odd"), TUPLET_NEVER, NULL, NULL);
    if (i == 10) latch_add(&c->started);
  }
  if (c->status != TUPLET_OK) latch_add(&c->started);
  return NULL;
}

/* Whatever comes and goes beside them, entries that stay come exactly once and in order. */
static void a_list_beside_a_writer_misses_nothing_that_stays(void **state) {
  database *d = *state;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (int i = 0; i < 400; i += 2)
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("a", i), text_value("even"), TUPLET_NEVER, &d->error);
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_atomic_free(atomic);
  churn c = {.db = d->db, .stop = LATCH_INIT, .started = LATCH_INIT};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, churn_odd_keys, &c), 0);
  bool started = latch_wait(&c.started, 1);
  int even = 0, wrong = 0, rounds = 6;
  for (int round = 0; round < rounds; round++) {
    const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.reverse = round % 2 == 1;
    options.batch_size = 1 + (uint32_t)round * 9;
    tuplet_list *list = NULL;
    if (tuplet_list_open(d->db, &selector, &options, &list, &d->error) != TUPLET_OK) break;
    const tuplet_entry *entry;
    tuplet_key_parts *parts = NULL;
    uint64_t last = options.reverse ? UINT64_MAX : 0;
    bool first = true;
    while (tuplet_list_next(list, &entry, &d->error) == TUPLET_OK &&
           tuplet_key_decode(entry->key, NULL, &parts, &d->error) == TUPLET_OK) {
      uint64_t number = parts->parts[1].as.small;
      tuplet_key_parts_free(parts);
      if (is_text(entry, "even")) even++;
      if (!first && (options.reverse ? number >= last : number <= last)) wrong++;
      last = number;
      first = false;
    }
    tuplet_list_close(list);
  }
  latch_add(&c.stop);
  (void)pthread_join(thread, NULL);
  assert_true(started);
  EXPECT(d, TUPLET_OK, c.status);
  assert_int_equal(even, rounds * 200);
  assert_int_equal(wrong, 0);
}

static void a_batch_is_one_snapshot(void **state) {
  database *d = *state;
  for (int i = 0; i < 10; i++) put_text(d, TUPLET_KEY("a", i), "old");
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = 5;
  tuplet_list *list = NULL;
  const tuplet_entry *entry;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
  for (int i = 0; i < 10; i++) put_text(d, TUPLET_KEY("a", i), "new");
  for (int i = 1; i < 10; i++) {
    EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
    assert_true(is_text(entry, i < 5 ? "old" : "new"));
  }
  tuplet_list_close(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(lists_are_those_of_the_model),
      ON_BOTH(a_prefix_selects_what_extends_it_and_not_itself),
      ON_MEMORY(selectors_and_cursors_that_make_no_sense_are_refused),
      ON_BOTH(the_selector_may_go_once_the_list_is_open),
      ON_BOTH(the_cursor_is_denos_and_ends_with_the_range),
      ON_BOTH(a_limit_leaves_the_cursor_of_its_last_entry),
      ON_BOTH(a_cursor_goes_on_where_its_entry_was_deleted),
      ON_BOTH(a_list_beside_a_writer_misses_nothing_that_stays),
      ON_BOTH(a_batch_is_one_snapshot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
