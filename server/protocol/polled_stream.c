/* polled_stream.c: answers to watches, which go on until either side ends them. */
#include "server/protocol/polled_stream.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server/protocol/answer.h"

#include <stddef.h>

/* A stream that waits does not keep a message buffer larger than that. */
enum { MESSAGE_KEEP_MAX = 4096 };

static void free_stream(tp_polled_stream *stream) {
  tp_buffer_done(&stream->message);
  tp_free(stream->base.worker->service->allocator, stream);
}

static void on_end(tp_stream *base) {
  tp_polled_stream *stream = (tp_polled_stream *)base;
  stream->kind->close(stream); /* from here on no wake-up is posted any more */
  if (!atomic_load_explicit(&stream->wake_posted, memory_order_acquire)) free_stream(stream);
}

/* ---- Polling ---- */

void tp_polled_stream_polled(tp_polled_stream *stream, tuplet_status status, bool is_new,
                             const tuplet_error *error) {
  stream->status = status;
  stream->is_new = is_new;
  if (status < 0) stream->error = *error;
  tp_completion_done(&stream->completion);
}

static tuplet_status send_message(tp_polled_stream *stream, tuplet_error *error) {
  tuplet_status status = tp_stream_write(&stream->base, &stream->message, error);
  if (status == TUPLET_OK) tp_metrics_add(&stream->base.worker->metrics.watch_messages, 1);
  if (stream->message.capacity > MESSAGE_KEEP_MAX) tp_buffer_done(&stream->message);
  return status;
}

static void poll_watch(tp_polled_stream *stream);

static void poll_finish(tp_completion *completion) {
  tp_polled_stream *stream =
      (tp_polled_stream *)(void *)((char *)completion - offsetof(tp_polled_stream, completion));
  if (!tp_stream_idle(&stream->base)) return;
  if (stream->status >= 0 && !stream->base.is_started) {
    tp_stream_start(&stream->base);
    tp_metrics_add(&stream->base.worker->metrics.watches_opened, 1);
  }
  if (stream->status >= 0 && stream->is_new) stream->status = send_message(stream, &stream->error);
  if (stream->status < 0) {
    tp_stream_fail(&stream->base, stream->status, &stream->error);
    return;
  }
  if (stream->dirty && tp_stream_is_writable(&stream->base)) poll_watch(stream);
}

static void poll_watch(tp_polled_stream *stream) {
  static const uint8_t room[TP_STREAM_LENGTH_SIZE];
  tp_worker *worker = stream->base.worker;
  stream->dirty = false;
  stream->base.is_busy = true;
  tp_buffer_clear(&stream->message);
  tp_buffer_append(&stream->message, room, sizeof room);
  tp_completion_init(&stream->completion, worker->loop, poll_finish);
  stream->kind->poll(stream, tp_worker_reader(worker, stream->base.database));
  tp_completion_submitted(&stream->completion);
}

/* ---- Waking ---- */

/* A poll follows only when the item has run: so it is free. */
void tp_polled_stream_wake(void *context) {
  tp_polled_stream *stream = context;
  atomic_store_explicit(&stream->wake_posted, true, memory_order_release);
  tp_loop_post(stream->base.worker->loop, &stream->wake);
}

static void run_wake(tp_loop_item *item) {
  tp_polled_stream *stream = (tp_polled_stream *)(void *)((char *)item - offsetof(tp_polled_stream, wake));
  atomic_store_explicit(&stream->wake_posted, false, memory_order_relaxed);
  if (stream->base.request == NULL) {
    free_stream(stream);
    return;
  }
  stream->dirty = true;
  if (!stream->base.is_busy && tp_stream_is_writable(&stream->base)) poll_watch(stream);
}

/* A wake-up may have come first and have sent a message that is still to be taken. */
static void on_writable(tp_stream *base) {
  tp_polled_stream *stream = (tp_polled_stream *)base;
  if (stream->dirty && !base->is_busy) poll_watch(stream);
}

/* ---- The start ---- */

static const tp_stream_kind watch_kind = {"watch", on_writable, on_end};

tp_polled_stream *tp_polled_stream_open(const tp_polled_kind *kind, tp_worker *worker,
                                        tp_http_request *request, const tp_session *session,
                                        tp_database *database) {
  const tuplet_allocator *allocator = worker->service->allocator;
  tuplet_error error;
  tp_polled_stream *stream = tp_alloc_array_zeroed(allocator, 1, kind->size);
  if (stream == NULL) {
    tp_database_release(worker->service->databases, database);
    tp_answer_failure(worker, request, tp_fail_nomem(&error), &error);
    return NULL;
  }
  stream->kind = kind;
  stream->wake.run = run_wake;
  tp_buffer_init(&stream->message, allocator);
  if (!tp_stream_open(&stream->base, &watch_kind, worker, request, session, database)) {
    tp_free(allocator, stream);
    return NULL;
  }
  return stream;
}
