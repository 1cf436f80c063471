/* webhook_target.h: where messages of a queue are posted to, as an operator writes it: [NAME=]URL. */
#ifndef TP_SERVER_WEBHOOK_TARGET_H
#define TP_SERVER_WEBHOOK_TARGET_H

#include "server/databases/catalog.h"

enum { TP_WEBHOOK_SHOWN_SIZE = 300 };

typedef struct tp_webhook_target {
  char database[TP_DATABASE_NAME_SIZE_MAX + 1];
  const char *url;                   /* in the text */
  char shown[TP_WEBHOOK_SHOWN_SIZE]; /* scheme, host and port, for logs: the rest may be secret */
  bool is_secure;                    /* https */
} tp_webhook_target;

/* Without NAME it is the database `default`. The URL is http or https, names a host and holds no user or
 * password. Errors: TUPLET_INVALID, TUPLET_NOMEM. Messages do not repeat the URL. */
tuplet_status tp_webhook_target_parse(const char *text, tp_webhook_target *ret_target, tuplet_error *error);

#endif
