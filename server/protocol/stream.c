/* stream.c: answers that have no end of their own. */
#include "server/protocol/stream.h"

#include "base/status.h"
#include "server/protocol/answer.h"
#include "server/protocol/requests.h"

#include <stdio.h>
#include <string.h>

/* ---- How many there may be ---- */

/* Counts one stream more; count_off takes it back. False: the request is answered. */
static bool count_on(const tp_worker *worker, tp_http_request *request) {
  tp_service *service = worker->service;
  uint32_t *of_connection = tp_http_request_tally(request);
  if (of_connection != NULL && *of_connection >= service->bounds.watches_per_connection_max) {
    tp_answer_too_many(request, 1000,
                       "This connection has as many watches and listeners as one may have; end one before.");
    return false;
  }
  size_t before = atomic_fetch_add(&service->watch_count, 1);
  if (worker->stopping || before >= service->bounds.watches_max) {
    (void)atomic_fetch_sub(&service->watch_count, 1);
    tuplet_error error;
    tuplet_status status =
        worker->stopping
            ? tp_fail(&error, TUPLET_CLOSED, "The server is shutting down.")
            : tp_fail(&error, TUPLET_BUSY, "There are %zu watches and listeners, as many as may be.", before);
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

static void unlink_stream(tp_stream *stream) {
  *(stream->previous != NULL ? &stream->previous->next : &stream->worker->streams) = stream->next;
  if (stream->next != NULL) stream->next->previous = stream->previous;
}

/* The peer has taken what was sent, or will take nothing more. */
static void discharge(tp_stream *stream) {
  tp_http_budget_discharge(&stream->worker->service->budget, stream->charged);
  stream->charged = 0;
}

/* Lets go of everything but the request, which the caller finishes; the stream may be gone afterwards. */
static tp_http_request *close_stream(tp_stream *stream) {
  tp_http_request *request = stream->request;
  tp_databases *databases = stream->worker->service->databases;
  tp_database *database = stream->database;
  unlink_stream(stream);
  count_off(stream->worker, request);
  discharge(stream);
  tp_timer_free(stream->keep_alive);
  tp_timer_free(stream->expiry);
  stream->request = NULL;
  stream->kind->on_end(stream);
  tp_database_release(databases, database);
  return request;
}

void tp_stream_end(tp_stream *stream, bool abort) {
  if (stream->is_busy) {
    stream->ends_by_abort = abort || (stream->is_ending && stream->ends_by_abort);
    stream->is_ending = true;
    return;
  }
  bool is_started = stream->is_started;
  tp_http_request *request = close_stream(stream);
  if (abort)
    tp_http_respond_abort(request);
  else if (is_started)
    tp_http_respond_end(request);
  else
    tp_http_respond_text(request, 503, "The stream was ended before it began; try again.");
}

bool tp_stream_idle(tp_stream *stream) {
  stream->is_busy = false;
  if (!stream->is_ending) return true;
  tp_stream_end(stream, stream->ends_by_abort);
  return false;
}

void tp_stream_fail(tp_stream *stream, tuplet_status status, const tuplet_error *error) {
  tp_worker *worker = stream->worker;
  tuplet_error kept = *error; /* which may lie in the stream */
  if (!stream->is_started) {
    tp_http_request *request = close_stream(stream);
    tp_answer_failure(worker, request, status, &kept);
    return;
  }
  char what[64];
  (void)snprintf(what, sizeof what, "a %s was ended", stream->kind->name);
  tp_answer_log(worker, TP_SERVICE_LOG_WATCH, what, kept.message);
  tp_stream_end(stream, false);
}

/* ---- Sending ---- */

void tp_stream_start(tp_stream *stream) {
  if (stream->is_started) return;
  const tp_http_header header = {"content-type", TP_CONTENT_STREAM};
  tp_http_respond_start(stream->request, 200, &header, 1);
  tp_http_respond_endless(stream->request);
  stream->is_started = true;
  tp_request_log_start(stream->worker, stream->request);
}

bool tp_stream_is_writable(const tp_stream *stream) {
  return tp_http_respond_buffered(stream->request) == 0;
}

tuplet_status tp_stream_write(tp_stream *stream, tp_buffer *message, tuplet_error *error) {
  tp_service *service = stream->worker->service;
  size_t size = message->size - TP_STREAM_LENGTH_SIZE;
  if (message->failed) return tp_fail_nomem(error);
  if (tp_stream_is_writable(stream)) discharge(stream);
  if (!tp_http_budget_charge(&service->budget, message->size))
    return tp_fail(error, TUPLET_BUSY, "The server holds too many answers that were not fetched yet.");
  stream->charged += message->size;
  for (size_t i = 0; i < TP_STREAM_LENGTH_SIZE; i++) message->data[i] = (uint8_t)(size >> 8 * i);
  tp_http_respond_write(stream->request, tp_buffer_view(message));
  tp_timer_start(stream->keep_alive, service->keep_alive_ms, service->keep_alive_ms);
  return TUPLET_OK;
}

/* ---- What happens to a stream ---- */

static void on_writable(void *context, tp_http_request *request) {
  tp_stream *stream = context;
  if (tp_http_respond_buffered(request) > 0) return;
  discharge(stream);
  stream->kind->on_writable(stream);
}

static void on_abort(void *context, tp_http_request *request) {
  (void)request;
  tp_stream_end(context, true);
}

static void on_keep_alive(void *context) {
  static const uint8_t nothing[TP_STREAM_LENGTH_SIZE];
  const tp_stream *stream = context;
  if (stream->is_started && tp_stream_is_writable(stream))
    tp_http_respond_write(stream->request, (tuplet_bytes){nothing, sizeof nothing});
}

/* Clients whose time has passed have a newer session by now, with which they come again. */
static void check(tp_stream *stream) {
  const tp_service *service = stream->worker->service;
  const char *name = tp_database_name(service->databases, stream->database);
  int64_t now_ms = tp_clock_unix_ms(&service->clock);
  if (!tp_database_is_leaving(stream->database) &&
      tp_auth_session_check(service->auth, &stream->session, (tuplet_bytes){name, strlen(name)}, now_ms) ==
          TUPLET_OK &&
      (stream->session.may_write || !stream->kind->needs_write))
    tp_timer_start(stream->expiry, (uint64_t)(stream->session.expires_at_ms - now_ms), 0);
  else
    tp_stream_end(stream, false);
}

/* A loop that is busy lets timers run early, by as much as its clock is behind: so this may not be the end.
 */
static void on_expiry(void *context) {
  check(context);
}

/* ---- The start ---- */

static tuplet_status make_timers(tp_stream *stream, tuplet_error *error) {
  tp_loop *loop = stream->worker->loop;
  tuplet_status status = tp_timer_new(loop, on_keep_alive, stream, &stream->keep_alive, error);
  if (status != TUPLET_OK) return status;
  status = tp_timer_new(loop, on_expiry, stream, &stream->expiry, error);
  if (status != TUPLET_OK) tp_timer_free(stream->keep_alive);
  return status;
}

bool tp_stream_open(tp_stream *stream, const tp_stream_kind *kind, tp_worker *worker,
                    tp_http_request *request, const tp_session *session, tp_database *database) {
  tuplet_error error;
  *stream = (tp_stream){
      .kind = kind, .worker = worker, .request = request, .database = database, .session = *session};
  if (!count_on(worker, request)) {
    tp_database_release(worker->service->databases, database);
    return false;
  }
  tuplet_status status = make_timers(stream, &error);
  if (status != TUPLET_OK) {
    count_off(worker, request);
    tp_database_release(worker->service->databases, database);
    tp_answer_failure(worker, request, status, &error);
    return false;
  }
  stream->next = worker->streams;
  if (stream->next != NULL) stream->next->previous = stream;
  worker->streams = stream;
  tp_timer_start(stream->keep_alive, worker->service->keep_alive_ms, worker->service->keep_alive_ms);
  tp_timer_start(stream->expiry, 0, 0); /* rights may have changed while the database was opened */
  const tp_http_request_events events = {stream, on_writable, on_abort};
  tp_http_request_set_events(request, &events);
  return true;
}

/* ---- All of them ---- */

void tp_streams_stop(tp_worker *worker) {
  worker->stopping = true;
  for (tp_stream *stream = worker->streams; stream != NULL;) {
    tp_stream *next = stream->next;
    tp_stream_end(stream, false);
    stream = next;
  }
}

void tp_streams_check(tp_worker *worker) {
  for (tp_stream *stream = worker->streams; stream != NULL;) {
    tp_stream *next = stream->next;
    check(stream);
    stream = next;
  }
}
