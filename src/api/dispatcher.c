/* dispatcher.c: the thread that calls the callbacks of watches. */
#include "api/dispatcher.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/thread.h"

#include <string.h>

struct tp_watch_dispatcher {
  const tuplet_allocator *allocator;
  pthread_t thread;
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal; /* an item came, an item was served, or it ends */
  tp_dispatch_item *first;
  tp_dispatch_item **last_link;
  tp_dispatch_item *serving;
  bool stopping;
};

static void *run(void *context) {
  tp_watch_dispatcher *dispatcher = context;
  (void)pthread_mutex_lock(&dispatcher->mutex);
  while (!dispatcher->stopping) {
    tp_dispatch_item *item = dispatcher->first;
    if (item == NULL) {
      (void)pthread_cond_wait(&dispatcher->signal, &dispatcher->mutex);
      continue;
    }
    dispatcher->first = item->next;
    if (dispatcher->first == NULL) dispatcher->last_link = &dispatcher->first;
    item->queued = false;
    dispatcher->serving = item;
    (void)pthread_mutex_unlock(&dispatcher->mutex);
    item->serve(item); /* may end the item: it is not touched afterwards */
    (void)pthread_mutex_lock(&dispatcher->mutex);
    dispatcher->serving = NULL;
    (void)pthread_cond_broadcast(&dispatcher->signal);
  }
  (void)pthread_mutex_unlock(&dispatcher->mutex);
  return NULL;
}

tuplet_status tp_dispatcher_new(const tuplet_allocator *allocator, tp_watch_dispatcher **ret_dispatcher,
                                tuplet_error *error) {
  tp_watch_dispatcher *dispatcher = tp_alloc_array_zeroed(allocator, 1, sizeof *dispatcher);
  if (dispatcher == NULL) return tp_fail_nomem(error);
  dispatcher->allocator = allocator;
  dispatcher->last_link = &dispatcher->first;
  int rc = pthread_mutex_init(&dispatcher->mutex, NULL);
  if (rc != 0) goto out_memory;
  rc = pthread_cond_init(&dispatcher->signal, NULL);
  if (rc != 0) goto out_mutex;
  tuplet_status status = tp_thread_start(&dispatcher->thread, "tp-watch", run, dispatcher, error);
  if (status == TUPLET_OK) {
    *ret_dispatcher = dispatcher;
    return TUPLET_OK;
  }
  (void)pthread_cond_destroy(&dispatcher->signal);
  (void)pthread_mutex_destroy(&dispatcher->mutex);
  tp_free(allocator, dispatcher);
  return status;

out_mutex:
  (void)pthread_mutex_destroy(&dispatcher->mutex);
out_memory:
  tp_free(allocator, dispatcher);
  return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
}

void tp_dispatcher_stop(tp_watch_dispatcher *dispatcher) {
  if (dispatcher == NULL) return;
  (void)pthread_mutex_lock(&dispatcher->mutex);
  bool running = !dispatcher->stopping;
  dispatcher->stopping = true;
  (void)pthread_cond_broadcast(&dispatcher->signal);
  (void)pthread_mutex_unlock(&dispatcher->mutex);
  if (running) (void)pthread_join(dispatcher->thread, NULL);
}

void tp_dispatcher_free(tp_watch_dispatcher *dispatcher) {
  if (dispatcher == NULL) return;
  tp_dispatcher_stop(dispatcher);
  (void)pthread_cond_destroy(&dispatcher->signal);
  (void)pthread_mutex_destroy(&dispatcher->mutex);
  tp_free(dispatcher->allocator, dispatcher);
}

void tp_dispatcher_submit(tp_watch_dispatcher *dispatcher, tp_dispatch_item *item) {
  (void)pthread_mutex_lock(&dispatcher->mutex);
  if (!item->queued) {
    item->queued = true;
    item->next = NULL;
    *dispatcher->last_link = item;
    dispatcher->last_link = &item->next;
    (void)pthread_cond_broadcast(&dispatcher->signal);
  }
  (void)pthread_mutex_unlock(&dispatcher->mutex);
}

void tp_dispatcher_withdraw(tp_watch_dispatcher *dispatcher, tp_dispatch_item *item) {
  if (dispatcher == NULL) return;
  (void)pthread_mutex_lock(&dispatcher->mutex);
  for (tp_dispatch_item **link = &dispatcher->first; *link != NULL; link = &(*link)->next) {
    if (*link == item) {
      *link = item->next;
      if (*link == NULL) dispatcher->last_link = link;
      break;
    }
  }
  item->queued = false;
  bool own_thread = pthread_equal(pthread_self(), dispatcher->thread) != 0;
  while (!own_thread && dispatcher->serving == item) {
    (void)pthread_cond_wait(&dispatcher->signal, &dispatcher->mutex);
  }
  (void)pthread_mutex_unlock(&dispatcher->mutex);
}
