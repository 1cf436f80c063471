/* gate_test.c: connections are counted, in all and by address, by several threads at once and without any
 * memory to spare. */
#include "net/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage peer(const char *text) {
  struct sockaddr_storage address = {0};
  struct sockaddr_in ipv4 = {.sin_family = AF_INET};
  struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
  if (strcmp(text, "unix") == 0) {
    address.ss_family = AF_UNIX;
  } else if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1) {
    memcpy(&address, &ipv4, sizeof ipv4);
  } else {
    assert_int_equal(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
    memcpy(&address, &ipv6, sizeof ipv6);
  }
  return address;
}

static tp_net_gate *gate_of(uint32_t connections_max, uint32_t connections_per_address_max) {
  tp_net_gate *gate = NULL;
  assert_int_equal(tp_net_gate_new(NULL, connections_max, connections_per_address_max, &gate, NULL),
                   TUPLET_OK);
  return gate;
}

static tp_net_gate_answer enter(tp_net_gate *gate, const char *text, tp_net_gate_address **ret_address) {
  struct sockaddr_storage address = peer(text);
  return tp_net_gate_enter(gate, &address, ret_address);
}

static void admits_up_to_the_total(void **state) {
  (void)state;
  tp_net_gate *gate = gate_of(3, 100);
  tp_net_gate_address *addresses[4];
  assert_int_equal(enter(gate, "192.0.2.1", &addresses[0]), TP_NET_GATE_ADMITTED);
  assert_int_equal(enter(gate, "192.0.2.2", &addresses[1]), TP_NET_GATE_ADMITTED);
  assert_int_equal(enter(gate, "unix", &addresses[2]), TP_NET_GATE_ADMITTED);
  assert_int_equal(enter(gate, "192.0.2.3", &addresses[3]), TP_NET_GATE_FULL);
  assert_int_equal(enter(gate, "unix", &addresses[3]), TP_NET_GATE_FULL);
  tp_net_gate_leave(gate, addresses[1]);
  assert_int_equal(enter(gate, "192.0.2.3", &addresses[1]), TP_NET_GATE_ADMITTED);
  tp_net_gate_counts counts = tp_net_gate_counts_now(gate);
  assert_int_equal(counts.connections, 3);
  assert_int_equal(counts.admitted, 4);
  assert_int_equal(counts.refused_full, 2);
  assert_int_equal(counts.refused_address_full, 0);
  for (int i = 0; i < 3; i++) tp_net_gate_leave(gate, addresses[i]);
  tp_net_gate_free(gate);
}

/* Each row: three that count as one address, and one beside them. */
static void counts_what_belongs_to_one_address_together(void **state) {
  (void)state;
  static const char *const rows[][4] = {
      {"192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"},
      {"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"},
      {"::1", "::2", "::", "0.0.0.0"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tp_net_gate *gate = gate_of(100, 2);
    tp_net_gate_address *addresses[4];
    assert_int_equal(enter(gate, rows[i][0], &addresses[0]), TP_NET_GATE_ADMITTED);
    assert_int_equal(enter(gate, rows[i][1], &addresses[1]), TP_NET_GATE_ADMITTED);
    assert_int_equal(enter(gate, rows[i][2], &addresses[2]), TP_NET_GATE_ADDRESS_FULL);
    assert_int_equal(enter(gate, rows[i][3], &addresses[3]), TP_NET_GATE_ADMITTED);
    assert_int_equal(tp_net_gate_counts_now(gate).connections, 3);
    assert_int_equal(tp_net_gate_counts_now(gate).refused_address_full, 1);
    tp_net_gate_leave(gate, addresses[0]);
    assert_int_equal(enter(gate, rows[i][2], &addresses[2]), TP_NET_GATE_ADMITTED);
    for (int k = 1; k < 4; k++) tp_net_gate_leave(gate, addresses[k]);
    tp_net_gate_free(gate);
  }
}

static void does_not_count_unix_domain_sockets_as_an_address(void **state) {
  (void)state;
  tp_net_gate *gate = gate_of(100, 1);
  tp_net_gate_address *address;
  for (int i = 0; i < 50; i++) assert_int_equal(enter(gate, "unix", &address), TP_NET_GATE_ADMITTED);
  assert_null(address);
  for (int i = 0; i < 50; i++) tp_net_gate_leave(gate, NULL);
  tp_net_gate_free(gate);
}

typedef struct counting {
  tuplet_allocator allocator;
  atomic_int live;
  int count, fail_at;
} counting;

static void *counting_reallocate(void *context, void *pointer, size_t size) {
  counting *c = context;
  if (size == 0) {
    if (pointer != NULL) atomic_fetch_sub(&c->live, 1);
    free(pointer);
    return NULL;
  }
  if (++c->count == c->fail_at) return NULL;
  if (pointer == NULL) atomic_fetch_add(&c->live, 1);
  return realloc(pointer, size);
}

static void forgets_an_address_with_its_last_connection(void **state) {
  (void)state;
  enum { ADDRESSES = 1000 };
  counting c = {.fail_at = -1};
  c.allocator = (tuplet_allocator){counting_reallocate, &c};
  tp_net_gate *gate = NULL;
  tp_net_gate_address *addresses[ADDRESSES][2];
  assert_int_equal(tp_net_gate_new(&c.allocator, 2 * ADDRESSES, 2, &gate, NULL), TUPLET_OK);
  int before = atomic_load(&c.live);
  for (uint32_t i = 0; i < ADDRESSES; i++) {
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = {{{0x20, 0x01}}}};
    struct sockaddr_storage address = {0};
    uint32_t number = htonl(i);
    memcpy(&ipv6.sin6_addr.s6_addr[4], &number, sizeof number);
    memcpy(&address, &ipv6, sizeof ipv6);
    for (int k = 0; k < 2; k++)
      assert_int_equal(tp_net_gate_enter(gate, &address, &addresses[i][k]), TP_NET_GATE_ADMITTED);
  }
  assert_int_equal(atomic_load(&c.live), before + ADDRESSES);
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < ADDRESSES; i++) tp_net_gate_leave(gate, addresses[i][k]);
  }
  assert_int_equal(atomic_load(&c.live), before);
  tp_net_gate_free(gate);
  assert_int_equal(atomic_load(&c.live), 0);
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  bool has_failed = true;
  for (int n = 1; has_failed; n++) {
    counting c = {.fail_at = n};
    c.allocator = (tuplet_allocator){counting_reallocate, &c};
    tp_net_gate *gate = NULL;
    tp_net_gate_address *address;
    if (tp_net_gate_new(&c.allocator, 10, 10, &gate, NULL) == TUPLET_OK) {
      tp_net_gate_answer answer = enter(gate, "192.0.2.1", &address);
      if (answer != TP_NET_GATE_ADMITTED) {
        assert_int_equal(answer, TP_NET_GATE_NOMEM);
        assert_int_equal(tp_net_gate_counts_now(gate).connections, 0);
        assert_int_equal(enter(gate, "192.0.2.1", &address), TP_NET_GATE_ADMITTED);
      }
      tp_net_gate_leave(gate, address);
      tp_net_gate_free(gate);
    }
    has_failed = c.count >= n;
    assert_int_equal(atomic_load(&c.live), 0);
  }
}

enum { THREADS = 4, ROUNDS = 5000, SHARE = 2, TOTAL = 5 };

typedef struct crowd {
  tp_net_gate *gate;
  atomic_int in, in_of_address[2];
  atomic_bool broken;
} crowd;

static void *come_and_go(void *context) {
  static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
  crowd *c = context;
  for (int i = 0; i < ROUNDS; i++) {
    tp_net_gate_address *address;
    if (enter(c->gate, texts[i % 2], &address) != TP_NET_GATE_ADMITTED) continue;
    if (atomic_fetch_add(&c->in, 1) >= TOTAL) atomic_store(&c->broken, true);
    if (atomic_fetch_add(&c->in_of_address[i % 2], 1) >= SHARE) atomic_store(&c->broken, true);
    atomic_fetch_sub(&c->in_of_address[i % 2], 1);
    atomic_fetch_sub(&c->in, 1);
    tp_net_gate_leave(c->gate, address);
  }
  return NULL;
}

static void keeps_the_bounds_whoever_comes_at_once(void **state) {
  (void)state;
  crowd c = {.gate = gate_of(TOTAL, SHARE)};
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &c), 0);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_false(atomic_load(&c.broken));
  tp_net_gate_counts counts = tp_net_gate_counts_now(c.gate);
  assert_int_equal(counts.connections, 0);
  assert_int_equal(counts.admitted + counts.refused_full + counts.refused_address_full, THREADS * ROUNDS);
  tp_net_gate_free(c.gate);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(admits_up_to_the_total),
      cmocka_unit_test(counts_what_belongs_to_one_address_together),
      cmocka_unit_test(does_not_count_unix_domain_sockets_as_an_address),
      cmocka_unit_test(forgets_an_address_with_its_last_connection),
      cmocka_unit_test(survives_every_failing_allocation),
      cmocka_unit_test(keeps_the_bounds_whoever_comes_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
