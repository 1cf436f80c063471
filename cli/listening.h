/* listening.h: what `tuplet listen` does with the messages: prints them, or runs a command for each. */
#ifndef TP_CLI_LISTENING_H
#define TP_CLI_LISTENING_H

#include <stdint.h>
#include <tuplet.h>

#include "command.h"

#define TP_CLI_JOBS_MAX 64

typedef struct tp_cli_listen_request {
  uint64_t count;     /* messages to handle; 0: no end */
  int64_t timeout_ms; /* TUPLET_FOREVER: none */
  uint32_t in_flight_max;
  const char *command; /* NULL: they are printed */
  uint32_t job_count;  /* commands that run at a time, up to TP_CLI_JOBS_MAX */
} tp_cli_listen_request;

/* Opens the database and listens until the request is fulfilled, the time is over, or a signal asks for the
 * end. What is not handled then goes back into the queue. Errors are reported. */
tp_cli_exit tp_cli_listening_run(tp_cli_context *context, const tp_cli_listen_request *request);

#endif
