/* polled_stream.h: answers to watches, which go on until either side ends them.
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
#ifndef TP_SERVER_POLLED_STREAM_H
#define TP_SERVER_POLLED_STREAM_H

#include "server/completion.h"
#include "server/protocol/stream.h"

typedef struct tp_polled_stream tp_polled_stream;

/* What makes a watch what it is. */
typedef struct tp_polled_kind {
  size_t size; /* of the struct that the stream is embedded in */
  /* Polls the watch, which gathers a message in stream->message, behind the room for its length;
   * tp_polled_stream_polled follows, once. */
  void (*poll)(tp_polled_stream *stream, tp_reader *reader);
  /* Closes the watch, if it is open, so that it wakes nobody any more. */
  void (*close)(tp_polled_stream *stream);
} tp_polled_kind;

/* Embedded, as its first member, in what the kind adds. Belongs to its loop's thread. */
struct tp_polled_stream {
  tp_stream base; /* first, so that the one is found from the other */
  const tp_polled_kind *kind;
  tp_loop_item wake;
  atomic_bool wake_posted;
  tp_completion completion; /* of the poll */
  bool dirty;               /* woken, and not polled since */
  tp_buffer message;        /* what the poll gathers */
  tuplet_status status;
  bool is_new;
  tuplet_error error;
};

/* A stream of that kind, whose watch is to be opened next: its wake-ups start the stream, and tp_stream_fail
 * ends it when there is no watch. NULL: the request is answered, and the use of the database is over. */
tp_polled_stream *tp_polled_stream_open(const tp_polled_kind *kind, tp_worker *worker,
                                        tp_http_request *request, const tp_session *session,
                                        tp_database *database);

/* The watch's wake-up: `context` is the stream. Any thread. At most once between two polls. */
void tp_polled_stream_wake(void *context);

/* What a poll came to; without anything new what it gathered is dropped. Any thread. */
void tp_polled_stream_polled(tp_polled_stream *stream, tuplet_status status, bool is_new,
                             const tuplet_error *error);

#endif
