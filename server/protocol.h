/* protocol.h: KV Connect, from a request to whoever answers it. */
#ifndef TP_SERVER_PROTOCOL_H
#define TP_SERVER_PROTOCOL_H

#include "server/worker.h"

/* Handles any request; tp_listener_config's on_request, with the worker as its context. Loop's thread. */
void tp_protocol_handle(void *worker, tp_http_request *request);

#endif
