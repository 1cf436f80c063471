/* gate.c: counting connections, in all and by address.
 *
 * Addresses are in a hash table of fixed size, cut into shards with a lock each. Strangers choose their
 * addresses, IPv6 by the thousand million: so the hash is keyed, and an address is forgotten with its last
 * connection. */
#include "net/gate.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { SHARDS = 16 /* a power of two */, CHAIN_WANTED = 4, BUCKET_BITS_MAX = 20 };

struct tp_net_gate_address {
  tp_net_gate_address *next; /* in its bucket */
  uint64_t prefix;
  uint32_t count;
  bool is_ipv6;
};

typedef struct gate_shard {
  pthread_mutex_t mutex;
  tp_net_gate_address **buckets;
} gate_shard;

struct tp_net_gate {
  const tuplet_allocator *allocator;
  uint32_t connections_max;
  uint32_t connections_per_address_max;
  uint64_t hash_key[2]; /* the first one odd */
  unsigned bucket_bits; /* of each shard's table */
  atomic_uint_fast64_t connections, admitted, refused_full, refused_address_full;
  tp_net_gate_address **buckets; /* of all shards */
  gate_shard shards[SHARDS];
};

tuplet_status tp_net_gate_new(const tuplet_allocator *allocator, uint32_t connections_max,
                              uint32_t connections_per_address_max, tp_net_gate **ret_gate,
                              tuplet_error *error) {
  tp_net_gate *gate = tp_alloc_array_zeroed(allocator, 1, sizeof *gate);
  if (gate == NULL) return tp_fail_nomem(error);
  gate->allocator = allocator;
  gate->connections_max = connections_max;
  gate->connections_per_address_max = connections_per_address_max;
  while (gate->bucket_bits < BUCKET_BITS_MAX &&
         ((uint64_t)SHARDS * CHAIN_WANTED << gate->bucket_bits) < connections_max) {
    gate->bucket_bits++;
  }
  tuplet_status status = tp_random_fill(gate->hash_key, sizeof gate->hash_key, error);
  if (status != TUPLET_OK) goto out;
  gate->hash_key[0] |= 1;
  size_t bucket_count = (size_t)1 << gate->bucket_bits;
  gate->buckets = tp_alloc_array_zeroed(allocator, SHARDS * bucket_count, sizeof(tp_net_gate_address *));
  if (gate->buckets == NULL) {
    status = tp_fail_nomem(error);
    goto out;
  }
  for (size_t i = 0; i < SHARDS; i++) {
    gate->shards[i].buckets = gate->buckets + i * bucket_count;
    (void)pthread_mutex_init(&gate->shards[i].mutex, NULL); /* cannot fail without attributes */
  }
  *ret_gate = gate;
  return TUPLET_OK;
out:
  tp_free(allocator, gate);
  return status;
}

void tp_net_gate_free(tp_net_gate *gate) {
  if (gate == NULL) return;
  assert(atomic_load(&gate->connections) == 0);
  for (size_t i = 0; i < SHARDS; i++) (void)pthread_mutex_destroy(&gate->shards[i].mutex);
  tp_free(gate->allocator, gate->buckets);
  tp_free(gate->allocator, gate);
}

/* ---- Addresses ------------------------------------------------------------------------------------------
 */

/* False when it has none. */
static bool read_address(const struct sockaddr_storage *peer, uint64_t *ret_prefix, bool *ret_is_ipv6) {
  *ret_prefix = 0;
  *ret_is_ipv6 = false;
  if (peer->ss_family == AF_INET) {
    struct sockaddr_in ipv4;
    memcpy(&ipv4, peer, sizeof ipv4);
    *ret_prefix = ipv4.sin_addr.s_addr;
    return true;
  }
  if (peer->ss_family != AF_INET6) return false;
  struct sockaddr_in6 ipv6;
  memcpy(&ipv6, peer, sizeof ipv6);
  *ret_is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr);
  if (*ret_is_ipv6)
    memcpy(ret_prefix, &ipv6.sin6_addr, sizeof *ret_prefix);
  else
    memcpy(ret_prefix, &ipv6.sin6_addr.s6_addr[12], sizeof(uint32_t));
  return true;
}

/* The high bits of a product with a secret odd number: few collisions for whoever does not know it. */
static uint64_t hash_of(const tp_net_gate *gate, uint64_t prefix, bool is_ipv6) {
  uint64_t mixed = prefix ^ (is_ipv6 ? gate->hash_key[1] : ~gate->hash_key[1]);
  return ((mixed ^ mixed >> 32) * gate->hash_key[0]) >> 32;
}

static gate_shard *shard_of(tp_net_gate *gate, uint64_t hash) {
  return &gate->shards[hash % SHARDS];
}

static tp_net_gate_address **bucket_of(const tp_net_gate *gate, gate_shard *shard, uint64_t hash) {
  return &shard->buckets[(hash / SHARDS) & (((uint64_t)1 << gate->bucket_bits) - 1)];
}

static tp_net_gate_answer enter_address(tp_net_gate *gate, uint64_t prefix, bool is_ipv6,
                                        tp_net_gate_address **ret_address) {
  uint64_t hash = hash_of(gate, prefix, is_ipv6);
  gate_shard *shard = shard_of(gate, hash);
  tp_net_gate_answer answer = TP_NET_GATE_ADMITTED;
  (void)pthread_mutex_lock(&shard->mutex);
  tp_net_gate_address **bucket = bucket_of(gate, shard, hash);
  tp_net_gate_address *address = *bucket;
  while (address != NULL && (address->prefix != prefix || address->is_ipv6 != is_ipv6))
    address = address->next;
  if (address == NULL) {
    address = tp_alloc_array_zeroed(gate->allocator, 1, sizeof *address);
    if (address == NULL) {
      answer = TP_NET_GATE_NOMEM;
      goto out;
    }
    *address = (tp_net_gate_address){.next = *bucket, .prefix = prefix, .is_ipv6 = is_ipv6};
    *bucket = address;
  } else if (address->count >= gate->connections_per_address_max) {
    answer = TP_NET_GATE_ADDRESS_FULL;
    goto out;
  }
  address->count++;
  *ret_address = address;
out:
  (void)pthread_mutex_unlock(&shard->mutex);
  return answer;
}

static void leave_address(tp_net_gate *gate, tp_net_gate_address *address) {
  uint64_t hash = hash_of(gate, address->prefix, address->is_ipv6); /* neither changes while it is there */
  gate_shard *shard = shard_of(gate, hash);
  (void)pthread_mutex_lock(&shard->mutex);
  assert(address->count > 0);
  bool is_last = --address->count == 0;
  if (is_last) {
    tp_net_gate_address **link = bucket_of(gate, shard, hash);
    while (*link != address) link = &(*link)->next;
    *link = address->next;
  }
  (void)pthread_mutex_unlock(&shard->mutex);
  if (is_last) tp_free(gate->allocator, address);
}

/* ---- Connections ----------------------------------------------------------------------------------------
 */

tp_net_gate_answer tp_net_gate_enter(tp_net_gate *gate, const struct sockaddr_storage *peer,
                                     tp_net_gate_address **ret_address) {
  *ret_address = NULL;
  if (atomic_fetch_add(&gate->connections, 1) >= gate->connections_max) {
    atomic_fetch_sub(&gate->connections, 1);
    atomic_fetch_add(&gate->refused_full, 1);
    return TP_NET_GATE_FULL;
  }
  uint64_t prefix;
  bool is_ipv6;
  tp_net_gate_answer answer = TP_NET_GATE_ADMITTED;
  if (read_address(peer, &prefix, &is_ipv6)) answer = enter_address(gate, prefix, is_ipv6, ret_address);
  if (answer != TP_NET_GATE_ADMITTED) atomic_fetch_sub(&gate->connections, 1);
  if (answer == TP_NET_GATE_ADMITTED) atomic_fetch_add(&gate->admitted, 1);
  if (answer == TP_NET_GATE_ADDRESS_FULL) atomic_fetch_add(&gate->refused_address_full, 1);
  return answer;
}

void tp_net_gate_leave(tp_net_gate *gate, tp_net_gate_address *address) {
  if (address != NULL) leave_address(gate, address);
  atomic_fetch_sub(&gate->connections, 1);
}

tp_net_gate_counts tp_net_gate_counts_now(const tp_net_gate *gate) {
  return (tp_net_gate_counts){.connections = atomic_load(&gate->connections),
                              .admitted = atomic_load(&gate->admitted),
                              .refused_full = atomic_load(&gate->refused_full),
                              .refused_address_full = atomic_load(&gate->refused_address_full)};
}
