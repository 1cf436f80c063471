/* requests.h: what is kept of each request from its beginning to its end, to count it and to log it. */
#ifndef TP_SERVER_REQUESTS_H
#define TP_SERVER_REQUESTS_H

#include "server/worker.h"

/* A request is complete; takes some memory of its arena. Where requests are logged it is also to be called
 * when the head is there, so that whatever answer comes has the id. Loop's thread, as all below. */
void tp_request_begin(tp_worker *worker, tp_http_request *request);

/* Which database it is about, for its line in the log. Copied. */
void tp_request_set_database(tp_http_request *request, tuplet_bytes name);

/* Its id, as the header x-request-id tells it, too; NULL while requests are not logged. */
const char *tp_request_id(const tp_http_request *request);

/* It lasts: logs that it has begun. */
void tp_request_log_start(const tp_worker *worker, const tp_http_request *request);

/* It has ended; tp_listener_config's on_finish, with the worker as its context. */
void tp_request_finish(void *context, const tp_http_request *request, const tp_http_outcome *outcome);

#endif
