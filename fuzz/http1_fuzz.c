/* http1_fuzz.c: bytes as an HTTP/1.1 connection. The first byte of the input chooses where the rest is cut,
 * which must not change the answer. */
#include "base/buffer.h"
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct server {
  tp_http_conn *conn;
  tp_http_request *kept;
  tp_buffer output;
} server;

static void on_head(void *context, tp_http_request *request) {
  (void)context;
  tuplet_bytes method = tp_http_request_method(request);
  if (method.size == 5 && memcmp(method.data, "PATCH", 5) == 0) tp_http_respond_text(request, 401, "refused");
}

/* By method: some are answered at once, some as a stream, some later. */
static void on_request(void *context, tp_http_request *request) {
  server *s = context;
  tuplet_bytes method = tp_http_request_method(request);
  tuplet_bytes body = tp_http_request_body(request);
  if (method.size == 3 && memcmp(method.data, "PUT", 3) == 0) {
    s->kept = request;
  } else if (method.size == 6 && memcmp(method.data, "DELETE", 6) == 0) {
    tp_http_respond_start(request, 200, NULL, 0);
    if (body.size == 0) tp_http_respond_endless(request); /* for the budget, at least */
    tp_http_respond_write(request, tp_http_request_target(request));
    tp_http_respond_write(request, body);
    tp_http_respond_end(request);
  } else {
    tuplet_bytes value = tp_arena_copy(tp_http_request_arena(request), tp_http_request_header(request, "a"));
    tp_http_header header = {"a", value.data == NULL ? "" : value.data};
    tp_http_respond(request, 200, &header, 1, body);
  }
}

static void collect(server *s) {
  for (;;) {
    tuplet_bytes output = tp_http_conn_output(s->conn);
    if (output.size == 0 && s->kept == NULL) return;
    tp_buffer_append(&s->output, output.data, output.size);
    tp_http_conn_output_written(s->conn, output.size);
    if (s->kept == NULL) continue;
    tp_http_request *request = s->kept;
    s->kept = NULL;
    tp_http_respond(request, 200, NULL, 0, tp_http_request_target(request));
  }
}

/* Feeds the input in pieces of `step` bytes. */
static void serve(server *s, tp_http_budget *budget, const uint8_t *data, size_t size, size_t step) {
  tp_http_conn_config config = {.limits = tp_http_limits_default(),
                                .budget = budget,
                                .protocol = TP_HTTP_1,
                                .on_head = on_head,
                                .on_request = on_request,
                                .context = s};
  config.limits.head_size_max = 300;
  config.limits.body_size_max = 200;
  config.limits.bodies_size_free = 100;
  config.limits.held_size_free = SIZE_MAX; /* or what waits, which the cuts decide, would decide the answer */
  tp_buffer_init(&s->output, NULL);
  if (tp_http_conn_new(&config, &s->conn, NULL) != TUPLET_OK) abort();
  for (size_t i = 0; i < size; i += step) {
    size_t rest = size - i;
    tp_http_conn_receive(s->conn, (tuplet_bytes){data + i, rest < step ? rest : step});
    collect(s);
  }
  tp_http_conn_expire_receiving(s->conn, 1000, 1, 1); /* sees what is incomplete, and ends nothing yet */
  tp_http_conn_receive_end(s->conn);
  collect(s);
  if (!tp_http_conn_wants_close(s->conn)) abort();
  tp_http_conn_free(s->conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  server whole = {0}, cut = {0};
  tp_http_budget budget;
  tp_http_budget_init(&budget, 1000, 1);
  serve(&whole, &budget, data + 1, size - 1, size);
  serve(&cut, &budget, data + 1, size - 1, data[0] == 0 ? 1 : data[0]);
  if (whole.output.size != cut.output.size) abort();
  if (whole.output.size > 0 && memcmp(whole.output.data, cut.output.data, cut.output.size) != 0) abort();
  if (atomic_load(&budget.memory) != 0 || atomic_load(&budget.requests) != 0) abort();
  tp_buffer_done(&whole.output);
  tp_buffer_done(&cut.output);
  return 0;
}
