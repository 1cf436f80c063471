/* exchange.h: the metadata exchange, with which a client opens a database. */
#ifndef TP_SERVER_EXCHANGE_H
#define TP_SERVER_EXCHANGE_H

#include "server/worker.h"

/* Where the data path is, as the exchange tells it. */
#define TP_DATA_PATH "/v2"

/* Whether the path and the access token allow it; the request is answered when false is returned. */
bool tp_exchange_check(const tp_worker *worker, tp_http_request *request, tuplet_bytes path);

/* Answers a POST to `path`. Finishes the request. */
void tp_exchange_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path);

/* A database id as a UUID's 36 characters and a NUL, and back; false when the text is anything else. */
enum { TP_DATABASE_ID_TEXT_SIZE = 37 };
void tp_database_id_to_text(const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                            char ret_text[TP_DATABASE_ID_TEXT_SIZE]);
bool tp_database_id_from_text(tuplet_bytes text, uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE]);

#endif
