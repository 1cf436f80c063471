/* range_copy.h: the keys of a range and the versionstamps they had when their lines were printed last, so
 * that a fresh list shows what has changed. */
#ifndef TP_CLI_RANGE_COPY_H
#define TP_CLI_RANGE_COPY_H

#include <tuplet.h>

#include "command.h"

typedef struct tp_cli_known_key tp_cli_known_key;

/* A zeroed one is empty. */
typedef struct tp_cli_range_copy {
  tp_cli_known_key *items; /* in key order */
  size_t count;
  size_t capacity;
} tp_cli_range_copy;

void tp_cli_range_copy_done(tp_cli_range_copy *copy);

/* Lists the range and prints each entry that is new or has changed, and each key that is gone; *ret_printed
 * counts the lines. Errors are reported; the copy is as it was then, but for TP_CLI_EXIT_DATA: damaged
 * entries were left out. */
tp_cli_exit tp_cli_range_copy_list(tp_cli_context *context, tuplet_db *db, const tuplet_selector *selector,
                                   tp_cli_range_copy *copy, size_t *ret_printed);

/* Applies what was told, and prints what is news: a change that the copy has already is none. */
tp_cli_exit tp_cli_range_copy_apply(tp_cli_context *context, const tuplet_changes *changes,
                                    tp_cli_range_copy *copy, size_t *ret_printed);

#endif
