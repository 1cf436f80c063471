/* http_echo.c: an HTTP server for the clients' test. Prints its port, serves until its standard input ends,
 * then drains and exits 0.
 *
 * Usage: http_echo [LOOPS [CERT KEY]]   CERT and KEY: over TLS
 *   any request     200, the body that was sent
 *   GET /big        16 MiB
 *   GET /stream     a line now, and one every 20 ms, five in all
 *   GET /later      200 "later", by another thread's post */
#include "base/status.h"
#include "net/listener.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOPS_MAX = 8, BIG_SIZE = 16 << 20, PIECE_SIZE = 64 * 1024, LINES = 5, LINE_MS = 20, DRAIN_MS = 5000 };

typedef struct stream {
  tp_http_request *request;
  tp_timer *timer;
  int lines;
  size_t left;
} stream;

static void stream_end(stream *s, bool is_whole) {
  tp_http_request *request = s->request;
  tp_timer_free(s->timer);
  if (is_whole) {
    tp_http_respond_end(request);
  } else {
    tp_http_respond_abort(request);
  }
}

static void on_abort(void *context, tp_http_request *request) {
  (void)request;
  stream_end(context, false);
}

static void on_line(void *context) {
  stream *s = context;
  tp_http_respond_write(s->request, (tuplet_bytes){"line\n", 5});
  if (++s->lines == LINES) stream_end(s, true);
}

static void write_big(stream *s) {
  static const char piece[PIECE_SIZE];
  while (s->left > 0 && tp_http_respond_buffered(s->request) < PIECE_SIZE) {
    tp_http_respond_write(s->request, (tuplet_bytes){piece, PIECE_SIZE});
    s->left -= PIECE_SIZE;
  }
  if (s->left == 0) stream_end(s, true);
}

static void on_writable(void *context, tp_http_request *request) {
  stream *s = context;
  (void)request;
  if (s->left > 0) write_big(s);
}

static void start_stream(tp_loop *loop, tp_http_request *request, size_t size) {
  stream *s = tp_arena_alloc_array_zeroed(tp_http_request_arena(request), 1, sizeof *s);
  if (s == NULL || (size == 0 && tp_timer_new(loop, on_line, s, &s->timer, NULL) != TUPLET_OK)) {
    tp_http_respond_text(request, 503, "no memory");
    return;
  }
  s->request = request;
  s->left = size;
  tp_http_request_events events = {s, on_writable, on_abort};
  tp_http_request_set_events(request, &events);
  tp_http_respond_start(request, 200, NULL, 0);
  if (size > 0) {
    write_big(s);
  } else {
    tp_timer_start(s->timer, 0, LINE_MS);
  }
}

typedef struct later {
  tp_loop_item item;
  tp_loop *loop;
  tp_http_request *request;
} later;

static void run_later(tp_loop_item *item) {
  tp_http_respond_text(((later *)(void *)item)->request, 200, "later");
}

static void *post_later(void *context) {
  later *l = context;
  tp_loop_post(l->loop, &l->item);
  return NULL;
}

static void start_later(tp_loop *loop, tp_http_request *request) {
  later *l = tp_arena_alloc(tp_http_request_arena(request), sizeof *l);
  pthread_t thread;
  if (l != NULL) *l = (later){{NULL, run_later}, loop, request};
  if (l == NULL || pthread_create(&thread, NULL, post_later, l) != 0) {
    tp_http_respond_text(request, 503, "no thread");
    return;
  }
  (void)pthread_detach(thread);
}

static bool target_is(const tp_http_request *request, const char *text) {
  tuplet_bytes target = tp_http_request_target(request);
  return target.size == strlen(text) && memcmp(target.data, text, target.size) == 0;
}

static void on_request(void *context, tp_http_request *request) {
  if (target_is(request, "/big")) {
    start_stream(context, request, BIG_SIZE);
  } else if (target_is(request, "/stream")) {
    start_stream(context, request, 0);
  } else if (target_is(request, "/later")) {
    start_later(context, request);
  } else {
    tp_http_respond(request, 200, NULL, 0, tp_http_request_body(request));
  }
}

int main(int argument_count, char **arguments) {
  long loop_count = argument_count > 1 ? strtol(arguments[1], NULL, 10) : 1;
  if (loop_count < 1 || loop_count > LOOPS_MAX) return 2;
  tp_loop *loops[LOOPS_MAX] = {NULL};
  tp_listener *listeners[LOOPS_MAX] = {NULL};
  tp_endpoints *endpoints = NULL;
  const char *const address = "127.0.0.1:0";
  tp_listener_config config = tp_listener_config_default();
  config.on_request = on_request;
  tuplet_error error;
  tuplet_status status = tp_endpoints_open(NULL, &address, 1, NULL, 0, &endpoints, &error);
  if (status == TUPLET_OK && argument_count > 3) {
    const tp_tls_config tls = {
        .cert_file = arguments[2], .key_file = arguments[3], .clock = tp_clock_system()};
    status = tp_tls_context_new(NULL, &tls, &config.tls, &error);
  }
  for (long i = 0; i < loop_count && status == TUPLET_OK; i++) {
    status = tp_loop_start(NULL, &loops[i], &error);
    if (status != TUPLET_OK) break;
    config.context = loops[i];
    status = tp_listener_open(loops[i], endpoints, &config, &listeners[i], &error);
  }
  if (status == TUPLET_OK) {
    (void)printf("%u\n", tp_endpoints_port(endpoints, 0));
    (void)fflush(stdout);
    while (getchar() != EOF) continue;
  } else {
    (void)fprintf(stderr, "%s\n", error.message);
  }
  if (endpoints != NULL) tp_endpoints_close(endpoints);
  for (long i = 0; i < loop_count; i++) {
    if (listeners[i] != NULL) tp_listener_drain(listeners[i]);
  }
  for (long i = loop_count - 1; i >= 0; i--) tp_listener_close(listeners[i], DRAIN_MS);
  for (long i = 0; i < loop_count; i++) tp_loop_stop(loops[i]);
  tp_endpoints_free(endpoints);
  tp_tls_context_free(config.tls);
  return status == TUPLET_OK ? 0 : 1;
}
