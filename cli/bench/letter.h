/* letter.h: the messages that are put into a queue: a string with the run's name and a number. */
#ifndef TP_CLI_BENCH_LETTER_H
#define TP_CLI_BENCH_LETTER_H

#include "keys.h"

/* Appends a message's payload, in V8's format. */
void tp_bench_letter_put(const tp_bench_data *data, uint64_t number, tp_buffer *out);

/* The number; false when it is not one of this run's messages. */
bool tp_bench_letter_read(const tp_bench_data *data, tuplet_bytes payload, uint64_t *ret_number);

#endif
