/* datapath_decode_test.c: requests as clients send them are understood, others refused with a sentence. */
#include "wire/datapath.h"

#include "datapath.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) ((ProtobufCBinaryData){sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)})

/* [true, false], without a NUL to get lost at the end of a text */
#define A_KEY "\x27\x26"

/* A message of protobuf-c's making. */
typedef struct packed {
  uint8_t *data;
  size_t size;
} packed;

static packed pack(const void *message) {
  packed result = {.size = protobuf_c_message_get_packed_size(message)};
  result.data = malloc(result.size + 1);
  assert_non_null(result.data);
  assert_int_equal(protobuf_c_message_pack(message, result.data), result.size);
  return result;
}

typedef struct fixture {
  tp_arena arena;
  tuplet_error error;
  tp_write write;
  tp_read_range *ranges;
  size_t range_count;
  tuplet_bytes *keys;
  size_t key_count;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  tp_arena_init(&f->arena, NULL, 4096);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  tp_arena_done(&f->arena);
  free(f);
  return 0;
}

static tuplet_status decode_write(fixture *f, const void *message) {
  packed bytes = pack(message);
  memset(&f->error, 0, sizeof f->error);
  tuplet_status status =
      tp_atomic_write_decode((tuplet_bytes){bytes.data, bytes.size}, &f->arena, &f->write, &f->error);
  free(bytes.data);
  return status;
}

static tuplet_status decode_read(fixture *f, const void *message) {
  packed bytes = pack(message);
  memset(&f->error, 0, sizeof f->error);
  tuplet_status status = tp_snapshot_read_decode((tuplet_bytes){bytes.data, bytes.size}, &f->arena,
                                                 &f->ranges, &f->range_count, &f->error);
  free(bytes.data);
  return status;
}

static tuplet_status decode_watch(fixture *f, const void *message) {
  packed bytes = pack(message);
  memset(&f->error, 0, sizeof f->error);
  tuplet_status status =
      tp_watch_decode((tuplet_bytes){bytes.data, bytes.size}, &f->arena, &f->keys, &f->key_count, &f->error);
  free(bytes.data);
  return status;
}

static void assert_bytes(tuplet_bytes bytes, const char *text) {
  assert_int_equal(bytes.size, strlen(text));
  assert_memory_equal(bytes.data, text, bytes.size);
}

/* ---- SnapshotRead ---- */

static void a_read_has_its_ranges(void **state) {
  fixture *f = *state;
  Com__Deno__Kv__Datapath__ReadRange first = COM__DENO__KV__DATAPATH__READ_RANGE__INIT;
  first.start = BYTES("a");
  first.end = BYTES("b");
  first.limit = 100;
  Com__Deno__Kv__Datapath__ReadRange second = first;
  second.start = BYTES("");
  second.limit = 1;
  second.reverse = true;
  Com__Deno__Kv__Datapath__ReadRange *ranges[] = {&first, &second};
  Com__Deno__Kv__Datapath__SnapshotRead read = COM__DENO__KV__DATAPATH__SNAPSHOT_READ__INIT;
  read.ranges = ranges;
  read.n_ranges = 2;

  assert_int_equal(decode_read(f, &read), TUPLET_OK);
  assert_int_equal(f->range_count, 2);
  assert_bytes(f->ranges[0].start, "a");
  assert_bytes(f->ranges[0].end, "b");
  assert_int_equal(f->ranges[0].limit, 100);
  assert_false(f->ranges[0].reverse);
  assert_int_equal(f->ranges[1].start.size, 0);
  assert_int_equal(f->ranges[1].limit, 1);
  assert_true(f->ranges[1].reverse);
}

static void a_limit_of_a_range_must_be_positive(void **state) {
  fixture *f = *state;
  static const int32_t limits[] = {0, -1, INT32_MIN};
  for (size_t i = 0; i < 3; i++) {
    Com__Deno__Kv__Datapath__ReadRange range = COM__DENO__KV__DATAPATH__READ_RANGE__INIT;
    range.limit = limits[i];
    Com__Deno__Kv__Datapath__ReadRange *ranges[] = {&range};
    Com__Deno__Kv__Datapath__SnapshotRead read = COM__DENO__KV__DATAPATH__SNAPSHOT_READ__INIT;
    read.ranges = ranges;
    read.n_ranges = 1;
    assert_int_equal(decode_read(f, &read), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "must be positive"));
  }
}

static void more_than_ten_ranges_are_refused(void **state) {
  fixture *f = *state;
  Com__Deno__Kv__Datapath__ReadRange range = COM__DENO__KV__DATAPATH__READ_RANGE__INIT;
  range.limit = 1;
  Com__Deno__Kv__Datapath__ReadRange *ranges[11];
  for (size_t i = 0; i < 11; i++) ranges[i] = &range;
  Com__Deno__Kv__Datapath__SnapshotRead read = COM__DENO__KV__DATAPATH__SNAPSHOT_READ__INIT;
  read.ranges = ranges;
  read.n_ranges = 10;
  assert_int_equal(decode_read(f, &read), TUPLET_OK);
  read.n_ranges = 11;
  assert_int_equal(decode_read(f, &read), TUPLET_LIMIT);
  assert_string_equal(f->error.message, "Too many ranges (max 10)");
}

/* ---- AtomicWrite ---- */

typedef Com__Deno__Kv__Datapath__AtomicWrite pb_write;
typedef Com__Deno__Kv__Datapath__Check pb_check;
typedef Com__Deno__Kv__Datapath__Mutation pb_mutation;
typedef Com__Deno__Kv__Datapath__KvValue pb_value;
typedef Com__Deno__Kv__Datapath__Enqueue pb_enqueue;

static tuplet_status decode_one_check(fixture *f, pb_check *check) {
  pb_check *checks[] = {check};
  pb_write write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.checks = checks;
  write.n_checks = 1;
  return decode_write(f, &write);
}

static tuplet_status decode_one_mutation(fixture *f, pb_mutation *mutation) {
  pb_mutation *mutations[] = {mutation};
  pb_write write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.mutations = mutations;
  write.n_mutations = 1;
  return decode_write(f, &write);
}

static tuplet_status decode_one_enqueue(fixture *f, pb_enqueue *enqueue) {
  pb_enqueue *enqueues[] = {enqueue};
  pb_write write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.enqueues = enqueues;
  write.n_enqueues = 1;
  return decode_write(f, &write);
}

static void an_empty_body_is_an_empty_write(void **state) {
  fixture *f = *state;
  assert_int_equal(tp_atomic_write_decode((tuplet_bytes){NULL, 0}, &f->arena, &f->write, &f->error),
                   TUPLET_OK);
  assert_int_equal(f->write.check_count, 0);
  assert_int_equal(f->write.mutation_count, 0);
  assert_int_equal(f->write.enqueue_count, 0);
}

static void a_check_is_for_a_versionstamp_or_for_absence(void **state) {
  fixture *f = *state;
  pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
  check.key = BYTES(A_KEY);
  assert_int_equal(decode_one_check(f, &check), TUPLET_OK);
  assert_int_equal(f->write.check_count, 1);
  assert_bytes(f->write.checks[0].key, A_KEY);
  assert_true(f->write.checks[0].must_be_absent);
  assert_non_null(f->write.failed_checks);

  check.versionstamp = BYTES("0123456789");
  assert_int_equal(decode_one_check(f, &check), TUPLET_OK);
  assert_false(f->write.checks[0].must_be_absent);
  assert_memory_equal(f->write.checks[0].versionstamp.bytes, "0123456789", 10);
}

/* Ten zero bytes are a versionstamp that no entry has; they are not the absence of one. */
static void a_check_for_versionstamp_zero_is_not_one_for_absence(void **state) {
  fixture *f = *state;
  pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
  check.versionstamp = BYTES("\0\0\0\0\0\0\0\0\0\0");
  assert_int_equal(decode_one_check(f, &check), TUPLET_OK);
  assert_false(f->write.checks[0].must_be_absent);
}

static void a_versionstamp_of_another_size_is_refused(void **state) {
  fixture *f = *state;
  static uint8_t bytes[32];
  for (size_t size = 1; size < sizeof bytes; size++) {
    if (size == 10) continue;
    pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
    check.versionstamp = (ProtobufCBinaryData){size, bytes};
    assert_int_equal(decode_one_check(f, &check), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "versionstamp of check 0"));
  }
}

static void every_mutation_type_is_understood(void **state) {
  fixture *f = *state;
  static const struct {
    Com__Deno__Kv__Datapath__MutationType wire;
    tp_mutation_type type;
  } types[] = {
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET, TP_MUTATION_SET},
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE, TP_MUTATION_DELETE},
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM, TP_MUTATION_SUM},
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MAX, TP_MUTATION_MAX},
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MIN, TP_MUTATION_MIN},
      {COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET_SUFFIX_VERSIONSTAMPED_KEY,
       TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY},
  };
  pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.data = BYTES("12345678");
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_LE64;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = types[i].wire;
    mutation.key = BYTES(A_KEY);
    mutation.value = &value;
    assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_OK);
    assert_int_equal(f->write.mutations[0].type, types[i].type);
    assert_bytes(f->write.mutations[0].key, A_KEY);
    if (types[i].type == TP_MUTATION_DELETE) continue;
    assert_int_equal(f->write.mutations[0].encoding, TUPLET_ENCODING_LE64);
    assert_bytes(f->write.mutations[0].value, "12345678");
  }
}

static void keys_that_are_none_are_refused(void **state) {
  fixture *f = *state;
  static const struct {
    const char *bytes;
    size_t size;
  } keys[] = {{"\xff\xff", 2},
              {"\x02"
               "a",
               2},
              {A_KEY "\x00", 3},
              {"text", 4},
              {"\x21\x00", 2}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    ProtobufCBinaryData key = {keys[i].size, (uint8_t *)(uintptr_t)keys[i].bytes};
    pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
    check.key = key;
    assert_int_equal(decode_one_check(f, &check), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "The key of check 0 is not the encoding of one: "));

    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE;
    mutation.key = key;
    assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "The key of mutation 0 is"));

    ProtobufCBinaryData undelivered[] = {BYTES(A_KEY), key};
    pb_enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
    enqueue.keys_if_undelivered = undelivered;
    enqueue.n_keys_if_undelivered = 2;
    assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "The key of keysIfUndelivered 1 is"));
  }
}

static void unknown_mutation_types_are_refused(void **state) {
  fixture *f = *state;
  static const int32_t types[] = {0, 6, 7, 8, 10, -1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = (Com__Deno__Kv__Datapath__MutationType)types[i];
    assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "of mutation 0 is unknown"));
  }
}

static void all_but_deletes_need_a_value(void **state) {
  fixture *f = *state;
  pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
  assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_INVALID);
  assert_string_equal(f->error.message, "Mutation 0 has no value.");
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE;
  assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_OK);
}

static void unknown_value_encodings_are_refused(void **state) {
  fixture *f = *state;
  static const int32_t encodings[] = {0, 4, -1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
    pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
    value.encoding = (Com__Deno__Kv__Datapath__ValueEncoding)encodings[i];
    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
    mutation.value = &value;
    assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_INVALID);
    assert_non_null(strstr(f->error.message, "The value encoding "));
    assert_non_null(strstr(f->error.message, " is unknown."));
  }
}

static void a_kvu64_must_have_eight_bytes(void **state) {
  fixture *f = *state;
  for (size_t size = 0; size <= 16; size++) {
    static uint8_t bytes[16];
    pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
    value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_LE64;
    value.data = (ProtobufCBinaryData){size, bytes};
    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM;
    mutation.value = &value;
    assert_int_equal(decode_one_mutation(f, &mutation), size == 8 ? TUPLET_OK : TUPLET_INVALID);
  }
}

static void an_expiry_is_a_time_or_never(void **state) {
  fixture *f = *state;
  static const struct {
    int64_t wire;
    tuplet_status status;
    int64_t expires_at_ms;
  } cases[] = {
      {0, TUPLET_OK, TP_EXPIRES_NEVER},  {-1, TUPLET_OK, TP_EXPIRES_NEVER}, {1, TUPLET_OK, 1},
      {INT64_MAX, TUPLET_OK, INT64_MAX}, {-2, TUPLET_INVALID, 0},           {INT64_MIN, TUPLET_INVALID, 0}};
  pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_BYTES;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
    mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
    mutation.value = &value;
    mutation.expire_at_ms = cases[i].wire;
    assert_int_equal(decode_one_mutation(f, &mutation), cases[i].status);
    if (cases[i].status == TUPLET_OK)
      assert_int_equal(f->write.mutations[0].expires_at_ms, cases[i].expires_at_ms);
  }
}

static void the_bounds_of_a_sum_are_there_or_not(void **state) {
  fixture *f = *state;
  pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_V8;
  value.data = BYTES("\xff\x0fI\x02");
  pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM;
  mutation.value = &value;
  mutation.sum_max = BYTES("max");
  mutation.sum_clamp = true;
  assert_int_equal(decode_one_mutation(f, &mutation), TUPLET_OK);
  assert_null(f->write.mutations[0].sum_min.data);
  assert_bytes(f->write.mutations[0].sum_max, "max");
  assert_true(f->write.mutations[0].sum_clamp);
}

static void an_enqueue_has_payload_deadline_keys_and_schedule(void **state) {
  fixture *f = *state;
  ProtobufCBinaryData keys[] = {BYTES("\x26"), BYTES(A_KEY)};
  uint32_t schedule[] = {0, 100, 3600000};
  pb_enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  enqueue.payload = BYTES("payload");
  enqueue.deadline_ms = 1234567890123;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_OK);
  assert_false(f->write.enqueues[0].has_backoff);
  assert_int_equal(f->write.enqueues[0].keys_if_undelivered_count, 0);

  enqueue.keys_if_undelivered = keys;
  enqueue.n_keys_if_undelivered = 2;
  enqueue.backoff_schedule = schedule;
  enqueue.n_backoff_schedule = 3;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_OK);
  const tp_enqueue *decoded = &f->write.enqueues[0];
  assert_bytes(decoded->payload, "payload");
  assert_int_equal(decoded->due_at_ms, 1234567890123);
  assert_int_equal(decoded->keys_if_undelivered_count, 2);
  assert_bytes(decoded->keys_if_undelivered[1], A_KEY);
  assert_true(decoded->has_backoff);
  assert_int_equal(decoded->backoff_count, 3);
  assert_int_equal(decoded->backoff_ms[2], 3600000);
}

static void an_enqueue_beyond_its_limits_is_refused(void **state) {
  fixture *f = *state;
  ProtobufCBinaryData keys[11] = {{0}};
  uint32_t schedule[11] = {0};
  pb_enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  enqueue.keys_if_undelivered = keys;
  enqueue.backoff_schedule = schedule;
  enqueue.n_keys_if_undelivered = 10;
  enqueue.n_backoff_schedule = 10;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_OK);
  enqueue.n_keys_if_undelivered = 11;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_LIMIT);
  enqueue.n_keys_if_undelivered = 0;
  enqueue.n_backoff_schedule = 11;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_LIMIT);
  enqueue.n_backoff_schedule = 2;
  schedule[1] = 3600001;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_LIMIT);
  assert_string_equal(f->error.message, "Invalid backoffSchedule, interval at index 1 is invalid");
  schedule[1] = 0;
  enqueue.deadline_ms = -1;
  assert_int_equal(decode_one_enqueue(f, &enqueue), TUPLET_INVALID);
}

static void more_checks_or_mutations_than_allowed_are_refused(void **state) {
  fixture *f = *state;
  static pb_check *checks[101];
  static pb_mutation *mutations[1001];
  static pb_enqueue *enqueues[1001];
  pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
  pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE;
  pb_enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  for (size_t i = 0; i < 101; i++) checks[i] = &check;
  for (size_t i = 0; i < 1001; i++) mutations[i] = &mutation;
  for (size_t i = 0; i < 1001; i++) enqueues[i] = &enqueue;
  pb_write write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.checks = checks;
  write.mutations = mutations;
  write.enqueues = enqueues;

  write.n_checks = 100;
  write.n_mutations = 400;
  write.n_enqueues = 600;
  assert_int_equal(decode_write(f, &write), TUPLET_OK);
  write.n_enqueues = 601;
  assert_int_equal(decode_write(f, &write), TUPLET_LIMIT);
  assert_string_equal(f->error.message, "Too many mutations (max 1000)");
  write.n_mutations = 1001;
  write.n_enqueues = 0;
  assert_int_equal(decode_write(f, &write), TUPLET_LIMIT);
  write.n_mutations = 0;
  write.n_checks = 101;
  assert_int_equal(decode_write(f, &write), TUPLET_LIMIT);
  assert_string_equal(f->error.message, "Too many checks (max 100)");
}

/* ---- Watch ---- */

static void a_watch_has_its_keys_at_most_ten(void **state) {
  fixture *f = *state;
  Com__Deno__Kv__Datapath__WatchKey key = COM__DENO__KV__DATAPATH__WATCH_KEY__INIT;
  key.key = BYTES("key");
  Com__Deno__Kv__Datapath__WatchKey *keys[11];
  for (size_t i = 0; i < 11; i++) keys[i] = &key;
  Com__Deno__Kv__Datapath__Watch watch = COM__DENO__KV__DATAPATH__WATCH__INIT;
  watch.keys = keys;
  watch.n_keys = 10;
  assert_int_equal(decode_watch(f, &watch), TUPLET_OK);
  assert_int_equal(f->key_count, 10);
  assert_bytes(f->keys[9], "key");
  watch.n_keys = 11;
  assert_int_equal(decode_watch(f, &watch), TUPLET_LIMIT);
  assert_string_equal(f->error.message, "Too many keys (max 10)");
}

/* ---- Hostile bytes ---- */

static packed a_large_write(void) {
  static ProtobufCBinaryData keys[2];
  static uint32_t schedule[] = {1, 100000};
  keys[0] = BYTES("\x26");
  keys[1] = BYTES(A_KEY);
  pb_check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
  check.key = BYTES(A_KEY);
  check.versionstamp = BYTES("0123456789");
  pb_value value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.data = BYTES("12345678");
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_LE64;
  pb_mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.key = BYTES(A_KEY);
  mutation.value = &value;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM;
  mutation.expire_at_ms = 1234567890123;
  mutation.sum_min = BYTES("12345678");
  mutation.sum_clamp = true;
  pb_enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  enqueue.payload = BYTES("payload");
  enqueue.deadline_ms = 99;
  enqueue.keys_if_undelivered = keys;
  enqueue.n_keys_if_undelivered = 2;
  enqueue.backoff_schedule = schedule;
  enqueue.n_backoff_schedule = 2;
  pb_check *checks[] = {&check, &check};
  pb_mutation *mutations[] = {&mutation, &mutation};
  pb_enqueue *enqueues[] = {&enqueue};
  pb_write write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.checks = checks;
  write.n_checks = 2;
  write.mutations = mutations;
  write.n_mutations = 2;
  write.enqueues = enqueues;
  write.n_enqueues = 1;
  return pack(&write);
}

/* Cut at any place, a message is either refused or, at a field's end, a shorter message. The copy has no byte
 * to spare, so that the address sanitizer sees a read past its end. */
static void every_prefix_of_a_message_is_decoded_or_refused(void **state) {
  fixture *f = *state;
  packed whole = a_large_write();
  size_t refused = 0;
  for (size_t size = 0; size <= whole.size; size++) {
    uint8_t *prefix = malloc(size > 0 ? size : 1);
    assert_non_null(prefix);
    memcpy(prefix, whole.data, size);
    tuplet_bytes message = {prefix, size};
    tuplet_status status = tp_atomic_write_decode(message, &f->arena, &f->write, &f->error);
    if (status != TUPLET_OK) {
      assert_int_equal(status, TUPLET_MALFORMED);
      assert_string_equal(f->error.message, "The body is not a valid AtomicWrite message.");
      refused++;
    }
    (void)tp_snapshot_read_decode(message, &f->arena, &f->ranges, &f->range_count, &f->error);
    (void)tp_watch_decode(message, &f->arena, &f->keys, &f->key_count, &f->error);
    free(prefix);
    tp_arena_clear(&f->arena);
  }
  assert_true(refused > 0 && refused >= whole.size - 6);
  free(whole.data);
}

static void every_flipped_bit_is_decoded_or_refused(void **state) {
  fixture *f = *state;
  packed message = a_large_write();
  for (size_t bit = 0; bit < message.size * 8; bit++) {
    message.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    (void)tp_atomic_write_decode((tuplet_bytes){message.data, message.size}, &f->arena, &f->write, &f->error);
    message.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    tp_arena_clear(&f->arena);
  }
  free(message.data);
}

static void other_bytes_are_no_message(void **state) {
  fixture *f = *state;
  static const char *const texts[] = {"{\"ranges\":[]}",
                                      "\x0a",
                                      "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
                                      "\x0b",
                                      "\x0e",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tuplet_bytes message = {texts[i], strlen(texts[i])};
    assert_int_equal(tp_snapshot_read_decode(message, &f->arena, &f->ranges, &f->range_count, &f->error),
                     TUPLET_MALFORMED);
    assert_string_equal(f->error.message, "The body is not a valid SnapshotRead message.");
  }
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

static void running_out_of_memory_is_an_error_at_every_allocation(void **state) {
  fixture *f = *state;
  packed message = a_large_write();
  for (size_t n = 0;; n++) {
    failing fail = {.until_failure = n};
    const tuplet_allocator allocator = {failing_reallocate, &fail};
    tp_arena arena;
    tp_arena_init(&arena, &allocator, 16);
    tuplet_status status =
        tp_atomic_write_decode((tuplet_bytes){message.data, message.size}, &arena, &f->write, &f->error);
    tp_arena_done(&arena);
    assert_int_equal(status, fail.fired ? TUPLET_NOMEM : TUPLET_OK);
    if (!fail.fired) break;
  }
  free(message.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_read_has_its_ranges),
      TEST(a_limit_of_a_range_must_be_positive),
      TEST(more_than_ten_ranges_are_refused),
      TEST(an_empty_body_is_an_empty_write),
      TEST(a_check_is_for_a_versionstamp_or_for_absence),
      TEST(a_check_for_versionstamp_zero_is_not_one_for_absence),
      TEST(a_versionstamp_of_another_size_is_refused),
      TEST(every_mutation_type_is_understood),
      TEST(keys_that_are_none_are_refused),
      TEST(unknown_mutation_types_are_refused),
      TEST(all_but_deletes_need_a_value),
      TEST(unknown_value_encodings_are_refused),
      TEST(a_kvu64_must_have_eight_bytes),
      TEST(an_expiry_is_a_time_or_never),
      TEST(the_bounds_of_a_sum_are_there_or_not),
      TEST(an_enqueue_has_payload_deadline_keys_and_schedule),
      TEST(an_enqueue_beyond_its_limits_is_refused),
      TEST(more_checks_or_mutations_than_allowed_are_refused),
      TEST(a_watch_has_its_keys_at_most_ten),
      TEST(every_prefix_of_a_message_is_decoded_or_refused),
      TEST(every_flipped_bit_is_decoded_or_refused),
      TEST(other_bytes_are_no_message),
      TEST(running_out_of_memory_is_an_error_at_every_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
