/* get.c: `tuplet get`, the entries of some keys. */
#include <stdlib.h>

#include "database.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "value.h"

typedef struct get_request {
  char **keys;
  size_t key_count;
  tp_cli_entry_form form;
  bool raw;
  tuplet_consistency consistency;
} get_request;

static tp_cli_exit parse(tp_cli_context *context, int argc, char **argv, get_request *ret_request,
                         bool *ret_go) {
  enum { VERSIONSTAMP = TP_CLI_OPTION_LONG_ONLY, RAW, CONSISTENCY };
  static const struct option long_options[] = {TP_CLI_COMMON_LONG,
                                               {"versionstamp", no_argument, NULL, VERSIONSTAMP},
                                               {"raw", no_argument, NULL, RAW},
                                               {"consistency", required_argument, NULL, CONSISTENCY},
                                               {0}};
  get_request request = {.form = TP_CLI_ENTRY_VALUE};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_get, context, argc, argv, long_options, TP_CLI_COMMON_SHORT);
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    switch (option) {
    case VERSIONSTAMP: request.form = TP_CLI_ENTRY_STAMP; break;
    case RAW: request.raw = true; break;
    case CONSISTENCY:
      if (!tp_cli_consistency_parse(&tp_cli_get, optarg, &request.consistency)) return TP_CLI_EXIT_USAGE;
      break;
    default: return options.exit;
    }
  }
  request.keys = tp_cli_operands(&options);
  request.key_count = (size_t)options.operand_count;
  if (request.key_count == 0) return tp_cli_fail_usage(&tp_cli_get, "a key is missing");
  if (request.raw && (request.key_count > 1 || context->json || request.form == TP_CLI_ENTRY_STAMP)) {
    return tp_cli_fail_usage(&tp_cli_get, "--raw gives the bytes of one value and nothing else");
  }
  if (request.key_count > 1 && request.form == TP_CLI_ENTRY_VALUE) request.form = TP_CLI_ENTRY_WHOLE;
  *ret_request = request;
  *ret_go = true;
  return TP_CLI_EXIT_OK;
}

static tp_cli_exit write_entries(tp_cli_context *context, const get_request *request,
                                 const tuplet_entries *entries) {
  tp_cli_exit result = TP_CLI_EXIT_OK;
  for (size_t i = 0; i < entries->count; i++) {
    const tuplet_entry *entry = &entries->items[i];
    if (!entry->exists && result == TP_CLI_EXIT_OK) result = TP_CLI_EXIT_ABSENT;
    if (request->raw) {
      tp_cli_write(context, entry->value.data.data, entry->value.data.size);
      continue;
    }
    tp_cli_exit code = tp_cli_write_entry(context, entry, request->form);
    if (code != TP_CLI_EXIT_OK) result = code;
  }
  return result;
}

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  get_request request = {0};
  bool go = false;
  tp_cli_exit code = parse(context, argc, argv, &request, &go);
  if (!go) return code;

  tuplet_error error = {0};
  tuplet_db *db = NULL;
  tuplet_entries *entries = NULL;
  tuplet_owned *encoded = calloc(request.key_count, sizeof *encoded);
  tuplet_key *keys = calloc(request.key_count, sizeof *keys);
  if (encoded == NULL || keys == NULL) {
    code = tp_cli_fail_memory();
    goto out;
  }
  for (size_t i = 0; i < request.key_count; i++) {
    code = tp_cli_key_read("key", request.keys[i], &encoded[i]);
    if (code != TP_CLI_EXIT_OK) goto out;
    keys[i] = tuplet_key_of(tuplet_view(encoded[i].data, encoded[i].size));
  }
  code = tp_cli_database_open(context, TP_CLI_READ, &db);
  if (code != TP_CLI_EXIT_OK) goto out;
  if (tuplet_get_many(db, keys, request.key_count, request.consistency, &entries, &error) != TUPLET_OK) {
    code = tp_cli_fail(NULL, &error);
    goto out;
  }
  code = write_entries(context, &request, entries);
out:
  tuplet_entries_free(entries);
  tuplet_close(db);
  if (encoded != NULL) {
    for (size_t i = 0; i < request.key_count; i++) tuplet_owned_free(&encoded[i]);
  }
  free(encoded);
  free(keys);
  return code;
}

const tp_cli_command tp_cli_get = {
    .name = "get",
    .summary = "print the value of a key",
    .help = "Usage: tuplet get [OPTION]... KEY...\n"
            "\n"
            "Prints the value of a key as JavaScript text. With several keys (at most 10,\n"
            "read in one snapshot) prints a line for each: key, tab, value; nothing stands\n"
            "after the tab when there is no such entry.\n"
            "\n" TP_CLI_DATABASE_HELP "\n"
            "  -j, --json             print a JSON object on a line for each key\n"
            "      --raw              print the bytes of the value as they are stored, with\n"
            "                         no newline: those of a Uint8Array are its own\n"
            "      --versionstamp     print the versionstamp instead of the value\n"
            "      --consistency C    strong (the default) or eventual\n"
            "  -h, --help             print this\n"
            "\n"
            "Exit status: 0 every key has a value, 1 one has none, 2 usage, 4 invalid key,\n"
            "5 the database cannot be read.\n"
            "\n"
            "  tuplet get -d app.sqlite3 '[\"users\", 1n]'\n",
    .run = run,
};
