/* watch_stream.c: answers to watches, which go on until either side ends them.
 *
 * The stream is a sequence of messages, each preceded by its length in four bytes, little-endian; a length of
 * zero is a keep-alive. The watch wakes the stream, the stream polls the watch, and only when the peer has
 * taken everything sent before: a slow peer skips states, and makes the server hold no more than one message.
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
#include "server/requests.h"
#include "wire/datapath.h"

#include <stddef.h>
#include <string.h>

/* A stream that waits does not keep a message buffer larger than that. */
enum { LENGTH_SIZE = 4, MESSAGE_KEEP_MAX = 4096 };

struct tp_watch_stream {
  tp_watch_poll poll; /* first, so that the one is found from the other */
  tp_loop_item wake;
  atomic_bool wake_posted;
  tp_completion completion; /* of the poll */
  tp_worker *worker;
  tp_http_request *request; /* NULL: ended, and only waits for a posted wake-up */
  tp_database *database;
  tp_watch *watch;
  tp_timer *keep_alive;
  tp_timer *expiry; /* of the session */
  tp_session session;
  tp_watch_stream *previous, *next; /* in worker->watches */
  bool started;                     /* the response's head is out */
  bool dirty;                       /* woken, and not polled since */
  bool polling;
  bool ending; /* while polling: to be ended when the poll is done */
  bool ending_is_abort;
  tp_buffer message; /* what the poll gathers */
  size_t charged;    /* bytes of the message that the peer may not have taken yet */
  tuplet_status status;
  bool any_changed;
  tuplet_error error;
};

/* ---- How many there may be ---- */

/* Counts one watch more; count_off takes it back. False: the request is answered. */
static bool count_on(const tp_worker *worker, tp_http_request *request) {
  tp_service *service = worker->service;
  uint32_t *of_connection = tp_http_request_tally(request);
  if (of_connection != NULL && *of_connection >= service->bounds.watches_per_connection_max) {
    tp_answer_too_many(request, 1000, "This connection has as many watches as one may have; end one before.");
    return false;
  }
  size_t before = atomic_fetch_add(&service->watch_count, 1);
  if (worker->stopping || before >= service->bounds.watches_max) {
    (void)atomic_fetch_sub(&service->watch_count, 1);
    tuplet_error error;
    tuplet_status status =
        worker->stopping ? tp_fail(&error, TUPLET_CLOSED, "The server is shutting down.")
                         : tp_fail(&error, TUPLET_BUSY, "There are %zu watches, as many as may be.", before);
    tp_answer_failure(worker, request, status, &error);
    return false;
  }
  if (of_connection != NULL) ++*of_connection;
  return true;
}

static void count_off(const tp_worker *worker, const tp_http_request *request) {
  uint32_t *of_connection = tp_http_request_tally(request);
  if (of_connection != NULL) --*of_connection;
  (void)atomic_fetch_sub(&worker->service->watch_count, 1);
}

/* ---- The end ---- */

static void stream_unlink(tp_watch_stream *stream) {
  tp_worker *worker = stream->worker;
  *(stream->previous != NULL ? &stream->previous->next : &worker->watches) = stream->next;
  if (stream->next != NULL) stream->next->previous = stream->previous;
  count_off(worker, stream->request);
}

/* The peer has taken what was sent, or will take nothing more. */
static void stream_discharge(tp_watch_stream *stream) {
  tp_http_budget_discharge(&stream->worker->service->budget, stream->charged);
  stream->charged = 0;
}

static void stream_free(tp_watch_stream *stream) {
  tp_buffer_done(&stream->message);
  tp_free(stream->worker->service->allocator, stream);
}

/* Lets go of everything but the request, which the caller finishes; the stream may be gone afterwards. */
static void stream_close(tp_watch_stream *stream) {
  stream_unlink(stream);
  stream_discharge(stream);
  stream->request = NULL;
  tp_timer_free(stream->keep_alive);
  tp_timer_free(stream->expiry);
  tp_watch_close(stream->watch); /* from here on no wake-up is posted any more */
  tp_database_release(stream->worker->service->databases, stream->database);
  if (!atomic_load_explicit(&stream->wake_posted, memory_order_acquire)) stream_free(stream);
}

static void stream_end(tp_watch_stream *stream, bool abort) {
  if (stream->polling) {
    stream->ending_is_abort = abort || (stream->ending && stream->ending_is_abort);
    stream->ending = true;
    return;
  }
  tp_http_request *request = stream->request;
  bool started = stream->started;
  stream_close(stream);
  if (abort)
    tp_http_respond_abort(request);
  else if (started)
    tp_http_respond_end(request);
  else
    tp_http_respond_text(request, 503, "The watch was ended before it began; try again.");
}

/* ---- Polling ---- */

/* Every key is sent as changed: Deno's client (seen with 2.9.6) takes one that is not for one that has no
 * entry. It leaves out itself what it has shown already. */
static tuplet_status poll_on_key(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                                 tuplet_error *error) {
  (void)index;
  (void)changed;
  tp_watch_stream *stream = (tp_watch_stream *)(void *)poll;
  tp_watch_output_key(&stream->message, true, row);
  return stream->message.failed ? tp_fail_nomem(error) : TUPLET_OK;
}

static void poll_on_done(tp_watch_poll *poll, tuplet_status status, bool any_changed,
                         const tuplet_error *error) {
  tp_watch_stream *stream = (tp_watch_stream *)(void *)poll;
  stream->status = status;
  stream->any_changed = any_changed;
  if (status < 0) stream->error = *error;
  tp_completion_done(&stream->completion);
}

static void stream_start_response(tp_watch_stream *stream) {
  const tp_http_header header = {"content-type", TP_CONTENT_STREAM};
  tp_http_respond_start(stream->request, 200, &header, 1);
  tp_http_respond_endless(stream->request);
  stream->started = true;
  tp_metrics_add(&stream->worker->metrics.watches_opened, 1);
  tp_request_log_start(stream->worker, stream->request);
}

/* Errors: TUPLET_BUSY: too much waits for slow peers already. */
static tuplet_status stream_write_message(tp_watch_stream *stream, tuplet_error *error) {
  tp_service *service = stream->worker->service;
  size_t size = stream->message.size - LENGTH_SIZE;
  stream_discharge(stream); /* the message before was taken, or this one would not have been polled for */
  if (!tp_http_budget_charge(&service->budget, stream->message.size))
    return tp_fail(error, TUPLET_BUSY, "The server holds too many answers that were not fetched yet.");
  stream->charged = stream->message.size;
  for (size_t i = 0; i < LENGTH_SIZE; i++) stream->message.data[i] = (uint8_t)(size >> 8 * i);
  tp_http_respond_write(stream->request, tp_buffer_view(&stream->message));
  tp_metrics_add(&stream->worker->metrics.watch_messages, 1);
  if (stream->message.capacity > MESSAGE_KEEP_MAX) tp_buffer_done(&stream->message);
  tp_timer_start(stream->keep_alive, service->keep_alive_ms, service->keep_alive_ms);
  return TUPLET_OK;
}

/* The state could not be read. Before the first message that is the answer; later the stream ends, and the
 * client comes again. */
static void stream_fail(tp_watch_stream *stream) {
  tp_worker *worker = stream->worker;
  tuplet_error error = stream->error;
  tuplet_status status = stream->status;
  if (!stream->started) {
    tp_http_request *request = stream->request;
    stream_close(stream);
    tp_answer_failure(worker, request, status, &error);
    return;
  }
  tp_answer_log(worker, TP_SERVICE_LOG_WATCH, "a watch was ended", error.message);
  stream_end(stream, false);
}

static void stream_poll(tp_watch_stream *stream);

static void stream_poll_finish(tp_completion *completion) {
  tp_watch_stream *stream =
      (tp_watch_stream *)(void *)((char *)completion - offsetof(tp_watch_stream, completion));
  stream->polling = false;
  if (stream->ending) {
    stream_end(stream, stream->ending_is_abort);
    return;
  }
  if (stream->status < 0) {
    stream_fail(stream);
    return;
  }
  if (!stream->started) stream_start_response(stream);
  if (stream->any_changed) stream->status = stream_write_message(stream, &stream->error);
  if (stream->status < 0) {
    stream_fail(stream);
    return;
  }
  if (stream->dirty && tp_http_respond_buffered(stream->request) == 0) stream_poll(stream);
}

static void stream_poll(tp_watch_stream *stream) {
  static const uint8_t room[LENGTH_SIZE];
  stream->dirty = false;
  stream->polling = true;
  tp_buffer_clear(&stream->message);
  tp_buffer_append(&stream->message, room, sizeof room);
  tp_watch_output_begin(&stream->message);
  tp_completion_init(&stream->completion, stream->worker->loop, stream_poll_finish);
  tp_watch_poll_start(stream->watch, tp_worker_reader(stream->worker, stream->database), &stream->poll);
  tp_completion_submitted(&stream->completion);
}

/* ---- What happens to a stream ---- */

/* On any thread. At most once between two polls, and a poll follows only when the item has run: so it is
 * free. */
static void on_wake(void *context) {
  tp_watch_stream *stream = context;
  atomic_store_explicit(&stream->wake_posted, true, memory_order_release);
  tp_loop_post(stream->worker->loop, &stream->wake);
}

static void run_wake(tp_loop_item *item) {
  tp_watch_stream *stream = (tp_watch_stream *)(void *)((char *)item - offsetof(tp_watch_stream, wake));
  atomic_store_explicit(&stream->wake_posted, false, memory_order_relaxed);
  if (stream->request == NULL) {
    stream_free(stream);
    return;
  }
  stream->dirty = true;
  if (!stream->polling && tp_http_respond_buffered(stream->request) == 0) stream_poll(stream);
}

/* A wake-up may have come first and have sent a message that is still to be taken. */
static void on_writable(void *context, tp_http_request *request) {
  tp_watch_stream *stream = context;
  if (tp_http_respond_buffered(request) > 0) return;
  stream_discharge(stream);
  if (stream->dirty && !stream->polling) stream_poll(stream);
}

static void on_abort(void *context, tp_http_request *request) {
  (void)request;
  stream_end(context, true);
}

static void on_keep_alive(void *context) {
  static const uint8_t nothing[LENGTH_SIZE];
  tp_watch_stream *stream = context;
  if (stream->started && tp_http_respond_buffered(stream->request) == 0)
    tp_http_respond_write(stream->request, (tuplet_bytes){nothing, sizeof nothing});
}

/* Ends the stream if its session is over, or its database is to be let go. Clients whose time has passed have
 * a newer session by now, with which they come again. */
static void stream_check(tp_watch_stream *stream) {
  const tp_service *service = stream->worker->service;
  const char *name = tp_database_name(service->databases, stream->database);
  int64_t now_ms = tp_clock_unix_ms(&service->clock);
  if (!tp_database_is_leaving(stream->database) &&
      tp_auth_session_check(service->auth, &stream->session, (tuplet_bytes){name, strlen(name)}, now_ms) ==
          TUPLET_OK)
    tp_timer_start(stream->expiry, (uint64_t)(stream->session.expires_at_ms - now_ms), 0);
  else
    stream_end(stream, false);
}

/* A loop that is busy lets timers run early, by as much as its clock is behind: so this may not be the end.
 */
static void on_expiry(void *context) {
  stream_check(context);
}

/* ---- The start ---- */

static tuplet_status stream_new(tp_worker *worker, tp_http_request *request, const tp_session *session,
                                tp_database *database, const tuplet_bytes *keys, size_t key_count,
                                tuplet_error *error) {
  const tuplet_allocator *allocator = worker->service->allocator;
  tp_watch_stream *stream = tp_alloc_array_zeroed(allocator, 1, sizeof *stream);
  if (stream == NULL) return tp_fail_nomem(error);
  stream->poll = (tp_watch_poll){poll_on_key, poll_on_done};
  stream->wake.run = run_wake;
  stream->worker = worker;
  stream->request = request;
  stream->database = database;
  tp_buffer_init(&stream->message, allocator);
  tuplet_status status = tp_timer_new(worker->loop, on_keep_alive, stream, &stream->keep_alive, error);
  if (status == TUPLET_OK) status = tp_timer_new(worker->loop, on_expiry, stream, &stream->expiry, error);
  if (status == TUPLET_OK)
    status =
        tp_watch_open(tp_database_store(database), keys, key_count, on_wake, stream, &stream->watch, error);
  if (status != TUPLET_OK) {
    stream->request = NULL;
    tp_timer_free(stream->keep_alive);
    tp_timer_free(stream->expiry);
    if (!atomic_load_explicit(&stream->wake_posted, memory_order_acquire)) stream_free(stream);
    return status;
  }
  stream->next = worker->watches;
  if (stream->next != NULL) stream->next->previous = stream;
  worker->watches = stream;
  tp_timer_start(stream->keep_alive, worker->service->keep_alive_ms, worker->service->keep_alive_ms);
  stream->session = *session;
  tp_timer_start(stream->expiry, 0, 0); /* rights may have changed while the database was opened */
  const tp_http_request_events events = {stream, on_writable, on_abort};
  tp_http_request_set_events(request, &events);
  return TUPLET_OK;
}

void tp_watch_stream_start(tp_worker *worker, tp_http_request *request, const tp_session *session,
                           tp_database *database) {
  tuplet_error error = {0}; /* whoever has a session may watch, for as long as it is valid */
  tuplet_bytes *keys;
  size_t key_count;
  tuplet_status status = tp_watch_decode(tp_http_request_body(request), tp_http_request_arena(request), &keys,
                                         &key_count, &error);
  bool is_refused = false;
  if (status == TUPLET_OK && key_count > 0) {
    is_refused = !count_on(worker, request);
    if (!is_refused) status = stream_new(worker, request, session, database, keys, key_count, &error);
    if (!is_refused && status == TUPLET_OK) return; /* the watch wakes the stream at once, and so it starts */
    if (!is_refused) count_off(worker, request);
  }
  tp_database_release(worker->service->databases, database);
  if (status != TUPLET_OK)
    tp_answer_failure(worker, request, status, &error);
  else if (!is_refused)
    tp_answer_bytes(request, TP_CONTENT_STREAM, (tuplet_bytes){0}); /* nothing can ever change */
}

void tp_watch_streams_stop(tp_worker *worker) {
  worker->stopping = true;
  for (tp_watch_stream *stream = worker->watches; stream != NULL;) {
    tp_watch_stream *next = stream->next;
    stream_end(stream, false);
    stream = next;
  }
}

void tp_watch_streams_check(tp_worker *worker) {
  for (tp_watch_stream *stream = worker->watches; stream != NULL;) {
    tp_watch_stream *next = stream->next;
    stream_check(stream);
    stream = next;
  }
}
