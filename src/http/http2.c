/* http2.c: HTTP/2 requests by nghttp2. One stream, one request.
 *
 * nghttp2 frames, compresses, checks and keeps the windows. It bounds by itself: CONTINUATIONs of a head (8),
 * entries of a SETTINGS (32), answers to PING and SETTINGS that the peer does not take (1000), the tables of
 * HPACK (4 KiB), and streams, also before the peer has acknowledged how many. What is left to us is bounded
 * here: sizes of heads and bodies; and by http2_guard.c all that costs work and brings none forward. */
#include "base/alloc.h"
#include "http/http2_guard.h"
#include "http/http2_memory.h"
#include "http/private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
  FIELD_OVERHEAD = 32,        /* what RFC 9113, section 6.5.2 counts for a field beside its bytes */
  HEAD_SIZE_FACTOR = 2,       /* a head so many times too large ends the connection */
  WINDOW_SIZE_MIN = 65535,    /* what a peer may send before it has read our settings */
  WINDOW_SIZE_MAX = 16 << 20, /* of a stream; larger bodies need WINDOW_UPDATEs */
  /* nghttp2 would end a connection after a thousand resets, also of streams that are answered already, which
   * libcurl sends by the hundred in a second. The guard knows the difference. */
  RESETS_MAX = 1000000000
};

struct tp_http2 {
  nghttp2_session *session;
  tp_http2_memory memory;
  tp_http2_guard guard;
  tp_http_request *incoming; /* whose head is coming in: spares looking it up for each header; NULL: none */
  bool is_going_away;        /* the final GOAWAY is sent */
  bool has_settings;         /* the peer has acknowledged ours */
  bool has_time;             /* the transport has told a time, */
  uint64_t time_ms;          /* the last; */
  uint64_t begin_ms;         /* the first */
};

static int out_of_memory(tp_http_conn *conn) {
  tp_http_conn_fail(conn);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

nghttp2_session *tp_http2_session(tp_http_conn *conn) {
  return conn->http2->session;
}

/* The connection ends, with a GOAWAY that says why. Returns nghttp2's code for callbacks. */
static int end_with(tp_http_conn *conn, uint32_t code) {
  int result = nghttp2_session_terminate_session(conn->http2->session, code);
  return result == 0 ? 0 : out_of_memory(conn);
}

void tp_http2_sent_data(tp_http_conn *conn, size_t size, bool is_all) {
  tp_http2_guard_note_data(&conn->http2->guard, size, is_all);
}

/* ---- nghttp2's callbacks: they only record --------------------------------------------------------------
 */

static tp_http_request *request_of(nghttp2_session *session, int32_t stream_id) {
  return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  tp_http_conn *conn = context;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  tp_http_request *request = tp_http_request_new(conn);
  if (request == NULL) return NGHTTP2_ERR_CALLBACK_FAILURE;
  request->stream_id = frame->hd.stream_id;
  if (nghttp2_session_set_stream_user_data(session, request->stream_id, request) != 0) {
    tp_http_request_free(request);
    return out_of_memory(conn);
  }
  conn->http2->incoming = request;
  return 0;
}

static inline bool bytes_are(const uint8_t *data, size_t size, const char *text) {
  return size == strlen(text) && memcmp(data, text, size) == 0;
}

/* The request of a HEADERS frame that is coming in. */
static tp_http_request *incoming_of(const tp_http_conn *conn, nghttp2_session *session, int32_t stream_id) {
  tp_http_request *incoming = conn->http2->incoming;
  return incoming != NULL && incoming->stream_id == stream_id ? incoming : request_of(session, stream_id);
}

static bool is_authority(const tp_http_request *request, tuplet_bytes value) {
  tuplet_bytes authority = tp_http_request_authority(request);
  return authority.size == value.size &&
         (value.size == 0 || memcmp(authority.data, value.data, value.size) == 0);
}

/* False when out of memory. */
static bool add_header(tp_http_request *request, tuplet_bytes name, tuplet_bytes value) {
  tp_http_span name_span, value_span;
  const uint8_t *text = name.data;
  bool is_pseudo = text[0] == ':';
  if (is_pseudo) {
    if (!tp_http_request_add_text(request, value, &value_span)) return false;
    if (bytes_are(text, name.size, ":method")) {
      request->method = value_span;
    } else if (bytes_are(text, name.size, ":path")) {
      request->target = value_span;
    } else if (bytes_are(text, name.size, ":authority")) {
      request->authority = value_span;
      request->has_authority = true;
    }
    return true;
  }
  if (bytes_are(text, name.size, "host")) {
    if (request->has_authority) {
      if (!is_authority(request, value)) request->refusal = 400; /* RFC 9113, section 8.3.1 */
      return true;
    }
    request->has_authority = true;
    return tp_http_request_add_text(request, value, &request->authority);
  }
  return tp_http_request_add_text(request, name, &name_span) &&
         tp_http_request_add_text(request, value, &value_span) &&
         tp_http_request_add_field(request, name_span, value_span);
}

/* Counts a header. Returns nghttp2's code. */
static int count_header(tp_http_conn *conn, tp_http_request *request, const uint8_t *name, size_t name_size,
                        size_t value_size) {
  size_t head_size_max = conn->config.limits.head_size_max;
  request->head_size += name_size + value_size + FIELD_OVERHEAD;
  if (request->head_size <= head_size_max) return 0;
  if (request->refusal == 0) request->refusal = bytes_are(name, name_size, ":path") ? 414 : 431;
  /* HPACK makes large heads out of few bytes; reading on to the end would only be work. */
  bool is_enough = request->head_size / HEAD_SIZE_FACTOR > head_size_max;
  return is_enough ? end_with(conn, NGHTTP2_ENHANCE_YOUR_CALM) : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context) {
  (void)flags;
  tp_http_conn *conn = context;
  tp_http_request *request = incoming_of(conn, session, frame->hd.stream_id);
  if (request == NULL || request->state != STATE_RECEIVING) return 0;
  int result = count_header(conn, request, name, name_size, value_size);
  if (result != 0 || request->refusal != 0) return result;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0; /* a trailer: counted, not kept */
  bool is_added = add_header(request, (tuplet_bytes){name, name_size}, (tuplet_bytes){value, value_size});
  return is_added ? 0 : out_of_memory(conn);
}

/* A header that breaks the rules of all HTTP: nghttp2 would leave it out. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                             void *context) {
  (void)value, (void)flags;
  tp_http_request *request = request_of(session, frame->hd.stream_id);
  if (request == NULL || request->state != STATE_RECEIVING) return 0;
  request->refusal = 400;
  return count_header(context, request, name, name_size, value_size);
}

/* The content-length, which nghttp2 has checked to be a number and compares with the body itself. */
static bool read_length(const tp_http_request *request, uint64_t *ret_length) {
  tuplet_bytes value = tp_http_request_header(request, "content-length");
  if (value.data == NULL) return false;
  *ret_length = 0;
  for (size_t i = 0; i < value.size; i++) {
    unsigned digit = (unsigned)((const uint8_t *)value.data)[i] - '0';
    if (digit > 9 || __builtin_mul_overflow(*ret_length, 10, ret_length) ||
        __builtin_add_overflow(*ret_length, digit, ret_length)) {
      *ret_length = UINT64_MAX;
      return true;
    }
  }
  return true;
}

/* All headers of a request are there. Returns nghttp2's code. */
static int head_complete(tp_http_conn *conn, tp_http_request *request, bool has_body) {
  uint64_t length = 0;
  bool has_length = read_length(request, &length);
  int refusal = tp_http_request_check_head(request, has_length, length);
  if (request->refusal == 0) request->refusal = refusal;
  if (request->refusal != 0 || !has_body || tp_http_request_ask(request) ||
      tp_http_request_header(request, "expect").data == NULL)
    return 0;
  uint8_t name[] = ":status", value[] = "100";
  nghttp2_nv header = {name, value, sizeof name - 1, sizeof value - 1, NGHTTP2_NV_FLAG_NONE};
  int result = nghttp2_submit_headers(conn->http2->session, NGHTTP2_FLAG_NONE, request->stream_id, NULL,
                                      &header, 1, NULL);
  return result < 0 ? out_of_memory(conn) : 0;
}

static int send_final_goaway(tp_http_conn *conn) {
  tp_http2 *http2 = conn->http2;
  if (http2->is_going_away) return 0;
  http2->is_going_away = true;
  int32_t last = nghttp2_session_get_last_proc_stream_id(http2->session);
  int result = nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
  return result == 0 ? 0 : out_of_memory(conn);
}

static int on_other_frame(tp_http_conn *conn, const nghttp2_frame *frame) {
  bool is_ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
  if (is_ack && frame->hd.type == NGHTTP2_SETTINGS) conn->http2->has_settings = true;
  if (is_ack && frame->hd.type == NGHTTP2_PING && conn->draining) return send_final_goaway(conn);
  return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  tp_http_conn *conn = context;
  bool is_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!is_message) return on_other_frame(conn, frame);
  bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  tp_http_request *request = request_of(session, frame->hd.stream_id);
  if (request != NULL && is_end) request->is_discarding = false;
  if (request == NULL || request->state != STATE_RECEIVING) return 0;
  bool is_head = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  if (is_head) conn->http2->incoming = NULL;
  if (is_head && head_complete(conn, request, !is_end) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (request->is_discarding) return 0;
  if (request->refusal != 0) {
    tp_http2_refuse(request, request->refusal);
    request->is_discarding = !is_end;
  } else if (is_end) {
    tp_http_request_complete(request);
  }
  return 0;
}

/* The peer is told that the rest of a refused request is not wanted. */
static int stop_discarding(tp_http_conn *conn, tp_http_request *request) {
  request->is_discarding = false;
  int result = nghttp2_submit_rst_stream(conn->http2->session, NGHTTP2_FLAG_NONE, request->stream_id,
                                         NGHTTP2_NO_ERROR);
  return result == 0 ? 0 : out_of_memory(conn);
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                         size_t size, void *context) {
  (void)flags;
  tp_http_conn *conn = context;
  tp_http_request *request = request_of(session, stream_id);
  if (request == NULL) return 0;
  if (request->is_discarding) {
    bool is_enough = !tp_http_request_discard(request, size);
    bool is_answered = nghttp2_session_get_stream_local_close(session, stream_id) == 1;
    return is_enough && is_answered ? stop_discarding(conn, request) : 0;
  }
  if (request->state != STATE_RECEIVING || request->refusal != 0) return 0;
  request->refusal = tp_http_request_add_body(request, (tuplet_bytes){data, size});
  if (conn->failed) return NGHTTP2_ERR_CALLBACK_FAILURE;
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *context) {
  tp_http_conn *conn = context;
  tp_http_request *request = request_of(session, stream_id);
  /* The peer may reset without an error what has no answer yet. */
  bool is_answered =
      error_code == NGHTTP2_NO_ERROR && nghttp2_session_get_stream_local_close(session, stream_id) == 1;
  tp_http2_outcome end = is_answered ? END_ANSWERED : END_CUT;
  if (request != NULL) {
    bool is_wrong = request->refusal == 400 || request->refusal == 414 || request->refusal == 431;
    if (is_wrong) end = END_WRONG;
    (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    if (conn->http2->incoming == request) conn->http2->incoming = NULL;
    tp_http_request_drop(request);
  }
  bool is_patient = tp_http2_guard_note_end(&conn->http2->guard, end);
  return is_patient ? 0 : end_with(conn, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  (void)session;
  tp_http_conn *conn = context;
  if (frame->hd.type == NGHTTP2_RST_STREAM)
    tp_http2_guard_note_reset(&conn->http2->guard, (uint32_t)frame->hd.stream_id);
  return 0;
}

/* ---- The session ----------------------------------------------------------------------------------------
 */

/* nghttp2 makes these two with malloc, whatever allocator the session has; they do not outlive this function.
 */
static int session_new(tp_http_conn *conn, nghttp2_session **ret_session) {
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  int result = nghttp2_session_callbacks_new(&callbacks);
  if (result == 0) result = nghttp2_option_new(&option);
  if (result != 0) goto out;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, RESETS_MAX, RESETS_MAX);
  nghttp2_mem mem = tp_http2_memory_hooks(&conn->http2->memory);
  result = nghttp2_session_server_new3(ret_session, callbacks, conn, option, &mem);
out:
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return result;
}

static int32_t window_size(size_t size, size_t size_max) {
  if (size < WINDOW_SIZE_MIN) size = WINDOW_SIZE_MIN;
  return (int32_t)(size > size_max ? size_max : size);
}

static int submit_settings(const tp_http_conn *conn, nghttp2_session *session) {
  const tp_http_limits *limits = &conn->config.limits;
  uint32_t head_size_max = limits->head_size_max > UINT32_MAX ? UINT32_MAX : (uint32_t)limits->head_size_max;
  int32_t stream_window = window_size(limits->body_size_max, WINDOW_SIZE_MAX);
  int32_t conn_window = window_size(limits->bodies_size_max, INT32_MAX);
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_size_max},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  int result = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, sizeof entries / sizeof *entries);
  if (result != 0) return result;
  return nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, conn_window);
}

static bool ensure_session(tp_http_conn *conn) {
  if (conn->http2 != NULL) return true;
  conn->http2 = tp_alloc_array_zeroed(conn->config.allocator, 1, sizeof *conn->http2);
  if (conn->http2 != NULL) {
    conn->http2->memory.allocator = conn->config.quick;
    tp_http2_guard_init(&conn->http2->guard, PREFACE_SIZE);
    bool is_ready =
        session_new(conn, &conn->http2->session) == 0 && submit_settings(conn, conn->http2->session) == 0;
    if (is_ready) return true;
  }
  tp_http_conn_fail(conn);
  return false;
}

static void close_when_done(tp_http_conn *conn) {
  nghttp2_session *session = conn->http2->session;
  if (!nghttp2_session_want_read(session) && !nghttp2_session_want_write(session)) conn->closing = true;
}

/* A frame has begun, and all before it is done, or does not matter to it. */
static void judge_frame(tp_http_conn *conn) {
  tp_http2 *http2 = conn->http2;
  if (http2->is_going_away) return; /* what the peer sent before it knew is ignored */
  int32_t stream_id = (int32_t)tp_http2_guard_stream(&http2->guard);
  bool is_open = nghttp2_session_find_stream(http2->session, stream_id) != NULL;
  tp_http2_judgement judgement = tp_http2_guard_judge(&http2->guard, is_open);
  if (judgement.verdict == VERDICT_END) (void)end_with(conn, judgement.code);
  if (judgement.verdict == VERDICT_RESET_STREAM &&
      nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream_id, judgement.code) != 0)
    tp_http_conn_fail(conn);
}

/* Has nghttp2 take bytes. Whether the connection goes on. */
static bool feed(tp_http_conn *conn, const uint8_t *data, size_t size) {
  if (size == 0) return true;
  ssize_t used = nghttp2_session_mem_recv(conn->http2->session, data, size);
  if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
    conn->closing = true; /* TLS has promised HTTP/2, and the peer speaks something else */
  else if (used < 0 || conn->http2->memory.is_out)
    tp_http_conn_fail(conn); /* what can be answered nghttp2 answers itself, with a GOAWAY */
  return !conn->closing && !conn->failed;
}

/* A frame is judged by what the frames before it have come to, so these are fed first; but requests that come
 * one behind the other are fed together, as far as that goes. */
static void http2_receive(tp_http_conn *conn, tuplet_bytes bytes) {
  if (!ensure_session(conn)) return;
  tp_http2_guard *guard = &conn->http2->guard;
  const uint8_t *data = bytes.data;
  size_t fed = 0;
  for (size_t at = 0; at < bytes.size;) {
    bool has_frame;
    size_t size = tp_http2_guard_look(guard, data + at, bytes.size - at, &has_frame);
    if (has_frame && !tp_http2_guard_opens_stream(guard)) {
      if (!feed(conn, data + fed, at - fed)) return;
      fed = at;
    }
    if (has_frame) judge_frame(conn);
    if (conn->failed) return;
    at += size;
  }
  (void)feed(conn, data + fed, bytes.size - fed);
}

static void http2_receive_end(tp_http_conn *conn) {
  conn->failed = true; /* without its windows nothing can be relied on to get through */
}

static bool http2_wants_receive(const tp_http_conn *conn) {
  (void)conn;
  return true;
}

static void http2_pump(tp_http_conn *conn) {
  if (conn->http2 == NULL || conn->http2->session == NULL) return;
  while (conn->back.size < OUTPUT_CHUNK) {
    const uint8_t *data = NULL;
    ssize_t size = nghttp2_session_mem_send(conn->http2->session, &data);
    if (size < 0 || conn->http2->memory.is_out) {
      tp_http_conn_fail(conn);
      return;
    }
    if (size == 0) break;
    tp_buffer_append(&conn->back, data, (size_t)size);
  }
  close_when_done(conn);
}

/* First a GOAWAY that refuses nothing, since requests may be under way; when the peer has answered the PING
 * behind it, all that it had sent is here, and the real GOAWAY follows (RFC 9113, section 6.8). */
static void http2_shutdown(tp_http_conn *conn) {
  if (!ensure_session(conn)) return;
  nghttp2_session *session = conn->http2->session;
  if (nghttp2_submit_shutdown_notice(session) != 0 ||
      nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL) != 0) {
    tp_http_conn_fail(conn);
  }
}

static void http2_abort(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  nghttp2_session *session = conn->http2->session;
  int32_t stream_id = request->stream_id;
  (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
  tp_http_request_free(request);
  if (nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_INTERNAL_ERROR) != 0) {
    tp_http_conn_fail(conn);
  }
}

static size_t http2_buffered(const tp_http_request *request) {
  return request->output.size - request->output_offset;
}

static size_t http2_waiting(const tp_http_conn *conn) {
  (void)conn;
  return 0;
}

static void http2_expire(tp_http_conn *conn, tp_http_request *request) {
  if (!request->has_head) { /* until it has, no other frame can come */
    (void)end_with(conn, NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (request->is_discarding) {
    (void)stop_discarding(conn, request);
  } else {
    tp_http2_refuse(request, 408);
    request->is_discarding = true; /* the next time it is reset */
  }
}

/* Time gives patience back, and takes it from who does not even acknowledge our settings. */
static void http2_pass_time(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms) {
  tp_http2 *http2 = conn->http2;
  if (http2 == NULL) return;
  if (!http2->has_time) http2->begin_ms = http2->time_ms = now_ms;
  http2->has_time = true;
  if (!http2->has_settings && now_ms - http2->begin_ms >= head_timeout_ms) {
    (void)end_with(conn, NGHTTP2_SETTINGS_TIMEOUT);
    tp_http_conn_wake(conn);
  }
  tp_http2_guard_note_time(&http2->guard, now_ms - http2->time_ms);
  http2->time_ms = now_ms;
}

static void http2_expire_shutdown(tp_http_conn *conn) {
  (void)send_final_goaway(conn);
}

static void http2_free(tp_http_conn *conn) {
  if (conn->http2 == NULL) return;
  tp_http2_memory_end(&conn->http2->memory, conn->http2->session);
  tp_free(conn->config.allocator, conn->http2);
}

const tp_http_codec tp_http2_codec = {.receive = http2_receive,
                                      .receive_end = http2_receive_end,
                                      .pump = http2_pump,
                                      .respond = tp_http2_respond,
                                      .start = tp_http2_start,
                                      .write = tp_http2_write,
                                      .end = tp_http2_end,
                                      .abort = http2_abort,
                                      .buffered = http2_buffered,
                                      .shutdown = http2_shutdown,
                                      .expire = http2_expire,
                                      .pass_time = http2_pass_time,
                                      .expire_shutdown = http2_expire_shutdown,
                                      .wants_receive = http2_wants_receive,
                                      .waiting = http2_waiting,
                                      .free = http2_free};
