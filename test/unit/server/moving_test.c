/* moving_test.c: a server with a loop that hangs is told from one that does not. The loop hangs in an
 * allocator of the test's. */
#include "server/server.h"

#include "api/open.h"
#include "support/http_text.h"
#include "support/latch.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

typedef struct brake {
  tuplet_allocator allocator;
  pthread_t tester;
  atomic_bool is_on;
  latch held;     /* a thread hangs */
  latch released; /* it may go on */
} brake;

static void *braked_reallocate(void *context, void *pointer, size_t size) {
  brake *b = context;
  if (size > 0 && atomic_load(&b->is_on) && !pthread_equal(pthread_self(), b->tester)) {
    latch_add(&b->held);
    (void)latch_wait(&b->released, 1);
  }
  if (size > 0) return realloc(pointer, size);
  free(pointer);
  return NULL;
}

static const tp_log silent = {-1, TP_LOG_ERROR};

static tp_server *start(const tuplet_allocator *allocator, tp_auth *auth) {
  static const char *const any_port[] = {"127.0.0.1:0"};
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  tp_server_config config = tp_server_config_default();
  tp_server *server = NULL;
  config.allocator = allocator;
  config.log = &silent;
  config.auth = auth;
  config.addresses = any_port;
  config.address_count = 1;
  config.worker_count = 2;
  assert_int_equal(tp_open_store(":memory:", &options, config.clock, &config.store, NULL, NULL), TUPLET_OK);
  assert_int_equal(tp_server_start(&config, &server, NULL), TUPLET_OK);
  return server;
}

static int connect_to(const tp_server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  address.sin_port = htons(port_of(tp_server_address(server, 0)));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void wait_until_moving(tp_server *server) {
  bool is_moving = false;
  for (int i = 0; i < WAIT_MS && !is_moving; i++) {
    is_moving = tp_server_is_moving(server);
    (void)usleep(1000);
  }
  assert_true(is_moving);
}

static void tells_a_loop_that_hangs_from_one_that_comes_round(void **state) {
  (void)state;
  static const uint8_t secret[TP_AUTH_SECRET_SIZE] = "a secret";
  brake b = {.tester = pthread_self(), .held = LATCH_INIT, .released = LATCH_INIT};
  b.allocator = (tuplet_allocator){braked_reallocate, &b};
  tp_auth *auth = NULL;
  assert_int_equal(tp_auth_new(NULL, "token", secret, &auth, NULL), TUPLET_OK);
  tp_server *server = start(&b.allocator, auth);
  assert_true(tp_server_is_moving(server)); /* nobody was asked before */
  wait_until_moving(server);
  wait_until_moving(server);

  atomic_store(&b.is_on, true);
  int clients[16]; /* some for each loop */
  for (int i = 0; i < 16; i++) clients[i] = connect_to(server);
  assert_true(latch_wait(&b.held, 1));
  (void)tp_server_is_moving(server);
  for (int i = 0; i < 100; i++) assert_false(tp_server_is_moving(server));

  atomic_store(&b.is_on, false);
  latch_add(&b.released);
  wait_until_moving(server);
  for (int i = 0; i < 16; i++) assert_int_equal(close(clients[i]), 0);
  tp_server_stop(server);
  tp_auth_free(auth);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_a_loop_that_hangs_from_one_that_comes_round),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
