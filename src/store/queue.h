/* queue.h: handing messages to those who listen: which are leased, to whom they go, how long a lease is kept
 * alive.
 *
 *   commit ──► due time noted ──► thread: one turn of the engine ──► deliveries, one to each listener in turn
 *                                   ▲  every RENEW_MS, while messages are being handled
 *                                   └─ when a lease of anybody's has run out
 *
 * The thread sleeps until the next of these moments is there, and does not exist while nobody listens. A
 * message belongs to its listener from on_message until the listener has finished it; its lease is renewed
 * meanwhile, however long that takes. */
#ifndef TP_STORE_QUEUE_H
#define TP_STORE_QUEUE_H

#include "base/clock.h"
#include "engine/engine.h"

typedef struct tp_queue tp_queue;
typedef struct tp_queue_listener tp_queue_listener;

/* A message in a listener's hands. */
typedef struct tp_delivery tp_delivery;
struct tp_delivery {
  tuplet_bytes id; /* of the row */
  tuplet_bytes public_id;
  tuplet_bytes payload;
  uint32_t attempt;  /* from 1 */
  tp_delivery *next; /* the listener's own, to keep it in a list */
  void *user;        /* likewise */
};

/* ---- The store's side ---- */

tuplet_status tp_queue_new(const tuplet_allocator *allocator, tp_clock clock, tp_engine *engine,
                           tp_queue **ret_queue, tuplet_error *error);
/* Ends the thread, when all listeners are closed; afterwards the engine may be closed, which completes what
 * is being finished; then free. NULL is fine. */
void tp_queue_stop(tp_queue *queue);
void tp_queue_free(tp_queue *queue);

/* A commit put messages into the queue, the first of which is due then (unix ms). Any thread. Quick. */
void tp_queue_note_due(tp_queue *queue, int64_t due_at_ms);

/* Others may have changed the queue. Any thread. */
void tp_queue_note_foreign(tp_queue *queue);

/* Whether anybody listens. NULL: nobody. Any thread. */
bool tp_queue_is_listening(tp_queue *queue);

/* ---- Listeners. Any thread ---- */

/* on_message is called on the queue's thread without any lock held; it must be quick and must not wait; it
 * may finish the delivery. At most in_flight_max deliveries at a time. Errors: TUPLET_NOMEM. */
tuplet_status tp_queue_listen(tp_queue *queue, uint32_t in_flight_max,
                              void (*on_message)(void *context, tp_delivery *delivery), void *context,
                              tp_queue_listener **ret_listener, tuplet_error *error);

/* No on_message comes after it has returned (it waits for one that runs, so not from inside it). Deliveries
 * that the listener still has are to be finished, as TP_FINISH_RETURNED if nothing else, after which it is
 * gone. NULL is fine. */
void tp_queue_listener_close(tp_queue_listener *listener);

/* Ends a delivery. `on_done` is called once, perhaps before it returns: TUPLET_OK, TUPLET_NOT_FOUND when the
 * lease had been lost (somebody else may have, or get, the message), or an error, after which the lease runs
 * out and the message comes again. The delivery is gone when on_done returns. */
void tp_queue_finish(tp_delivery *delivery, tp_finish_outcome outcome,
                     void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                     void *context);

#endif
