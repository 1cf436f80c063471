/* outcome.h: what the end of a transfer says about its request: carried out, not, or who knows. */
#ifndef TP_ENGINE_REMOTE_OUTCOME_H
#define TP_ENGINE_REMOTE_OUTCOME_H

#include "engine/remote/transfer.h"

typedef enum tp_remote_verdict {
  TP_REMOTE_ANSWERED,     /* status 200, and all of the answer is there */
  TP_REMOTE_REFUSED,      /* not carried out, and it would not be another time */
  TP_REMOTE_UNAUTHORIZED, /* not carried out; with another session it may be */
  TP_REMOTE_LATER,        /* not carried out; another time it may be */
  TP_REMOTE_IN_DOUBT      /* the server may have carried it out */
} tp_remote_verdict;

/* where: of the server, for messages ("http://host:4512/db"). error: of all but TP_REMOTE_ANSWERED; its
 * status is what to report when it is not tried again, and the message of what a server refuses is the
 * server's own. */
tp_remote_verdict tp_remote_judge(const tp_remote_transfer *transfer, const char *where, tuplet_error *error);

#endif
