/* range.h: a range of keys, from the options --prefix, --start and --end. */
#ifndef TP_CLI_RANGE_H
#define TP_CLI_RANGE_H

#include <tuplet.h>

#include "command.h"

/* As the command line has them; NULL: not given. */
typedef struct tp_cli_range_texts {
  const char *prefix;
  const char *start;
  const char *end;
} tp_cli_range_texts;

/* The encoded keys of a selector, which points to them. A zeroed one is fine for tp_cli_range_done. */
typedef struct tp_cli_range {
  tuplet_owned owned[3];
  tuplet_key keys[3];
  tuplet_selector selector;
} tp_cli_range;

/* Errors are reported. The range must stay where it is; it ends with tp_cli_range_done in any case. */
tp_cli_exit tp_cli_range_init(const tp_cli_range_texts *texts, tp_cli_range *range);
void tp_cli_range_done(tp_cli_range *range);

#endif
