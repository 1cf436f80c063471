/* key_test.c: the encoding of keys: Deno's own bytes, the order, and everything that is no key. */
#include "codec/key.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "codec/bigint.h"
#include "codec/limits.h"
#include "codec/number.h"
#include "support/fault_allocator.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ROW(text)                                                                                            \
  { text, sizeof(text) - 1 } /* in a table */
#define BYTES(text) ((tuplet_bytes)ROW(text))

enum { PARTS_MAX = 8 };

/* ---- Helpers ---- */

static void assert_bytes(tuplet_bytes actual, tuplet_bytes expected) {
  assert_int_equal(actual.size, expected.size);
  if (expected.size > 0) assert_memory_equal(actual.data, expected.data, expected.size);
}

static void assert_encodes(tuplet_key key, tuplet_bytes expected) {
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tuplet_error error = {0};
  if (tp_key_encode(key, &out, &error) != TUPLET_OK) fail_msg("%s", error.message);
  assert_bytes(tp_buffer_view(&out), expected);
  tp_buffer_done(&out);
}

/* What the library does not have: the order of keys, from their parts alone. */

static size_t magnitude_of(const tuplet_part *part, uint8_t ret_bytes[256]) {
  const uint8_t *bytes = part->bytes.data;
  size_t size = part->bytes.size;
  if (bytes == NULL) {
    for (size_t i = 0; i < 8; i++) ret_bytes[i] = (uint8_t)(part->as.small >> (56 - 8 * i));
    size = 8;
  } else {
    memcpy(ret_bytes, bytes, size);
  }
  size_t zeros = 0;
  while (zeros < size && ret_bytes[zeros] == 0) zeros++;
  memmove(ret_bytes, ret_bytes + zeros, size - zeros);
  return size - zeros;
}

static int sign_of(int64_t difference) {
  return (difference > 0) - (difference < 0);
}

static int compare_bigints(const tuplet_part *a, const tuplet_part *b) {
  uint8_t bytes_a[256];
  uint8_t bytes_b[256];
  size_t size_a = magnitude_of(a, bytes_a);
  size_t size_b = magnitude_of(b, bytes_b);
  int sign_a = size_a == 0 ? 0 : a->negative ? -1 : 1;
  int sign_b = size_b == 0 ? 0 : b->negative ? -1 : 1;
  if (sign_a != sign_b) return sign_of(sign_a - sign_b);
  if (size_a != size_b) return sign_of((int64_t)size_a - (int64_t)size_b) * sign_a;
  return sign_of(memcmp(bytes_a, bytes_b, size_a)) * sign_a;
}

/* NaN with its sign set, -Infinity, ..., -0, 0, ..., Infinity, NaN. */
static int rank_of_number(double number) {
  if (isnan(number)) return signbit(number) ? -2 : 2;
  return signbit(number) ? -1 : 1;
}

static int compare_numbers(double a, double b) {
  int rank_a = rank_of_number(a);
  int rank_b = rank_of_number(b);
  if (rank_a != rank_b) return sign_of(rank_a - rank_b);
  return (a > b) - (a < b);
}

static int compare_bytes(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  return order != 0 ? sign_of(order) : sign_of((int64_t)a.size - (int64_t)b.size);
}

static int compare_parts(const tuplet_part *a, const tuplet_part *b) {
  if (a->type != b->type) return sign_of((int64_t)a->type - (int64_t)b->type);
  switch (a->type) {
  case TUPLET_PART_BYTES:
  case TUPLET_PART_STRING: return compare_bytes(a->bytes, b->bytes);
  case TUPLET_PART_BIGINT: return compare_bigints(a, b);
  case TUPLET_PART_NUMBER: return compare_numbers(a->as.number, b->as.number);
  default: return 0;
  }
}

static int compare_keys(const tuplet_part *a, size_t count_a, const tuplet_part *b, size_t count_b) {
  for (size_t i = 0; i < count_a && i < count_b; i++) {
    int order = compare_parts(&a[i], &b[i]);
    if (order != 0) return order;
  }
  return sign_of((int64_t)count_a - (int64_t)count_b);
}

/* ---- Deno's bytes ---- */

typedef struct key_vector {
  tuplet_part parts[PARTS_MAX];
  size_t count;
  uint8_t storage[1024]; /* of bytes and bigints */
  size_t storage_size;
  uint8_t encoded[1024];
  size_t encoded_size;
} key_vector;

static tuplet_part part_of_json(const json_t *json, key_vector *vector) {
  const json_t *value;
  uint8_t *storage = vector->storage + vector->storage_size;
  if ((value = json_object_get(json, "string")) != NULL)
    return tuplet_part_string(json_string_value(value), json_string_length(value));
  if ((value = json_object_get(json, "boolean")) != NULL) return tuplet_part_bool(json_is_true(value));
  if ((value = json_object_get(json, "bytes")) != NULL) {
    size_t size = json_string_length(value) / 2;
    assert_true(tp_hex_read(json_string_value(value), 2 * size, storage, size));
    vector->storage_size += size;
    return tuplet_part_bytes((tuplet_bytes){storage, size});
  }
  if ((value = json_object_get(json, "number")) != NULL) {
    double number = 0;
    assert_true(tp_number_from_text(json_string_value(value), json_string_length(value), &number));
    return tuplet_part_number(number);
  }
  value = json_object_get(json, "bigint");
  assert_non_null(value);
  const char *digits = json_string_value(value);
  bool negative = digits[0] == '-';
  digits += negative;
  tp_buffer magnitude;
  tp_buffer_init(&magnitude, NULL);
  assert_int_equal(tp_bigint_from_text(digits, strlen(digits), &magnitude, NULL), TUPLET_OK);
  if (magnitude.size > 0) memcpy(storage, magnitude.data, magnitude.size);
  tuplet_part part = tuplet_part_bigint(negative, (tuplet_bytes){storage, magnitude.size});
  tp_bigint_reverse(storage, magnitude.size);
  vector->storage_size += magnitude.size;
  tp_buffer_done(&magnitude);
  return part;
}

static void assert_parts_equal(const tuplet_part *actual, const tuplet_part *expected, size_t count) {
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(compare_parts(&actual[i], &expected[i]), 0);
  }
}

static void check_vector(const key_vector *vector) {
  tuplet_bytes encoded = {vector->encoded, vector->encoded_size};
  assert_encodes((tuplet_key){vector->parts, vector->count, {NULL, 0}}, encoded);
  assert_encodes(tuplet_key_of(encoded), encoded);
  tuplet_key_parts *parts = NULL;
  assert_int_equal(tuplet_key_decode(encoded, NULL, &parts, NULL), TUPLET_OK);
  assert_int_equal(parts->count, vector->count);
  assert_parts_equal(parts->parts, vector->parts, vector->count);
  assert_encodes((tuplet_key){parts->parts, parts->count, {NULL, 0}}, encoded);
  tuplet_key_parts_free(parts);
}

static void denos_keys_encode_and_decode_to_the_byte(void **state) {
  (void)state;
  FILE *file = fopen(TEST_VECTORS "/keys.jsonl", "r");
  assert_non_null(file);
  char line[8192];
  size_t count = 0;
  uint8_t last[1024] = {0};
  size_t last_size = 0;
  for (; fgets(line, sizeof line, file) != NULL; count++) {
    json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    key_vector vector = {.count = 0};
    const char *hex = json_string_value(json_object_get(json, "hex"));
    vector.encoded_size = strlen(hex) / 2;
    assert_true(tp_hex_read(hex, strlen(hex), vector.encoded, vector.encoded_size));
    size_t index;
    json_t *part;
    json_array_foreach(json_object_get(json, "key"), index, part) {
      assert_true(vector.count < PARTS_MAX);
      vector.parts[vector.count++] = part_of_json(part, &vector);
    }
    check_vector(&vector);
    /* The file is in key order. */
    assert_true(compare_bytes((tuplet_bytes){last, last_size},
                              (tuplet_bytes){vector.encoded, vector.encoded_size}) < 0);
    memcpy(last, vector.encoded, vector.encoded_size);
    last_size = vector.encoded_size;
    json_decref(json);
  }
  (void)fclose(file);
  assert_int_equal(count, 306);
}

/* ---- The order ---- */

typedef struct key_generator {
  unsigned seed;
  uint8_t storage[4096];
  size_t used;
} key_generator;

static unsigned pick(key_generator *generator, unsigned count) {
  return (unsigned)rand_r(&generator->seed) % count;
}

/* Few different bytes, so that much is nearly the same; 00 and FF are the ones that escape. */
static tuplet_bytes pick_bytes(key_generator *generator, bool is_text) {
  static const uint8_t any[] = {0x00, 0x00, 0xFF, 0x01, 0x61, 0xFE};
  static const uint8_t text[] = {0x00, 0x00, 0x01, 0x61, 0x7F, 0x62};
  static const uint8_t last_in_plane[] = {0xEF, 0xBF, 0xBF}; /* U+FFFF */
  uint8_t *start = generator->storage + generator->used;
  size_t size = pick(generator, 5);
  for (size_t i = 0; i < size; i++) start[i] = is_text ? text[pick(generator, 6)] : any[pick(generator, 6)];
  if (is_text && pick(generator, 4) == 0) {
    memcpy(start + size, last_in_plane, sizeof last_in_plane);
    size += sizeof last_in_plane;
  }
  generator->used += size;
  return (tuplet_bytes){start, size};
}

static tuplet_part pick_bigint(key_generator *generator) {
  static const size_t sizes[] = {0, 1, 2, 7, 8, 9, 10, 254, 255};
  uint8_t *start = generator->storage + generator->used;
  size_t size = sizes[pick(generator, COUNT(sizes))];
  static const uint8_t bytes[] = {0x00, 0xFF, 0x01, 0x80, 0x7F};
  for (size_t i = 0; i < size; i++) start[i] = bytes[pick(generator, COUNT(bytes))];
  generator->used += size;
  if (pick(generator, 4) == 0) return tuplet_part_signed((int64_t)pick(generator, 600) - 300);
  return tuplet_part_bigint(pick(generator, 2) == 0, (tuplet_bytes){start, size});
}

static double pick_number(key_generator *generator) {
  static const double numbers[] = {
      0.0, -0.0, 1, -1, 1.5, 255, 256, 5e-324, -5e-324, 1e308, -1e308, 0.1, 9007199254740992};
  switch (pick(generator, 6)) {
  case 0: return (double)INFINITY * (pick(generator, 2) == 0 ? 1 : -1);
  case 1: return copysign((double)NAN, pick(generator, 2) == 0 ? 1 : -1);
  case 2: return ldexp((double)pick(generator, 1000) - 500, (int)pick(generator, 200) - 100);
  default: return numbers[pick(generator, COUNT(numbers))];
  }
}

static tuplet_part pick_part(key_generator *generator) {
  switch (pick(generator, 6)) {
  case 0: return tuplet_part_bytes(pick_bytes(generator, false));
  case 1: {
    tuplet_bytes text = pick_bytes(generator, true);
    return tuplet_part_string(text.data, text.size);
  }
  case 2: return pick_bigint(generator);
  case 3: return tuplet_part_number(pick_number(generator));
  case 4: return TUPLET_FALSE;
  default: return TUPLET_TRUE;
  }
}

static size_t pick_key(key_generator *generator, tuplet_part ret_parts[PARTS_MAX]) {
  size_t count = 1 + pick(generator, 3);
  generator->used = 0;
  for (size_t i = 0; i < count; i++) ret_parts[i] = pick_part(generator);
  return count;
}

static void bytes_sort_as_parts_do(void **state) {
  (void)state;
  enum { ROUNDS = 50000 };
  const unsigned seed = 20240607;
  key_generator left = {.seed = seed};
  key_generator right = {.seed = seed + 1};
  tp_buffer a;
  tp_buffer b;
  tp_buffer_init(&a, NULL);
  tp_buffer_init(&b, NULL);
  for (int round = 0; round < ROUNDS; round++) {
    tuplet_part parts_a[PARTS_MAX];
    tuplet_part parts_b[PARTS_MAX];
    size_t count_a = pick_key(&left, parts_a);
    size_t count_b = pick_key(&right, parts_b);
    /* Often the first part is shared, so that the second one counts. */
    if (round % 2 == 0) parts_b[0] = parts_a[0];
    tp_buffer_clear(&a);
    tp_buffer_clear(&b);
    assert_int_equal(tp_key_encode((tuplet_key){parts_a, count_a, {NULL, 0}}, &a, NULL), TUPLET_OK);
    assert_int_equal(tp_key_encode((tuplet_key){parts_b, count_b, {NULL, 0}}, &b, NULL), TUPLET_OK);
    int expected = compare_keys(parts_a, count_a, parts_b, count_b);
    int actual = compare_bytes(tp_buffer_view(&a), tp_buffer_view(&b));
    if (actual != expected)
      fail_msg("seed %u, round %d: bytes say %d, parts say %d", seed, round, actual, expected);
    tuplet_key_parts *decoded = NULL;
    assert_int_equal(tuplet_key_decode(tp_buffer_view(&a), NULL, &decoded, NULL), TUPLET_OK);
    if (compare_keys(decoded->parts, decoded->count, parts_a, count_a) != 0)
      fail_msg("seed %u, round %d: the decoded key is another one", seed, round);
    tuplet_key_parts_free(decoded);
  }
  tp_buffer_done(&a);
  tp_buffer_done(&b);
}

/* ---- Parts from C ---- */

static void c_values_become_parts_by_their_types(void **state) {
  (void)state;
  bool yes = true;
  unsigned char small = 200;
  short negative = -2;
  float half = 0.5f;
  char text[] = "hi";
  assert_encodes(TUPLET_KEY("a"), BYTES("\x02"
                                        "a\0"));
  assert_encodes(TUPLET_KEY(text, 1), BYTES("\x02hi\0\x15\x01"));
  assert_encodes(TUPLET_KEY(small, negative, 0u, -1LL), BYTES("\x15\xC8\x13\xFD\x14\x13\xFE"));
  assert_encodes(TUPLET_KEY(INT64_MIN, UINT64_MAX),
                 BYTES("\x0C\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x1C\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"));
  assert_encodes(TUPLET_KEY(1.0, half), BYTES("\x21\xBF\xF0\0\0\0\0\0\0\x21\xBF\xE0\0\0\0\0\0\0"));
  assert_encodes(TUPLET_KEY(yes, TUPLET_FALSE, TUPLET_TRUE), BYTES("\x27\x26\x27"));
  assert_encodes(TUPLET_KEY(tuplet_view("\0x", 2)), BYTES("\x01\0\xFFx\0"));
  assert_encodes(
      TUPLET_KEY(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
      BYTES("\x15\1\x15\2\x15\3\x15\4\x15\5\x15\6\x15\7\x15\x08\x15\x09\x15\x0A\x15\x0B\x15\x0C\x15\x0D"
            "\x15\x0E\x15\x0F\x15\x10"));
  assert_encodes(TUPLET_KEY_EMPTY, BYTES(""));
}

static void lone_surrogates_become_replacement_characters(void **state) {
  (void)state;
  assert_encodes(TUPLET_KEY("\xED\xA0\x80"), BYTES("\x02\xEF\xBF\xBD\0"));
  assert_encodes(TUPLET_KEY("a\xED\xBF\xBF\xED\xA0\x80z"), BYTES("\x02"
                                                                 "a\xEF\xBF\xBD\xEF\xBF\xBDz\0"));
  assert_encodes(TUPLET_KEY(tuplet_part_string("\0\xED\xB0\x80\0", 5)),
                 BYTES("\x02\0\xFF\xEF\xBF\xBD\0\xFF\0"));
  assert_encodes(TUPLET_KEY("\xED\x9F\xBF\xED\xA0\x80"),
                 BYTES("\x02\xED\x9F\xBF\xEF\xBF\xBD\0")); /* U+D7FF is a character */
  /* Bytes are not text. */
  assert_encodes(TUPLET_KEY(tuplet_view("\xED\xA0\x80", 3), "\xED\xA0\x80"),
                 BYTES("\x01\xED\xA0\x80\0\x02\xEF\xBF\xBD\0"));
}

static void every_nan_of_a_sign_is_one_key(void **state) {
  (void)state;
  static const uint64_t nans[] = {0x7FF8000000000000, 0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF,
                                  0x7FF8000000000123};
  for (size_t i = 0; i < COUNT(nans); i++) {
    double nan;
    uint64_t negative = nans[i] | UINT64_C(1) << 63;
    memcpy(&nan, &nans[i], sizeof nan);
    assert_encodes(TUPLET_KEY(nan), BYTES("\x21\xFF\xF8\0\0\0\0\0\0"));
    memcpy(&nan, &negative, sizeof nan);
    assert_encodes(TUPLET_KEY(nan), BYTES("\x21\x00\x07\xFF\xFF\xFF\xFF\xFF\xFF"));
  }
}

static void bigints_are_written_minimal(void **state) {
  (void)state;
  assert_encodes(TUPLET_KEY(tuplet_part_bigint(false, BYTES("\0\0\0\0\0\0\0\0\0\0\5"))), BYTES("\x15\5"));
  assert_encodes(TUPLET_KEY(tuplet_part_bigint(true, BYTES("\0\0"))), BYTES("\x14"));
  assert_encodes(TUPLET_KEY(tuplet_part_bigint(true, (tuplet_bytes){NULL, 0})), BYTES("\x14"));
}

static void a_bigint_has_at_most_255_bytes(void **state) {
  (void)state;
  uint8_t magnitude[257] = {0};
  memset(magnitude + 1, 0xAA, 256);
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_buffer_append_text(&out, "kept");
  tuplet_error error = {0};
  tuplet_bytes largest = {magnitude + 2, 255};
  tuplet_bytes too_large = {magnitude, 257};
  assert_int_equal(tp_key_encode(TUPLET_KEY(1, tuplet_part_bigint(true, too_large)), &out, &error),
                   TUPLET_INVALID);
  assert_string_equal(error.message, "BigUint requires more than 255 bytes to be represented");
  assert_bytes(tp_buffer_view(&out), BYTES("kept"));
  assert_int_equal(tp_key_encode(TUPLET_KEY(tuplet_part_bigint(true, largest)), &out, &error), TUPLET_OK);
  assert_int_equal(out.size, 4 + 2 + 255);
  assert_memory_equal(out.data + 4, "\x0B\x00\x55\x55", 4);
  tp_buffer_done(&out);
}

static void bad_parts_are_refused_by_number(void **state) {
  (void)state;
  tuplet_part of_no_type = {0};
  const struct {
    tuplet_key key;
    const char *message;
  } bad[] = {
      {TUPLET_KEY("a", "\xFF"), "part 2 of the key: a string that is not UTF-8"},
      {TUPLET_KEY("\xED\xA0\xBD\xED\xB8\x80"), "part 1 of the key: a string that is not UTF-8"},
      {TUPLET_KEY("a", 1, (const char *)NULL), "part 3 of the key: a NULL pointer"},
      {TUPLET_KEY(of_no_type),
       "part 1 of the key: type 0; expected string, number, bigint, Uint8Array, boolean"},
      {(tuplet_key){NULL, 2, {NULL, 0}}, "the key has 2 parts but parts is NULL"},
      {tuplet_key_of(BYTES("\x26\x99")), "malformed key: byte 1 is the unknown tag 0x99"},
  };
  for (size_t i = 0; i < COUNT(bad); i++) {
    tuplet_owned owned = {0};
    tuplet_error error = {0};
    assert_int_equal(tuplet_key_encode(bad[i].key, NULL, &owned, &error), TUPLET_INVALID);
    assert_int_equal(error.status, TUPLET_INVALID);
    assert_string_equal(error.message, bad[i].message);
    assert_null(owned.data);
    assert_int_equal(tuplet_key_encode(bad[i].key, NULL, &owned, NULL), TUPLET_INVALID);
  }
}

/* ---- What is no key ---- */

static const struct {
  tuplet_bytes encoded;
  const char *message; /* without "malformed key: " */
} malformed[] = {
    {ROW("\x00"), "byte 0 is the unknown tag 0x00"},
    {ROW("\x03"), "byte 0 is the unknown tag 0x03"},
    {ROW("\x0A"), "byte 0 is the unknown tag 0x0a"},
    {ROW("\x1E"), "byte 0 is the unknown tag 0x1e"},
    {ROW("\x20"), "byte 0 is the unknown tag 0x20"},
    {ROW("\x27\x26\x28"), "byte 2 is the unknown tag 0x28"},
    {ROW("\x14\xFF"), "byte 1 is the unknown tag 0xff"},
    {ROW("\x01"), "the part at byte 0 is cut off (tag 0x01)"},
    {ROW("\x01"
         "abc"),
     "the part at byte 0 is cut off (tag 0x01)"},
    {ROW("\x01"
         "abc\0\xFF"),
     "the part at byte 0 is cut off (tag 0x01)"},
    {ROW("\x02"), "the part at byte 0 is cut off (tag 0x02)"},
    {ROW("\x26\x02"
         "abc\0\xFF"
         "def"),
     "the part at byte 1 is cut off (tag 0x02)"},
    {ROW("\x02\xFF\0"), "the string at byte 0 is not UTF-8"},
    {ROW("\x02\xC3\0"), "the string at byte 0 is not UTF-8"},
    {ROW("\x02\xC3\0\xFF\xA9\0"), "the string at byte 0 is not UTF-8"},
    {ROW("\x02\xED\xA0\x80\0"), "the string at byte 0 is not UTF-8"},
    {ROW("\x02"
         "a\0\x02"
         "b\0\xFF\xFF\0"),
     "the string at byte 3 is not UTF-8"},
    {ROW("\x15"), "the part at byte 0 is cut off (tag 0x15)"},
    {ROW("\x1C\1\2\3\4\5\6\7"), "the part at byte 0 is cut off (tag 0x1c)"},
    {ROW("\x0C\1\2\3\4\5\6\7"), "the part at byte 0 is cut off (tag 0x0c)"},
    {ROW("\x1D"), "the part at byte 0 is cut off (tag 0x1d)"},
    {ROW("\x1D\x09\1\2\3\4\5\6\7\x08"), "the part at byte 0 is cut off (tag 0x1d)"},
    {ROW("\x0B"), "the part at byte 0 is cut off (tag 0x0b)"},
    {ROW("\x0B\xF6\1\2\3\4\5\6\7\x08"), "the part at byte 0 is cut off (tag 0x0b)"},
    {ROW("\x21\1\2\3\4\5\6\7"), "the part at byte 0 is cut off (tag 0x21)"},
};

static void malformed_keys_are_refused_by_position(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(malformed); i++) {
    /* A block of just that size, so that a sanitizer sees a byte read too many. */
    uint8_t *exact = malloc(malformed[i].encoded.size);
    assert_non_null(exact);
    memcpy(exact, malformed[i].encoded.data, malformed[i].encoded.size);
    tuplet_bytes encoded = {exact, malformed[i].encoded.size};
    tuplet_key_parts *parts = NULL;
    tuplet_error error = {0};
    char expected[128];
    (void)snprintf(expected, sizeof expected, "malformed key: %s", malformed[i].message);
    assert_int_equal(tuplet_key_decode(encoded, NULL, &parts, &error), TUPLET_MALFORMED);
    assert_string_equal(error.message, expected);
    assert_null(parts);
    assert_int_equal(tp_key_validate(encoded, NULL), TUPLET_MALFORMED);
    free(exact);
  }
}

static void every_prefix_of_a_key_is_judged_safely(void **state) {
  (void)state;
  static const tuplet_bytes whole = ROW("\x01\0\xFF\0\x02"
                                        "a\0\xFF"
                                        "b\0\x14\x15\1\x1D\x09\1\2\3\4\5\6\7\x08\x09\x0B\xF6\1\2\3\4\5\6\7"
                                        "\x08\x09\x21\1\2\3\4\5\6\7\x08\x26\x27");
  size_t key_count = 0;
  for (size_t size = 0; size <= whole.size; size++) {
    uint8_t *exact = malloc(size + (size == 0));
    assert_non_null(exact);
    memcpy(exact, whole.data, size);
    tuplet_bytes encoded = {exact, size};
    tuplet_key_parts *parts = NULL;
    tuplet_status status = tuplet_key_decode(encoded, NULL, &parts, NULL);
    assert_int_equal(status, tp_key_validate(encoded, NULL));
    if (status == TUPLET_OK) key_count++;
    tuplet_key_parts_free(parts);
    free(exact);
  }
  /* No part, then each of the nine ends at one size; and the bytes and the string could end at their escaped
   * zero. */
  assert_int_equal(key_count, 1 + 9 + 2);
}

static void longer_forms_than_needed_are_read(void **state) {
  (void)state;
  static const struct {
    tuplet_bytes encoded;
    bool negative;
    uint64_t small;
  } forms[] = {
      {ROW("\x16\0\5"), false, 5}, {ROW("\x12\xFF\xFA"), true, 5},
      {ROW("\x15\0"), false, 0},   {ROW("\x13\xFF"), false, 0},
      {ROW("\x1D\0"), false, 0},   {ROW("\x0B\xFF"), false, 0},
      {ROW("\x1D\1\7"), false, 7}, {ROW("\x0B\xF6\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"), true, 1},
  };
  for (size_t i = 0; i < COUNT(forms); i++) {
    tuplet_key_parts *parts = NULL;
    assert_int_equal(tuplet_key_decode(forms[i].encoded, NULL, &parts, NULL), TUPLET_OK);
    assert_int_equal(parts->count, 1);
    assert_int_equal(parts->parts[0].type, TUPLET_PART_BIGINT);
    assert_int_equal(parts->parts[0].negative, forms[i].negative);
    assert_null(parts->parts[0].bytes.data);
    assert_true(parts->parts[0].as.small == forms[i].small);
    tuplet_key_parts_free(parts);
  }
}

static void decoded_strings_end_in_nul(void **state) {
  (void)state;
  tuplet_key_parts *parts = NULL;
  assert_int_equal(tuplet_key_decode(BYTES("\x02hello\0\x01\0\x02\0"), NULL, &parts, NULL), TUPLET_OK);
  assert_int_equal(parts->count, 3);
  assert_string_equal(parts->parts[0].bytes.data, "hello");
  assert_string_equal(parts->parts[1].bytes.data, "");
  assert_string_equal(parts->parts[2].bytes.data, "");
  tuplet_key_parts_free(parts);
  assert_int_equal(tuplet_key_decode((tuplet_bytes){NULL, 0}, NULL, &parts, NULL), TUPLET_OK);
  assert_int_equal(parts->count, 0);
  tuplet_key_parts_free(parts);
  tuplet_key_parts_free(NULL);
}

/* ---- Memory ---- */

static void encoding_into_a_buffer_with_room_allocates_nothing(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_buffer out;
  tp_buffer_init(&out, &faults.allocator);
  assert_non_null(tp_buffer_reserve(&out, 256));
  size_t before = faults.count;
  assert_int_equal(
      tp_key_encode(TUPLET_KEY("users", "\xED\xA0\x80", 1, -300, 2.5, TUPLET_TRUE, tuplet_view("\0\1", 2),
                               tuplet_part_bigint(true, BYTES("123456789"))),
                    &out, NULL),
      TUPLET_OK);
  assert_int_equal(tp_key_encode(tuplet_key_of(BYTES("\x02"
                                                     "a\0")),
                                 &out, NULL),
                   TUPLET_OK);
  assert_int_equal(tp_key_validate(tp_buffer_view(&out), NULL), TUPLET_OK);
  assert_int_equal(faults.count, before);
  tp_buffer_done(&out);
  assert_int_equal(faults.live, 0);
}

static void out_of_memory_is_reported(void **state) {
  (void)state;
  uint8_t large[255];
  memset(large, 0x77, sizeof large);
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tuplet_owned encoded = {0};
    tuplet_key_parts *parts = NULL;
    tuplet_error error = {0};
    tuplet_status status = tuplet_key_encode(
        TUPLET_KEY("a string of more bytes than a small buffer has room for, so that it must grow",
                   tuplet_part_bigint(false, (tuplet_bytes){large, sizeof large}), 1, 1.5, TUPLET_TRUE,
                   tuplet_view(large, sizeof large)),
        &faults.allocator, &encoded, &error);
    if (status == TUPLET_OK)
      status =
          tuplet_key_decode((tuplet_bytes){encoded.data, encoded.size}, &faults.allocator, &parts, &error);
    assert_int_equal(status, fault_allocator_fired(&faults) ? TUPLET_NOMEM : TUPLET_OK);
    tuplet_key_parts_free(parts);
    tuplet_owned_free(&encoded);
    assert_int_equal(faults.live, 0);
    if (status == TUPLET_OK) break;
    assert_int_equal(error.status, TUPLET_NOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(denos_keys_encode_and_decode_to_the_byte),
      cmocka_unit_test(bytes_sort_as_parts_do),
      cmocka_unit_test(c_values_become_parts_by_their_types),
      cmocka_unit_test(lone_surrogates_become_replacement_characters),
      cmocka_unit_test(every_nan_of_a_sign_is_one_key),
      cmocka_unit_test(bigints_are_written_minimal),
      cmocka_unit_test(a_bigint_has_at_most_255_bytes),
      cmocka_unit_test(bad_parts_are_refused_by_number),
      cmocka_unit_test(malformed_keys_are_refused_by_position),
      cmocka_unit_test(every_prefix_of_a_key_is_judged_safely),
      cmocka_unit_test(longer_forms_than_needed_are_read),
      cmocka_unit_test(decoded_strings_end_in_nul),
      cmocka_unit_test(encoding_into_a_buffer_with_room_allocates_nothing),
      cmocka_unit_test(out_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
