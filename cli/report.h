/* report.h: errors of the program to standard error, and the exit codes that go with them. */
#ifndef TP_CLI_REPORT_H
#define TP_CLI_REPORT_H

#include <tuplet.h>

#include "command.h"

/* The exit code of a status. */
tp_cli_exit tp_cli_exit_of(tuplet_status status);

/* Prints "tuplet: WHERE: MESSAGE" (WHERE may be NULL) and returns the exit code of the error's status. */
tp_cli_exit tp_cli_fail(const char *where, const tuplet_error *error);

/* Prints "tuplet: " and the message, and returns `code`. */
tp_cli_exit tp_cli_fail_as(tp_cli_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, in the program itself. */
tp_cli_exit tp_cli_fail_memory(void);

/* Prints a mistake of the command line and where help is to be had; returns TP_CLI_EXIT_USAGE. command may be
 * NULL. */
tp_cli_exit tp_cli_fail_usage(const tp_cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
