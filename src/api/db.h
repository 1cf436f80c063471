/* db.h: what is behind a tuplet_db; for the files of this folder. */
#ifndef TP_API_DB_H
#define TP_API_DB_H

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct tp_watch_dispatcher tp_watch_dispatcher;
typedef struct tp_watcher tp_watcher;

/* Lives until tuplet_close and until its last list and watch are closed. */
struct tuplet_db {
  const tuplet_allocator *allocator;
  tuplet_owned path;
  tp_store *store; /* NULL from tuplet_close on */
  atomic_bool closed;
  atomic_size_t references; /* the handle's own, and one for each list and watch */
  pthread_mutex_t mutex;    /* guards what follows */
  tp_watcher *watchers;     /* watches of both kinds */
  tuplet_listener *listeners;
  tp_watch_dispatcher *dispatcher; /* calls the callbacks of watches; made at the first need */
};

tuplet_db *tp_db_ref(tuplet_db *db);
void tp_db_unref(tuplet_db *db);

/* TUPLET_OK if calls may go on; TUPLET_MISUSE for NULL, TUPLET_CLOSED. */
tuplet_status tp_db_check(const tuplet_db *db, tuplet_error *error);

#endif
