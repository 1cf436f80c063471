/* out_of_memory_test.c: a server whose memory runs out at any moment answers, refuses or cuts a connection;
 * it does not fall, and it serves on. Every allocation is made to fail once, in starting and in serving. */
#include "server/server.h"

#include "api/open.h"
#include "server/protocol/exchange.h"
#include "support/http_text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char access_token[] = "token-of-the-test";
static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
static const uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE] = "the database's i";
static const tp_log silent = {-1, TP_LOG_ERROR};

/* ---- An allocator that fails once ---- */

typedef struct failing {
  atomic_long until_failure; /* < 0: never */
  atomic_bool fired;
} failing;

static void *failing_reallocate(void *context, void *pointer, size_t new_size) {
  failing *fail = context;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  if (atomic_load(&fail->until_failure) >= 0 && atomic_fetch_sub(&fail->until_failure, 1) == 0) {
    atomic_store(&fail->fired, true);
    return NULL;
  }
  return realloc(pointer, new_size);
}

static failing fail;
static const tuplet_allocator allocator = {failing_reallocate, &fail};

static void arm(long until_failure) {
  atomic_store(&fail.fired, false);
  atomic_store(&fail.until_failure, until_failure);
}

static bool disarm(void) {
  atomic_store(&fail.until_failure, -1);
  return atomic_load(&fail.fired);
}

/* ---- A server ---- */

static tp_engine_stats stats;
static char tokens_file[] = "/tmp/tuplet-tokens-XXXXXX";

static void stop(tp_auth *auth, tp_server *server) {
  tp_server_stop(server);
  tp_auth_free(auth);
  tp_engine_stats_done(&stats);
}

static tuplet_status start(tp_auth **ret_auth, tp_server **ret_server) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.allocator = &allocator;
  static const char *const any_port[] = {"127.0.0.1:0"};
  tp_server_config config = tp_server_config_default();
  config.allocator = &allocator;
  config.log = &silent;
  config.addresses = any_port;
  config.address_count = 1;
  config.worker_count = 1;
  config.metrics_address = any_port[0];
  config.log_requests = true;
  config.tokens_file = tokens_file;
  config.auth_failures_max = 1;
  config.stats = &stats;
  static const char *const nobody[] = {"http://127.0.0.1:9/"};
  config.webhook =
      (tp_webhook_config){.targets = nobody, .target_count = 1, .concurrency = 2, .timeout_ms = 1000};
  memcpy(config.database_id, database_id, sizeof database_id);
  tp_auth *auth = NULL;
  tuplet_status status = tp_engine_stats_init(&stats, &allocator, NULL);
  if (status == TUPLET_OK) status = tp_auth_new(&allocator, access_token, secret, &auth, NULL);
  if (status == TUPLET_OK)
    status = tp_open_store_for_server(":memory:", &options, config.clock, &(tp_open_wants){.stats = &stats},
                                      &config.store, NULL, NULL);
  config.auth = auth;
  if (status == TUPLET_OK) status = tp_server_start(&config, ret_server, NULL);
  if (status == TUPLET_OK)
    *ret_auth = auth;
  else
    stop(auth, NULL);
  return status;
}

static void starting_fails_cleanly_at_every_allocation(void **state) {
  (void)state;
  for (long n = 0;; n++) {
    tp_auth *auth = NULL;
    tp_server *server = NULL;
    arm(n);
    tuplet_status status = start(&auth, &server);
    bool fired = disarm();
    if (status == TUPLET_OK) {
      stop(auth, server);
    } else {
      assert_true(fired);
      assert_true(status < 0);
    }
    if (!fired) break;
  }
}

/* ---- A client that takes whatever comes ---- */

static int connect_client(const tp_server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port_of(tp_server_address(server, 0))),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int client = socket(AF_INET, SOCK_STREAM, 0);
  const struct timeval timeout = {.tv_sec = 20};
  assert_true(client >= 0);
  assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
  return client;
}

/* Sends a request and reads until the server ends the connection, or (watches) for one piece; what its status
 * was, 0 if there was no answer. */
static int try_request(const tp_server *server, const char *headers, const char *target, tuplet_bytes body,
                       bool once) {
  char request[2048];
  char answer[64 * 1024];
  int status = 0;
  int size = snprintf(request, sizeof request,
                      "%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                      target, body.size, headers);
  assert_true(size > 0 && (size_t)size + body.size <= sizeof request);
  if (body.size > 0) memcpy(request + size, body.data, body.size);
  int client = connect_client(server);
  if (send(client, request, (size_t)size + body.size, MSG_NOSIGNAL) > 0) {
    size_t received = 0;
    for (;;) {
      ssize_t more = recv(client, answer + received, sizeof answer - 1 - received, 0);
      if (more <= 0) break;
      received += (size_t)more;
      if (once || received == sizeof answer - 1) break;
    }
    answer[received] = '\0';
    if (received > 0) {
      status = status_of(answer);
      assert_true(status > 0);
    }
  }
  assert_int_equal(close(client), 0);
  return status;
}

static void try_everything(const tp_server *server, const char *session_headers, const char *exchange_headers,
                           int *ret_statuses) {
  /* {ranges: {start: 02 61 00, end: 02 61 00 00, limit: 1}} */
  static const uint8_t read[] = {0x0a, 0x0d, 0x0a, 0x03, 0x02, 0x61, 0x00, 0x12,
                                 0x04, 0x02, 0x61, 0x00, 0x00, 0x18, 0x01};
  /* {mutations: {key: 02 61 00, value: {encoding: VE_BYTES}, mutation_type: M_SET}, enqueues: {payload: FF 0F
   * 5F, backoff_schedule: 1}} */
  static const uint8_t write[] = {0x12, 0x0b, 0x0a, 0x03, 0x02, 0x61, 0x00, 0x12, 0x02, 0x10, 0x03, 0x18,
                                  0x01, 0x1a, 0x08, 0x0a, 0x03, 0xff, 0x0f, 0x5f, 0x22, 0x01, 0x01};
  /* {keys: {key: 02 61 00}} */
  static const uint8_t watch[] = {0x0a, 0x05, 0x0a, 0x03, 0x02, 0x61, 0x00};
  /* {max_in_flight: 2}; {id: "x", success: true} */
  static const uint8_t listen[] = {0x08, 0x02};
  static const uint8_t finish[] = {0x0a, 0x01, 0x78, 0x10, 0x01};
  static const char exchange[] = "{\"supportedVersions\":[3]}";
  ret_statuses[0] = try_request(server, session_headers, "POST /v2/atomic_write",
                                (tuplet_bytes){write, sizeof write}, false);
  ret_statuses[1] = try_request(server, session_headers, "POST /v2/snapshot_read",
                                (tuplet_bytes){read, sizeof read}, false);
  ret_statuses[2] =
      try_request(server, session_headers, "POST /v2/watch", (tuplet_bytes){watch, sizeof watch}, true);
  ret_statuses[3] = try_request(server, exchange_headers,
                                "POST /:memory:", (tuplet_bytes){exchange, sizeof exchange - 1}, false);
  ret_statuses[4] = try_request(server, exchange_headers, "GET /metrics", (tuplet_bytes){0}, false);
  ret_statuses[5] = try_request(server, "", "GET /readyz", (tuplet_bytes){0}, false);
  ret_statuses[6] = try_request(server, session_headers, "POST /v2/queue_listen",
                                (tuplet_bytes){listen, sizeof listen}, true);
  ret_statuses[7] = try_request(server, session_headers, "POST /v2/queue_finish",
                                (tuplet_bytes){finish, sizeof finish}, false);
  if (ret_statuses[7] == 404) ret_statuses[7] = 200; /* as it should be: there is no such message */
}

enum { REQUEST_COUNT = 8 };

static void serving_goes_on_after_every_allocation_that_fails(void **state) {
  (void)state;
  tp_auth *auth = NULL;
  tp_server *server = NULL;
  arm(-1);
  assert_int_equal(start(&auth, &server), TUPLET_OK);

  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  char id[TP_DATABASE_ID_TEXT_SIZE];
  char session_headers[512];
  char exchange_headers[128];
  tp_session session = {.may_write = true, .expires_at_ms = INT64_MAX};
  memcpy(session.database_id, database_id, sizeof database_id);
  assert_int_equal(tp_auth_session_sign(auth, &session, token, NULL), TUPLET_OK);
  tp_database_id_to_text(database_id, id);
  (void)snprintf(session_headers, sizeof session_headers,
                 "Authorization: Bearer %s\r\nx-denokv-version: 3\r\nx-denokv-database-id: %s\r\n", token,
                 id);
  (void)snprintf(exchange_headers, sizeof exchange_headers, "Authorization: Bearer %s\r\n", access_token);

  for (long n = 0;; n++) {
    int statuses[REQUEST_COUNT];
    arm(n);
    try_everything(server, session_headers, exchange_headers, statuses);
    bool fired = disarm();
    for (size_t i = 0; i < REQUEST_COUNT; i++) {
      if (statuses[i] != 0 && statuses[i] != 200 && statuses[i] != 500 && statuses[i] != 503)
        fail_msg("allocation %ld: request %zu was answered with %d", n, i, statuses[i]);
    }
    if (!fired) break;
    try_everything(server, session_headers, exchange_headers, statuses);
    for (size_t i = 0; i < REQUEST_COUNT; i++) {
      if (statuses[i] != 200) fail_msg("after allocation %ld: request %zu got %d", n, i, statuses[i]);
    }
  }
  stop(auth, server);
}

/* Answers to failures that wait have to be let go of, whether there was memory for making them wait or not.
 */
static void failures_are_refused_whatever_allocation_fails(void **state) {
  (void)state;
  static const char wrong[] = "POST / HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer wrong\r\n"
                              "Content-Length: 2\r\n\r\n{}";
  for (long n = 0;; n++) {
    tp_auth *auth = NULL;
    tp_server *server = NULL;
    arm(-1);
    assert_int_equal(start(&auth, &server), TUPLET_OK);
    int status =
        try_request(server, "Authorization: Bearer wrong\r\n", "POST /", (tuplet_bytes){"{}", 2}, false);
    assert_int_equal(status, 401);
    arm(n);
    int client = connect_client(server);
    ssize_t sent =
        send(client, wrong, sizeof wrong - 1, MSG_NOSIGNAL); /* unless the connection is gone already */
    char answer[16] = "";
    /* Comes after a tenth of a second, or not at all. */
    ssize_t size = sent < 0 ? -1 : recv(client, answer, sizeof answer - 1, 0);
    bool fired = disarm();
    if (size > 0) assert_memory_equal(answer, "HTTP/1.1 401", 12);
    assert_true(size > 0 || fired);
    for (int i = 0; i < 3; i++) { /* and who goes away before */
      int leaving = connect_client(server);
      assert_int_equal(send(leaving, wrong, sizeof wrong - 1, MSG_NOSIGNAL), sizeof wrong - 1);
      assert_int_equal(close(leaving), 0);
    }
    assert_int_equal(try_request(server, "", "GET /healthz", (tuplet_bytes){0}, false), 200);
    stop(auth, server);
    assert_int_equal(close(client), 0);
    if (!fired) break;
  }
}

int main(void) {
  int descriptor = mkstemp(tokens_file);
  static const char comment[] = "# nobody\n";
  if (descriptor < 0 || write(descriptor, comment, sizeof comment - 1) < 0 || close(descriptor) != 0)
    return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(starting_fails_cleanly_at_every_allocation),
      cmocka_unit_test(serving_goes_on_after_every_allocation_that_fails),
      cmocka_unit_test(failures_are_refused_whatever_allocation_fails),
  };
  int result = cmocka_run_group_tests(tests, NULL, NULL);
  (void)unlink(tokens_file);
  return result;
}
