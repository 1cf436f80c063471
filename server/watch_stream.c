/* watch_stream.c: answers to watches, which go on until either side ends them.
 *
 * The watch wakes the stream, the stream polls the watch, and only when the peer has taken everything sent
 * before: a slow peer skips states, and makes the server hold no more than one message.
 *
 *   woken ──► dirty ── everything sent? ──► polling ──► message written, or nothing new
 *               ▲            │ no                             │
 *               └────────────┴── on_writable ◄────────────────┘
 *
 * A stream lives on the heap, since the wake-up that was posted to the loop may come after its request is
 * finished. */
#include "server/watch_stream.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server/answer.h"
#include "server/completion.h"
#include "server/stream.h"
#include "wire/datapath.h"

#include <stddef.h>

/* A stream that waits does not keep a message buffer larger than that. */
enum { MESSAGE_KEEP_MAX = 4096 };

typedef struct watch_stream {
  tp_stream base; /* first, so that the one is found from the other */
  tp_watch_poll poll;
  tp_loop_item wake;
  atomic_bool wake_posted;
  tp_completion completion; /* of the poll */
  tp_watch *watch;
  bool dirty;        /* woken, and not polled since */
  tp_buffer message; /* what the poll gathers */
  tuplet_status status;
  bool any_changed;
  tuplet_error error;
} watch_stream;

static void free_stream(watch_stream *stream) {
  tp_buffer_done(&stream->message);
  tp_free(stream->base.worker->service->allocator, stream);
}

static void on_end(tp_stream *base) {
  watch_stream *stream = (watch_stream *)base;
  tp_watch_close(stream->watch); /* from here on no wake-up is posted any more */
  if (!atomic_load_explicit(&stream->wake_posted, memory_order_acquire)) free_stream(stream);
}

/* ---- Polling ---- */

static watch_stream *stream_of(tp_watch_poll *poll) {
  return (watch_stream *)(void *)((char *)poll - offsetof(watch_stream, poll));
}

/* Every key is sent as changed: Deno's client (seen with 2.9.6) takes one that is not for one that has no
 * entry. It leaves out itself what it has shown already. */
static tuplet_status poll_on_key(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                                 tuplet_error *error) {
  (void)index;
  (void)changed;
  watch_stream *stream = stream_of(poll);
  tp_watch_output_key(&stream->message, true, row);
  return stream->message.failed ? tp_fail_nomem(error) : TUPLET_OK;
}

static void poll_on_done(tp_watch_poll *poll, tuplet_status status, bool any_changed,
                         const tuplet_error *error) {
  watch_stream *stream = stream_of(poll);
  stream->status = status;
  stream->any_changed = any_changed;
  if (status < 0) stream->error = *error;
  tp_completion_done(&stream->completion);
}

static tuplet_status send_message(watch_stream *stream, tuplet_error *error) {
  tuplet_status status = tp_stream_write(&stream->base, &stream->message, error);
  if (status == TUPLET_OK) tp_metrics_add(&stream->base.worker->metrics.watch_messages, 1);
  if (stream->message.capacity > MESSAGE_KEEP_MAX) tp_buffer_done(&stream->message);
  return status;
}

static void poll_watch(watch_stream *stream);

static void poll_finish(tp_completion *completion) {
  watch_stream *stream = (watch_stream *)(void *)((char *)completion - offsetof(watch_stream, completion));
  if (!tp_stream_idle(&stream->base)) return;
  if (stream->status >= 0 && !stream->base.is_started) {
    tp_stream_start(&stream->base);
    tp_metrics_add(&stream->base.worker->metrics.watches_opened, 1);
  }
  if (stream->status >= 0 && stream->any_changed) stream->status = send_message(stream, &stream->error);
  if (stream->status < 0) {
    tp_stream_fail(&stream->base, stream->status, &stream->error);
    return;
  }
  if (stream->dirty && tp_stream_is_writable(&stream->base)) poll_watch(stream);
}

static void poll_watch(watch_stream *stream) {
  static const uint8_t room[TP_STREAM_LENGTH_SIZE];
  tp_worker *worker = stream->base.worker;
  stream->dirty = false;
  stream->base.is_busy = true;
  tp_buffer_clear(&stream->message);
  tp_buffer_append(&stream->message, room, sizeof room);
  tp_watch_output_begin(&stream->message);
  tp_completion_init(&stream->completion, worker->loop, poll_finish);
  tp_watch_poll_start(stream->watch, tp_worker_reader(worker, stream->base.database), &stream->poll);
  tp_completion_submitted(&stream->completion);
}

/* ---- Waking ---- */

/* On any thread. At most once between two polls, and a poll follows only when the item has run: so it is
 * free. */
static void on_wake(void *context) {
  watch_stream *stream = context;
  atomic_store_explicit(&stream->wake_posted, true, memory_order_release);
  tp_loop_post(stream->base.worker->loop, &stream->wake);
}

static void run_wake(tp_loop_item *item) {
  watch_stream *stream = (watch_stream *)(void *)((char *)item - offsetof(watch_stream, wake));
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
  watch_stream *stream = (watch_stream *)base;
  if (stream->dirty && !base->is_busy) poll_watch(stream);
}

/* ---- The start ---- */

static const tp_stream_kind watch_kind = {"watch", on_writable, on_end};

static void open_stream(tp_worker *worker, tp_http_request *request, const tp_session *session,
                        tp_database *database, const tuplet_bytes *keys, size_t key_count) {
  const tuplet_allocator *allocator = worker->service->allocator;
  tuplet_error error;
  watch_stream *stream = tp_alloc_array_zeroed(allocator, 1, sizeof *stream);
  if (stream == NULL) {
    tp_database_release(worker->service->databases, database);
    tp_answer_failure(worker, request, tp_fail_nomem(&error), &error);
    return;
  }
  stream->poll = (tp_watch_poll){poll_on_key, poll_on_done};
  stream->wake.run = run_wake;
  tp_buffer_init(&stream->message, allocator);
  if (!tp_stream_open(&stream->base, &watch_kind, worker, request, session, database)) {
    tp_free(allocator, stream);
    return;
  }
  /* The watch wakes the stream at once, and so it starts. */
  tuplet_status status =
      tp_watch_open(tp_database_store(database), keys, key_count, on_wake, stream, &stream->watch, &error);
  if (status != TUPLET_OK) tp_stream_fail(&stream->base, status, &error);
}

void tp_watch_stream_start(tp_worker *worker, tp_http_request *request, const tp_session *session,
                           tp_database *database) {
  tuplet_error error = {0}; /* whoever has a session may watch, for as long as it is valid */
  tuplet_bytes *keys;
  size_t key_count = 0;
  tuplet_status status = tp_watch_decode(tp_http_request_body(request), tp_http_request_arena(request), &keys,
                                         &key_count, &error);
  if (status == TUPLET_OK && key_count > 0) {
    open_stream(worker, request, session, database, keys, key_count);
    return;
  }
  tp_database_release(worker->service->databases, database);
  if (status != TUPLET_OK)
    tp_answer_failure(worker, request, status, &error);
  else
    tp_answer_bytes(request, TP_CONTENT_STREAM, (tuplet_bytes){0}); /* nothing can ever change */
}
