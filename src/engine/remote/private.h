/* private.h: what a remote engine is made of; for the files of this folder. */
#ifndef TP_ENGINE_REMOTE_PRIVATE_H
#define TP_ENGINE_REMOTE_PRIVATE_H

#include "engine/engine.h"
#include "engine/remote/outcome.h"
#include "engine/remote/session.h"
#include "engine/remote/transfer.h"

typedef struct tp_remote tp_remote;
typedef struct tp_remote_call tp_remote_call;
typedef struct tp_remote_stream tp_remote_stream;

/* ---- The exchange (exchange.c) ---- */

/* Somebody who waits for a session. on_session comes once per tp_remote_want_session: with TUPLET_OK the
 * session is there. It may want one again, then. */
typedef struct tp_remote_waiting tp_remote_waiting;
struct tp_remote_waiting {
  void (*on_session)(tp_remote_waiting *waiting, tuplet_status status, const tuplet_error *error);
  bool is_listed;
  tp_remote_waiting *previous, *next;
};

typedef struct tp_remote_exchange {
  tp_remote_transfer transfer;
  tp_remote_timer retry;
  uint32_t failures;        /* since the last one that succeeded */
  tuplet_error problem;     /* of the last one; status TUPLET_OK: none */
  int64_t refused_until_ns; /* whoever asks before is told the same again */
} tp_remote_exchange;

/* ---- The engine. On its thread, but for what says otherwise ---- */

struct tp_remote {
  tp_engine base;
  const tuplet_allocator *allocator;
  tp_clock clock;
  char *url;
  char *ca_file;       /* NULL: none */
  char *authorization; /* header line with the access token */
  int64_t timeout_ms;
  tp_remote_loop loop;
  tp_remote_client client;
  uint64_t random; /* the state of a generator for back-off */

  tp_remote_session *session; /* NULL: none */
  uint64_t session_number;    /* which one it is, from 1 */
  bool session_is_stale;      /* the server does not take it any more */
  int64_t session_refresh_ns; /* monotonic; from then on another is fetched beside the work */
  int64_t session_end_ns;     /* monotonic; from then on nothing is sent with it */
  tp_remote_exchange exchange;
  tp_remote_waiting *first_waiting, *last_waiting;

  tp_remote_call *calls;                        /* all there are */
  tp_remote_call *first_pending, *last_pending; /* of these, those that are to be sent */
  size_t in_flight;
  bool speaks_http2;
  tp_remote_waiting pending_waiting; /* for the pending calls */

  bool is_closing;
  bool is_ending; /* the thread ends when the last call has */
  bool is_over;   /* nothing is sent any more */
  tp_remote_timer closing_timer;
  tp_remote_item closing_item;
  atomic_bool is_closing_posted;
};

static inline int64_t tp_remote_now_ns(const tp_remote *remote) {
  return tp_clock_monotonic_ns(&remote->clock);
}

/* How long to wait before the attempt after `failures` that failed, nanoseconds: longer each time, and nobody
 * at the same moment as others. retry_after_ms: at least that; -1: nothing. */
int64_t tp_remote_backoff_ns(tp_remote *remote, uint32_t failures, int64_t retry_after_ms);

/* Whether there is a session to send with. Begins an exchange where one is due. */
bool tp_remote_has_session(tp_remote *remote);
/* Puts it into the list of those who are told; on_session does not come before this returns, but for a
 * refusal shortly before. */
void tp_remote_want_session(tp_remote *remote, tp_remote_waiting *waiting);
void tp_remote_unwant_session(tp_remote *remote, tp_remote_waiting *waiting);
/* The server does not take the session of that number. */
void tp_remote_session_refused(tp_remote *remote, uint64_t number);
void tp_remote_exchange_init(tp_remote *remote);
void tp_remote_exchange_stop(tp_remote *remote);

/* Headers, and the URL in `url`, of a request on the data path. False: out of memory. */
bool tp_remote_request_init(const tp_remote *remote, const tp_remote_endpoint *endpoint, const char *path,
                            tp_buffer *url, tp_remote_request *ret_request);

/* ---- Calls (call.c): requests with an answer that ends ---- */

void tp_remote_submit_read(tp_engine *base, tp_reader *reader, tp_read *read); /* any thread */
void tp_remote_submit_write(tp_engine *base, tp_write *write);                 /* any thread */

/* queue_finish. An answer that is lost is asked for again, which ends no later attempt of the message.
 * on_done comes once, perhaps before it returns. Any thread. */
void tp_remote_submit_finish(tp_remote *remote, tuplet_bytes id, uint32_t attempt, bool success,
                             void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                             void *context);

void tp_remote_calls_init(tp_remote *remote);
/* What waits to be tried again fails now; the rest gets some seconds. */
void tp_remote_calls_hurry(tp_remote *remote);
/* All of them fail now. */
void tp_remote_calls_abort(tp_remote *remote);
/* The last call has ended (remote_engine.c). */
void tp_remote_calls_ended(tp_remote *remote);

/* ---- Streams (stream.c): answers that go on, as messages with their length before them ---- */

struct tp_remote_stream {
  /* Filled by its owner, in a zeroed struct: */
  tp_remote *remote;
  const char *path;
  tuplet_bytes body;
  bool eventual; /* any endpoint will do */
  size_t message_size_max;
  bool keeps_messages;                       /* else on_message gets none of their bytes */
  void (*on_open)(tp_remote_stream *stream); /* may be NULL */
  bool (*on_message)(tp_remote_stream *stream, tuplet_bytes message); /* false: the server is at fault */
  void (*on_broken)(tp_remote_stream *stream);                        /* after on_open; may be NULL */
  /* It cannot be had; it is tried again unless it is stopped. */
  void (*on_refused)(tp_remote_stream *stream, bool is_lasting, const tuplet_error *error);

  /* Its own: */
  tp_remote_transfer transfer;
  tp_remote_waiting waiting;
  tp_remote_timer timer; /* runs: of silence; else: to the next attempt */
  tp_remote_endpoint *endpoint;
  uint64_t session_number;
  uint32_t failures;
  uint32_t unauthorized; /* in a row */
  bool is_started;
  bool is_open;
  bool is_at_fault;
  int64_t opened_at_ns; /* monotonic */
  int64_t heard_at_ns;
  tp_buffer url;
  tp_buffer message;
  uint8_t length[4];
  size_t length_size;
  size_t message_left;
};

void tp_remote_stream_start(tp_remote_stream *stream);
/* No callback comes any more. Fine when it was not started. */
void tp_remote_stream_stop(tp_remote_stream *stream);

/* ---- Watches and listeners (watch.c, watch_range.c, listen.c); any thread ---- */

tuplet_status tp_remote_watch(tp_engine *base, const tuplet_bytes *keys, size_t key_count,
                              void (*wake)(void *context), void *context, tp_engine_watch **ret_watch,
                              tuplet_error *error);
void tp_remote_watch_close(tp_engine *base, tp_engine_watch *watch);
tuplet_status tp_remote_range_watch(tp_engine *base, const tp_range_following *config,
                                    tp_engine_range_watch **ret_watch, tuplet_error *error);
tuplet_status tp_remote_range_watch_fetch(tp_engine *base, tp_engine_range_watch *watch,
                                          tp_range_fetch *fetch, tuplet_error *error);
void tp_remote_range_watch_close(tp_engine *base, tp_engine_range_watch *watch);
tuplet_status tp_remote_listen(tp_engine *base, const tp_queue_listening *config,
                               tp_engine_listener **ret_listener, tuplet_error *error);
void tp_remote_listener_close(tp_engine *base, tp_engine_listener *listener);

#endif
