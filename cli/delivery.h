/* delivery.h: how a message is to be delivered, as `tuplet enqueue` and the operation of that name are told.
 *
 *   --delay TIME   --undelivered KEY (any number of times)   --backoff TIME,TIME,...|none
 */
#ifndef TP_CLI_DELIVERY_H
#define TP_CLI_DELIVERY_H

#include <tuplet.h>

#include "command.h"

/* A zeroed one is the default, and may be ended. */
typedef struct tp_cli_delivery {
  int64_t delay_ms;
  tuplet_key *keys; /* if undelivered; they point into `encoded` */
  tuplet_owned *encoded;
  size_t key_count;
  uint32_t *backoff_ms; /* NULL: the default schedule */
  size_t backoff_count;
} tp_cli_delivery;

void tp_cli_delivery_done(tp_cli_delivery *delivery);

/* One option each; mistakes are reported, `where` before those of a key. How many there may be and how long
 * is left to the library to say, but for delays that its type cannot hold. */
tp_cli_exit tp_cli_delivery_set_delay(const tp_cli_command *command, const char *text,
                                      tp_cli_delivery *delivery);
tp_cli_exit tp_cli_delivery_add_key(const char *where, const char *text, tp_cli_delivery *delivery);
tp_cli_exit tp_cli_delivery_set_backoff(const tp_cli_command *command, const char *text,
                                        tp_cli_delivery *delivery);

/* The same for the library; borrows. */
tuplet_enqueue_options tp_cli_delivery_options(const tp_cli_delivery *delivery);

#endif
