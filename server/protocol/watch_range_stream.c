/* watch_range_stream.c: answers to watches of ranges. */
#include "server/protocol/watch_range_stream.h"

#include "base/status.h"
#include "server/protocol/answer.h"
#include "server/protocol/polled_stream.h"
#include "wire/datapath.h"

#include <stddef.h>

typedef struct range_stream {
  tp_polled_stream polled; /* first, so that the one is found from the other */
  tp_range_poll poll;
  tp_range_watch *watch;
} range_stream;

static range_stream *stream_of(tp_range_poll *poll) {
  return (range_stream *)(void *)((char *)poll - offsetof(range_stream, poll));
}

static tuplet_status poll_on_change(tp_range_poll *poll, tuplet_bytes key, const tp_row *row,
                                    tuplet_error *error) {
  tp_buffer *message = &stream_of(poll)->polled.message;
  tp_watch_range_output_change(message, key, row);
  return message->failed ? tp_fail_nomem(error) : TUPLET_OK;
}

static void poll_on_done(tp_range_poll *poll, tuplet_status status, const tp_range_result *result,
                         const tuplet_error *error) {
  tp_polled_stream *polled = &stream_of(poll)->polled;
  if (status == TUPLET_OK && result->is_new)
    tp_watch_range_output_end(&polled->message, result->must_reread, &result->versionstamp);
  tp_polled_stream_polled(polled, status, result->is_new, error);
}

static void poll_range(tp_polled_stream *polled, tp_reader *reader) {
  range_stream *stream = (range_stream *)polled;
  stream->poll = (tp_range_poll){poll_on_change, poll_on_done};
  tp_range_watch_poll(stream->watch, reader, &stream->poll);
}

static void close_watch(tp_polled_stream *polled) {
  tp_range_watch_close(((range_stream *)polled)->watch);
}

static const tp_polled_kind range_kind = {sizeof(range_stream), poll_range, close_watch};

void tp_watch_range_stream_start(tp_worker *worker, tp_http_request *request, const tp_session *session,
                                 tp_database *database) {
  tuplet_error error = {0}; /* whoever has a session may watch, for as long as it is valid */
  tuplet_bytes start, end;
  uint32_t changes_max;
  tuplet_status status = tp_watch_range_decode(tp_http_request_body(request), tp_http_request_arena(request),
                                               &start, &end, &changes_max, &error);
  if (status != TUPLET_OK) {
    tp_database_release(worker->service->databases, database);
    tp_answer_failure(worker, request, status, &error);
    return;
  }
  tp_polled_stream *polled = tp_polled_stream_open(&range_kind, worker, request, session, database);
  if (polled == NULL) return;
  /* The watch wakes the stream when it has found its beginning, and so it starts. */
  status = tp_range_watch_open(tp_database_store(database), start, end, changes_max, tp_polled_stream_wake,
                               polled, &((range_stream *)polled)->watch, &error);
  if (status != TUPLET_OK) tp_stream_fail(&polled->base, status, &error);
}
