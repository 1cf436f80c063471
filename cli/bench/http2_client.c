/* http2_client.c: HTTP/2 from the client's side, by nghttp2. */
#include "http_client.h"

#include "base/alloc.h"
#include "base/pool.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

enum {
  NV_COUNT = 4 + TP_BENCH_HEADERS_MAX + 2, /* the pseudo-headers, the session's, type and length */
  NV_PATH = 3,
  NV_LENGTH = NV_COUNT - 1,
  LENGTH_SIZE = 20,       /* of the digits of any number */
  KEPT_SIZE = 256 * 1024, /* of memory that requests have used, for those to come */
  WINDOW_SIZE = 1 << 30,  /* no answer has to wait for room */
  STREAM_WINDOW_SIZE = 1 << 24,
  STREAMS_MAX = 1000 /* until the server says how many it takes */
};

typedef struct http2_client {
  tp_bench_http_client base;
  tp_pool pool; /* for the session */
  nghttp2_session *session;
  nghttp2_nv headers[NV_COUNT];
  char length[LENGTH_SIZE]; /* of the body: nghttp2 copies it while it submits */
  size_t running;           /* calls */
  const char *problem;
} http2_client;

/* ---- Requests ---- */

static nghttp2_nv header(const char *name, const char *value) {
  union { /* nghttp2 does not change what it is not to copy */
    const char *constant;
    uint8_t *bytes;
  } n = {name}, v = {value};
  return (nghttp2_nv){n.bytes, v.bytes, strlen(name), strlen(value),
                      NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void make_headers(http2_client *client) {
  const tp_bench_head *head = client->base.head;
  nghttp2_nv *to = client->headers;
  *to++ = header(":method", "POST");
  *to++ = header(":scheme", head->scheme);
  *to++ = header(":authority", head->authority);
  *to++ = header(":path", "");
  for (size_t i = 0; i < TP_BENCH_HEADERS_MAX; i++)
    *to++ = header(head->headers[i].name, head->headers[i].value);
  *to++ = header("content-type", "application/x-protobuf");
  *to = header("content-length", "");
  to->value = (uint8_t *)client->length;
  to->flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *room, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *context) {
  (void)session;
  (void)stream_id;
  (void)context;
  tp_bench_call *call = source->ptr;
  size_t left = call->body.size - call->body_sent;
  if (size >= left) {
    size = left;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  if (size > 0) memcpy(room, (const uint8_t *)call->body.data + call->body_sent, size);
  call->body_sent += size;
  return (ssize_t)size;
}

/* Writes a number in decimal digits; returns how many. */
static size_t write_number(size_t number, char ret_text[LENGTH_SIZE]) {
  size_t size = 1;
  for (size_t rest = number; rest >= 10; rest /= 10) size++;
  for (size_t i = size; i > 0; i--, number /= 10) ret_text[i - 1] = (char)('0' + number % 10);
  return size;
}

static bool start(tp_bench_http_client *base, tp_bench_call *call) {
  http2_client *client = (http2_client *)base;
  const char *path = base->head->paths[call->path];
  client->headers[NV_PATH] = header(":path", path);
  client->headers[NV_LENGTH].valuelen = write_number(call->body.size, client->length);
  call->body_sent = 0;
  nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_body};
  if (nghttp2_submit_request(client->session, NULL, client->headers, NV_COUNT, &body, call) <= 0)
    return false;
  client->running++;
  return true;
}

/* ---- Answers ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context) {
  (void)flags;
  (void)context;
  if (name_size != 7 || memcmp(name, ":status", 7) != 0 || value_size != 3) return 0;
  tp_bench_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (call != NULL)
    call->status =
        (unsigned)(value[0] - '0') * 100 + (unsigned)(value[1] - '0') * 10 + (unsigned)(value[2] - '0');
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *context) {
  (void)flags;
  http2_client *client = context;
  tp_bench_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
  if (call == NULL) return 0;
  if (call->on_data != NULL) {
    if (call->on_data(call, tuplet_view(data, size))) return 0;
    client->problem = "a stream that makes no sense";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (size > call->answer_size_max - call->answer.size) {
    client->problem = "an answer that is larger than what was asked for";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  tp_buffer_append(&call->answer, data, size);
  if (!call->answer.failed) return 0;
  client->problem = "out of memory";
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *context) {
  http2_client *client = context;
  tp_bench_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
  if (call == NULL) return 0;
  (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
  client->running--;
  call->on_done(call, code == NGHTTP2_NO_ERROR ? NULL : nghttp2_http2_strerror(code));
  return 0;
}

/* The server's reason for ending the connection. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  (void)session;
  http2_client *client = context;
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
    client->problem = nghttp2_http2_strerror(frame->goaway.error_code);
  return 0;
}

static const char *receive(tp_bench_http_client *base, tuplet_bytes bytes) {
  http2_client *client = (http2_client *)base;
  ssize_t taken = nghttp2_session_mem_recv(client->session, bytes.data, bytes.size);
  if (taken == (ssize_t)bytes.size && client->problem == NULL) return NULL;
  if (client->problem != NULL) return client->problem;
  return taken < 0 ? nghttp2_strerror((int)taken) : "the answer is not HTTP/2";
}

static const char *produce(tp_bench_http_client *base) {
  http2_client *client = (http2_client *)base;
  for (;;) {
    const uint8_t *data;
    ssize_t size = nghttp2_session_mem_send(client->session, &data);
    if (size < 0) return nghttp2_strerror((int)size);
    if (size == 0) break;
    tp_buffer_append(base->out, data, (size_t)size);
  }
  if (base->out->failed) return "out of memory";
  /* nghttp2 is through with a server that breaks the rules. */
  bool goes_on = nghttp2_session_want_read(client->session) || nghttp2_session_want_write(client->session);
  return goes_on ? NULL : "the answer is not HTTP/2";
}

static bool is_at_end(const tp_bench_http_client *base) {
  const http2_client *client = (const http2_client *)base;
  return client->running == 0 && nghttp2_session_check_request_allowed(client->session) == 0;
}

/* ---- Beginning and end ---- */

static void free_client(tp_bench_http_client *base) {
  http2_client *client = (http2_client *)base;
  nghttp2_session_del(client->session); /* tells no stream's end */
  tp_pool_done(&client->pool);
  tp_free(NULL, client);
}

static void *session_malloc(size_t size, void *context) {
  return tp_alloc(context, size);
}

static void *session_calloc(size_t count, size_t size, void *context) {
  return tp_alloc_array_zeroed(context, count, size);
}

static void *session_realloc(void *pointer, size_t size, void *context) {
  return tp_realloc(context, pointer, size);
}

static void session_free(void *pointer, void *context) {
  tp_free(context, pointer);
}

static bool make_session(http2_client *client) {
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  bool made = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;
  if (made) {
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_peer_max_concurrent_streams(option, STREAMS_MAX);
    nghttp2_mem memory = {&client->pool.view, session_malloc, session_free, session_calloc, session_realloc};
    made = nghttp2_session_client_new3(&client->session, callbacks, client, option, &memory) == 0;
  }
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  static const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_SIZE}};
  return made && nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 2) == 0 &&
         nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW_SIZE) == 0;
}

tp_bench_http_client *tp_bench_http2_new(const tp_bench_head *head, tp_buffer *out) {
  static const tp_bench_http_ops ops = {start, receive, produce, is_at_end, free_client};
  http2_client *client = tp_alloc_array_zeroed(NULL, 1, sizeof *client);
  if (client == NULL) return NULL;
  client->base = (tp_bench_http_client){&ops, head, out};
  tp_pool_init(&client->pool, NULL, KEPT_SIZE);
  make_headers(client);
  if (make_session(client)) return &client->base;
  free_client(&client->base);
  return NULL;
}
