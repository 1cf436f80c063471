/* file_queue.h: the queue of a file: each thread puts messages into it, and takes as many. */
#ifndef TP_CLI_BENCH_FILE_QUEUE_H
#define TP_CLI_BENCH_FILE_QUEUE_H

#include "crew.h"

/* A thread's work. */
void tp_bench_file_queue_work(tuplet_db *db, tp_bench_worker *worker);

#endif
