/* queue_listener.c: listens to a server's queue. */
#include "queue_listener.h"

#include "wire/client.h"

enum { ARENA_SIZE = 4096 };

static bool on_message(tp_bench_stream *stream, tuplet_bytes bytes, tuplet_error *error) {
  tp_bench_queue_listener *listener = (tp_bench_queue_listener *)stream; /* its first member */
  tp_message message;
  tp_arena_clear(&listener->arena);
  if (tp_queue_message_decode(bytes, &listener->arena, &message, error) != TUPLET_OK) return false;
  listener->on_letter(listener, &message);
  return true;
}

bool tp_bench_queue_listener_init(tp_bench_queue_listener *listener, uint32_t in_flight_max) {
  tp_bench_stream_init(&listener->stream);
  tp_buffer_init(&listener->body, NULL);
  tp_arena_init(&listener->arena, NULL, ARENA_SIZE);
  tp_queue_listen_encode(&listener->body, in_flight_max);
  listener->stream.call.path = TP_BENCH_QUEUE_LISTEN;
  listener->stream.call.body = tp_buffer_view(&listener->body);
  listener->stream.on_message = on_message;
  return !listener->body.failed;
}

void tp_bench_queue_listener_done(tp_bench_queue_listener *listener) {
  tp_bench_stream_done(&listener->stream);
  tp_buffer_done(&listener->body);
  tp_arena_done(&listener->arena);
}
