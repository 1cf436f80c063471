/* listener_test.c: real sockets: limits, timeouts, slow peers, the end. Time only ever makes these tests
 * slower: they wait for what must happen, never for a while. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG_SIZE = 32 << 20, WAIT_MS = 20000 };

typedef struct server {
  tp_loop *loop;
  tp_endpoints *endpoints;
  tp_listener *listener;
  tp_listener_config config;
  tp_http_request *kept; /* of the target /keep; loop's thread */
  atomic_int kept_count, abort_count;
} server;

static void on_abort(void *context, tp_http_request *request) {
  server *s = context;
  if (s->kept == request) s->kept = NULL;
  tp_http_respond_abort(request);
  atomic_fetch_add(&s->abort_count, 1);
}

static bool target_is(const tp_http_request *request, const char *text) {
  tuplet_bytes target = tp_http_request_target(request);
  return target.size == strlen(text) && memcmp(target.data, text, target.size) == 0;
}

static void on_request(void *context, tp_http_request *request) {
  server *s = context;
  if (target_is(request, "/big")) {
    char *big = tp_arena_alloc_array_zeroed(tp_http_request_arena(request), BIG_SIZE, 1);
    tp_http_respond(request, 200, NULL, 0, (tuplet_bytes){big, big == NULL ? 0 : BIG_SIZE});
  } else if (target_is(request, "/peer")) {
    tp_http_respond(request, 200, NULL, 0, tp_http_request_peer(request));
  } else if (target_is(request, "/keep")) {
    tp_http_request_events events = {s, NULL, on_abort};
    tp_http_request_set_events(request, &events);
    s->kept = request;
    tp_http_respond_start(request, 200, NULL, 0);
    tp_http_respond_endless(request);
    atomic_fetch_add(&s->kept_count, 1);
  } else {
    tp_http_respond_text(request, 200, "hello");
  }
}

static int setup(void **state) {
  server *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->config = tp_listener_config_default();
  s->config.on_request = on_request;
  s->config.context = s;
  assert_int_equal(tp_loop_start(NULL, &s->loop, NULL), TUPLET_OK);
  *state = s;
  return 0;
}

static int teardown(void **state) {
  server *s = *state;
  tp_listener_close(s->listener, 0);
  tp_net_gate_free(s->config.gate);
  tp_endpoints_free(s->endpoints);
  tp_loop_stop(s->loop);
  free(s);
  return 0;
}

static void start_at(server *s, const char *address) {
  assert_int_equal(tp_endpoints_open(NULL, &address, 1, NULL, 0, &s->endpoints, NULL), TUPLET_OK);
  assert_int_equal(tp_listener_open(s->loop, s->endpoints, &s->config, &s->listener, NULL), TUPLET_OK);
}

static void start(server *s) {
  start_at(s, "127.0.0.1:0");
}

/* As many connections as the bounds say. */
static void start_bounded(server *s, uint32_t connections_max, uint32_t connections_per_address_max) {
  assert_int_equal(tp_net_gate_new(NULL, connections_max, connections_per_address_max, &s->config.gate, NULL),
                   TUPLET_OK);
  start(s);
}

static void connect_socket(const server *s, int fd) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(tp_endpoints_port(s->endpoints, 0)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval patience = {.tv_sec = WAIT_MS / 1000};
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
}

/* source: the address to come from; all of 127.0.0.0/8 is this machine. */
static int connect_from(const server *s, const char *source) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
  assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
  connect_socket(s, fd);
  return fd;
}

static int connect_to(const server *s) {
  return connect_from(s, "127.0.0.1");
}

static void send_text(int fd, const char *text) {
  assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads to the end; true for an orderly one, false for a reset. */
static bool read_to_end(int fd, char *ret_text, size_t text_size) {
  size_t used = 0;
  ssize_t size;
  char room[4096];
  while ((size = recv(fd, room, sizeof room, 0)) > 0) {
    size_t fits = (size_t)size < text_size - 1 - used ? (size_t)size : text_size - 1 - used;
    memcpy(ret_text + used, room, fits);
    used += fits;
  }
  ret_text[used] = '\0';
  assert_int_equal(close(fd), 0);
  return size == 0;
}

static void read_until(int fd, const char *text) {
  char room[4096];
  size_t used = 0;
  do {
    ssize_t size = recv(fd, room + used, sizeof room - 1 - used, 0);
    assert_true(size > 0);
    used += (size_t)size;
    room[used] = '\0';
  } while (strstr(room, text) == NULL);
}

static void wait_for(const atomic_int *number, int wanted) {
  for (int i = 0; i < WAIT_MS && atomic_load(number) != wanted; i++) (void)usleep(1000);
  assert_int_equal(atomic_load(number), wanted);
}

static void wait_for_connections(const server *s, size_t wanted) {
  for (int i = 0; i < WAIT_MS && tp_listener_connection_count(s->listener) != wanted; i++) (void)usleep(1000);
  assert_int_equal(tp_listener_connection_count(s->listener), wanted);
}

static void serves_and_closes_when_asked(void **state) {
  server *s = *state;
  start(s);
  char text[1024];
  int fd = connect_to(s);
  send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(fd, "hello");
  assert_int_equal(tp_listener_connection_count(s->listener), 1);
  send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  assert_true(read_to_end(fd, text, sizeof text));
  assert_non_null(strstr(text, "connection: close"));
  assert_non_null(strstr(text, "\r\ndate: "));
  wait_for_connections(s, 0);
}

static void refuses_connections_beyond_the_maximum(void **state) {
  server *s = *state;
  start_bounded(s, 2, 2);
  char text[1024];
  int first = connect_to(s), second = connect_to(s);
  wait_for_connections(s, 2);
  int third = connect_to(s);
  assert_true(read_to_end(third, text, sizeof text));
  assert_non_null(strstr(text, "HTTP/1.1 503"));
  assert_non_null(strstr(text, "retry-after: "));
  assert_int_equal(close(first), 0);
  wait_for_connections(s, 1);
  int fourth = connect_to(s);
  send_text(fourth, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(fourth, "hello");
  assert_int_equal(close(second), 0);
  assert_int_equal(close(fourth), 0);
}

static void refuses_connections_beyond_an_addresss_share(void **state) {
  server *s = *state;
  start_bounded(s, 10, 1);
  char text[1024];
  int first = connect_to(s);
  wait_for_connections(s, 1);
  int second = connect_to(s);
  assert_true(read_to_end(second, text, sizeof text));
  assert_non_null(strstr(text, "HTTP/1.1 429"));
  assert_non_null(strstr(text, "retry-after: "));
  tp_net_gate_counts counts = tp_net_gate_counts_now(s->config.gate);
  assert_int_equal(counts.connections, 1);
  assert_int_equal(counts.refused_address_full, 1);
  int other = connect_from(s, "127.0.0.2");
  send_text(other, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(other, "hello");
  assert_int_equal(close(first), 0);
  assert_int_equal(close(other), 0);
}

/* Far more of them than are told why: the rest is closed, and nobody who is in is harmed. */
static void stands_a_flood_of_connections(void **state) {
  enum { FLOOD = 300 };
  server *s = *state;
  start_bounded(s, 1, 1);
  int first = connect_to(s), flood[FLOOD];
  wait_for_connections(s, 1);
  for (int i = 0; i < FLOOD; i++) flood[i] = connect_to(s);
  send_text(first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(first, "hello");
  for (int i = 0; i < FLOOD; i++) {
    char text[1024];
    (void)read_to_end(flood[i], text, sizeof text); /* either way, at once */
  }
  assert_int_equal(tp_net_gate_counts_now(s->config.gate).refused_full, FLOOD);
  assert_int_equal(close(first), 0);
}

static void ends_connections_that_say_nothing(void **state) {
  server *s = *state;
  s->config.head_timeout_ms = 50;
  start(s);
  char text[1024];
  int silent = connect_to(s), hesitant = connect_to(s), served = connect_to(s);
  send_text(hesitant, "PRI * HTTP");
  send_text(served, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(served, "hello");
  assert_true(read_to_end(silent, text, sizeof text));
  assert_string_equal(text, "");
  assert_true(read_to_end(hesitant, text, sizeof text));
  send_text(served, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); /* its idle time is another */
  read_until(served, "hello");
  assert_int_equal(close(served), 0);
}

static void ends_idle_connections(void **state) {
  server *s = *state;
  s->config.idle_timeout_ms = s->config.head_timeout_ms = 50;
  start(s);
  char text[1024];
  int silent = connect_to(s), served = connect_to(s);
  send_text(served, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_true(read_to_end(silent, text, sizeof text));
  assert_string_equal(text, "");
  assert_true(read_to_end(served, text, sizeof text));
  assert_non_null(strstr(text, "hello"));
}

static void ends_requests_that_do_not_arrive(void **state) {
  static const char *const parts[] = {"POST / HT",
                                      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"};
  server *s = *state;
  s->config.head_timeout_ms = s->config.body_timeout_ms = 50;
  start(s);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char text[1024];
    int fd = connect_to(s);
    send_text(fd, parts[i]);
    assert_true(read_to_end(fd, text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 408"));
  }
}

static void ends_connections_that_do_not_read(void **state) {
  server *s = *state;
  s->config.send_timeout_ms = 50;
  start(s);
  char text[1024];
  int fd = connect_to(s);
  send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for_connections(s, 1);
  wait_for_connections(s, 0);
  assert_false(read_to_end(fd, text, sizeof text));
}

static void sends_all_to_a_peer_that_reads_late(void **state) {
  server *s = *state;
  start(s);
  char *text = malloc(BIG_SIZE + 1024);
  assert_non_null(text);
  int fd = connect_to(s);
  send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  size_t used = 0;
  ssize_t size;
  while ((size = recv(fd, text + used, BIG_SIZE + 1024 - used, 0)) > 0) used += (size_t)size;
  assert_int_equal(size, 0);
  assert_true(used > BIG_SIZE);
  assert_int_equal(close(fd), 0);
  free(text);
}

/* A refusal must arrive though the peer is still sending. */
static void lets_the_peer_read_why_it_is_refused(void **state) {
  server *s = *state;
  s->config.limits.body_size_max = 10;
  start(s);
  char text[1024];
  char *body = calloc(1, 500000);
  assert_non_null(body);
  int fd = connect_to(s);
  send_text(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n");
  assert_int_equal(send(fd, body, 500000, MSG_NOSIGNAL), 500000);
  assert_int_equal(shutdown(fd, SHUT_WR), 0);
  assert_true(read_to_end(fd, text, sizeof text));
  assert_non_null(strstr(text, "HTTP/1.1 413"));
  free(body);
}

static void tells_the_handler_that_the_peer_went(void **state) {
  server *s = *state;
  start(s);
  int fd = connect_to(s);
  send_text(fd, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(fd, "\r\n\r\n");
  assert_int_equal(close(fd), 0);
  wait_for(&s->abort_count, 1);
  wait_for_connections(s, 0);
}

static void end_kept(void *context) {
  server *s = context;
  tp_http_request *request = s->kept;
  s->kept = NULL;
  tp_http_respond_write(request, (tuplet_bytes){"last words", 10});
  tp_http_respond_end(request);
}

static void finishes_requests_while_it_drains(void **state) {
  server *s = *state;
  start(s);
  char text[1024];
  int idle = connect_to(s), busy = connect_to(s);
  send_text(busy, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(&s->kept_count, 1);
  wait_for_connections(s, 2);
  tp_listener_drain(s->listener);
  assert_true(read_to_end(idle, text, sizeof text));
  wait_for_connections(s, 1);
  tp_loop_call(s->loop, end_kept, s);
  assert_true(read_to_end(busy, text, sizeof text));
  assert_non_null(strstr(text, "last words\r\n0\r\n\r\n"));
  tp_listener_close(s->listener, WAIT_MS);
  s->listener = NULL;
  assert_int_equal(atomic_load(&s->abort_count), 0);
}

static void cuts_what_does_not_end_in_time(void **state) {
  server *s = *state;
  start(s);
  char text[1024];
  int fd = connect_to(s);
  send_text(fd, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(&s->kept_count, 1);
  tp_listener_close(s->listener, 1);
  s->listener = NULL;
  assert_int_equal(atomic_load(&s->abort_count), 1);
  assert_false(read_to_end(fd, text, sizeof text));
}

/* It takes some now and then, but less than anybody who wants it. */
static void ends_connections_that_hardly_read(void **state) {
  server *s = *state;
  s->config.send_timeout_ms = 200;
  start(s);
  int fd = connect_to(s);
  send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for_connections(s, 1);
  char byte;
  for (int i = 0; i < WAIT_MS && tp_listener_connection_count(s->listener) != 0; i++) {
    (void)recv(fd, &byte, 1, MSG_DONTWAIT);
    (void)usleep(1000);
  }
  assert_int_equal(tp_listener_connection_count(s->listener), 0);
  assert_int_equal(close(fd), 0);
}

static void does_not_wait_for_the_peer_when_it_drains(void **state) {
  server *s = *state;
  s->config.drain_timeout_ms = s->config.linger_timeout_ms = 40;
  start(s);
  char text[1024];
  int slow = connect_to(s), silent = connect_to(s);
  send_text(slow, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc");
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"; /* and SETTINGS */
  assert_int_equal(send(silent, preface, sizeof preface, MSG_NOSIGNAL), (ssize_t)sizeof preface);
  assert_true(recv(silent, text, sizeof text, 0) > 0);
  wait_for_connections(s, 2);
  tp_listener_drain(s->listener);
  wait_for_connections(s, 0); /* sooner than any other timeout */
  assert_true(read_to_end(slow, text, sizeof text));
  assert_int_equal(close(silent), 0);
}

static void shares_its_port_with_another_listener(void **state) {
  server *s = *state;
  start(s);
  tp_listener *second = NULL;
  assert_int_equal(tp_listener_open(s->loop, s->endpoints, &s->config, &second, NULL), TUPLET_OK);
  for (int i = 0; i < 20; i++) {
    int fd = connect_to(s);
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(fd, "hello");
    assert_int_equal(close(fd), 0);
  }
  tp_listener_close(second, WAIT_MS);
}

static void tells_handlers_who_their_peer_is(void **state) {
  server *s = *state;
  start_at(s, "[::]:0"); /* takes IPv4, too */
  static const char *const sources[] = {"127.0.0.1", "127.0.0.2"};
  for (size_t i = 0; i < 2; i++) {
    char text[1024];
    int fd = connect_from(s, sources[i]);
    send_text(fd, "GET /peer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_true(read_to_end(fd, text, sizeof text));
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, sources[i]);
  }
}

static int connect_to_unix(const server *s) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval patience = {.tv_sec = WAIT_MS / 1000};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", tp_endpoints_address(s->endpoints, 0) + 5);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void serves_over_a_unix_domain_socket(void **state) {
  server *s = *state;
  char folder[] = "/tmp/tuplet-listener-XXXXXX", address[64];
  assert_non_null(mkdtemp(folder));
  (void)snprintf(address, sizeof address, "unix:%s/s", folder);
  assert_int_equal(tp_net_gate_new(NULL, 2, 1, &s->config.gate, NULL), TUPLET_OK);
  start_at(s, address);
  char text[1024];
  int first = connect_to_unix(s), kept = connect_to_unix(s); /* an address's share does not count */
  send_text(first, "GET /peer HTTP/1.1\r\nHost: h\r\n\r\n");
  read_until(first, "unix");
  send_text(kept, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(&s->kept_count, 1);
  int third = connect_to_unix(s);
  assert_true(read_to_end(third, text, sizeof text));
  assert_non_null(strstr(text, "HTTP/1.1 503"));
  tp_endpoints_close(s->endpoints);
  assert_int_equal(rmdir(folder), 0); /* the socket's file has gone */
  tp_listener_close(s->listener, 1);
  s->listener = NULL;
  assert_int_equal(atomic_load(&s->abort_count), 1);
  (void)read_to_end(first, text, sizeof text);
  (void)read_to_end(kept, text, sizeof text);
}

static int64_t clock_ns(clockid_t clock) {
  struct timespec now;
  assert_int_equal(clock_gettime(clock, &now), 0);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Connections wait, the loop does not turn in circles over them, and they are served when there are
 * descriptors again.
 */
static void waits_for_descriptors(void **state) {
  enum { WATCHED_MS = 400 };
  server *s = *state;
  start(s);
  struct rlimit limit, none;
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int next = dup(client);
  assert_true(client >= 0 && next >= 0);
  assert_int_equal(close(next), 0);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  none = limit;
  none.rlim_cur = (rlim_t)next;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  connect_socket(s, client);
  send_text(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  int64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  (void)usleep(WATCHED_MS * 1000); /* how much it does meanwhile is what counts */
  cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
  assert_int_equal(tp_listener_connection_count(s->listener), 0);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  assert_in_range(cpu_ns, 0, (int64_t)WATCHED_MS * 1000000 / 4);
  read_until(client, "hello");
  assert_int_equal(close(client), 0);
}

typedef struct rival {
  tp_endpoints *endpoints;
  const char *address;
  atomic_bool *begin;
  tuplet_status status;
} rival;

static void *open_as_rival(void *context) {
  rival *r = context;
  while (!atomic_load(r->begin)) continue;
  r->status = tp_endpoints_open(NULL, &r->address, 1, NULL, 0, &r->endpoints, NULL);
  return NULL;
}

static void lets_one_of_two_have_a_port_that_both_ask_for(void **state) {
  server *s = *state;
  for (int round = 0; round < 50; round++) {
    char address[64];
    start(s); /* finds a free port */
    (void)snprintf(address, sizeof address, "%s", tp_endpoints_address(s->endpoints, 0));
    tp_listener_close(s->listener, 0);
    s->listener = NULL;
    tp_endpoints_free(s->endpoints);
    s->endpoints = NULL;
    atomic_bool begin = false;
    rival rivals[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
      rivals[i] = (rival){.address = address, .begin = &begin};
      assert_int_equal(pthread_create(&threads[i], NULL, open_as_rival, &rivals[i]), 0);
    }
    atomic_store(&begin, true);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_false(rivals[0].status == TUPLET_OK && rivals[1].status == TUPLET_OK);
    for (int i = 0; i < 2; i++) tp_endpoints_free(rivals[i].endpoints);
  }
}

/* Shared by the loop's thread and the test's. */
typedef struct failing {
  tuplet_allocator allocator;
  atomic_size_t count;
  atomic_int live;
  size_t fail_at;
} failing;

static void *failing_reallocate(void *context, void *pointer, size_t size) {
  failing *f = context;
  if (size == 0) {
    if (pointer != NULL) atomic_fetch_sub(&f->live, 1);
    free(pointer);
    return NULL;
  }
  if (atomic_fetch_add(&f->count, 1) + 1 == f->fail_at) return NULL;
  if (pointer == NULL) atomic_fetch_add(&f->live, 1);
  return realloc(pointer, size);
}

/* One request over a real socket. A connection for which there is no memory is cut. */
static void serve_one(failing *f, server *s) {
  const char *address = "127.0.0.1:0";
  if (tp_loop_start(&f->allocator, &s->loop, NULL) != TUPLET_OK) return;
  if (tp_endpoints_open(&f->allocator, &address, 1, NULL, 0, &s->endpoints, NULL) == TUPLET_OK &&
      tp_net_gate_new(&f->allocator, 10, 10, &s->config.gate, NULL) == TUPLET_OK &&
      tp_listener_open(s->loop, s->endpoints, &s->config, &s->listener, NULL) == TUPLET_OK) {
    char text[1024];
    int fd = connect_to(s);
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL); /* it may have been cut already */
    (void)read_to_end(fd, text, sizeof text);
    if (text[0] != '\0') assert_non_null(strstr(text, "hello"));
    if (atomic_load(&f->count) < f->fail_at) assert_string_not_equal(text, "");
  }
  tp_listener_close(s->listener, WAIT_MS);
  tp_net_gate_free(s->config.gate);
  tp_endpoints_free(s->endpoints);
  tp_loop_stop(s->loop);
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  bool has_failed = true;
  for (size_t n = 1; has_failed; n++) {
    failing f = {.fail_at = n};
    f.allocator = (tuplet_allocator){failing_reallocate, &f};
    server s = {.config = tp_listener_config_default()};
    s.config.on_request = on_request;
    s.config.context = &s;
    s.config.linger_timeout_ms = 40; /* makes the ticks short, by which it is accepted again */
    serve_one(&f, &s);
    has_failed = atomic_load(&f.count) >= n;
    assert_int_equal(atomic_load(&f.live), 0);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(serves_and_closes_when_asked),
      TEST(refuses_connections_beyond_the_maximum),
      TEST(refuses_connections_beyond_an_addresss_share),
      TEST(stands_a_flood_of_connections),
      TEST(ends_connections_that_say_nothing),
      TEST(ends_idle_connections),
      TEST(ends_requests_that_do_not_arrive),
      TEST(ends_connections_that_do_not_read),
      TEST(sends_all_to_a_peer_that_reads_late),
      TEST(lets_the_peer_read_why_it_is_refused),
      TEST(tells_the_handler_that_the_peer_went),
      TEST(finishes_requests_while_it_drains),
      TEST(cuts_what_does_not_end_in_time),
      TEST(ends_connections_that_hardly_read),
      TEST(does_not_wait_for_the_peer_when_it_drains),
      TEST(shares_its_port_with_another_listener),
      TEST(tells_handlers_who_their_peer_is),
      TEST(serves_over_a_unix_domain_socket),
      TEST(waits_for_descriptors),
      TEST(lets_one_of_two_have_a_port_that_both_ask_for),
      cmocka_unit_test(survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
