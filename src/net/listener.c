/* listener.c: accepting connections, counting them, ending them. */
#include "base/alloc.h"
#include "base/status.h"
#include "net/private.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS_MIN = 10, TICK_MS_MAX = 1000, TICKS_PER_TIMEOUT = 4 };

tp_listener_config tp_listener_config_default(void) {
  return (tp_listener_config){.limits = tp_http_limits_default(),
                              .connections_max = TP_LISTENER_CONNECTIONS_MAX,
                              .idle_timeout_ms = TP_LISTENER_IDLE_TIMEOUT_MS,
                              .head_timeout_ms = TP_LISTENER_HEAD_TIMEOUT_MS,
                              .body_timeout_ms = TP_LISTENER_BODY_TIMEOUT_MS,
                              .send_timeout_ms = TP_LISTENER_SEND_TIMEOUT_MS,
                              .linger_timeout_ms = TP_LISTENER_LINGER_TIMEOUT_MS,
                              .drain_timeout_ms = TP_LISTENER_DRAIN_TIMEOUT_MS};
}

/* ---- On the loop's thread -------------------------------------------------------------------------------
 */

static void on_tick(uv_timer_t *timer);

static void start_ticking(tp_listener *listener) {
  if (listener->is_closing || uv_is_active((const uv_handle_t *)&listener->tick)) return;
  (void)uv_timer_start(&listener->tick, on_tick, listener->tick_ms, listener->tick_ms);
}

static void accept_one(tp_listener *listener) {
  listener->accept_failed = !tp_connection_accept(listener);
  start_ticking(listener);
}

static void on_tick(uv_timer_t *timer) {
  tp_listener *listener = timer->data;
  tp_loop_refresh_date(listener->loop);
  if (listener->accept_failed && !listener->is_draining) accept_one(listener);
  for (tp_connection *connection = listener->connections, *next; connection != NULL; connection = next) {
    next = connection->next;
    tp_connection_tick(connection);
  }
  bool is_needed = listener->connections != NULL || listener->accept_failed;
  if (!is_needed) (void)uv_timer_stop(timer);
}

static void on_connection(uv_stream_t *stream, int status) {
  tp_listener *listener = stream->data;
  if (status == 0) accept_one(listener);
}

static void announce(tp_listener *listener, bool *flag) {
  uv_mutex_lock(&listener->mutex);
  *flag = true;
  uv_cond_broadcast(&listener->changed);
  uv_mutex_unlock(&listener->mutex);
}

static void on_handle_closed(uv_handle_t *handle) {
  tp_listener *listener = handle->data;
  listener->open_handles--;
  tp_listener_connection_closed(listener);
}

void tp_listener_connection_closed(tp_listener *listener) {
  if (listener->connections != NULL || !listener->is_draining) return;
  bool is_closed = listener->is_closing && listener->open_handles == 0;
  /* After the last one tp_listener_close frees the listener. */
  announce(listener, is_closed ? &listener->is_closed : &listener->is_empty);
}

static void drain(tp_listener *listener) {
  if (listener->is_draining) return;
  listener->is_draining = true;
  uv_close((uv_handle_t *)&listener->tcp, on_handle_closed);
  for (tp_connection *connection = listener->connections, *next; connection != NULL; connection = next) {
    next = connection->next;
    tp_connection_drain(connection);
  }
  tp_listener_connection_closed(listener);
}

static void run_drain(tp_loop_item *item) {
  drain((tp_listener *)(void *)((char *)item - offsetof(tp_listener, drain_item)));
}

/* Whatever still is there goes now. */
static void run_close(void *context) {
  tp_listener *listener = context;
  drain(listener);
  listener->is_closing = true;
  for (tp_connection *connection = listener->connections, *next; connection != NULL; connection = next) {
    next = connection->next;
    tp_connection_cut(connection);
  }
  uv_close((uv_handle_t *)&listener->tick, on_handle_closed);
}

typedef struct listener_start {
  tp_listener *listener;
  int result;
} listener_start;

static void run_start(void *context) {
  listener_start *start = context;
  tp_listener *listener = start->listener;
  uv_loop_t *uv = &listener->loop->uv;
  (void)uv_timer_init(uv, &listener->tick); /* neither can fail */
  (void)uv_tcp_init(uv, &listener->tcp);
  listener->tcp.data = listener->tick.data = listener;
  listener->open_handles = 2;
  start->result = uv_tcp_open(&listener->tcp, listener->socket);
  if (start->result != 0) return;
  listener->socket = -1; /* libuv's from here on */
  start->result = uv_listen((uv_stream_t *)&listener->tcp, TP_LISTENER_BACKLOG, on_connection);
}

/* ---- From outside ---------------------------------------------------------------------------------------
 */

static uint32_t tick_of(const tp_listener_config *config) {
  uint32_t shortest = config->idle_timeout_ms;
  const uint32_t others[] = {config->head_timeout_ms, config->body_timeout_ms, config->send_timeout_ms,
                             config->linger_timeout_ms, config->drain_timeout_ms};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (others[i] < shortest) shortest = others[i];
  }
  uint32_t tick = shortest / TICKS_PER_TIMEOUT;
  if (tick < TICK_MS_MIN) return TICK_MS_MIN;
  return tick > TICK_MS_MAX ? TICK_MS_MAX : tick;
}

static void free_listener(tp_listener *listener) {
  const tuplet_allocator *allocator = listener->loop->allocator;
  if (listener->socket >= 0) (void)close(listener->socket);
  uv_cond_destroy(&listener->changed);
  uv_mutex_destroy(&listener->mutex);
  tp_free(allocator, listener);
}

static tuplet_status make_listener(tp_loop *loop, const tp_listener_config *config,
                                   tp_listener **ret_listener, tuplet_error *error) {
  assert(config->on_request != NULL);
  tp_listener *listener = tp_alloc_array_zeroed(loop->allocator, 1, sizeof *listener);
  if (listener == NULL) return tp_fail_nomem(error);
  if (uv_mutex_init(&listener->mutex) != 0) goto out;
  if (uv_cond_init(&listener->changed) != 0) {
    uv_mutex_destroy(&listener->mutex);
    goto out;
  }
  listener->loop = loop;
  listener->config = *config;
  listener->socket = -1;
  listener->tick_ms = tick_of(config);
  listener->drain_item.run = run_drain;
  *ret_listener = listener;
  return TUPLET_OK;
out:
  tp_free(loop->allocator, listener);
  return tp_fail_nomem(error);
}

static tuplet_status open_listener(tp_loop *loop, const tp_address *address, bool is_first,
                                   const tp_listener_config *config, tp_listener **ret_listener,
                                   tuplet_error *error) {
  tp_listener *listener = NULL;
  tuplet_status status = make_listener(loop, config, &listener, error);
  if (status != TUPLET_OK) return status;
  status = tp_address_listen(address, is_first, &listener->socket, error);
  if (status == TUPLET_OK) status = tp_address_of_socket(listener->socket, &listener->address, error);
  if (status != TUPLET_OK) {
    free_listener(listener);
    return status;
  }
  tp_address_print(&listener->address, listener->address_text);
  listener_start start = {listener, 0};
  tp_loop_call(loop, run_start, &start);
  if (start.result != 0) {
    status = tp_fail(error, TUPLET_IO, "cannot listen on %s: %s", listener->address_text,
                     uv_strerror(start.result));
    tp_listener_close(listener, 0);
    return status;
  }
  *ret_listener = listener;
  return TUPLET_OK;
}

tuplet_status tp_listener_open(tp_loop *loop, const char *address, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error) {
  tp_address parsed;
  tuplet_status status = tp_address_parse(address, &parsed, error);
  if (status != TUPLET_OK) return status;
  return open_listener(loop, &parsed, true, config, ret_listener, error);
}

tuplet_status tp_listener_join(tp_loop *loop, const tp_listener *first, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error) {
  return open_listener(loop, &first->address, false, config, ret_listener, error);
}

const char *tp_listener_address(const tp_listener *listener) {
  return listener->address_text;
}

uint16_t tp_listener_port(const tp_listener *listener) {
  return tp_address_port(&listener->address);
}

size_t tp_listener_connection_count(const tp_listener *listener) {
  return atomic_load(&listener->connection_count);
}

void tp_listener_drain(tp_listener *listener) {
  if (!atomic_exchange(&listener->is_drain_posted, true)) tp_loop_post(listener->loop, &listener->drain_item);
}

void tp_listener_close(tp_listener *listener, uint32_t timeout_ms) {
  if (listener == NULL) return;
  tp_listener_drain(listener);
  uint64_t deadline_ns = uv_hrtime() + (uint64_t)timeout_ms * 1000000;
  uv_mutex_lock(&listener->mutex);
  while (!listener->is_empty) {
    uint64_t now_ns = uv_hrtime();
    if (now_ns >= deadline_ns) break;
    (void)uv_cond_timedwait(&listener->changed, &listener->mutex, deadline_ns - now_ns);
  }
  uv_mutex_unlock(&listener->mutex);
  tp_loop_call(listener->loop, run_close, listener);
  uv_mutex_lock(&listener->mutex);
  while (!listener->is_closed) uv_cond_wait(&listener->changed, &listener->mutex);
  uv_mutex_unlock(&listener->mutex);
  free_listener(listener);
}
