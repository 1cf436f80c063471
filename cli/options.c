/* options.c: the command line of one command, taken apart. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void tp_cli_options_init(tp_cli_options *options, const tp_cli_command *command, tp_cli_context *context,
                         int argc, char **argv, const struct option *long_options,
                         const char *short_options) {
  *options = (tp_cli_options){.command = command,
                              .context = context,
                              .argc = argc,
                              .argv = argv,
                              .long_options = long_options,
                              .short_options = short_options};
  optind = 1;
  opterr = 0;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Whether a word is an operand although options are still possible. */
static bool is_operand(const char *word) {
  if (word[0] != '-' || word[1] == '\0') return true;
  if (is_digit(word[1]) || strcmp(word, "-Infinity") == 0) return true;
  return word[1] == '.' && is_digit(word[2]);
}

static int stop(tp_cli_options *options, tp_cli_exit code) {
  options->exit = code;
  return TP_CLI_OPTION_STOP;
}

static int report_option(tp_cli_options *options, int found) {
  /* optopt is the letter of a short option; of a long one it is 0 (unknown) or its value (no argument). */
  const char *word = options->argv[optind - 1];
  const char *problem = found == ':' ? "needs an argument" : "is not an option";
  if (strncmp(word, "--", 2) == 0) {
    if (found == '?' && strchr(word, '=') != NULL && optopt != 0) problem = "takes no argument";
    return stop(options, tp_cli_fail_usage(options->command, "%s %s", word, problem));
  }
  return stop(options, tp_cli_fail_usage(options->command, "-%c %s", optopt, problem));
}

/* Sees to a common option; any other is returned. 0: go on. */
static int common_option(tp_cli_options *options, int found) {
  switch (found) {
  case 'd':
    if (optarg[0] == '\0') {
      return stop(options, tp_cli_fail_usage(options->command,
                                             "--db needs the path of a file or the URL of a server"));
    }
    options->context->db_path = optarg;
    return 0;
  case TP_CLI_OPTION_ACCESS_TOKEN_FILE: options->context->token_path = optarg; return 0;
  case 'j': options->context->json = true; return 0;
  case 'q': options->context->quiet = true; return 0;
  case 'h': return stop(options, tp_cli_help_print(options->context, options->command));
  case '?':
  case ':': return report_option(options, found);
  default: return found;
  }
}

int tp_cli_options_next(tp_cli_options *options) {
  while (optind < options->argc) {
    char *word = options->argv[optind];
    if (options->only_operands || is_operand(word)) {
      if (options->operands_last) return TP_CLI_OPTION_END;
      /* Operands gather at the front; nothing there is needed any more. */
      options->argv[1 + options->operand_count++] = word;
      optind++;
      continue;
    }
    if (strcmp(word, "--") == 0) {
      options->only_operands = true;
      optind++;
      continue;
    }
    int found = common_option(options, getopt_long(options->argc, options->argv, options->short_options,
                                                   options->long_options, NULL));
    if (found != 0) return found;
  }
  return TP_CLI_OPTION_END;
}

char **tp_cli_operands(const tp_cli_options *options) {
  return options->operands_last ? options->argv + optind : options->argv + 1;
}

/* Digits at the start of a text; false when there are none or the number is too large. */
static bool parse_digits(const char *text, uint64_t *ret_number, const char **ret_rest) {
  if (!is_digit(text[0])) return false;
  char *rest = NULL;
  errno = 0;
  unsigned long long number = strtoull(text, &rest, 10);
  if (errno != 0) return false;
  *ret_number = number;
  *ret_rest = rest;
  return true;
}

bool tp_cli_number_parse(const tp_cli_command *command, const char *what, const char *text, uint64_t minimum,
                         uint64_t maximum, uint64_t *ret_number) {
  uint64_t number = 0;
  const char *rest = NULL;
  if (!parse_digits(text, &number, &rest) || *rest != '\0' || number < minimum || number > maximum) {
    tp_cli_fail_usage(command, "%s must be an integer from %llu to %llu, not '%s'", what,
                      (unsigned long long)minimum, (unsigned long long)maximum, text);
    return false;
  }
  *ret_number = number;
  return true;
}

bool tp_cli_duration_parse(const tp_cli_command *command, const char *what, const char *text,
                           int64_t *ret_duration_ms) {
  static const struct {
    const char *name;
    uint64_t ms;
  } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
  uint64_t number = 0;
  const char *rest = NULL;
  if (parse_digits(text, &number, &rest)) {
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
      if (strcmp(rest, units[i].name) != 0 || number > (uint64_t)INT64_MAX / units[i].ms) continue;
      *ret_duration_ms = (int64_t)(number * units[i].ms);
      return true;
    }
  }
  tp_cli_fail_usage(command, "%s must be a duration such as 500ms, 10s, 5m, 2h or 7d, not '%s'", what, text);
  return false;
}
