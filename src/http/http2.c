/* http2.c: HTTP/2 requests by nghttp2. One stream, one request.
 *
 * nghttp2 frames, compresses, checks and keeps the windows; it also bounds resets, CONTINUATIONs, and answers
 * to PING and SETTINGS that the peer does not take. What is left to us is bounded here: sizes of heads and
 * bodies, and frames that cost work and bring none forward. */
#include "base/alloc.h"
#include "http/private.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
  FIELD_OVERHEAD = 32,        /* what RFC 9113, section 6.5.2 counts for a field beside its bytes */
  IDLE_FRAMES_MAX = 10000,    /* frames in a row that neither complete a request nor take a response */
  WINDOW_SIZE_MIN = 65535,    /* what a peer may send before it has read our settings */
  WINDOW_SIZE_MAX = 16 << 20, /* of a stream; larger bodies need WINDOW_UPDATEs */
  RESET_BURST = 1000,         /* resets by the peer: so many at once, */
  RESET_RATE = 33             /* so many each second in the long run */
};

typedef struct block block;

struct tp_http2 {
  nghttp2_session *session;
  const tuplet_allocator *allocator;
  block *blocks; /* all that nghttp2 has for this session */
  bool is_out_of_memory;
  size_t idle_frames;
  bool is_going_away; /* the final GOAWAY is sent */
};

nghttp2_session *tp_http2_session(tp_http_conn *conn) {
  return conn->http2->session;
}

void tp_http2_progress(tp_http_conn *conn) {
  conn->http2->idle_frames = 0;
}

/* ---- Memory for nghttp2 ---------------------------------------------------------------------------------
 *
 * All blocks of a session are in a list. Where memory runs out nghttp2 may be left with pointers to what it
 * has freed (1.52 frees a DATA frame twice when the queue behind it cannot grow), so that session is not
 * ended by nghttp2_session_del: it is not called any more (conn->failed), and its blocks are freed here. */

struct block {
  block *previous, *next;
};

enum { BLOCK_HEAD_SIZE = 16 };

static_assert(sizeof(block) <= BLOCK_HEAD_SIZE && BLOCK_HEAD_SIZE % alignof(max_align_t) == 0,
              "what follows the head is aligned for any type");

static void block_link(tp_http2 *http2, block *b) {
  b->previous = NULL;
  b->next = http2->blocks;
  if (b->next != NULL) b->next->previous = b;
  http2->blocks = b;
}

static void block_unlink(tp_http2 *http2, block *b) {
  *(b->previous != NULL ? &b->previous->next : &http2->blocks) = b->next;
  if (b->next != NULL) b->next->previous = b->previous;
}

static block *block_of(void *pointer) {
  return (block *)(void *)((char *)pointer - BLOCK_HEAD_SIZE);
}

static void *mem_realloc(void *pointer, size_t size, void *context) {
  tp_http2 *http2 = context;
  block *old = pointer == NULL ? NULL : block_of(pointer);
  if (size > SIZE_MAX - BLOCK_HEAD_SIZE) return NULL;
  if (old != NULL) block_unlink(http2, old);
  block *b = tp_realloc(http2->allocator, old, size + BLOCK_HEAD_SIZE);
  if (b == NULL) http2->is_out_of_memory = true;
  if (b != NULL || old != NULL) block_link(http2, b != NULL ? b : old);
  return b == NULL ? NULL : (char *)b + BLOCK_HEAD_SIZE;
}

static void *mem_malloc(size_t size, void *context) {
  return mem_realloc(NULL, size, context);
}

static void *mem_calloc(size_t count, size_t size, void *context) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *pointer = mem_realloc(NULL, total, context);
  if (pointer != NULL) memset(pointer, 0, total);
  return pointer;
}

static void mem_free(void *pointer, void *context) {
  tp_http2 *http2 = context;
  if (pointer == NULL) return;
  block_unlink(http2, block_of(pointer));
  tp_free(http2->allocator, block_of(pointer));
}

static void session_free(tp_http2 *http2) {
  if (!http2->is_out_of_memory) {
    nghttp2_session_del(http2->session);
    return;
  }
  while (http2->blocks != NULL) mem_free((char *)http2->blocks + BLOCK_HEAD_SIZE, http2);
}

/* ---- nghttp2's callbacks: they only record --------------------------------------------------------------
 */

static tp_http_request *request_of(nghttp2_session *session, int32_t stream_id) {
  return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int out_of_memory(tp_http_conn *conn) {
  tp_http_conn_fail(conn);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
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
  return 0;
}

static bool bytes_are(const uint8_t *data, size_t size, const char *text) {
  return size == strlen(text) && memcmp(data, text, size) == 0;
}

/* False when out of memory. */
static bool add_header(tp_http_request *request, tuplet_bytes name, tuplet_bytes value) {
  tp_http_span name_span, value_span;
  const uint8_t *text = name.data;
  bool is_pseudo = text[0] == ':';
  if (is_pseudo) {
    if (!tp_http_request_add_text(request, value, &value_span)) return false;
    if (bytes_are(text, name.size, ":method")) request->method = value_span;
    if (bytes_are(text, name.size, ":path")) request->target = value_span;
    if (bytes_are(text, name.size, ":authority")) {
      request->authority = value_span;
      request->has_authority = true;
    }
    return true;
  }
  if (bytes_are(text, name.size, "host")) {
    if (request->has_authority) return true;
    request->has_authority = true;
    return tp_http_request_add_text(request, value, &request->authority);
  }
  return tp_http_request_add_text(request, name, &name_span) &&
         tp_http_request_add_text(request, value, &value_span) &&
         tp_http_request_add_field(request, name_span, value_span);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context) {
  (void)flags;
  tp_http_conn *conn = context;
  tp_http_request *request = request_of(session, frame->hd.stream_id);
  if (request == NULL || request->state != STATE_RECEIVING || request->refusal != 0) return 0;
  request->head_size += name_size + value_size + FIELD_OVERHEAD;
  size_t head_size_max = conn->config.limits.head_size_max;
  if (request->head_size > head_size_max) {
    request->refusal = bytes_are(name, name_size, ":path") ? 414 : 431;
    return 0;
  }
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0; /* a trailer: counted, not kept */
  bool is_added = add_header(request, (tuplet_bytes){name, name_size}, (tuplet_bytes){value, value_size});
  return is_added ? 0 : out_of_memory(conn);
}

/* A header that breaks the rules of all HTTP: nghttp2 would leave it out. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                             void *context) {
  (void)name, (void)name_size, (void)value, (void)value_size, (void)flags, (void)context;
  tp_http_request *request = request_of(session, frame->hd.stream_id);
  if (request != NULL && request->state == STATE_RECEIVING) request->refusal = 400;
  return 0;
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

/* Counts frames that bring nothing forward; any number may be sent between requests that do. */
static int count_idle_frame(tp_http_conn *conn) {
  tp_http2 *http2 = conn->http2;
  if (++http2->idle_frames != IDLE_FRAMES_MAX) return 0;
  int result = nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM);
  return result == 0 ? 0 : out_of_memory(conn);
}

static int send_final_goaway(tp_http_conn *conn) {
  tp_http2 *http2 = conn->http2;
  if (http2->is_going_away) return 0;
  http2->is_going_away = true;
  int32_t last = nghttp2_session_get_last_proc_stream_id(http2->session);
  int result = nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
  return result == 0 ? 0 : out_of_memory(conn);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  tp_http_conn *conn = context;
  bool is_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!is_message) {
    bool is_ack = frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (is_ack && conn->draining) return send_final_goaway(conn);
    return count_idle_frame(conn);
  }
  bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  tp_http_request *request = request_of(session, frame->hd.stream_id);
  if (request != NULL && is_end) request->is_discarding = false;
  if (request == NULL || request->state != STATE_RECEIVING) return is_end ? 0 : count_idle_frame(conn);
  bool is_head = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  if (is_head && head_complete(conn, request, !is_end) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (request->is_discarding) return 0;
  if (request->refusal != 0) {
    tp_http2_refuse(request, request->refusal);
    request->is_discarding = !is_end;
  } else if (is_end) {
    conn->http2->idle_frames = 0;
    tp_http_request_complete(request);
  } else if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0) {
    return count_idle_frame(conn);
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
  (void)error_code, (void)context;
  tp_http_request *request = request_of(session, stream_id);
  if (request == NULL) return 0;
  (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
  tp_http_request_drop(request);
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
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
  nghttp2_mem mem = {conn->http2, mem_malloc, mem_free, mem_calloc, mem_realloc};
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
    conn->http2->allocator = conn->config.allocator;
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

static void http2_receive(tp_http_conn *conn, tuplet_bytes bytes) {
  if (!ensure_session(conn)) return;
  ssize_t used = nghttp2_session_mem_recv(conn->http2->session, bytes.data, bytes.size);
  if (used < 0 || conn->http2->is_out_of_memory)
    tp_http_conn_fail(conn); /* what can be answered nghttp2 answers itself, with a GOAWAY */
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
    if (size < 0 || conn->http2->is_out_of_memory) {
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
    if (nghttp2_session_terminate_session(conn->http2->session, NGHTTP2_ENHANCE_YOUR_CALM) != 0)
      tp_http_conn_fail(conn);
  } else if (request->is_discarding) {
    (void)stop_discarding(conn, request);
  } else {
    tp_http2_refuse(request, 408);
    request->is_discarding = true; /* the next time it is reset */
  }
}

static void http2_expire_shutdown(tp_http_conn *conn) {
  (void)send_final_goaway(conn);
}

static void http2_free(tp_http_conn *conn) {
  if (conn->http2 == NULL) return;
  session_free(conn->http2);
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
                                      .expire_shutdown = http2_expire_shutdown,
                                      .wants_receive = http2_wants_receive,
                                      .waiting = http2_waiting,
                                      .free = http2_free};
