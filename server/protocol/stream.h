/* stream.h: answers that have no end of their own: watches, and messages for listeners.
 *
 * What is the same for both is here: how many there may be, the session that allows them, keep-alives, bytes
 * that a slow peer has not taken, the end. A stream is a sequence of messages, each preceded by its length in
 * four bytes, little-endian; a length of zero is a keep-alive. */
#ifndef TP_SERVER_STREAM_H
#define TP_SERVER_STREAM_H

#include "base/buffer.h"
#include "server/worker.h"

/* What makes a stream what it is. */
typedef struct tp_stream_kind {
  const char *name; /* "watch", in answers and logs */
  /* The peer has taken all that was written. */
  void (*on_writable)(tp_stream *stream);
  /* The stream is over: lets go of what it has beside the base. It is called when nothing keeps the stream
   * busy, and before the request is finished. */
  void (*on_end)(tp_stream *stream);
  bool needs_write; /* who may only read cannot have it (any more) */
} tp_stream_kind;

/* Embedded, as its first member, in what the kind adds. Belongs to its loop's thread. */
struct tp_stream {
  const tp_stream_kind *kind;
  tp_worker *worker;
  tp_http_request *request; /* NULL: over */
  tp_database *database;
  tp_session session;
  tp_timer *keep_alive;
  tp_timer *expiry;           /* of the session */
  tp_stream *previous, *next; /* in worker->streams */
  bool is_started;            /* the response's head is out */
  bool is_busy;               /* the kind works on something; the end waits until tp_stream_idle */
  bool is_ending;
  bool ends_by_abort;
  size_t charged; /* bytes that the peer may not have taken yet */
};

enum { TP_STREAM_LENGTH_SIZE = 4 };

/* Fills in the base and puts it among the worker's. Takes over the use of the database, and the request. When
 * it fails both are done with: the request is answered, and the stream's memory is the caller's still. */
bool tp_stream_open(tp_stream *stream, const tp_stream_kind *kind, tp_worker *worker,
                    tp_http_request *request, const tp_session *session, tp_database *database);

/* Sends the head, if that has not happened. */
void tp_stream_start(tp_stream *stream);

/* Sends a message: `message` begins with TP_STREAM_LENGTH_SIZE bytes of room, which are filled in. Errors:
 * TUPLET_BUSY: too much waits for slow peers already. */
tuplet_status tp_stream_write(tp_stream *stream, tp_buffer *message, tuplet_error *error);

/* Whether the peer has taken everything. */
bool tp_stream_is_writable(const tp_stream *stream);

/* Ends it, now or when it is not busy any more: orderly, or by a reset. The stream may be gone afterwards. */
void tp_stream_end(tp_stream *stream, bool abort);

/* It could not be gone on with: before the head that is the answer, later it ends, and the client comes
 * again. */
void tp_stream_fail(tp_stream *stream, tuplet_status status, const tuplet_error *error);

/* No longer busy. False: it was to end, and has. */
bool tp_stream_idle(tp_stream *stream);

/* Ends all streams of the worker, so that clients connect to somebody else; refuses new ones. Loop's thread.
 */
void tp_streams_stop(tp_worker *worker);

/* Ends those whose tokens do not allow them any more, or whose databases are leaving. Loop's thread. */
void tp_streams_check(tp_worker *worker);

#endif
