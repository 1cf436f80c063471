/* auth_test.c: who gets in, and who does not. */
#include "server/auth.h"

#include <setjmp.h>
#include <stdarg.h>
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
  tp_session session = {.may_write = true, .expires_at_ms = now_ms + 3600000};
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
  const tp_auth *auth = *state;
  assert_true(tp_auth_access_token_matches(auth, view(access_token)));
  static const char *const wrong[] = {
      "", "a", "an access token", "an access token??", "An access token?", "an access token\x3e"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(tp_auth_access_token_matches(auth, view(wrong[i])));
}

/* ---- Sessions ---- */

static void a_signed_session_comes_back(void **state) {
  const tp_auth *auth = *state;
  for (int may_write = 0; may_write < 2; may_write++) {
    tp_session session = a_session();
    session.may_write = may_write == 1;
    char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
    assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
    tp_session verified;
    assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &verified), TUPLET_OK);
    assert_memory_equal(verified.database_id, session.database_id, sizeof session.database_id);
    assert_int_equal(verified.may_write, session.may_write);
    assert_int_equal(verified.expires_at_ms, session.expires_at_ms);
  }
}

static void a_session_ends_at_its_time(void **state) {
  const tp_auth *auth = *state;
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_session verified;
  assert_int_equal(tp_auth_session_verify(auth, view(token), session.expires_at_ms - 1, &verified),
                   TUPLET_OK);
  assert_int_equal(tp_auth_session_verify(auth, view(token), session.expires_at_ms, &verified),
                   TUPLET_TIMEOUT);
}

/* No character of a token can be changed, and none left out or added. */
static void a_changed_token_is_refused(void **state) {
  const tp_auth *auth = *state;
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
      assert_int_equal(tp_auth_session_verify(auth, view(token), now_ms, &verified), TUPLET_INVALID);
    }
    token[i] = kept;
    assert_int_equal(tp_auth_session_verify(auth, (tuplet_bytes){token, i}, now_ms, &verified),
                     TUPLET_INVALID);
  }
  for (size_t extra = 1; extra <= 200; extra++) {
    char longer[512];
    memcpy(longer, token, size);
    memset(longer + size, 'A', extra);
    assert_int_equal(tp_auth_session_verify(auth, (tuplet_bytes){longer, size + extra}, now_ms, &verified),
                     TUPLET_INVALID);
  }
}

static void the_access_token_is_no_session_token(void **state) {
  tp_session verified;
  assert_int_equal(tp_auth_session_verify(*state, view(access_token), now_ms, &verified), TUPLET_INVALID);
}

static tuplet_status verify_elsewhere(const tp_auth *auth, const char *other_access_token,
                                      const uint8_t *other_secret) {
  tp_session session = a_session();
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_auth *other;
  assert_int_equal(tp_auth_new(NULL, other_access_token, other_secret, &other, NULL), TUPLET_OK);
  tuplet_status status = tp_auth_session_verify(other, view(token), now_ms, &session);
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
