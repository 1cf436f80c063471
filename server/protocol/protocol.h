/* protocol.h: KV Connect, from a request to whoever answers it. */
#ifndef TP_SERVER_PROTOCOL_H
#define TP_SERVER_PROTOCOL_H

#include "server/worker.h"

/* Refuses requests without a route or a token before their bodies come; tp_listener_config's on_head. */
void tp_protocol_check(void *context, tp_http_request *request);

/* Questions after the server's health are answered however busy it is: who asks would else take it for dead
 * and end it. tp_listener_config's is_exempt. */
bool tp_protocol_is_exempt(void *context, const tp_http_request *request);

/* Handles any request; tp_listener_config's on_request, with the worker as its context. Loop's thread. */
void tp_protocol_handle(void *context, tp_http_request *request);

#endif
