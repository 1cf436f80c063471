/* listen.c: listening to the queue, with a callback on threads of the listener's, or by fetching.
 *
 *   store: on_message ──► ready ──► a thread in tuplet_listener_next, or one that calls the callback ──► held
 *                                                                                                         │
 *                                                                    message.c: ack, nack ◄───────────────┘
 */
#include "api/listen.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"

#include <errno.h>
#include <string.h>

/* ---- Messages; the mutex is held ---- */

static void append_ready(tuplet_listener *listener, tp_message_item *item) {
  item->previous = listener->ready_last;
  *(item->previous != NULL ? &item->previous->next : &listener->ready) = item;
  listener->ready_last = item;
}

static tp_message_item *take_ready(tuplet_listener *listener) {
  tp_message_item *item = listener->ready;
  if (item == NULL) return NULL;
  listener->ready = item->next;
  *(item->next != NULL ? &item->next->previous : &listener->ready_last) = NULL;
  item->next = NULL;
  return item;
}

void tp_listener_hold(tuplet_listener *listener, tp_message_item *item) {
  item->previous = NULL;
  item->next = listener->held;
  if (item->next != NULL) item->next->previous = item;
  listener->held = item;
}

void tp_listener_let_go(tuplet_listener *listener, tp_message_item *item) {
  *(item->previous != NULL ? &item->previous->next : &listener->held) = item->next;
  if (item->next != NULL) item->next->previous = item->previous;
}

static tp_message_item *new_item(tuplet_listener *listener, tp_delivery *delivery) {
  tp_message_item *item =
      tp_alloc(listener->db->allocator, sizeof *item + delivery->id.size + 1 + delivery->payload.size);
  if (item == NULL) return NULL;
  char *id = (char *)(item + 1);
  char *payload = id + delivery->id.size + 1;
  memcpy(id, delivery->id.data, delivery->id.size);
  id[delivery->id.size] = '\0';
  if (delivery->payload.size > 0) memcpy(payload, delivery->payload.data, delivery->payload.size);
  *item = (tp_message_item){
      .message = {id, tuplet_value_v8(tuplet_view(payload, delivery->payload.size)), delivery->attempt},
      .listener = listener,
      .delivery = delivery};
  return item;
}

/* From the store. */
static void on_message(void *context, tp_delivery *delivery) {
  tuplet_listener *listener = context;
  tp_message_item *item = new_item(listener, delivery);
  if (item == NULL) { /* others may have room */
    tp_delivery_finish(delivery, TP_FINISH_RETURNED, NULL, NULL);
    return;
  }
  (void)pthread_mutex_lock(&listener->mutex);
  listener->references++;
  append_ready(listener, item);
  (void)pthread_cond_signal(&listener->signal);
  (void)pthread_mutex_unlock(&listener->mutex);
}

/* ---- Fetching ---- */

tuplet_status tuplet_listener_next(tuplet_listener *listener, int64_t timeout_ms,
                                   tuplet_message **ret_message, tuplet_error *error) {
  if (listener == NULL || ret_message == NULL)
    return tp_fail(error, TUPLET_MISUSE, "listener or ret_message is NULL");
  if (listener->callback != NULL)
    return tp_fail(error, TUPLET_MISUSE, "the listener has a callback, which gets its messages");
  tp_deadline deadline = tp_deadline_in(timeout_ms);
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&listener->mutex);
  while (status == TUPLET_OK && !listener->ended && listener->ready == NULL)
    status = tp_deadline_wait(&deadline, &listener->signal, &listener->mutex);
  tp_message_item *item = listener->ended ? NULL : take_ready(listener);
  if (item != NULL) {
    tp_listener_hold(listener, item);
    *ret_message = &item->message;
    status = TUPLET_OK;
  } else if (listener->ended) {
    status = tp_fail(error, TUPLET_CLOSED, "the listener or its database is closed");
  }
  (void)pthread_mutex_unlock(&listener->mutex);
  return status;
}

/* ---- With a callback ---- */

static void *run(void *context) {
  tuplet_listener *listener = context;
  (void)pthread_mutex_lock(&listener->mutex);
  while (!listener->ended) {
    tp_message_item *item = take_ready(listener);
    if (item == NULL) {
      (void)pthread_cond_wait(&listener->signal, &listener->mutex);
      continue;
    }
    tp_listener_hold(listener, item);
    (void)pthread_mutex_unlock(&listener->mutex);
    listener->callback(listener->context, &item->message);
    (void)pthread_mutex_lock(&listener->mutex);
  }
  (void)pthread_mutex_unlock(&listener->mutex);
  return NULL;
}

static tuplet_status start_threads(tuplet_listener *listener, uint32_t count, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && listener->thread_count < count) {
    status = tp_thread_start(&listener->threads[listener->thread_count], "tp-listen", run, listener, error);
    if (status == TUPLET_OK) listener->thread_count++;
  }
  return status;
}

/* ---- The beginning ---- */

static tuplet_status complete_options(const tuplet_listen_options *given, tuplet_listen_options *ret_options,
                                      tuplet_error *error) {
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  if (given != NULL && given->struct_size == 0)
    return tp_fail(error, TUPLET_MISUSE, "options must start from TUPLET_LISTEN_OPTIONS_INIT");
  if (given != NULL)
    memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
  if (options.in_flight_max == 0) options.in_flight_max = TUPLET_LISTEN_IN_FLIGHT_DEFAULT;
  if (options.thread_count == 0) options.thread_count = 1;
  if (options.in_flight_max > TUPLET_LISTEN_IN_FLIGHT_MAX)
    return tp_fail(error, TUPLET_INVALID, "in_flight_max is %u; it may be up to %d.", options.in_flight_max,
                   TUPLET_LISTEN_IN_FLIGHT_MAX);
  if (options.thread_count > TUPLET_LISTEN_THREADS_MAX)
    return tp_fail(error, TUPLET_INVALID, "thread_count is %u; it may be up to %d.", options.thread_count,
                   TUPLET_LISTEN_THREADS_MAX);
  *ret_options = options;
  return TUPLET_OK;
}

static tuplet_status new_listener(tuplet_db *db, tuplet_message_callback callback, void *context,
                                  tuplet_listener **ret_listener, tuplet_error *error) {
  tuplet_listener *listener = tp_alloc_array_zeroed(db->allocator, 1, sizeof *listener);
  if (listener == NULL) return tp_fail_nomem(error);
  int rc = pthread_mutex_init(&listener->mutex, NULL);
  if (rc == 0) {
    rc = tp_deadline_init_cond(&listener->signal);
    if (rc != 0) (void)pthread_mutex_destroy(&listener->mutex);
  }
  if (rc != 0) {
    tp_free(db->allocator, listener);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  listener->db = tp_db_ref(db);
  listener->references = 1;
  listener->callback = callback;
  listener->context = context;
  *ret_listener = listener;
  return TUPLET_OK;
}

static void link_listener(tuplet_listener *listener) {
  tuplet_db *db = listener->db;
  (void)pthread_mutex_lock(&db->mutex);
  listener->next = db->listeners;
  if (listener->next != NULL) listener->next->previous = listener;
  db->listeners = listener;
  (void)pthread_mutex_unlock(&db->mutex);
}

/* The database's mutex is held. */
static void unlink_listener(tuplet_listener *listener) {
  tuplet_db *db = listener->db;
  if (listener->previous == NULL && db->listeners != listener) return; /* tuplet_close was first */
  *(listener->previous != NULL ? &listener->previous->next : &db->listeners) = listener->next;
  if (listener->next != NULL) listener->next->previous = listener->previous;
  listener->previous = listener->next = NULL;
}

tuplet_status tuplet_listen(tuplet_db *db, const tuplet_listen_options *given,
                            tuplet_message_callback callback, void *context, tuplet_listener **ret_listener,
                            tuplet_error *error) {
  tuplet_listen_options options;
  tuplet_listener *listener;
  tuplet_status status = tp_db_check(db, error);
  if (status == TUPLET_OK && ret_listener == NULL)
    status = tp_fail(error, TUPLET_MISUSE, "tuplet_listen: ret_listener is NULL");
  if (status == TUPLET_OK) status = complete_options(given, &options, error);
  if (status == TUPLET_OK) status = new_listener(db, callback, context, &listener, error);
  if (status != TUPLET_OK) return status;
  link_listener(listener);
  *ret_listener = listener; /* before a callback may want it */
  const tp_queue_listening config = {options.in_flight_max, on_message, listener};
  status = tp_store_listen(db->store, &config, &listener->inner, error);
  if (status == TUPLET_OK && callback != NULL) status = start_threads(listener, options.thread_count, error);
  if (status != TUPLET_OK) {
    *ret_listener = NULL;
    tuplet_listener_close(listener);
  }
  return status;
}

/* ---- The end ---- */

void tp_listener_unref(tuplet_listener *listener) {
  (void)pthread_mutex_lock(&listener->mutex);
  bool is_last = --listener->references == 0;
  (void)pthread_mutex_unlock(&listener->mutex);
  if (!is_last) return;
  tuplet_db *db = listener->db;
  (void)pthread_cond_destroy(&listener->signal);
  (void)pthread_mutex_destroy(&listener->mutex);
  tp_free(db->allocator, listener);
  tp_db_unref(db);
}

static void on_returned(void *context, tuplet_status status, const tuplet_error *error) {
  (void)status; /* one that failed runs out */
  (void)error;
  tuplet_listener *listener = context;
  (void)pthread_mutex_lock(&listener->mutex);
  listener->returning--;
  (void)pthread_cond_broadcast(&listener->signal);
  (void)pthread_mutex_unlock(&listener->mutex);
}

/* Gives a message back. The mutex is held, and let go of meanwhile. */
static void give_back(tuplet_listener *listener, tp_delivery *delivery) {
  listener->returning++;
  (void)pthread_mutex_unlock(&listener->mutex);
  tp_delivery_finish(delivery, TP_FINISH_RETURNED, on_returned, listener);
  (void)pthread_mutex_lock(&listener->mutex);
}

/* The next message that somebody was given and has not ended; NULL when there is none. */
static tp_delivery *take_held(tuplet_listener *listener) {
  for (tp_message_item *item = listener->held; item != NULL; item = item->next) {
    tp_delivery *delivery = item->delivery;
    item->delivery = NULL;
    if (delivery != NULL) return delivery;
  }
  return NULL;
}

static void give_all_back(tuplet_listener *listener) {
  (void)pthread_mutex_lock(&listener->mutex);
  for (tp_message_item *item; (item = take_ready(listener)) != NULL;) {
    tp_delivery *delivery = item->delivery;
    tp_free(listener->db->allocator, item);
    listener->references--; /* the owner's, at least, is left */
    give_back(listener, delivery);
  }
  for (tp_delivery *delivery; (delivery = take_held(listener)) != NULL;) give_back(listener, delivery);
  while (listener->returning > 0) (void)pthread_cond_wait(&listener->signal, &listener->mutex);
  (void)pthread_mutex_unlock(&listener->mutex);
}

/* Waits for the threads; whoever is first joins them. */
static void join_threads(tuplet_listener *listener) {
  for (uint32_t i = 0; i < listener->thread_count; i++) (void)pthread_join(listener->threads[i], NULL);
}

/* Both the owner and tuplet_close may come here, perhaps at the same time. */
static void end_listener(tuplet_listener *listener) {
  (void)pthread_mutex_lock(&listener->mutex);
  bool is_first = !listener->ended;
  listener->ended = true;
  (void)pthread_cond_broadcast(&listener->signal);
  while (!is_first && !listener->joined) (void)pthread_cond_wait(&listener->signal, &listener->mutex);
  (void)pthread_mutex_unlock(&listener->mutex);
  if (!is_first) return;
  tp_queue_listener_close(listener->inner);
  give_all_back(listener);
  join_threads(listener);
  (void)pthread_mutex_lock(&listener->mutex);
  listener->joined = true;
  (void)pthread_cond_broadcast(&listener->signal);
  (void)pthread_mutex_unlock(&listener->mutex);
}

void tuplet_listener_close(tuplet_listener *listener) {
  if (listener == NULL) return;
  tuplet_db *db = listener->db;
  (void)pthread_mutex_lock(&db->mutex);
  unlink_listener(listener);
  (void)pthread_mutex_unlock(&db->mutex);
  end_listener(listener);
  tp_listener_unref(listener);
}

void tp_listeners_end(tuplet_db *db) {
  (void)pthread_mutex_lock(&db->mutex);
  while (db->listeners != NULL) {
    tuplet_listener *listener = db->listeners;
    unlink_listener(listener);
    (void)pthread_mutex_lock(&listener->mutex);
    listener->references++; /* its owner may close it meanwhile */
    (void)pthread_mutex_unlock(&listener->mutex);
    (void)pthread_mutex_unlock(&db->mutex);
    end_listener(listener);
    tp_listener_unref(listener);
    (void)pthread_mutex_lock(&db->mutex);
  }
  (void)pthread_mutex_unlock(&db->mutex);
}
