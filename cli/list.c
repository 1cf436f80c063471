/* list.c: `tuplet list`, entries in key order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "options.h"
#include "output.h"
#include "range.h"
#include "report.h"
#include "value.h"

typedef struct list_request {
  tp_cli_range_texts range;
  uint64_t limit; /* 0: none */
  tuplet_list_options options;
  tp_cli_entry_form form;
  bool show_cursor;
} list_request;

enum { PREFIX = TP_CLI_OPTION_LONG_ONLY, START, END, LIMIT, BATCH_SIZE, CURSOR, SHOW_CURSOR, CONSISTENCY };

/* False when the command ends here, with *ret_code. */
static bool take_option(int option, list_request *request, const tp_cli_options *options,
                        tp_cli_exit *ret_code) {
  uint64_t number = 0;
  *ret_code = TP_CLI_EXIT_USAGE;
  switch (option) {
  case PREFIX: request->range.prefix = optarg; return true;
  case START: request->range.start = optarg; return true;
  case END: request->range.end = optarg; return true;
  case LIMIT: return tp_cli_number_parse(&tp_cli_list, "--limit", optarg, 1, INT64_MAX, &request->limit);
  case BATCH_SIZE:
    if (!tp_cli_number_parse(&tp_cli_list, "--batch-size", optarg, 1, 1000, &number)) return false;
    request->options.batch_size = (uint32_t)number;
    return true;
  case CURSOR: request->options.cursor = optarg; return true;
  case SHOW_CURSOR: request->show_cursor = true; return true;
  case CONSISTENCY: return tp_cli_consistency_parse(&tp_cli_list, optarg, &request->options.consistency);
  case 'r': request->options.reverse = true; return true;
  case 'k': request->form = TP_CLI_ENTRY_KEY; return true;
  default: *ret_code = options->exit; return false;
  }
}

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, list_request *request,
                         bool *ret_go) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               {"prefix", required_argument, NULL, PREFIX},
                                               {"start", required_argument, NULL, START},
                                               {"end", required_argument, NULL, END},
                                               {"limit", required_argument, NULL, LIMIT},
                                               {"batch-size", required_argument, NULL, BATCH_SIZE},
                                               {"cursor", required_argument, NULL, CURSOR},
                                               {"show-cursor", no_argument, NULL, SHOW_CURSOR},
                                               {"consistency", required_argument, NULL, CONSISTENCY},
                                               {"reverse", no_argument, NULL, 'r'},
                                               {"keys-only", no_argument, NULL, 'k'},
                                               {0}};
  tp_cli_exit code = TP_CLI_EXIT_OK;
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_list, context, argc, argv, long_options, TP_CLI_COMMON_SHORT "rk");
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    if (!take_option(option, request, &options, &code)) return code;
  }
  char **operands = tp_cli_operands(&options);
  if (options.operand_count > 1) {
    return tp_cli_fail_usage(&tp_cli_list, "'%s' is one argument too many", operands[1]);
  }
  if (options.operand_count == 1) {
    if (request->range.prefix != NULL) return tp_cli_fail_usage(&tp_cli_list, "the prefix is given twice");
    request->range.prefix = operands[0];
  }
  /* Everything, unless both ends of the range are given. */
  if (request->range.prefix == NULL && (request->range.start == NULL || request->range.end == NULL))
    request->range.prefix = "[]";
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

/* What comes after the last entry: "" when there is nothing more. */
static tp_cli_exit write_cursor(tp_cli_context *context, const char *cursor) {
  if (!context->json) {
    if (cursor[0] != '\0') fprintf(stderr, "cursor: %s\n", cursor);
    return TP_CLI_EXIT_OK;
  }
  tp_cli_write_text(context, "{\"cursor\":");
  tp_cli_exit code = tp_cli_write_json_string(context, cursor, strlen(cursor));
  tp_cli_write_text(context, "}\n");
  return code;
}

/* Writes the entries up to the limit. *ret_cursor: a copy of the last one's cursor if there are more, else
 * NULL. An entry that is damaged is reported and skipped. */
static tp_cli_exit write_entries(tp_cli_context *context, const list_request *request, tuplet_list *list,
                                 char **ret_cursor) {
  tuplet_error error = {0};
  tp_cli_exit result = TP_CLI_EXIT_OK;
  char *cursor = NULL;
  for (uint64_t written = 0; context->write_errno == 0; written++) {
    const tuplet_entry *entry = NULL;
    const char *last = NULL;
    if (request->show_cursor && request->limit != 0 && written == request->limit) {
      if (tuplet_list_cursor(list, &last, &error) != TUPLET_OK) return tp_cli_fail(NULL, &error);
      cursor = strdup(last);
      if (cursor == NULL) return tp_cli_fail_memory();
    }
    tuplet_status status = tuplet_list_next(list, &entry, &error);
    if (status == TUPLET_OK && cursor != NULL) { /* the one past the limit */
      *ret_cursor = cursor;
      return result;
    }
    if (status != TUPLET_OK) {
      free(cursor);
      return status == TUPLET_DONE ? result : tp_cli_fail(NULL, &error);
    }
    tp_cli_exit code = tp_cli_write_entry(context, entry, request->form);
    if (code != TP_CLI_EXIT_OK) result = code;
  }
  return result;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  list_request request = {.form = TP_CLI_ENTRY_WHOLE, .options = TUPLET_LIST_OPTIONS_INIT};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;

  tuplet_error error = {0};
  tp_cli_range range = {0};
  tuplet_db *db = NULL;
  tuplet_list *list = NULL;
  char *cursor = NULL;
  code = tp_cli_range_init(&request.range, &range);
  if (code != TP_CLI_EXIT_OK) goto out;
  code = tp_cli_database_open(context, TP_CLI_READ, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  /* One more than wanted tells whether the cursor leads anywhere. */
  request.options.limit = request.limit + (request.show_cursor && request.limit != 0 ? 1 : 0);
  if (tuplet_list_open(db, &range.selector, &request.options, &list, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  code = write_entries(context, &request, list, &cursor);
  if (request.show_cursor && (code == TP_CLI_EXIT_OK || code == TP_CLI_EXIT_DATA)) {
    tp_cli_exit written = write_cursor(context, cursor != NULL ? cursor : "");
    if (written != TP_CLI_EXIT_OK) code = written;
  }
out:
  free(cursor);
  tuplet_list_close(list);
  tuplet_close(db);
  tp_cli_range_done(&range);
  return code;
}

const tp_cli_command tp_cli_list = {
    .name = "list",
    .summary = "print the entries under a prefix or in a range, in key order",
    .help = "Usage: tuplet list [OPTION]... [PREFIX]\n"
            "\n"
            "Prints a line for each entry in key order: key, tab, value. Without a prefix and\n"
            "a range, every entry.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --prefix KEY       only keys that extend KEY; the same as PREFIX\n"
            "      --start KEY        from KEY on; with a prefix it must extend that\n"
            "      --end KEY          up to KEY, without it; likewise\n"
            "      --limit N          at most N entries\n"
            "  -r, --reverse          from the last key to the first\n"
            "      --cursor CURSOR    go on where an earlier list with the same range stopped\n"
            "      --show-cursor      when the limit leaves entries out, print \"cursor: CURSOR\"\n"
            "                         to standard error; with --json, always print a last line\n"
            "                         {\"cursor\":\"CURSOR\"}, with \"\" when nothing is left\n"
            "  -k, --keys-only        print the keys alone\n"
            "      --batch-size N     entries fetched at a time, 1 to 1000, each batch one\n"
            "                         snapshot (default: the limit or 100, at most 500)\n"
            "      --consistency C    strong (the default) or eventual\n"
            "  -j, --json             print a JSON object on a line for each entry\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 success (also when there are no entries), 2 usage, 4 invalid key,\n"
            "range or cursor, or a damaged entry (the others are printed), 5 the database\n"
            "cannot be read.\n"
            "\n"
            "  tuplet list -d app.sqlite3 '[\"users\"]' --limit 10\n"
            "  tuplet list -d app.sqlite3 --start '[\"a\"]' --end '[\"b\"]' --json\n",
    .run = run,
};
