/* response.c: what handlers call to answer; checks it and passes it to the connection's protocol. */
#include "http/private.h"

#include <assert.h>
#include <string.h>

const tp_http_header *tp_http_refusal_headers(int status, size_t *ret_count) {
  /* A second is enough: what is too much at a time passes quickly, or would be too much tomorrow, too. */
  static const tp_http_header headers[] = {{"content-type", "text/plain; charset=utf-8"},
                                           {"retry-after", "1"}};
  *ret_count = status == 503 || status == 429 ? 2 : 1;
  return headers;
}

const char *tp_http_status_reason(int status) {
  switch (status) {
  case 100: return "Continue";
  case 200: return "OK";
  case 201: return "Created";
  case 202: return "Accepted";
  case 204: return "No Content";
  case 206: return "Partial Content";
  case 301: return "Moved Permanently";
  case 302: return "Found";
  case 303: return "See Other";
  case 304: return "Not Modified";
  case 307: return "Temporary Redirect";
  case 308: return "Permanent Redirect";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 406: return "Not Acceptable";
  case 408: return "Request Timeout";
  case 409: return "Conflict";
  case 410: return "Gone";
  case 411: return "Length Required";
  case 412: return "Precondition Failed";
  case 413: return "Content Too Large";
  case 414: return "URI Too Long";
  case 415: return "Unsupported Media Type";
  case 417: return "Expectation Failed";
  case 421: return "Misdirected Request";
  case 422: return "Unprocessable Content";
  case 426: return "Upgrade Required";
  case 429: return "Too Many Requests";
  case 431: return "Request Header Fields Too Large";
  case 500: return "Internal Server Error";
  case 501: return "Not Implemented";
  case 502: return "Bad Gateway";
  case 503: return "Service Unavailable";
  case 504: return "Gateway Timeout";
  case 505: return "HTTP Version Not Supported";
  case 507: return "Insufficient Storage";
  default: return "Other"; /* the phrase has no meaning to programs (RFC 9112, section 4) */
  }
}

const char *tp_http_refusal_text(int status) {
  switch (status) {
  case 400: return "The request is not valid HTTP.";
  case 408: return "The request did not arrive in time.";
  case 413: return "The request's body is too large.";
  case 414: return "The request's target is too long.";
  case 417: return "The only expectation that can be met is 100-continue.";
  case 431: return "The request's headers are too large.";
  case 500: return "The response could not be written.";
  case 501: return "The method or the transfer encoding is not supported.";
  case 503: return "The server is too busy to take the request, try again later.";
  case 505: return "The version of HTTP is not supported.";
  default: return tp_http_status_reason(status);
  }
}

size_t tp_http_number_write(size_t number, char ret_text[TP_HTTP_NUMBER_SIZE]) {
  static_assert(sizeof number <= 8, "it has at most so many digits");
  char digits[TP_HTTP_NUMBER_SIZE];
  size_t size = 0;
  do {
    digits[sizeof digits - ++size] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  memcpy(ret_text, digits + sizeof digits - size, size);
  return size;
}

/* ---- Checking what handlers give ------------------------------------------------------------------------
 */

static void assert_is_ours_to_send(const char *name) {
  static const char *const framing[] = {"connection", "content-length",    "date",
                                        "keep-alive", "transfer-encoding", "upgrade"};
  assert(*name != '\0');
  for (const char *c = name; *c != '\0'; c++) {
    assert(*c > ' ' && *c < 127 && *c != ':' && !(*c >= 'A' && *c <= 'Z'));
  }
  for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
    assert(*name != *framing[i] || strcmp(name, framing[i]) != 0);
}

/* Values may carry what a peer sent: a line break in one would let the peer write headers. */
static bool value_is_clean(const char *value) {
  for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
    if ((*c < ' ' && *c != '\t') || *c == 127) return false;
  }
  return true;
}

static bool headers_are_clean(const tp_http_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    assert_is_ours_to_send(headers[i].name);
    if (!value_is_clean(headers[i].value)) return false;
  }
  return true;
}

/* The handler's headers, and behind them the request's own, in `room`. */
static tp_http_response make_response(tp_http_request *request, int status, const tp_http_header *headers,
                                      size_t count, tp_http_header room[RESPONSE_HEADERS_MAX]) {
  assert(status >= 200 && status <= 599);
  assert(count < RESPONSE_HEADERS_MAX);
  bool is_bodiless = request->is_head || status == 204 || status == 304;
  request->status = status;
  if (count > 0) memcpy(room, headers, count * sizeof *headers);
  if (request->response_header.name != NULL && value_is_clean(request->response_header.value)) {
    assert_is_ours_to_send(request->response_header.name);
    room[count++] = request->response_header;
  }
  return (tp_http_response){status, room, count, is_bodiless};
}

/* Nobody listens, or the connection is beyond being written to: codecs are not to be called any more. */
static bool is_lost(const tp_http_request *request) {
  return request->aborted || request->conn->failed;
}

/* The request just ends. */
static void finish_lost(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  request->is_cut = true;
  tp_http_request_enter(request, STATE_FINISHED);
  tp_http_request_free(request);
  if (conn != NULL) tp_http_conn_wake(conn); /* others may have waited for its place */
}

/* ---- Answering ------------------------------------------------------------------------------------------
 */

void tp_http_respond(tp_http_request *request, int status, const tp_http_header *headers, size_t header_count,
                     tuplet_bytes body) {
  if (request->is_at_head && request->state == STATE_RECEIVING)
    tp_http_request_enter(request, STATE_HANDLING);
  assert(request->state == STATE_HANDLING);
  if (!headers_are_clean(headers, header_count)) {
    tp_http_respond_text(request, 500, tp_http_refusal_text(500));
    return;
  }
  if (is_lost(request)) {
    finish_lost(request);
    return;
  }
  tp_http_conn *conn = request->conn;
  tp_http_header room[RESPONSE_HEADERS_MAX];
  tp_http_response response = make_response(request, status, headers, header_count, room);
  if (!response.is_bodiless) request->response_size = body.size;
  tp_http_request_enter(request, STATE_FINISHED);
  conn->codec->respond(request, &response, body);
  tp_http_conn_wake(conn);
}

void tp_http_respond_text(tp_http_request *request, int status, const char *text) {
  size_t header_count;
  const tp_http_header *headers = tp_http_refusal_headers(status, &header_count);
  tp_http_respond(request, status, headers, header_count, (tuplet_bytes){text, strlen(text)});
}

void tp_http_respond_start(tp_http_request *request, int status, const tp_http_header *headers,
                           size_t header_count) {
  assert(request->state == STATE_HANDLING);
  if (!headers_are_clean(headers, header_count)) {
    status = 500;
    headers = tp_http_refusal_headers(status, &header_count);
  }
  tp_http_request_enter(request, STATE_STREAMING);
  if (is_lost(request)) return;
  tp_http_header room[RESPONSE_HEADERS_MAX];
  tp_http_response response = make_response(request, status, headers, header_count, room);
  request->is_bodiless = response.is_bodiless;
  request->conn->codec->start(request, &response);
  tp_http_conn_wake(request->conn);
}

void tp_http_respond_endless(tp_http_request *request) {
  assert(request->state == STATE_STREAMING);
  request->is_endless = true;
  tp_http_request_uncount(request);
}

void tp_http_respond_write(tp_http_request *request, tuplet_bytes chunk) {
  assert(request->state == STATE_STREAMING);
  if (is_lost(request) || request->is_bodiless || chunk.size == 0) return;
  request->response_size += chunk.size;
  request->conn->codec->write(request, chunk);
  tp_http_conn_wake(request->conn);
}

void tp_http_respond_end(tp_http_request *request) {
  assert(request->state == STATE_STREAMING);
  if (is_lost(request)) {
    finish_lost(request);
    return;
  }
  tp_http_conn *conn = request->conn;
  tp_http_request_enter(request, STATE_FINISHED);
  tp_http_conn_add_event(request, EVENT_NONE);
  conn->codec->end(request);
  tp_http_conn_wake(conn);
}

size_t tp_http_respond_buffered(const tp_http_request *request) {
  if (is_lost(request) || request->state != STATE_STREAMING) return 0;
  return request->conn->codec->buffered(request);
}

void tp_http_respond_abort(tp_http_request *request) {
  assert(request->state == STATE_HANDLING || request->state == STATE_STREAMING);
  if (is_lost(request)) {
    finish_lost(request);
    return;
  }
  tp_http_conn *conn = request->conn;
  request->is_cut = true;
  tp_http_request_enter(request, STATE_FINISHED);
  tp_http_conn_add_event(request, EVENT_NONE);
  conn->codec->abort(request);
  tp_http_conn_wake(conn);
}
