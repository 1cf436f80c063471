/* throttle.c: how long the answer to a failed authentication is held back, by where it came from. */
#include "server/access/throttle.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

enum { MINUTE_MS = 60000, WAYS = 8, ADDRESS_TEXT_SIZE = 64, NETWORK_SIZE = 8 };

/* Failures beyond failures_max that still make a difference: what more there are is not held against anybody
 * for longer. */
enum { EXCESS_MAX = 16 };

/* An IPv4 address, or the network of an IPv6 address. */
typedef struct network {
  uint8_t bytes[NETWORK_SIZE];
  uint8_t family; /* 4, 6; 0: none */
} network;

typedef struct source {
  network address;
  uint32_t held;
  int64_t debt;  /* failures times MINUTE_MS, as of at_ms; paid off by failures_max a millisecond */
  int64_t at_ms; /* monotonic */
} source;

struct tp_throttle {
  tp_throttle_config config;
  uint64_t hash_key[2];
  pthread_mutex_t mutex; /* for all below; taken by failures only */
  uint32_t held;
  size_t set_count; /* a power of two */
  source *records;  /* sets of WAYS */
};

tuplet_status tp_throttle_new(const tp_throttle_config *config, tp_throttle **ret_throttle,
                              tuplet_error *error) {
  tp_throttle *throttle = tp_alloc_array_zeroed(config->allocator, 1, sizeof *throttle);
  if (throttle == NULL) return tp_fail_nomem(error);
  throttle->config = *config;
  throttle->set_count = 1;
  while (throttle->set_count * WAYS < config->address_max) throttle->set_count *= 2;
  throttle->records = tp_alloc_array_zeroed(config->allocator, throttle->set_count * WAYS, sizeof(source));
  tuplet_status status = throttle->records != NULL ? TUPLET_OK : tp_fail_nomem(error);
  if (status == TUPLET_OK) status = tp_random_fill(throttle->hash_key, sizeof throttle->hash_key, error);
  if (status == TUPLET_OK && pthread_mutex_init(&throttle->mutex, NULL) != 0) status = tp_fail_nomem(error);
  if (status == TUPLET_OK) {
    *ret_throttle = throttle;
  } else {
    tp_free(config->allocator, throttle->records);
    tp_free(config->allocator, throttle);
  }
  return status;
}

void tp_throttle_free(tp_throttle *throttle) {
  if (throttle == NULL) return;
  (void)pthread_mutex_destroy(&throttle->mutex);
  tp_free(throttle->config.allocator, throttle->records);
  tp_free(throttle->config.allocator, throttle);
}

/* ---- Addresses ---- */

static bool is_mapped(const struct in6_addr *address) {
  static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(address->s6_addr, mapped, sizeof mapped) == 0;
}

/* False when it is no IP address. A zone (fe80::1%eth0) does not count. */
static bool parse_peer(tuplet_bytes peer, network *ret_address) {
  char text[ADDRESS_TEXT_SIZE];
  struct in_addr v4;
  struct in6_addr v6;
  if (peer.size == 0 || peer.size >= sizeof text) return false;
  memcpy(text, peer.data, peer.size);
  text[peer.size] = '\0';
  text[strcspn(text, "%")] = '\0';
  *ret_address = (network){0};
  if (inet_pton(AF_INET, text, &v4) == 1) {
    ret_address->family = 4;
    memcpy(ret_address->bytes, &v4, sizeof v4);
  } else if (inet_pton(AF_INET6, text, &v6) == 1 && is_mapped(&v6)) {
    ret_address->family = 4;
    memcpy(ret_address->bytes, v6.s6_addr + 12, 4);
  } else if (inet_pton(AF_INET6, text, &v6) == 1) {
    ret_address->family = 6;
    memcpy(ret_address->bytes, v6.s6_addr, NETWORK_SIZE);
  } else {
    return false;
  }
  return true;
}

/* Multiply and fold, under a key: enough to keep those who do not see the results from steering them. */
static uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static source *set_of(const tp_throttle *throttle, const network *address) {
  uint64_t number;
  memcpy(&number, address->bytes, sizeof number);
  uint64_t hash = mix(number ^ throttle->hash_key[0], throttle->hash_key[1] | 1);
  hash = mix(hash ^ address->family, throttle->hash_key[0] | 1);
  return &throttle->records[(hash & (throttle->set_count - 1)) * WAYS];
}

static bool address_equals(const network *a, const network *b) {
  return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* NULL when the address is not known. */
static source *find(const tp_throttle *throttle, const network *address) {
  source *set = set_of(throttle, address);
  for (size_t i = 0; i < WAYS; i++) {
    if (address_equals(&set[i].address, address)) return &set[i];
  }
  return NULL;
}

/* ---- Debts ---- */

static int64_t debt_now(const tp_throttle *throttle, const source *record, int64_t now_ms) {
  int64_t passed_ms = now_ms - record->at_ms;
  if (passed_ms < 0) passed_ms = 0;
  if (passed_ms > (EXCESS_MAX + 1) * (int64_t)MINUTE_MS) return 0; /* nobody owes more; no overflow below */
  int64_t paid = passed_ms * throttle->config.failures_max;
  return record->debt > paid ? record->debt - paid : 0;
}

/* The record of an address, that of another given up if need be; NULL when answers are held for all of them.
 */
static source *find_or_take(tp_throttle *throttle, const network *address, int64_t now_ms) {
  source *known = find(throttle, address), *victim = NULL;
  if (known != NULL) return known;
  source *set = set_of(throttle, address);
  int64_t least = 0;
  for (size_t i = 0; i < WAYS; i++) {
    int64_t debt = set[i].address.family == 0 ? -1 : debt_now(throttle, &set[i], now_ms);
    if (set[i].held > 0 || (victim != NULL && debt >= least)) continue;
    victim = &set[i];
    least = debt;
  }
  if (victim != NULL) *victim = (source){.address = *address, .at_ms = now_ms};
  return victim;
}

/* For the failures beyond the limit, from 1. */
static uint32_t delay_ms(int64_t excess) {
  enum { DOUBLINGS_MAX = 7 };
  if (excess > DOUBLINGS_MAX) return TP_THROTTLE_DELAY_MS_MAX;
  return TP_THROTTLE_DELAY_MS_MIN << (excess - 1);
}

/* Whole failures, rounded up. */
static int64_t failures_of(int64_t debt) {
  return (debt + MINUTE_MS - 1) / MINUTE_MS;
}

static bool has_room(const tp_throttle *throttle, const source *record) {
  return record->held < throttle->config.held_per_address_max && throttle->held < throttle->config.held_max;
}

tp_throttle_sentence tp_throttle_fail(tp_throttle *throttle, tuplet_bytes peer, int64_t now_ms) {
  tp_throttle_sentence sentence = {.verdict = TP_THROTTLE_NOW};
  network address;
  int64_t limit = throttle->config.failures_max;
  if (limit == 0 || !parse_peer(peer, &address)) return sentence;

  (void)pthread_mutex_lock(&throttle->mutex);
  source *record = find_or_take(throttle, &address, now_ms);
  if (record == NULL) {
    sentence = (tp_throttle_sentence){TP_THROTTLE_REFUSE, TP_THROTTLE_DELAY_MS_MAX, 1};
  } else {
    int64_t debt = debt_now(throttle, record, now_ms) + MINUTE_MS, most = (limit + EXCESS_MAX) * MINUTE_MS;
    record->debt = debt < most ? debt : most;
    record->at_ms = now_ms;
    int64_t excess = failures_of(record->debt) - limit;
    sentence.failures = (uint32_t)failures_of(record->debt);
    if (excess > 0) {
      sentence.delay_ms = delay_ms(excess);
      sentence.verdict = has_room(throttle, record) ? TP_THROTTLE_HOLD : TP_THROTTLE_REFUSE;
    }
    if (sentence.verdict == TP_THROTTLE_HOLD) {
      record->held++;
      throttle->held++;
    }
  }
  (void)pthread_mutex_unlock(&throttle->mutex);
  return sentence;
}

void tp_throttle_release(tp_throttle *throttle, tuplet_bytes peer) {
  network address;
  if (!parse_peer(peer, &address)) return;
  (void)pthread_mutex_lock(&throttle->mutex);
  source *record = find(throttle, &address); /* there: records with something held stay */
  if (record != NULL && record->held > 0) {
    record->held--;
    throttle->held--;
  }
  (void)pthread_mutex_unlock(&throttle->mutex);
}

bool tp_throttle_would_hold(tp_throttle *throttle, tuplet_bytes peer, int64_t now_ms) {
  network address;
  int64_t limit = throttle->config.failures_max;
  if (limit == 0 || !parse_peer(peer, &address)) return false;
  (void)pthread_mutex_lock(&throttle->mutex);
  const source *record = find(throttle, &address);
  bool holds = record != NULL && has_room(throttle, record) &&
               failures_of(debt_now(throttle, record, now_ms) + MINUTE_MS) > limit;
  (void)pthread_mutex_unlock(&throttle->mutex);
  return holds;
}
