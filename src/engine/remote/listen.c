/* listen.c: messages from a server's queue (the extension queue/1), and their ends.
 *
 * The server renews the leases of what it sent on a stream for as long as that stream lives, and hands it out
 * again when it ends. So a listener that is closed first lets the ends of messages that are on their way
 * arrive, and then ends its stream, which returns the rest. */
#include "engine/remote/private.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "codec/limits.h"
#include "wire/client.h"

#include <stddef.h>
#include <string.h>

enum { MESSAGE_SIZE_MAX = TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX + 4096, ARENA_CHUNK_SIZE = 4096 };

/* A message in its listener's hands. */
typedef struct delivery {
  tp_delivery base;    /* first, so that the one is found from the other */
  tp_remote_item item; /* of its end */
  tp_engine_listener *listener;
  uint64_t stream_number; /* of the stream that brought it */
  tp_finish_outcome outcome;
  void (*on_done)(void *context, tuplet_status status, const tuplet_error *error);
  void *context;
} delivery;

typedef enum listener_state { LISTENER_STARTING, LISTENER_OPEN, LISTENER_REFUSED } listener_state;

struct tp_engine_listener {
  tp_remote_stream stream; /* first, so that the one is found from the other */
  tp_buffer body;
  tp_queue_listening config;
  /* On the engine's thread: */
  uint64_t stream_number;
  size_t delivery_count;  /* given out and not finished */
  size_t held_count;      /* of these, the stream's own that nobody has ended yet */
  size_t finishing_count; /* of these, ends on their way */
  bool is_closed;

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal;
  listener_state state;
  tuplet_error error;
};

static tp_engine_listener *listener_of(tp_remote_stream *stream) {
  return (tp_engine_listener *)(void *)stream; /* its first member */
}

/* ---- The end of a listener ---- */

static void free_listener(tp_engine_listener *listener) {
  const tuplet_allocator *allocator = listener->stream.remote->allocator;
  tp_buffer_done(&listener->body);
  (void)pthread_cond_destroy(&listener->signal);
  (void)pthread_mutex_destroy(&listener->mutex);
  tp_free(allocator, listener);
}

/* The stream ends when nothing is on its way any more, the listener when nobody has a message of it. */
static void end_if_unused(tp_engine_listener *listener) {
  if (!listener->is_closed || listener->finishing_count > 0) return;
  tp_remote_stream_stop(&listener->stream);
  if (listener->delivery_count == 0) free_listener(listener);
}

/* ---- The end of a message ---- */

static void end_delivery(delivery *item, tuplet_status status, const tuplet_error *error) {
  tp_engine_listener *listener = item->listener;
  delivery kept = *item;
  listener->delivery_count--;
  tp_free(listener->stream.remote->allocator, item);
  end_if_unused(listener); /* may be gone */
  if (kept.on_done != NULL) kept.on_done(kept.context, status, error);
}

static void on_finished(void *context, tuplet_status status, const tuplet_error *error) {
  delivery *item = context;
  item->listener->finishing_count--;
  tuplet_error lost;
  if (status == TUPLET_NOT_FOUND) {
    (void)tp_fail(&lost, TUPLET_NOT_FOUND, "the lease of the message was lost before it was finished");
    error = &lost;
  }
  end_delivery(item, status, error);
}

static void run_finish(tp_remote_item *posted) {
  delivery *item = (delivery *)(void *)((char *)posted - offsetof(delivery, item));
  tp_engine_listener *listener = item->listener;
  tuplet_error none = {0};
  bool is_lost = item->stream_number != listener->stream_number; /* the server gave it to others */
  if (!is_lost) listener->held_count--;
  if (item->outcome == TP_FINISH_RETURNED && (listener->is_closed || is_lost)) {
    end_delivery(item, TUPLET_OK, &none);
  } else if (item->outcome != TP_FINISH_DONE && is_lost) {
    end_delivery(item, TUPLET_NOT_FOUND, &none);
  } else {
    /* One alone cannot be returned: it fails, and comes again as its schedule says. And one that is done is
     * told also when its stream is gone: the server may not have noticed. */
    listener->finishing_count++;
    tp_remote_submit_finish(listener->stream.remote, item->base.id, item->base.attempt,
                            item->outcome == TP_FINISH_DONE, on_finished, item);
  }
}

/* Any thread. */
static void finish(tp_delivery *base, tp_finish_outcome outcome,
                   void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                   void *context) {
  delivery *item = (delivery *)base;
  item->outcome = outcome;
  item->on_done = on_done;
  item->context = context;
  item->item.run = run_finish;
  tp_remote_loop_post(&item->listener->stream.remote->loop, &item->item);
}

/* ---- Messages come ---- */

static delivery *new_delivery(tp_engine_listener *listener, const tp_message *message) {
  const tuplet_allocator *allocator = listener->stream.remote->allocator;
  delivery *item = tp_alloc(allocator, sizeof *item + message->id.size + message->payload.size);
  if (item == NULL) return NULL;
  char *id = (char *)(item + 1);
  char *payload = id + message->id.size;
  memcpy(id, message->id.data, message->id.size);
  if (message->payload.size > 0) memcpy(payload, message->payload.data, message->payload.size);
  *item = (delivery){.base = {.id = {id, message->id.size},
                              .payload = {payload, message->payload.size},
                              .attempt = message->attempt,
                              .finish = finish},
                     .listener = listener,
                     .stream_number = listener->stream_number};
  return item;
}

/* Without memory the stream ends, which returns the message. */
static bool on_message(tp_remote_stream *stream, tuplet_bytes bytes) {
  tp_engine_listener *listener = listener_of(stream);
  if (listener->is_closed) return true; /* the end of the stream returns it */
  if (listener->held_count >= listener->config.in_flight_max) return false; /* more than was asked for */
  tp_arena arena;
  tp_message message;
  tp_arena_init(&arena, stream->remote->allocator, ARENA_CHUNK_SIZE);
  delivery *item = NULL;
  if (tp_queue_message_decode(bytes, &arena, &message, NULL) == TUPLET_OK)
    item = new_delivery(listener, &message);
  tp_arena_done(&arena);
  if (item == NULL) return false;
  listener->delivery_count++;
  listener->held_count++;
  listener->config.on_message(listener->config.context, &item->base);
  return true;
}

static void set_state(tp_engine_listener *listener, listener_state state, const tuplet_error *error) {
  (void)pthread_mutex_lock(&listener->mutex);
  if (listener->state == LISTENER_STARTING) {
    listener->state = state;
    if (error != NULL) listener->error = *error;
    (void)pthread_cond_broadcast(&listener->signal);
  }
  (void)pthread_mutex_unlock(&listener->mutex);
}

static void on_open(tp_remote_stream *stream) {
  tp_engine_listener *listener = listener_of(stream);
  listener->stream_number++;
  listener->held_count = 0;
  set_state(listener, LISTENER_OPEN, NULL);
}

static void on_broken(tp_remote_stream *stream) {
  listener_of(stream)->stream_number++; /* what it brought is lost */
}

static void on_refused(tp_remote_stream *stream, bool is_lasting, const tuplet_error *error) {
  if (is_lasting) set_state(listener_of(stream), LISTENER_REFUSED, error);
}

/* ---- Beginning ---- */

static void start(void *context) {
  tp_engine_listener *listener = context;
  tp_remote *remote = listener->stream.remote;
  if (remote->session != NULL && !remote->session->has_queue) {
    tuplet_error error;
    (void)tp_fail(&error, TUPLET_UNSUPPORTED, "%s: this server has no queue over the network", remote->url);
    set_state(listener, LISTENER_REFUSED, &error);
    return;
  }
  tp_remote_stream_start(&listener->stream);
}

static void close_now(void *context) {
  tp_engine_listener *listener = context;
  listener->is_closed = true;
  end_if_unused(listener);
}

static tuplet_status new_listener(tp_remote *remote, const tp_queue_listening *config,
                                  tp_engine_listener **ret_listener, tuplet_error *error) {
  tp_engine_listener *listener = tp_alloc_array_zeroed(remote->allocator, 1, sizeof *listener);
  if (listener == NULL) return tp_fail_nomem(error);
  int rc = pthread_mutex_init(&listener->mutex, NULL);
  if (rc == 0) {
    rc = tp_deadline_init_cond(&listener->signal);
    if (rc != 0) (void)pthread_mutex_destroy(&listener->mutex);
  }
  if (rc != 0) {
    tp_free(remote->allocator, listener);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  listener->config = *config;
  listener->stream.remote = remote;
  tp_buffer_init(&listener->body, remote->allocator);
  tp_queue_listen_encode(&listener->body, config->in_flight_max);
  if (listener->body.failed) {
    free_listener(listener);
    return tp_fail_nomem(error);
  }
  listener->stream = (tp_remote_stream){.remote = remote,
                                        .path = "/queue_listen",
                                        .body = tp_buffer_view(&listener->body),
                                        .message_size_max = MESSAGE_SIZE_MAX,
                                        .keeps_messages = true,
                                        .on_open = on_open,
                                        .on_message = on_message,
                                        .on_broken = on_broken,
                                        .on_refused = on_refused};
  *ret_listener = listener;
  return TUPLET_OK;
}

/* Until the server has agreed, or has not for as long as any operation may take. */
static tuplet_status wait_for_start(tp_engine_listener *listener, tuplet_error *error) {
  const tp_remote *remote = listener->stream.remote;
  tp_deadline until = tp_deadline_in(remote->timeout_ms);
  tuplet_status waited = TUPLET_OK, status = TUPLET_OK;
  (void)pthread_mutex_lock(&listener->mutex);
  while (listener->state == LISTENER_STARTING && waited == TUPLET_OK)
    waited = tp_deadline_wait(&until, &listener->signal, &listener->mutex);
  if (listener->state == LISTENER_STARTING) {
    status =
        tp_fail(error, TUPLET_BUSY, "%s: the server did not begin to send messages in time", remote->url);
  } else if (listener->state == LISTENER_REFUSED) {
    status = listener->error.status;
    if (error != NULL) *error = listener->error;
  }
  (void)pthread_mutex_unlock(&listener->mutex);
  return status;
}

tuplet_status tp_remote_listen(tp_engine *base, const tp_queue_listening *config,
                               tp_engine_listener **ret_listener, tuplet_error *error) {
  tp_remote *remote = (tp_remote *)base;
  if (tp_remote_loop_is_inside(&remote->loop)) /* it waits for what only this thread could do */
    return tp_fail(error, TUPLET_MISUSE, "listening cannot be begun inside a callback");
  tp_engine_listener *listener;
  tuplet_status status = new_listener(remote, config, &listener, error);
  if (status != TUPLET_OK) return status;
  *ret_listener = listener; /* before its first message */
  tp_remote_loop_run(&remote->loop, start, listener);
  status = wait_for_start(listener, error);
  if (status != TUPLET_OK) tp_remote_loop_run(&remote->loop, close_now, listener);
  return status;
}

void tp_remote_listener_close(tp_engine *base, tp_engine_listener *listener) {
  tp_remote *remote = (tp_remote *)base;
  tp_remote_loop_run(&remote->loop, close_now, listener);
}
