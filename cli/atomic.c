/* atomic.c: `tuplet atomic`, several operations as a whole or not at all.
 *
 * Everything is parsed before the database is opened, so that a mistake touches nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "input.h"
#include "operation.h"
#include "options.h"
#include "output.h"
#include "report.h"

/* The operations so far, each with where it came from. */
typedef struct gathered {
  tp_cli_operation *operations;
  size_t count;
  size_t capacity;
} gathered;

static void gathered_done(gathered *all) {
  for (size_t i = 0; i < all->count; i++) tp_cli_operation_done(&all->operations[i]);
  free(all->operations);
}

/* Parses one operation and keeps it. */
static tp_cli_exit gather(gathered *all, const char *where, tp_cli_words *words) {
  if (all->count == all->capacity) {
    size_t capacity = all->capacity == 0 ? 16 : all->capacity * 2;
    tp_cli_operation *larger = realloc(all->operations, capacity * sizeof *larger);
    if (larger == NULL) return tp_cli_fail_memory();
    all->operations = larger;
    all->capacity = capacity;
  }
  return tp_cli_operation_parse(where, words, &all->operations[all->count++]);
}

/* One operation a line, its words apart by tabs; empty lines and those that begin with # do not count. */
static tp_cli_exit gather_line(gathered *all, size_t number, char *line) {
  enum { WORDS_MAX = 32 }; /* no operation has more */
  char *items[WORDS_MAX + 1];
  tp_cli_words words = {.items = items};
  char where[40];
  if (line[0] == '\0' || line[0] == '#') return TP_CLI_EXIT_OK;
  snprintf(where, sizeof where, "line %zu", number);
  for (char *word = line; word != NULL && words.count <= WORDS_MAX;) {
    items[words.count++] = strsep(&word, "\t");
  }
  tp_cli_exit code = gather(all, where, &words);
  if (code != TP_CLI_EXIT_OK || words.next == words.count) return code;
  return tp_cli_fail_usage(&tp_cli_atomic, "%s: '%s' is one word too many", where, items[words.next]);
}

static tp_cli_exit gather_input(gathered *all) {
  char *data = NULL;
  size_t size = 0;
  tp_cli_exit code = tp_cli_input_read("-", &data, &size);
  if (code != TP_CLI_EXIT_OK) return code;
  char *rest = data;
  size_t line_size = 0;
  size_t number = 1;
  for (char *line; code == TP_CLI_EXIT_OK && (line = tp_cli_line_next(&rest, &size, &line_size)) != NULL;) {
    if (strlen(line) != line_size) {
      code = tp_cli_fail_as(TP_CLI_EXIT_DATA, "line %zu: there is a NUL in it", number);
    } else {
      code = gather_line(all, number, line);
    }
    number++;
  }
  free(data);
  return code;
}

static tp_cli_exit gather_words(gathered *all, tp_cli_words *words) {
  while (words->next < words->count) {
    tp_cli_exit code = TP_CLI_EXIT_OK;
    if (strcmp(words->items[words->next], "-") == 0) {
      words->next++;
      code = gather_input(all);
    } else {
      char where[40];
      snprintf(where, sizeof where, "operation %zu", all->count + 1);
      code = gather(all, where, words);
    }
    if (code != TP_CLI_EXIT_OK) return code;
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit write_conflict(tp_cli_context *context, const tuplet_commit *commit) {
  if (context->json) tp_cli_write_text(context, "{\"ok\":false,\"failedChecks\":[");
  for (uint32_t i = 0; i < commit->failed_check_count; i++) {
    char number[16];
    const char *separator = context->json ? "," : " ";
    snprintf(number, sizeof number, "%s%u", i == 0 ? "" : separator, commit->failed_checks[i]);
    tp_cli_write_text(context, number);
  }
  tp_cli_write_text(context, context->json ? "]}\n" : "\n");
  return TP_CLI_EXIT_CONFLICT;
}

static tp_cli_exit commit_all(tp_cli_context *context, const gathered *all, tuplet_db *db) {
  tuplet_error error = {0};
  tuplet_commit commit = {0};
  tp_cli_exit code = TP_CLI_EXIT_OK;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL) return tp_cli_fail_memory();
  for (size_t i = 0; i < all->count; i++) {
    if (tp_cli_operation_add(&all->operations[i], atomic, &error) == TUPLET_OK) continue;
    char where[40];
    snprintf(where, sizeof where, "operation %zu", i + 1);
    code = tp_cli_fail(where, &error);
    goto out;
  }
  switch (tuplet_atomic_commit(atomic, &commit, &error)) {
  case TUPLET_OK: tp_cli_write_commit(context, &commit.versionstamp); break;
  case TUPLET_CONFLICT: code = write_conflict(context, &commit); break;
  default: code = tp_cli_fail(NULL, &error); break;
  }
out:
  tuplet_atomic_free(atomic);
  return code;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG, {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_atomic, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  options.operands_last = true;
  if (tp_cli_options_next(&options) != TP_CLI_OPTION_END) return options.exit;
  char **items = tp_cli_operands(&options);
  tp_cli_words words = {.items = items, .count = (size_t)(argv + argc - items)};
  if (words.count == 0) return tp_cli_fail_usage(&tp_cli_atomic, "an operation is missing");

  gathered all = {0};
  tuplet_db *db = NULL;
  tp_cli_exit code = gather_words(&all, &words);
  if (code == TP_CLI_EXIT_OK) code = tp_cli_database_open(context, TP_CLI_WRITE, &db);
  if (code == TP_CLI_EXIT_OK) code = commit_all(context, &all, db);
  tuplet_close(db);
  gathered_done(&all);
  return code;
}

const tp_cli_command tp_cli_atomic = {
    .name = "atomic",
    .summary = "check and change several keys, as a whole or not at all",
    .help = "Usage: tuplet atomic [OPTION]... OPERATION...\n"
            "       tuplet atomic [OPTION]... -\n"
            "\n"
            "Commits the operations together: if every check holds, everything is written, and\n"
            "the commit's versionstamp is printed. If one fails, nothing is written, and the\n"
            "numbers of the checks that failed are printed (0 is the first check).\n"
            "\n"
            "Operations:\n"
            "  check KEY VERSIONSTAMP    the key's versionstamp is this one\n"
            "  check KEY null            the key has no entry\n"
            "  set KEY VALUE [--expire-in TIME]\n"
            "  set-versionstamped PREFIX VALUE [--expire-in TIME]\n"
            "                            a set whose key is PREFIX and the commit's versionstamp\n"
            "  delete KEY\n"
            "  sum KEY NUMBER            64-bit counters (Deno.KvU64): wrapping sum,\n"
            "  min KEY NUMBER            the smaller,\n"
            "  max KEY NUMBER            the larger; NUMBER is 5n or 5\n"
            "  sum-value KEY VALUE [--min VALUE] [--max VALUE] [--clamp]\n"
            "                            a sum of bigints or numbers; fails outside of the\n"
            "                            bounds, or stores the bound with --clamp\n"
            "  enqueue VALUE [--delay TIME] [--undelivered KEY]... [--backoff LIST]\n"
            "                            a message for the queue: see tuplet enqueue --help\n"
            "  -                         operations from standard input, one on a line, the\n"
            "                            words apart by tabs; lines that are empty or begin\n"
            "                            with # do not count\n"
            "\n"
            "Options, before the first operation:\n" TP_CLI_DATABASE_HELP "\n"
            "  -j, --json                print the outcome as a JSON object:\n"
            "                            {\"ok\":true,\"versionstamp\":\"...\"} or\n"
            "                            {\"ok\":false,\"failedChecks\":[...]}\n"
            "  -q, --quiet               print no versionstamp\n"
            "  -h, --help                print this\n"
            "\n"
            "Exit status: 0 written, 2 usage, 3 a check failed, 4 an operation is not valid or\n"
            "cannot be done, 5 the database cannot be written.\n"
            "\n"
            "  tuplet atomic -d app.sqlite3 check '[\"a\"]' null set '[\"a\"]' 1 sum '[\"n\"]' 5n\n"
            "  tuplet list -d old.sqlite3 | sed 's/^/set\\t/' | tuplet atomic -d new.sqlite3 -\n",
    .run = run,
};
