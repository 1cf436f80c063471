/* http2_response.c: responses as HTTP/2 streams. The body waits in request->output until nghttp2, which knows
 * the windows, asks for it. */
#include "http/private.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

/* nghttp2 copies what it is given, or only reads it, but takes pointers without const. */
static uint8_t *unconst(const char *text) {
  union {
    const char *in;
    uint8_t *out;
  } pointer = {.in = text};
  return pointer.out;
}

static nghttp2_nv make_header(const char *name, const char *value) {
  return (nghttp2_nv){unconst(name), unconst(value), strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* A header of our own, whose name is there for ever. */
static nghttp2_nv make_own_header(const char *name, size_t name_size, const char *value, size_t value_size) {
  return (nghttp2_nv){unconst(name), unconst(value), name_size, value_size, NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

#define OWN_HEADER(name, value, value_size) make_own_header(name, sizeof(name) - 1, value, value_size)

static ssize_t read_output(nghttp2_session *session, int32_t stream_id, uint8_t *room, size_t room_size,
                           uint32_t *flags, nghttp2_data_source *source, void *context) {
  (void)session, (void)stream_id;
  tp_http_conn *conn = context;
  tp_http_request *request = source->ptr;
  size_t size = request->output.size - request->output_offset;
  if (size > room_size) size = room_size;
  if (size == 0 && !request->output_ended) {
    request->output_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (size > 0) memcpy(room, request->output.data + request->output_offset, size);
  request->output_offset += size;
  conn->streams_buffered -= size;
  conn->back_data += size;
  tp_http2_sent_data(conn, size, request->output_offset == request->output.size);
  if (request->output_offset < request->output.size) return (ssize_t)size;
  tp_buffer_clear(&request->output);
  request->output_offset = 0;
  if (request->output_ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  } else if (size > 0) {
    tp_http_conn_add_event(request, EVENT_WRITABLE);
  }
  return (ssize_t)size;
}

/* length: of a body that is whole; NULL for a stream. */
static void submit(tp_http_request *request, const tp_http_response *response, const size_t *length,
                   bool has_data) {
  tp_http_conn *conn = request->conn;
  if (conn->failed) return;
  char status_text[TP_HTTP_NUMBER_SIZE], length_text[TP_HTTP_NUMBER_SIZE];
  nghttp2_nv headers[RESPONSE_HEADERS_MAX + 3];
  size_t count = 0;
  size_t size = tp_http_number_write((size_t)response->status, status_text);
  headers[count++] = OWN_HEADER(":status", status_text, size);
  for (size_t i = 0; i < response->header_count; i++) {
    headers[count++] = make_header(response->headers[i].name, response->headers[i].value);
  }
  if (length != NULL && response->status != 204 && response->status != 304) {
    size = tp_http_number_write(*length, length_text);
    headers[count++] = OWN_HEADER("content-length", length_text, size);
  }
  const char *date = conn->config.date;
  if (date != NULL) headers[count++] = OWN_HEADER("date", date, strlen(date));
  nghttp2_data_provider provider = {.source.ptr = request, .read_callback = read_output};
  int result = nghttp2_submit_response(tp_http2_session(conn), request->stream_id, headers, count,
                                       has_data ? &provider : NULL);
  if (result != 0) tp_http_conn_fail(conn);
}

static void add_output(tp_http_request *request, tuplet_bytes bytes) {
  tp_buffer_append(&request->output, bytes.data, bytes.size);
  if (request->output.failed) {
    tp_http_conn_fail(request->conn);
  } else {
    request->conn->streams_buffered += bytes.size;
  }
}

static void resume(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  if (!request->output_deferred) return;
  request->output_deferred = false;
  if (nghttp2_session_resume_data(tp_http2_session(conn), request->stream_id) == NGHTTP2_ERR_NOMEM) {
    tp_http_conn_fail(conn);
  }
}

void tp_http2_respond(tp_http_request *request, const tp_http_response *response, tuplet_bytes body) {
  bool has_data = !response->is_bodiless && body.size > 0;
  if (has_data) add_output(request, body);
  request->output_ended = true;
  submit(request, response, &body.size, has_data);
  tp_http_request_release(request);
}

void tp_http2_start(tp_http_request *request, const tp_http_response *response) {
  submit(request, response, NULL, !response->is_bodiless);
}

void tp_http2_write(tp_http_request *request, tuplet_bytes chunk) {
  add_output(request, chunk);
  resume(request);
}

void tp_http2_end(tp_http_request *request) {
  request->output_ended = true;
  resume(request);
  tp_http_request_release(request);
}

void tp_http2_refuse(tp_http_request *request, int status) {
  const char *text = tp_http_refusal_text(status);
  tp_http_response response = {.status = status, .is_bodiless = request->is_head};
  response.headers = tp_http_refusal_headers(status, &response.header_count);
  request->status = status;
  if (!response.is_bodiless) request->response_size = strlen(text);
  tp_http_request_enter(request, STATE_FINISHED);
  tp_http2_respond(request, &response, (tuplet_bytes){text, strlen(text)});
}
