/* stream.c: answers that go on: watches and listeners. They are made again whenever they end, until they are
 * stopped.
 *
 *   want session ──► running ──► (ended, silent, refused) ──► backing off ──┐
 *        ▲                                                                  │
 *        └──────────────────────────────────────────────────────────────────┘
 */
#include "engine/remote/private.h"

#include "base/status.h"

#include <stddef.h>
#include <string.h>

enum {
  SILENCE_MS_MAX = 20000, /* servers send something every 5 s */
  STEADY_MS = 1000,       /* one that was open for so long is made again at once */
  UNAUTHORIZED_MAX = 2    /* in a row; from then on it backs off */
};

#define MS ((int64_t)1000000)

static tp_remote_stream *stream_of_transfer(tp_remote_transfer *transfer) {
  return (tp_remote_stream *)(void *)((char *)transfer - offsetof(tp_remote_stream, transfer));
}

/* ---- What comes ---- */

static bool end_message(tp_remote_stream *stream) {
  stream->length_size = 0;
  bool is_well = stream->on_message(stream, tp_buffer_view(&stream->message));
  tp_buffer_clear(&stream->message);
  return is_well;
}

static bool begin_message(tp_remote_stream *stream) {
  size_t size = 0;
  for (size_t i = 0; i < sizeof stream->length; i++) size |= (size_t)stream->length[i] << 8 * i;
  stream->message_left = size;
  if (size == 0) stream->length_size = 0; /* a keep-alive */
  return size <= stream->message_size_max;
}

/* Takes what it can of `data`; returns how much. */
static size_t take_some(tp_remote_stream *stream, const uint8_t *data, size_t size, bool *ret_is_well) {
  if (stream->length_size < sizeof stream->length) {
    stream->length[stream->length_size++] = data[0];
    if (stream->length_size == sizeof stream->length) *ret_is_well = begin_message(stream);
    return 1;
  }
  size_t taken = size < stream->message_left ? size : stream->message_left;
  if (stream->keeps_messages) tp_buffer_append(&stream->message, data, taken);
  stream->message_left -= taken;
  *ret_is_well = !stream->message.failed;
  if (*ret_is_well && stream->message_left == 0) *ret_is_well = end_message(stream);
  return taken;
}

static void on_begin(tp_remote_transfer *transfer) {
  tp_remote_stream *stream = stream_of_transfer(transfer);
  stream->heard_at_ns = stream->opened_at_ns = tp_remote_now_ns(stream->remote);
  stream->is_open = true;
  stream->unauthorized = 0;
  if (stream->on_open != NULL) stream->on_open(stream);
}

static bool on_data(tp_remote_transfer *transfer, tuplet_bytes data) {
  tp_remote_stream *stream = stream_of_transfer(transfer);
  stream->heard_at_ns = tp_remote_now_ns(stream->remote);
  const uint8_t *next = data.data;
  bool is_well = true;
  for (size_t left = data.size; is_well && left > 0;) {
    size_t taken = take_some(stream, next, left, &is_well);
    next += taken;
    left -= taken;
  }
  stream->is_at_fault = !is_well;
  return is_well;
}

/* ---- Beginning, and beginning again ---- */

static void reset(tp_remote_stream *stream) {
  stream->is_open = false;
  stream->is_at_fault = false;
  stream->length_size = 0;
  stream->message_left = 0;
  tp_buffer_clear(&stream->message);
}

static void back_off(tp_remote_stream *stream, int64_t retry_after_ms) {
  tp_remote *remote = stream->remote;
  stream->failures++;
  tp_remote_timer_set(&remote->loop, &stream->timer,
                      tp_remote_now_ns(remote) +
                          tp_remote_backoff_ns(remote, stream->failures, retry_after_ms));
}

/* It may be stopped by those whom it tells. */
static void refuse(tp_remote_stream *stream, bool is_lasting, const tuplet_error *error,
                   int64_t retry_after_ms) {
  stream->on_refused(stream, is_lasting, error);
  if (stream->is_started) back_off(stream, retry_after_ms);
}

static void attempt(tp_remote_stream *stream) {
  tp_remote *remote = stream->remote;
  if (!tp_remote_has_session(remote)) {
    tp_remote_want_session(remote, &stream->waiting);
    return;
  }
  tuplet_error error = {0};
  tp_remote_request request;
  reset(stream);
  stream->heard_at_ns = tp_remote_now_ns(remote);
  stream->endpoint = tp_remote_session_choose(remote->session, stream->eventual, stream->heard_at_ns);
  stream->session_number = remote->session_number;
  tuplet_status status = TUPLET_OK;
  if (!tp_remote_request_init(remote, stream->endpoint, stream->path, &stream->url, &request))
    status = tp_fail_nomem(&error);
  if (status == TUPLET_OK) {
    request.body = stream->body.data;
    request.body_size = stream->body.size;
    request.is_repeatable = true;
    status = tp_remote_transfer_start(&stream->transfer, &remote->client, &request, &error);
  }
  if (status == TUPLET_OK)
    tp_remote_timer_set(&remote->loop, &stream->timer, stream->heard_at_ns + SILENCE_MS_MAX * MS);
  else
    refuse(stream, false, &error, -1);
}

static void on_session(tp_remote_waiting *waiting, tuplet_status status, const tuplet_error *error) {
  tp_remote_stream *stream =
      (tp_remote_stream *)(void *)((char *)waiting - offsetof(tp_remote_stream, waiting));
  if (status == TUPLET_OK)
    attempt(stream);
  else
    refuse(stream, status != TUPLET_NOMEM, error, -1);
}

/* ---- The end, and what comes then ---- */

static void note_endpoint_failed(const tp_remote_stream *stream) {
  tp_remote *remote = stream->remote;
  if (stream->session_number == remote->session_number)
    tp_remote_endpoint_failed(stream->endpoint, tp_remote_now_ns(remote));
}

static void after_break(tp_remote_stream *stream) {
  int64_t opened_for_ns = tp_remote_now_ns(stream->remote) - stream->opened_at_ns;
  if (stream->on_broken != NULL) stream->on_broken(stream);
  if (!stream->is_started) return;
  if (!stream->is_at_fault) stream->failures = 0;
  if (opened_for_ns >= STEADY_MS * MS && !stream->is_at_fault)
    attempt(stream);
  else
    back_off(stream, -1);
}

static void after_refusal(tp_remote_stream *stream) {
  tuplet_error error = {0};
  const tp_remote_transfer *transfer = &stream->transfer;
  tp_remote_verdict verdict = tp_remote_judge(transfer, stream->remote->url, &error);
  if (transfer->http_status == 0 || verdict == TP_REMOTE_IN_DOUBT) note_endpoint_failed(stream);
  if (verdict == TP_REMOTE_ANSWERED)
    tp_error_set(&error, TUPLET_IO, "%s: the answer ended before it began", stream->remote->url);
  if (verdict == TP_REMOTE_UNAUTHORIZED) {
    tp_remote_session_refused(stream->remote, stream->session_number);
    if (++stream->unauthorized <= UNAUTHORIZED_MAX) {
      attempt(stream);
      return;
    }
  }
  bool is_lasting = verdict == TP_REMOTE_REFUSED || verdict == TP_REMOTE_UNAUTHORIZED;
  refuse(stream, is_lasting, &error, transfer->retry_after_ms);
}

static void on_end(tp_remote_transfer *transfer) {
  tp_remote_stream *stream = stream_of_transfer(transfer);
  tp_remote *remote = stream->remote;
  tp_remote_timer_clear(&remote->loop, &stream->timer);
  if (stream->is_open)
    after_break(stream);
  else
    after_refusal(stream);
}

static void on_timer(tp_remote_timer *timer) {
  tp_remote_stream *stream = (tp_remote_stream *)(void *)((char *)timer - offsetof(tp_remote_stream, timer));
  tp_remote *remote = stream->remote;
  if (!tp_remote_transfer_is_running(&stream->transfer)) {
    attempt(stream);
    return;
  }
  int64_t silent_at_ns = stream->heard_at_ns + SILENCE_MS_MAX * MS;
  if (tp_remote_now_ns(remote) < silent_at_ns) {
    tp_remote_timer_set(&remote->loop, timer, silent_at_ns);
    return;
  }
  tp_remote_transfer_distrust(&stream->transfer);
  tp_remote_transfer_cancel(&stream->transfer);
  note_endpoint_failed(stream);
  bool was_open = stream->is_open;
  reset(stream);
  if (was_open && stream->on_broken != NULL) stream->on_broken(stream);
  if (stream->is_started) back_off(stream, -1);
}

/* ---- From outside ---- */

void tp_remote_stream_start(tp_remote_stream *stream) {
  stream->transfer.on_begin = on_begin;
  stream->transfer.on_data = on_data;
  stream->transfer.on_end = on_end;
  stream->waiting.on_session = on_session;
  stream->timer.on_due = on_timer;
  tp_buffer_init(&stream->transfer.answer, stream->remote->allocator);
  tp_buffer_init(&stream->url, stream->remote->allocator);
  tp_buffer_init(&stream->message, stream->remote->allocator);
  stream->is_started = true;
  attempt(stream);
}

void tp_remote_stream_stop(tp_remote_stream *stream) {
  if (!stream->is_started) return;
  stream->is_started = false;
  tp_remote_unwant_session(stream->remote, &stream->waiting);
  tp_remote_timer_clear(&stream->remote->loop, &stream->timer);
  tp_remote_transfer_cancel(&stream->transfer);
  tp_remote_transfer_done(&stream->transfer);
  tp_buffer_done(&stream->url);
  tp_buffer_done(&stream->message);
}
