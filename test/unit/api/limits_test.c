/* limits_test.c: each limit at its edge: what just fits is done, one more is refused with Deno's sentence. */
#include "support/database.h"

/* One key of a given encoded size: a Uint8Array, which takes two bytes more. */
typedef struct sized_key {
  char bytes[4096];
  tuplet_part part;
  tuplet_key key;
} sized_key;

static tuplet_key key_of_size(sized_key *sized, size_t size) {
  assert_true(size >= 2 && size - 2 <= sizeof sized->bytes);
  memset(sized->bytes, 'k', sizeof sized->bytes);
  sized->part = tuplet_part_bytes(tuplet_view(sized->bytes, size - 2));
  sized->key = (tuplet_key){&sized->part, 1, {NULL, 0}};
  return sized->key;
}

static const uint8_t zeros[70000];

/* Each case: does something of a size; `fits` is the last size that is fine. */
typedef tuplet_status (*attempt)(database *d, size_t size);

static tuplet_status set_key(database *d, size_t size) {
  sized_key sized;
  return tuplet_set(d->db, key_of_size(&sized, size), text_value("v"), TUPLET_NEVER, NULL, &d->error);
}

static tuplet_status delete_key(database *d, size_t size) {
  sized_key sized;
  return tuplet_delete(d->db, key_of_size(&sized, size), NULL, &d->error);
}

static tuplet_status commit(database *d, tuplet_atomic *atomic) {
  tuplet_status status = tuplet_atomic_commit(atomic, NULL, &d->error);
  tuplet_atomic_free(atomic);
  return status;
}

static tuplet_status sum_key(database *d, size_t size) {
  sized_key sized;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_sum(atomic, key_of_size(&sized, size), 1, NULL);
  return commit(d, atomic);
}

static tuplet_status check_key(database *d, size_t size) {
  sized_key sized;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_check(atomic, key_of_size(&sized, size), NULL, NULL);
  tuplet_status status = commit(d, atomic);
  return status == TUPLET_CONFLICT ? TUPLET_OK : status;
}

static tuplet_status set_versionstamped_key(database *d, size_t size) {
  sized_key sized;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_set_versionstamped(atomic, key_of_size(&sized, size), text_value("v"), TUPLET_NEVER,
                                         NULL);
  return commit(d, atomic);
}

static tuplet_status get_key(database *d, size_t size) {
  sized_key sized;
  tuplet_entry *entry = NULL;
  tuplet_status status =
      tuplet_get(d->db, key_of_size(&sized, size), TUPLET_CONSISTENCY_STRONG, &entry, &d->error);
  tuplet_entry_free(entry);
  return status == TUPLET_NOT_FOUND ? TUPLET_OK : status;
}

static tuplet_status get_many_key(database *d, size_t size) {
  sized_key sized;
  tuplet_entries *entries = NULL;
  const tuplet_key keys[] = {TUPLET_KEY("other"), key_of_size(&sized, size)};
  tuplet_status status = tuplet_get_many(d->db, keys, 2, TUPLET_CONSISTENCY_STRONG, &entries, &d->error);
  tuplet_entries_free(entries);
  return status;
}

static tuplet_status watch_key(database *d, size_t size) {
  sized_key sized;
  tuplet_watch *watch = NULL;
  const tuplet_key key = key_of_size(&sized, size);
  tuplet_status status = tuplet_watch_open(d->db, &key, 1, &watch, &d->error);
  tuplet_watch_close(watch);
  return status;
}

static tuplet_status list_selector(database *d, const tuplet_selector *selector) {
  tuplet_list *list = NULL;
  const tuplet_entry *entry = NULL;
  tuplet_status status = tuplet_list_open(d->db, selector, NULL, &list, &d->error);
  if (status == TUPLET_OK) status = tuplet_list_next(list, &entry, &d->error);
  tuplet_list_close(list);
  return status == TUPLET_DONE ? TUPLET_OK : status;
}

static tuplet_status list_prefix(database *d, size_t size) {
  sized_key sized;
  const tuplet_key prefix = key_of_size(&sized, size);
  return list_selector(d, &(tuplet_selector){.prefix = &prefix});
}

static tuplet_status list_bounds(database *d, size_t size) {
  sized_key sized;
  const tuplet_key end = key_of_size(&sized, size);
  return list_selector(d, &(tuplet_selector){.start = &TUPLET_KEY_EMPTY, .end = &end});
}

static tuplet_status set_bytes(database *d, size_t size) {
  return tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_bytes(zeros, size), TUPLET_NEVER, NULL, &d->error);
}

static tuplet_status set_v8(database *d, size_t size) {
  return tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_v8(tuplet_view(zeros, size)), TUPLET_NEVER, NULL,
                    &d->error);
}

/* The sum, not the operand, grows past the limit: both are bigints of `size` bytes with their header. */
static tuplet_status sum_bigints(database *d, size_t size) {
  static uint8_t bigint[70000];
  size_t digits = size - 6; /* FF 0F Z and a bit field of three bytes */
  size_t field = digits << 1;
  memset(bigint, 0, sizeof bigint);
  bigint[0] = 0xFF;
  bigint[1] = 0x0F;
  bigint[2] = 'Z';
  bigint[3] = (uint8_t)(field & 0x7F) | 0x80;
  bigint[4] = (uint8_t)(field >> 7 & 0x7F) | 0x80;
  bigint[5] = (uint8_t)(field >> 14);
  memset(bigint + 6, 0xFF, digits);
  tuplet_value value = tuplet_value_v8(tuplet_view(bigint, size));
  static const uint8_t one[] = {0xFF, 0x0F, 'Z', 16, 1, 0, 0, 0, 0, 0, 0, 0};
  tuplet_status status = tuplet_set(d->db, TUPLET_KEY("sum"), value, TUPLET_NEVER, NULL, &d->error);
  if (status != TUPLET_OK) return status;
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_sum_value(atomic, TUPLET_KEY("sum"), tuplet_value_v8(tuplet_view(one, sizeof one)),
                                NULL, NULL, false, NULL);
  return commit(d, atomic);
}

static tuplet_status get_many_count(database *d, size_t count) {
  tuplet_key keys[20];
  tuplet_entries *entries = NULL;
  for (size_t i = 0; i < COUNT_OF(keys); i++) keys[i] = TUPLET_KEY_EMPTY;
  tuplet_status status = tuplet_get_many(d->db, keys, count, TUPLET_CONSISTENCY_STRONG, &entries, &d->error);
  tuplet_entries_free(entries);
  return status;
}

static tuplet_status watch_count(database *d, size_t count) {
  tuplet_key keys[20];
  tuplet_watch *watch = NULL;
  for (size_t i = 0; i < COUNT_OF(keys); i++) keys[i] = TUPLET_KEY_EMPTY;
  tuplet_status status = tuplet_watch_open(d->db, keys, count, &watch, &d->error);
  tuplet_watch_close(watch);
  return status;
}

static tuplet_status list_batch(database *d, size_t size) {
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = (uint32_t)size;
  tuplet_list *list = NULL;
  tuplet_status status = tuplet_list_open(d->db, &everything, &options, &list, &d->error);
  tuplet_list_close(list);
  return status;
}

static tuplet_status check_count(database *d, size_t count) {
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (size_t i = 0; i < count; i++)
    (void)tuplet_atomic_check(atomic, TUPLET_KEY("absent", (int)i), NULL, NULL);
  return commit(d, atomic);
}

static tuplet_status mutation_count(database *d, size_t count) {
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (size_t i = 0; i < count; i++) (void)tuplet_atomic_delete(atomic, TUPLET_KEY("k", (int)i), NULL);
  return commit(d, atomic);
}

/* Keys and values together, in 13 sets, the last of which fills up to `size`. */
static tuplet_status total_size(database *d, size_t size) {
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  sized_key sized;
  for (size_t left = size; left > 0;) {
    size_t value_size = left > 66000 ? 65536 : left - 3;
    (void)tuplet_atomic_set(atomic, key_of_size(&sized, 3), tuplet_value_bytes(zeros, value_size),
                            TUPLET_NEVER, NULL);
    left -= value_size + 3;
  }
  return commit(d, atomic);
}

/* Of the keys that get values; those of checks and deletes do not count, here as in Deno. */
static tuplet_status total_key_size(database *d, size_t size) {
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  sized_key sized;
  for (size_t left = size; left > 0;) {
    size_t key_size = left > 2100 ? 2000 : left;
    if (key_size > 2000) key_size = left / 2;
    (void)tuplet_atomic_check(atomic, key_of_size(&sized, 2000), NULL, NULL);
    (void)tuplet_atomic_delete(atomic, key_of_size(&sized, 2000), NULL);
    (void)tuplet_atomic_set(atomic, key_of_size(&sized, key_size), tuplet_value_bytes("", 0), TUPLET_NEVER,
                            NULL);
    left -= key_size;
  }
  return commit(d, atomic);
}

static const struct {
  const char *name;
  attempt attempt;
  size_t fits;
  const char *message;
} limits[] = {
    {"set's key", set_key, 2048, "Key too large for write (max 2048 bytes)"},
    {"delete's key", delete_key, 2048, "Key too large for write (max 2048 bytes)"},
    {"sum's key", sum_key, 2048, "Key too large for write (max 2048 bytes)"},
    {"check's key", check_key, 2048, "Key too large for write (max 2048 bytes)"},
    {"a versionstamped key's prefix", set_versionstamped_key, 2048 - 22,
     "Key too large for write (max 2048 bytes)"},
    {"get's key", get_key, 2048, "Key too large for read (max 2049 bytes)"},
    {"getMany's key", get_many_key, 2048, "Key too large for read (max 2049 bytes)"},
    {"watch's key", watch_key, 2048, "Key too large for read (max 2049 bytes)"},
    {"list's prefix", list_prefix, 2048, "Key too large for read (max 2049 bytes)"},
    {"list's bound", list_bounds, 2049, "Key too large for read (max 2049 bytes)"},
    {"a value of bytes", set_bytes, 65536, "Value too large (max 65536 bytes)"},
    {"a V8 value", set_v8, 65536, "Value too large (max 65536 bytes)"},
    {"a sum", sum_bigints, 65534 - 8, "Value too large (max 65536 bytes)"},
    {"getMany's keys", get_many_count, 10, "Too many ranges (max 10)"},
    {"watch's keys", watch_count, 10, "Too many keys (max 10)"},
    {"list's batch", list_batch, 1000, "Too many entries (max 1000)"},
    {"checks", check_count, 100, "Too many checks (max 100)"},
    {"mutations", mutation_count, 1000, "Too many mutations (max 1000)"},
    {"an operation", total_size, 819200, "Total mutation size too large (max 819200 bytes)"},
    {"an operation's keys", total_key_size, 81920, "Total key size too large (max 81920 bytes)"},
};

static void what_just_fits_is_done_and_one_more_is_refused(void **state) {
  database *d = *state;
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    size_t step = limits[i].attempt == sum_bigints ? 8 : 1; /* V8's bigints grow by 8 bytes */
    tuplet_status fitting = limits[i].attempt(d, limits[i].fits);
    if (fitting != TUPLET_OK) print_error("%s: %zu should fit\n", limits[i].name, limits[i].fits);
    EXPECT(d, TUPLET_OK, fitting);
    memset(&d->error, 0, sizeof d->error);
    tuplet_status refused = limits[i].attempt(d, limits[i].fits + step);
    if (refused != TUPLET_LIMIT)
      print_error("%s: %zu should not fit\n", limits[i].name, limits[i].fits + step);
    EXPECT_ERROR(d, TUPLET_LIMIT, limits[i].message, refused);
  }
}

/* What was refused left nothing; what just fitted is there. */
static void the_largest_key_and_value_come_back(void **state) {
  database *d = *state;
  sized_key sized;
  static uint8_t value[65536];
  for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)(i * 31);
  tuplet_key key = key_of_size(&sized, 2048);
  (void)put(d, key, tuplet_value_bytes(value, sizeof value));
  EXPECT(d, TUPLET_LIMIT, set_key(d, 2049));
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(d->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  assert_int_equal(entry->value.data.size, sizeof value);
  assert_memory_equal(entry->value.data.data, value, sizeof value);
  tuplet_entry_free(entry);

  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = 1; /* the list goes on after a key of the largest size */
  tuplet_list *list = NULL;
  const tuplet_entry *listed = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &everything, &options, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &listed, &d->error));
  assert_int_equal(listed->key.size, 2048);
  const char *cursor = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_cursor(list, &cursor, &d->error));
  tuplet_list *rest = NULL;
  options.cursor = cursor;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &everything, &options, &rest, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(rest, &listed, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &listed, &d->error));
  tuplet_list_close(rest);
  tuplet_list_close(list);
}

static void a_key_without_parts_cannot_be_written(void **state) {
  database *d = *state;
  const char *message = "key cannot be empty";
  EXPECT_ERROR(d, TUPLET_INVALID, message,
               tuplet_set(d->db, TUPLET_KEY_EMPTY, text_value("v"), TUPLET_NEVER, NULL, &d->error));
  EXPECT_ERROR(d, TUPLET_INVALID, message, tuplet_delete(d->db, TUPLET_KEY_EMPTY, NULL, &d->error));
  for (int i = 0; i < 3; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    switch (i) {
    case 0: (void)tuplet_atomic_check(atomic, TUPLET_KEY_EMPTY, NULL, NULL); break;
    case 1: (void)tuplet_atomic_sum(atomic, TUPLET_KEY_EMPTY, 1, NULL); break;
    default:
      (void)tuplet_atomic_set_versionstamped(atomic, TUPLET_KEY_EMPTY, text_value("v"), TUPLET_NEVER, NULL);
    }
    EXPECT_ERROR(d, TUPLET_INVALID, message, commit(d, atomic));
  }
}

static void an_expiry_is_a_non_negative_number(void **state) {
  database *d = *state;
  EXPECT_ERROR(d, TUPLET_INVALID, "expireIn must be a non-negative integer: received -2",
               tuplet_set(d->db, TUPLET_KEY("k"), text_value("v"), -2, NULL, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), text_value("v"), INT64_MAX, NULL, &d->error));
  expect_text(d, d->db, TUPLET_KEY("k"), "v"); /* beyond all clocks: never */
}

static void an_unknown_encoding_is_refused(void **state) {
  database *d = *state;
  for (int encoding = 0; encoding <= 4; encoding += 4) {
    tuplet_value value = {(tuplet_encoding)encoding, {"v", 1}, 0};
    char message[64];
    (void)snprintf(message, sizeof message, "The value encoding %d is unknown.", encoding);
    EXPECT_ERROR(d, TUPLET_INVALID, message,
                 tuplet_set(d->db, TUPLET_KEY("k"), value, TUPLET_NEVER, NULL, &d->error));
  }
}

static void a_bigint_part_has_at_most_255_bytes(void **state) {
  database *d = *state;
  uint8_t magnitude[256];
  memset(magnitude, 1, sizeof magnitude);
  put_text(d, TUPLET_KEY(tuplet_part_bigint(true, tuplet_view(magnitude, 255))), "v");
  EXPECT(d, TUPLET_INVALID,
         tuplet_set(d->db, TUPLET_KEY(tuplet_part_bigint(false, tuplet_view(magnitude, 256))),
                    text_value("v"), TUPLET_NEVER, NULL, &d->error));
}

static void versionstamps_as_text_are_20_digits(void **state) {
  database *d = *state;
  tuplet_versionstamp versionstamp = put(d, TUPLET_KEY("k"), text_value("v")), again;
  char text[TUPLET_VERSIONSTAMP_TEXT_SIZE];
  tuplet_versionstamp_to_text(&versionstamp, text);
  assert_int_equal(strlen(text), 20);
  EXPECT(d, TUPLET_OK, tuplet_versionstamp_from_text(text, &again, &d->error));
  assert_int_equal(compare_versionstamps(&again, &versionstamp), 0);
  static const char *const wrong[] = {"", "0000000000000000000", "000000000000000000000",
                                      "0000000000000000000g", " 0000000000000000000"};
  for (size_t i = 0; i < COUNT_OF(wrong); i++)
    EXPECT(d, TUPLET_INVALID, tuplet_versionstamp_from_text(wrong[i], &again, &d->error));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(what_just_fits_is_done_and_one_more_is_refused),
      ON_BOTH(the_largest_key_and_value_come_back),
      ON_MEMORY(a_key_without_parts_cannot_be_written),
      ON_MEMORY(an_expiry_is_a_non_negative_number),
      ON_MEMORY(an_unknown_encoding_is_refused),
      ON_MEMORY(a_bigint_part_has_at_most_255_bytes),
      ON_MEMORY(versionstamps_as_text_are_20_digits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
