/* text_parse_test.c: which texts are values, which value they are, and where the others go wrong. */
#include "codec/text_date.h"
#include "codec/text_lex.h"
#include "codec/text_view.h"

#include "text_support.h"

#include "support/fault_allocator.h"

/* ---- What a person may write, and how it is printed ---- */

typedef struct freedom {
  const char *text;
  const char *printed;
} freedom;

static const freedom freedoms[] = {
    /* Space and comments */
    {" \t\r\n\v\f\xC2\xA0\xE2\x80\xA8\xEF\xBB\xBF 1 ", "1"},
    {"// one\n/* two * / ** */ [1, // three\r\n 2]//", "[1, 2]"},
    {"1;", "1"},
    {"((1))", "1"},
    {"[(1), ({a: (2)})]", "[1, {a: 2}]"},
    /* Trailing commas; holes */
    {"[1, 2,]", "[1, 2]"},
    {"{a: 1,}", "{a: 1}"},
    {"[,]", "new Array(1)"},
    {"[1,,]", "[1, ,]"},
    {"[,1,,2,]", "[, 1, , 2]"},
    {"new Map([[1, 2,], ], )", "new Map([[1, 2]])"},
    {"new Set([1,],)", "new Set([1])"},
    {"new Uint8Array([1, 2,],)", "new Uint8Array([1, 2])"},
    {"new Error(\"a\", {cause: 1,},)", "new Error(\"a\", {cause: 1})"},
    {"Object.assign([1], {a: 1,},)", "Object.assign([1], {a: 1})"},
    {"new RegExp(\"a\",\"g\",)", "/a/g"},
    {"new Date(0,)", "new Date(\"1970-01-01T00:00:00.000Z\")"},
    /* Numbers */
    {"[0x1F, 0o17, 0b11, 1e3, .5, 5., 1_000, +1, -1, - 1, -0, -Infinity, -NaN]",
     "[31, 15, 3, 1000, 0.5, 5, 1000, 1, -1, -1, -0, -Infinity, NaN]"},
    {"[1e400, 1e-400, 9007199254740993, 0.1e1]", "[Infinity, 0, 9007199254740992, 1]"},
    {"[0xFFn, -0x10n, 0b101n, 1_000n, -0n]", "[255n, -16n, 5n, 1000n, 0n]"},
    /* Strings */
    {"'it\\'s \"it\"'", "\"it's \\\"it\\\"\""},
    {"`a\r\nb\n\"c\" $ {}`", "\"a\\nb\\n\\\"c\\\" $ {}\""},
    {"\"\\x41\\u0042\\u{43}\\u{1F600}\\q\\/\\v\\0\"", "\"ABC\xF0\x9F\x98\x80q/\\u000b\\u0000\""},
    {"\"a\\\nb\\\r\nc\\\xE2\x80\xA8"
     "d\"",
     "\"abcd\""},
    {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
    {"\"\\ud83d\\u{de00}\"", "\"\xF0\x9F\x98\x80\""},
    {"\"\\ud83d \\ude00\"", "\"\\ud83d \\ude00\""},
    {"\"\xE2\x80\xA8\"",
     "\"\\u2028\""}, /* JavaScript allows it in strings, but printed it would break lines */
    /* Keys */
    {"{a: 1, 'b': 2, \"c d\": 3, [\"e\"]: 4, [5]: 6}", "{5: 6, a: 1, b: 2, \"c d\": 3, e: 4}"},
    {"{new: 1, true: 2, null: 3, $: 4, _: 5, $0: 6}", "{new: 1, true: 2, null: 3, $: 4, _: 5, $0: 6}"},
    {"{\xE6\x97\xA5: 1}", "{\"\xE6\x97\xA5\": 1}"},
    {"{2: 1, b: 0, 1: 2, 1e3: 3, 1.50: 4, 0x10: 5, \"007\": 6}",
     "{1: 2, 2: 1, 16: 5, 1000: 3, b: 0, \"1.5\": 4, \"007\": 6}"},
    {"{4294967294: 1, 4294967295: 2, 1e21: 3}", "{4294967294: 1, \"4294967295\": 2, \"1e+21\": 3}"},
    {"{a: 1, b: 2, a: 3}", "{a: 3, b: 2}"},
    {"{[\"__proto__\"]: 1}", "{[\"__proto__\"]: 1}"},
    /* Constructors */
    {"[new Date(5), new Date(-1), new Date(\"2020\"), new Date(\"2020-02-29\"), new "
     "Date('2020-01-02T03:04Z')]",
     "[new Date(\"1970-01-01T00:00:00.005Z\"), new Date(\"1969-12-31T23:59:59.999Z\"), "
     "new Date(\"2020-01-01T00:00:00.000Z\"), new Date(\"2020-02-29T00:00:00.000Z\"), "
     "new Date(\"2020-01-02T03:04:00.000Z\")]"},
    {"[new Map(), new Map([]), new Set(), new Set([]), new Array(), new Array(3), new Error(), new "
     "Uint8Array()]",
     "[new Map(), new Map(), new Set(), new Set(), [], new Array(3), new Error(), new Uint8Array([])]"},
    {"new Map([[1, 2], [1, 3], [-0, 4]])", "new Map([[1, 3], [0, 4]])"},
    {"new Set([1, 1, NaN, NaN, -0, 0, {}, {}])", "new Set([1, NaN, 0, {}, {}])"},
    {"[Object(true), Object(1), Object(\"x\"), Object(-1n)]",
     "[new Boolean(true), new Number(1), new String(\"x\"), Object(-1n)]"},
    {"[Uint8Array.from([1]), Float64Array.of(1, 2), BigInt64Array.of(), Uint16Array.from([1]).buffer]",
     "[new Uint8Array([1]), new Float64Array([1, 2]), new BigInt64Array([]), new Uint8Array([1, 0]).buffer]"},
    {"new Uint32Array([1]).buffer", "new Uint8Array([1, 0, 0, 0]).buffer"},
    {"[new Error(undefined), new Error(\"\"), new Error(\"\", {})]",
     "[new Error(), new Error(\"\"), new Error(\"\")]"},
    {"Object.assign({a: 1}, {b: 2, a: 3})", "{a: 3, b: 2}"},
    {"Object.assign([1, 2], {0: 3, x: 4, 2: 5})", "Object.assign([3, 2, 5], {x: 4})"},
    {"Object.assign(new Error(\"a\"), {message: \"b\", cause: null})", "new Error(\"b\", {cause: null})"},
    {"new RegExp(\"a\")", "/a/"},
    {"[/[/]/, /\\//, /[\\]/]/gimsuyd]", "[/[/]/, /\\//, /[\\]/]/dgimsuy]"},
    /* Functions without need */
    {"(() => { return 1 })()", "1"},
    {"(() => { const $0 = [1]; return {a: $0}; })();", "{a: [1]}"},
    {"(() => { const $0 = [1]; const $1 = [$0]; $1[0] = 2; $1[12] = 3; $1[2] = 4; $1.x = 5; return $1; })()",
     "Object.assign(new Array(13), {0: 2, 2: 4, 12: 3, x: 5})"},
    {"(() => { const $0 = {}; $0.b = 1; $0[\"a b\"] = 2; $0[1] = 3; $0.b = 4; return $0; })()",
     "{1: 3, b: 4, \"a b\": 2}"},
    {"(() => { const $0 = {[\"__proto__\"]: 1}; $0.__proto__ = 2; return $0; })()", "{[\"__proto__\"]: 2}"},
    {"(() => { const $0 = {}; $0.set = 1; $0.add = 2; return $0; })()", "{set: 1, add: 2}"},
};

static void what_people_write_is_understood(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(freedoms); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_owned text = printed(parsed(tree, freedoms[i].text));
    assert_string_equal(text.data, freedoms[i].printed);
    tuplet_owned_free(&text);
    tuplet_tree_free(tree);
  }
}

/* ---- What is no value ---- */

typedef struct fault {
  const char *text;
  const char *message;
} fault;

static const fault faults[] = {
    {"", "line 1, column 1: expected a value, found the end of the text"},
    {"  // only a comment", "line 1, column 20: expected a value, found the end of the text"},
    {"1 2", "line 1, column 3: expected the end of the text, found 2"},
    {"1;;", "line 1, column 3: expected the end of the text, found ;"},
    {"foo", "line 1, column 1: expected a value, found foo"},
    {"f(1)", "line 1, column 1: expected a value, found f"},
    {"1 + 1", "line 1, column 3: expected the end of the text, found +"},
    {"- x", "line 1, column 3: expected a number, found x"},
    {"-\"1\"", "line 1, column 2: expected a number, found \"1\""},
    {"+1n", "line 1, column 2: expected a number, found 1n"},
    {"--1", "line 1, column 2: expected a number, found -"},
    {"@", "line 1, column 1: expected a value, found @"},
    {"[1,\n 2\n x]", "line 3, column 2: expected , or ], found x"},
    {"[1,\r\n\xC3\xA9\xC3\xA9 x]", "line 2, column 1: expected a value, found \xC3\xA9\xC3\xA9"},
    {"[\"\xC3\xA9\xC3\xA9\", x]", "line 1, column 8: expected a value, found x"},
    {"[1, 2", "line 1, column 6: expected , or ], found the end of the text"},
    {"[1 2]", "line 1, column 4: expected , or ], found 2"},
    {"[1, 2}", "line 1, column 6: expected , or ], found }"},
    {"{a: 1, , b: 2}", "line 1, column 8: expected a property's name or }, found ,"},
    {"{a}", "line 1, column 3: expected :, found }"},
    {"{a() {}}", "line 1, column 3: expected :, found ("},
    {"{...x}", "line 1, column 2: expected a property's name or }, found ."},
    {"{`a`: 1}", "line 1, column 2: expected a property's name or }, found `a`"},
    {"{[x]: 1}", "line 1, column 3: expected a string or number as a property's name, found x"},
    {"{__proto__: {}}",
     "line 1, column 2: expected [\"__proto__\"] (bare, it would set the prototype), found __proto__"},
    {"{\"__proto__\": {}}",
     "line 1, column 2: expected [\"__proto__\"] (bare, it would set the prototype), found \"__proto__\""},
    {"\"abc", "line 1, column 5: expected the string's closing quote, found the end of the text"},
    {"\"a\nb\"", "line 1, column 3: expected the string's closing quote on the same line, found ?"},
    {"\"\\u12\"", "line 1, column 2: expected hexadecimal digits that make a code point, found \\u"},
    {"\"\\u{110000}\"", "line 1, column 2: expected hexadecimal digits that make a code point, found \\u"},
    {"\"\\u{}\"", "line 1, column 2: expected hexadecimal digits that make a code point, found \\u"},
    {"\"\\xg0\"", "line 1, column 2: expected hexadecimal digits that make a code point, found \\x"},
    {"\"\\01\"",
     "line 1, column 2: expected an escape sequence (\\0 is the only one with a digit), found \\0"},
    {"\"\\8\"",
     "line 1, column 2: expected an escape sequence (\\0 is the only one with a digit), found \\8"},
    {"\"\\", "line 1, column 3: expected an escape sequence, found the end of the text"},
    {"`a${1}`", "line 1, column 3: expected a template without substitutions, found ${"},
    {"\"\xFF\"", "line 1, column 2: expected text in UTF-8, found ?"},
    {"\"\xED\xA0\x80\"", "line 1, column 2: expected text in UTF-8, found ?"},
    {"1 \xFF", "line 1, column 3: expected text in UTF-8, found ?"},
    {"/* abc", "line 1, column 7: expected */ at the end of the comment, found the end of the text"},
    {"1x", "line 1, column 1: expected a number, found 1x"},
    {"0x", "line 1, column 1: expected a number, found 0x"},
    {"010", "line 1, column 1: expected a number, found 010"},
    {"1__0", "line 1, column 1: expected a number, found 1__0"},
    {"1.2.3", "line 1, column 1: expected a number, found 1.2.3"},
    {"1.5n", "line 1, column 1: expected a BigInt, found 1.5n"},
    {"01n", "line 1, column 1: expected a BigInt, found 01n"},
    {"/a", "line 1, column 1: expected a regular expression that ends on its line, found /a"},
    {"/a\n/", "line 1, column 1: expected a regular expression that ends on its line, found /a?/"},
    {"/[/", "line 1, column 1: expected a regular expression that ends on its line, found /[/"},
    {"/a/gg", "line 1, column 1: expected flags out of dgimsuvy, none twice, not u with v, found /a/gg"},
    {"/a/uv", "line 1, column 1: expected flags out of dgimsuvy, none twice, not u with v, found /a/uv"},
    {"new RegExp(\"a\", \"x\")",
     "line 1, column 17: expected flags out of dgimsuvy, none twice, not u with v, found \"x\""},
    {"new Foo()",
     "line 1, column 5: expected a constructor: Date, Map, Set, Uint8Array, Error ..., found Foo"},
    {"new Date()", NULL},
    {"new Date(\"2020-02-30\")", NULL},
    {"new Date(\"2020-01-01T00:00:00\")", "line 1, column 10: expected a number, or a date such as "
                                          "\"2023-05-14T00:00:00.000Z\" (a time needs Z or an "
                                          "offset), found \"2020-01-01T00:00:00\""},
    {"new Boolean(1)", "line 1, column 13: expected true or false, found 1"},
    {"new Array(4294967296)",
     "line 1, column 11: expected an array's length, at most 4294967295, found 4294967296"},
    {"new Array(1.5)", NULL},
    {"new Map([1])", "line 1, column 10: expected [, found 1"},
    {"new Map([[1]])", "line 1, column 12: expected ,, found ]"},
    {"new Map([[1, 2, 3]])", "line 1, column 17: expected ], found 3"},
    {"new Map({})", "line 1, column 9: expected [, found {"},
    {"new Uint8Array([1, \"2\"])", "line 1, column 20: expected a number, found \"2\""},
    {"new Uint8Array([1n])", "line 1, column 17: expected a number, found 1n"},
    {"new BigInt64Array([1])", "line 1, column 20: expected a BigInt, found 1"},
    {"new Uint8Array({})",
     "line 1, column 1: expected a view of an ArrayBuffer, or of [elements], found new Uint8Array({}"},
    {"new Uint16Array(new ArrayBuffer(4), 1)",
     "line 1, column 37: expected an offset that is a multiple of the element's size, found 1"},
    {"new Uint16Array(new ArrayBuffer(4), 2, 2)",
     "line 1, column 40: expected a number of elements that fits the buffer, found 2"},
    {"new Uint16Array(new ArrayBuffer(5))",
     "line 1, column 35: expected a buffer whose length is a multiple of the element's size, found )"},
    {"new DataView(new ArrayBuffer(4), 5)",
     "line 1, column 34: expected an offset in bytes, within the buffer, found 5"},
    {"new ArrayBuffer(4, {maxByteLength: 3})",
     "line 1, column 36: expected a maximum that is no less than the length, found 3"},
    {"new Deno.KvU64(18446744073709551616n)",
     "line 1, column 16: expected a BigInt from 0n to 18446744073709551615n, found 18446744073709551616n"},
    {"new Deno.KvU64(-1n)", NULL},
    {"new Deno.Kv()", "line 1, column 10: expected KvU64, found Kv"},
    {"new Error(1)", "line 1, column 11: expected a string or undefined as the error's message, found 1"},
    {"new Error(\"\", {reason: 1})", "line 1, column 16: expected cause, found reason"},
    {"Object.assign(1, {})", "line 1, column 1: expected an array, an object or an error to give properties "
                             "to, found Object.assign(1"},
    {"Object.assign([], {length: 5})",
     "line 1, column 20: expected another name (an array has its length already), found length: 5"},
    {"Object.assign([], {[\"__proto__\"]: 5})",
     "line 1, column 20: expected another name (this one would set the prototype), found ["},
    {"Object.assign(new Error(), {name: \"x\"})",
     "line 1, column 29: expected stack, cause or message as an error's property, found name: \"x\""},
    {"Object.assign(new Error(), {stack: 1})",
     "line 1, column 29: expected a string as an error's stack or message, found stack: 1"},
    {"Object.freeze({})", "line 1, column 8: expected assign or defineProperty, found freeze"},
    {"Object(null)", "line 1, column 8: expected a boolean, number, string or BigInt, found null"},
    {"Object.defineProperty([], \"a\", {value: 1})", "line 1, column 41: expected ,, found }"},
    {"Object.defineProperty([], \"a\", {value: 1, writable: false, enumerable: true, configurable: true})",
     "line 1, column 53: expected true, found false"},
    {"tuplet.opaque(\"f\")",
     "line 1, column 15: expected a string of hexadecimal digits, two for each byte, found \"f\""},
    {"tuplet.opaque(\"xx\")", NULL},
    {"tuplet.foo()", "line 1, column 8: expected opaque, found foo"},
    {"$0", "line 1, column 1: expected a value, found $0"},
    {"[(() => { return 1; })()]", "line 1, column 4: expected a value, found )"},
    {"(() => 1)()", "line 1, column 8: expected {, found 1"},
    {"(() => { })()", "line 1, column 10: expected const, return or a name like $0, found }"},
    {"(() => { return 1; })", "line 1, column 22: expected (, found the end of the text"},
    {"(() => { const $1 = 1; return $1; })()", "line 1, column 16: expected the name $0, found $1"},
    {"(() => { const a = 1; return a; })()", "line 1, column 16: expected the name $0, found a"},
    {"(() => { const $0 = [$0]; return $0; })()",
     "line 1, column 22: expected a name that is defined before, as $0, found $0"},
    {"(() => { const $0 = 1; return $1; })()",
     "line 1, column 31: expected a name that is defined before, as $0, found $1"},
    {"(() => { const $0 = 1 return $0; })()", "line 1, column 23: expected ;, found return"},
    {"(() => { const $0 = 1; $0.a = 2; return $0; })()",
     "line 1, column 24: expected an object, an array or an error, found $0"},
    {"(() => { const $0 = {}; $0.set(1, 2); return $0; })()",
     "line 1, column 25: expected a Map before .set, found $0.set"},
    {"(() => { const $0 = new Map(); $0.add(1); return $0; })()",
     "line 1, column 32: expected a Set before .add, found $0.add"},
    {"(() => { const $0 = {}; $0.__proto__ = 1; return $0; })()",
     "line 1, column 28: expected another name (this one would set the prototype), found __proto__ = 1"},
    {"(() => { const $0 = []; $0.length = 1; return $0; })()",
     "line 1, column 28: expected another name, found length = 1"},
    {"(() => { const $0 = {}; return Object.assign($0, {a: 1}); })()",
     "line 1, column 46: expected a value, found $0"},
    {"(() => { const $0 = {}; new Uint8Array($0).set([1]); return $0; })()",
     "line 1, column 40: expected an ArrayBuffer, found $0"},
    {"(() => { const $0 = new ArrayBuffer(1); new Uint8Array($0).set([1, 2]); return $0; })()",
     "line 1, column 64: expected no more bytes than the buffer has, found [1, 2]"},
    {"(() => { if (1) return 1; })()",
     "line 1, column 10: expected const, return or a name like $0, found if"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "line 1, column 1: expected a value, found aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."},
};

static void what_is_no_value_is_refused_with_its_place(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(faults); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root = NULL;
    tuplet_error error = {0};
    tuplet_status status = tuplet_tree_parse(tree, faults[i].text, strlen(faults[i].text), &root, &error);
    if (status != TUPLET_SYNTAX) fail_msg("%s\n  gives %s", faults[i].text, tuplet_status_name(status));
    assert_null(root);
    assert_int_equal(error.status, TUPLET_SYNTAX);
    if (faults[i].message != NULL) assert_string_equal(error.message, faults[i].message);
    assert_int_equal(tuplet_tree_parse(tree, faults[i].text, strlen(faults[i].text), &root, NULL),
                     TUPLET_SYNTAX);
    tuplet_tree_free(tree);
  }
}

/* Every text that is cut off anywhere is refused or still a value; never read past its end. */
static void cut_off_texts_do_no_harm(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(freedoms); i++) {
    for (size_t size = 0; size <= strlen(freedoms[i].text); size++) {
      char *exact = malloc(size == 0 ? 1 : size);
      assert_non_null(exact);
      memcpy(exact, freedoms[i].text, size);
      tuplet_tree *tree = tuplet_tree_new(NULL);
      tuplet_node *root = NULL;
      tuplet_status status = tuplet_tree_parse(tree, exact, size, &root, NULL);
      assert_true(status == TUPLET_OK || status == TUPLET_SYNTAX);
      tuplet_tree_free(tree);
      free(exact);
    }
  }
}

/* ---- Limits ---- */

static tuplet_status parse_repeated(const char *head, const char *part, size_t count, const char *tail,
                                    tuplet_error *error) {
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tp_buffer_append_text(&text, head);
  for (size_t i = 0; i < count; i++) tp_buffer_append_text(&text, part);
  tp_buffer_append_text(&text, tail);
  assert_false(text.failed);
  tuplet_tree *tree = tuplet_tree_new(NULL);
  tuplet_node *root;
  tuplet_status status = tuplet_tree_parse(tree, (const char *)text.data, text.size, &root, error);
  tuplet_tree_free(tree);
  tp_buffer_done(&text);
  return status;
}

static void endless_nesting_costs_no_stack(void **state) {
  (void)state;
  static const char *const openings[] = {"[",
                                         "(",
                                         "{a:",
                                         "new Map([[1,",
                                         "new Map([[",
                                         "new Set([",
                                         "Object.assign(",
                                         "Object.defineProperty(",
                                         "new Error('',{cause:",
                                         "new Uint8Array("};
  for (size_t i = 0; i < COUNT(openings); i++) {
    tuplet_error error = {0};
    assert_int_equal(parse_repeated("", openings[i], 300000, "", &error), TUPLET_SYNTAX);
    assert_non_null(strstr(error.message, "found the end of the text"));
  }
  assert_int_equal(parse_repeated("[", "[", 300000, "", NULL), TUPLET_SYNTAX);
}

static void large_texts_are_read_in_linear_time(void **state) {
  (void)state;
  tuplet_error error = {0};
  assert_int_equal(parse_repeated("[", "1,", 500000, "]", &error), TUPLET_OK);
  assert_int_equal(parse_repeated("[", ",", 1000000, "]", &error), TUPLET_OK);
  assert_int_equal(parse_repeated("new Uint8Array([", "255,", 500000, "])", &error), TUPLET_OK);
  assert_int_equal(parse_repeated("\"", "\\u00e9", 300000, "\"", &error), TUPLET_OK);
  assert_int_equal(parse_repeated("", "/**/", 500000, "1", &error), TUPLET_OK);
  assert_int_equal(parse_repeated("", "\n", 1000000, "x", &error), TUPLET_SYNTAX);
  assert_string_equal(error.message, "line 1000001, column 1: expected a value, found x");
}

/* Indexes from the highest to the lowest: the order that would move all others at every step. */
static void falling_indexes_are_sorted_in_at_once(void **state) {
  (void)state;
  enum { INDEX_COUNT = 100000, STATEMENT_SIZE = 32 };
  char *text = malloc((size_t)INDEX_COUNT * STATEMENT_SIZE + 100);
  assert_non_null(text);
  for (int form = 0; form < 2; form++) {
    size_t size = 0;
    size += (size_t)sprintf(text, form == 0 ? "{" : "(() => { const $0 = []; ");
    for (int i = INDEX_COUNT; i > 0; i--)
      size += (size_t)sprintf(text + size, form == 0 ? "%d: 0, " : "$0[%d] = 0; ", i * 20);
    (void)sprintf(text + size, form == 0 ? "}" : "return $0; })()");
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root = parsed(tree, text);
    if (form == 0) {
      assert_int_equal(root->as.map.count, INDEX_COUNT);
      assert_true(root->as.map.pairs[0].key->as.number == 20);
    } else {
      assert_int_equal(root->as.array.length, INDEX_COUNT * 20 + 1);
    }
    tuplet_tree_free(tree);
  }
  free(text);
}

static void short_texts_cannot_ask_for_much_memory(void **state) {
  (void)state;
  static const char *const greedy[] = {
      "new ArrayBuffer(9007199254740991)", "new Uint8Array(1e15)", "new Float64Array(9007199254740991)",
      "new ArrayBuffer(1e9, {maxByteLength: 1e9})", "[new ArrayBuffer(1e6), new ArrayBuffer(1e6)]"};
  for (size_t i = 0; i < COUNT(greedy); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_node *root;
    assert_int_equal(tuplet_tree_parse(tree, greedy[i], strlen(greedy[i]), &root, NULL), TUPLET_LIMIT);
    tuplet_tree_free(tree);
  }
  tuplet_tree *tree = tuplet_tree_new(NULL);
  assert_int_equal(parsed(tree, "new Array(4294967295)")->as.array.length, UINT32_MAX);
  assert_int_equal(parsed(tree, "new ArrayBuffer(1, {maxByteLength: 1e15})")->as.buffer.size, 1);
  tuplet_tree_free(tree);
}

/* ---- Parts ---- */

static void dates_are_read_as_ecmascript_says(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double unix_ms;
  } dates[] = {{"1970-01-01T00:00:00.000Z", 0},
               {"1969-12-31T23:59:59.999Z", -1},
               {"2000-02-29T12:34:56.789Z", 951827696789},
               {"2023-05-14T00:00:00+02:00", 1684015200000},
               {"2023-05-14T00:00-00:30", 1684024200000},
               {"2023-05-14T24:00Z", 1684108800000},
               {"2023-05-14T00:00:00.5Z", 1684022400500},
               {"2023-05-14T00:00:00.123456Z", 1684022400123},
               {"2023", 1672531200000},
               {"2023-05", 1682899200000},
               {"+275760-09-13T00:00:00.000Z", 8.64e15},
               {"-271821-04-20T00:00:00.000Z", -8.64e15},
               {"0000-01-01", -62167219200000},
               {"-000001-12-31", -62167305600000}};
  for (size_t i = 0; i < COUNT(dates); i++) {
    double unix_ms = 0;
    if (!tp_date_from_text((tuplet_bytes){dates[i].text, strlen(dates[i].text)}, &unix_ms))
      fail_msg("%s is no date", dates[i].text);
    if (unix_ms != dates[i].unix_ms) fail_msg("%s is %.0f", dates[i].text, unix_ms);
  }
  static const char *const others[] = {"",
                                       "x",
                                       "2023-",
                                       "2023-13",
                                       "2023-00",
                                       "2023-02-29",
                                       "2023-04-31",
                                       "23-01-01",
                                       "2023-05-14T",
                                       "2023-05-14T00",
                                       "2023-05-14T00:00",
                                       "2023-05-14T25:00Z",
                                       "2023-05-14T24:01Z",
                                       "2023-05-14T00:60Z",
                                       "2023-05-14T00:00:60Z",
                                       "2023-05-14T00:00:00.Z",
                                       "2023-05-14T00:00Zx",
                                       "2023-05-14 00:00Z",
                                       "2023-05-14T00:00+2:00",
                                       "2023-05-14T00:00+24:00",
                                       "-000000-01-01",
                                       "+275760-09-13T00:00:00.001Z",
                                       "2023Z",
                                       " 2023"};
  for (size_t i = 0; i < COUNT(others); i++) {
    double unix_ms;
    if (tp_date_from_text((tuplet_bytes){others[i], strlen(others[i])}, &unix_ms))
      fail_msg("%s is a date", others[i]);
  }
}

/* Every third day of some 5,500 years around year 0, and the edges of what a Date can be. */
static void dates_are_written_and_read_back(void **state) {
  (void)state;
  static const double edges[] = {-8.64e15, -8.64e15 + 1,    8.64e15 - 1,
                                 8.64e15,  -62198755200000, 253402300800000};
  char text[TP_DATE_TEXT_SIZE];
  double unix_ms = 0;
  for (int day = -1000000; day < 1000000; day += 3) {
    double expected_ms = day * 86400000.0 + 1;
    size_t size = tp_date_to_text(expected_ms, text);
    assert_true(tp_date_from_text((tuplet_bytes){text, size}, &unix_ms));
    assert_true(unix_ms == expected_ms);
  }
  for (size_t i = 0; i < COUNT(edges); i++) {
    size_t size = tp_date_to_text(edges[i], text);
    assert_int_equal(size, strlen(text));
    assert_true(tp_date_from_text((tuplet_bytes){text, size}, &unix_ms));
    assert_true(unix_ms == edges[i]);
  }
}

static void elements_are_converted_as_javascript_does(void **state) {
  (void)state;
  static const freedom conversions[] = {
      {"new Int8Array([127, 128, -129, 1e10, 1.9, -1.9, NaN, Infinity])",
       "new Int8Array([127, -128, 127, 0, 1, -1, 0, 0])"},
      {"new Uint8ClampedArray([-1, 256, 0.5, 1.5, 2.5, NaN, Infinity])",
       "new Uint8ClampedArray([0, 255, 0, 2, 2, 0, 255])"},
      {"new Uint32Array([4294967296, -1, 1e20])", "new Uint32Array([0, 4294967295, 1661992960])"},
      {"new Int32Array([2147483648, -2147483649])", "new Int32Array([-2147483648, 2147483647])"},
      {"new Float32Array([0.1, 1e39, 1e-46, -0])",
       "new Float32Array([0.10000000149011612, Infinity, 0, -0])"},
      {"new Float16Array([0.1, 65519, 65520, 5.96e-8, 2.98e-8, 1.0009765625, 1.00048828125, -0, NaN, "
       "-Infinity])",
       "new Float16Array([0.0999755859375, 65504, Infinity, 5.960464477539063e-8, 0, 1.0009765625, 1, -0, "
       "NaN, "
       "-Infinity])"},
      {"new Float16Array([0.000061035, 0.00006103515625, 0.000061])",
       "new Float16Array([0.00006103515625, 0.00006103515625, 0.00006097555160522461])"},
      {"new BigInt64Array([9223372036854775808n, -1n, 18446744073709551617n])",
       "new BigInt64Array([-9223372036854775808n, -1n, 1n])"},
      {"new BigUint64Array([-1n, 18446744073709551616n])",
       "new BigUint64Array([18446744073709551615n, 0n])"}};
  for (size_t i = 0; i < COUNT(conversions); i++) {
    tuplet_tree *tree = tuplet_tree_new(NULL);
    tuplet_owned text = printed(parsed(tree, conversions[i].text));
    assert_string_equal(text.data, conversions[i].printed);
    tuplet_owned_free(&text);
    tuplet_tree_free(tree);
  }
}

/* All 65,536 half-precision numbers, through their text. */
static void every_half_is_read_as_it_was_written(void **state) {
  (void)state;
  tp_buffer text, bytes;
  tp_buffer_init(&text, NULL);
  tp_buffer_init(&bytes, NULL);
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const uint8_t half[] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
    bool is_nan = (bits & 0x7FFF) > 0x7C00;
    assert_int_equal(tp_view_elements_are_plain(TUPLET_VIEW_FLOAT16, half, 2), !is_nan || bits == 0x7E00);
    if (is_nan) continue;
    tp_buffer_clear(&text);
    tp_buffer_clear(&bytes);
    tp_view_element_to_text(&text, TUPLET_VIEW_FLOAT16, half);
    tp_buffer_append_byte(&text, '\0');
    tp_view_append_number(&bytes, TUPLET_VIEW_FLOAT16, strtod((const char *)text.data, NULL));
    assert_memory_equal(bytes.data, half, 2);
  }
  tp_buffer_done(&text);
  tp_buffer_done(&bytes);
}

static void running_out_of_memory_is_an_error(void **state) {
  (void)state;
  size_t failures = 0;
  for (size_t i = 0; i < COUNT(freedoms); i++) {
    for (size_t n = 1;; n++) {
      fault_allocator faulty;
      fault_allocator_init(&faulty, n);
      tuplet_tree *tree = tuplet_tree_new(&faulty.allocator);
      tuplet_node *root = NULL;
      tuplet_error error = {0};
      tuplet_status status =
          tree == NULL ? TUPLET_NOMEM
                       : tuplet_tree_parse(tree, freedoms[i].text, strlen(freedoms[i].text), &root, &error);
      tuplet_tree_free(tree);
      assert_int_equal(faulty.live, 0);
      bool fired = fault_allocator_fired(&faulty);
      assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
      if (!fired) break;
      failures++;
    }
  }
  assert_true(failures > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_people_write_is_understood),
      cmocka_unit_test(what_is_no_value_is_refused_with_its_place),
      cmocka_unit_test(cut_off_texts_do_no_harm),
      cmocka_unit_test(endless_nesting_costs_no_stack),
      cmocka_unit_test(large_texts_are_read_in_linear_time),
      cmocka_unit_test(falling_indexes_are_sorted_in_at_once),
      cmocka_unit_test(short_texts_cannot_ask_for_much_memory),
      cmocka_unit_test(dates_are_read_as_ecmascript_says),
      cmocka_unit_test(dates_are_written_and_read_back),
      cmocka_unit_test(elements_are_converted_as_javascript_does),
      cmocka_unit_test(every_half_is_read_as_it_was_written),
      cmocka_unit_test(running_out_of_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
