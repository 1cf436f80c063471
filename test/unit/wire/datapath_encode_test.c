/* datapath_encode_test.c: what we write, protobuf-c's own decoder reads back. */
#include "wire/datapath.h"

#include "datapath.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static tp_row row_of(const char *key, const char *value, size_t value_size) {
  return (tp_row){.key = {key, strlen(key)},
                  .value = {value, value_size},
                  .encoding = TUPLET_ENCODING_BYTES,
                  .versionstamp = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
                  .expires_at_ms = TP_EXPIRES_NEVER};
}

static void assert_entry(const Com__Deno__Kv__Datapath__KvEntry *entry, const tp_row *row) {
  assert_int_equal(entry->key.len, row->key.size);
  assert_memory_equal(entry->key.data, row->key.data, row->key.size);
  assert_int_equal(entry->value.len, row->value.size);
  if (row->value.size > 0) assert_memory_equal(entry->value.data, row->value.data, row->value.size);
  assert_int_equal(entry->encoding, row->encoding);
  assert_int_equal(entry->versionstamp.len, sizeof row->versionstamp.bytes);
  assert_memory_equal(entry->versionstamp.data, row->versionstamp.bytes, sizeof row->versionstamp.bytes);
}

static Com__Deno__Kv__Datapath__SnapshotReadOutput *parse_read(const tp_buffer *out) {
  assert_false(out->failed);
  Com__Deno__Kv__Datapath__SnapshotReadOutput *parsed =
      com__deno__kv__datapath__snapshot_read_output__unpack(NULL, out->size, out->data);
  assert_non_null(parsed);
  assert_int_equal(parsed->base.n_unknown_fields, 0);
  return parsed;
}

static void a_read_without_rows_has_an_empty_output_for_every_range(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_snapshot_read_output output;
  tp_snapshot_read_output_begin(&output, &out);
  tp_snapshot_read_output_end(&output, 3);

  Com__Deno__Kv__Datapath__SnapshotReadOutput *parsed = parse_read(&out);
  assert_int_equal(parsed->n_ranges, 3);
  for (size_t i = 0; i < 3; i++) assert_int_equal(parsed->ranges[i]->n_values, 0);
  assert_int_equal(parsed->status, COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_SUCCESS);
  assert_true(parsed->read_is_strongly_consistent);
  assert_false(parsed->read_disabled);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

static void rows_land_in_their_ranges_and_ranges_without_rows_stay_empty(void **state) {
  (void)state;
  const tp_row a = row_of("a", "1", 1);
  const tp_row b = row_of("b", "", 0);
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_snapshot_read_output output;
  tp_snapshot_read_output_begin(&output, &out);
  tp_snapshot_read_output_row(&output, 1, &a);
  tp_snapshot_read_output_row(&output, 1, &b);
  tp_snapshot_read_output_row(&output, 3, &b);
  tp_snapshot_read_output_end(&output, 5);

  Com__Deno__Kv__Datapath__SnapshotReadOutput *parsed = parse_read(&out);
  assert_int_equal(parsed->n_ranges, 5);
  assert_int_equal(parsed->ranges[0]->n_values, 0);
  assert_int_equal(parsed->ranges[1]->n_values, 2);
  assert_entry(parsed->ranges[1]->values[0], &a);
  assert_entry(parsed->ranges[1]->values[1], &b);
  assert_int_equal(parsed->ranges[2]->n_values, 0);
  assert_int_equal(parsed->ranges[3]->n_values, 1);
  assert_entry(parsed->ranges[3]->values[0], &b);
  assert_int_equal(parsed->ranges[4]->n_values, 0);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

/* Lengths of one, two, three and four bytes, for entries and for their range. */
static void values_of_every_length_of_length_survive(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 90, 91, 100, 105, 106, 127, 128, 129, 16250, 16384, 65536};
  char *value = calloc(1, 65536);
  assert_non_null(value);
  memset(value, 'v', 65536);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const tp_row row = row_of("key", value, sizes[i]);
    tp_buffer out;
    tp_buffer_init(&out, NULL);
    tp_snapshot_read_output output;
    tp_snapshot_read_output_begin(&output, &out);
    for (size_t j = 0; j < 40; j++) tp_snapshot_read_output_row(&output, 0, &row);
    tp_snapshot_read_output_row(&output, 1, &row);
    tp_snapshot_read_output_end(&output, 2);

    Com__Deno__Kv__Datapath__SnapshotReadOutput *parsed = parse_read(&out);
    assert_int_equal(parsed->ranges[0]->n_values, 40);
    for (size_t j = 0; j < 40; j++) assert_entry(parsed->ranges[0]->values[j], &row);
    assert_int_equal(parsed->ranges[1]->n_values, 1);
    assert_entry(parsed->ranges[1]->values[0], &row);
    com__deno__kv__datapath__snapshot_read_output__free_unpacked(parsed, NULL);
    tp_buffer_done(&out);
  }
  free(value);
}

/* Equal to what protobuf-c writes itself: lengths are as short as they can be. */
static void lengths_are_minimal(void **state) {
  (void)state;
  const tp_row row = row_of("k", "value", 5);
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_snapshot_read_output output;
  tp_snapshot_read_output_begin(&output, &out);
  tp_snapshot_read_output_row(&output, 0, &row);
  tp_snapshot_read_output_end(&output, 2);

  Com__Deno__Kv__Datapath__SnapshotReadOutput *parsed = parse_read(&out);
  uint8_t packed[256];
  size_t size = com__deno__kv__datapath__snapshot_read_output__pack(parsed, packed);
  assert_int_equal(size, out.size);
  assert_memory_equal(packed, out.data, size);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

static Com__Deno__Kv__Datapath__AtomicWriteOutput *parse_write(const tp_buffer *out) {
  assert_false(out->failed);
  Com__Deno__Kv__Datapath__AtomicWriteOutput *parsed =
      com__deno__kv__datapath__atomic_write_output__unpack(NULL, out->size, out->data);
  assert_non_null(parsed);
  assert_int_equal(parsed->base.n_unknown_fields, 0);
  return parsed;
}

static void a_commit_has_its_versionstamp(void **state) {
  (void)state;
  const tuplet_versionstamp versionstamp = {{0, 0, 0, 0, 0, 0, 1, 2, 0, 0}};
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_atomic_write_output_success(&out, &versionstamp);
  Com__Deno__Kv__Datapath__AtomicWriteOutput *parsed = parse_write(&out);
  assert_int_equal(parsed->status, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_SUCCESS);
  assert_int_equal(parsed->versionstamp.len, 10);
  assert_memory_equal(parsed->versionstamp.data, versionstamp.bytes, 10);
  com__deno__kv__datapath__atomic_write_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

static void a_failed_commit_names_the_checks_that_failed(void **state) {
  (void)state;
  static const uint32_t failed[] = {0, 3, 99, 300};
  for (size_t count = 0; count <= 4; count++) {
    tp_buffer out;
    tp_buffer_init(&out, NULL);
    tp_atomic_write_output_check_failure(&out, failed, count);
    Com__Deno__Kv__Datapath__AtomicWriteOutput *parsed = parse_write(&out);
    assert_int_equal(parsed->status, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_CHECK_FAILURE);
    assert_int_equal(parsed->n_failed_checks, count);
    for (size_t i = 0; i < count; i++) assert_int_equal(parsed->failed_checks[i], failed[i]);
    assert_int_equal(parsed->versionstamp.len, 0);
    com__deno__kv__datapath__atomic_write_output__free_unpacked(parsed, NULL);
    tp_buffer_done(&out);
  }
}

static void disabled_writes_say_so(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_atomic_write_output_disabled(&out);
  Com__Deno__Kv__Datapath__AtomicWriteOutput *parsed = parse_write(&out);
  assert_int_equal(parsed->status, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_WRITE_DISABLED);
  com__deno__kv__datapath__atomic_write_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

static void a_watch_tells_changed_deleted_and_unchanged_apart(void **state) {
  (void)state;
  const tp_row row = row_of("k", "v", 1);
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_watch_output_begin(&out);
  tp_watch_output_key(&out, true, &row);
  tp_watch_output_key(&out, true, NULL);
  tp_watch_output_key(&out, false, &row);
  tp_watch_output_key(&out, false, NULL);
  assert_false(out.failed);

  Com__Deno__Kv__Datapath__WatchOutput *parsed =
      com__deno__kv__datapath__watch_output__unpack(NULL, out.size, out.data);
  assert_non_null(parsed);
  assert_int_equal(parsed->base.n_unknown_fields, 0);
  assert_int_equal(parsed->status, COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_SUCCESS);
  assert_int_equal(parsed->n_keys, 4);
  assert_true(parsed->keys[0]->changed);
  assert_entry(parsed->keys[0]->entry_if_changed, &row);
  assert_true(parsed->keys[1]->changed);
  assert_null(parsed->keys[1]->entry_if_changed);
  for (size_t i = 2; i < 4; i++) {
    assert_false(parsed->keys[i]->changed);
    assert_null(parsed->keys[i]->entry_if_changed);
  }
  com__deno__kv__datapath__watch_output__free_unpacked(parsed, NULL);
  tp_buffer_done(&out);
}

/* ---- Out of memory ---- */

typedef struct failing {
  size_t until_failure;
  bool fired;
} failing;

static void *failing_reallocate(void *context, void *pointer, size_t new_size) {
  failing *fail = context;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  if (fail->until_failure == 0) {
    fail->fired = true;
    return NULL;
  }
  fail->until_failure--;
  return realloc(pointer, new_size);
}

static void running_out_of_memory_is_remembered_by_the_buffer(void **state) {
  (void)state;
  static const char value[3000];
  const tp_row row = row_of("key", value, sizeof value);
  for (size_t n = 0;; n++) {
    failing fail = {.until_failure = n};
    const tuplet_allocator allocator = {failing_reallocate, &fail};
    tp_buffer out;
    tp_buffer_init(&out, &allocator);
    tp_snapshot_read_output output;
    tp_snapshot_read_output_begin(&output, &out);
    for (size_t i = 0; i < 10; i++) tp_snapshot_read_output_row(&output, i, &row);
    tp_snapshot_read_output_end(&output, 10);
    assert_int_equal(out.failed, fail.fired);
    tp_buffer_done(&out);
    if (!fail.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_read_without_rows_has_an_empty_output_for_every_range),
      cmocka_unit_test(rows_land_in_their_ranges_and_ranges_without_rows_stay_empty),
      cmocka_unit_test(values_of_every_length_of_length_survive),
      cmocka_unit_test(lengths_are_minimal),
      cmocka_unit_test(a_commit_has_its_versionstamp),
      cmocka_unit_test(a_failed_commit_names_the_checks_that_failed),
      cmocka_unit_test(disabled_writes_say_so),
      cmocka_unit_test(a_watch_tells_changed_deleted_and_unchanged_apart),
      cmocka_unit_test(running_out_of_memory_is_remembered_by_the_buffer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
