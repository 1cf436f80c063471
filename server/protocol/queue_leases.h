/* queue_leases.h: which messages are with which listeners, so that a finish that comes over another
 * connection, and so perhaps on another loop, finds its message.
 *
 * Any thread. */
#ifndef TP_SERVER_QUEUE_LEASES_H
#define TP_SERVER_QUEUE_LEASES_H

#include "server/access/auth.h"
#include "store/store.h"

#include <pthread.h>

typedef struct tp_queue_lease tp_queue_lease;

/* A listener's messages. Zeroed is an empty one; guarded by the table. */
typedef struct tp_queue_lease_list {
  tp_queue_lease *first;
} tp_queue_lease_list;

/* A message that was sent to a listener. */
struct tp_queue_lease {
  tp_delivery *delivery;
  /* The table's: */
  tp_queue_lease_list *list;
  tp_queue_lease *previous, *next; /* in the list */
  tp_queue_lease *same_bucket;
  uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE];
  uint64_t token_id;
};

typedef struct tp_queue_leases tp_queue_leases;

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_queue_leases_new(const tuplet_allocator *allocator, tp_queue_leases **ret_leases,
                                  tuplet_error *error);
/* When it is empty. NULL is fine. */
void tp_queue_leases_free(tp_queue_leases *leases);

/* From now on it can be taken, by whoever has a session of the same token and database. */
void tp_queue_leases_add(tp_queue_leases *leases, tp_queue_lease *lease, const tp_session *session,
                         tp_queue_lease_list *list);

/* The message of that id, which is the caller's to finish; NULL when there is none (any more). attempt: only
 * that one, so that what is said of an attempt twice does not end the next one; 0: any. */
tp_queue_lease *tp_queue_leases_take(tp_queue_leases *leases, tuplet_bytes id, uint32_t attempt,
                                     const tp_session *session);

/* Any message of the list, likewise; NULL when it is empty. */
tp_queue_lease *tp_queue_leases_take_any(tp_queue_leases *leases, const tp_queue_lease_list *list);

#endif
