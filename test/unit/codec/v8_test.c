/* v8_test.c: values in V8's format: Deno's own bytes both ways, older forms, hostile bytes, random graphs. */
#include "codec/v8.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "support/fault_allocator.h"
#include "support/random_tree.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(text)  ((tuplet_bytes){text, sizeof(text) - 1})

enum { VALUE_SIZE_MAX = 65536, SAMPLES_PER_VECTOR = 300 };

/* ---- Helpers ---- */

static void assert_bytes(tuplet_bytes actual, tuplet_bytes expected) {
  assert_int_equal(actual.size, expected.size);
  if (expected.size > 0) assert_memory_equal(actual.data, expected.data, expected.size);
}

static tuplet_bytes from_hex(const char *hex, uint8_t *room) {
  size_t size = strlen(hex) / 2;
  assert_true(tp_hex_read(hex, 2 * size, room, size));
  return (tuplet_bytes){room, size};
}

static tuplet_status decode(tuplet_tree *tree, tuplet_bytes encoded, tuplet_node **ret_root,
                            tuplet_error *error) {
  return tuplet_tree_decode(tree, tuplet_value_v8(encoded), ret_root, error);
}

static tuplet_node *decoded(tuplet_tree *tree, tuplet_bytes encoded) {
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  if (decode(tree, encoded, &root, &error) != TUPLET_OK) fail_msg("%s", error.message);
  return root;
}

static tuplet_node *decoded_hex(tuplet_tree *tree, const char *hex) {
  uint8_t room[256];
  return decoded(tree, from_hex(hex, room));
}

static tuplet_owned encoded(const tuplet_node *root, tuplet_encoding expected) {
  tuplet_value value;
  tuplet_owned owned;
  tuplet_error error = {0};
  if (tuplet_tree_encode(root, NULL, &value, &owned, &error) != TUPLET_OK) fail_msg("%s", error.message);
  assert_int_equal(value.encoding, expected);
  return owned;
}

static void assert_encodes(const tuplet_node *root, const char *hex) {
  uint8_t room[512];
  tuplet_owned owned = encoded(root, TUPLET_ENCODING_V8);
  assert_bytes((tuplet_bytes){owned.data, owned.size}, from_hex(hex, room));
  tuplet_owned_free(&owned);
}

/* Encodes, decodes into another tree, and compares. */
static void assert_survives(const tuplet_node *root) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_value value;
  tuplet_owned owned;
  tuplet_error error = {0};
  if (tuplet_tree_encode(root, NULL, &value, &owned, &error) != TUPLET_OK) fail_msg("%s", error.message);
  tuplet_node *again = NULL;
  if (tuplet_tree_decode(tree, value, &again, &error) != TUPLET_OK) fail_msg("%s", error.message);
  if (value.encoding != TUPLET_ENCODING_BYTES) {
    assert_true(tuplet_node_equal(root, again));
  } else { /* a Uint8Array keeps its bytes, not its place in a buffer */
    assert_int_equal(again->as.view.size, root->as.view.size);
  }
  tuplet_owned_free(&owned);
  tuplet_tree_free(tree);
}

/* Whatever the bytes are: no crash, no other error than this, and what is accepted can be written again. */
static tuplet_status try_bytes(tuplet_bytes bytes) {
  /* A block of their own size, so that a sanitizer sees reads past their end. */
  uint8_t *exact = malloc(bytes.size == 0 ? 1 : bytes.size);
  assert_non_null(exact);
  if (bytes.size > 0) memcpy(exact, bytes.data, bytes.size);
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_status status = decode(tree, (tuplet_bytes){exact, bytes.size}, &root, &error);
  if (status == TUPLET_OK) {
    assert_survives(root);
  } else {
    assert_int_equal(status, TUPLET_MALFORMED);
    assert_int_equal(error.status, TUPLET_MALFORMED);
    assert_non_null(strstr(error.message, " at offset "));
  }
  tuplet_tree_free(tree);
  free(exact);
  return status;
}

/* ---- Deno's own bytes ---- */

typedef struct value_vector {
  const char *js;
  tuplet_encoding encoding;
  tuplet_bytes bytes;
  const char *again; /* what the value is written as, where that is not Deno's bytes but for the version */
} value_vector;

typedef void vector_test(const value_vector *vector);

static size_t for_each_vector(const char *file, vector_test *test) {
  FILE *lines = fopen(file, "r");
  assert_non_null(lines);
  char *line = NULL;
  size_t room = 0;
  size_t count = 0;
  uint8_t *bytes = malloc(VALUE_SIZE_MAX);
  assert_non_null(bytes);
  while (getline(&line, &room, lines) > 0) {
    json_t *json = json_loads(line, 0, NULL);
    assert_non_null(json);
    const char *hex = json_string_value(json_object_get(json, "hex"));
    if (hex != NULL) {
      value_vector next = {.js = json_string_value(json_object_get(json, "js")),
                           .encoding = (tuplet_encoding)json_integer_value(json_object_get(json, "encoding")),
                           .bytes = from_hex(hex, bytes),
                           .again = json_string_value(json_object_get(json, "again"))};
      test(&next);
      count++;
    }
    json_decref(json);
  }
  free(bytes);
  free(line);
  (void)fclose(lines);
  return count;
}

static void for_all_vectors(vector_test *test) {
  assert_true(for_each_vector(TEST_VECTORS "/values.jsonl", test) > 100);
  assert_true(for_each_vector(TEST_VECTORS "/values_more.jsonl", test) > 50);
}

static void check_both_ways(const value_vector *vector) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = NULL;
  tuplet_value value = {.encoding = vector->encoding, .data = vector->bytes};
  tuplet_error error = {0};
  if (tuplet_tree_decode(tree, value, &root, &error) != TUPLET_OK)
    fail_msg("%s: %s", vector->js, error.message);
  uint8_t *expected = malloc(VALUE_SIZE_MAX);
  assert_non_null(expected);
  tuplet_bytes expected_bytes = {expected, vector->bytes.size};
  memcpy(expected, vector->bytes.data, vector->bytes.size);
  if (vector->encoding == TUPLET_ENCODING_V8) expected[1] = 15; /* the version: all the rest is the same */
  if (vector->again != NULL) expected_bytes = from_hex(vector->again, expected);
  tuplet_owned owned = encoded(root, vector->encoding);
  if (owned.size != expected_bytes.size || memcmp(owned.data, expected_bytes.data, owned.size) != 0) {
    tp_buffer hex;
    tp_buffer_init(&hex, NULL);
    tp_hex_append(&hex, (tuplet_bytes){owned.data, owned.size});
    tp_buffer_append_byte(&hex, 0);
    print_error("%s: written as %s\n", vector->js, (const char *)hex.data); /* fail_msg cuts */
    tp_buffer_done(&hex);
    fail();
  }
  assert_survives(root);
  tuplet_owned_free(&owned);
  free(expected);
  tuplet_tree_free(tree);
}

static void what_deno_wrote_is_read_and_written_the_same(void **state) {
  (void)state;
  for_all_vectors(check_both_ways);
}

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

/* ---- Forms that Deno does not write today ---- */

static void versions_13_to_16_are_read(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *expected = decoded_hex(tree, "ff0f2201e9");
  assert_true(tuplet_node_equal(decoded_hex(tree, "ff0d2201e9"), expected));
  assert_true(tuplet_node_equal(decoded_hex(tree, "ff0e2201e9"), expected));
  assert_true(tuplet_node_equal(decoded_hex(tree, "ff102201e9"), expected));
  /* Views have flags from version 14 on. */
  assert_true(tuplet_node_equal(decoded_hex(tree, "ff0d42040102030456570202"),
                                decoded_hex(tree, "ff0e4204010203045657020200")));
  assert_true(tuplet_node_equal(decoded_hex(tree, "ff0d42040102030456570202"),
                                decoded_hex(tree, "ff104204010203045657020200")));
  tuplet_tree_free(tree);
}

static void sizes_of_buffers_have_64_bits_from_version_16_on(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *buffer = decoded_hex(tree, "ff107e01808080801055");
  assert_int_equal(buffer->as.buffer.size, 1);
  assert_true(buffer->as.buffer.size_max == UINT64_C(1) << 32);
  uint8_t room[32];
  assert_int_equal(try_bytes(from_hex("ff0f7e01808080801055", room)), TUPLET_MALFORMED);
  /* What is written has version 15: it cannot say that. */
  tuplet_value value;
  tuplet_owned owned;
  tuplet_error error;
  assert_int_equal(tuplet_tree_encode(buffer, NULL, &value, &owned, &error), TUPLET_LIMIT);
  tuplet_tree_free(tree);
}

/* Bytes, and what the value they mean is written as. */
static void other_forms_of_a_value_are_read_as_the_same(void **state) {
  static const char *const pairs[][2] = {
      {"ff0f5503", "ff0f4906"},                                   /* uint32 */
      {"ff0f55ffffffff0f", "ff0f4e0000e0ffffffef41"},             /* uint32 */
      {"ff0f4e000000000000f03f", "ff0f4902"},                     /* a double that is an integer */
      {"ff0f4e010000000000f0ff", "ff0f4e000000000000f87f"},       /* another NaN */
      {"ff0f53026869", "ff0f22026869"},                           /* UTF-8 */
      {"ff0f5303e697a5", "ff0f6302e565"},                         /* UTF-8 */
      {"ff0f6302e900", "ff0f2201e9"},                             /* two-byte, though Latin-1 is enough */
      {"ff0f5a040500", "ff0f5a100500000000000000"},               /* a bigint of two bytes */
      {"ff0f5a110000000000000000", "ff0f5a00"},                   /* -0n */
      {"ff0f49828080808000", "ff0f4902"},                         /* more groups than needed */
      {"ff0f00004902", "ff0f4902"},                               /* padding */
      {"ff0f73005302c3a9", "ff0f732201e9"},                       /* padding before an inner string */
      {"ff0f3b4e0000000000000080303a02", "ff0f3b4900303a02"},     /* a map's -0 */
      {"ff0f3b4902304902543a04", "ff0f3b4902543a02"},             /* a map's key twice */
      {"ff0f27490249022c02", "ff0f2749022c01"},                   /* a set's item twice */
      {"ff0f6f220161490222016149047b02", "ff0f6f22016149047b01"}, /* a property twice */
      {"ff0f6f22016130220135304902547b03", "ff0f6f490254490a30220161307b03"},   /* indexes come first */
      {"ff0f6f4e000000000000f83f307b01", "ff0f6f2203312e35307b01"},             /* a key of 1.5 */
      {"ff0f6f4e000000000000f0ff307b01", "ff0f6f22092d496e66696e697479307b01"}, /* of -Infinity */
      {"ff0f6f55ffffffff0f307b01", "ff0f6f220a34323934393637323935307b01"},     /* past the last index */
      {"ff0f6f4e0000000000000080307b01", "ff0f6f4900307b01"},                   /* of -0 */
      {"ff0f41022d54240002", "ff0f6102490254400102"},                           /* a hole in a dense array */
      {"ff0f6102490254490030400202", "ff0f41023054240002"},   /* sparse, with all elements, in disorder */
      {"ff0f410130490054240101", "ff0f410154240001"},         /* a dense array's element set again */
      {"ff0f6101490a30400101", "ff0f6106490a30400106"},       /* an element past the length */
      {"ff0f726d22016154526d2201782e", "ff0f72526d2201782e"}, /* an error's parts twice */
      {"ff0f72635e006d2201782e", "ff0f726d220178635e002e"},   /* its cause before its message */
      {"ff0f44000000000000f83f", "ff0f44000000000000f03f"},   /* a time of 1.5 ms */
      {"ff0f44000000000000f07f", "ff0f44000000000000f87f"},   /* of Infinity */
  };
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  for (size_t i = 0; i < COUNT(pairs); i++) {
    tuplet_node *read = decoded_hex(tree, pairs[i][0]);
    if (!tuplet_node_equal(read, decoded_hex(tree, pairs[i][1])))
      fail_msg("%s is not read as %s", pairs[i][0], pairs[i][1]);
    assert_encodes(read, pairs[i][1]);
  }
  tuplet_tree_free(tree);
}

/* The array as Deno writes it where its engine holds doubles. */
static void integers_among_doubles_are_written_as_integers(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *array = decoded_hex(tree, "ff1041024e000000000000f03f4e0000000000000440240002");
  assert_encodes(array, "ff0f410249024e0000000000000440240002");
  tuplet_tree_free(tree);
}

static void a_property_named_proto_is_a_property(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *object = decoded_hex(tree, "ff0f6f22095f5f70726f746f5f5f307b01");
  assert_int_equal(tuplet_node_object_get(object, "__proto__", 9)->type, TUPLET_NODE_NULL);
  tuplet_tree_free(tree);
}

/* ---- Host objects and other encodings ---- */

static void a_value_with_a_host_object_is_kept_as_its_bytes(void **state) {
  static const char *const values[] = {"ff105cffffffff0f6f7b00", "ff1041015c01ff", "ff0d6f2201615c",
                                       "ff103b5c"};
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  for (size_t i = 0; i < COUNT(values); i++) {
    uint8_t room[64];
    tuplet_node *root = decoded_hex(tree, values[i]);
    assert_int_equal(root->type, TUPLET_NODE_OPAQUE);
    assert_bytes(root->as.opaque, from_hex(values[i], room));
    assert_encodes(root, values[i]);
  }
  uint8_t room[64];
  assert_int_equal(try_bytes(from_hex("ff105e005c", room)), TUPLET_MALFORMED); /* a fault before it counts */
  tuplet_tree_free(tree);
}

static void counters_have_eight_bytes(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_value value = {.encoding = TUPLET_ENCODING_LE64, .data = BYTES("\1\2\0\0\0\0\0\x80")};
  assert_int_equal(tuplet_tree_decode(tree, value, &root, &error), TUPLET_OK);
  assert_int_equal(root->type, TUPLET_NODE_KVU64);
  assert_true(root->as.u64 == UINT64_C(0x8000000000000201));
  tuplet_owned owned = encoded(root, TUPLET_ENCODING_LE64);
  assert_bytes((tuplet_bytes){owned.data, owned.size}, value.data);
  tuplet_owned_free(&owned);
  assert_int_equal(tuplet_tree_decode(tree, tuplet_value_u64(77), &root, &error), TUPLET_OK);
  assert_int_equal(root->as.u64, 77);
  value.data = BYTES("\1\2\3\4\5\6\7");
  assert_int_equal(tuplet_tree_decode(tree, value, &root, &error), TUPLET_MALFORMED);
  assert_string_equal(error.message, "a Deno.KvU64 has 8 bytes, not 7");
  tuplet_tree_free(tree);
}

static void bytes_are_a_whole_uint8_array(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  assert_int_equal(tuplet_tree_decode(tree, tuplet_value_bytes("abc", 3), &root, &error), TUPLET_OK);
  assert_int_equal(root->type, TUPLET_NODE_VIEW);
  assert_int_equal(root->as.view.type, TUPLET_VIEW_UINT8);
  tuplet_node *part = tuplet_node_view(tree, TUPLET_VIEW_UINT8, root->as.view.buffer, 1, 2, false);
  tuplet_owned owned = encoded(part, TUPLET_ENCODING_BYTES);
  assert_bytes((tuplet_bytes){owned.data, owned.size}, BYTES("bc"));
  tuplet_owned_free(&owned);
  assert_int_equal(tuplet_tree_decode(tree, tuplet_value_bytes(NULL, 0), &root, &error), TUPLET_OK);
  assert_int_equal(root->as.view.size, 0);
  tuplet_tree_free(tree);
}

static void an_unknown_encoding_is_refused(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_value value = {.encoding = (tuplet_encoding)4, .data = BYTES("x")};
  assert_int_equal(tuplet_tree_decode(tree, value, &root, &error), TUPLET_INVALID);
  assert_string_equal(error.message, "The value encoding 4 is unknown.");
  assert_null(root);
  tuplet_tree_free(tree);
}

static void counters_and_opaque_values_do_not_nest(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *inner[] = {tuplet_node_kvu64(tree, 1), tuplet_node_opaque(tree, BYTES("\xFF\x0F\\"))};
  static const char *const messages[] = {"a Deno.KvU64 inside another value cannot be stored",
                                         "an opaque value inside another value cannot be stored"};
  for (size_t i = 0; i < COUNT(inner); i++) {
    tuplet_node *array = tuplet_node_array(tree, 0);
    assert_int_equal(tuplet_node_array_push(tree, array, inner[i]), TUPLET_OK);
    tuplet_value value;
    tuplet_owned owned;
    tuplet_error error = {0};
    assert_int_equal(tuplet_tree_encode(array, NULL, &value, &owned, &error), TUPLET_INVALID);
    assert_string_equal(error.message, messages[i]);
  }
  tuplet_tree_free(tree);
}

/* ---- Hostile bytes ---- */

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
      {"ff0f4100220"
       "66c656e67746830240100",
       "an array's length cannot be a property at offset 4"},
      {"ff0f6100220"
       "66c656e67746830400100",
       "an array's length cannot be a property at offset 4"},
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
      {"ff0f7e01016156420001"
       "04",
       "a view has unknown flags at offset 6"},
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
      "ff0f41ffffff7f30",
      "ff0f22ffffff7f30",
      "ff0f63feffff7f30",
      "ff0f42ffffff7f30",
      "ff0f5afeffffff0f30",
      "ff0f53ffffff7f30",
      "ff0f52"
      "22ffffff7f30",
      "ff107e80808080808080108080808080808010",
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

/* ---- What is written ---- */

static void two_byte_strings_are_aligned(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *array = tuplet_node_array(tree, 0);
  tuplet_node *text = tuplet_node_string(tree, "\xE6\x97\xA5", 3);
  assert_int_equal(tuplet_node_array_push(tree, array, text), TUPLET_OK);
  assert_int_equal(tuplet_node_array_push(tree, array, tuplet_node_null(tree)), TUPLET_OK);
  assert_int_equal(tuplet_node_array_push(tree, array, text), TUPLET_OK);
  assert_encodes(array, "ff0f41036302e56530006302e565240003");
  tuplet_tree_free(tree);
}

static void integers_of_32_bits_are_written_as_such(void **state) {
  static const struct {
    double number;
    const char *hex;
  } rows[] = {
      {2147483647, "ff0f49feffffff0f"},
      {2147483648, "ff0f4e000000000000e041"},
      {-2147483648.0, "ff0f49ffffffff0f"},
      {-2147483649.0, "ff0f4e000020000000e0c1"},
      {-0.0, "ff0f4e0000000000000080"},
      {0, "ff0f4900"},
      {(double)INFINITY, "ff0f4e000000000000f07f"},
  };
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_encodes(tuplet_node_number(tree, rows[i].number), rows[i].hex);
  tuplet_tree_free(tree);
}

static void random_graphs_survive(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 5000; seed++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root = random_graph(tree, seed, 60);
    assert_non_null(root);
    if (root->type != TUPLET_NODE_VIEW || root->as.view.type != TUPLET_VIEW_UINT8) {
      tuplet_owned owned = encoded(root, TUPLET_ENCODING_V8);
      tuplet_tree *copy = tuplet_tree_new(NULL);
      tuplet_node *again = decoded(copy, (tuplet_bytes){owned.data, owned.size});
      if (!tuplet_node_equal(root, again)) fail_msg("seed %llu", (unsigned long long)seed);
      tuplet_owned second = encoded(again, TUPLET_ENCODING_V8);
      assert_bytes((tuplet_bytes){second.data, second.size}, (tuplet_bytes){owned.data, owned.size});
      tuplet_owned_free(&second);
      tuplet_owned_free(&owned);
      tuplet_tree_free(copy);
    }
    tuplet_tree_free(tree);
  }
}

/* ---- Out of memory ---- */

static void decode_and_encode(const fault_allocator *faults, tuplet_bytes bytes) {
  tuplet_tree *tree = tuplet_tree_new(&faults->allocator);
  if (tree == NULL) return;
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  tuplet_status status = decode(tree, bytes, &root, &error);
  if (status == TUPLET_OK) {
    tuplet_value value;
    tuplet_owned owned = {0};
    status = tuplet_tree_encode(root, &faults->allocator, &value, &owned, &error);
    if (status == TUPLET_OK) {
      assert_bytes(value.data, bytes);
      tuplet_owned_free(&owned);
    }
  }
  assert_int_equal(status, fault_allocator_fired(faults) ? TUPLET_NOMEM : TUPLET_OK);
  if (status == TUPLET_NOMEM) assert_int_equal(error.status, TUPLET_NOMEM);
  tuplet_tree_free(tree);
}

static void out_of_memory_anywhere_is_reported(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *array = tuplet_node_array(tree, 0);
    for (uint64_t i = 0; i < 20; i++) {
      tuplet_node *item = random_graph(tree, seed * 100 + i, 200);
      assert_int_equal(tuplet_node_array_push(tree, array, item), TUPLET_OK);
    }
    tuplet_owned owned = encoded(array, TUPLET_ENCODING_V8);
    bool fired = true;
    for (size_t n = 1; fired; n++) {
      fault_allocator faults;
      fault_allocator_init(&faults, n);
      decode_and_encode(&faults, (tuplet_bytes){owned.data, owned.size});
      assert_int_equal(faults.live, 0);
      fired = fault_allocator_fired(&faults);
      assert_true(fired || n > 30);
    }
    tuplet_owned_free(&owned);
    tuplet_tree_free(tree);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_deno_wrote_is_read_and_written_the_same),
      cmocka_unit_test(a_value_cut_off_is_malformed),
      cmocka_unit_test(a_changed_byte_is_refused_or_read_as_a_value),
      cmocka_unit_test(versions_13_to_16_are_read),
      cmocka_unit_test(sizes_of_buffers_have_64_bits_from_version_16_on),
      cmocka_unit_test(other_forms_of_a_value_are_read_as_the_same),
      cmocka_unit_test(integers_among_doubles_are_written_as_integers),
      cmocka_unit_test(a_property_named_proto_is_a_property),
      cmocka_unit_test(a_value_with_a_host_object_is_kept_as_its_bytes),
      cmocka_unit_test(counters_have_eight_bytes),
      cmocka_unit_test(bytes_are_a_whole_uint8_array),
      cmocka_unit_test(an_unknown_encoding_is_refused),
      cmocka_unit_test(counters_and_opaque_values_do_not_nest),
      cmocka_unit_test(malformed_bytes_are_refused_with_their_offset),
      cmocka_unit_test(claimed_lengths_cost_no_memory),
      cmocka_unit_test(nested_claims_of_length_cost_no_memory),
      cmocka_unit_test(as_deep_as_a_value_can_hold_is_not_too_deep),
      cmocka_unit_test(many_keys_in_any_order_are_read),
      cmocka_unit_test(two_byte_strings_are_aligned),
      cmocka_unit_test(integers_of_32_bits_are_written_as_such),
      cmocka_unit_test(random_graphs_survive),
      cmocka_unit_test(out_of_memory_anywhere_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
