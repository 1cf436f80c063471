/* server_load.h: one thread's load on a server: a loop, connections, and operations on them. */
#ifndef TP_CLI_BENCH_SERVER_LOAD_H
#define TP_CLI_BENCH_SERVER_LOAD_H

#include "crew.h"
#include "server.h"

/* Does a crew's work (crew.h) with `connection_count` connections, on the calling thread. */
void tp_bench_server_load(tp_bench_server *server, tp_bench_worker *worker, unsigned connection_count,
                          unsigned in_flight);

#endif
