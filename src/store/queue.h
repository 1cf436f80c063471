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

/* ---- The store's side ---- */

tuplet_status tp_queue_new(const tuplet_allocator *allocator, tp_clock clock, tp_engine *engine,
                           tp_queue **ret_queue, tuplet_error *error);
/* Ends the thread, when all listeners are closed; afterwards the engine may be closed, which completes what
 * is being finished; then free. NULL is fine. */
void tp_queue_stop(tp_queue *queue);
void tp_queue_free(tp_queue *queue);

/* A commit put messages into the queue, the first of which is due then (unix ms). Any thread. Quick. */
void tp_queue_note_due(tp_queue *queue, int64_t due_at_ms);

/* Others may have changed the queue. NULL is fine. Any thread. */
void tp_queue_note_foreign(tp_queue *queue);

/* Whether anybody listens. NULL: nobody. Any thread. */
bool tp_queue_is_listening(tp_queue *queue);

/* ---- Listeners. Any thread ---- */

/* on_message is called on the queue's thread without any lock held (on the engine's, where that hands out
 * messages by itself). Errors: TUPLET_NOMEM, and the engine's. */
tuplet_status tp_queue_listen(tp_queue *queue, const tp_queue_listening *config,
                              tp_queue_listener **ret_listener, tuplet_error *error);

/* No on_message comes after it has returned (it waits for one that runs, so not from inside it). Deliveries
 * that the listener still has are to be finished, as TP_FINISH_RETURNED if nothing else, after which it is
 * gone. NULL is fine. */
void tp_queue_listener_close(tp_queue_listener *listener);

#endif
