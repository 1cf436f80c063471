/* tls_listener_test.c: HTTP over TLS over real sockets: that what connections do in clear they do sealed,
 * too. Time only ever makes these tests slower: they wait for what must happen, never for a while. */
#include "net/private.h"
#include "support/latch.h"
#include "tls_wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG_SIZE = 8 << 20, WAIT_MS = 20000, SOCKET_ROOM = 64 * 1024, CROWD = 40 };

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

typedef struct server {
  tls_setup setup;
  tp_loop *loop;
  tp_endpoints *endpoints;
  tp_listener *listener;
  tp_listener_config config;
  tp_http_budget budget;
  tp_http_request *kept; /* of the target /keep; loop's thread */
  atomic_int kept_count, kept_ended, secure_count;
  atomic_int success_count, failure_count; /* of handshakes */
  char handshake[256];                     /* the last one; to be read after its count */
  uint64_t turn;                           /* of the loop, in which it was; loop's thread */
  atomic_int same_turn_count;              /* handshakes that ended in the turn of another */
} server;

typedef struct client {
  int fd;
  SSL *ssl;
} client;

static void on_writable(void *context, tp_http_request *request) {
  server *s = context;
  (void)request;
  atomic_fetch_add(&s->kept_ended, 1);
}

static void on_abort(void *context, tp_http_request *request) {
  server *s = context;
  if (s->kept == request) s->kept = NULL;
  tp_http_respond_abort(request);
  atomic_fetch_add(&s->kept_ended, 1);
}

static bool target_is(const tp_http_request *request, const char *text) {
  tuplet_bytes target = tp_http_request_target(request);
  return target.size == strlen(text) && memcmp(target.data, text, target.size) == 0;
}

static void on_request(void *context, tp_http_request *request) {
  server *s = context;
  if (tp_http_request_is_secure(request)) atomic_fetch_add(&s->secure_count, 1);
  if (target_is(request, "/big")) {
    char *big = tp_arena_alloc_array_zeroed(tp_http_request_arena(request), BIG_SIZE, 1);
    tp_http_respond(request, 200, NULL, 0, (tuplet_bytes){big, big == NULL ? 0 : BIG_SIZE});
  } else if (target_is(request, "/keep")) {
    tp_http_request_events events = {s, on_writable, on_abort};
    tp_http_request_set_events(request, &events);
    s->kept = request;
    tp_http_respond_start(request, 200, NULL, 0);
    tp_http_respond_endless(request);
    atomic_fetch_add(&s->kept_count, 1);
  } else {
    tp_http_respond_text(request, 200, "hello");
  }
}

static void on_handshake(void *context, const tp_listener_handshake *handshake) {
  server *s = context;
  (void)snprintf(s->handshake, sizeof s->handshake, "%s %s %s %s", handshake->peer,
                 handshake->failure != NULL ? handshake->failure : "done", handshake->version,
                 handshake->alpn);
  if (s->turn == s->loop->turn) atomic_fetch_add(&s->same_turn_count, 1);
  s->turn = s->loop->turn;
  atomic_fetch_add(handshake->failure == NULL ? &s->success_count : &s->failure_count, 1);
}

static int setup_state(void **state) {
  server *s = calloc(1, sizeof *s);
  assert_non_null(s);
  tls_setup_init(&s->setup);
  tls_setup_start(&s->setup);
  s->config = tp_listener_config_default();
  tp_http_budget_init(&s->budget, (size_t)64 << 20, 1000);
  s->config.budget = &s->budget;
  s->config.tls = s->setup.context;
  s->config.on_request = on_request;
  s->config.on_handshake = on_handshake;
  s->config.context = s;
  assert_int_equal(tp_loop_start(NULL, &s->loop, NULL), TUPLET_OK);
  *state = s;
  return 0;
}

static int teardown_state(void **state) {
  server *s = *state;
  tp_listener_close(s->listener, 0);
  tp_endpoints_free(s->endpoints);
  tp_loop_stop(s->loop);
  assert_int_equal(atomic_load(&s->budget.memory), 0);
  tls_setup_done(&s->setup);
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

static int connect_to(const server *s) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(tp_endpoints_port(s->endpoints, 0)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval patience = {.tv_sec = WAIT_MS / 1000};
  int room = SOCKET_ROOM;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static client open_client(const server *s) {
  client c = {connect_to(s), SSL_new(s->setup.client)};
  assert_non_null(c.ssl);
  assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
  assert_int_equal(SSL_connect(c.ssl), 1);
  return c;
}

static void close_client(client *c) {
  SSL_free(c->ssl);
  assert_int_equal(close(c->fd), 0);
}

static void send_text(const client *c, const char *text) {
  size_t size = 0;
  assert_int_equal(SSL_write_ex(c->ssl, text, strlen(text), &size), 1);
  assert_int_equal(size, strlen(text));
}

static void read_until(const client *c, const char *text) {
  char room[8192];
  size_t used = 0;
  do {
    size_t size = 0;
    assert_int_equal(SSL_read_ex(c->ssl, room + used, sizeof room - 1 - used, &size), 1);
    used += size;
    room[used] = '\0';
  } while (strstr(room, text) == NULL);
}

/* Reads to the end, which is to be a proper one, and counts. */
static size_t read_to_goodbye(const client *c) {
  char room[20000];
  size_t size = 0, total = 0;
  int result;
  while ((result = SSL_read_ex(c->ssl, room, sizeof room, &size)) == 1) total += size;
  assert_int_equal(SSL_get_error(c->ssl, result), SSL_ERROR_ZERO_RETURN);
  return total;
}

/* Reads what comes without TLS; true when it ends orderly. */
static bool read_raw_to_end(int fd, char *ret_text, size_t text_size) {
  size_t used = 0;
  ssize_t size;
  while ((size = recv(fd, ret_text + used, text_size - 1 - used, 0)) > 0) used += (size_t)size;
  ret_text[used] = '\0';
  assert_int_equal(close(fd), 0);
  return size == 0;
}

static void wait_for(const atomic_int *number, int wanted) {
  for (int i = 0; i < WAIT_MS && atomic_load(number) < wanted; i++) (void)usleep(1000);
  assert_true(atomic_load(number) >= wanted);
}

static void wait_for_connections(const server *s, size_t wanted) {
  for (int i = 0; i < WAIT_MS && tp_listener_connection_count(s->listener) != wanted; i++) (void)usleep(1000);
  assert_int_equal(tp_listener_connection_count(s->listener), wanted);
}

static void serves_and_says_goodbye_when_asked(void **state) {
  server *s = *state;
  start(s);
  client c = open_client(s);
  send_text(&c, GET("/"));
  read_until(&c, "hello");
  send_text(&c, GET("/") GET("/") GET("/")); /* pipelined */
  read_until(&c, "hello");
  send_text(&c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  assert_true(read_to_goodbye(&c) > 100);
  close_client(&c);
  wait_for_connections(s, 0);
  assert_int_equal(atomic_load(&s->secure_count), 5);
  assert_int_equal(atomic_load(&s->success_count), 1);
  assert_string_equal(s->handshake, "127.0.0.1 done TLSv1.3 none");
}

static void speaks_http_2_when_it_was_chosen(void **state) {
  server *s = *state;
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"; /* and SETTINGS */
  char room[64];
  size_t size = 0;
  start(s);
  assert_int_equal(SSL_CTX_set_alpn_protos(s->setup.client, (const uint8_t *)"\x02h2", 3), 0);
  client c = open_client(s);
  assert_int_equal(SSL_write_ex(c.ssl, preface, sizeof preface, &size), 1);
  assert_int_equal(SSL_read_ex(c.ssl, room, sizeof room, &size), 1);
  assert_true(size > 9 && room[3] == 4); /* SETTINGS */
  assert_string_equal(s->handshake, "127.0.0.1 done TLSv1.3 h2");
  close_client(&c);
}

static void does_not_detect_what_was_agreed_on(void **state) {
  server *s = *state;
  start(s);
  assert_int_equal(SSL_CTX_set_alpn_protos(s->setup.client, (const uint8_t *)"\x02h2", 3), 0);
  client c = open_client(s);
  send_text(&c, GET("/"));
  char room[256];
  size_t size = 0;
  while (SSL_read_ex(c.ssl, room, sizeof room, &size) == 1) continue; /* HTTP/2's settings, and the end */
  wait_for_connections(s, 0);
  assert_int_equal(atomic_load(&s->secure_count), 0);
  close_client(&c);
}

static void sends_all_to_a_peer_that_reads_late(void **state) {
  server *s = *state;
  start(s);
  client c = open_client(s);
  send_text(&c, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  wait_for(&s->secure_count, 1);
  assert_true(read_to_goodbye(&c) > BIG_SIZE);
  close_client(&c);
}

static void ends_connections_that_do_not_read(void **state) {
  server *s = *state;
  s->config.send_timeout_ms = 50;
  start(s);
  client c = open_client(s);
  send_text(&c, GET("/big"));
  wait_for(&s->secure_count, 1);
  wait_for_connections(s, 0);
  close_client(&c);
}

static void write_kept(void *context) {
  server *s = context;
  assert_non_null(s->kept);
  tp_http_respond_write(s->kept, (tuplet_bytes){"news", 4});
}

/* Sealed bytes that lie in the kernel are gone, those that lie with us are not. */
static void tells_the_handler_when_all_has_left(void **state) {
  server *s = *state;
  start(s);
  client c = open_client(s);
  send_text(&c, GET("/keep"));
  read_until(&c, "\r\n\r\n");
  int before = atomic_load(&s->kept_ended);
  tp_loop_call(s->loop, write_kept, s);
  read_until(&c, "news");
  wait_for(&s->kept_ended, before + 1);
  close_client(&c);
  wait_for(&s->kept_ended, before + 2); /* the abort */
  wait_for_connections(s, 0);
}

static void ends_handshakes_that_do_not_end(void **state) {
  server *s = *state;
  char text[64];
  s->config.head_timeout_ms = 50;
  s->config.idle_timeout_ms = 60000;
  start(s);
  int silent = connect_to(s), slow = connect_to(s);
  assert_int_equal(send(slow, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
  (void)read_raw_to_end(silent, text, sizeof text);
  (void)read_raw_to_end(slow, text, sizeof text);
  wait_for_connections(s, 0);
  assert_int_equal(atomic_load(&s->failure_count), 2);
  assert_string_equal(s->handshake, "127.0.0.1 it took too long none none");
}

static void tells_who_speaks_http_in_clear(void **state) {
  server *s = *state;
  char text[512];
  start(s);
  int fd = connect_to(s);
  static const char request[] = GET("/");
  assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)sizeof request - 1);
  assert_true(read_raw_to_end(fd, text, sizeof text));
  assert_non_null(strstr(text, "HTTP/1.1 400 "));
  assert_non_null(strstr(text, "https://"));
  wait_for_connections(s, 0);
  assert_int_equal(atomic_load(&s->secure_count), 0);
}

static void lets_a_client_know_why_it_is_refused(void **state) {
  server *s = *state;
  s->setup.config.client_ca_file = s->setup.ca_file;
  tls_setup_start(&s->setup);
  s->config.tls = s->setup.context;
  start(s);
  SSL_CTX_set_max_proto_version(s->setup.client, TLS1_2_VERSION);
  client c = {connect_to(s), SSL_new(s->setup.client)};
  assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
  assert_int_equal(SSL_connect(c.ssl), -1);
  assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
  close_client(&c);
  wait_for(&s->failure_count, 1);
  assert_non_null(strstr(s->handshake, "did not return a certificate"));
  ERR_clear_error();
}

static void survives_peers_that_go_at_any_time(void **state) {
  server *s = *state;
  start(s);
  for (int i = 0; i < 5; i++) {
    int fd = connect_to(s);
    assert_int_equal(send(fd, "\x16\x03\x01\x00", (size_t)i, MSG_NOSIGNAL), i);
    assert_int_equal(close(fd), 0);
  }
  client c = open_client(s);
  send_text(&c, "GET / HTT");
  close_client(&c); /* without a goodbye */
  c = open_client(s);
  send_text(&c, GET("/big"));
  close_client(&c);
  wait_for_connections(s, 0);
}

static void answers_who_has_said_goodbye(void **state) {
  server *s = *state;
  start(s);
  client c = open_client(s);
  send_text(&c, GET("/big"));
  assert_int_equal(SSL_shutdown(c.ssl), 0);
  size_t total = 0, size = 0;
  char room[20000];
  while (SSL_read_ex(c.ssl, room, sizeof room, &size) == 1) total += size;
  assert_true(total > BIG_SIZE);
  close_client(&c);
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
  char text[64];
  start(s);
  int unfinished = connect_to(s);
  client idle = open_client(s), busy = open_client(s);
  send_text(&busy, GET("/keep"));
  wait_for(&s->kept_count, 1);
  wait_for_connections(s, 3);
  tp_listener_drain(s->listener);
  assert_int_equal(read_to_goodbye(&idle), 0);
  (void)read_raw_to_end(unfinished, text, sizeof text);
  wait_for_connections(s, 1);
  tp_loop_call(s->loop, end_kept, s);
  read_until(&busy, "last words\r\n0\r\n\r\n");
  assert_int_equal(read_to_goodbye(&busy), 0);
  close_client(&idle);
  close_client(&busy);
  wait_for_connections(s, 0);
}

static void reloads_under_open_connections(void **state) {
  server *s = *state;
  start(s);
  client old = open_client(s);
  tls_setup_replace(&s->setup, &(identity_options){.name = "new", .issuer = &s->setup.authority});
  assert_int_equal(tp_tls_context_reload(s->setup.context, NULL), TUPLET_OK);
  client new = open_client(s);
  send_text(&old, GET("/"));
  read_until(&old, "hello");
  send_text(&new, GET("/"));
  read_until(&new, "hello");
  X509 *shown = SSL_get0_peer_certificate(new.ssl);
  char name[64] = "";
  assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name) > 0);
  assert_string_equal(name, "new");
  close_client(&old);
  close_client(&new);
}

static void speaks_in_clear_at_unix_domain_sockets(void **state) {
  server *s = *state;
  struct sockaddr_un place = {.sun_family = AF_UNIX};
  char address[CERTIFICATES_PATH_SIZE + 16], text[512];
  (void)snprintf(place.sun_path, sizeof place.sun_path, "%.90s/socket", s->setup.files.folder);
  (void)snprintf(address, sizeof address, "unix:%s", place.sun_path);
  start_at(s, address);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&place, sizeof place), 0);
  static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)sizeof request - 1);
  assert_true(read_raw_to_end(fd, text, sizeof text));
  assert_non_null(strstr(text, "hello"));
  assert_int_equal(atomic_load(&s->secure_count), 0);
}

/* ---- Many at once ---- */

/* Keeps the loop busy, so that what comes meanwhile is all there when it goes on. */
typedef struct pause_item {
  tp_loop_item item;
  latch begun, over;
} pause_item;

static void run_pause(tp_loop_item *item) {
  pause_item *pause = (pause_item *)(void *)item;
  latch_add(&pause->begun);
  (void)latch_wait(&pause->over, 1);
}

static void hold_loop(server *s, pause_item *pause) {
  *pause = (pause_item){.item.run = run_pause, .begun = LATCH_INIT, .over = LATCH_INIT};
  tp_loop_post(s->loop, &pause->item);
  assert_true(latch_wait(&pause->begun, 1));
}

static void run_nothing(void *context) {
  (void)context;
}

/* Is over when the loop has let go of the item, too. */
static void let_loop_go(server *s, pause_item *pause) {
  latch_add(&pause->over);
  tp_loop_call(s->loop, run_nothing, NULL);
}

/* Clients that have sent their greetings while the loop was held. */
static void greet(const server *s, client *crowd) {
  for (int i = 0; i < CROWD; i++) {
    crowd[i] = (client){connect_to(s), SSL_new(s->setup.client)};
    assert_int_equal(SSL_set_fd(crowd[i].ssl, crowd[i].fd), 1);
    assert_int_equal(fcntl(crowd[i].fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(SSL_get_error(crowd[i].ssl, SSL_connect(crowd[i].ssl)), SSL_ERROR_WANT_READ);
  }
}

static void wait_until_readable(int fd) {
  struct pollfd source = {.fd = fd, .events = POLLIN};
  assert_int_equal(poll(&source, 1, WAIT_MS), 1);
}

static void shakes_hands_with_a_crowd_one_in_a_turn(void **state) {
  server *s = *state;
  client crowd[CROWD];
  pause_item pause;
  s->config.handshake_turn_us = 0;
  start(s);
  hold_loop(s, &pause);
  greet(s, crowd);
  let_loop_go(s, &pause);
  for (int i = 0; i < CROWD; i++) wait_until_readable(crowd[i].fd);
  hold_loop(s, &pause);
  for (int i = 0; i < CROWD; i++) assert_int_equal(SSL_connect(crowd[i].ssl), 1); /* our last word */
  let_loop_go(s, &pause);
  wait_for(&s->success_count, CROWD);
  assert_int_equal(atomic_load(&s->same_turn_count), 0);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(fcntl(crowd[i].fd, F_SETFL, 0), 0);
    send_text(&crowd[i], GET("/"));
    read_until(&crowd[i], "hello");
    close_client(&crowd[i]);
  }
  wait_for_connections(s, 0);
}

static void serves_others_while_a_crowd_waits(void **state) {
  server *s = *state;
  client crowd[CROWD];
  pause_item pause;
  s->config.handshake_turn_us = 0;
  start(s);
  client first = open_client(s);
  hold_loop(s, &pause);
  greet(s, crowd);
  send_text(&first, GET("/"));
  let_loop_go(s, &pause);
  read_until(&first, "hello");
  for (int i = 0; i < CROWD; i += 2) close_client(&crowd[i]); /* some lose patience */
  for (int i = 1; i < CROWD; i += 2) {
    wait_until_readable(crowd[i].fd);
    assert_int_equal(fcntl(crowd[i].fd, F_SETFL, 0), 0);
    assert_int_equal(SSL_connect(crowd[i].ssl), 1);
    close_client(&crowd[i]);
  }
  close_client(&first);
  wait_for_connections(s, 0);
}

static void ends_while_a_crowd_waits(void **state) {
  server *s = *state;
  client crowd[CROWD];
  pause_item pause;
  s->config.handshake_turn_us = 0;
  start(s);
  hold_loop(s, &pause);
  greet(s, crowd);
  let_loop_go(s, &pause);
  tp_listener_close(s->listener, 0);
  s->listener = NULL;
  for (int i = 0; i < CROWD; i++) close_client(&crowd[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_state, teardown_state)

int main(void) {
  (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets raise it */
  const struct CMUnitTest tests[] = {
      TEST(serves_and_says_goodbye_when_asked),
      TEST(speaks_http_2_when_it_was_chosen),
      TEST(does_not_detect_what_was_agreed_on),
      TEST(sends_all_to_a_peer_that_reads_late),
      TEST(ends_connections_that_do_not_read),
      TEST(tells_the_handler_when_all_has_left),
      TEST(ends_handshakes_that_do_not_end),
      TEST(tells_who_speaks_http_in_clear),
      TEST(lets_a_client_know_why_it_is_refused),
      TEST(survives_peers_that_go_at_any_time),
      TEST(answers_who_has_said_goodbye),
      TEST(finishes_requests_while_it_drains),
      TEST(reloads_under_open_connections),
      TEST(speaks_in_clear_at_unix_domain_sockets),
      TEST(shakes_hands_with_a_crowd_one_in_a_turn),
      TEST(serves_others_while_a_crowd_waits),
      TEST(ends_while_a_crowd_waits),
  };
  return cmocka_run_group_tests_name("tls_listener", tests, NULL, NULL);
}
