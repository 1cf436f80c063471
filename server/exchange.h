/* exchange.h: the metadata exchange, with which a client opens a database. */
#ifndef TP_SERVER_EXCHANGE_H
#define TP_SERVER_EXCHANGE_H

#include "server/database_id.h"
#include "server/worker.h"

/* Where the data path is, as the exchange tells it. */
#define TP_DATA_PATH "/v2"

/* Whether the path and the access token allow it; the request is answered when false is returned. */
bool tp_exchange_check(const tp_worker *worker, tp_http_request *request, tuplet_bytes path);

/* Answers a POST to `path`. Finishes the request. */
void tp_exchange_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path);

#endif
