/* options.h: the command line of one command, taken apart.
 *
 * getopt_long does the options; operands may stand among them. What looks like an option but is a JavaScript
 * number (-1, -5n, -.5, -Infinity) is an operand, so that `tuplet set KEY -1` means what it says. */
#ifndef TP_CLI_OPTIONS_H
#define TP_CLI_OPTIONS_H

#include <getopt.h>
#include <stdint.h>

#include "command.h"

/* The options that every command on a database takes, for its tables. */
#define TP_CLI_COMMON_LONG                                                                                   \
  {"db", required_argument, NULL, 'd'}, {"sqlite-path", required_argument, NULL, 'd'},                       \
      {"url", required_argument, NULL, 'd'},                                                                 \
      {"access-token-file", required_argument, NULL, TP_CLI_OPTION_ACCESS_TOKEN_FILE},                       \
      {"json", no_argument, NULL, 'j'}, {"quiet", no_argument, NULL, 'q'}, {                                 \
    "help", no_argument, NULL, 'h'                                                                           \
  }
#define TP_CLI_COMMON_SHORT             "+:d:jqh"
#define TP_CLI_OPTION_ACCESS_TOKEN_FILE 255

/* Those about the database, for the --help of each; without the end of the last line. */
#define TP_CLI_DATABASE_HELP                                                                                 \
  "  -d, --db PATH          the database: a file, or a server's URL (http://, https://)\n"                   \
  "      --access-token-file FILE\n"                                                                         \
  "                         holds the server's access token in its first line; when\n"                       \
  "                         not given, DENO_KV_ACCESS_TOKEN is the token"

/* Values of options without a short form start here. */
#define TP_CLI_OPTION_LONG_ONLY 256

#define TP_CLI_OPTION_END  (-1)
#define TP_CLI_OPTION_STOP (-2)

typedef struct tp_cli_options {
  const tp_cli_command *command; /* NULL: the program itself */
  tp_cli_context *context;
  int argc;
  char **argv;
  const struct option *long_options;
  const char *short_options; /* begins with TP_CLI_COMMON_SHORT */
  bool operands_last;        /* the first operand ends the options */
  bool only_operands;        /* "--" was there */
  int operand_count;
  tp_cli_exit exit; /* why TP_CLI_OPTION_STOP */
} tp_cli_options;

/* Starts over argv[1 ..]. command may be NULL. argv is reordered while going on. */
void tp_cli_options_init(tp_cli_options *options, const tp_cli_command *command, tp_cli_context *context,
                         int argc, char **argv, const struct option *long_options, const char *short_options);

/* The next option that is the command's own (its argument in `optarg`); the common ones are seen to.
 * TP_CLI_OPTION_END: there are no more. TP_CLI_OPTION_STOP: the command is to return options->exit, because
 * help was printed or a mistake reported. */
int tp_cli_options_next(tp_cli_options *options);

/* The operands, after TP_CLI_OPTION_END. */
char **tp_cli_operands(const tp_cli_options *options);

/* Numbers and durations of options; a mistake is reported and false returned. `what` names the option.
 * Durations: 500ms, 10s, 5m, 2h, 7d; milliseconds without a unit. */
bool tp_cli_number_parse(const tp_cli_command *command, const char *what, const char *text, uint64_t minimum,
                         uint64_t maximum, uint64_t *ret_number);
bool tp_cli_duration_parse(const tp_cli_command *command, const char *what, const char *text,
                           int64_t *ret_duration_ms);

#endif
