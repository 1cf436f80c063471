/* v8_test.c: values in V8's format: Deno's own bytes both ways, other forms of them, random graphs. */
#include "v8_support.h"

#include <math.h>

#include "support/fault_allocator.h"
#include "support/random_tree.h"

/* ---- Deno's own bytes ---- */

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
      cmocka_unit_test(two_byte_strings_are_aligned),
      cmocka_unit_test(integers_of_32_bits_are_written_as_such),
      cmocka_unit_test(random_graphs_survive),
      cmocka_unit_test(out_of_memory_anywhere_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
