/* queue_stream.c: the queue over the network.
 *
 *   queue's thread: on_message ──► incoming ──post──► loop: unsent ──► sent, and in the table of leases
 *                                                                            │
 *                  any loop: queue_finish ── takes it from the table ◄───────┘
 *
 * A peer that reads slowly makes the server hold its window (max_in_flight messages) and no more than
 * UNTAKEN_SIZE_MAX bytes of it twice. What is held counts as memory that clients make the server spend: a
 * listener for whose next message there is none left is ended, and its messages go to others. */
#include "server/protocol/queue_stream.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server/completion.h"
#include "server/protocol/answer.h"
#include "server/protocol/queue_leases.h"
#include "server/protocol/stream.h"
#include "wire/datapath.h"

#include <stddef.h>

enum { UNTAKEN_SIZE_MAX = 256 * 1024, MESSAGE_KEEP_MAX = 4096, LEASE_MS = 5000 };

/* A message on its way. */
typedef struct queue_item {
  tp_queue_lease lease; /* first, so that the one is found from the other */
  struct queue_item *next;
  size_t charged; /* to the service's memory */
} queue_item;

typedef struct item_list {
  queue_item *first;
  queue_item **last_link;
} item_list;

typedef struct queue_stream {
  tp_stream base; /* first, so that the one is found from the other */
  tp_queue_listener *listener;
  tp_loop_item wake;
  item_list unsent;
  tp_queue_lease_list sent;
  tp_buffer message;

  pthread_mutex_t mutex; /* guards what follows */
  item_list incoming;
  bool wake_posted;
  tuplet_status failure; /* what there was no memory for; TUPLET_OK: all is well */
} queue_stream;

static void list_init(item_list *list) {
  list->first = NULL;
  list->last_link = &list->first;
}

static void list_append(item_list *list, queue_item *item) {
  item->next = NULL;
  *list->last_link = item;
  list->last_link = &item->next;
}

static queue_item *list_take(item_list *list) {
  queue_item *item = list->first;
  if (item == NULL) return NULL;
  list->first = item->next;
  if (list->first == NULL) list->last_link = &list->first;
  return item;
}

/* ---- The end ---- */

static void free_stream(queue_stream *stream) {
  (void)pthread_mutex_destroy(&stream->mutex);
  tp_buffer_done(&stream->message);
  tp_free(stream->base.worker->service->allocator, stream);
}

/* The delivery, which is then all that is left of the item. */
static tp_delivery *unwrap(tp_service *service, queue_item *item) {
  tp_delivery *delivery = item->lease.delivery;
  tp_http_budget_discharge(&service->budget, item->charged);
  tp_free(service->allocator, item);
  return delivery;
}

static void give_back(tp_worker *worker, queue_item *item) {
  tp_metrics_add(&worker->metrics.messages_returned, 1);
  tp_delivery_finish(unwrap(worker->service, item), TP_FINISH_RETURNED, NULL, NULL);
}

static void on_end(tp_stream *base) {
  queue_stream *stream = (queue_stream *)base;
  tp_worker *worker = base->worker;
  tp_service *service = worker->service;
  tp_queue_listener_close(stream->listener); /* from here on nothing comes in any more */
  (void)atomic_fetch_sub(&service->listener_count, 1);
  for (tp_queue_lease *lease;
       (lease = tp_queue_leases_take_any(service->queue_leases, &stream->sent)) != NULL;)
    give_back(worker, (queue_item *)lease);
  for (queue_item *item; (item = list_take(&stream->unsent)) != NULL;) give_back(worker, item);
  for (queue_item *item; (item = list_take(&stream->incoming)) != NULL;) give_back(worker, item);
  if (!stream->wake_posted) free_stream(stream);
}

/* ---- Sending ---- */

static tuplet_status send_message(queue_stream *stream, queue_item *item, tuplet_error *error) {
  static const uint8_t room[TP_STREAM_LENGTH_SIZE];
  const tp_delivery *delivery = item->lease.delivery;
  tp_buffer_clear(&stream->message);
  tp_buffer_append(&stream->message, room, sizeof room);
  tp_queue_message_encode(&stream->message, delivery->id, delivery->payload, delivery->attempt, LEASE_MS);
  /* Before it is sent: the peer may be quick. */
  tp_queue_leases_add(stream->base.worker->service->queue_leases, &item->lease, &stream->base.session,
                      &stream->sent);
  tp_metrics_add(&stream->base.worker->metrics.messages_sent, 1);
  return tp_stream_write(&stream->base, &stream->message, error);
}

static void send_unsent(queue_stream *stream) {
  tuplet_status status = TUPLET_OK;
  tuplet_error error;
  while (status == TUPLET_OK && stream->unsent.first != NULL &&
         tp_http_respond_buffered(stream->base.request) < UNTAKEN_SIZE_MAX)
    status = send_message(stream, list_take(&stream->unsent), &error);
  if (stream->message.capacity > MESSAGE_KEEP_MAX) tp_buffer_done(&stream->message);
  if (status != TUPLET_OK) tp_stream_fail(&stream->base, status, &error);
}

static void on_writable(tp_stream *base) {
  send_unsent((queue_stream *)base);
}

/* ---- Messages come in ---- */

static tuplet_status wrap(tp_service *service, tp_delivery *delivery, queue_item **ret_item) {
  size_t size = sizeof **ret_item + delivery->id.size + delivery->payload.size;
  if (!tp_http_budget_charge(&service->budget, size)) return TUPLET_BUSY;
  queue_item *item = tp_alloc(service->allocator, sizeof *item);
  if (item == NULL) {
    tp_http_budget_discharge(&service->budget, size);
    return TUPLET_NOMEM;
  }
  item->lease.delivery = delivery;
  item->charged = size;
  *ret_item = item;
  return TUPLET_OK;
}

/* On the queue's thread. */
static void on_message(void *context, tp_delivery *delivery) {
  queue_stream *stream = context;
  queue_item *item;
  tuplet_status status = wrap(stream->base.worker->service, delivery, &item);
  (void)pthread_mutex_lock(&stream->mutex);
  if (status == TUPLET_OK)
    list_append(&stream->incoming, item);
  else
    stream->failure = status;
  bool posts = !stream->wake_posted;
  stream->wake_posted = true;
  (void)pthread_mutex_unlock(&stream->mutex);
  if (posts) tp_loop_post(stream->base.worker->loop, &stream->wake);
  if (status != TUPLET_OK) tp_delivery_finish(delivery, TP_FINISH_RETURNED, NULL, NULL);
}

static void run_wake(tp_loop_item *loop_item) {
  queue_stream *stream = (queue_stream *)(void *)((char *)loop_item - offsetof(queue_stream, wake));
  if (stream->base.request == NULL) {
    free_stream(stream);
    return;
  }
  (void)pthread_mutex_lock(&stream->mutex);
  stream->wake_posted = false;
  for (queue_item *item; (item = list_take(&stream->incoming)) != NULL;) list_append(&stream->unsent, item);
  tuplet_status failure = stream->failure;
  (void)pthread_mutex_unlock(&stream->mutex);
  if (failure == TUPLET_OK) {
    send_unsent(stream);
    return;
  }
  tuplet_error error;
  (void)tp_fail(&error, failure, "there is no memory left for messages that listeners have not finished");
  tp_stream_fail(&stream->base, failure, &error);
}

/* ---- The start ---- */

static const tp_stream_kind queue_kind = {"listener", on_writable, on_end, .needs_write = true};

/* The request is answered when false is returned. */
static bool check_right(tp_worker *worker, tp_http_request *request, const tp_session *session,
                        tp_database *database) {
  if (session->may_write) return true;
  tp_database_release(worker->service->databases, database);
  tp_http_respond_text(request, 403,
                       "Who may only read cannot listen to the queue: that takes messages out of it.");
  return false;
}

static void refuse(tp_worker *worker, tp_http_request *request, tp_database *database, tuplet_status status,
                   const tuplet_error *error) {
  tp_database_release(worker->service->databases, database);
  tp_answer_failure(worker, request, status, error);
}

static tuplet_status new_stream(tp_worker *worker, queue_stream **ret_stream, tuplet_error *error) {
  const tuplet_allocator *allocator = worker->service->allocator;
  queue_stream *stream = tp_alloc_array_zeroed(allocator, 1, sizeof *stream);
  if (stream == NULL) return tp_fail_nomem(error);
  if (pthread_mutex_init(&stream->mutex, NULL) != 0) {
    tp_free(allocator, stream);
    return tp_fail_nomem(error);
  }
  stream->wake.run = run_wake;
  list_init(&stream->unsent);
  list_init(&stream->incoming);
  tp_buffer_init(&stream->message, allocator);
  *ret_stream = stream;
  return TUPLET_OK;
}

void tp_queue_stream_start(tp_worker *worker, tp_http_request *request, const tp_session *session,
                           tp_database *database) {
  tuplet_error error = {0};
  uint32_t in_flight_max;
  queue_stream *stream;
  if (!check_right(worker, request, session, database)) return;
  tuplet_status status = tp_queue_listen_decode(tp_http_request_body(request), tp_http_request_arena(request),
                                                &in_flight_max, &error);
  if (status == TUPLET_OK) status = new_stream(worker, &stream, &error);
  if (status != TUPLET_OK) {
    refuse(worker, request, database, status, &error);
    return;
  }
  if (!tp_stream_open(&stream->base, &queue_kind, worker, request, session, database)) {
    free_stream(stream);
    return;
  }
  const tp_queue_listening listening = {in_flight_max, on_message, stream};
  (void)atomic_fetch_add(&worker->service->listener_count, 1);
  status = tp_store_listen(tp_database_store(database), &listening, &stream->listener, &error);
  if (status == TUPLET_OK) {
    tp_metrics_add(&worker->metrics.listeners_opened, 1);
    tp_stream_start(&stream->base);
  } else {
    stream->listener = NULL;
    tp_stream_fail(&stream->base, status, &error);
  }
}

/* ---- Finishing ---- */

/* Lives in the request's arena. */
typedef struct finish_operation {
  tp_completion completion;
  tp_worker *worker;
  tp_http_request *request;
  tp_database *database;
  bool success;
  tuplet_status status;
  tuplet_error error;
} finish_operation;

static void answer_finish(tp_worker *worker, tp_http_request *request, tuplet_status status,
                          const tuplet_error *error) {
  if (status == TUPLET_OK)
    tp_answer_bytes(request, TP_CONTENT_PROTOBUF, (tuplet_bytes){0});
  else if (status == TUPLET_NOT_FOUND)
    tp_http_respond_text(request, 404,
                         "There is no such message with a listener of this token: its lease may be over.");
  else
    tp_answer_failure(worker, request, status, error);
}

static void finish_on_done(void *context, tuplet_status status, const tuplet_error *error) {
  finish_operation *operation = context;
  operation->status = status;
  if (status < 0) operation->error = *error;
  tp_completion_done(&operation->completion);
}

static void finish_finish(tp_completion *completion) {
  finish_operation *operation =
      (finish_operation *)(void *)((char *)completion - offsetof(finish_operation, completion));
  tp_loop_metrics *metrics = &operation->worker->metrics;
  if (operation->status == TUPLET_OK)
    tp_metrics_add(operation->success ? &metrics->messages_done : &metrics->messages_failed, 1);
  tp_database_release(operation->worker->service->databases, operation->database);
  answer_finish(operation->worker, operation->request, operation->status, &operation->error);
}

void tp_queue_finish_handle(tp_worker *worker, tp_http_request *request, const tp_session *session,
                            tp_database *database) {
  tp_service *service = worker->service;
  if (!check_right(worker, request, session, database)) return;
  tuplet_error error = {0};
  tuplet_bytes id = {0};
  uint32_t attempt = 0;
  bool success = false;
  tp_arena *arena = tp_http_request_arena(request);
  finish_operation *operation = tp_arena_alloc(arena, sizeof *operation);
  tuplet_status status = TUPLET_NOMEM;
  if (operation == NULL)
    (void)tp_fail_nomem(&error);
  else
    status = tp_queue_finish_decode(tp_http_request_body(request), arena, &id, &attempt, &success, &error);
  tp_queue_lease *lease = NULL;
  if (status == TUPLET_OK) {
    lease = tp_queue_leases_take(service->queue_leases, id, attempt, session);
    if (lease == NULL) status = TUPLET_NOT_FOUND;
  }
  if (status != TUPLET_OK) {
    tp_database_release(service->databases, database);
    answer_finish(worker, request, status, &error);
    return;
  }
  *operation =
      (finish_operation){.worker = worker, .request = request, .database = database, .success = success};
  tp_delivery *delivery = unwrap(service, (queue_item *)lease);
  tp_completion_init(&operation->completion, worker->loop, finish_finish);
  tp_delivery_finish(delivery, success ? TP_FINISH_DONE : TP_FINISH_FAILED, finish_on_done, operation);
  tp_completion_submitted(&operation->completion);
}
