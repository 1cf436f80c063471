/* operation.h: one operation of `tuplet atomic`, from words to what the library is told.
 *
 *   check KEY VERSIONSTAMP|null
 *   set KEY VALUE [--expire-in TIME]
 *   set-versionstamped PREFIX VALUE [--expire-in TIME]
 *   delete KEY
 *   sum|min|max KEY NUMBER
 *   sum-value KEY VALUE [--min VALUE] [--max VALUE] [--clamp]
 *   enqueue VALUE [--delay TIME] [--undelivered KEY]... [--backoff LIST]
 */
#ifndef TP_CLI_OPERATION_H
#define TP_CLI_OPERATION_H

#include <tuplet.h>

#include "command.h"
#include "delivery.h"
#include "value.h"

/* Words that are taken one after the other. */
typedef struct tp_cli_words {
  char **items;
  size_t count;
  size_t next;
} tp_cli_words;

typedef enum tp_cli_operation_type {
  TP_CLI_OPERATION_CHECK,
  TP_CLI_OPERATION_SET,
  TP_CLI_OPERATION_SET_VERSIONSTAMPED,
  TP_CLI_OPERATION_DELETE,
  TP_CLI_OPERATION_SUM,
  TP_CLI_OPERATION_MIN,
  TP_CLI_OPERATION_MAX,
  TP_CLI_OPERATION_SUM_VALUE,
  TP_CLI_OPERATION_ENQUEUE,
} tp_cli_operation_type;

/* Which members mean something depends on the type. A zeroed one may be ended. */
typedef struct tp_cli_operation {
  tp_cli_operation_type type;
  tuplet_owned key;
  bool absent;                      /* check: there must be no entry */
  tuplet_versionstamp versionstamp; /* check */
  tp_cli_value value;               /* set, set-versionstamped, sum-value, enqueue */
  int64_t expire_in_ms;             /* set, set-versionstamped */
  uint64_t operand;                 /* sum, min, max */
  bool has_minimum;                 /* sum-value */
  bool has_maximum;
  bool clamp;
  tp_cli_value minimum;
  tp_cli_value maximum;
  tp_cli_delivery delivery; /* enqueue */
} tp_cli_operation;

void tp_cli_operation_done(tp_cli_operation *operation);

/* Takes one operation off the words. `where` stands before errors, which are reported: TP_CLI_EXIT_USAGE for
 * words that make no operation, TP_CLI_EXIT_DATA for keys and values that are not valid. The caller ends
 * *ret_operation whatever the outcome. */
tp_cli_exit tp_cli_operation_parse(const char *where, tp_cli_words *words, tp_cli_operation *ret_operation);

/* Adds the operation to an atomic one. */
tuplet_status tp_cli_operation_add(const tp_cli_operation *operation, tuplet_atomic *atomic,
                                   tuplet_error *error);

#endif
