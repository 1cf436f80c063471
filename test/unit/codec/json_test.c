/* json_test.c: trees from and to plain JSON: as JSON.parse and JSON.stringify, but nothing is lost in
 * silence. */
#include "text_support.h"

#include "support/fault_allocator.h"

typedef struct pair {
  const char *json;
  const char *text; /* what it is in JavaScript's notation, or the error */
} pair;

static const pair readable[] = {
    {"null", "null"},
    {" [true, false, null] ", "[true, false, null]"},
    {"[0, -0, 1, -1, 1.5, 1e3, 1E-2, 123456789012]", "[0, -0, 1, -1, 1.5, 1000, 0.01, 123456789012]"},
    {"[9007199254740991, 9007199254740993, 18446744073709551616, 123456789012345678901234567890]",
     "[9007199254740991, 9007199254740992, 18446744073709552000, 1.2345678901234568e+29]"},
    {"\"a\\u00e9\\ud83d\\ude00\\n\\/\\u0000\"", "\"a\xC3\xA9\xF0\x9F\x98\x80\\n/\\u0000\""},
    {"{\"b\": 1, \"a\": {\"__proto__\": []}, \"2\": 3, \"1\": 4, \"\": 5}",
     "{1: 4, 2: 3, b: 1, a: {[\"__proto__\"]: []}, \"\": 5}"},
    {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{a: 3, b: 2}"},
    {"[[], {}]", "[[], {}]"},
};

static void json_is_read_as_json_parse_does(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(readable); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root = NULL;
    tuplet_error error = {0};
    if (tuplet_tree_parse_json(tree, readable[i].json, strlen(readable[i].json), &root, &error) != TUPLET_OK)
      fail_msg("%s: %s", readable[i].json, error.message);
    tuplet_owned text = printed(root);
    assert_string_equal(text.data, readable[i].text);
    tuplet_owned_free(&text);
    tuplet_tree_free(tree);
  }
}

static void what_is_no_json_is_refused_with_its_place(void **state) {
  (void)state;
  static const char *const others[] = {
      "",        " ",           "{a: 1}",    "[1,]",  "{\"a\": 1,}",       "'x'",
      "01",      "1n",          "undefined", "NaN",   "// c\n1",           "[1",
      "1 2",     "\"\\ud800\"", "\"\xFF\"",  "1e999", "{\"a\\u0000\": 1}", "[1]x",
      "\"a\nb\""};
  for (size_t i = 0; i < COUNT(others); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root = NULL;
    tuplet_error error = {0};
    tuplet_status status = tuplet_tree_parse_json(tree, others[i], strlen(others[i]), &root, &error);
    if (status != TUPLET_SYNTAX) fail_msg("%s gives %s", others[i], tuplet_status_name(status));
    assert_true(strncmp(error.message, "line ", 5) == 0);
    assert_null(root);
    tuplet_tree_free(tree);
  }
  assert_int_equal(tuplet_tree_parse_json(NULL, NULL, 0, NULL, NULL),
                   TUPLET_SYNTAX); /* fails before either is used */
}

static void endless_nesting_is_a_limit(void **state) {
  (void)state;
  enum { SIZE = 1000000 };
  char *text = malloc(SIZE);
  assert_non_null(text);
  memset(text, '[', SIZE);
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root;
  tuplet_error error = {0};
  assert_int_equal(tuplet_tree_parse_json(tree, text, SIZE, &root, &error), TUPLET_LIMIT);
  assert_string_equal(error.message, "the JSON is nested deeper than 2048 levels");
  tuplet_tree_free(tree);
  free(text);
}

static const pair writable[] = {
    {"null", "null"},
    {"[true,false,0,1.5,1e+21,1e-7,-1]", "[true, false, 0, 1.5, 1e21, 0.0000001, -1]"},
    {"{\"1\":0,\"b\":{\"__proto__\":\"\"},\"a b\":[]}", "{b: {[\"__proto__\"]: \"\"}, \"a b\": [], 1: 0}"},
    {"\"\\\"\\\\\\n\\u0000/\\u2028\xC3\xA9\xF0\x9F\x98\x80\"",
     "\"\\\"\\\\\\n\\0/\\u2028\xC3\xA9\\u{1f600}\""},
    {"[{\"x\":1},{\"x\":1},[{\"x\":1}]]", "(() => { const $0 = {x: 1}; return [$0, $0, [$0]]; })()"},
};

static const pair unwritable[] = {
    {"undefined at $.a", "{a: undefined}"},
    {"the BigInt at $.a[3]", "{a: [1, 2, 3, 4n]}"},
    {"NaN at $[0]", "[NaN]"},
    {"Infinity at $", "Infinity"},
    {"-Infinity at $", "-Infinity"},
    {"-0 at $", "-0"},
    {"the lone surrogate in the string at $[\"a b\"][1]", "{\"a b\": [1, \"\\ud800\"]}"},
    {"the lone surrogate in the name at $.a[\"\\udc00\"]", "{a: {\"\\udc00\": 1}}"},
    {"the Date at $[0].x[5]", "[{x: {5: new Date(0)}}]"},
    {"the Boolean object at $", "new Boolean(true)"},
    {"the Number object at $", "new Number(1)"},
    {"the String object at $", "new String(\"\")"},
    {"the BigInt object at $", "Object(1n)"},
    {"the RegExp at $", "/a/"},
    {"the Map at $", "new Map()"},
    {"the Set at $", "new Set()"},
    {"the ArrayBuffer at $", "new ArrayBuffer(1)"},
    {"the typed array or DataView at $", "new Uint8Array([1])"},
    {"the Error at $", "new Error()"},
    {"the Deno.KvU64 at $", "new Deno.KvU64(1n)"},
    {"the opaque value at $", "tuplet.opaque(\"ff\")"},
    {"the hole at $[1]", "[1, , 2]"},
    {"the hole at $.a[0]", "{a: new Array(4294967295)}"},
    {"the array's property at $.foo", "Object.assign([1], {foo: 1})"},
    {"the cycle at $.a[1].b",
     "(() => { const $0 = {b: undefined}; const $1 = {a: [0, $0]}; $0.b = $1; return $1; })()"},
};

static void what_json_can_say_is_written(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(writable); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_owned json = {0};
    tuplet_error error = {0};
    if (tuplet_tree_print_json(parsed(tree, writable[i].text), NULL, &json, &error) != TUPLET_OK)
      fail_msg("%s: %s", writable[i].text, error.message);
    assert_string_equal(json.data, writable[i].json);
    assert_int_equal(json.size, strlen(json.data));
    tuplet_node *again;
    assert_int_equal(tuplet_tree_parse_json(tree, json.data, json.size, &again, NULL), TUPLET_OK);
    tuplet_owned_free(&json);
    tuplet_tree_free(tree);
  }
}

static void what_json_cannot_say_is_refused_with_its_place(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(unwritable); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_owned json = {0};
    tuplet_error error = {0};
    assert_int_equal(tuplet_tree_print_json(parsed(tree, unwritable[i].text), NULL, &json, &error),
                     TUPLET_INVALID);
    assert_null(json.data);
    assert_true(strncmp(error.message, "JSON cannot represent ", 22) == 0);
    assert_string_equal(error.message + 22, unwritable[i].json);
    tuplet_tree_free(tree);
  }
}

/* Each level refers twice to the next: 2^64 objects if each were written where it stands. */
static void shared_objects_cannot_multiply_for_ever(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *value = tuplet_node_null(tree);
  for (int i = 0; i < 64; i++) {
    tuplet_node *outer = tuplet_node_array(tree, 0);
    assert_int_equal(tuplet_node_array_push(tree, outer, value), TUPLET_OK);
    assert_int_equal(tuplet_node_array_push(tree, outer, value), TUPLET_OK);
    value = outer;
  }
  tuplet_owned json = {0};
  assert_int_equal(tuplet_tree_print_json(value, NULL, &json, NULL), TUPLET_LIMIT);
  tuplet_tree_free(tree);
}

static void deep_values_are_written(void **state) {
  (void)state;
  enum { LEVELS = 100000 };
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *value = tuplet_node_null(tree);
  for (int i = 0; i < LEVELS; i++) {
    tuplet_node *outer = tuplet_node_array(tree, 0);
    assert_int_equal(tuplet_node_array_push(tree, outer, value), TUPLET_OK);
    value = outer;
  }
  tuplet_owned json = {0};
  assert_int_equal(tuplet_tree_print_json(value, NULL, &json, NULL), TUPLET_OK);
  assert_int_equal(json.size, 2 * LEVELS + 4);
  tuplet_owned_free(&json);
  tuplet_tree_free(tree);
}

static void stored_values_pass_through_json(void **state) {
  (void)state;
  static const char text[] = "{\"a\":[1,\"x\",{\"b\":null}]}";
  tuplet_value value;
  tuplet_owned bytes = {0}, json = {0};
  tuplet_error error = {0};
  assert_int_equal(tuplet_value_from_json(text, strlen(text), NULL, &value, &bytes, &error), TUPLET_OK);
  assert_int_equal(value.encoding, TUPLET_ENCODING_V8);
  assert_int_equal(tuplet_value_to_json(value, NULL, &json, &error), TUPLET_OK);
  assert_string_equal(json.data, text);
  tuplet_owned_free(&json);
  assert_int_equal(tuplet_value_to_json(tuplet_value_u64(5), NULL, &json, &error), TUPLET_INVALID);
  assert_string_equal(error.message, "JSON cannot represent the Deno.KvU64 at $");
  tuplet_owned_free(&bytes);
}

/* jansson's own memory is the C library's; this is about ours. */
static void running_out_of_memory_is_an_error(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(readable) + COUNT(writable) + COUNT(unwritable); i++) {
    size_t at = i < COUNT(readable) ? i : i - COUNT(readable);
    bool reading = i < COUNT(readable), can = reading || at < COUNT(writable);
    tuplet_tree *source = tuplet_tree_new(NULL);
    const tuplet_node *root =
        reading ? NULL : parsed(source, can ? writable[at].text : unwritable[at - COUNT(writable)].text);
    for (size_t n = 1;; n++) {
      fault_allocator faulty;
      fault_allocator_init(&faulty, n);
      tuplet_status status;
      if (reading) {
        tuplet_node *read;
        tuplet_tree *tree = tuplet_tree_new(&faulty.allocator);
        status = tree == NULL ? TUPLET_NOMEM
                              : tuplet_tree_parse_json(tree, readable[at].json, strlen(readable[at].json),
                                                       &read, NULL);
        tuplet_tree_free(tree);
      } else {
        tuplet_owned json = {0};
        status = tuplet_tree_print_json(root, &faulty.allocator, &json, NULL);
        tuplet_owned_free(&json);
      }
      assert_int_equal(faulty.live, 0);
      bool fired = fault_allocator_fired(&faulty);
      assert_int_equal(status, fired ? TUPLET_NOMEM : can ? TUPLET_OK : TUPLET_INVALID);
      if (!fired) break;
    }
    tuplet_tree_free(source);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_is_read_as_json_parse_does),
      cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
      cmocka_unit_test(endless_nesting_is_a_limit),
      cmocka_unit_test(what_json_can_say_is_written),
      cmocka_unit_test(what_json_cannot_say_is_refused_with_its_place),
      cmocka_unit_test(shared_objects_cannot_multiply_for_ever),
      cmocka_unit_test(deep_values_are_written),
      cmocka_unit_test(stored_values_pass_through_json),
      cmocka_unit_test(running_out_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
