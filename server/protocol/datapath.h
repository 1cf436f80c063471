/* datapath.h: reads and atomic writes, from a request's body to its answer. */
#ifndef TP_SERVER_DATAPATH_H
#define TP_SERVER_DATAPATH_H

#include "server/worker.h"

/* Handles a request of the data path. Takes over the use of `database`, and finishes the request, at once or
 * later. */
typedef void tp_datapath_handler(tp_worker *worker, tp_http_request *request, const tp_session *session,
                                 tp_database *database);

tp_datapath_handler tp_datapath_read;
tp_datapath_handler tp_datapath_write;

#endif
