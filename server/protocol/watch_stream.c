/* watch_stream.c: answers to watches of keys. */
#include "server/protocol/watch_stream.h"

#include "base/status.h"
#include "server/protocol/answer.h"
#include "server/protocol/polled_stream.h"
#include "wire/datapath.h"

#include <stddef.h>

typedef struct watch_stream {
  tp_polled_stream polled; /* first, so that the one is found from the other */
  tp_watch_poll poll;
  tp_watch *watch;
} watch_stream;

static watch_stream *stream_of(tp_watch_poll *poll) {
  return (watch_stream *)(void *)((char *)poll - offsetof(watch_stream, poll));
}

/* Every key is sent as changed: Deno's client (seen with 2.9.6) takes one that is not for one that has no
 * entry. It leaves out itself what it has shown already. */
static tuplet_status poll_on_key(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                                 tuplet_error *error) {
  (void)index;
  (void)changed;
  tp_buffer *message = &stream_of(poll)->polled.message;
  tp_watch_output_key(message, true, row);
  return message->failed ? tp_fail_nomem(error) : TUPLET_OK;
}

static void poll_on_done(tp_watch_poll *poll, tuplet_status status, bool any_changed,
                         const tuplet_error *error) {
  tp_polled_stream_polled(&stream_of(poll)->polled, status, any_changed, error);
}

static void poll_keys(tp_polled_stream *polled, tp_reader *reader) {
  watch_stream *stream = (watch_stream *)polled;
  tp_watch_output_begin(&polled->message);
  stream->poll = (tp_watch_poll){poll_on_key, poll_on_done};
  tp_watch_poll_start(stream->watch, reader, &stream->poll);
}

static void close_watch(tp_polled_stream *polled) {
  tp_watch_close(((watch_stream *)polled)->watch);
}

static const tp_polled_kind key_kind = {sizeof(watch_stream), poll_keys, close_watch};

static void open_stream(tp_worker *worker, tp_http_request *request, const tp_session *session,
                        tp_database *database, const tuplet_bytes *keys, size_t key_count) {
  tuplet_error error;
  tp_polled_stream *polled = tp_polled_stream_open(&key_kind, worker, request, session, database);
  if (polled == NULL) return;
  /* The watch wakes the stream at once, and so it starts. */
  tuplet_status status = tp_watch_open(tp_database_store(database), keys, key_count, tp_polled_stream_wake,
                                       polled, &((watch_stream *)polled)->watch, &error);
  if (status != TUPLET_OK) tp_stream_fail(&polled->base, status, &error);
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
