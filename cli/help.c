/* help.c: `tuplet help` and `tuplet version`; the table of the commands. */
#include <stdio.h>
#include <string.h>
#include <tuplet.h>

#include "options.h"
#include "output.h"
#include "report.h"

static const tp_cli_command *const commands[] = {
    &tp_cli_get,    &tp_cli_set,     &tp_cli_delete, &tp_cli_list,  &tp_cli_watch,
    &tp_cli_atomic, &tp_cli_enqueue, &tp_cli_listen, &tp_cli_codec, &tp_cli_serve,
    &tp_cli_db,     &tp_cli_token,   &tp_cli_bench,  &tp_cli_help,  &tp_cli_version,
};

static const char overview_head[] = "Usage: tuplet [OPTION]... COMMAND [ARGUMENT]...\n"
                                    "\n"
                                    "Keeps Deno KV data: on a file, from scripts, or as a server.\n"
                                    "\n";

static const char overview_tail[] =
    "\n"
    "Options, before the command or after it (-V only before; serve knows no -j and -q):\n"
    "  -d, --db PATH        the database: a file, :memory:, or the URL of a server, as in\n"
    "                       https://kv.example.com/orders. Without it, what\n"
    "                       DENO_KV_SQLITE_PATH or DENO_KV_DEFAULT_PATH names, or a file of\n"
    "                       the user's that belongs to the working directory\n"
    "      --sqlite-path P  the same as --db\n"
    "      --url URL        the same as --db\n"
    "      --access-token-file FILE\n"
    "                       holds the access token of a server in its first line. When not\n"
    "                       given, DENO_KV_ACCESS_TOKEN is the token\n"
    "  -j, --json           print JSON, one object on a line\n"
    "  -q, --quiet          do not print the versionstamps of commits\n"
    "  -h, --help           print help; also: tuplet COMMAND --help\n"
    "  -V, --version        print the version\n"
    "\n"
    "Keys and values are JavaScript: '[\"users\", 1n]', '{name: \"Alice\", tags: new Set()}'.\n"
    "\n"
    "Exit status: 0 success, 1 not found, 2 usage, 3 a check failed, 4 invalid data,\n"
    "5 the database, input or output failed. More: man tuplet.\n";

const tp_cli_command *tp_cli_command_find(const char *name) {
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(name, commands[i]->name) == 0) return commands[i];
  }
  return NULL;
}

static void print_overview(tp_cli_context *context) {
  tp_cli_write_text(context, overview_head);
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    char line[100];
    snprintf(line, sizeof line, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    tp_cli_write_text(context, line);
  }
  tp_cli_write_text(context, overview_tail);
}

tp_cli_exit tp_cli_help_print(tp_cli_context *context, const tp_cli_command *command) {
  if (command == NULL) {
    print_overview(context);
  } else if (command->help != NULL) {
    tp_cli_write_text(context, command->help);
  } else {
    char name[] = "help";
    char option[] = "--help";
    char *argv[] = {name, option, NULL};
    return command->run(context, 2, argv);
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit run_help(tp_cli_context *context, int argc, char **argv) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG, {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_help, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  if (tp_cli_options_next(&options) != TP_CLI_OPTION_END) return options.exit;
  if (options.operand_count == 0) return tp_cli_help_print(context, NULL);
  const char *name = tp_cli_operands(&options)[0];
  const tp_cli_command *command = tp_cli_command_find(name);
  if (command == NULL) return tp_cli_fail_usage(NULL, "'%s' is not a command", name);
  return tp_cli_help_print(context, command);
}

static tp_cli_exit run_version(tp_cli_context *context, int argc, char **argv) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG, {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_version, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  if (tp_cli_options_next(&options) != TP_CLI_OPTION_END) return options.exit;
  tp_cli_write_text(context, context->json ? "{\"version\":\"" : "tuplet ");
  tp_cli_write_text(context, tuplet_version());
  tp_cli_write_text(context, context->json ? "\"}\n" : "\n");
  return TP_CLI_EXIT_OK;
}

const tp_cli_command tp_cli_help = {
    .name = "help",
    .summary = "explain a command",
    .help = "Usage: tuplet help [COMMAND]\n"
            "\n"
            "Prints what a command does and what it takes; without one, what commands there are.\n",
    .run = run_help,
};

const tp_cli_command tp_cli_version = {
    .name = "version",
    .summary = "print the version",
    .help = "Usage: tuplet version [--json]\n"
            "\n"
            "Prints the version of the program and of its library.\n",
    .run = run_version,
};
