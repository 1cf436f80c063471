/* http2_fuzz.c: bytes as an HTTP/2 connection, behind its preface. The first byte of the input chooses where
 * the rest is cut. Whatever comes, the connection ends without a trace. */
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT_MAX = 8 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

typedef struct server {
  tp_http_conn *conn;
  tp_http_request *kept[KEPT_MAX]; /* from the oldest */
  size_t kept_count;
} server;

/* Forgets the first of the kept requests that is `request`. */
static void on_abort(void *context, tp_http_request *request) {
  server *s = context;
  size_t i = 0;
  while (i < s->kept_count && s->kept[i] != request) i++;
  if (i == s->kept_count) abort();
  memmove(&s->kept[i], &s->kept[i + 1], (--s->kept_count - i) * sizeof *s->kept);
  tp_http_respond_abort(request);
}

static void on_head(void *context, tp_http_request *request) {
  (void)context;
  tuplet_bytes method = tp_http_request_method(request);
  if (method.size == 5 && memcmp(method.data, "PATCH", 5) == 0) tp_http_respond_text(request, 401, "refused");
}

/* By method: kept as a stream, or answered at once. */
static void on_request(void *context, tp_http_request *request) {
  server *s = context;
  tuplet_bytes method = tp_http_request_method(request);
  bool is_get = method.size == 3 && memcmp(method.data, "GET", 3) == 0;
  if (!is_get || s->kept_count == KEPT_MAX) {
    tp_http_respond(request, 200, NULL, 0, tp_http_request_body(request));
    return;
  }
  tp_http_request_events events = {s, NULL, on_abort};
  tp_http_request_set_events(request, &events);
  s->kept[s->kept_count++] = request;
  tp_http_respond_start(request, 200, NULL, 0);
  if (tp_http_request_target(request).size % 2 == 0) tp_http_respond_endless(request);
  tp_http_respond_write(request, tp_http_request_target(request));
}

static void collect(server *s) {
  tuplet_bytes output;
  while ((output = tp_http_conn_output(s->conn)).size > 0) tp_http_conn_output_written(s->conn, output.size);
}

/* Ends the oldest of the streams. */
static void end_one(server *s) {
  if (s->kept_count == 0) return;
  tp_http_request *request = s->kept[0];
  memmove(&s->kept[0], &s->kept[1], --s->kept_count * sizeof *s->kept);
  tp_http_respond_end(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  size_t step = data[0] == 0 ? 1 : data[0];
  bool shuts_down = data[0] % 2 == 0;
  server s = {0};
  tp_http_budget budget;
  tp_http_budget_init(&budget, 1000, 3);
  tp_http_conn_config config = {.limits = tp_http_limits_default(),
                                .budget = &budget,
                                .on_head = on_head,
                                .on_request = on_request,
                                .context = &s};
  config.limits.head_size_max = 300;
  config.limits.body_size_max = 200;
  config.limits.bodies_size_free = 100;
  config.limits.held_size_free = 50;
  config.limits.streams_max = 5;
  if (tp_http_conn_new(&config, &s.conn, NULL) != TUPLET_OK) abort();
  tp_http_conn_receive(s.conn, (tuplet_bytes){preface, sizeof preface - 1});
  for (size_t i = 1; i < size; i += step) {
    size_t rest = size - i;
    tp_http_conn_receive(s.conn, (tuplet_bytes){data + i, rest < step ? rest : step});
    collect(&s);
    if (i / step % 4 == 3) end_one(&s);
    tp_http_conn_expire_receiving(s.conn, i, 300, 500); /* a millisecond for each byte */
    collect(&s);
  }
  tp_http_conn_expire_receiving(s.conn, size + 500, 300, 500);
  if (shuts_down) tp_http_conn_shutdown(s.conn);
  collect(&s);
  if (shuts_down) tp_http_conn_expire_shutdown(s.conn);
  collect(&s);
  if (tp_http_conn_progress(s.conn).handling != s.kept_count) abort();
  tp_http_conn_free(s.conn);
  if (s.kept_count != 0 || atomic_load(&budget.memory) != 0 || atomic_load(&budget.requests) != 0) abort();
  return 0;
}
