/* source.h: where the value of a command comes from, an operand, a file or standard input, and how it is
 * read. */
#ifndef TP_CLI_SOURCE_H
#define TP_CLI_SOURCE_H

#include <getopt.h>

#include "command.h"
#include "value.h"

/* The options about it, for the tables of commands. */
enum { TP_CLI_OPTION_VALUE_FILE = 512, TP_CLI_OPTION_ENCODING, TP_CLI_OPTION_RAW };
#define TP_CLI_SOURCE_LONG                                                                                   \
  {"value-file", required_argument, NULL, TP_CLI_OPTION_VALUE_FILE},                                         \
      {"encoding", required_argument, NULL, TP_CLI_OPTION_ENCODING}, {                                       \
    "raw", no_argument, NULL, TP_CLI_OPTION_RAW                                                              \
  }

/* A zeroed one is JavaScript text from an operand. */
typedef struct tp_cli_source {
  const char *text; /* the operand, or NULL */
  const char *path; /* what is read when there is no operand; "-": standard input */
  tp_cli_format format;
} tp_cli_source;

/* Takes one of the options (its argument in `optarg`). A mistake is reported and false returned. */
bool tp_cli_source_option(const tp_cli_command *command, int option, tp_cli_source *source);

/* Takes the operands that are left for the value, after the options. Mistakes are reported. */
tp_cli_exit tp_cli_source_operands(const tp_cli_command *command, char **operands, int count,
                                   tp_cli_source *source);

/* The value, which the caller ends whatever the outcome. Errors are reported. */
tp_cli_exit tp_cli_source_read(const tp_cli_source *source, tp_cli_value *ret_value);

#endif
