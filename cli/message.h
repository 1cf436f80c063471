/* message.h: a message of the queue as `tuplet listen` shows it. */
#ifndef TP_CLI_MESSAGE_H
#define TP_CLI_MESSAGE_H

#include <tuplet.h>

#include "command.h"

typedef enum tp_cli_message_form {
  TP_CLI_MESSAGE_LINE,    /* ID, tab, ATTEMPT, tab, PAYLOAD */
  TP_CLI_MESSAGE_PAYLOAD, /* PAYLOAD */
  TP_CLI_MESSAGE_JSON, /* {"id":"...","attempt":1,"payload":...,"payloadText":"..."}; without "payload" when
                          JSON cannot say it */
} tp_cli_message_form;

/* The message as a line, its end included. The caller frees *ret_text. Errors, reported: a payload that is
 * damaged (TP_CLI_EXIT_DATA); memory. */
tp_cli_exit tp_cli_message_to_text(const tuplet_message *message, tp_cli_message_form form, char **ret_text,
                                   size_t *ret_size);

#endif
