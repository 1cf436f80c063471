/* http1_client.c: HTTP/1.1 from the client's side: one request at a time. */
#include "http_client.h"

#include "base/alloc.h"

#include <llhttp.h>

typedef struct http1_client {
  tp_bench_http_client base;
  llhttp_t parser;
  llhttp_settings_t settings;
  tp_bench_call *call; /* NULL: none is under way */
  const char *problem;
  bool is_at_end;
} http1_client;

static bool start(tp_bench_http_client *base, tp_bench_call *call) {
  http1_client *client = (http1_client *)base;
  const tp_bench_head *head = base->head;
  if (client->call != NULL || client->is_at_end) return false;
  tp_buffer *out = base->out;
  tp_buffer_append_text(out, "POST ");
  tp_buffer_append_text(out, head->paths[call->path]);
  tp_buffer_append_text(out, " HTTP/1.1\r\nhost: ");
  tp_buffer_append_text(out, head->authority);
  for (size_t i = 0; i < TP_BENCH_HEADERS_MAX; i++) {
    tp_buffer_append_text(out, "\r\n");
    tp_buffer_append_text(out, head->headers[i].name);
    tp_buffer_append_text(out, ": ");
    tp_buffer_append_text(out, head->headers[i].value);
  }
  tp_buffer_append_format(out, "\r\ncontent-type: application/x-protobuf\r\ncontent-length: %zu\r\n\r\n",
                          call->body.size);
  tp_buffer_append(out, call->body.data, call->body.size);
  client->call = call;
  return !out->failed;
}

static int on_body(llhttp_t *parser, const char *data, size_t size) {
  http1_client *client = parser->data;
  tp_bench_call *call = client->call;
  if (call != NULL && call->on_data != NULL) {
    call->status = parser->status_code;
    if (call->on_data(call, tuplet_view(data, size))) return HPE_OK;
    client->problem = "a stream that makes no sense";
    return HPE_USER;
  }
  if (call == NULL || size > call->answer_size_max - call->answer.size) {
    client->problem = "an answer that is larger than what was asked for";
    return HPE_USER;
  }
  tp_buffer_append(&call->answer, data, size);
  if (call->answer.failed) client->problem = "out of memory";
  return call->answer.failed ? HPE_USER : HPE_OK;
}

static int on_message_complete(llhttp_t *parser) {
  http1_client *client = parser->data;
  tp_bench_call *call = client->call;
  if (call == NULL) {
    client->problem = "an answer to no request";
    return HPE_USER;
  }
  if (parser->status_code < 200) return HPE_OK; /* the answer is still to come */
  if (!llhttp_should_keep_alive(parser)) client->is_at_end = true;
  client->call = NULL;
  call->status = parser->status_code;
  call->on_done(call, NULL);
  return HPE_OK;
}

static const char *receive(tp_bench_http_client *base, tuplet_bytes bytes) {
  http1_client *client = (http1_client *)base;
  llhttp_errno_t code = llhttp_execute(&client->parser, bytes.data, bytes.size);
  if (code == HPE_OK || (code == HPE_CLOSED_CONNECTION && client->is_at_end)) return NULL;
  return client->problem != NULL ? client->problem : "the answer is not HTTP/1.1";
}

static const char *produce(tp_bench_http_client *base) {
  return base->out->failed ? "out of memory" : NULL;
}

static bool is_at_end(const tp_bench_http_client *base) {
  const http1_client *client = (const http1_client *)base;
  return client->is_at_end;
}

static void free_client(tp_bench_http_client *base) {
  tp_free(NULL, base);
}

tp_bench_http_client *tp_bench_http1_new(const tp_bench_head *head, tp_buffer *out) {
  static const tp_bench_http_ops ops = {start, receive, produce, is_at_end, free_client};
  http1_client *client = tp_alloc_array_zeroed(NULL, 1, sizeof *client);
  if (client == NULL) return NULL;
  client->base = (tp_bench_http_client){&ops, head, out};
  llhttp_settings_init(&client->settings);
  client->settings.on_body = on_body;
  client->settings.on_message_complete = on_message_complete;
  llhttp_init(&client->parser, HTTP_RESPONSE, &client->settings);
  client->parser.data = client;
  return &client->base;
}
