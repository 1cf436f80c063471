/* command.h: what the commands of the `tuplet` program have in common: what they are given, what they return.
 *
 * Each command is one file that defines one tp_cli_command; main.c finds it by name and runs it. A command
 * reports its own errors (report.h) and leaves it to main.c to flush standard output. */
#ifndef TP_CLI_COMMAND_H
#define TP_CLI_COMMAND_H

#include <stdbool.h>

/* The program's exit codes; scripts rely on the numbers. */
typedef enum tp_cli_exit {
  TP_CLI_EXIT_OK = 0,
  TP_CLI_EXIT_ABSENT = 1,   /* no such entry; a watch that timed out before its count */
  TP_CLI_EXIT_USAGE = 2,    /* the command line is wrong */
  TP_CLI_EXIT_CONFLICT = 3, /* a check of an atomic operation failed */
  TP_CLI_EXIT_DATA = 4,     /* a key, a value or an operation is not valid: syntax, type, range, limit */
  TP_CLI_EXIT_SYSTEM = 5    /* the database cannot be used, or input or output failed */
} tp_cli_exit;

/* What holds for a run of the program, whatever the command. */
typedef struct tp_cli_context {
  const char *db_path;    /* --db, a path or a URL; NULL when not given */
  const char *token_path; /* --access-token-file; NULL when not given */
  bool json;              /* --json */
  bool quiet;             /* --quiet */
  bool committed;         /* something was written to the database, and is there whatever else fails */
  int write_errno;        /* why writing to standard output failed; 0 while it works */
} tp_cli_context;

typedef struct tp_cli_command {
  const char *name;
  const char *summary; /* one line for the overview */
  const char *help;    /* the whole text of --help; NULL when the command prints its own */
  /* argv[0] is the command's name. */
  tp_cli_exit (*run)(tp_cli_context *context, int argc, char **argv);
} tp_cli_command;

extern const tp_cli_command tp_cli_get;
extern const tp_cli_command tp_cli_set;
extern const tp_cli_command tp_cli_delete;
extern const tp_cli_command tp_cli_list;
extern const tp_cli_command tp_cli_watch;
extern const tp_cli_command tp_cli_atomic;
extern const tp_cli_command tp_cli_enqueue;
extern const tp_cli_command tp_cli_listen;
extern const tp_cli_command tp_cli_codec;
extern const tp_cli_command tp_cli_serve;
extern const tp_cli_command tp_cli_token;
extern const tp_cli_command tp_cli_db;
extern const tp_cli_command tp_cli_bench;
extern const tp_cli_command tp_cli_help;
extern const tp_cli_command tp_cli_version;

/* The command of that name, or NULL. */
const tp_cli_command *tp_cli_command_find(const char *name);

/* Prints the program's own help, or that of a command. */
tp_cli_exit tp_cli_help_print(tp_cli_context *context, const tp_cli_command *command);

#endif
