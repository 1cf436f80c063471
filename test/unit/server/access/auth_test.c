/* auth_test.c: who gets in, and who does not. */
#include "server/access/auth.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "01234567890123456789012345678901";
static const char access_token[] = "an access token?";
static const int64_t now_ms = 1700000000000;

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static int setup(void **state) {
  return tp_auth_new(NULL, access_token, secret, (tp_auth **)state, NULL) == TUPLET_OK ? 0 : -1;
}

static int teardown(void **state) {
  tp_auth_free(*state);
  return 0;
}

static tp_session a_session(void) {
  tp_session session = {
      .may_write = true, .expires_at_ms = now_ms + 3600000, .token_id = TP_AUTH_ACCESS_TOKEN_ID};
  for (size_t i = 0; i < sizeof session.database_id; i++) session.database_id[i] = (uint8_t)(i * 17);
  return session;
}

/* ---- The header ---- */

static void a_bearer_header_gives_its_token(void **state) {
  (void)state;
  static const char *const headers[] = {"Bearer token", "bearer token", "BEARER token", "Bearer   token"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    tuplet_bytes token;
    assert_true(tp_auth_bearer(view(headers[i]), &token));
    assert_int_equal(token.size, 5);
    assert_memory_equal(token.data, "token", 5);
  }
}

static void any_other_header_gives_none(void **state) {
  (void)state;
  static const char *const headers[] = {
      "", "Bearer", "Bearer ", "Bearer   ", "Basic token", "token", "Bearertoken", "Bearer two tokens"};
  tuplet_bytes token;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    assert_false(tp_auth_bearer(view(headers[i]), &token));
  assert_false(tp_auth_bearer((tuplet_bytes){NULL, 0}, &token));
}

/* ---- The access token ---- */

static void the_access_token_and_no_other_matches(void **state) {
  tp_auth *auth = *state;
  assert_true(tp_auth_access_token_matches(auth, view(access_token)));
  static const char *const wrong[] = {
      "", "a", "an access token", "an access token??", "An access token?", "an access token\x3e"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(tp_auth_access_token_matches(auth, view(wrong[i])));
}

/* ---- Sessions ---- */

static void a_signed_session_comes_back(void **state) {
  tp_auth *auth = *state;
  for (int may_write = 0; may_write < 2; may_write++) {
    tp_session session = a_session();
    session.may_write = may_write == 1;
    char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
    assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
    tp_session verified;
    assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, NULL, &verified), TUPLET_OK);
    assert_memory_equal(verified.database_id, session.database_id, sizeof session.database_id);
    assert_int_equal(verified.may_write, session.may_write);
    assert_int_equal(verified.expires_at_ms, session.expires_at_ms);
  }
}

static void a_session_ends_at_its_time(void **state) {
  tp_auth *auth = *state;
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session verified;
  assert_int_equal(tp_auth_session_verify(auth, view(token), session.expires_at_ms - 1, NULL, &verified),
                   TUPLET_OK);
  assert_int_equal(tp_auth_session_verify(auth, view(token), session.expires_at_ms, NULL, &verified),
                   TUPLET_TIMEOUT);
}

/* No character of a token can be changed, and none left out or added. */
static void a_changed_token_is_refused(void **state) {
  tp_auth *auth = *state;
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session verified;
  size_t size = strlen(token);
  for (size_t i = 0; i < size; i++) {
    char kept = token[i];
    for (const char *letter = "AQgw_-09="; *letter != '\0'; letter++) {
      if (*letter == kept) continue;
      token[i] = *letter;
      assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, NULL, &verified), TUPLET_INVALID);
    }
    token[i] = kept;
    assert_int_equal(tp_auth_session_verify(auth, (tuplet_bytes){token, i}, now_ms, NULL, &verified),
                     TUPLET_INVALID);
  }
  for (size_t extra = 1; extra <= 200; extra++) {
    char longer[512];
    (void)snprintf(longer, sizeof longer, "%s", token);
    memset(longer + size, 'A', extra);
    assert_int_equal(
        tp_auth_session_verify(auth, (tuplet_bytes){longer, size + extra}, now_ms, NULL, &verified),
        TUPLET_INVALID);
  }
}

static void the_access_token_is_no_session_token(void **state) {
  tp_session verified;
  assert_int_equal(tp_auth_session_verify(*state, view(access_token), now_ms, NULL, &verified),
                   TUPLET_INVALID);
}

static tuplet_status verify_elsewhere(const tp_auth *auth, const char *other_access_token,
                                      const uint8_t *other_secret) {
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_auth *other;
  assert_int_equal(tp_auth_new(NULL, other_access_token, other_secret, &other, NULL), TUPLET_OK);
  tuplet_status status = tp_auth_session_verify(other, view(token), now_ms, NULL, &session);
  tp_auth_free(other);
  return status;
}

static void a_session_outlives_the_server_but_neither_its_secret_nor_the_access_token(void **state) {
  static const uint8_t other_secret[TP_AUTH_SECRET_SIZE] = "another secret";
  assert_int_equal(verify_elsewhere(*state, access_token, secret), TUPLET_OK);
  assert_int_equal(verify_elsewhere(*state, "another access token", secret), TUPLET_INVALID);
  assert_int_equal(verify_elsewhere(*state, access_token, other_secret), TUPLET_INVALID);
}

static void a_session_token_needs_no_quoting_in_a_header(void **state) {
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(*state, &session, token, NULL), TUPLET_OK);
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=";
  assert_int_equal(strspn(token, letters), strlen(token));
}

/* ---- Tokens of a file ---- */

typedef struct issued {
  tp_token token;
  char text[TP_TOKEN_TEXT_SIZE];
} issued;

static issued issue(const char *name, const char *databases, bool may_write, int64_t expires_at_ms) {
  issued made = {
      .token = {.may_write = may_write, .databases = view(databases), .expires_at_ms = expires_at_ms}};
  (void)snprintf(made.token.name, sizeof made.token.name, "%s", name);
  assert_int_equal(tp_token_make(&made.token, made.text, NULL), TUPLET_OK);
  return made;
}

/* Makes the tokens of a list those that count; NULL ends it. */
static void set_tokens(tp_auth *auth, const issued *const *list) {
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tp_tokens *tokens;
  while (*list != NULL) tp_token_print(&(*list++)->token, &text);
  assert_int_equal(tp_tokens_parse(NULL, "a file", tp_buffer_view(&text), &tokens, NULL), TUPLET_OK);
  tp_buffer_done(&text);
  tp_auth_set_tokens(auth, tokens);
}

#define SET_TOKENS(auth, ...) set_tokens(auth, (const issued *const[]){__VA_ARGS__ NULL})

static void each_token_may_what_its_line_says(void **state) {
  tp_auth *auth = *state;
  issued writer = issue("writer", "orders,team-*", true, TP_TOKEN_NEVER);
  issued reader = issue("reader", "*", false, now_ms + 60000);
  SET_TOKENS(auth, &writer, &reader, );
  tp_grant grant;
  assert_int_equal(tp_auth_identify(auth, view(writer.text), now_ms, &grant), TUPLET_OK);
  assert_true(grant.may_write);
  assert_int_equal(grant.token_id, writer.token.id);
  assert_int_equal(grant.expires_at_ms, TP_TOKEN_NEVER);
  assert_true(tp_auth_may_open(auth, grant.token_id, view("team-a")));
  assert_false(tp_auth_may_open(auth, grant.token_id, view("payments")));
  assert_int_equal(tp_auth_identify(auth, view(reader.text), now_ms, &grant), TUPLET_OK);
  assert_false(grant.may_write);
  assert_int_equal(grant.expires_at_ms, now_ms + 60000);
  assert_true(tp_auth_may_open(auth, grant.token_id, view("payments")));
  assert_int_equal(tp_auth_identify(auth, view(reader.text), now_ms + 60000, &grant), TUPLET_TIMEOUT);
  assert_int_equal(tp_auth_identify(auth, view("tuplet_"), now_ms, &grant), TUPLET_INVALID);
}

static void the_access_token_may_everything_beside_them(void **state) {
  tp_auth *auth = *state;
  issued writer = issue("writer", "orders", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &writer, );
  tp_grant grant;
  assert_int_equal(tp_auth_identify(auth, view(access_token), now_ms, &grant), TUPLET_OK);
  assert_int_equal(grant.token_id, TP_AUTH_ACCESS_TOKEN_ID);
  assert_true(grant.may_write);
  assert_true(tp_auth_may_open(auth, grant.token_id, view("payments")));
}

static void without_an_access_token_none_matches_and_its_sessions_are_over(void **state) {
  (void)state;
  tp_auth *auth;
  assert_int_equal(tp_auth_new(NULL, NULL, secret, &auth, NULL), TUPLET_OK);
  tp_grant grant;
  assert_int_equal(tp_auth_identify(auth, view(""), now_ms, &grant), TUPLET_INVALID);
  assert_false(tp_auth_access_token_matches(auth, view("")));
  assert_false(tp_auth_may_open(auth, TP_AUTH_ACCESS_TOKEN_ID, view("default")));
  tp_session session = a_session();
  assert_int_equal(tp_auth_session_check(auth, &session, view("default"), now_ms), TUPLET_CLOSED);
  tp_auth_free(auth);
}

static tp_session session_of(const issued *token) {
  tp_session session = a_session();
  session.token_id = token->token.id;
  return session;
}

static void a_session_keeps_the_token_that_opened_it(void **state) {
  tp_auth *auth = *state;
  issued writer = issue("writer", "orders", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &writer, );
  tp_session session = session_of(&writer), verified;
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, NULL, &verified), TUPLET_OK);
  assert_int_equal(verified.token_id, writer.token.id);
  assert_true(verified.may_write);
}

static void a_session_of_a_revoked_token_is_over(void **state) {
  tp_auth *auth = *state;
  issued writer = issue("writer", "orders", true, TP_TOKEN_NEVER);
  issued other = issue("other", "orders", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &writer, &other, );
  tp_session session = session_of(&writer), kept = session_of(&other), verified;
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  SET_TOKENS(auth, &other, );
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, NULL, &verified), TUPLET_CLOSED);
  assert_int_equal(tp_auth_session_check(auth, &session, view("orders"), now_ms), TUPLET_CLOSED);
  assert_int_equal(tp_auth_session_check(auth, &kept, view("orders"), now_ms), TUPLET_OK);
}

/* ---- What a connection remembers ---- */

static void a_genuine_session_token_is_remembered_and_others_are_not(void **state) {
  tp_auth *auth = *state;
  tp_session session = a_session(), verified;
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX], wrong[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session_memo memo = {0};
  memcpy(wrong, token, sizeof wrong);
  wrong[4] = wrong[4] == 'A' ? 'B' : 'A';
  assert_int_equal(tp_auth_session_verify(auth, view(wrong), now_ms, &memo, &verified), TUPLET_INVALID);
  assert_int_equal(memo.size, 0);

  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_OK);
  assert_int_equal(memo.size, strlen(token));
  assert_memory_equal(memo.text, token, memo.size);
  for (size_t i = 0; i < strlen(token); i++) {
    memcpy(wrong, token, sizeof wrong);
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    assert_int_equal(tp_auth_session_verify(auth, view(wrong), now_ms, &memo, &verified), TUPLET_INVALID);
    assert_int_equal(tp_auth_session_verify(auth, (tuplet_bytes){token, i}, now_ms, &memo, &verified),
                     TUPLET_INVALID);
  }
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_OK);
  assert_memory_equal(verified.database_id, session.database_id, sizeof session.database_id);
  assert_int_equal(verified.expires_at_ms, session.expires_at_ms);
}

static void another_session_takes_the_place_of_the_one_remembered(void **state) {
  tp_auth *auth = *state;
  tp_session sessions[2] = {a_session(), a_session()}, verified;
  sessions[1].may_write = !sessions[0].may_write;
  char tokens[2][TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  tp_session_memo memo = {0};
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(tp_auth_session_sign(auth, &sessions[i], tokens[i], NULL), TUPLET_OK);
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(tp_auth_session_verify(auth, view(tokens[i % 2]), now_ms, &memo, &verified), TUPLET_OK);
    assert_int_equal(verified.may_write, sessions[i % 2].may_write);
  }
}

static void a_remembered_session_ends_at_its_time(void **state) {
  tp_auth *auth = *state;
  tp_session session = a_session(), verified;
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session_memo memo = {0};
  int64_t end_ms = session.expires_at_ms;
  assert_int_equal(tp_auth_session_verify(auth, view(token), end_ms - 1, &memo, &verified), TUPLET_OK);
  assert_int_equal(tp_auth_session_verify(auth, view(token), end_ms, &memo, &verified), TUPLET_TIMEOUT);
}

static void a_remembered_session_has_the_present_rights_of_its_token(void **state) {
  tp_auth *auth = *state;
  issued writer = issue("writer", "orders", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &writer, );
  tp_session session = session_of(&writer), verified;
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session_memo memo = {0};
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_OK);
  assert_true(verified.may_write);

  writer.token.may_write = false;
  SET_TOKENS(auth, &writer, );
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_OK);
  assert_false(verified.may_write);

  writer.token.may_write = true;
  writer.token.expires_at_ms = now_ms;
  SET_TOKENS(auth, &writer, );
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_TIMEOUT);

  tp_auth_set_tokens(auth, NULL);
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_CLOSED);

  writer.token.expires_at_ms = TP_TOKEN_NEVER;
  SET_TOKENS(auth, &writer, );
  assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &memo, &verified), TUPLET_OK);
  assert_true(verified.may_write);
}

static void a_session_loses_what_its_token_may_not_do_any_more(void **state) {
  tp_auth *auth = *state;
  issued token = issue("writer", "orders,payments", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &token, );
  tp_session session = session_of(&token);
  assert_int_equal(tp_auth_session_check(auth, &session, view("orders"), now_ms), TUPLET_OK);
  assert_true(session.may_write);

  token.token.databases = view("payments");
  SET_TOKENS(auth, &token, );
  assert_int_equal(tp_auth_session_check(auth, &session, view("orders"), now_ms), TUPLET_NOT_FOUND);
  assert_int_equal(tp_auth_session_check(auth, &session, (tuplet_bytes){0}, now_ms), TUPLET_OK);

  token.token.may_write = false;
  SET_TOKENS(auth, &token, );
  assert_int_equal(tp_auth_session_check(auth, &session, view("payments"), now_ms), TUPLET_OK);
  assert_false(session.may_write);

  token.token.expires_at_ms = now_ms / 1000 * 1000 + 5000;
  SET_TOKENS(auth, &token, );
  assert_int_equal(tp_auth_session_check(auth, &session, view("payments"), now_ms), TUPLET_OK);
  assert_int_equal(session.expires_at_ms, token.token.expires_at_ms);
  assert_int_equal(tp_auth_session_check(auth, &session, view("payments"), token.token.expires_at_ms),
                   TUPLET_TIMEOUT);
}

static void more_rights_do_not_reach_a_session_that_is_there(void **state) {
  tp_auth *auth = *state;
  issued token = issue("reader", "orders", false, TP_TOKEN_NEVER);
  tp_session session = session_of(&token);
  session.may_write = false;
  token.token.may_write = true;
  SET_TOKENS(auth, &token, );
  assert_int_equal(tp_auth_session_check(auth, &session, view("orders"), now_ms), TUPLET_OK);
  assert_false(session.may_write);
}

/* ---- Tokens that change while they are looked at ---- */

enum { READERS = 3, RELOADS = 300 };

typedef struct shared {
  tp_auth *auth;
  const issued *token;
  atomic_bool done;
  atomic_size_t looked;
} shared;

static void *look(void *context) {
  shared *s = context;
  while (!atomic_load(&s->done)) {
    tp_grant grant;
    tp_session session = session_of(s->token);
    if (tp_auth_identify(s->auth, view(s->token->text), now_ms, &grant) != TUPLET_OK ||
        tp_auth_session_check(s->auth, &session, view("orders"), now_ms) != TUPLET_OK)
      return (void *)s; /* the token is in every set */
    atomic_fetch_add(&s->looked, 1);
  }
  return NULL;
}

static void tokens_can_be_replaced_while_requests_look_at_them(void **state) {
  tp_auth *auth = *state;
  issued token = issue("stays", "orders", true, TP_TOKEN_NEVER);
  issued other = issue("comes-and-goes", "*", true, TP_TOKEN_NEVER);
  SET_TOKENS(auth, &token, );
  shared s = {.auth = auth, .token = &token};
  pthread_t readers[READERS];
  for (size_t i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, look, &s), 0);
  for (size_t i = 0; i < RELOADS || atomic_load(&s.looked) < RELOADS; i++) {
    if (i % 2 == 0)
      SET_TOKENS(auth, &other, &token, );
    else
      SET_TOKENS(auth, &token, );
  }
  atomic_store(&s.done, true);
  for (size_t i = 0; i < READERS; i++) {
    void *failed;
    assert_int_equal(pthread_join(readers[i], &failed), 0);
    assert_null(failed);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_bearer_header_gives_its_token),
      TEST(any_other_header_gives_none),
      TEST(the_access_token_and_no_other_matches),
      TEST(a_signed_session_comes_back),
      TEST(a_session_ends_at_its_time),
      TEST(a_changed_token_is_refused),
      TEST(the_access_token_is_no_session_token),
      TEST(a_session_outlives_the_server_but_neither_its_secret_nor_the_access_token),
      TEST(a_session_token_needs_no_quoting_in_a_header),
      TEST(each_token_may_what_its_line_says),
      TEST(the_access_token_may_everything_beside_them),
      TEST(without_an_access_token_none_matches_and_its_sessions_are_over),
      TEST(a_session_keeps_the_token_that_opened_it),
      TEST(a_session_of_a_revoked_token_is_over),
      TEST(a_genuine_session_token_is_remembered_and_others_are_not),
      TEST(another_session_takes_the_place_of_the_one_remembered),
      TEST(a_remembered_session_ends_at_its_time),
      TEST(a_remembered_session_has_the_present_rights_of_its_token),
      TEST(a_session_loses_what_its_token_may_not_do_any_more),
      TEST(more_rights_do_not_reach_a_session_that_is_there),
      TEST(tokens_can_be_replaced_while_requests_look_at_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
