/* queue_listener.h: listens to a server's queue. */
#ifndef TP_CLI_BENCH_QUEUE_LISTENER_H
#define TP_CLI_BENCH_QUEUE_LISTENER_H

#include "engine/engine.h"
#include "stream.h"

typedef struct tp_bench_queue_listener tp_bench_queue_listener;

struct tp_bench_queue_listener {
  tp_bench_stream stream; /* its on_end is the owner's to set */
  /* The message lives during the call. */
  void (*on_letter)(tp_bench_queue_listener *listener, const tp_message *message);
  tp_buffer body;
  tp_arena arena;
};

/* Of a zeroed one with its callbacks. in_flight_max: how many messages it has at a time. False: out of
 * memory; then it may be ended, too. */
bool tp_bench_queue_listener_init(tp_bench_queue_listener *listener, uint32_t in_flight_max);
void tp_bench_queue_listener_done(tp_bench_queue_listener *listener);

#endif
