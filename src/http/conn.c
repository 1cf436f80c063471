/* conn.c: a connection: which protocol it speaks, its output, and the delivery of events to handlers. */
#include "base/alloc.h"
#include "base/status.h"
#include "http/private.h"

#include <assert.h>
#include <string.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static_assert(sizeof preface - 1 == PREFACE_SIZE, "the preface of RFC 9113, section 3.4");

tp_http_limits tp_http_limits_default(void) {
  return (tp_http_limits){.head_size_max = TP_HTTP_HEAD_SIZE_MAX,
                          .body_size_max = TP_HTTP_BODY_SIZE_MAX,
                          .bodies_size_max = TP_HTTP_BODIES_SIZE_MAX,
                          .bodies_size_free = TP_HTTP_BODIES_SIZE_FREE,
                          .held_size_free = TP_HTTP_HELD_SIZE_FREE,
                          .streams_max = TP_HTTP_STREAMS_MAX,
                          .output_size_max = TP_HTTP_OUTPUT_SIZE_MAX,
                          .ahead_size_max = TP_HTTP_AHEAD_SIZE_MAX,
                          .input_size_max = TP_HTTP_INPUT_SIZE_MAX};
}

tuplet_status tp_http_conn_new(const tp_http_conn_config *config, tp_http_conn **ret_conn,
                               tuplet_error *error) {
  assert(config->on_request != NULL);
  tp_http_conn *conn = tp_alloc_array_zeroed(config->allocator, 1, sizeof *conn);
  if (conn == NULL) return tp_fail_nomem(error);
  conn->config = *config;
  if (conn->config.quick == NULL) conn->config.quick = config->allocator;
  tp_buffer_init(&conn->front, config->allocator);
  tp_buffer_init(&conn->back, config->allocator);
  if (config->protocol == TP_HTTP_1) conn->codec = &tp_http1_codec;
  if (config->protocol == TP_HTTP_2) conn->codec = &tp_http2_codec;
  *ret_conn = conn;
  return TUPLET_OK;
}

void tp_http_conn_free(tp_http_conn *conn) {
  if (conn == NULL) return;
  assert(conn->depth == 0);
  conn->depth++;
  conn->failed = true;
  for (tp_http_request *request = conn->oldest, *next; request != NULL; request = next) {
    next = request->next;
    if (!request->aborted) tp_http_request_drop(request);
  }
  tp_http_conn_run_events(conn);
  tp_http_budget_discharge(conn->config.budget, conn->held_charged);
  while (conn->oldest != NULL) { /* only those that handlers still have */
    tp_http_request *request = conn->oldest;
    conn->oldest = request->next;
    tp_http_request_uncharge_conn(request);
    request->conn = NULL;
    request->previous = request->next = NULL;
  }
  if (conn->codec != NULL) conn->codec->free(conn);
  explicit_bzero(conn->memo, sizeof conn->memo); /* which may hold secrets */
  tp_buffer_done(&conn->front);
  tp_buffer_done(&conn->back);
  tp_free(conn->config.allocator, conn);
}

/* What is held for a peer that does not take it is charged; what is there already, whether it fits or not:
 * beyond the budget no more is added. */
static void charge_held(tp_http_conn *conn) {
  size_t free = conn->config.limits.held_size_free;
  size_t waiting = conn->codec == NULL ? 0 : conn->codec->waiting(conn);
  size_t held = tp_http_conn_unsent(conn) + conn->heads_size + waiting;
  size_t wanted = held <= free ? 0 : (held - free + HELD_STEP - 1) / HELD_STEP * HELD_STEP;
  tp_http_budget *budget = conn->config.budget;
  if (budget == NULL || wanted == conn->held_charged) return;
  if (wanted > conn->held_charged) {
    tp_http_budget_force(budget, wanted - conn->held_charged);
  } else {
    tp_http_budget_discharge(budget, conn->held_charged - wanted);
  }
  conn->held_charged = wanted;
}

/* The transport's call is over. */
static void leave(tp_http_conn *conn) {
  conn->depth--;
  charge_held(conn);
}

void tp_http_conn_wake(tp_http_conn *conn) {
  if (conn->depth > 0) return;
  charge_held(conn);
  if (conn->woken) return;
  conn->woken = true;
  if (conn->config.on_wake != NULL) conn->config.on_wake(conn->config.wake_context, conn);
}

void tp_http_conn_fail(tp_http_conn *conn) {
  conn->failed = true;
  tp_http_conn_wake(conn);
}

/* ---- Events ---------------------------------------------------------------------------------------------
 */

static void remove_event(tp_http_conn *conn, tp_http_request *request) {
  *(request->event_previous != NULL ? &request->event_previous->event_next : &conn->event_oldest) =
      request->event_next;
  *(request->event_next != NULL ? &request->event_next->event_previous : &conn->event_newest) =
      request->event_previous;
  request->event_previous = request->event_next = NULL;
  request->event = EVENT_NONE;
}

void tp_http_conn_add_event(tp_http_request *request, tp_http_event event) {
  tp_http_conn *conn = request->conn;
  if (conn == NULL) return;
  if (event == EVENT_NONE) {
    if (request->event != EVENT_NONE) remove_event(conn, request);
    return;
  }
  if (request->event == event || request->event == EVENT_ABORT) return;
  if (request->event != EVENT_NONE) remove_event(conn, request);
  request->event = event;
  request->event_previous = conn->event_newest;
  *(conn->event_newest != NULL ? &conn->event_newest->event_next : &conn->event_oldest) = request;
  conn->event_newest = request;
}

/* What only the transport holds up. */
static size_t unwritten(const tp_http_conn *conn) {
  return conn->front.size - conn->front_written + conn->back.size;
}

size_t tp_http_conn_unsent(const tp_http_conn *conn) {
  return unwritten(conn) + conn->streams_buffered;
}

bool tp_http_conn_has_room(const tp_http_conn *conn) {
  const tp_http_limits *limits = &conn->config.limits;
  size_t size_max = limits->output_size_max;
  if (conn->http1 != NULL && limits->ahead_size_max < size_max) size_max = limits->ahead_size_max;
  if (tp_http_budget_is_exceeded(conn->config.budget) && limits->held_size_free < size_max)
    size_max = limits->held_size_free;
  return tp_http_conn_unsent(conn) <= size_max && conn->handling < limits->streams_max;
}

static void deliver(tp_http_conn *conn, tp_http_request *request) {
  tp_http_event event = request->event;
  remove_event(conn, request);
  const tp_http_request_events *events = &request->events;
  switch (event) {
  case EVENT_NONE: break;
  case EVENT_READY: tp_http_request_hand_over(request); break;
  case EVENT_WRITABLE:
    if (events->on_writable != NULL) events->on_writable(events->context, request);
    break;
  case EVENT_ABORT:
    if (events->on_abort != NULL) events->on_abort(events->context, request);
    break;
  }
}

bool tp_http_conn_run_events(tp_http_conn *conn) {
  bool has_delivered = false;
  tp_http_request *request = conn->event_oldest;
  while (request != NULL) {
    tp_http_request *next = request->event_next;
    /* Requests that cannot be handed out now wait; the others must not wait with them. */
    bool waits = request->event == EVENT_READY && (conn->failed || !tp_http_conn_has_room(conn));
    if (!waits) {
      deliver(conn, request);
      has_delivered = true;
      next = conn->event_oldest; /* whatever the handler did to the list */
      if (!tp_http_conn_has_room(conn)) {
        while (next != NULL && next->event == EVENT_READY) next = next->event_next;
      }
    }
    request = next;
  }
  return has_delivered;
}

/* ---- Input ----------------------------------------------------------------------------------------------
 */

/* Finds the protocol; returns how many of the bytes were needed for that and kept in conn->preface. */
static size_t detect(tp_http_conn *conn, tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  size_t used = 0;
  while (used < bytes.size && conn->codec == NULL) {
    bool matches = data[used] == (uint8_t)preface[conn->preface_size];
    if (!matches) {
      conn->codec = &tp_http1_codec;
    } else {
      conn->preface[conn->preface_size++] = data[used++];
      if (conn->preface_size == PREFACE_SIZE) conn->codec = &tp_http2_codec;
    }
  }
  return used;
}

static void receive(tp_http_conn *conn, tuplet_bytes bytes) {
  if (conn->codec == NULL) {
    size_t used = detect(conn, bytes);
    if (conn->codec == NULL) return;
    bytes.data = (const uint8_t *)bytes.data + used;
    bytes.size -= used;
    tuplet_bytes kept = {conn->preface, conn->preface_size};
    if (kept.size > 0) conn->codec->receive(conn, kept);
  }
  if (bytes.size > 0 && !conn->closing && !conn->failed) conn->codec->receive(conn, bytes);
}

void tp_http_conn_receive(tp_http_conn *conn, tuplet_bytes bytes) {
  if (conn->closing || conn->failed || bytes.size == 0) return;
  assert(conn->depth == 0);
  conn->depth++;
  receive(conn, bytes);
  tp_http_conn_run_events(conn);
  leave(conn);
}

void tp_http_conn_receive_end(tp_http_conn *conn) {
  if (conn->failed) return;
  assert(conn->depth == 0);
  conn->depth++;
  if (conn->codec == NULL) {
    conn->closing = true;
  } else {
    conn->codec->receive_end(conn);
    tp_http_conn_run_events(conn);
  }
  leave(conn);
}

bool tp_http_conn_wants_receive(const tp_http_conn *conn) {
  if (conn->failed || conn->closing) return false;
  if (conn->codec == NULL) return true;
  /* What waits for HTTP/2's windows must not count: only reading can open them. */
  return unwritten(conn) <= conn->config.limits.output_size_max && conn->codec->wants_receive(conn);
}

/* ---- Output ---------------------------------------------------------------------------------------------
 */

static void give_back(tp_buffer *buffer) {
  if (buffer->capacity > BUFFER_KEEP_MAX) {
    tp_buffer_done(buffer);
  } else {
    tp_buffer_clear(buffer);
  }
}

static void pump(tp_http_conn *conn) {
  conn->depth++;
  bool has_moved = true;
  (void)tp_http_conn_run_events(conn);
  while (!conn->failed && has_moved && conn->back.size < OUTPUT_CHUNK) {
    size_t before = conn->back.size;
    conn->codec->pump(conn);
    if (conn->back.failed) conn->failed = true;
    /* After the last round, too: what it has drained is to be told before anybody can see it. */
    has_moved = tp_http_conn_run_events(conn) || conn->back.size != before;
  }
  leave(conn);
}

tuplet_bytes tp_http_conn_output(tp_http_conn *conn) {
  assert(conn->depth == 0);
  conn->woken = false;
  if (conn->front.size == 0 && conn->codec != NULL && !conn->failed) {
    pump(conn);
    tp_buffer swapped = conn->front;
    conn->front = conn->back;
    conn->back = swapped;
    conn->front_data = conn->back_data;
    conn->back_data = 0;
  }
  if (conn->failed || conn->front.size == 0) return (tuplet_bytes){0};
  return (tuplet_bytes){conn->front.data + conn->front_written, conn->front.size - conn->front_written};
}

/* Of HTTP/2 only bodies count: a peer that takes answers to its pings does not take its responses. */
static void count_sent(tp_http_conn *conn, size_t size) {
  if (conn->http1 == NULL) {
    if (size > conn->front_data) size = conn->front_data;
    conn->front_data -= size;
  }
  conn->sent += size;
}

void tp_http_conn_output_written(tp_http_conn *conn, size_t size) {
  assert(size <= conn->front.size - conn->front_written);
  assert(conn->depth == 0);
  conn->depth++;
  conn->front_written += size;
  count_sent(conn, size);
  if (conn->front_written == conn->front.size) {
    give_back(&conn->front);
    conn->front_written = 0;
    /* HTTP/1.1 counts what is in the two buffers as the response's; HTTP/2 has told when it framed the bytes.
     */
    tp_http_request *request = conn->oldest;
    bool is_drained = conn->http1 != NULL && conn->back.size == 0 && request != NULL;
    if (is_drained && request->state == STATE_STREAMING && !request->aborted) {
      tp_http_conn_add_event(request, EVENT_WRITABLE);
    }
    tp_http_conn_run_events(conn);
  }
  leave(conn);
}

void tp_http_conn_shrink(tp_http_conn *conn) {
  if (conn->front.size == 0) tp_buffer_done(&conn->front);
  if (conn->back.size == 0) tp_buffer_done(&conn->back);
}

bool tp_http_conn_wants_close(const tp_http_conn *conn) {
  return conn->failed || (conn->closing && unwritten(conn) == 0);
}

bool tp_http_conn_wants_cut(const tp_http_conn *conn) {
  return conn->failed;
}

/* ---- Ends -----------------------------------------------------------------------------------------------
 */

void tp_http_conn_shutdown(tp_http_conn *conn) {
  if (conn->draining || conn->failed) return;
  conn->draining = true;
  if (conn->codec == NULL) {
    conn->closing = true;
  } else {
    conn->codec->shutdown(conn);
  }
  tp_http_conn_wake(conn);
}

static bool is_receiving(const tp_http_request *request) {
  return request->state == STATE_RECEIVING || request->is_discarding;
}

tp_http_progress tp_http_conn_progress(const tp_http_conn *conn) {
  size_t receiving = 0;
  for (const tp_http_request *request = conn->oldest; request != NULL; request = request->next)
    receiving += is_receiving(request);
  return (tp_http_progress){.has_begun = conn->codec != NULL,
                            .receiving = receiving,
                            .requests = conn->number_last,
                            .handling = conn->handling,
                            .unsent = tp_http_conn_unsent(conn),
                            .sent = conn->sent};
}

static bool is_overdue(tp_http_request *request, uint64_t now_ms, uint64_t head_timeout_ms,
                       uint64_t body_timeout_ms) {
  if (!is_receiving(request)) return false;
  if (!request->is_seen) request->seen_ms = now_ms;
  request->is_seen = true;
  return now_ms - request->seen_ms >= (request->has_head ? body_timeout_ms : head_timeout_ms);
}

static void expire_requests(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms,
                            uint64_t body_timeout_ms) {
  bool has_expired = false;
  for (tp_http_request *request = conn->oldest, *next; request != NULL && !conn->failed; request = next) {
    next = request->next;
    if (!is_overdue(request, now_ms, head_timeout_ms, body_timeout_ms)) continue;
    conn->codec->expire(conn, request);
    has_expired = true;
  }
  if (has_expired) tp_http_conn_wake(conn);
}

void tp_http_conn_expire_receiving(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms,
                                   uint64_t body_timeout_ms) {
  if (conn->codec != NULL && !conn->failed && !conn->closing)
    conn->codec->pass_time(conn, now_ms, head_timeout_ms);
  expire_requests(conn, now_ms, head_timeout_ms, body_timeout_ms);
  /* What waits for room in the budget is told by nobody when others give some back. */
  if (conn->event_oldest != NULL && tp_http_conn_has_room(conn)) tp_http_conn_wake(conn);
}

void tp_http_conn_expire_shutdown(tp_http_conn *conn) {
  if (conn->failed) return; /* shutdown has then left it alone, too */
  assert(conn->draining);
  expire_requests(conn, 0, 0, 0);
  if (conn->codec == NULL || conn->closing || conn->failed) return;
  conn->codec->expire_shutdown(conn);
  tp_http_conn_wake(conn);
}
