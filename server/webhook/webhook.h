/* webhook.h: messages of queues, posted to URLs: for consumers in any language.
 *
 * Each webhook has a thread, which listens to the queue of one database for as long as the server runs, and
 * posts what comes, several messages at a time. What a post's answer means stands in webhook_post.h. Loops
 * have nothing to do with it. */
#ifndef TP_SERVER_WEBHOOK_H
#define TP_SERVER_WEBHOOK_H

#include "server/databases/databases.h"

enum { TP_WEBHOOKS_MAX = 16 };

typedef struct tp_webhook_config {
  const char *const *targets; /* as tp_webhook_target_parse has them; borrowed, as all text here */
  size_t target_count;
  const char *token;        /* sent as a bearer token; NULL: none */
  const char *ca_file;      /* the authorities that are trusted, PEM; NULL: the system's */
  uint32_t concurrency;     /* posts of one webhook at a time, > 0 */
  uint32_t timeout_ms;      /* of one */
  bool may_create_database; /* one that is not there is made */
} tp_webhook_config;

/* What webhooks count. Zeroed is a fresh one; any thread. */
typedef struct tp_webhook_counts {
  _Atomic uint64_t done;
  _Atomic uint64_t failed;
  _Atomic uint64_t returned; /* to the queue, since the server ended, or the database left */
  _Atomic uint64_t running;  /* at this moment */
} tp_webhook_counts;

typedef struct tp_webhooks tp_webhooks;

/* `databases`, `log` and `counts` are borrowed until tp_webhooks_free. Errors: TUPLET_INVALID (a target),
 * TUPLET_IO (the file of authorities), TUPLET_NOMEM. Some may have begun then, so that *ret_webhooks, unless
 * it is NULL, is to be ended in any case. */
tuplet_status tp_webhooks_start(const tuplet_allocator *allocator, tp_clock clock,
                                const tp_webhook_config *config, tp_databases *databases, const tp_log *log,
                                tp_webhook_counts *counts, tp_webhooks **ret_webhooks, tuplet_error *error);

/* Some database is leaving: who uses it is to let go of it. Any thread. NULL is fine, here and below. */
void tp_webhooks_check(tp_webhooks *webhooks);

/* Takes no more messages; what is being posted has until deadline_ns (monotonic) to be answered, and then is
 * returned to its queue. */
void tp_webhooks_end(tp_webhooks *webhooks, int64_t deadline_ns);

/* After tp_webhooks_end: waits for the threads, before the databases are stopped. */
void tp_webhooks_join(tp_webhooks *webhooks);

/* After the databases are closed, which completes what was finished last. */
void tp_webhooks_free(tp_webhooks *webhooks);

#endif
