/* v8_hostile_test.c: bytes that are no value in V8's format: cut off, changed, malformed, and made to take
 * all memory or time. */
#include "v8_support.h"

enum { SAMPLES_PER_VECTOR = 300 };

/* ---- Damaged values ---- */

static void check_prefixes(const value_vector *vector) {
  if (vector->encoding != TUPLET_ENCODING_V8) return;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  bool is_view =
      decoded(tree, vector->bytes)->type == TUPLET_NODE_VIEW; /* its buffer alone is a value, too */
  tuplet_tree_free(tree);
  size_t accepted_count = 0;
  size_t step = vector->bytes.size / SAMPLES_PER_VECTOR + 1;
  for (size_t size = 0; size < vector->bytes.size; size += step)
    accepted_count += try_bytes((tuplet_bytes){vector->bytes.data, size}) == TUPLET_OK;
  if (accepted_count != (is_view ? 1 : 0)) fail_msg("%s: accepted when it was cut off", vector->js);
}

static void a_value_cut_off_is_malformed(void **state) {
  (void)state;
  for_all_vectors(check_prefixes);
}

static void check_changes(const value_vector *vector) {
  static const uint8_t changes[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, 'o', 'A', '^', '{', '$', '\\', '-'};
  if (vector->encoding != TUPLET_ENCODING_V8) return;
  uint8_t *bytes = malloc(vector->bytes.size);
  assert_non_null(bytes);
  memcpy(bytes, vector->bytes.data, vector->bytes.size);
  size_t step = vector->bytes.size / (SAMPLES_PER_VECTOR / COUNT(changes)) + 1;
  for (size_t at = 0; at < vector->bytes.size; at += step) {
    uint8_t original = bytes[at];
    for (size_t i = 0; i < COUNT(changes); i++) {
      bytes[at] = changes[i];
      (void)try_bytes((tuplet_bytes){bytes, vector->bytes.size});
    }
    bytes[at] = original;
  }
  free(bytes);
}

static void a_changed_byte_is_refused_or_read_as_a_value(void **state) {
  (void)state;
  for_all_vectors(check_changes);
}

/* ---- Bytes made to hurt ---- */

static void malformed_bytes_are_refused_with_their_offset(void **state) {
  static const struct {
    const char *hex;
    const char *message;
  } rows[] = {
      {"", "the bytes do not begin with FF at offset 0"},
      {"30", "the bytes do not begin with FF at offset 0"},
      {"ff", "the bytes end too early at offset 1"},
      {"ff0f", "the bytes end too early at offset 2"},
      {"ff0c30", "version 12 is not one of 13 to 16 at offset 1"},
      {"ff1130", "version 17 is not one of 13 to 16 at offset 1"},
      {"ffffffffffffffffffffffff30", "an integer is too large at offset 1"},
      {"ff0f3030", "there are bytes behind the value at offset 3"},
      {"ff0f3000", "there are bytes behind the value at offset 3"},
      {"ff0f51", "unexpected tag 'Q' at offset 2"},
      {"ff0f80", "unexpected tag 0x80 at offset 2"},
      {"ff0f75", "unexpected tag 'u' at offset 2"},
      {"ff0f74", "unexpected tag 't' at offset 2"},
      {"ff0f77", "unexpected tag 'w' at offset 2"},
      {"ff0f70", "unexpected tag 'p' at offset 2"},
      {"ff0f2d", "unexpected tag '-' at offset 2"},
      {"ff0f5600", "unexpected tag 'V' at offset 2"},
      {"ff0f49ffffffff1f", "an integer is too large at offset 3"},
      {"ff0f4e00000000000000", "the bytes end too early at offset 10"},
      {"ff0f2203616", "the bytes end too early at offset 5"},
      {"ff0f22ffffffff0f61", "the bytes end too early at offset 9"},
      {"ff0f6303610062", "a two-byte string has an odd size at offset 3"},
      {"ff0f5301ff", "a UTF-8 string is not UTF-8 at offset 3"},
      {"ff0f5303eda080", "a UTF-8 string is not UTF-8 at offset 3"},
      {"ff0f5a10ff", "the bytes end too early at offset 5"},
      {"ff0f5affffffff0f00", "the bytes end too early at offset 9"},
      {"ff0f7330", "a string is missing at offset 3"},
      {"ff0f5230", "a string is missing at offset 3"},
      {"ff0f522201618004", "a regular expression has unknown flags at offset 6"},
      {"ff0f522201619002", "a regular expression has unknown flags at offset 6"},
      {"ff0f5e00", "a reference to an object that is not there at offset 3"},
      {"ff0f6f2201615e017b01", "a reference to an object that is not there at offset 7"},
      {"ff0f6f307b01", "unexpected tag '0' at offset 3"},
      {"ff0f6f5e00307b01", "unexpected tag '^' at offset 3"},
      {"ff0f6f220161307b02", "a count is not what was counted at offset 8"},
      {"ff0f6f220161307b00", "a count is not what was counted at offset 8"},
      {"ff0f6f22016130", "the bytes end too early at offset 7"},
      {"ff0f6f220161307b", "the bytes end too early at offset 8"},
      {"ff0f6f2201617b01", "unexpected tag '{' at offset 6"},
      {"ff0f6f2d307b01", "unexpected tag '-' at offset 3"},
      {"ff0f410130240002", "a count is not what was counted at offset 7"},
      {"ff0f410130240101", "a count is not what was counted at offset 6"},
      {"ff0f410230240002", "unexpected tag '$' at offset 5"},
      {"ff0f4101307b0001", "unexpected tag '{' at offset 5"},
      {"ff0f410022066c656e67746830240100", "an array's length cannot be a property at offset 4"},
      {"ff0f610022066c656e67746830400100", "an array's length cannot be a property at offset 4"},
      {"ff0f6103400004", "a count is not what was counted at offset 6"},
      {"ff0f41ffffffff0f30", "an array claims more elements than there are bytes at offset 2"},
      {"ff0f3b30303a01", "a count is not what was counted at offset 6"},
      {"ff0f3b303a02", "unexpected tag ':' at offset 4"},
      {"ff0f27302c02", "a count is not what was counted at offset 5"},
      {"ff0f420261", "the bytes end too early at offset 5"},
      {"ff0f42ffffffff0f61", "the bytes end too early at offset 9"},
      {"ff0f7e02016161", "an ArrayBuffer is larger than its maxByteLength at offset 2"},
      {"ff0f42016156", "the bytes end too early at offset 6"},
      {"ff0f420161565a000100", "a view does not fit its ArrayBuffer at offset 5"}, /* no such type */
      {"ff0f4201615642020000", "a view does not fit its ArrayBuffer at offset 5"},
      {"ff0f4201615642010100", "a view does not fit its ArrayBuffer at offset 5"},
      {"ff0f4204616161615757010200", "there are bytes behind the value at offset 8"},
      {"ff0f4204616161615657010200", "a view does not fit its ArrayBuffer at offset 8"}, /* not aligned */
      {"ff0f4204616161615657000300", "a view does not fit its ArrayBuffer at offset 8"},
      {"ff0f4201615642000101", "a view has flags that its buffer does not allow at offset 5"},
      {"ff0f4201615642000102", "a view has flags that its buffer does not allow at offset 5"},
      {"ff0f7e0101615642000104", "a view has unknown flags at offset 6"},
      {"ff0f4201615642ffffffff1f0100", "an integer is too large at offset 7"},
      {"ff0f722f", "unexpected tag '/' at offset 3"},
      {"ff0f72002e", "unexpected tag 0x00 at offset 3"},
      {"ff0f726d302e", "a string is missing at offset 4"},
      {"ff0f7273302e", "a string is missing at offset 4"},
      {"ff0f72632e", "unexpected tag '.' at offset 4"},
      {"ff0f726330", "the bytes end too early at offset 5"},
  };
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  for (size_t i = 0; i < COUNT(rows); i++) {
    uint8_t room[64];
    tuplet_bytes bytes = from_hex(rows[i].hex, room);
    tuplet_node *root = NULL;
    tuplet_error error = {0};
    if (decode(tree, bytes, &root, &error) != TUPLET_MALFORMED) fail_msg("%s is accepted", rows[i].hex);
    assert_null(root);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "malformed V8 value: %s", rows[i].message);
    if (strcmp(error.message, expected) != 0) fail_msg("%s: %s", rows[i].hex, error.message);
    assert_int_equal(try_bytes(bytes), TUPLET_MALFORMED);
  }
  tuplet_tree_free(tree);
}

/* An allocator that gives no more than so many bytes in all. */
typedef struct memory_budget {
  tuplet_allocator allocator;
  size_t left;
} memory_budget;

static void *budget_reallocate(void *context, void *pointer, size_t new_size) {
  memory_budget *budget = context;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  if (new_size > budget->left) return NULL;
  budget->left -= new_size;
  return realloc(pointer, new_size);
}

/* Decodes with memory of at most 300 bytes for each byte of input. */
static tuplet_status decode_in_budget(tuplet_bytes bytes, tuplet_node_type *ret_type) {
  memory_budget budget = {.left = 65536 + 300 * bytes.size};
  budget.allocator = (tuplet_allocator){budget_reallocate, &budget};
  tuplet_tree *tree = tuplet_tree_new(&budget.allocator);
  tuplet_node *root = NULL;
  tuplet_status status = decode(tree, bytes, &root, NULL);
  if (status == TUPLET_OK) *ret_type = root->type;
  tuplet_tree_free(tree);
  return status;
}

static void claimed_lengths_cost_no_memory(void **state) {
  static const char *const values[] = {
      "ff0f41ffffff7f30",   "ff0f22ffffff7f30",
      "ff0f63feffff7f30",   "ff0f42ffffff7f30",
      "ff0f5afeffffff0f30", "ff0f53ffffff7f30",
      "ff0f5222ffffff7f30", "ff107e80808080808080108080808080808010",
  };
  (void)state;
  tuplet_node_type type;
  for (size_t i = 0; i < COUNT(values); i++) {
    uint8_t room[32];
    assert_int_equal(decode_in_budget(from_hex(values[i], room), &type), TUPLET_MALFORMED);
  }
  uint8_t room[32];
  /* new Array(2 ** 32 - 1), with and without a last element; a buffer that may grow to 4 GiB */
  assert_int_equal(decode_in_budget(from_hex("ff0f61ffffffff0f4000ffffffff0f", room), &type), TUPLET_OK);
  assert_int_equal(decode_in_budget(from_hex("ff0f61ffffffff0f55feffffff0f304001ffffffff0f", room), &type),
                   TUPLET_OK);
  assert_int_equal(decode_in_budget(from_hex("ff0f7e01ffffffff0f61", room), &type), TUPLET_OK);
  assert_int_equal(type, TUPLET_NODE_BUFFER);
}

/* Arrays in arrays that each claim all the bytes that are left. */
static void nested_claims_of_length_cost_no_memory(void **state) {
  (void)state;
  tp_buffer bytes;
  tp_buffer_init(&bytes, NULL);
  tp_buffer_append(&bytes, "\xFF\x0F", 2);
  while (bytes.size < VALUE_SIZE_MAX) tp_buffer_append(&bytes, "A\x80\x80\x02", 4); /* 32,768 elements */
  tuplet_node_type type;
  assert_int_equal(decode_in_budget(tp_buffer_view(&bytes), &type), TUPLET_MALFORMED);
  tp_buffer_done(&bytes);
}

/* `open` n times, 0, `close` n times. */
static void check_nested(tuplet_bytes open, tuplet_bytes close) {
  size_t depth = (VALUE_SIZE_MAX - 3) / (open.size + close.size);
  tp_buffer bytes;
  tp_buffer_init(&bytes, NULL);
  tp_buffer_append(&bytes, "\xFF\x0F", 2);
  for (size_t i = 0; i < depth; i++) tp_buffer_append(&bytes, open.data, open.size);
  tp_buffer_append_byte(&bytes, '0');
  for (size_t i = 0; i < depth; i++) tp_buffer_append(&bytes, close.data, close.size);
  tuplet_node_type type;
  assert_int_equal(decode_in_budget(tp_buffer_view(&bytes), &type), TUPLET_OK);
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = decoded(tree, tp_buffer_view(&bytes));
  tuplet_owned owned = encoded(root, TUPLET_ENCODING_V8);
  assert_bytes((tuplet_bytes){owned.data, owned.size}, tp_buffer_view(&bytes));
  assert_survives(root);
  tuplet_owned_free(&owned);
  tuplet_tree_free(tree);
  bytes.size -= close.size;
  assert_int_equal(try_bytes(tp_buffer_view(&bytes)), TUPLET_MALFORMED);
  tp_buffer_done(&bytes);
}

static void as_deep_as_a_value_can_hold_is_not_too_deep(void **state) {
  (void)state;
  check_nested(BYTES("'"), BYTES(",\1"));
  check_nested(BYTES("A\1"), BYTES("$\0\1"));
  check_nested(BYTES("o\"\0"), BYTES("{\1"));
  check_nested(BYTES(";0"), BYTES(":\2"));
  check_nested(BYTES("rc"), BYTES("."));
}

/* Keys in the order that makes keeping them sorted dearest, and keys that are all the same. */
static void many_keys_in_any_order_are_read(void **state) {
  enum { KEY_COUNT = 8000 };
  (void)state;
  tp_buffer bytes;
  tp_buffer_init(&bytes, NULL);
  tp_buffer_append(&bytes, "\xFF\x0Fo", 3);
  for (unsigned i = KEY_COUNT; i-- > 0;) { /* descending indexes between names */
    tp_buffer_append_byte(&bytes, 'U');
    tp_buffer_append_byte(&bytes, (uint8_t)(i | 0x80));
    tp_buffer_append_byte(&bytes, (uint8_t)(i >> 7));
    tp_buffer_append(&bytes, "0\"\2", 3);
    tp_buffer_append_byte(&bytes, (uint8_t)('a' + i % 26));
    tp_buffer_append_byte(&bytes, (uint8_t)('a' + i / 26 % 26));
    tp_buffer_append_byte(&bytes, 'T');
  }
  unsigned count = 2 * KEY_COUNT;
  tp_buffer_append(&bytes, "{", 1);
  tp_buffer_append_byte(&bytes, (uint8_t)(count | 0x80));
  tp_buffer_append_byte(&bytes, (uint8_t)(count >> 7));
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *object = decoded(tree, tp_buffer_view(&bytes));
  assert_int_equal(object->as.map.count, KEY_COUNT + 26 * 26);
  for (size_t i = 0; i < KEY_COUNT; i++) assert_true(object->as.map.pairs[i].key->as.number == (double)i);
  assert_survives(object);
  tuplet_tree_free(tree);
  tp_buffer_done(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_cut_off_is_malformed),
      cmocka_unit_test(a_changed_byte_is_refused_or_read_as_a_value),
      cmocka_unit_test(malformed_bytes_are_refused_with_their_offset),
      cmocka_unit_test(claimed_lengths_cost_no_memory),
      cmocka_unit_test(nested_claims_of_length_cost_no_memory),
      cmocka_unit_test(as_deep_as_a_value_can_hold_is_not_too_deep),
      cmocka_unit_test(many_keys_in_any_order_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
