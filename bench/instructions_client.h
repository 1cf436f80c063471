/* instructions_client.h: a client of the server that is measured: it sends everything that is asked for at a
 * time in one piece for each connection, and then waits. Nothing of it is counted. */
#ifndef BENCH_INSTRUCTIONS_CLIENT_H
#define BENCH_INSTRUCTIONS_CLIENT_H

#include "instructions.h"

#include "cli/bench/http_client.h"

typedef struct client client;

/* `connection_count` connections to "127.0.0.1:PORT", each for `parallel` requests at a time. head outlives
 * the client. */
client *client_open(const tp_bench_head *head, bool is_http2, size_t connection_count, size_t parallel);
void client_close(client *c);

/* Sends connection_count * parallel requests, of which write_body makes the bodies. */
void client_send(client *c, tp_bench_path path, void (*write_body)(tp_buffer *body, void *context),
                 void *context);

/* Until all of them are answered, with 200. */
void client_receive(client *c);

#endif
