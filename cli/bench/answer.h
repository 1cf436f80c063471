/* answer.h: what is read in the same way from several kinds of answers. */
#ifndef TP_CLI_BENCH_ANSWER_H
#define TP_CLI_BENCH_ANSWER_H

#include "engine/engine.h"
#include "http_client.h"

/* Fills `error` for an answer whose status is not 200, with the server's own sentence; its status. */
tuplet_status tp_bench_answer_refused(const tp_bench_call *call, tuplet_error *error);

/* The number of a 64-bit counter; 0 of anything else. */
uint64_t tp_bench_answer_number(const tp_row *row);

#endif
