/* answer.h: the forms that answers take: a refusal in a sentence, a message, a message too large to hand over
 * at once.
 *
 * Each function finishes the request. */
#ifndef TP_SERVER_ANSWER_H
#define TP_SERVER_ANSWER_H

#include "base/buffer.h"
#include "server/worker.h"

#define TP_CONTENT_PROTOBUF "application/x-protobuf"
#define TP_CONTENT_STREAM   "application/octet-stream"
#define TP_CONTENT_TEXT     "text/plain; charset=utf-8"
#define TP_CONTENT_JSON     "application/json"

/* The HTTP status that tells a client what to do about `status`, an error: 4xx to change the request, 5xx to
 * try again. */
int tp_answer_http_status(tuplet_status status);

/* Tells why in plain text: the error's message where the request is to blame; where the server is, what a
 * client has to know, while the message, which may name the server's files, is logged. */
void tp_answer_failure(const tp_worker *worker, tp_http_request *request, tuplet_status status,
                       const tuplet_error *error);

/* The same about a database that cannot be found or opened; its name (empty: unknown) may be told. */
void tp_answer_database_failure(const tp_worker *worker, tp_http_request *request, const char *name,
                                tuplet_status status, const tuplet_error *error);

/* Logs a warning "WHAT: MESSAGE", unless there was one of its kind a moment ago; the next tells, as left_out,
 * how many there were. */
void tp_answer_log(const tp_worker *worker, tp_service_log kind, const char *what, const char *message);

/* 401, with the challenge that it needs. */
void tp_answer_unauthorized(tp_http_request *request, const char *sentence);

/* 429: the client, or its connection, has its share already. */
void tp_answer_too_many(tp_http_request *request, uint32_t retry_after_ms, const char *sentence);

void tp_answer_method_not_allowed(tp_http_request *request, const char *allowed);

/* 200. */
void tp_answer_bytes(tp_http_request *request, const char *content_type, tuplet_bytes body);

/* An answer while it grows. Beyond TP_ANSWER_FREE_SIZE its bytes are charged to the service, so that what
 * slow readers make the server hold is bounded. */
#define TP_ANSWER_FREE_SIZE ((size_t)256 * 1024)

typedef struct tp_answer {
  tp_buffer body;
  size_t charged;
} tp_answer;

void tp_answer_init(tp_answer *answer, const tuplet_allocator *allocator);
void tp_answer_done(tp_answer *answer, tp_service *service);

/* After the body has grown. Errors: TUPLET_NOMEM, TUPLET_BUSY (too much is held already). */
tuplet_status tp_answer_check(tp_answer *answer, tp_service *service, tuplet_error *error);

/* 200, taking the answer over. A large one is handed to the connection piece by piece, as fast as it is
 * taken. */
void tp_answer_send(tp_answer *answer, tp_worker *worker, tp_http_request *request, const char *content_type);

#endif
