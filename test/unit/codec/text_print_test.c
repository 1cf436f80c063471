/* text_print_test.c: every value has a text that means the same value: by hand, by Deno's vectors, at random.
 */
#include "text_support.h"

#include "support/fault_allocator.h"

#include <jansson.h>
#include <math.h>

/* ---- Texts that are printed as they are ---- */

static const char *const canonical[] = {
    "undefined",
    "null",
    "true",
    "false",
    "-0",
    "NaN",
    "-Infinity",
    "1e+21",
    "5e-324",
    "0n",
    "-12n",
    "18446744073709551616n",
    "\"\"",
    ("\"tab\\t line\\n return\\r quote\\\" slash\\\\ bell\\u0007 delete\\u007f </script> 'x' \xC3\xA9 "
     "\xF0\x9F\x98\x80\""),
    "\"\\ud800 \\udc00\\ud800 \\u2028\\u2029\\ufeff\\u202e\\u0085\"",
    "new Date(\"2023-05-14T00:00:00.000Z\")",
    "new Date(\"-271821-04-20T00:00:00.000Z\")",
    "new Date(\"+010000-01-01T00:00:00.000Z\")",
    "new Date(NaN)",
    "new Boolean(true)",
    "new Number(-0)",
    "new String(\"x\")",
    "Object(12n)",
    "/a[/]\\/b/dgimsuy",
    "/[\\u65e5]/v",
    "new RegExp(\"\")",
    "new RegExp(\"a/b\", \"g\")",
    "new RegExp(\"*\")",
    "new RegExp(\"a\\nb\")",
    "new RegExp(\"[\")",
    "new RegExp(\"\\\\\")",
    "new RegExp(\"\\ud800\", \"u\")",
    "{}",
    "{a: 1, \"b c\": 2, $_1: 3, \"\": 4, \"\xC3\xA9\": 5, \"a-b\": 6, class: 7}",
    "{0: 1, 4294967294: 2, \"4294967295\": 3, \"-1\": 4, \"01\": 5}",
    "{[\"__proto__\"]: {[\"__proto__\"]: null}}",
    "[]",
    "[1, [2, [3]], \"x\"]",
    "[, 1, , 2, ,]",
    "[undefined, ,]",
    "new Array(3)",
    "new Array(4294967295)",
    "Object.assign(new Array(100001), {5: 1, 100000: \"x\"})",
    "Object.assign(new Array(5), {foo: \"bar\"})",
    "Object.assign([1, 2], {foo: \"bar\", \"a b\": [3]})",
    "Object.assign([], {\"-1\": 1})",
    ("Object.assign(Object.defineProperty(Object.assign([1], {a: 2}), \"__proto__\", {value: [3], writable: "
     "true, enumerable: true, configurable: true}), {b: 4})"),
    ("Object.defineProperty(Object.assign(new Array(100), {50: 1}), \"__proto__\", {value: 3, writable: "
     "true, enumerable: true, configurable: true})"),
    ("Object.assign(Object.defineProperty([], \"__proto__\", {value: 3, writable: true, enumerable: true, "
     "configurable: true}), {a: 1})"),
    "new Map()",
    "new Map([[1, \"one\"], [{k: 1}, [3]], [new Map(), new Set([new Set()])]])",
    "new Set([1, \"a\", {b: 2}, NaN])",
    "new ArrayBuffer(0)",
    "new ArrayBuffer(65536)",
    "new Uint8Array([1, 2, 0]).buffer",
    "new ArrayBuffer(8, {maxByteLength: 16})",
    "new Int8Array([-1, 0, 1])",
    "new Uint8Array([])",
    "new Uint8Array(17)",
    "new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])",
    "new Float64Array(100)",
    "new Uint8ClampedArray([0, 255])",
    "new Int16Array([-1, 256])",
    "new Uint16Array([1, 65535])",
    "new Int32Array([-1, 2147483647])",
    "new Uint32Array([1, 4294967295])",
    "new Float16Array([1.5, -0, NaN])",
    "new Float32Array([1.5, -0, NaN, 0.10000000149011612])",
    "new Float64Array([3.141592653589793, NaN, -Infinity])",
    "new BigInt64Array([-1n, 1n, -9223372036854775808n])",
    "new BigUint64Array([1n, 18446744073709551615n])",
    "new Float32Array(new Uint8Array([1, 0, 192, 127]).buffer)", /* a NaN that is not JavaScript's own */
    "new Float64Array(new Uint8Array([0, 0, 0, 0, 0, 0, 248, 255]).buffer)",
    "new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)",
    "new DataView(new ArrayBuffer(4))",
    "new Uint16Array(new Uint8Array([1, 2, 3, 4]).buffer, 2)",
    "new Uint8Array(new Uint8Array([1, 2, 3, 4, 5]).buffer, 1, 3)",
    "new Uint16Array(new Uint8Array([1, 2, 3, 4, 5]).buffer, 0, 2)",
    "new Uint16Array(new ArrayBuffer(4, {maxByteLength: 8}))",
    "new Uint16Array(new ArrayBuffer(5, {maxByteLength: 8}), 2)",
    "new Uint8Array(new ArrayBuffer(4, {maxByteLength: 8}), 0, 4)",
    "new Error()",
    "new Error(\"\")",
    "new EvalError(\"a\")",
    "new RangeError(undefined, {cause: undefined})",
    "Object.assign(new TypeError(\"bad\", {cause: {code: 42}}), {stack: \"TypeError: bad\\n    at x\"})",
    "Object.assign(new ReferenceError(), {stack: \"\"})",
    "new SyntaxError(\"a\", {cause: new URIError(\"b\", {cause: new Error(\"c\")})})",
    "new Deno.KvU64(18446744073709551615n)",
    "tuplet.opaque(\"ff105c00\")",
    /* Sharing */
    "(() => { const $0 = {x: 1}; return [$0, $0]; })()",
    "(() => { const $0 = {x: 1}; const $1 = [$0]; return {a: $1, b: $1, c: $0}; })()",
    "(() => { const $0 = new Date(\"1970-01-01T00:00:00.000Z\"); return [$0, $0]; })()",
    "(() => { const $0 = new String(\"a\"); const $1 = /a/; return [$0, $0, $1, $1]; })()",
    "(() => { const $0 = {}; return new Map([[$0, 1], [1, $0]]); })()",
    ("(() => { const $0 = new ArrayBuffer(4); return [new Uint8Array($0), new Uint16Array($0), new "
     "DataView($0, 1), $0]; })()"),
    "(() => { const $0 = new Uint8Array([1, 2]).buffer; return [new Uint8Array($0), new Int8Array($0)]; })()",
    "(() => { const $0 = new Uint8Array([1, 2]); return [$0, $0]; })()",
    ("(() => { const $0 = new ArrayBuffer(8, {maxByteLength: 16}); new Uint8Array($0).set([1, 2]); return "
     "new Uint8Array($0); })()"),
    ("(() => { const $0 = new ArrayBuffer(2, {maxByteLength: 2}); new Uint8Array($0).set([0, 2]); return $0; "
     "})()"),
    /* Cycles */
    "(() => { const $0 = {a: 1, self: undefined, b: 2}; $0.self = $0; return $0; })()",
    ("(() => { const $0 = {1: undefined, \"a b\": undefined, [\"__proto__\"]: undefined}; $0[1] = $0; $0[\"a "
     "b\"] = $0; $0.__proto__ = $0; return $0; })()"),
    "(() => { const $0 = [undefined, 1, undefined]; $0[0] = $0; $0[2] = $0; return $0; })()",
    "(() => { const $0 = Object.assign([1, , ,], {foo: undefined}); $0.foo = $0; return $0; })()",
    ("(() => { const $0 = Object.assign(new Array(1001), {500: undefined, 1000: undefined}); $0[500] = $0; "
     "$0[1000] = $0; return $0; })()"),
    ("(() => { const $0 = Object.defineProperty([], \"__proto__\", {value: undefined, writable: true, "
     "enumerable: true, configurable: true}); $0.__proto__ = $0; return $0; })()"),
    ("(() => { const $0 = new Map([[1, 2]]); $0.set(\"m\", $0); $0.set({k: [1]}, new Map([[3, 4]])); return "
     "$0; })()"),
    "(() => { const $0 = new Map(); $0.set($0, $0); return $0; })()",
    "(() => { const $0 = new Set([1]); $0.add($0); $0.add([2]); return $0; })()",
    "(() => { const $0 = new Error(\"a\", {cause: undefined}); $0.cause = $0; return $0; })()",
    ("(() => { const $0 = Object.assign(new Error(undefined, {cause: undefined}), {stack: \"s\"}); const $1 "
     "= {error: $0}; $0.cause = $1; return $1; })()"),
    "(() => { const $0 = {up: undefined}; const $1 = {down: {middle: $0}}; $0.up = $1; return $1; })()",
    "(() => { const $0 = {}; const $1 = new Map([[$0, $0]]); $1.set($1, {again: $0}); return [$1]; })()",
};

static void canonical_texts_are_printed_as_they_are(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(canonical); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    const tuplet_node *root = parsed(tree, canonical[i]);
    tuplet_owned text = printed(root);
    assert_string_equal(text.data, canonical[i]);
    tuplet_owned_free(&text);
    check_round_trip(root);
    tuplet_tree_free(tree);
  }
}

/* No two of the canonical texts mean the same: equality, on which all round trips rest, can tell them apart.
 */
static void different_texts_are_different_values(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  const tuplet_node *roots[COUNT(canonical)];
  for (size_t i = 0; i < COUNT(canonical); i++) roots[i] = parsed(tree, canonical[i]);
  for (size_t i = 0; i < COUNT(canonical); i++) {
    for (size_t j = 0; j < COUNT(canonical); j++) {
      if (tuplet_node_equal(roots[i], roots[j]) != (i == j)) fail_msg("%s\n%s", canonical[i], canonical[j]);
    }
  }
  tuplet_tree_free(tree);
}

/* ---- Deno's vectors ---- */

static tuplet_value value_of(json_t *vector, tuplet_owned *bytes) {
  const char *hex = json_string_value(json_object_get(vector, "hex"));
  size_t size = strlen(hex) / 2;
  uint8_t *data = malloc(size == 0 ? 1 : size);
  assert_non_null(data);
  for (size_t i = 0; i < size; i++) {
    char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
    data[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  *bytes = (tuplet_owned){.data = data, .size = size};
  tuplet_value value = {.data = {data, size}};
  value.encoding = (tuplet_encoding)json_integer_value(json_object_get(vector, "encoding"));
  for (size_t i = 0; value.encoding == TUPLET_ENCODING_LE64 && i < size; i++)
    value.u64 |= (uint64_t)data[i] << (8 * i);
  return value;
}

/* Prints what Deno stored, and reads it back; where Deno's own notation is one of ours, it is the same value.
 */
static void check_vector(json_t *vector, size_t *parsed_count) {
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_owned bytes, text = {0};
  tuplet_error error = {0};
  tuplet_node *root = NULL, *written = NULL;
  const char *js = json_string_value(json_object_get(vector, "js"));
  tuplet_value value = value_of(vector, &bytes);
  if (tuplet_tree_decode(tree, value, &root, &error) != TUPLET_OK) fail_msg("%s: %s", js, error.message);
  check_round_trip(root);
  if (root->type != TUPLET_NODE_ERROR &&
      tuplet_tree_parse(tree, js, strlen(js), &written, NULL) == TUPLET_OK) {
    bool is_bytes = value.encoding == TUPLET_ENCODING_BYTES; /* the buffer around them is not stored */
    if (!is_bytes && !tuplet_node_equal(written, root)) fail_msg("%s means another value", js);
    ++*parsed_count;
  }
  assert_int_equal(tuplet_value_to_text(value, NULL, &text, &error), TUPLET_OK);
  tuplet_owned again = {0};
  tuplet_value value_again;
  assert_int_equal(tuplet_value_from_text(text.data, text.size, NULL, &value_again, &again, &error),
                   TUPLET_OK);
  assert_int_equal(value_again.encoding, value.encoding);
  assert_true(value_again.u64 == value.u64);
  tuplet_owned_free(&again);
  tuplet_owned_free(&text);
  tuplet_owned_free(&bytes);
  tuplet_tree_free(tree);
}

static void what_deno_stores_has_a_text_that_means_it(void **state) {
  (void)state;
  FILE *file = fopen(TEST_VECTORS "/values.jsonl", "r");
  assert_non_null(file);
  size_t count = 0, parsed_count = 0;
  json_t *vector;
  while ((vector = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
    if (json_object_get(vector, "hex") != NULL) {
      check_vector(vector, &parsed_count);
      count++;
    }
    json_decref(vector);
  }
  (void)fclose(file);
  assert_true(count > 100);
  assert_true(parsed_count > 90);
}

/* ---- Random values ---- */

typedef struct generator {
  uint64_t state;
  tuplet_tree *tree;
  tuplet_node *pool[64]; /* what may be referred to again */
  size_t pool_count;
  size_t budget; /* how many more nodes */
} generator;

static uint32_t below(generator *g, uint32_t bound) {
  g->state = g->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(g->state >> 33) % bound;
}

static tuplet_node *keep(generator *g, tuplet_node *node) {
  assert_non_null(node);
  if (g->pool_count < COUNT(g->pool)) {
    g->pool[g->pool_count++] = node;
  } else {
    g->pool[below(g, COUNT(g->pool))] = node;
  }
  return node;
}

static tuplet_node *random_string(generator *g) {
  static const char *const strings[] = {"",
                                        "a",
                                        "__proto__",
                                        "cause",
                                        "1",
                                        "01",
                                        "length_",
                                        "a b",
                                        "\n\"\\",
                                        "\xF0\x9F\x98\x80",
                                        "\xED\xA0\x80",
                                        "\xE2\x80\xA8",
                                        "x\xC3\xA9",
                                        "undefined"};
  const char *text = strings[below(g, COUNT(strings))];
  tuplet_node *node = tuplet_node_string(g->tree, text, strlen(text));
  assert_non_null(node);
  return node;
}

static tuplet_node *random_primitive(generator *g) {
  static const double numbers[] = {
      0, -0.0, 1, -1, 0.1, 1e21, 1e-7, 5e-324, (double)NAN, (double)INFINITY, 4294967295.0};
  uint8_t magnitude[12];
  switch (below(g, 7)) {
  case 0: return tuplet_node_undefined(g->tree);
  case 1: return tuplet_node_null(g->tree);
  case 2: return tuplet_node_bool(g->tree, below(g, 2) == 0);
  case 3: return tuplet_node_number(g->tree, numbers[below(g, COUNT(numbers))]);
  case 4: return tuplet_node_number(g->tree, (double)below(g, 1000) / 8);
  case 5:
    for (size_t i = 0; i < sizeof magnitude; i++) magnitude[i] = (uint8_t)below(g, 256);
    return tuplet_node_bigint(g->tree, below(g, 2) == 0,
                              (tuplet_bytes){magnitude, below(g, sizeof magnitude + 1)});
  default: return random_string(g);
  }
}

static tuplet_node *random_buffer(generator *g) {
  uint8_t data[40];
  size_t size = below(g, sizeof data + 1);
  bool zero = below(g, 4) == 0;
  for (size_t i = 0; i < size; i++) data[i] = zero ? 0 : (uint8_t)below(g, 256);
  tuplet_bytes bytes = {data, size};
  return keep(g, below(g, 3) == 0 ? tuplet_node_resizable_buffer(g->tree, bytes, size + below(g, 10))
                                  : tuplet_node_buffer(g->tree, bytes));
}

static tuplet_node *random_view(generator *g) {
  static const char types[] = "bBCwWdDhfFqQ?";
  tuplet_node *buffer =
      below(g, 2) == 0 && g->pool_count > 0 ? g->pool[below(g, (uint32_t)g->pool_count)] : NULL;
  if (buffer == NULL || buffer->type != TUPLET_NODE_BUFFER) buffer = random_buffer(g);
  for (;;) { /* until it fits */
    tuplet_view_type type = (tuplet_view_type)types[below(g, sizeof types - 1)];
    size_t offset = below(g, 3) == 0 ? below(g, (uint32_t)buffer->as.buffer.size + 1) : 0;
    size_t size = below(g, 2) == 0 ? below(g, 41) : buffer->as.buffer.size - offset;
    tuplet_node *view = tuplet_node_view(g->tree, type, buffer, offset, size, below(g, 4) == 0);
    if (view != NULL) return keep(g, view);
  }
}

static tuplet_node *random_leaf(generator *g) {
  tuplet_node *boxed;
  switch (below(g, 5)) {
  case 0:
    return keep(
        g, tuplet_node_date(g->tree, below(g, 5) == 0 ? (double)NAN : (double)below(g, UINT32_MAX) - 1e9));
  case 1:
    boxed = tuplet_node_boxed(g->tree, random_primitive(g));
    return boxed == NULL ? random_primitive(g) : keep(g, boxed);
  case 2: {
    const tuplet_node *source = random_string(g);
    return keep(
        g, tuplet_node_regexp(g->tree, source->as.string.data, source->as.string.size, below(g, 128) & ~16U));
  }
  case 3: return random_view(g);
  default: return random_buffer(g);
  }
}

static tuplet_node *random_value(generator *g, int depth);

/* Fills what is in the pool already, so that what goes in can refer to it: cycles. */
static void fill(generator *g, tuplet_node *node, int depth) {
  for (uint32_t count = below(g, 5); count > 0; count--) {
    tuplet_node *value = random_value(g, depth + 1);
    const tuplet_node *name = random_string(g);
    tuplet_status status = TUPLET_OK;
    switch (node->type) {
    case TUPLET_NODE_OBJECT:
      status = tuplet_node_object_set(g->tree, node, name->as.string.data, name->as.string.size, value);
      break;
    case TUPLET_NODE_ARRAY:
      switch (below(g, 4)) {
      case 0:
        status =
            tuplet_node_array_set(g->tree, node, below(g, 2) == 0 ? below(g, 30) : below(g, 5000), value);
        break;
      case 1:
        status =
            tuplet_node_array_set_property(g->tree, node, name->as.string.data, name->as.string.size, value);
        break;
      default: status = tuplet_node_array_push(g->tree, node, value);
      }
      break;
    case TUPLET_NODE_MAP:
      status = tuplet_node_map_set(g->tree, node, value, random_value(g, depth + 1));
      break;
    default: status = tuplet_node_set_add(g->tree, node, value);
    }
    assert_int_equal(status, TUPLET_OK);
  }
}

static tuplet_node *random_error(generator *g, int depth) {
  static const char types[] = {0, 'E', 'R', 'F', 'S', 'T', 'U'};
  tuplet_node *message = below(g, 2) == 0 ? random_string(g) : NULL,
              *stack = below(g, 2) == 0 ? random_string(g) : NULL;
  tuplet_node *node = keep(
      g, tuplet_node_error(g->tree, (tuplet_error_type)types[below(g, sizeof types)], message, stack, NULL));
  if (below(g, 2) == 0) node->as.error.cause = random_value(g, depth + 1);
  return node;
}

static tuplet_node *random_value(generator *g, int depth) {
  if (g->pool_count > 0 && below(g, 6) == 0) return g->pool[below(g, (uint32_t)g->pool_count)];
  if (g->budget == 0 || depth > 6 || below(g, 3) == 0) return random_primitive(g);
  g->budget--;
  tuplet_node *node;
  switch (below(g, 6)) {
  case 0: node = tuplet_node_object(g->tree); break;
  case 1: node = tuplet_node_array(g->tree, below(g, 3) == 0 ? below(g, 20) : 0); break;
  case 2: node = tuplet_node_map(g->tree); break;
  case 3: node = tuplet_node_set(g->tree); break;
  case 4: return random_error(g, depth);
  default: return random_leaf(g);
  }
  keep(g, node);
  fill(g, node, depth);
  return node;
}

static void random_values_survive_as_text(void **state) {
  (void)state;
  enum { VALUE_COUNT = 20000 };
  size_t function_count = 0;
  for (uint64_t seed = 0; seed < VALUE_COUNT; seed++) {
    generator g = {.state = seed, .tree = tuplet_tree_new(NULL), .budget = 30};
    const tuplet_node *root = random_value(&g, 0);
    check_round_trip(root);
    tuplet_owned text = printed(root);
    function_count += strncmp(text.data, "(() =>", 6) == 0;
    tuplet_owned_free(&text);
    tuplet_tree_free(g.tree);
  }
  assert_true(function_count > VALUE_COUNT / 10); /* the generator makes what this is about */
}

/* ---- Size and depth ---- */

static void deep_values_are_printed_and_read(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *value = tuplet_node_null(tree);
  for (int i = 0; i < 100000; i++) {
    tuplet_node *outer = NULL;
    switch (i % 4) {
    case 0:
      outer = tuplet_node_array(tree, 0);
      assert_int_equal(tuplet_node_array_push(tree, outer, value), TUPLET_OK);
      break;
    case 1:
      outer = tuplet_node_object(tree);
      assert_int_equal(tuplet_node_object_set(tree, outer, "a", 1, value), TUPLET_OK);
      break;
    case 2:
      outer = tuplet_node_map(tree);
      assert_int_equal(tuplet_node_map_set(tree, outer, tuplet_node_null(tree), value), TUPLET_OK);
      break;
    default:
      outer = tuplet_node_error(tree, TUPLET_ERROR_PLAIN, NULL, tuplet_node_string(tree, "", 0), value);
    }
    value = outer;
  }
  check_round_trip(value);
  tuplet_tree_free(tree);
}

static void zeros_are_listed_when_their_size_would_not_parse(void **state) {
  (void)state;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *array = tuplet_node_array(tree, 0);
  void *zeros = calloc(1, 500000);
  assert_non_null(zeros);
  for (int i = 0; i < 4; i++)
    assert_int_equal(
        tuplet_node_array_push(tree, array, tuplet_node_buffer(tree, (tuplet_bytes){zeros, 500000})),
        TUPLET_OK);
  free(zeros);
  check_round_trip(array);
  tuplet_tree_free(tree);
}

static void running_out_of_memory_is_an_error(void **state) {
  (void)state;
  size_t failures = 0;
  for (size_t i = 0; i < COUNT(canonical); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    const tuplet_node *root = parsed(tree, canonical[i]);
    for (size_t n = 1;; n++) {
      fault_allocator faulty;
      fault_allocator_init(&faulty, n);
      tuplet_owned text = {0};
      tuplet_error error = {0};
      tuplet_status status = tuplet_tree_print(root, &faulty.allocator, &text, &error);
      tuplet_owned_free(&text);
      assert_int_equal(faulty.live, 0);
      bool fired = fault_allocator_fired(&faulty);
      assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
      if (!fired) break;
      failures++;
    }
    tuplet_tree_free(tree);
  }
  assert_true(failures > 200);
}

static void stored_values_run_out_of_memory_cleanly(void **state) {
  (void)state;
  static const char text[] = "(() => { const $0 = {a: [1n, \"x\"]}; return new Map([[$0, $0]]); })()";
  for (size_t n = 1;; n++) {
    fault_allocator faulty;
    fault_allocator_init(&faulty, n);
    tuplet_value value;
    tuplet_owned bytes = {0}, again = {0};
    tuplet_status status =
        tuplet_value_from_text(text, strlen(text), &faulty.allocator, &value, &bytes, NULL);
    if (status == TUPLET_OK) status = tuplet_value_to_text(value, &faulty.allocator, &again, NULL);
    bool fired = fault_allocator_fired(&faulty);
    if (!fired) assert_string_equal(again.data, text);
    tuplet_owned_free(&again);
    tuplet_owned_free(&bytes);
    assert_int_equal(faulty.live, 0);
    assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
    if (!fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(canonical_texts_are_printed_as_they_are),
      cmocka_unit_test(different_texts_are_different_values),
      cmocka_unit_test(what_deno_stores_has_a_text_that_means_it),
      cmocka_unit_test(random_values_survive_as_text),
      cmocka_unit_test(deep_values_are_printed_and_read),
      cmocka_unit_test(zeros_are_listed_when_their_size_would_not_parse),
      cmocka_unit_test(running_out_of_memory_is_an_error),
      cmocka_unit_test(stored_values_run_out_of_memory_cleanly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
