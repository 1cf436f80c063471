/* deadline.h: how much of an option's --timeout is left. */
#ifndef TP_CLI_DEADLINE_H
#define TP_CLI_DEADLINE_H

#include <stdint.h>

/* The moment that is timeout_ms from now, for tp_cli_deadline_left_ms; TUPLET_FOREVER stays that. */
int64_t tp_cli_deadline_in(int64_t timeout_ms);

/* Milliseconds until then, never negative; TUPLET_FOREVER without one. */
int64_t tp_cli_deadline_left_ms(int64_t deadline_ms);

#endif
