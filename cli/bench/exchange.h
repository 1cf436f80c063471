/* exchange.h: a workload's requests as KV Connect's messages, and the answers read back. */
#ifndef TP_CLI_BENCH_EXCHANGE_H
#define TP_CLI_BENCH_EXCHANGE_H

#include "engine/engine.h"
#include "http_client.h"
#include "task.h"

/* What one request at a time needs; used again for the next one. */
typedef struct tp_bench_exchange {
  tp_buffer keys; /* encoded, one after the other */
  tp_buffer body; /* the request's message */
  tp_arena arena; /* mutations, and what an answer is decoded into */
  uint32_t failed_checks[2];
  uint8_t numbers[2][8]; /* 64-bit counters as bytes */
  size_t range_count;
  tp_read_range ranges[TP_BENCH_GETMANY_MAX];
  tp_check checks[2];
} tp_bench_exchange;

void tp_bench_exchange_init(tp_bench_exchange *exchange);
void tp_bench_exchange_done(tp_bench_exchange *exchange);

/* Encodes a request into call->body, which lives until the next request. False: out of memory. */
bool tp_bench_exchange_encode(tp_bench_exchange *exchange, tp_bench_desk *desk,
                              const tp_bench_request *request, tp_bench_call *call);

/* Reads the answer to the request that was encoded last. */
void tp_bench_exchange_decode(tp_bench_exchange *exchange, const tp_bench_request *request,
                              const tp_bench_call *call, tp_bench_answer *ret_answer);

#endif
