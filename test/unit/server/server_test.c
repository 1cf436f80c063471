/* server_test.c: a whole server on a port of its own, spoken to through sockets: what clients see, and what
 * happens when they go away at the wrong moment. Here so that the sanitizers see all of it at work; what real
 * clients make of it is tested with real clients. */
#include "server/server.h"

#include "api/open.h"
#include "base/buffer.h"
#include "datapath.pb-c.h"
#include "server/protocol/exchange.h"
#include "support/http_text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char access_token[] = "token-of-the-test";
static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
static const uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE] = "the database's i";
static const tp_log silent = {-1, TP_LOG_ERROR};

typedef struct fixture {
  tp_auth *auth;
  tp_server *server;
  struct sockaddr_in address;
  char session[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  char id[TP_DATABASE_ID_TEXT_SIZE];
} fixture;

static int start(fixture *f, bool read_only) {
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  static const char *const any_port[] = {"127.0.0.1:0"};
  tp_server_config config = tp_server_config_default();
  config.log = &silent;
  config.addresses = any_port;
  config.address_count = 1;
  config.worker_count = 2;
  config.read_only = read_only;
  memcpy(config.database_id, database_id, sizeof database_id);
  if (tp_auth_new(NULL, access_token, secret, &f->auth, NULL) != TUPLET_OK) return -1;
  config.auth = f->auth;
  if (tp_open_store(":memory:", &options, config.clock, &config.store, NULL, NULL) != TUPLET_OK) return -1;
  if (tp_server_start(&config, &f->server, NULL) != TUPLET_OK) return -1;
  f->address.sin_family = AF_INET;
  f->address.sin_port = htons(port_of(tp_server_address(f->server, 0)));
  f->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tp_database_id_to_text(database_id, f->id);
  tp_session session = {.may_write = !read_only, .expires_at_ms = INT64_MAX};
  memcpy(session.database_id, database_id, sizeof database_id);
  return tp_auth_session_sign(f->auth, &session, f->session, NULL) == TUPLET_OK ? 0 : -1;
}

static int setup(void **state) {
  *state = calloc(1, sizeof(fixture));
  return *state == NULL ? -1 : start(*state, false);
}

static int setup_read_only(void **state) {
  *state = calloc(1, sizeof(fixture));
  return *state == NULL ? -1 : start(*state, true);
}

static int teardown(void **state) {
  fixture *f = *state;
  tp_server_stop(f->server);
  tp_auth_free(f->auth);
  free(f);
  return 0;
}

/* ---- HTTP/1.1 by hand ---- */

static int connect_client(const fixture *f) {
  int client = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(client >= 0);
  const struct timeval timeout = {.tv_sec = 20};
  assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  assert_int_equal(connect(client, (const struct sockaddr *)&f->address, sizeof f->address), 0);
  return client;
}

static void send_all(int client, tuplet_bytes bytes) {
  const char *data = bytes.data;
  for (size_t sent = 0; sent < bytes.size;) {
    ssize_t size = send(client, data + sent, bytes.size - sent, MSG_NOSIGNAL);
    assert_true(size > 0);
    sent += (size_t)size;
  }
}

/* headers: whole lines. */
static void send_request(int client, const char *method, const char *path, const char *headers,
                         tuplet_bytes body) {
  tp_buffer request;
  tp_buffer_init(&request, NULL);
  tp_buffer_append_format(&request, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n%s\r\n", method,
                          path, body.size, headers);
  if (body.size > 0) tp_buffer_append(&request, body.data, body.size);
  assert_false(request.failed);
  send_all(client, tp_buffer_view(&request));
  tp_buffer_done(&request);
}

typedef struct http_response {
  int status;
  char head[2048];
  tp_buffer body;
} http_response;

static void read_bytes(int client, void *data, size_t size) {
  ssize_t received = recv(client, data, size, MSG_WAITALL);
  assert_int_equal(received, size);
}

static void read_line(int client, char *line, size_t size_max) {
  size_t size = 0;
  do {
    assert_true(size + 1 < size_max);
    read_bytes(client, line + size, 1);
  } while (line[size++] != '\n');
  line[size] = '\0';
}

static void read_head(int client, http_response *response) {
  size_t size = 0;
  response->head[0] = '\0';
  for (;;) {
    read_line(client, response->head + size, sizeof response->head - size);
    if (strcmp(response->head + size, "\r\n") == 0) break;
    size += strlen(response->head + size);
  }
  response->status = status_of(response->head);
  assert_true(response->status > 0);
}

/* One piece of a chunked body, appended; false at the end. */
static bool read_chunk(int client, http_response *response) {
  char line[64];
  read_line(client, line, sizeof line);
  size_t size = strtoul(line, NULL, 16);
  uint8_t *data = tp_buffer_reserve(&response->body, size + 2);
  assert_non_null(data);
  read_bytes(client, data, size + 2);
  response->body.size += size;
  return size > 0;
}

static http_response read_response(int client) {
  http_response response = {0};
  tp_buffer_init(&response.body, NULL);
  read_head(client, &response);
  const char *length = strstr(response.head, "content-length: ");
  if (length != NULL) {
    size_t size = strtoul(length + strlen("content-length: "), NULL, 10);
    uint8_t *data = tp_buffer_reserve(&response.body, size + 1);
    assert_non_null(data);
    if (size > 0) read_bytes(client, data, size);
    response.body.size = size;
  } else {
    while (read_chunk(client, &response)) continue;
  }
  return response;
}

static http_response call(const fixture *f, const char *method, const char *path, const char *headers,
                          tuplet_bytes body) {
  int client = connect_client(f);
  send_request(client, method, path, headers, body);
  http_response response = read_response(client);
  assert_int_equal(close(client), 0);
  return response;
}

static void expect(const fixture *f, const char *method, const char *path, const char *headers,
                   tuplet_bytes body, int status, const char *text) {
  http_response response = call(f, method, path, headers, body);
  assert_int_equal(response.status, status);
  tp_buffer_append_byte(&response.body, '\0');
  assert_non_null(response.body.data);
  if (strstr((const char *)response.body.data, text) == NULL)
    fail_msg("'%s' does not say '%s'", (const char *)response.body.data, text);
  tp_buffer_done(&response.body);
}

/* ---- The data path ---- */

static const char *session_headers(const fixture *f, char text[512]) {
  (void)snprintf(text, 512, "Authorization: Bearer %s\r\nx-denokv-version: 3\r\nx-denokv-database-id: %s\r\n",
                 f->session, f->id);
  return text;
}

static http_response call_data(const fixture *f, const char *path, const void *message) {
  char headers[512];
  tp_buffer body;
  tp_buffer_init(&body, NULL);
  uint8_t *data = tp_buffer_reserve(&body, protobuf_c_message_get_packed_size(message) + 1);
  assert_non_null(data);
  body.size = protobuf_c_message_pack(message, data);
  http_response response = call(f, "POST", path, session_headers(f, headers), tp_buffer_view(&body));
  tp_buffer_done(&body);
  return response;
}

static ProtobufCBinaryData key_of(const char *text) {
  return (ProtobufCBinaryData){strlen(text) + 1, (uint8_t *)(uintptr_t)text};
}

/* Keys here are texts that begin with the tag of a string; their NUL ends that part. */
#define KEY(name) key_of("\x02" name)

/* An AtomicWrite of one set; what it was answered. */
static Com__Deno__Kv__Datapath__AtomicWriteOutput *set(const fixture *f, ProtobufCBinaryData key,
                                                       size_t size) {
  uint8_t *bytes = calloc(1, size + 1);
  assert_non_null(bytes);
  Com__Deno__Kv__Datapath__KvValue value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.data = (ProtobufCBinaryData){size, bytes};
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_BYTES;
  Com__Deno__Kv__Datapath__Mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.key = key;
  mutation.value = &value;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
  Com__Deno__Kv__Datapath__Mutation *mutations[] = {&mutation};
  Com__Deno__Kv__Datapath__AtomicWrite write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.mutations = mutations;
  write.n_mutations = 1;
  http_response response = call_data(f, "/v2/atomic_write", &write);
  free(bytes);
  assert_int_equal(response.status, 200);
  Com__Deno__Kv__Datapath__AtomicWriteOutput *output =
      com__deno__kv__datapath__atomic_write_output__unpack(NULL, response.body.size, response.body.data);
  assert_non_null(output);
  tp_buffer_done(&response.body);
  return output;
}

static void set_and_check(const fixture *f, ProtobufCBinaryData key, size_t size) {
  Com__Deno__Kv__Datapath__AtomicWriteOutput *output = set(f, key, size);
  assert_int_equal(output->status, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_SUCCESS);
  assert_int_equal(output->versionstamp.len, 10);
  com__deno__kv__datapath__atomic_write_output__free_unpacked(output, NULL);
}

static Com__Deno__Kv__Datapath__SnapshotRead *read_of_everything(void) {
  static Com__Deno__Kv__Datapath__ReadRange range;
  static Com__Deno__Kv__Datapath__ReadRange *ranges[] = {&range};
  static Com__Deno__Kv__Datapath__SnapshotRead read;
  com__deno__kv__datapath__read_range__init(&range);
  range.start = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "\x01"};
  range.end = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "\xff"};
  range.limit = 100;
  com__deno__kv__datapath__snapshot_read__init(&read);
  read.ranges = ranges;
  read.n_ranges = 1;
  return &read;
}

static Com__Deno__Kv__Datapath__SnapshotReadOutput *read_everything(const fixture *f) {
  http_response response = call_data(f, "/v2/snapshot_read", read_of_everything());
  assert_int_equal(response.status, 200);
  Com__Deno__Kv__Datapath__SnapshotReadOutput *output =
      com__deno__kv__datapath__snapshot_read_output__unpack(NULL, response.body.size, response.body.data);
  assert_non_null(output);
  assert_int_equal(output->n_ranges, 1);
  tp_buffer_done(&response.body);
  return output;
}

static void what_was_written_is_read(void **state) {
  const fixture *f = *state;
  set_and_check(f, KEY("a"), 5);
  set_and_check(f, KEY("b"), 0);
  Com__Deno__Kv__Datapath__SnapshotReadOutput *output = read_everything(f);
  assert_int_equal(output->ranges[0]->n_values, 2);
  assert_int_equal(output->ranges[0]->values[0]->value.len, 5);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(output, NULL);
}

/* Large enough to go out piece by piece. */
static void fill(const fixture *f) {
  static const char *const keys[] = {"\x02"
                                     "0",
                                     "\x02"
                                     "1",
                                     "\x02"
                                     "2",
                                     "\x02"
                                     "3",
                                     "\x02"
                                     "4",
                                     "\x02"
                                     "5",
                                     "\x02"
                                     "6",
                                     "\x02"
                                     "7",
                                     "\x02"
                                     "8",
                                     "\x02"
                                     "9",
                                     "\x02"
                                     "A",
                                     "\x02"
                                     "B",
                                     "\x02"
                                     "C",
                                     "\x02"
                                     "D"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) set_and_check(f, key_of(keys[i]), 65536);
}

static void a_large_answer_arrives_whole(void **state) {
  const fixture *f = *state;
  fill(f);
  Com__Deno__Kv__Datapath__SnapshotReadOutput *output = read_everything(f);
  assert_int_equal(output->ranges[0]->n_values, 14);
  for (size_t i = 0; i < 14; i++) assert_int_equal(output->ranges[0]->values[i]->value.len, 65536);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(output, NULL);
}

static void who_goes_away_during_a_large_answer_leaves_nothing_behind(void **state) {
  const fixture *f = *state;
  fill(f);
  char headers[512];
  uint8_t body[64];
  size_t size = protobuf_c_message_pack((const ProtobufCMessage *)read_of_everything(), body);
  for (int i = 0; i < 8; i++) {
    int client = connect_client(f);
    send_request(client, "POST", "/v2/snapshot_read", session_headers(f, headers),
                 (tuplet_bytes){body, size});
    if (i % 2 == 0) {
      http_response response = {0};
      read_head(client, &response);
    }
    assert_int_equal(close(client), 0);
  }
}

static void a_session_without_the_right_to_write_cannot(void **state) {
  const fixture *f = *state;
  Com__Deno__Kv__Datapath__AtomicWriteOutput *output = set(f, KEY("a"), 1);
  assert_int_equal(output->status, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_WRITE_DISABLED);
  com__deno__kv__datapath__atomic_write_output__free_unpacked(output, NULL);
}

/* ---- Who gets in ---- */

static void each_mistake_has_its_answer(void **state) {
  const fixture *f = *state;
  const tuplet_bytes none = {0}, body = {"?", 1};
  char good[512];
  char headers[768];
  (void)session_headers(f, good);
  expect(f, "GET", "/", "", none, 200, "Deno.openKv");
  expect(f, "GET", "/x", "", none, 404, "nothing at this path");
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", access_token);
  for (int i = 0; i < 3; i++) /* these answer later than the head, with a body or not */
    expect(f, "GET", (const char *[]){"/healthz", "/readyz", "/metrics"}[i], headers, body, 200, "");
  expect(f, "POST", "/a/b", "", none, 404, "nothing at this path");
  expect(f, "POST", "/x", "", none, 401, "Malformed authorization header.");
  expect(f, "POST", "/x", "Authorization: Bearer token-of-the-test\r\n", none, 404, "no database");
  expect(f, "DELETE", "/", "", none, 405, "not allowed");
  expect(f, "GET", "/v2/watch", good, none, 405, "not allowed");
  expect(f, "POST", "/", "Authorization: Bearer wrong-token-of-the-test\r\n", none, 401,
         "Invalid access token.");
  expect(f, "POST", "/v2/snapshot_read", "", none, 401, "Malformed authorization header.");
  expect(f, "POST", "/v2/snapshot_read", "Authorization: Bearer x\r\n", none, 401, "Invalid session token.");
  expect(f, "POST", "/v2/snapshot_read", good, (tuplet_bytes){"\xff", 1}, 400, "not a valid SnapshotRead");
  expect(f, "POST", "/v2/atomic_write", good, (tuplet_bytes){"\xff", 1}, 400, "not a valid AtomicWrite");
  expect(f, "POST", "/v2/watch", good, (tuplet_bytes){"\xff", 1}, 400, "not a valid Watch");

  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", f->session);
  expect(f, "POST", "/v2/snapshot_read", headers, none, 400, "x-denokv-version is missing");
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nx-denokv-version: 4\r\n", f->session);
  expect(f, "POST", "/v2/snapshot_read", headers, none, 400, "must be 2 or 3");
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nx-denokv-version: 2\r\n", f->session);
  expect(f, "POST", "/v2/snapshot_read", headers, none, 400, "Invalid database id");
  (void)snprintf(headers, sizeof headers,
                 "Authorization: Bearer %s\r\nx-denokv-version: 2\r\n"
                 "x-denokv-database-id: 00000000-0000-4000-8000-000000000000\r\n",
                 f->session);
  expect(f, "POST", "/v2/snapshot_read", headers, none, 400, "for another database");
}

static void the_exchange_speaks_the_versions_it_should(void **state) {
  const fixture *f = *state;
  static const struct {
    const char *body;
    int status;
    const char *text;
  } cases[] = {
      {"{\"supportedVersions\":[1,2,3]}", 200, "\"version\":3,"},
      {"{\"supportedVersions\":[2]}", 200, "\"url\":\"/v2\""},
      {"", 200, "\"url\":\"http://test/v2\""},
      {"{\"supportedVersions\":[4]}", 400, "versions 1 to 3"},
      {"{\"supportedVersions\":3}", 400, "must look like"},
      {"[]", 400, "must look like"},
      {"{", 400, "not valid JSON"},
  };
  char headers[128];
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", access_token);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tuplet_bytes body = {cases[i].body, strlen(cases[i].body)};
    expect(f, "POST", "/", headers, body, cases[i].status, cases[i].text);
  }
  char *large = calloc(1, 20000);
  assert_non_null(large);
  memset(large, ' ', 20000);
  expect(f, "POST", "/", headers, (tuplet_bytes){large, 20000}, 400, "it may have 16384");
  free(large);
}

/* ---- Watches ---- */

static int start_watch(const fixture *f) {
  char headers[512];
  uint8_t body[64];
  Com__Deno__Kv__Datapath__WatchKey key = COM__DENO__KV__DATAPATH__WATCH_KEY__INIT;
  key.key = KEY("watched");
  Com__Deno__Kv__Datapath__WatchKey *keys[] = {&key};
  Com__Deno__Kv__Datapath__Watch watch = COM__DENO__KV__DATAPATH__WATCH__INIT;
  watch.keys = keys;
  watch.n_keys = 1;
  size_t size = com__deno__kv__datapath__watch__pack(&watch, body);
  int client = connect_client(f);
  send_request(client, "POST", "/v2/watch", session_headers(f, headers), (tuplet_bytes){body, size});
  return client;
}

/* The next message of a watch that is no keep-alive. */
static Com__Deno__Kv__Datapath__WatchOutput *next_output(int client, http_response *response) {
  for (;;) {
    while (response->body.size >= 4) {
      const uint8_t *bytes = response->body.data;
      size_t size = bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
      if (response->body.size < 4 + size) break;
      Com__Deno__Kv__Datapath__WatchOutput *output =
          size == 0 ? NULL : com__deno__kv__datapath__watch_output__unpack(NULL, size, bytes + 4);
      tp_buffer_consume(&response->body, 4 + size);
      if (output != NULL) return output;
    }
    assert_true(read_chunk(client, response));
  }
}

static void a_watch_shows_the_present_and_what_comes_and_ends_with_the_server(void **state) {
  fixture *f = *state;
  int client = start_watch(f);
  http_response response = {0};
  tp_buffer_init(&response.body, NULL);
  read_head(client, &response);
  assert_int_equal(response.status, 200);
  assert_non_null(strstr(response.head, "content-type: application/octet-stream\r\n"));
  Com__Deno__Kv__Datapath__WatchOutput *output = next_output(client, &response);
  assert_int_equal(output->n_keys, 1);
  assert_true(output->keys[0]->changed);
  assert_null(output->keys[0]->entry_if_changed);
  com__deno__kv__datapath__watch_output__free_unpacked(output, NULL);

  for (size_t i = 1; i <= 3; i++) {
    set_and_check(f, KEY("watched"), i);
    output = next_output(client, &response);
    assert_int_equal(output->keys[0]->entry_if_changed->value.len, i);
    com__deno__kv__datapath__watch_output__free_unpacked(output, NULL);
  }
  tp_server_stop(f->server);
  f->server = NULL;
  while (read_chunk(client, &response)) continue;
  assert_int_equal(close(client), 0);
  tp_buffer_done(&response.body);
}

static void watches_may_go_away_at_any_time(void **state) {
  const fixture *f = *state;
  enum { COUNT = 16 };
  int clients[COUNT];
  for (int i = 0; i < COUNT; i++) {
    clients[i] = start_watch(f);
    if (i % 3 == 0) {
      http_response response = {0};
      read_head(clients[i], &response);
    }
    if (i % 4 == 0) set_and_check(f, KEY("watched"), (size_t)i);
    if (i % 2 == 0) assert_int_equal(close(clients[i]), 0);
  }
  set_and_check(f, KEY("watched"), 99);
  for (int i = 1; i < COUNT; i += 2) assert_int_equal(close(clients[i]), 0);
}

static void a_watch_ends_with_its_session(void **state) {
  fixture *f = *state;
  fixture brief = *f;
  const tp_clock clock = tp_clock_system();
  tp_session session = {.may_write = false, .expires_at_ms = tp_clock_unix_ms(&clock) + 1000};
  memcpy(session.database_id, database_id, sizeof database_id);
  assert_int_equal(tp_auth_session_sign(f->auth, &session, brief.session, NULL), TUPLET_OK);
  int client = start_watch(&brief);
  http_response response = {0};
  tp_buffer_init(&response.body, NULL);
  read_head(client, &response);
  assert_int_equal(response.status, 200);
  Com__Deno__Kv__Datapath__WatchOutput *output = next_output(client, &response);
  com__deno__kv__datapath__watch_output__free_unpacked(output, NULL);
  while (read_chunk(client, &response)) continue; /* the last one is there: it ends, and is not cut */
  assert_true(tp_clock_unix_ms(&clock) >= session.expires_at_ms);
  assert_int_equal(close(client), 0);
  tp_buffer_done(&response.body);
}

static void a_watch_of_nothing_is_over_at_once(void **state) {
  const fixture *f = *state;
  Com__Deno__Kv__Datapath__Watch watch = COM__DENO__KV__DATAPATH__WATCH__INIT;
  http_response response = call_data(f, "/v2/watch", &watch);
  assert_int_equal(response.status, 200);
  assert_int_equal(response.body.size, 0);
  tp_buffer_done(&response.body);
}

/* Streams end on their loop, a moment after their clients have. */
static void wait_for_no_answers_held(const fixture *f) {
  const struct timespec moment = {.tv_nsec = 1000000};
  for (int i = 0; i < 20000 && tp_server_memory(f->server) > 0; i++) (void)nanosleep(&moment, NULL);
  assert_int_equal(tp_server_memory(f->server), 0);
}

/* Reads what has come, at most so much. */
static void skim(int client, size_t size_max) {
  static char bytes[65536];
  for (size_t size = 0; size < size_max;) {
    ssize_t received = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (received <= 0) return;
    size += (size_t)received;
  }
}

/* Clients that are slow, but not always: messages wait for them, and the news that one was taken comes at the
 * same time as a change. */
static void what_watches_were_sent_is_not_held_against_them_for_ever(void **state) {
  const fixture *f = *state;
  enum { CLIENT_COUNT = 8, WRITE_COUNT = 400, STALL_EVERY = 50, STALL = 45 };
  int clients[CLIENT_COUNT];
  for (int i = 0; i < CLIENT_COUNT; i++) clients[i] = start_watch(f);
  for (size_t i = 0; i < WRITE_COUNT; i++) {
    set_and_check(f, KEY("watched"), 65000 + i);
    if (i % STALL_EVERY < STALL) continue;
    for (int j = 0; j < CLIENT_COUNT; j++) skim(clients[j], (size_t)1 << 20);
  }
  for (int i = 0; i < CLIENT_COUNT; i++) assert_int_equal(close(clients[i]), 0);
  wait_for_no_answers_held(f);
}

/* ---- Databases in memory ---- */

static void a_database_in_memory_is_apart_and_private(void **state) {
  fixture *f = *state;
  char headers[128];
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", access_token);
  http_response response =
      call(f, "POST", "/:memory:", headers, (tuplet_bytes){"{\"supportedVersions\":[3]}", 25});
  assert_int_equal(response.status, 200);
  tp_buffer_append_byte(&response.body, '\0');
  fixture memory = *f;
  const char *id = strstr((const char *)response.body.data, "\"databaseId\":\"");
  const char *token = strstr((const char *)response.body.data, "\"token\":\"");
  assert_true(id != NULL && token != NULL);
  assert_int_equal(sscanf(id, "\"databaseId\":\"%36[0-9a-f-]", memory.id), 1);
  assert_int_equal(sscanf(token, "\"token\":\"%95[^\"]", memory.session), 1);
  tp_buffer_done(&response.body);

  set_and_check(&memory, KEY("a"), 1);
  Com__Deno__Kv__Datapath__SnapshotReadOutput *output = read_everything(f);
  assert_int_equal(output->ranges[0]->n_values, 0);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(output, NULL);
  output = read_everything(&memory);
  assert_int_equal(output->ranges[0]->n_values, 1);
  com__deno__kv__datapath__snapshot_read_output__free_unpacked(output, NULL);

  /* It goes with the server, watched or not, and whatever is under way. */
  int watcher = start_watch(&memory);
  response.head[0] = '\0';
  read_head(watcher, &response);
  tp_server_stop(f->server);
  f->server = NULL;
  assert_int_equal(close(watcher), 0);
}

/* The id that an exchange over `client` names. */
static void exchange_memory(int client, const char *client_headers, char ret_id[TP_DATABASE_ID_TEXT_SIZE]) {
  char headers[256];
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n%s", access_token, client_headers);
  send_request(client, "POST", "/:memory:", headers, (tuplet_bytes){"{\"supportedVersions\":[3]}", 25});
  http_response response = read_response(client);
  assert_int_equal(response.status, 200);
  tp_buffer_append_byte(&response.body, '\0');
  const char *id = strstr((const char *)response.body.data, "\"databaseId\":\"");
  assert_non_null(id);
  assert_int_equal(sscanf(id, "\"databaseId\":\"%36[0-9a-f-]", ret_id), 1);
  tp_buffer_done(&response.body);
}

/* Deno's client has a connection for each database, and repeats its exchange there; fetch() shares
 * connections. */
static void only_denos_own_client_gets_its_database_in_memory_again(void **state) {
  const fixture *f = *state;
  static const struct {
    const char *headers;
    bool same;
  } clients[] = {
      {"User-Agent: Deno/2.9.6\r\n", true},
      {"User-Agent: Deno/2.9.6\r\nAccept-Language: *\r\n", false},
      {"User-Agent: Deno/2.9.6\r\nVia: 1.1 proxy\r\n", false},
      {"User-Agent: Deno/2.9.6\r\nForwarded: for=192.0.2.1\r\n", false},
      {"User-Agent: Deno/2.9.6\r\nX-Forwarded-For: 192.0.2.1\r\n", false},
      {"User-Agent: node\r\nAccept-Language: *\r\n", false},
      {"", false},
  };
  for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
    char ids[3][TP_DATABASE_ID_TEXT_SIZE];
    int client = connect_client(f);
    int other = connect_client(f);
    exchange_memory(client, clients[i].headers, ids[0]);
    exchange_memory(other, clients[i].headers, ids[1]);
    exchange_memory(client, clients[i].headers, ids[2]);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(other), 0);
    assert_string_not_equal(ids[0], ids[1]);
    if (clients[i].same)
      assert_string_equal(ids[0], ids[2]);
    else
      assert_string_not_equal(ids[0], ids[2]);
  }
}

/* ---- The end ---- */

static void writes_whose_clients_do_not_wait_are_completed(void **state) {
  fixture *f = *state;
  char headers[512];
  /* AtomicWrite {mutations: {key: 02 61 00, value: {encoding: VE_BYTES}, mutation_type: M_SET}} */
  static const uint8_t body[] = {0x12, 0x0b, 0x0a, 0x03, 0x02, 0x61, 0x00,
                                 0x12, 0x02, 0x10, 0x03, 0x18, 0x01};
  for (int i = 0; i < 20; i++) {
    int client = connect_client(f);
    send_request(client, "POST", "/v2/atomic_write", session_headers(f, headers),
                 (tuplet_bytes){body, sizeof body});
    assert_int_equal(close(client), 0);
  }
  tp_server_stop(f->server);
  f->server = NULL;
}

static void an_address_that_cannot_be_had_is_an_error(void **state) {
  const fixture *f = *state;
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  const char *const addresses[] = {tp_server_address(f->server, 0), "nonsense", "127.0.0.1:99999",
                                   "192.0.2.1:0"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    tp_server_config config = tp_server_config_default();
    config.log = &silent;
    config.auth = f->auth;
    config.addresses = &addresses[i];
    config.address_count = 1;
    tp_server *server;
    tuplet_error error = {0};
    assert_int_equal(tp_open_store(":memory:", &options, config.clock, &config.store, NULL, NULL), TUPLET_OK);
    assert_true(tp_server_start(&config, &server, &error) < 0);
    assert_true(error.message[0] != '\0');
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_was_written_is_read),
      TEST(a_large_answer_arrives_whole),
      TEST(who_goes_away_during_a_large_answer_leaves_nothing_behind),
      cmocka_unit_test_setup_teardown(a_session_without_the_right_to_write_cannot, setup_read_only, teardown),
      TEST(each_mistake_has_its_answer),
      TEST(the_exchange_speaks_the_versions_it_should),
      TEST(a_watch_shows_the_present_and_what_comes_and_ends_with_the_server),
      TEST(watches_may_go_away_at_any_time),
      TEST(a_watch_ends_with_its_session),
      TEST(a_watch_of_nothing_is_over_at_once),
      TEST(what_watches_were_sent_is_not_held_against_them_for_ever),
      TEST(a_database_in_memory_is_apart_and_private),
      TEST(only_denos_own_client_gets_its_database_in_memory_again),
      TEST(writes_whose_clients_do_not_wait_are_completed),
      TEST(an_address_that_cannot_be_had_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
