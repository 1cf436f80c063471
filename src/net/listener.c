/* listener.c: accepting connections, counting them, ending them. */
#include "base/alloc.h"
#include "base/status.h"
#include "net/private.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

enum {
  TICK_MS_MIN = 10,
  TICK_MS_MAX = 1000,
  TICKS_PER_TIMEOUT = 4,
  ACCEPTS_PER_TURN =
      16 /* of one socket; then those that are served have their turn, and other loops their share */
};

tp_listener_config tp_listener_config_default(void) {
  return (tp_listener_config){.limits = tp_http_limits_default(),
                              .idle_timeout_ms = TP_LISTENER_IDLE_TIMEOUT_MS,
                              .head_timeout_ms = TP_LISTENER_HEAD_TIMEOUT_MS,
                              .body_timeout_ms = TP_LISTENER_BODY_TIMEOUT_MS,
                              .send_timeout_ms = TP_LISTENER_SEND_TIMEOUT_MS,
                              .linger_timeout_ms = TP_LISTENER_LINGER_TIMEOUT_MS,
                              .drain_timeout_ms = TP_LISTENER_DRAIN_TIMEOUT_MS,
                              .handshake_turn_us = TP_LISTENER_HANDSHAKE_TURN_US};
}

/* ---- On the loop's thread -------------------------------------------------------------------------------
 */

static void on_tick(uv_timer_t *timer);

static void start_ticking(tp_listener *listener) {
  if (listener->is_closing || uv_is_active((const uv_handle_t *)&listener->tick)) return;
  (void)uv_timer_start(&listener->tick, on_tick, listener->tick_ms, listener->tick_ms);
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
  (void)status; /* accepting tells */
  (void)events;
  tp_listener_socket *socket = poll->data;
  tp_listener *listener = socket->listener;
  tp_accepted accepted = ACCEPTED_ONE;
  for (int i = 0; i < ACCEPTS_PER_TURN && accepted == ACCEPTED_ONE; i++)
    accepted = tp_connection_accept(socket);
  if (accepted == ACCEPTED_EXHAUSTED) {
    /* Asking again at once would turn in circles. */
    listener->is_exhausted = true;
    for (size_t i = 0; i < listener->socket_count; i++) (void)uv_poll_stop(&listener->sockets[i].poll);
  }
  start_ticking(listener);
}

static void resume_accepting(tp_listener *listener) {
  if (!listener->is_exhausted || listener->is_draining) return;
  listener->is_exhausted = false;
  for (size_t i = 0; i < listener->socket_count; i++)
    (void)uv_poll_start(&listener->sockets[i].poll, UV_READABLE, on_acceptable);
}

static void on_tick(uv_timer_t *timer) {
  tp_listener *listener = timer->data;
  tp_loop_refresh_date(listener->loop);
  resume_accepting(listener);
  for (tp_connection *connection = listener->connections, *next; connection != NULL; connection = next) {
    next = connection->next;
    tp_connection_tick(connection);
  }
  if (listener->connections == NULL && !listener->is_exhausted) (void)uv_timer_stop(timer);
}

static void announce(tp_listener *listener, bool *flag) {
  uv_mutex_lock(&listener->mutex);
  *flag = true;
  uv_cond_broadcast(&listener->changed);
  uv_mutex_unlock(&listener->mutex);
}

static void on_own_handle_closed(uv_handle_t *handle) {
  tp_listener *listener = handle->data;
  listener->open_handles--;
  tp_listener_connection_closed(listener);
}

static void close_descriptor(tp_listener_socket *socket) {
  if (socket->descriptor >= 0) (void)close(socket->descriptor);
  socket->descriptor = -1;
}

static void on_socket_closed(uv_handle_t *handle) {
  tp_listener_socket *socket = handle->data;
  close_descriptor(socket);
  socket->listener->open_handles--;
  tp_listener_connection_closed(socket->listener);
}

void tp_listener_connection_closed(tp_listener *listener) {
  resume_accepting(listener);
  if (listener->connections != NULL || !listener->is_draining) return;
  bool is_closed = listener->is_closing && listener->open_handles == 0;
  /* After the last one tp_listener_close frees the listener. */
  announce(listener, is_closed ? &listener->is_closed : &listener->is_empty);
}

static void drain(tp_listener *listener) {
  if (listener->is_draining) return;
  listener->is_draining = true;
  for (size_t i = 0; i < listener->socket_count; i++) {
    uv_handle_t *poll = (uv_handle_t *)&listener->sockets[i].poll;
    if (poll->data != NULL) uv_close(poll, on_socket_closed);
  }
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
  uv_close((uv_handle_t *)&listener->tick, on_own_handle_closed);
  uv_close((uv_handle_t *)&listener->shake_turn, on_own_handle_closed);
}

typedef struct listener_start {
  tp_listener *listener;
  int result;
} listener_start;

static int start_socket(tp_listener_socket *socket) {
  int result = uv_poll_init(&socket->listener->loop->uv, &socket->poll, socket->descriptor);
  if (result != 0) return result;
  socket->poll.data = socket; /* what has it is to be closed */
  socket->listener->open_handles++;
  return uv_poll_start(&socket->poll, UV_READABLE, on_acceptable);
}

static void run_start(void *context) {
  listener_start *start = context;
  tp_listener *listener = start->listener;
  (void)uv_timer_init(&listener->loop->uv, &listener->tick); /* cannot fail */
  listener->tick.data = listener;
  tp_handshakes_begin(listener);
  listener->open_handles = 2;
  for (size_t i = 0; i < listener->socket_count && start->result == 0; i++)
    start->result = start_socket(&listener->sockets[i]);
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
  for (size_t i = 0; i < listener->socket_count; i++) close_descriptor(&listener->sockets[i]);
  tp_free(allocator, listener->sockets);
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
  listener->tick_ms = tick_of(config);
  listener->drain_item.run = run_drain;
  *ret_listener = listener;
  return TUPLET_OK;
out:
  tp_free(loop->allocator, listener);
  return tp_fail_nomem(error);
}

static tuplet_status join_endpoints(tp_listener *listener, tp_endpoints *endpoints, tuplet_error *error) {
  size_t count = tp_endpoints_count(endpoints);
  listener->sockets = tp_alloc_array_zeroed(listener->loop->allocator, count, sizeof *listener->sockets);
  if (listener->sockets == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < count; i++) {
    tp_listener_socket *socket = &listener->sockets[i];
    socket->listener = listener;
    socket->is_unix = tp_endpoints_is_unix(endpoints, i);
    tuplet_status status = tp_endpoints_join(endpoints, i, &socket->descriptor, error);
    if (status != TUPLET_OK) return status;
    listener->socket_count++;
  }
  return TUPLET_OK;
}

tuplet_status tp_listener_open(tp_loop *loop, tp_endpoints *endpoints, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error) {
  tp_listener *listener = NULL;
  tuplet_status status = make_listener(loop, config, &listener, error);
  if (status != TUPLET_OK) return status;
  status = join_endpoints(listener, endpoints, error);
  if (status != TUPLET_OK) {
    free_listener(listener);
    return status;
  }
  listener_start start = {listener, 0};
  tp_loop_call(loop, run_start, &start);
  if (start.result != 0) {
    status = tp_fail(error, TUPLET_IO, "cannot accept connections: %s", uv_strerror(start.result));
    tp_listener_close(listener, 0);
    return status;
  }
  *ret_listener = listener;
  return TUPLET_OK;
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
