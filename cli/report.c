/* report.c: errors of the program to standard error. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

tp_cli_exit tp_cli_exit_of(tuplet_status status) {
  switch (status) {
  case TUPLET_OK:
  case TUPLET_DONE: return TP_CLI_EXIT_OK;
  case TUPLET_NOT_FOUND:
  case TUPLET_TIMEOUT: return TP_CLI_EXIT_ABSENT;
  case TUPLET_CONFLICT: return TP_CLI_EXIT_CONFLICT;
  case TUPLET_INVALID:
  case TUPLET_LIMIT:
  case TUPLET_SYNTAX:
  case TUPLET_MALFORMED:
  case TUPLET_TYPE:
  case TUPLET_RANGE: return TP_CLI_EXIT_DATA;
  default: return TP_CLI_EXIT_SYSTEM;
  }
}

tp_cli_exit tp_cli_fail(const char *where, const tuplet_error *error) {
  if (where != NULL) {
    fprintf(stderr, "tuplet: %s: %s\n", where, error->message);
  } else {
    fprintf(stderr, "tuplet: %s\n", error->message);
  }
  return tp_cli_exit_of(error->status);
}

tp_cli_exit tp_cli_fail_as(tp_cli_exit code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("tuplet: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return code;
}

tp_cli_exit tp_cli_fail_memory(void) {
  return tp_cli_fail_as(TP_CLI_EXIT_SYSTEM, "out of memory");
}

tp_cli_exit tp_cli_fail_usage(const tp_cli_command *command, const char *format, ...) {
  const char *space = command != NULL ? " " : "";
  const char *name = command != NULL ? command->name : "";
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "tuplet%s%s: ", space, name);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\nTry 'tuplet%s%s --help'.\n", space, name);
  va_end(arguments);
  return TP_CLI_EXIT_USAGE;
}
