/* refusal.h: answers to those who cannot say who they are: 401 at once, 401 after a while, or 429; see
 * throttle.h. */
#ifndef TP_SERVER_REFUSAL_H
#define TP_SERVER_REFUSAL_H

#include "server/worker.h"

typedef enum tp_refusal_stage {
  TP_REFUSAL_AT_HEAD, /* inside on_head: an answer that is to wait is left to the complete request, whose body
                         is not kept meanwhile */
  TP_REFUSAL_COMPLETE
} tp_refusal_stage;

/* Refuses a request whose authentication failed, and counts that against its address. sentence: static; what
 * was wrong. Finishes the request, now or later, unless that is left to the second stage. */
void tp_refusal_send(tp_worker *worker, tp_http_request *request, tp_refusal_stage stage,
                     const char *sentence);

/* Whether the request's body was skipped for a refusal that has not come: tokens have been read again in
 * between. Then the client is asked to try again, and the request is finished. */
bool tp_refusal_was_mistaken(tp_http_request *request);

/* Answers all that wait, now and from now on. Loop's thread. */
void tp_refusals_stop(tp_worker *worker);

#endif
