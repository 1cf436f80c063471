/* tokens_test.c: tokens as text: what is read, what is refused, who is let in, and where. */
#include "server/access/tokens.h"

#include "../../support/fault_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HASH           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LINE(name, id) "name=" name " id=" id " rights=read-only databases=* sha256=" HASH "\n"

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static tp_tokens *parse(const char *text) {
  tp_tokens *tokens = NULL;
  tuplet_error error = {0};
  if (tp_tokens_parse(NULL, "FILE", view(text), &tokens, &error) != TUPLET_OK) fail_msg("%s", error.message);
  return tokens;
}

/* ---- Reading ---- */

static void a_line_says_who_may_what(void **state) {
  (void)state;
  tp_tokens *tokens = parse("# people\n\n"
                            "name=orders-api id=5f0c9ae1b2d4 rights=read-write databases=orders,team-* "
                            "created=2026-11-21T15:40:00Z expires=2027-01-31 sha256=" HASH "\n");
  assert_int_equal(tp_tokens_count(tokens), 1);
  const tp_token *token = tp_tokens_at(tokens, 0);
  assert_string_equal(token->name, "orders-api");
  assert_int_equal(token->id, 0x5f0c9ae1b2d4);
  assert_true(token->may_write);
  assert_memory_equal(token->databases.data, "orders,team-*", 13);
  assert_int_equal(token->created_at_ms, 1795275600000);
  assert_int_equal(token->expires_at_ms, 1801353600000);
  assert_int_equal(token->hash[0], 0xaa);
  assert_int_equal(token->hash[31], 0xbb);
  assert_int_equal(token->line, 3);
  tp_tokens_free(tokens);
}

static void fields_come_in_any_order_and_times_may_be_missing(void **state) {
  (void)state;
  tp_tokens *tokens =
      parse("\tsha256=" HASH "  databases=:memory:\trights=read-only id=000000000001 name=a \r\n");
  const tp_token *token = tp_tokens_at(tokens, 0);
  assert_int_equal(token->created_at_ms, 0);
  assert_int_equal(token->expires_at_ms, TP_TOKEN_NEVER);
  assert_false(token->may_write);
  tp_tokens_free(tokens);
}

static void an_empty_file_has_no_tokens(void **state) {
  (void)state;
  tp_tokens *tokens = parse("");
  assert_int_equal(tp_tokens_count(tokens), 0);
  assert_null(tp_tokens_find(tokens, 1));
  assert_null(tp_tokens_find_name(tokens, ""));
  assert_null(tp_tokens_verify(tokens, view("")));
  tp_tokens_free(tokens);
}

/* Each is refused with a message that names the line and says what is wrong. */
static void what_is_not_understood_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"name=a", "Line 1 of FILE: the line does not end"},
      {"# fine\nname=a\n", "Line 2 of FILE: a field is missing; it is 'id'"},
      {"hello\n", "Line 1 of FILE: fields look like name=value"},
      {"name=a name=b\n", "a field is there twice; it is 'name'"},
      {"name=a color=red\n", "there is another one"},
      {"name= id=000000000001\n", "a name has at most"},
      {"name=-a\n", "a name has at most"},
      {"name=a/b\n", "it is 'a/b'"},
      {"name=5f0c9ae1b2d4\n", "does not look like an id"},
      {"name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "a name has at most"},
      {"id=5f0c9ae1b2d\n", "12 hexadecimal digits; it is '5f0c9ae1b2d'"},
      {"id=5f0c9ae1b2dg\n", "12 hexadecimal digits"},
      {"id=000000000000\n", "12 hexadecimal digits"},
      {"rights=write\n", "rights are read-only or read-write; it is 'write'"},
      {"rights=\n", "rights are read-only or read-write; it is ''"},
      {"databases=\n", "databases are names"},
      {"databases=a,\n", "databases are names"},
      {"databases=a,,b\n", "databases are names"},
      {"databases=Orders\n", "it is 'Orders'"},
      {"databases=a/b\n", "it is 'a/b'"},
      {"databases=a**\n", "it is 'a**'"},
      {"databases=-a\n", "it is '-a'"},
      {"databases=:memory:x\n", "it is ':memory:x'"},
      {"databases=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n", "more than 32"},
      {"created=yesterday\n", "a time looks like"},
      {"expires=2027-13-01\n", "a time looks like"},
      {"expires=1969-12-31\n", "a time looks like"},
      {"expires=+010000-01-01\n", "a time looks like"},
      {"expires=\n", "a time looks like"},
      {"sha256=abc\n", "sha256 has 64 hexadecimal digits"},
      {LINE("a", "000000000001") LINE("b", "000000000001"), "Line 2 of FILE: line 1 has the same id."},
      {LINE("a", "000000000001") "\n" LINE("a", "000000000002"), "Line 3 of FILE: line 1 has the same name."},
      {LINE("a", "000000000001") "name=b\n" LINE("c", "000000000002"), "Line 2 of FILE"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tp_tokens *tokens;
    tuplet_error error = {0};
    if (tp_tokens_parse(NULL, "FILE", view(cases[i].text), &tokens, &error) != TUPLET_FORMAT)
      fail_msg("taken: %s", cases[i].text);
    if (strstr(error.message, cases[i].message) == NULL)
      fail_msg("'%s' does not say '%s'", error.message, cases[i].message);
  }
}

static void a_nul_is_refused(void **state) {
  (void)state;
  static const char text[] = "# a\0b\n";
  tp_tokens *tokens;
  assert_int_equal(tp_tokens_parse(NULL, "FILE", (tuplet_bytes){text, sizeof text - 1}, &tokens, NULL),
                   TUPLET_FORMAT);
}

/* Somebody who puts the token where its hash belongs does not find it in the log. */
static void a_message_does_not_repeat_a_token(void **state) {
  (void)state;
  static const char secret[] = "tuplet_5f0c9ae1b2d4_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  static const char *const formats[] = {"%s\n",         "name=%s\n",      "id=%s\n",
                                        "sha256=%s\n",  "databases=%s\n", "rights=%s\n",
                                        "expires=%s\n", "%s=a\n",         "token=%s\n"};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    tp_buffer text;
    tp_buffer_init(&text, NULL);
    const char *place = strstr(formats[i], "%s");
    tp_buffer_append(&text, formats[i], (size_t)(place - formats[i]));
    tp_buffer_append_text(&text, secret);
    tp_buffer_append_text(&text, place + 2);
    tp_tokens *tokens;
    tuplet_error error = {0};
    assert_int_equal(tp_tokens_parse(NULL, "FILE", tp_buffer_view(&text), &tokens, &error), TUPLET_FORMAT);
    assert_null(strstr(error.message, "AAAA"));
    tp_buffer_done(&text);
  }
}

static void there_may_be_ten_thousand(void **state) {
  (void)state;
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  for (unsigned i = 1; i <= TP_TOKENS_MAX; i++)
    tp_buffer_append_format(&text, "name=t%u id=%012x rights=read-only databases=* sha256=" HASH "\n", i,
                            i * 7);
  tp_tokens *tokens;
  assert_int_equal(tp_tokens_parse(NULL, "FILE", tp_buffer_view(&text), &tokens, NULL), TUPLET_OK);
  for (unsigned i = 1; i <= TP_TOKENS_MAX; i++) {
    char name[16];
    uint64_t id = (uint64_t)i * 7;
    (void)snprintf(name, sizeof name, "t%u", i);
    assert_int_equal(tp_tokens_find(tokens, id)->line, i);
    assert_int_equal(tp_tokens_find_name(tokens, name)->line, i);
    assert_null(tp_tokens_find(tokens, id + 1));
  }
  tp_tokens_free(tokens);
  tp_buffer_append_text(&text, LINE("one-more", "ffffffffffff"));
  tuplet_error error;
  assert_int_equal(tp_tokens_parse(NULL, "FILE", tp_buffer_view(&text), &tokens, &error), TUPLET_FORMAT);
  assert_non_null(strstr(error.message, "more than 10000"));
  tp_buffer_done(&text);
}

/* ---- Who is let in ---- */

static tp_tokens *with_one(tp_token *token, char text[TP_TOKEN_TEXT_SIZE]) {
  *token = (tp_token){
      .name = "one", .may_write = true, .databases = view("a,b-*"), .expires_at_ms = TP_TOKEN_NEVER};
  assert_int_equal(tp_token_make(token, text, NULL), TUPLET_OK);
  tp_buffer line;
  tp_buffer_init(&line, NULL);
  tp_buffer_append_text(&line, LINE("before", "000000000001"));
  tp_token_print(token, &line);
  tp_buffer_append_text(&line, LINE("after", "ffffffffffff"));
  tp_tokens *tokens;
  assert_int_equal(tp_tokens_parse(NULL, "FILE", tp_buffer_view(&line), &tokens, NULL), TUPLET_OK);
  tp_buffer_done(&line);
  return tokens;
}

static void a_token_that_was_made_is_known_by_its_line(void **state) {
  (void)state;
  tp_token token;
  char text[TP_TOKEN_TEXT_SIZE];
  tp_tokens *tokens = with_one(&token, text);
  assert_int_equal(strlen(text), TP_TOKEN_TEXT_SIZE - 1);
  assert_memory_equal(text, "tuplet_", 7);
  const tp_token *found = tp_tokens_verify(tokens, view(text));
  assert_non_null(found);
  assert_string_equal(found->name, "one");
  assert_int_equal(found->id, token.id);
  assert_true(found->may_write);
  tp_tokens_free(tokens);
}

static void any_other_text_is_not(void **state) {
  (void)state;
  tp_token token;
  char text[TP_TOKEN_TEXT_SIZE];
  tp_tokens *tokens = with_one(&token, text);
  size_t size = strlen(text);
  for (size_t i = 0; i < size; i++) {
    char kept = text[i];
    for (const char *letter = "Aq_0-9fF"; *letter != '\0'; letter++) {
      if (*letter == kept) continue;
      text[i] = *letter;
      assert_null(tp_tokens_verify(tokens, view(text)));
    }
    text[i] = kept;
    assert_null(tp_tokens_verify(tokens, (tuplet_bytes){text, i}));
  }
  assert_null(tp_tokens_verify(tokens, (tuplet_bytes){text, size + 1}));
  assert_non_null(tp_tokens_verify(tokens, view(text)));
  tp_tokens_free(tokens);
}

static void no_two_tokens_are_the_same(void **state) {
  (void)state;
  tp_token one = {.name = "one"}, other = {.name = "other"};
  char text[TP_TOKEN_TEXT_SIZE], other_text[TP_TOKEN_TEXT_SIZE];
  assert_int_equal(tp_token_make(&one, text, NULL), TUPLET_OK);
  assert_int_equal(tp_token_make(&other, other_text, NULL), TUPLET_OK);
  assert_int_not_equal(one.id, other.id);
  assert_string_not_equal(text + 20, other_text + 20);
}

static void patterns_say_which_databases(void **state) {
  (void)state;
  static const struct {
    const char *databases, *name;
    bool may;
  } cases[] = {
      {"orders", "orders", true},
      {"orders", "orders2", false},
      {"orders", "order", false},
      {"orders", "", false},
      {"*", "", true},
      {"*", "anything", true},
      {"*", ":memory:", true},
      {":memory:", ":memory:", true},
      {":memory:", "default", false},
      {"team-*", "team-", true},
      {"team-*", "team-a", true},
      {"team-*", "team", false},
      {"*-log", "a-log", true},
      {"*-log", "a-logs", false},
      {"a*b*c", "abc", true},
      {"a*b*c", "axxbyybzzc", true},
      {"a*b*c", "axxbyybzz", false},
      {"*a*a*a*a*a*", "aaaa", false},
      {"*a*a*a*a*a*", "xaxaxaxaxax", true},
      {"a,b,c*", "b", true},
      {"a,b,c*", "cd", true},
      {"a,b,c*", "d", false},
      {"a,b", "a,b", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tp_token token = {.databases = view(cases[i].databases)};
    if (tp_token_may_open(&token, view(cases[i].name)) != cases[i].may)
      fail_msg("%s: %s", cases[i].databases, cases[i].name);
  }
}

/* ---- Moments ---- */

static void moments_come_back_in_whole_seconds(void **state) {
  (void)state;
  static const int64_t moments_ms[] = {0, 1795275600000, TP_TOKEN_TIME_MS_MAX};
  for (size_t i = 0; i < sizeof moments_ms / sizeof *moments_ms; i++) {
    char text[TP_TOKEN_TIME_SIZE];
    int64_t read_ms;
    tp_token_time_print(moments_ms[i], text);
    assert_true(tp_token_time_parse(view(text), &read_ms));
    assert_int_equal(read_ms, moments_ms[i]);
  }
  int64_t read_ms;
  assert_true(tp_token_time_parse(view("2027-01-31"), &read_ms));
  assert_int_equal(read_ms, 1801353600000);
}

/* ---- Memory ---- */

static void running_out_of_memory_is_told_and_leaves_nothing(void **state) {
  (void)state;
  static const char text[] = LINE("a", "000000000001") LINE("b", "000000000002");
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_tokens *tokens = NULL;
    tuplet_status status = tp_tokens_parse(&faults.allocator, "FILE", view(text), &tokens, NULL);
    if (!fault_allocator_fired(&faults)) {
      assert_int_equal(status, TUPLET_OK);
      tp_tokens_free(tokens);
      assert_int_equal(faults.live, 0);
      break;
    }
    assert_int_equal(status, TUPLET_NOMEM);
    assert_int_equal(faults.live, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_says_who_may_what),
      cmocka_unit_test(fields_come_in_any_order_and_times_may_be_missing),
      cmocka_unit_test(an_empty_file_has_no_tokens),
      cmocka_unit_test(what_is_not_understood_is_refused),
      cmocka_unit_test(a_nul_is_refused),
      cmocka_unit_test(a_message_does_not_repeat_a_token),
      cmocka_unit_test(there_may_be_ten_thousand),
      cmocka_unit_test(a_token_that_was_made_is_known_by_its_line),
      cmocka_unit_test(any_other_text_is_not),
      cmocka_unit_test(no_two_tokens_are_the_same),
      cmocka_unit_test(patterns_say_which_databases),
      cmocka_unit_test(moments_come_back_in_whole_seconds),
      cmocka_unit_test(running_out_of_memory_is_told_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
