/* http2_client.c: a real HTTP/2 client, nghttp2's, that talks to a fixture in memory. */
#include "http2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static answer *answer_of(client *c, int32_t stream_id) {
  size_t index = (size_t)(stream_id - 1) / 2;
  assert_true(index < STREAMS);
  return &c->answers[index];
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context) {
  (void)session, (void)flags;
  answer *a = answer_of(context, frame->hd.stream_id);
  char text[32];
  (void)snprintf(text, sizeof text, "%.*s", (int)value_size, (const char *)value);
  if (name_size == 7 && memcmp(name, ":status", 7) == 0) {
    if (strcmp(text, "100") == 0) {
      a->had_continue = true;
    } else {
      a->status = (int)strtol(text, NULL, 10);
    }
  }
  if (name_size == 5 && memcmp(name, "x-tag", 5) == 0) memcpy(a->tag, text, sizeof a->tag);
  if (name_size == 14 && memcmp(name, "content-length", 14) == 0) memcpy(a->length, text, sizeof a->length);
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *context) {
  (void)session, (void)flags;
  tp_buffer_append(&answer_of(context, stream_id)->body, data, size);
  return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *context) {
  (void)session;
  answer *a = answer_of(context, stream_id);
  a->is_closed = true;
  a->close_code = code;
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
  (void)session;
  client *c = context;
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    c->has_goaway = true;
    c->goaway_code = frame->goaway.error_code;
  }
  return 0;
}

static ssize_t read_upload(nghttp2_session *session, int32_t stream_id, uint8_t *room, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *context) {
  (void)session, (void)stream_id, (void)context;
  upload *u = source->ptr;
  if (size > u->left) size = u->left;
  if (size == 0 && u->never_ends) return NGHTTP2_ERR_DEFERRED;
  memcpy(room, u->data, size);
  u->data += size;
  u->left -= size;
  if (u->left == 0 && !u->never_ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)size;
}

void client_open_session(client *c, uint32_t window) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *option;
  assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
  assert_int_equal(nghttp2_option_new(&option), 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_option_set_no_auto_window_update(option, window != 0);
  assert_int_equal(nghttp2_session_client_new2(&c->session, callbacks, c, option), 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
  assert_int_equal(nghttp2_submit_settings(c->session, 0, &entry, window != 0), 0);
}

void client_open(client *c, uint32_t window) {
  fixture_open(&c->f);
  client_open_session(c, window);
}

int client_setup(void **state) {
  client *c = calloc(1, sizeof *c);
  assert_non_null(c);
  fixture_init(&c->f);
  for (size_t i = 0; i < STREAMS; i++) tp_buffer_init(&c->answers[i].body, NULL);
  *state = c;
  return 0;
}

int client_teardown(void **state) {
  client *c = *state;
  nghttp2_session_del(c->session);
  for (size_t i = 0; i < STREAMS; i++) tp_buffer_done(&c->answers[i].body);
  fixture_done(&c->f);
  free(c);
  return 0;
}

static void pass(client *c, const uint8_t *data, size_t size) {
  size_t step = c->chunk == 0 ? size : c->chunk;
  for (size_t i = 0; i < size; i += step) {
    size_t rest = size - i;
    tp_http_conn_receive(c->f.conn, (tuplet_bytes){data + i, rest < step ? rest : step});
  }
}

void client_talk(client *c) {
  bool is_silent = false;
  while (!is_silent) {
    is_silent = true;
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(c->session, &data)) > 0) {
      is_silent = false;
      pass(c, data, (size_t)size);
    }
    assert_int_equal(size, 0);
    fixture_clear(&c->f);
    fixture_collect(&c->f, 0);
    if (c->f.output.size > 0) {
      is_silent = false;
      ssize_t used = nghttp2_session_mem_recv(c->session, c->f.output.data, c->f.output.size);
      assert_int_equal(used, c->f.output.size);
    }
  }
}

nghttp2_nv client_header(const char *name, const char *value) {
  union {
    const char *in;
    uint8_t *out;
  } n = {.in = name}, v = {.in = value};
  return (nghttp2_nv){n.out, v.out, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

size_t client_ask_with(client *c, const char *method, const char *path, const char *name, const char *value,
                       upload *u) {
  nghttp2_nv headers[] = {client_header(":method", method), client_header(":scheme", "http"),
                          client_header(":path", path), client_header(":authority", "h:1"),
                          client_header(name != NULL ? name : "x-tag", value)};
  nghttp2_data_provider provider = {.source.ptr = u, .read_callback = read_upload};
  int32_t id = nghttp2_submit_request(c->session, NULL, headers, value == NULL ? 4 : 5,
                                      u == NULL ? NULL : &provider, NULL);
  assert_true(id > 0);
  return (size_t)(id - 1) / 2;
}

size_t client_ask(client *c, const char *method, const char *path, upload *u) {
  return client_ask_with(c, method, path, NULL, "a tag", u);
}
