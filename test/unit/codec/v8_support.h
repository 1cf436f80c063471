/* v8_support.h: what the tests of V8's format share. */
#ifndef TEST_CODEC_V8_SUPPORT_H
#define TEST_CODEC_V8_SUPPORT_H

#include "codec/v8.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(text)  ((tuplet_bytes){text, sizeof(text) - 1})

enum { VALUE_SIZE_MAX = 65536 };

static inline void assert_bytes(tuplet_bytes actual, tuplet_bytes expected) {
  assert_int_equal(actual.size, expected.size);
  if (expected.size > 0) assert_memory_equal(actual.data, expected.data, expected.size);
}

static inline tuplet_bytes from_hex(const char *hex, uint8_t *room) {
  size_t size = strlen(hex) / 2;
  assert_true(tp_hex_read(hex, 2 * size, room, size));
  return (tuplet_bytes){room, size};
}

static inline tuplet_status decode(tuplet_tree *tree, tuplet_bytes encoded, tuplet_node **ret_root,
                                   tuplet_error *error) {
  return tuplet_tree_decode(tree, tuplet_value_v8(encoded), ret_root, error);
}

static inline tuplet_node *decoded(tuplet_tree *tree, tuplet_bytes encoded) {
  tuplet_node *root = NULL;
  tuplet_error error = {0};
  if (decode(tree, encoded, &root, &error) != TUPLET_OK) fail_msg("%s", error.message);
  return root;
}

static inline tuplet_node *decoded_hex(tuplet_tree *tree, const char *hex) {
  uint8_t room[256];
  return decoded(tree, from_hex(hex, room));
}

static inline tuplet_owned encoded(const tuplet_node *root, tuplet_encoding expected) {
  tuplet_value value;
  tuplet_owned owned;
  tuplet_error error = {0};
  if (tuplet_tree_encode(root, NULL, &value, &owned, &error) != TUPLET_OK) fail_msg("%s", error.message);
  assert_int_equal(value.encoding, expected);
  return owned;
}

static inline void assert_encodes(const tuplet_node *root, const char *hex) {
  uint8_t room[512];
  tuplet_owned owned = encoded(root, TUPLET_ENCODING_V8);
  assert_bytes((tuplet_bytes){owned.data, owned.size}, from_hex(hex, room));
  tuplet_owned_free(&owned);
}

/* Encodes, decodes into another tree, and compares. */
static inline void assert_survives(const tuplet_node *root) {
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
static inline tuplet_status try_bytes(tuplet_bytes bytes) {
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

typedef struct value_vector {
  const char *js;
  tuplet_encoding encoding;
  tuplet_bytes bytes;
  const char *again; /* what the value is written as, where that is not Deno's bytes but for the version */
} value_vector;

typedef void vector_test(const value_vector *vector);

static inline size_t for_each_vector(const char *file, vector_test *test) {
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

static inline void for_all_vectors(vector_test *test) {
  assert_true(for_each_vector(TEST_VECTORS "/values.jsonl", test) > 100);
  assert_true(for_each_vector(TEST_VECTORS "/values_more.jsonl", test) > 50);
}

#endif
