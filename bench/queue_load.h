/* queue_load.h: the queue's workloads through tuplet's public interface. Errors end the program. */
#ifndef BENCH_QUEUE_LOAD_H
#define BENCH_QUEUE_LOAD_H

#include "bench.h"

enum { QUEUE_PAYLOAD_SIZE = 100, QUEUE_IN_FLIGHT = 64 };

/* Enqueues one message after the other, with a listener waiting, and a pause in between. What each took from
 * before its enqueueing until its handler began goes to ret_latencies_ns. */
void queue_load_latency(const char *path, int count, int64_t *ret_latencies_ns);

/* Enqueues messages, each durably and by itself, QUEUE_IN_FLIGHT at a time, while a listener handles them;
 * the time until the last is handled and gone for good. */
bench_slice queue_load_throughput(const char *path, int count);

/* What a backlog costs. */
typedef struct queue_backlog {
  int messages;
  bench_slice filling;
  bench_slice draining; /* of the first of them */
  int64_t memory_size;  /* the most that the process had in memory while draining, bytes */
} queue_backlog;

/* Fills the queue with so many messages, a thousand in a commit, and handles the first `drain_count`. */
queue_backlog queue_load_backlog(const char *path, int count, int drain_count);

#endif
