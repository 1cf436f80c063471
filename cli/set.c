/* set.c: `tuplet set`, stores a value. */
#include "database.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "source.h"

typedef struct set_request {
  const char *key;
  tp_cli_source value;
  int64_t expire_in_ms;
} set_request;

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, set_request *ret_request,
                         bool *ret_go) {
  enum { EXPIRE_IN = TP_CLI_OPTION_LONG_ONLY };
  static const struct option long_options[] = {
      TP_CLI_COMMON_LONG, TP_CLI_SOURCE_LONG, {"expire-in", required_argument, NULL, EXPIRE_IN}, {0}};
  set_request request = {.expire_in_ms = TUPLET_NEVER};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_set, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case EXPIRE_IN:
      if (!tp_cli_duration_parse(&tp_cli_set, "--expire-in", optarg, &request.expire_in_ms)) {
        return TP_CLI_EXIT_USAGE;
      }
      break;
    case TP_CLI_OPTION_STOP: return options.exit;
    default:
      if (!tp_cli_source_option(&tp_cli_set, option, &request.value)) return TP_CLI_EXIT_USAGE;
      break;
    }
  }
  if (options.operand_count < 1) return tp_cli_fail_usage(&tp_cli_set, "a key is missing");
  char **operands = tp_cli_operands(&options);
  request.key = operands[0];
  tp_cli_exit code =
      tp_cli_source_operands(&tp_cli_set, operands + 1, options.operand_count - 1, &request.value);
  if (code != TP_CLI_EXIT_OK) return code;
  *ret_request = request;
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  set_request request = {0};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;

  tuplet_error error = {0};
  tuplet_db *db = NULL;
  tuplet_owned key = {0};
  tp_cli_value value = {0};
  tuplet_versionstamp versionstamp = {{0}};
  code = tp_cli_key_read("key", request.key, &key);
  if (code != TP_CLI_EXIT_OK) goto out;
  code = tp_cli_source_read(&request.value, &value);
  if (code != TP_CLI_EXIT_OK) goto out;
  code = tp_cli_database_open(context, TP_CLI_WRITE, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  if (tuplet_set(db, tuplet_key_of(tuplet_view(key.data, key.size)), value.value, request.expire_in_ms,
                 &versionstamp, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  tp_cli_write_commit(context, &versionstamp);
out:
  tuplet_close(db);
  tp_cli_value_done(&value);
  tuplet_owned_free(&key);
  return code;
}

const tp_cli_command tp_cli_set = {
    .name = "set",
    .summary = "store a value under a key",
    .help = "Usage: tuplet set [OPTION]... KEY VALUE\n"
            "       tuplet set [OPTION]... KEY --value-file FILE\n"
            "\n"
            "Stores a value, whatever was there, and prints the commit's versionstamp once\n"
            "the value is on disk. KEY and VALUE are JavaScript text; a VALUE of - is read\n"
            "from standard input. The file is made when it is not there.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "      --expire-in TIME   the entry is gone after this time: 500ms, 10s, 5m, 2h,\n"
            "                         7d, or milliseconds\n"
            "      --value-file FILE  read the value from FILE; - is standard input\n"
            "      --encoding ENC     how to read the value: text (JavaScript, the default),\n"
            "                         json, bytes (a Uint8Array of the bytes of FILE), v8 or\n"
            "                         le64 (bytes of FILE that are encoded already)\n"
            "      --raw              the same as --encoding bytes\n"
            "  -j, --json             print the outcome as a JSON object\n"
            "  -q, --quiet            print nothing\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 stored, 2 usage, 4 invalid key or value, 5 the database cannot be\n"
            "written.\n"
            "\n"
            "  tuplet set -d app.sqlite3 '[\"users\", 1n]' '{name: \"Alice\"}'\n"
            "  tuplet set -d app.sqlite3 '[\"logo\"]' --raw --value-file logo.png\n",
    .run = run,
};
