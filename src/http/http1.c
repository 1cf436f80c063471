/* http1.c: HTTP/1.1 requests by llhttp, strictly (http1_lines.c), one after the other.
 *
 * llhttp stops at the end of each request. The next one is parsed when the response to it has been given;
 * what the peer sends ahead waits in `input`. An error of the peer's is answered and ends the connection,
 * since nobody knows where the next request would start. */
#include "base/alloc.h"
#include "http/private.h"

#include <assert.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

struct tp_http1 {
  llhttp_t parser;
  tp_http_request *current; /* being received, with the handler, or being discarded */
  tp_http1_lines lines;     /* of the head or the trailers that are being read */
  bool is_unknown;          /* the first request's method; llhttp is done with */
  bool is_in_blank;         /* the CR of an empty line before a request has come */
  tp_buffer input;          /* sent ahead, from input_offset on */
  size_t input_offset;
  size_t head_size;  /* bytes of the head so far, or of chunk extensions and trailers behind it */
  bool is_head_done; /* the current request's */
  bool has_target;   /* the head has got beyond its target */
  bool peer_ended;   /* the peer sends nothing more */
  bool is_in_name;   /* a header's name is being read */
  size_t host_count;
  tp_http_span name, value;
  bool has_encoding; /* Transfer-Encoding is there */
  int refusal;       /* set by a callback that stopped the parser; 0: llhttp's own error */
};

/* ---- llhttp's callbacks: they only record -------------------------------------------------------------- */

static tp_http_conn *conn_of(llhttp_t *parser) {
  return parser->data;
}

/* Stops the parser; the request will be answered with `status`. */
static int refuse(tp_http1 *http1, int status) {
  http1->refusal = status;
  return HPE_USER;
}

static int out_of_memory(tp_http_conn *conn) {
  tp_http_conn_fail(conn);
  return HPE_USER;
}

static int on_message_begin(llhttp_t *parser) {
  tp_http_conn *conn = conn_of(parser);
  tp_http1 *http1 = conn->http1;
  assert(http1->current == NULL);
  http1->current = tp_http_request_new(conn);
  if (http1->current == NULL) return out_of_memory(conn);
  http1->is_head_done = http1->has_target = http1->is_in_name = http1->has_encoding = false;
  http1->host_count = 0;
  http1->head_size = 0;
  return HPE_OK;
}

/* Adds to the piece of text that `span` is, or starts it. */
static int extend(tp_http_conn *conn, tp_http_span *span, const char *at, size_t size) {
  tp_http_span added;
  if (!tp_http_request_add_text(conn->http1->current, (tuplet_bytes){at, size}, &added)) {
    return out_of_memory(conn);
  }
  if (span->size == 0) span->offset = added.offset;
  span->size += size;
  return HPE_OK;
}

static int on_url(llhttp_t *parser, const char *at, size_t size) {
  tp_http_conn *conn = conn_of(parser);
  return extend(conn, &conn->http1->current->target, at, size);
}

static int on_url_complete(llhttp_t *parser) {
  conn_of(parser)->http1->has_target = true;
  return HPE_OK;
}

/* Behind the head nothing is kept (trailers, chunk extensions), only counted. */
static int count_surplus(tp_http_conn *conn, size_t size) {
  tp_http1 *http1 = conn->http1;
  http1->head_size += size;
  return http1->head_size > conn->config.limits.head_size_max ? refuse(http1, 431) : HPE_OK;
}

static int on_surplus(llhttp_t *parser, const char *at, size_t size) {
  (void)at;
  return count_surplus(conn_of(parser), size);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size) {
  tp_http_conn *conn = conn_of(parser);
  tp_http1 *http1 = conn->http1;
  if (http1->is_head_done) return count_surplus(conn, size);
  if (!http1->is_in_name) {
    http1->is_in_name = true;
    http1->name = http1->value = (tp_http_span){0};
  }
  int result = extend(conn, &http1->name, at, size);
  if (result != HPE_OK) return result;
  uint8_t *name = http1->current->text.data + http1->current->text.size - size;
  for (size_t i = 0; i < size; i++) name[i] |= (uint8_t)((name[i] >= 'A' && name[i] <= 'Z') << 5);
  return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size) {
  tp_http_conn *conn = conn_of(parser);
  tp_http1 *http1 = conn->http1;
  if (http1->is_head_done) return count_surplus(conn, size);
  return extend(conn, &http1->value, at, size);
}

static bool span_is(const tp_http_request *request, tp_http_span span, const char *text) {
  tuplet_bytes bytes = tp_http_request_view(request, span);
  return bytes.size == strlen(text) && strncasecmp(bytes.data, text, bytes.size) == 0;
}

static int on_header_value_complete(llhttp_t *parser) {
  tp_http_conn *conn = conn_of(parser);
  tp_http1 *http1 = conn->http1;
  tp_http_request *request = http1->current;
  if (http1->is_head_done) return HPE_OK;
  http1->is_in_name = false;
  if (http1->value.size == 0) http1->value.offset = request->text.size;
  const uint8_t *text = request->text.data;
  while (http1->value.size > 0) {
    uint8_t last = text[http1->value.offset + http1->value.size - 1];
    if (last != ' ' && last != '\t') break;
    http1->value.size--;
  }
  if (span_is(request, http1->name, "host")) {
    http1->host_count++;
    request->authority = http1->value;
    request->has_authority = true;
    return HPE_OK;
  }
  if (span_is(request, http1->name, "transfer-encoding")) {
    /* Chunked is all that can be undone; that it stands alone also settles what smuggling lives on. */
    if (http1->has_encoding || !span_is(request, http1->value, "chunked")) return refuse(http1, 501);
    http1->has_encoding = true;
  }
  return tp_http_request_add_field(request, http1->name, http1->value) ? HPE_OK : out_of_memory(conn);
}

/* "http://host/path": the host wins over the Host header, the path is what a handler sees. */
static bool split_absolute_target(tp_http_request *request) {
  tuplet_bytes target = tp_http_request_view(request, request->target);
  const char *start = target.data;
  size_t scheme = 0;
  if (target.size > 7 && strncasecmp(start, "http://", 7) == 0) scheme = 7;
  if (target.size > 8 && strncasecmp(start, "https://", 8) == 0) scheme = 8;
  if (scheme == 0) return true;
  size_t end = scheme;
  while (end < target.size && strchr("/?#", start[end]) == NULL) end++;
  if (end == scheme || (end < target.size && start[end] != '/')) return false;
  request->authority = (tp_http_span){request->target.offset + scheme, end - scheme};
  request->has_authority = true;
  tp_http_span path = {request->target.offset + end, target.size - end};
  if (path.size == 0 && !tp_http_request_add_text(request, (tuplet_bytes){"/", 1}, &path)) {
    tp_http_conn_fail(request->conn);
    return false;
  }
  request->target = path;
  return true;
}

static int check_version(const llhttp_t *parser, const tp_http1 *http1) {
  if (parser->http_major != 1 || parser->http_minor > 1) return 505;
  if (http1->host_count > 1 || (parser->http_minor == 1 && http1->host_count == 0)) return 400;
  if (parser->http_minor == 0 && http1->has_encoding) return 400; /* RFC 9112, section 6.1 */
  return 0;
}

static int on_headers_complete(llhttp_t *parser) {
  tp_http_conn *conn = conn_of(parser);
  tp_http1 *http1 = conn->http1;
  tp_http_request *request = http1->current;
  const char *method = llhttp_method_name((llhttp_method_t)parser->method);
  if (!tp_http_request_add_text(request, (tuplet_bytes){method, strlen(method)}, &request->method)) {
    return out_of_memory(conn);
  }
  request->is_http10 = parser->http_minor == 0;
  request->keep_alive = llhttp_should_keep_alive(parser) && (parser->flags & F_CONNECTION_CLOSE) == 0;
  parser->upgrade = 0; /* an offer; we go on with HTTP/1.1 */
  int refusal = check_version(parser, http1);
  if (refusal == 0 && !split_absolute_target(request)) refusal = 400;
  bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
  if (refusal == 0) refusal = tp_http_request_check_head(request, has_length, parser->content_length);
  if (refusal != 0) return refuse(http1, refusal);
  http1->is_head_done = true;
  http1->head_size = 0;
  bool has_body = (parser->flags & F_CHUNKED) != 0 || (has_length && parser->content_length > 0);
  bool expects_continue = !request->is_http10 && tp_http_request_header(request, "expect").data != NULL;
  if (has_body) {
    /* A peer that is refused the 100 may leave the body out or not: nobody knows what comes next. */
    bool keep_alive = request->keep_alive;
    request->keep_alive = keep_alive && !expects_continue;
    if (tp_http_request_ask(request)) return conn->failed ? HPE_USER : HPE_OK;
    request->keep_alive = keep_alive;
  }
  if (has_body && expects_continue) {
    tp_buffer_append_text(&conn->back, "HTTP/1.1 100 Continue\r\n\r\n");
    if (conn->back.failed) return out_of_memory(conn);
  }
  return HPE_OK;
}

/* A chunk's length is there. Behind the last chunk come the trailers: llhttp stops before them. */
static int on_chunk_header(llhttp_t *parser) {
  tp_http_conn *conn = conn_of(parser);
  if (parser->content_length > conn->config.limits.body_size_max) return refuse(conn->http1, 413);
  if (parser->content_length > 0) return HPE_OK;
  tp_http1_lines_start_trailers(&conn->http1->lines);
  return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t size) {
  tp_http_conn *conn = conn_of(parser);
  tp_http_request *request = conn->http1->current;
  if (request->is_discarding)
    return tp_http_request_discard(request, size) ? HPE_OK : refuse(conn->http1, 413);
  int refusal = tp_http_request_add_body(request, (tuplet_bytes){at, size});
  return refusal == 0 ? HPE_OK : refuse(conn->http1, refusal);
}

static int on_message_complete(llhttp_t *parser) {
  tp_http1 *http1 = conn_of(parser)->http1;
  if (http1->current->is_discarding) {
    tp_http_request_free(http1->current);
    http1->current = NULL;
  } else {
    tp_http_request_complete(http1->current);
  }
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {.on_message_begin = on_message_begin,
                                           .on_url = on_url,
                                           .on_url_complete = on_url_complete,
                                           .on_header_field = on_header_field,
                                           .on_header_value = on_header_value,
                                           .on_header_value_complete = on_header_value_complete,
                                           .on_headers_complete = on_headers_complete,
                                           .on_chunk_extension_name = on_surplus,
                                           .on_chunk_extension_value = on_surplus,
                                           .on_chunk_header = on_chunk_header,
                                           .on_body = on_body,
                                           .on_message_complete = on_message_complete};

/* ---- Receiving ------------------------------------------------------------------------------------------
 */

static bool ensure_state(tp_http_conn *conn) {
  if (conn->http1 != NULL) return true;
  tp_http1 *http1 = tp_alloc_array_zeroed(conn->config.allocator, 1, sizeof *http1);
  if (http1 == NULL) {
    tp_http_conn_fail(conn);
    return false;
  }
  llhttp_init(&http1->parser, HTTP_REQUEST, &settings);
  http1->parser.data = conn;
  tp_buffer_init(&http1->input, conn->config.allocator);
  conn->http1 = http1;
  return true;
}

static bool is_discarding(const tp_http1 *http1) {
  return http1->current != NULL && http1->current->is_discarding;
}

/* The peer's error: answers with `status`, if there was no answer yet, and lets the connection end. */
static void reject(tp_http_conn *conn, int status) {
  tp_http1 *http1 = conn->http1;
  bool is_head = http1->parser.method == HTTP_HEAD && http1->has_target;
  bool is_answered = is_discarding(http1);
  if (!is_answered) tp_http_conn_tell_refusal(conn, http1->current, status);
  if (http1->current != NULL) tp_http_request_drop(http1->current);
  http1->current = NULL;
  if (!is_answered) tp_http1_write_refusal(conn, status, is_head);
  conn->closing = true;
}

/* Who begins with a line that HTTP/1.1 cannot be (HTTP/2's preface, wrong, say) is not answered in it. */
static void turn_away(tp_http_conn *conn) {
  tp_http_conn_tell_refusal(conn, conn->http1->current, 0);
  tp_http_request_drop(conn->http1->current);
  conn->http1->current = NULL;
  conn->closing = true;
}

static int status_of_error(const tp_http1 *http1, llhttp_errno_t error) {
  if (http1->refusal != 0) return http1->refusal;
  return error == HPE_INVALID_VERSION ? 505 : 400;
}

static bool can_parse(const tp_http_conn *conn) {
  const tp_http_request *current = conn->http1->current;
  bool is_free = current == NULL || current->state == STATE_RECEIVING || current->is_discarding;
  return is_free && !conn->failed && !conn->closing && tp_http_conn_has_room(conn);
}

static bool is_in_head(const tp_http1 *http1) {
  return http1->current == NULL || !http1->is_head_done;
}

/* Empty lines before a request belong to none. Returns whether the byte was one's; or an error of the peer's.
 */
static bool skip_blank(tp_http_conn *conn, char byte) {
  tp_http1 *http1 = conn->http1;
  if (!http1->is_in_blank && byte != '\r') return false;
  if (http1->is_in_blank && byte != '\n') reject(conn, 400);
  http1->is_in_blank = !http1->is_in_blank;
  return true;
}

/* What llhttp has made of `size` bytes. Returns how many of them it took. */
static size_t judge(tp_http_conn *conn, llhttp_errno_t error, const char *data, size_t size,
                    bool was_in_head) {
  tp_http1 *http1 = conn->http1;
  size_t head_size_max = conn->config.limits.head_size_max;
  if (error == HPE_PAUSED) {
    size = (size_t)(llhttp_get_error_pos(&http1->parser) - data);
    llhttp_resume(&http1->parser);
  } else if (error != HPE_OK && !http1->is_unknown) {
    if (!conn->failed) reject(conn, status_of_error(http1, error));
  } else if (was_in_head && !http1->is_head_done) {
    http1->head_size += size;
    bool is_too_large = http1->head_size >= head_size_max;
    /* Either the method was unknown from the start, or the head is whole and llhttp sees none: HTTP/2's
     * preface, nearly. */
    bool is_over = http1->is_unknown ? !tp_http1_lines_are_in_first(&http1->lines)
                                     : !tp_http1_lines_are_open(&http1->lines);
    if (is_over) {
      reject(conn, 400);
    } else if (is_too_large) {
      reject(conn, http1->has_target ? 431 : 414);
    }
  }
  return size;
}

/* Feeds the parser once. Returns how many bytes it took. */
static size_t parse(tp_http_conn *conn, const char *data, size_t size) {
  tp_http1 *http1 = conn->http1;
  if (http1->current == NULL && skip_blank(conn, *data)) return 1;
  if (http1->current == NULL) {
    tp_http1_lines_start_head(&http1->lines);
    http1->head_size = 0;
  }
  /* A slice no larger than what a head may still have, so that where packets are cut makes no difference. */
  bool was_in_head = is_in_head(http1);
  size_t head_size_left = conn->config.limits.head_size_max - http1->head_size;
  if (was_in_head && size > head_size_left) size = head_size_left;
  bool is_valid =
      !tp_http1_lines_are_open(&http1->lines) || tp_http1_lines_check(&http1->lines, data, size, &size);
  /* What comes before a byte that is wrong may be wrong already, in another way. The first request's unknown
   * method is judged by the rest of its line. */
  size_t valid_size = is_valid ? size : size - 1;
  bool is_fed = valid_size > 0 && !http1->is_unknown;
  llhttp_errno_t error = is_fed ? llhttp_execute(&http1->parser, data, valid_size) : HPE_OK;
  bool is_first = http1->current != NULL && http1->current->number == 1;
  http1->is_unknown |= error == HPE_INVALID_METHOD && is_first;
  if (is_valid || (error != HPE_OK && !http1->is_unknown)) return judge(conn, error, data, size, was_in_head);
  if (http1->is_unknown && tp_http1_lines_are_foreign(&http1->lines)) {
    turn_away(conn);
  } else {
    reject(conn, 400);
  }
  return size;
}

static size_t parse_all(tp_http_conn *conn, const char *data, size_t size) {
  size_t used = 0;
  while (used < size && can_parse(conn)) {
    used += parse(conn, data + used, size - used);
    tp_http_conn_run_events(conn);
  }
  return used;
}

/* The peer has said all it will say. */
static void check_end(tp_http_conn *conn) {
  const tp_http1 *http1 = conn->http1;
  if (!http1->peer_ended || http1->input_offset < http1->input.size || conn->closing || conn->failed) return;
  if (http1->current == NULL) {
    conn->closing = true;
  } else if (http1->current->state == STATE_RECEIVING || is_discarding(http1)) {
    reject(conn, 400);
  }
}

static void parse_input(tp_http_conn *conn) {
  tp_http1 *http1 = conn->http1;
  tp_buffer *input = &http1->input;
  if (http1->input_offset < input->size) {
    http1->input_offset +=
        parse_all(conn, (const char *)input->data + http1->input_offset, input->size - http1->input_offset);
  }
  if (http1->input_offset == input->size || conn->closing) {
    tp_buffer_done(input);
    http1->input_offset = 0;
  }
  check_end(conn);
}

static void http1_receive(tp_http_conn *conn, tuplet_bytes bytes) {
  if (!ensure_state(conn)) return;
  tp_http1 *http1 = conn->http1;
  if (http1->input.size > 0) parse_input(conn);
  size_t used = http1->input.size > 0 ? 0 : parse_all(conn, bytes.data, bytes.size);
  if (used == bytes.size || conn->closing || conn->failed) return;
  tp_buffer_consume(&http1->input, http1->input_offset);
  http1->input_offset = 0;
  tp_buffer_append(&http1->input, (const char *)bytes.data + used, bytes.size - used);
  if (http1->input.failed) tp_http_conn_fail(conn);
}

/* A peer that has closed its side may still read: `nc` does that, and gets its answers. But an endless one it
 * cannot wait for, and this is how a peer that went away shows itself. */
static void http1_receive_end(tp_http_conn *conn) {
  if (!ensure_state(conn)) return;
  tp_http1 *http1 = conn->http1;
  http1->peer_ended = true;
  tp_http_request *current = http1->current;
  if (current != NULL && current->state == STATE_STREAMING && current->is_endless) {
    http1->current = NULL;
    tp_http_request_drop(current);
    conn->failed = true;
  }
  check_end(conn);
}

static bool http1_wants_receive(const tp_http_conn *conn) {
  const tp_http1 *http1 = conn->http1;
  if (http1 == NULL) return true;
  return !http1->peer_ended && http1->input.size - http1->input_offset < conn->config.limits.input_size_max;
}

/* ---- The rest -------------------------------------------------------------------------------------------
 */

static void http1_pump(tp_http_conn *conn) {
  if (conn->http1 != NULL && !conn->closing) parse_input(conn);
}

void tp_http1_finished(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  if (!request->keep_alive || conn->draining) conn->closing = true;
  if (request->is_at_head) { /* until its end has come */
    tp_http_request_release(request);
    return;
  }
  conn->http1->current = NULL;
  tp_http_request_free(request);
}

static void http1_abort(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  conn->http1->current = NULL;
  tp_http_request_free(request);
  tp_http_conn_fail(conn);
}

static size_t http1_buffered(const tp_http_request *request) {
  return tp_http_conn_unsent(request->conn);
}

static void http1_shutdown(tp_http_conn *conn) {
  const tp_http1 *http1 = conn->http1;
  bool is_idle = http1 == NULL || (http1->current == NULL && http1->input.size == 0) || is_discarding(http1);
  if (is_idle) conn->closing = true;
}

static void http1_expire(tp_http_conn *conn, tp_http_request *request) {
  assert(request == conn->http1->current);
  reject(conn, 408);
}

static void http1_pass_time(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms) {
  (void)conn, (void)now_ms, (void)head_timeout_ms;
}

static void http1_expire_shutdown(tp_http_conn *conn) {
  (void)conn; /* there is nothing but requests */
}

static size_t http1_waiting(const tp_http_conn *conn) {
  return conn->http1 == NULL ? 0 : conn->http1->input.size - conn->http1->input_offset;
}

static void http1_free(tp_http_conn *conn) {
  if (conn->http1 == NULL) return;
  tp_buffer_done(&conn->http1->input);
  tp_free(conn->config.allocator, conn->http1);
}

const tp_http_codec tp_http1_codec = {.receive = http1_receive,
                                      .receive_end = http1_receive_end,
                                      .pump = http1_pump,
                                      .respond = tp_http1_respond,
                                      .start = tp_http1_start,
                                      .write = tp_http1_write,
                                      .end = tp_http1_end,
                                      .abort = http1_abort,
                                      .buffered = http1_buffered,
                                      .shutdown = http1_shutdown,
                                      .expire = http1_expire,
                                      .pass_time = http1_pass_time,
                                      .expire_shutdown = http1_expire_shutdown,
                                      .wants_receive = http1_wants_receive,
                                      .waiting = http1_waiting,
                                      .free = http1_free};
