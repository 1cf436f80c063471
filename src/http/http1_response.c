/* http1_response.c: responses as HTTP/1.1 writes them. They go straight into the connection's output. */
#include "http/private.h"

#include <stdio.h>
#include <string.h>

static void append_header(tp_buffer *out, const char *name, const char *value) {
  tp_buffer_append_text(out, name);
  tp_buffer_append(out, ": ", 2);
  tp_buffer_append_text(out, value);
  tp_buffer_append(out, "\r\n", 2);
}

static void append_number(tp_buffer *out, size_t number) {
  char text[TP_HTTP_NUMBER_SIZE];
  tp_buffer_append(out, text, tp_http_number_write(number, text));
}

static void append_status_line(tp_buffer *out, int status) {
  tp_buffer_append_text(out, "HTTP/1.1 ");
  append_number(out, (size_t)status);
  tp_buffer_append_byte(out, ' ');
  tp_buffer_append_text(out, tp_http_status_reason(status));
  tp_buffer_append_text(out, "\r\n");
}

static void append_length(tp_buffer *out, size_t size) {
  tp_buffer_append_text(out, "content-length: ");
  append_number(out, size);
  tp_buffer_append_text(out, "\r\n");
}

/* All but what tells where the body ends. */
static void append_head(tp_http_conn *conn, const tp_http_response *response, bool is_http10,
                        bool keeps_alive) {
  tp_buffer *out = &conn->back;
  append_status_line(out, response->status);
  for (size_t i = 0; i < response->header_count; i++) {
    append_header(out, response->headers[i].name, response->headers[i].value);
  }
  if (conn->config.date != NULL) append_header(out, "date", conn->config.date);
  if (!keeps_alive) {
    append_header(out, "connection", "close");
  } else if (is_http10) {
    append_header(out, "connection", "keep-alive");
  }
}

static bool keeps_alive(const tp_http_request *request) {
  return request->keep_alive && !request->conn->draining;
}

static void check_memory(tp_http_conn *conn) {
  if (conn->back.failed) tp_http_conn_fail(conn);
}

static bool has_length(int status) {
  return status != 204 && status != 304;
}

void tp_http1_respond(tp_http_request *request, const tp_http_response *response, tuplet_bytes body) {
  tp_http_conn *conn = request->conn;
  tp_buffer *out = &conn->back;
  request->keep_alive = keeps_alive(request);
  append_head(conn, response, request->is_http10, request->keep_alive);
  if (has_length(response->status)) append_length(out, body.size);
  tp_buffer_append(out, "\r\n", 2);
  if (!response->is_bodiless) tp_buffer_append(out, body.data, body.size);
  check_memory(conn);
  tp_http1_finished(request);
}

void tp_http1_start(tp_http_request *request, const tp_http_response *response) {
  tp_http_conn *conn = request->conn;
  /* HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
  request->is_chunked = !request->is_http10 && has_length(response->status);
  bool ends_by_close = request->is_http10 && !response->is_bodiless;
  request->keep_alive = keeps_alive(request) && !ends_by_close;
  append_head(conn, response, request->is_http10, request->keep_alive);
  if (request->is_chunked) append_header(&conn->back, "transfer-encoding", "chunked");
  tp_buffer_append(&conn->back, "\r\n", 2);
  check_memory(conn);
}

void tp_http1_write(tp_http_request *request, tuplet_bytes chunk) {
  tp_http_conn *conn = request->conn;
  tp_buffer *out = &conn->back;
  if (request->is_chunked) {
    char line[24];
    int length = snprintf(line, sizeof line, "%zx\r\n", chunk.size);
    tp_buffer_append(out, line, (size_t)length);
  }
  tp_buffer_append(out, chunk.data, chunk.size);
  if (request->is_chunked) tp_buffer_append(out, "\r\n", 2);
  check_memory(conn);
}

void tp_http1_end(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  if (request->is_chunked && !request->is_bodiless) tp_buffer_append(&conn->back, "0\r\n\r\n", 5);
  check_memory(conn);
  tp_http1_finished(request);
}

void tp_http1_write_refusal(tp_http_conn *conn, int status, bool without_body) {
  const char *text = tp_http_refusal_text(status);
  tp_http_response response = {.status = status, .is_bodiless = without_body};
  response.headers = tp_http_refusal_headers(status, &response.header_count);
  append_head(conn, &response, false, false);
  append_length(&conn->back, strlen(text));
  tp_buffer_append(&conn->back, "\r\n", 2);
  if (!without_body) tp_buffer_append_text(&conn->back, text);
  check_memory(conn);
}
