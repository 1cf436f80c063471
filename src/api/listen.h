/* listen.h: listeners and the messages they have; for the files of this folder. */
#ifndef TP_API_LISTEN_H
#define TP_API_LISTEN_H

#include "api/db.h"

/* A message in a listener's hands, or in its user's. */
typedef struct tp_message_item tp_message_item;
struct tp_message_item {
  tuplet_message message; /* first, so that the one is found from the other */
  tuplet_listener *listener;
  tp_delivery *delivery;            /* NULL: taken by the one who ends it */
  tp_message_item *previous, *next; /* in listener->ready or listener->held */
  tuplet_end_callback callback;
  void *context;
};

struct tuplet_listener {
  tuplet_db *db;                    /* a reference */
  tuplet_listener *previous, *next; /* of the database's listeners; guarded by its mutex */
  tuplet_message_callback callback; /* NULL: messages are fetched */
  void *context;
  tp_queue_listener *inner;

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal;
  size_t references;      /* the owner's, and one for each message */
  tp_message_item *ready; /* not given out yet, the oldest first */
  tp_message_item *ready_last;
  tp_message_item *held; /* given out */
  size_t returning;      /* messages on their way back */
  bool ended;
  bool joined;
  uint32_t thread_count;
  pthread_t threads[TUPLET_LISTEN_THREADS_MAX];
};

/* With the listener's mutex held. */
void tp_listener_hold(tuplet_listener *listener, tp_message_item *item);
void tp_listener_let_go(tuplet_listener *listener, tp_message_item *item);

void tp_listener_unref(tuplet_listener *listener);

/* Ends all listeners of a database that is being closed. */
void tp_listeners_end(tuplet_db *db);

#endif
