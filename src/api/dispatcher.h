/* dispatcher.h: the thread that calls the callbacks of watches, one after the other. */
#ifndef TP_API_DISPATCHER_H
#define TP_API_DISPATCHER_H

#include "tuplet.h"

/* Something to be served, embedded in what it is about. */
typedef struct tp_dispatch_item tp_dispatch_item;
struct tp_dispatch_item {
  void (*serve)(tp_dispatch_item *item);
  /* The dispatcher's: */
  tp_dispatch_item *next;
  bool queued;
};

typedef struct tp_watch_dispatcher tp_watch_dispatcher;

/* Starts the thread. Errors: TUPLET_NOMEM. */
tuplet_status tp_dispatcher_new(const tuplet_allocator *allocator, tp_watch_dispatcher **ret_dispatcher,
                                tuplet_error *error);
/* Ends the thread, after what it is serving; what is queued stays so for ever. Not from the thread itself.
 * NULL is fine, twice as well. */
void tp_dispatcher_stop(tp_watch_dispatcher *dispatcher);
/* Ends the thread if need be. NULL is fine. */
void tp_dispatcher_free(tp_watch_dispatcher *dispatcher);

/* Any thread. An item that is queued already is served once. */
void tp_dispatcher_submit(tp_watch_dispatcher *dispatcher, tp_dispatch_item *item);

/* After it returns the item is neither queued nor being served, unless the caller is its own serve. NULL
 * dispatcher is fine. */
void tp_dispatcher_withdraw(tp_watch_dispatcher *dispatcher, tp_dispatch_item *item);

#endif
