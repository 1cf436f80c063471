/* exchange.h: the metadata exchange, with which a client opens a database. */
#ifndef TP_SERVER_EXCHANGE_H
#define TP_SERVER_EXCHANGE_H

#include "server/access/refusal.h"
#include "server/databases/database_id.h"
#include "server/worker.h"

/* Where the data path is, as the exchange tells it. */
#define TP_DATA_PATH "/v2"

/* What this server can beyond the protocol; clients that know it ask for it. */
#define TP_EXCHANGE_EXTENSIONS "queue/1, watch-range/1"

/* What somebody is told who may not open a database, whether there is one or not. */
#define TP_EXCHANGE_FORBIDDEN "This access token may not open this database."

/* Whether the token and the path allow it, and what the token may; the request is refused when false is
 * returned.
 */
bool tp_exchange_check(tp_worker *worker, tp_http_request *request, tp_refusal_stage stage, tuplet_bytes path,
                       tp_grant *ret_grant);

/* Answers a POST to `path`. Finishes the request. */
void tp_exchange_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path);

#endif
