/* queue_server_test.c: a server's queue with everybody at it at once: listeners that come and go on threads
 * of their own, a webhook, enqueues, and the server's end in the middle. Here so that the sanitizers see it;
 * what clients are promised is tested with real clients. */
#include "server/server.h"

#include "api/open.h"
#include "datapath.pb-c.h"
#include "support/http_text.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESSAGE_COUNT = 120, LISTENER_COUNT = 4, WAIT_SECONDS = 60, BUFFER_SIZE = 65536 };

static const char access_token[] = "token-of-the-test";
static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
static const uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE] = "the database's i";
static const tp_log silent = {-1, TP_LOG_ERROR};

typedef struct fixture {
  tp_auth *auth;
  tp_server *server;
  struct sockaddr_in address;
  char headers[TP_AUTH_SESSION_TOKEN_SIZE_MAX + 256];
  /* The consumer of a webhook. */
  int consumer;
  struct sockaddr_in consumer_address;
  pthread_t consumer_thread;
  atomic_bool ending;
  atomic_uint handled[MESSAGE_COUNT];
} fixture;

/* ---- HTTP/1.1 by hand, one request a connection ---- */

static int connect_to(const struct sockaddr_in *address) {
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(client >= 0);
  const struct timeval timeout = {.tv_sec = WAIT_SECONDS};
  assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  if (connect(client, (const struct sockaddr *)address, sizeof *address) == 0) return client;
  assert_int_equal(close(client), 0);
  return -1; /* the server has ended */
}

/* The connection with the request sent; -1: the server is gone. */
static int send_request(const fixture *f, const char *path, const void *body, size_t size) {
  char request[4096];
  int client = connect_to(&f->address);
  if (client < 0) return -1;
  int head = snprintf(request, sizeof request,
                      "POST %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                      path, size, f->headers);
  assert_true(head > 0 && (size_t)head + size <= sizeof request);
  if (size > 0) memcpy(request + head, body, size);
  (void)send(client, request, (size_t)head + size, MSG_NOSIGNAL);
  return client;
}

/* The status of the answer; 0: there was none. */
static int call(const fixture *f, const char *path, const void *body, size_t size) {
  char answer[4096];
  size_t received = 0;
  int status = 0;
  int client = send_request(f, path, body, size);
  if (client < 0) return 0;
  for (ssize_t more; (more = recv(client, answer + received, sizeof answer - 1 - received, 0)) > 0;)
    received += (size_t)more;
  answer[received] = '\0';
  if (received > 0) {
    status = status_of(answer);
    assert_true(status > 0);
  }
  assert_int_equal(close(client), 0);
  return status;
}

/* The value is the number, as V8's Smi: zigzag in a varint. */
static void enqueue(const fixture *f, uint32_t number) {
  uint8_t body[256];
  uint8_t payload[] = {0xff, 0x0f, 'I', (uint8_t)(number * 2 | 0x80), (uint8_t)(number * 2 >> 7)};
  uint32_t backoff_ms[] = {10, 100, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000};
  Com__Deno__Kv__Datapath__Enqueue message = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  message.payload = (ProtobufCBinaryData){sizeof payload, payload};
  message.backoff_schedule = backoff_ms;
  message.n_backoff_schedule = sizeof backoff_ms / sizeof *backoff_ms;
  Com__Deno__Kv__Datapath__Enqueue *messages[] = {&message};
  Com__Deno__Kv__Datapath__AtomicWrite write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.enqueues = messages;
  write.n_enqueues = 1;
  size_t size = com__deno__kv__datapath__atomic_write__pack(&write, body);
  assert_int_equal(call(f, "/v2/atomic_write", body, size), 200);
}

static uint32_t number_of(const uint8_t *payload) {
  uint32_t number = ((payload[3] & 0x7fu) | (uint32_t)payload[4] << 7) / 2;
  assert_true(number < MESSAGE_COUNT);
  return number;
}

/* ---- A listener ---- */

/* A stream of messages in chunks, read byte by byte where it stands in chunks' heads. */
typedef struct stream {
  int client;
  size_t chunk_left;
  char buffer[BUFFER_SIZE];
  size_t at, size;
} stream;

static int next_byte(stream *s) {
  if (s->at == s->size) {
    ssize_t received = recv(s->client, s->buffer, sizeof s->buffer, 0);
    if (received <= 0) return -1;
    s->size = (size_t)received;
    s->at = 0;
  }
  return (unsigned char)s->buffer[s->at++];
}

static bool skip_line(stream *s, unsigned long *ret_number) {
  char line[1024];
  size_t size = 0;
  for (int byte; (byte = next_byte(s)) != '\n';) {
    if (byte < 0 || size + 1 == sizeof line) return false;
    line[size++] = (char)byte;
  }
  line[size] = '\0';
  *ret_number = strtoul(line, NULL, 16);
  return size > 1; /* not just the CR */
}

static int body_byte(stream *s) {
  unsigned long size;
  if (s->chunk_left == 0) {
    if (!skip_line(s, &size) || size == 0) return -1;
    s->chunk_left = size;
  }
  int byte = next_byte(s);
  if (--s->chunk_left == 0) (void)skip_line(s, &size);
  return byte;
}

/* The next message; NULL: the stream is over. */
static Com__Deno__Kv__Datapath__QueueMessage *next_message(stream *s) {
  uint8_t bytes[1024];
  for (;;) {
    size_t size = 0;
    for (int i = 0; i < 4; i++) {
      int byte = body_byte(s);
      if (byte < 0) return NULL;
      size |= (size_t)byte << 8 * i;
    }
    if (size == 0) continue;
    assert_true(size <= sizeof bytes);
    for (size_t i = 0; i < size; i++) {
      int byte = body_byte(s);
      if (byte < 0) return NULL;
      bytes[i] = (uint8_t)byte;
    }
    return com__deno__kv__datapath__queue_message__unpack(NULL, size, bytes);
  }
}

static bool open_stream(const fixture *f, stream *s, uint32_t in_flight_max) {
  uint8_t body[16];
  unsigned long unused;
  Com__Deno__Kv__Datapath__QueueListen listen = COM__DENO__KV__DATAPATH__QUEUE_LISTEN__INIT;
  listen.max_in_flight = in_flight_max;
  size_t size = com__deno__kv__datapath__queue_listen__pack(&listen, body);
  s->chunk_left = s->at = s->size = 0;
  s->client = send_request(f, "/v2/queue_listen", body, size);
  if (s->client < 0) return false;
  while (skip_line(s, &unused)) continue;
  return true;
}

static void finish(fixture *f, const Com__Deno__Kv__Datapath__QueueMessage *message, bool success) {
  uint8_t body[256];
  Com__Deno__Kv__Datapath__QueueFinish end = COM__DENO__KV__DATAPATH__QUEUE_FINISH__INIT;
  end.id = message->id;
  end.success = success;
  size_t size = com__deno__kv__datapath__queue_finish__pack(&end, body);
  int status = call(f, "/v2/queue_finish", body, size);
  if (status == 200 && success) (void)atomic_fetch_add(&f->handled[number_of(message->payload.data)], 1);
}

static bool all_are_handled(fixture *f) {
  for (int i = 0; i < MESSAGE_COUNT; i++) {
    if (atomic_load(&f->handled[i]) == 0) return false;
  }
  return true;
}

/* Takes messages, a few on each connection, finishes some well, some not, leaves some, and comes again. */
static void *listen_and_leave(void *context) {
  fixture *f = context;
  stream *s = malloc(sizeof *s);
  assert_non_null(s);
  for (uint32_t round = 1; !atomic_load(&f->ending) && open_stream(f, s, round % 7 + 1); round++) {
    for (uint32_t i = 0; i < round % 5 + 2; i++) {
      struct pollfd socket_fd = {.fd = s->client, .events = POLLIN};
      if (s->at == s->size && poll(&socket_fd, 1, 50) == 0) break; /* the others have them all */
      Com__Deno__Kv__Datapath__QueueMessage *message = next_message(s);
      if (message == NULL) break;
      if (i % 4 != 3) finish(f, message, (round + i) % 6 != 0);
      com__deno__kv__datapath__queue_message__free_unpacked(message, NULL);
    }
    assert_int_equal(close(s->client), 0);
  }
  free(s);
  return NULL;
}

/* ---- The consumer of a webhook ---- */

/* Reads a request to its end; false: there was none. The payload is a number as JSON. */
static bool consume(int client, uint32_t *ret_number) {
  char request[4096];
  size_t size = 0;
  for (ssize_t more; (more = recv(client, request + size, sizeof request - 1 - size, 0)) > 0;) {
    size += (size_t)more;
    request[size] = '\0';
    const char *length = strcasestr(request, "content-length: "), *end = strstr(request, "\r\n\r\n");
    if (length == NULL || end == NULL) continue;
    size_t body_size = strtoul(length + strlen("content-length: "), NULL, 10);
    if (request + size - (end + 4) < (ptrdiff_t)body_size) continue;
    *ret_number = (uint32_t)strtoul(end + 4, NULL, 10);
    return true;
  }
  return false;
}

static void *run_consumer(void *context) {
  fixture *f = context;
  static const char done[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
  static const char failed[] = "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
  for (uint32_t i = 0; !atomic_load(&f->ending); i++) {
    uint32_t number;
    int client = accept4(f->consumer, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) break;
    if (consume(client, &number) && number < MESSAGE_COUNT) {
      bool is_fine = i % 5 != 0;
      if (is_fine) (void)atomic_fetch_add(&f->handled[number], 1);
      (void)send(client, is_fine ? done : failed, strlen(is_fine ? done : failed), MSG_NOSIGNAL);
    }
    assert_int_equal(close(client), 0);
  }
  return NULL;
}

/* ---- The fixture ---- */

static int start_consumer(fixture *f) {
  socklen_t size = sizeof f->consumer_address;
  f->consumer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  f->consumer_address =
      (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (f->consumer < 0 || bind(f->consumer, (struct sockaddr *)&f->consumer_address, size) != 0 ||
      listen(f->consumer, 64) != 0 ||
      getsockname(f->consumer, (struct sockaddr *)&f->consumer_address, &size) != 0)
    return -1;
  return pthread_create(&f->consumer_thread, NULL, run_consumer, f);
}

static int start_server(fixture *f) {
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  static const char *const any_port[] = {"127.0.0.1:0"};
  static char url[64];
  static const char *const urls[] = {url};
  (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(f->consumer_address.sin_port));
  tp_server_config config = tp_server_config_default();
  config.log = &silent;
  config.addresses = any_port;
  config.address_count = 1;
  config.worker_count = 3;
  config.bounds.drain_timeout_ms = 2000;
  config.webhook = (tp_webhook_config){
      .targets = urls, .target_count = 1, .concurrency = 3, .timeout_ms = WAIT_SECONDS * 1000};
  memcpy(config.database_id, database_id, sizeof database_id);
  if (tp_auth_new(NULL, access_token, secret, &f->auth, NULL) != TUPLET_OK) return -1;
  config.auth = f->auth;
  if (tp_open_store(":memory:", &options, config.clock, &config.store, NULL, NULL) != TUPLET_OK) return -1;
  if (tp_server_start(&config, &f->server, NULL) != TUPLET_OK) return -1;
  uint16_t port = port_of(tp_server_address(f->server, 0));
  f->address = (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return 0;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  char id[TP_DATABASE_ID_TEXT_SIZE];
  *state = f;
  if (f == NULL || start_consumer(f) != 0 || start_server(f) != 0) return -1;
  tp_session session = {.may_write = true, .expires_at_ms = INT64_MAX};
  memcpy(session.database_id, database_id, sizeof database_id);
  tp_database_id_to_text(database_id, id);
  if (tp_auth_session_sign(f->auth, &session, token, NULL) != TUPLET_OK) return -1;
  (void)snprintf(f->headers, sizeof f->headers,
                 "Authorization: Bearer %s\r\nx-denokv-version: 3\r\nx-denokv-database-id: %s\r\n", token,
                 id);
  return 0;
}

static void end_consumer(fixture *f) {
  atomic_store(&f->ending, true);
  (void)shutdown(f->consumer, SHUT_RDWR); /* ends the accept */
  assert_int_equal(pthread_join(f->consumer_thread, NULL), 0);
  assert_int_equal(close(f->consumer), 0);
}

static int teardown(void **state) {
  fixture *f = *state;
  tp_server_stop(f->server);
  end_consumer(f);
  tp_auth_free(f->auth);
  free(f);
  return 0;
}

/* ---- Tests ---- */

static void start_listeners(fixture *f, pthread_t *threads) {
  for (int i = 0; i < LISTENER_COUNT; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, listen_and_leave, f), 0);
}

static void join_listeners(pthread_t *threads) {
  for (int i = 0; i < LISTENER_COUNT; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void every_message_is_handled_by_whoever_has_it_at_last(void **state) {
  fixture *f = *state;
  pthread_t threads[LISTENER_COUNT];
  const struct timespec moment = {.tv_nsec = 5000000};
  start_listeners(f, threads);
  for (uint32_t i = 0; i < MESSAGE_COUNT; i++) enqueue(f, i);
  for (int i = 0; i < WAIT_SECONDS * 200 && !all_are_handled(f); i++) (void)nanosleep(&moment, NULL);
  assert_true(all_are_handled(f));
  atomic_store(&f->ending, true);
  join_listeners(threads);
}

static void the_server_may_end_in_the_middle_of_it(void **state) {
  fixture *f = *state;
  pthread_t threads[LISTENER_COUNT];
  start_listeners(f, threads);
  for (uint32_t i = 0; i < MESSAGE_COUNT / 2; i++) enqueue(f, i);
  tp_server_stop(f->server);
  f->server = NULL;
  atomic_store(&f->ending, true);
  join_listeners(threads);
}

static void a_listener_that_does_nothing_does_not_hold_the_end_up(void **state) {
  fixture *f = *state;
  stream *s = malloc(sizeof *s);
  assert_non_null(s);
  assert_true(open_stream(f, s, 100));
  for (uint32_t i = 0; i < 20; i++) enqueue(f, i);
  tp_server_stop(f->server);
  f->server = NULL;
  for (Com__Deno__Kv__Datapath__QueueMessage *message; (message = next_message(s)) != NULL;)
    com__deno__kv__datapath__queue_message__free_unpacked(message, NULL);
  assert_int_equal(close(s->client), 0);
  free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_message_is_handled_by_whoever_has_it_at_last),
      TEST(the_server_may_end_in_the_middle_of_it),
      TEST(a_listener_that_does_nothing_does_not_hold_the_end_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
