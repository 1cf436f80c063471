/* handshakes.c: how much of a loop's time TLS's handshakes take.
 *
 * A handshake is half a millisecond of computing or more, and strangers choose when: a thousand greetings at
 * once would hold up everybody else whom the loop serves for as long. So handshakes have a part of each turn.
 * Whoever comes when that is used up is not read for now, and waits in a queue; those at its head are read in
 * the turns to come, before whoever comes anew. */
#include "net/private.h"

#include <assert.h>

enum { RESUMED_PER_TURN = 16 /* more than there is time for, unless what they send is but a part */ };

static void append(tp_listener *listener, tp_connection *connection) {
  connection->shake_next = NULL;
  connection->shake_previous = listener->shake_last;
  *(listener->shake_last != NULL ? &listener->shake_last->shake_next : &listener->shake_first) = connection;
  listener->shake_last = connection;
}

static void prepend(tp_listener *listener, tp_connection *connection) {
  connection->shake_previous = NULL;
  connection->shake_next = listener->shake_first;
  *(listener->shake_first != NULL ? &listener->shake_first->shake_previous : &listener->shake_last) =
      connection;
  listener->shake_first = connection;
}

static void take_out(tp_listener *listener, tp_connection *connection) {
  tp_connection *previous = connection->shake_previous, *next = connection->shake_next;
  *(previous != NULL ? &previous->shake_next : &listener->shake_first) = next;
  *(next != NULL ? &next->shake_previous : &listener->shake_last) = previous;
  connection->shake_waits = false;
}

/* Once in each turn, as long as somebody waits: then the loop does not sleep either. */
static void on_turn(uv_idle_t *idle) {
  tp_listener *listener = idle->data;
  for (int i = 0; i < RESUMED_PER_TURN && listener->shake_first != NULL; i++) {
    tp_connection *connection = listener->shake_first;
    take_out(listener, connection);
    connection->shake_is_next = true;
    tp_connection_resume(connection);
  }
  if (listener->shake_first == NULL) (void)uv_idle_stop(idle);
}

void tp_handshakes_begin(tp_listener *listener) {
  (void)uv_idle_init(&listener->loop->uv, &listener->shake_turn); /* cannot fail */
  listener->shake_turn.data = listener;
}

bool tp_handshake_is_under_way(const tp_connection *connection) {
  return connection->state == CONNECTION_OPEN && connection->tls != NULL && connection->http == NULL;
}

bool tp_handshake_must_wait(const tp_connection *connection) {
  const tp_listener *listener = connection->listener;
  if (!tp_handshake_is_under_way(connection)) return false;
  if (listener->shake_first != NULL && !connection->shake_is_next) return true;
  bool has_begun = listener->shake_turn_number == listener->loop->turn;
  return has_begun && listener->shake_ns >= (uint64_t)listener->config.handshake_turn_us * 1000;
}

void tp_handshake_wait(tp_connection *connection) {
  tp_listener *listener = connection->listener;
  assert(!connection->shake_waits);
  if (connection->shake_is_next)
    prepend(listener, connection); /* its turn was too short */
  else
    append(listener, connection);
  connection->shake_waits = true;
  connection->shake_is_next = false;
  (void)uv_idle_start(&listener->shake_turn, on_turn);
}

void tp_handshake_note(tp_connection *connection, uint64_t took_ns) {
  tp_listener *listener = connection->listener;
  connection->shake_is_next = false;
  if (listener->shake_turn_number != listener->loop->turn) {
    listener->shake_turn_number = listener->loop->turn;
    listener->shake_ns = 0;
  }
  listener->shake_ns += took_ns;
}

void tp_handshake_forget(tp_connection *connection) {
  if (connection->shake_waits) take_out(connection->listener, connection);
}
