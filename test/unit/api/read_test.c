/* read_test.c: tuplet_get and tuplet_get_many: values as they were written, absence, and one snapshot for
 * all. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>

static void every_kind_of_value_comes_back(void **state) {
  database *d = *state;
  static const uint8_t v8[] = {0xFF, 0x0F, '"', 2, 'h', 'i'};
  static const uint8_t bytes[] = {0, 1, 2, 0xFF, 0};
  const tuplet_value values[] = {
      tuplet_value_bytes(bytes, sizeof bytes),
      tuplet_value_bytes(NULL, 0),
      tuplet_value_v8(tuplet_view(v8, sizeof v8)),
      tuplet_value_u64(0),
      tuplet_value_u64(UINT64_MAX),
      tuplet_value_u64(0x0123456789ABCDEF),
  };
  for (size_t i = 0; i < COUNT_OF(values); i++) {
    tuplet_versionstamp versionstamp = put(d, TUPLET_KEY("k"), values[i]);
    tuplet_entry *entry = NULL;
    EXPECT(d, TUPLET_OK, tuplet_get(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_EVENTUAL, &entry, &d->error));
    assert_true(entry->exists);
    assert_memory_equal(entry->key.data, "\x02k", 3);
    assert_int_equal(entry->key.size, 3);
    assert_int_equal(entry->value.encoding, values[i].encoding);
    assert_int_equal(compare_versionstamps(&entry->versionstamp, &versionstamp), 0);
    if (values[i].encoding == TUPLET_ENCODING_LE64) {
      uint64_t number = 0;
      assert_int_equal(entry->value.u64, values[i].u64);
      assert_int_equal(entry->value.data.size, 8);
      for (int j = 7; j >= 0; j--) number = number << 8 | ((const uint8_t *)entry->value.data.data)[j];
      assert_int_equal(number, values[i].u64);
    } else {
      assert_int_equal(entry->value.data.size, values[i].data.size);
      if (values[i].data.size > 0)
        assert_memory_equal(entry->value.data.data, values[i].data.data, values[i].data.size);
    }
    tuplet_entry_free(entry);
  }
}

static void an_absent_key_is_not_found(void **state) {
  database *d = *state;
  expect_absent(d, TUPLET_KEY("k"));
  put_text(d, TUPLET_KEY("k", 1), "longer");
  expect_absent(d, TUPLET_KEY("k"));
  put_text(d, TUPLET_KEY("k"), "v");
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
  expect_absent(d, TUPLET_KEY("k"));
  expect_text(d, d->db, TUPLET_KEY("k", 1), "longer");
}

static void the_empty_key_is_not_found(void **state) {
  database *d = *state;
  expect_absent(d, TUPLET_KEY_EMPTY);
  put_text(d, TUPLET_KEY("k"), "v");
  expect_absent(d, TUPLET_KEY_EMPTY);
  expect_absent(d, tuplet_key_of(tuplet_view("", 0)));
}

static void types_that_look_alike_are_different_keys(void **state) {
  database *d = *state;
  const tuplet_key keys[] = {TUPLET_KEY(1),           TUPLET_KEY(1.0),
                             TUPLET_KEY("1"),         TUPLET_KEY(tuplet_view("1", 1)),
                             TUPLET_KEY(TUPLET_TRUE), TUPLET_KEY(TUPLET_FALSE),
                             TUPLET_KEY(0),           TUPLET_KEY(0.0),
                             TUPLET_KEY(-0.0),        TUPLET_KEY("")};
  char text[16];
  for (size_t i = 0; i < COUNT_OF(keys); i++) {
    (void)snprintf(text, sizeof text, "%zu", i);
    put_text(d, keys[i], text);
  }
  for (size_t i = 0; i < COUNT_OF(keys); i++) {
    (void)snprintf(text, sizeof text, "%zu", i);
    expect_text(d, d->db, keys[i], text);
  }
}

static void an_entrys_key_can_be_used_as_it_is(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k", 1), "v");
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(d->db, TUPLET_KEY("k", 1), TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  put_text(d, tuplet_key_of(entry->key), "w");
  expect_text(d, d->db, tuplet_key_of(entry->key), "w");
  tuplet_entry_free(entry);
  tuplet_entry *none = NULL;
  EXPECT(
      d, TUPLET_INVALID,
      tuplet_get(d->db, tuplet_key_of(tuplet_view("\x02k", 2)), TUPLET_CONSISTENCY_STRONG, &none, &d->error));
  EXPECT(d, TUPLET_INVALID,
         tuplet_get(d->db, TUPLET_KEY("\xFF"), TUPLET_CONSISTENCY_STRONG, &none, &d->error));
}

/* ---- Many keys ---- */

static void many_keys_come_in_the_order_asked_for(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("a"), "1");
  put_text(d, TUPLET_KEY("b"), "");
  (void)put(d, TUPLET_KEY("c"), tuplet_value_u64(7));
  const tuplet_key keys[] = {TUPLET_KEY("c"), TUPLET_KEY("absent"), TUPLET_KEY("a"),   TUPLET_KEY("c"),
                             TUPLET_KEY("b"), TUPLET_KEY_EMPTY,     TUPLET_KEY("a", 1)};
  tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK,
         tuplet_get_many(d->db, keys, COUNT_OF(keys), TUPLET_CONSISTENCY_STRONG, &entries, &d->error));
  assert_int_equal(entries->count, COUNT_OF(keys));
  for (size_t i = 0; i < entries->count; i++) {
    tuplet_owned encoded;
    EXPECT(d, TUPLET_OK, tuplet_key_encode(keys[i], NULL, &encoded, &d->error));
    assert_int_equal(entries->items[i].key.size, encoded.size);
    if (encoded.size > 0) assert_memory_equal(entries->items[i].key.data, encoded.data, encoded.size);
    tuplet_owned_free(&encoded);
  }
  assert_int_equal(entries->items[0].value.u64, 7);
  assert_int_equal(entries->items[3].value.u64, 7);
  assert_true(is_text(&entries->items[2], "1"));
  assert_true(is_text(&entries->items[4], ""));
  static const size_t absent[] = {1, 5, 6};
  for (size_t i = 0; i < COUNT_OF(absent); i++) {
    const tuplet_entry *entry = &entries->items[absent[i]];
    assert_false(entry->exists);
    assert_int_equal(entry->value.data.size, 0);
    assert_int_equal(compare_versionstamps(&entry->versionstamp, &(tuplet_versionstamp){{0}}), 0);
  }
  tuplet_entries_free(entries);
}

static void no_keys_give_no_entries(void **state) {
  database *d = *state;
  tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get_many(d->db, NULL, 0, TUPLET_CONSISTENCY_STRONG, &entries, &d->error));
  assert_int_equal(entries->count, 0);
  tuplet_entries_free(entries);
}

/* ---- Beside writers ---- */

enum { GROUP_SIZE = 10, WRITERS = 3, READERS = 3, ROUNDS = 150 };

typedef struct workers {
  tuplet_db *db;
  latch writers_done;
  tuplet_status statuses[WRITERS + READERS];
  size_t torn[READERS], seen[READERS];
} workers;

typedef struct worker {
  workers *all;
  int number;
} worker;

/* Writes the same number under every key of the group, in another order each time. */
static void *write_groups(void *context) {
  const worker *w = context;
  tuplet_status status = TUPLET_OK;
  for (int round = 0; status == TUPLET_OK && round < ROUNDS; round++) {
    tuplet_atomic *atomic = tuplet_atomic_new(w->all->db);
    uint64_t number = (uint64_t)w->number * ROUNDS + (uint64_t)round;
    for (int i = 0; i < GROUP_SIZE; i++) {
      int key = (i * 3 + round) % GROUP_SIZE;
      (void)tuplet_atomic_set(atomic, TUPLET_KEY("group", key), tuplet_value_u64(number), TUPLET_NEVER, NULL);
    }
    status = tuplet_atomic_commit(atomic, NULL, NULL);
    tuplet_atomic_free(atomic);
  }
  w->all->statuses[w->number] = status;
  latch_add(&w->all->writers_done);
  return NULL;
}

static void *read_groups(void *context) {
  const worker *w = context;
  workers *all = w->all;
  size_t reader = (size_t)(w->number - WRITERS);
  tuplet_part parts[GROUP_SIZE][2];
  tuplet_key keys[GROUP_SIZE];
  for (int i = 0; i < GROUP_SIZE; i++) {
    parts[i][0] = tuplet_part_text("group");
    parts[i][1] = tuplet_part_signed(i);
    keys[i] = (tuplet_key){parts[i], 2, {NULL, 0}};
  }
  do {
    tuplet_entries *entries = NULL;
    tuplet_status status =
        tuplet_get_many(all->db, keys, GROUP_SIZE, TUPLET_CONSISTENCY_STRONG, &entries, NULL);
    all->statuses[w->number] = status;
    if (status != TUPLET_OK) break;
    for (size_t i = 1; i < GROUP_SIZE; i++) {
      if (entries->items[i].value.u64 != entries->items[0].value.u64 ||
          compare_versionstamps(&entries->items[i].versionstamp, &entries->items[0].versionstamp) != 0) {
        all->torn[reader]++;
      }
    }
    all->seen[reader]++;
    tuplet_entries_free(entries);
  } while (latch_count(&all->writers_done) < WRITERS);
  return NULL;
}

/* All keys of a group always carry the same number, on the same versionstamp. */
static void many_keys_are_read_in_one_snapshot(void **state) {
  database *d = *state;
  workers all = {.db = d->db, .writers_done = LATCH_INIT};
  worker numbered[WRITERS + READERS];
  pthread_t threads[WRITERS + READERS];
  for (int i = 0; i < WRITERS + READERS; i++) {
    numbered[i] = (worker){&all, i};
    assert_int_equal(
        pthread_create(&threads[i], NULL, i < WRITERS ? write_groups : read_groups, &numbered[i]), 0);
  }
  for (int i = 0; i < WRITERS + READERS; i++) (void)pthread_join(threads[i], NULL);
  for (int i = 0; i < WRITERS + READERS; i++) EXPECT(d, TUPLET_OK, all.statuses[i]);
  for (int i = 0; i < READERS; i++) {
    assert_int_equal(all.torn[i], 0);
    assert_true(all.seen[i] > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(every_kind_of_value_comes_back),
      ON_BOTH(an_absent_key_is_not_found),
      ON_BOTH(the_empty_key_is_not_found),
      ON_BOTH(types_that_look_alike_are_different_keys),
      ON_BOTH(an_entrys_key_can_be_used_as_it_is),
      ON_BOTH(many_keys_come_in_the_order_asked_for),
      ON_BOTH(no_keys_give_no_entries),
      ON_BOTH(many_keys_are_read_in_one_snapshot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
