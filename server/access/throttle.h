/* throttle.h: how long the answer to a failed authentication is held back, by where it came from.
 *
 * Each address has a debt that grows by one with each failure and is paid off at failures_max a minute.
 * Beyond failures_max every further failure waits twice as long as the one before:
 *
 *   failures beyond failures_max   1       2       3      ...   7       8 and more
 *   delay                          100 ms  200 ms  400 ms ...   6.4 s   10 s
 *
 * While held_per_address_max answers to an address are held back already, or held_max in all, a failure is
 * answered at once, with "too many requests". What succeeds never comes here: whoever has a right token is
 * neither delayed nor refused because of a neighbour. So this does not keep anybody from guessing: the length
 * of tokens does. It keeps failing from being cheap, and a client that fails in a loop from busying the
 * server.
 *
 * Addresses are IPv4 addresses and IPv6 networks of 64 bits, of which everybody gets one at least. The table
 * has a fixed size; a new address takes the place of the one that owes least of the few with the same hash,
 * which is keyed, so that nobody chooses whom he displaces. */
#ifndef TP_SERVER_THROTTLE_H
#define TP_SERVER_THROTTLE_H

#include "tuplet.h"

typedef struct tp_throttle tp_throttle;

typedef struct tp_throttle_config {
  const tuplet_allocator *allocator;
  uint32_t failures_max; /* a minute; 0: nothing is ever delayed */
  uint32_t held_per_address_max;
  uint32_t held_max;
  uint32_t address_max; /* how many addresses are known at a time, about */
} tp_throttle_config;

#define TP_THROTTLE_HELD_PER_ADDRESS_MAX 8u
#define TP_THROTTLE_HELD_MAX             1024u
#define TP_THROTTLE_ADDRESS_MAX          8192u
#define TP_THROTTLE_DELAY_MS_MIN         100u
#define TP_THROTTLE_DELAY_MS_MAX         10000u

/* Errors: TUPLET_NOMEM, TUPLET_IO (no randomness). */
tuplet_status tp_throttle_new(const tp_throttle_config *config, tp_throttle **ret_throttle,
                              tuplet_error *error);
void tp_throttle_free(tp_throttle *throttle);

/* Everything below may be called on any thread. peer: an IP address as text; anything else ("unix", none) is
 * nobody's address, and never delayed: who may connect to a Unix-domain socket is chosen by its owner, and
 * who does may be a proxy for many. now_ms: monotonic. */

typedef enum tp_throttle_verdict {
  TP_THROTTLE_NOW,   /* answer at once */
  TP_THROTTLE_HOLD,  /* after delay_ms, and call tp_throttle_release then */
  TP_THROTTLE_REFUSE /* answer at once that there were too many; to be tried again after delay_ms */
} tp_throttle_verdict;

typedef struct tp_throttle_sentence {
  tp_throttle_verdict verdict;
  uint32_t delay_ms;
  uint32_t failures; /* of the address in about the last minute, this one included */
} tp_throttle_sentence;

/* There was a failure. */
tp_throttle_sentence tp_throttle_fail(tp_throttle *throttle, tuplet_bytes peer, int64_t now_ms);

/* An answer to the peer is not held any more. */
void tp_throttle_release(tp_throttle *throttle, tuplet_bytes peer);

/* Whether the next failure of the peer would be held back, rather than answered at once. */
bool tp_throttle_would_hold(tp_throttle *throttle, tuplet_bytes peer, int64_t now_ms);

#endif
