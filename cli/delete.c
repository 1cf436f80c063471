/* delete.c: `tuplet delete`, removes entries. */
#include "database.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "value.h"

/* Adds the removal of each key to an atomic operation, so that all go at once. */
static tp_cli_exit add_keys(tuplet_atomic *atomic, char **keys, int key_count) {
  for (int i = 0; i < key_count; i++) {
    tuplet_error error = {0};
    tuplet_owned key = {0};
    tp_cli_exit code = tp_cli_key_read("key", keys[i], &key);
    if (code != TP_CLI_EXIT_OK) return code;
    tuplet_status status =
        tuplet_atomic_delete(atomic, tuplet_key_of(tuplet_view(key.data, key.size)), &error);
    tuplet_owned_free(&key);
    if (status != TUPLET_OK) return tp_cli_fail(keys[i], &error);
  }
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static const struct option long_options[] = {TP_CLI_COMMON_LONG, {0}};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_delete, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  if (tp_cli_options_next(&options) != TP_CLI_OPTION_END) return options.exit;
  if (options.operand_count == 0) return tp_cli_fail_usage(&tp_cli_delete, "a key is missing");

  tuplet_error error = {0};
  tuplet_commit commit = {0};
  tuplet_atomic *atomic = NULL;
  tuplet_db *db = NULL;
  tp_cli_exit code = tp_cli_database_open(context, TP_CLI_WRITE, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  atomic = tuplet_atomic_new(db);
  if (atomic == NULL) {
    code = tp_cli_fail_memory();
    goto out;
  }
  code = add_keys(atomic, tp_cli_operands(&options), options.operand_count);
  if (code != TP_CLI_EXIT_OK) goto out;
  if (tuplet_atomic_commit(atomic, &commit, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  tp_cli_write_commit(context, &commit.versionstamp);
out:
  tuplet_atomic_free(atomic);
  tuplet_close(db);
  return code;
}

const tp_cli_command tp_cli_delete = {
    .name = "delete",
    .summary = "remove a key and its value",
    .help = "Usage: tuplet delete [OPTION]... KEY...\n"
            "\n"
            "Removes the entries of the keys, all at once, and prints the commit's\n"
            "versionstamp. A key that has no entry is no error.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "  -j, --json             print the outcome as a JSON object\n"
            "  -q, --quiet            print nothing\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 removed, 2 usage, 4 invalid key, 5 the database cannot be written.\n"
            "\n"
            "  tuplet delete -d app.sqlite3 '[\"users\", 1n]'\n",
    .run = run,
};
