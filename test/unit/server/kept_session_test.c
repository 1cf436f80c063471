/* kept_session_test.c: a connection remembers the session token that it saw last. What holds for a session is
 * asked all the same, at each request: by a whole server, over one connection that stays. */
#include "server/server.h"

#include "api/open.h"
#include "base/buffer.h"
#include "support/http_text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
static const uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE] = "the database's i";
static const tp_log silent = {-1, TP_LOG_ERROR};

/* A SnapshotRead of one row, from ["a"] to ["b"]. */
static const char read_message[] = "\x0a\x0c\x0a\x03\x02"
                                   "a\0\x12\x03\x02"
                                   "b\0\x18\x01";

typedef struct fixture {
  tp_auth *auth;
  tp_server *server;
  int client;
  char id[TP_DATABASE_ID_TEXT_SIZE];
} fixture;

static int setup(void **state) {
  fixture *f = *state = calloc(1, sizeof *f);
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  static const char *const any_port[] = {"127.0.0.1:0"};
  tp_server_config config = tp_server_config_default();
  config.log = &silent;
  config.addresses = any_port;
  config.address_count = 1;
  memcpy(config.database_id, database_id, sizeof database_id);
  if (tp_auth_new(NULL, "token-of-the-test", secret, &f->auth, NULL) != TUPLET_OK) return -1;
  config.auth = f->auth;
  if (tp_open_store(":memory:", &options, config.clock, &config.store, NULL, NULL) != TUPLET_OK) return -1;
  if (tp_server_start(&config, &f->server, NULL) != TUPLET_OK) return -1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port_of(tp_server_address(f->server, 0))),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct timeval timeout = {.tv_sec = 20};
  tp_database_id_to_text(database_id, f->id);
  f->client = socket(AF_INET, SOCK_STREAM, 0);
  if (setsockopt(f->client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0) return -1;
  return connect(f->client, (const struct sockaddr *)&address, sizeof address);
}

static int teardown(void **state) {
  fixture *f = *state;
  (void)close(f->client);
  tp_server_stop(f->server);
  tp_auth_free(f->auth);
  free(f);
  return 0;
}

/* The status of a read with that session token, over the one connection. */
static int read_with(const fixture *f, const char *session) {
  char text[2048];
  int size = snprintf(text, sizeof text,
                      "POST /v2/snapshot_read HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n"
                      "Authorization: Bearer %s\r\nx-denokv-version: 3\r\nx-denokv-database-id: %s\r\n\r\n",
                      sizeof read_message - 1, session, f->id);
  memcpy(text + size, read_message, sizeof read_message - 1);
  size_t sent = (size_t)size + sizeof read_message - 1;
  assert_int_equal(send(f->client, text, sent, MSG_NOSIGNAL), sent);

  size_t got = 0;
  const char *end = NULL;
  while (end == NULL) {
    assert_true(got + 1 < sizeof text);
    assert_int_equal(recv(f->client, text + got, 1, 0), 1);
    text[++got] = '\0';
    end = strstr(text, "\r\n\r\n");
  }
  const char *length = strstr(text, "content-length: ");
  assert_non_null(length);
  size_t left = strtoul(length + strlen("content-length: "), NULL, 10);
  int status = status_of(text);
  for (char byte; left > 0; left--) assert_int_equal(recv(f->client, &byte, 1, 0), 1);
  return status;
}

static void sign(const fixture *f, uint64_t token_id, int64_t expires_at_ms,
                 char ret_text[TP_AUTH_SESSION_TOKEN_SIZE_MAX]) {
  tp_session session = {.may_write = true, .expires_at_ms = expires_at_ms, .token_id = token_id};
  memcpy(session.database_id, database_id, sizeof database_id);
  assert_int_equal(tp_auth_session_sign(f->auth, &session, ret_text, NULL), TUPLET_OK);
}

/* The only token of the file; NULL: none. */
static void set_token(const fixture *f, const tp_token *token) {
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tp_tokens *tokens;
  if (token != NULL) tp_token_print(token, &text);
  assert_int_equal(tp_tokens_parse(NULL, "a file", tp_buffer_view(&text), &tokens, NULL), TUPLET_OK);
  tp_buffer_done(&text);
  tp_auth_set_tokens(f->auth, tokens);
}

static tp_token make_token(const char *databases) {
  tp_token token = {
      .databases = {databases, strlen(databases)}, .expires_at_ms = TP_TOKEN_NEVER, .name = "one"};
  char text[TP_TOKEN_TEXT_SIZE];
  assert_int_equal(tp_token_make(&token, text, NULL), TUPLET_OK);
  return token;
}

static void a_token_that_is_revoked_is_refused_at_the_next_request(void **state) {
  const fixture *f = *state;
  tp_token token = make_token("*");
  char session[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  set_token(f, &token);
  sign(f, token.id, INT64_MAX, session);
  for (int i = 0; i < 3; i++) assert_int_equal(read_with(f, session), 200);
  set_token(f, NULL);
  for (int i = 0; i < 3; i++) assert_int_equal(read_with(f, session), 401);
  set_token(f, &token);
  assert_int_equal(read_with(f, session), 200);
}

static void a_token_that_may_not_open_the_database_any_more_is_refused_at_the_next_request(void **state) {
  const fixture *f = *state;
  tp_token token = make_token("*");
  char session[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  set_token(f, &token);
  sign(f, token.id, INT64_MAX, session);
  assert_int_equal(read_with(f, session), 200);
  token.databases = (tuplet_bytes){"orders", 6};
  set_token(f, &token);
  assert_int_equal(read_with(f, session), 403);
}

static void a_session_is_refused_when_its_time_has_passed(void **state) {
  const fixture *f = *state;
  const tp_clock clock = tp_clock_system();
  char session[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  int64_t end_ms = tp_clock_unix_ms(&clock) + 300;
  sign(f, TP_AUTH_ACCESS_TOKEN_ID, end_ms, session);
  int status = 200;
  while (status == 200) {
    int64_t asked_ms = tp_clock_unix_ms(&clock);
    status = read_with(f, session);
    assert_true(status == 401 || asked_ms < end_ms);
  }
  assert_int_equal(status, 401);
  assert_true(tp_clock_unix_ms(&clock) >= end_ms);
}

static void sessions_and_forgeries_of_them_are_told_apart_on_one_connection(void **state) {
  const fixture *f = *state;
  char sessions[2][TP_AUTH_SESSION_TOKEN_SIZE_MAX], forged[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  sign(f, TP_AUTH_ACCESS_TOKEN_ID, INT64_MAX, sessions[0]);
  sign(f, TP_AUTH_ACCESS_TOKEN_ID, INT64_MAX - 1, sessions[1]);
  memcpy(forged, sessions[0], sizeof forged);
  size_t last = strlen(forged) - 1;
  forged[last - 1] = forged[last - 1] == 'A' ? 'B' : 'A';
  for (int i = 0; i < 2; i++) { /* few, since who fails often is answered late */
    assert_int_equal(read_with(f, sessions[0]), 200);
    assert_int_equal(read_with(f, forged), 401);
    assert_int_equal(read_with(f, sessions[1]), 200);
    assert_int_equal(read_with(f, sessions[0]), 200);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_token_that_is_revoked_is_refused_at_the_next_request),
      TEST(a_token_that_may_not_open_the_database_any_more_is_refused_at_the_next_request),
      TEST(a_session_is_refused_when_its_time_has_passed),
      TEST(sessions_and_forgeries_of_them_are_told_apart_on_one_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
