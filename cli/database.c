/* database.c: the database that the command line names. */
#include "database.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

tp_cli_exit tp_cli_database_open(const tp_cli_context *context, tp_cli_access access, tuplet_db **ret_db) {
  const char *path = context->db_path;
  if (path == NULL) path = getenv("DENO_KV_SQLITE_PATH");
  if (path != NULL && path[0] == '\0') path = NULL;

  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = access == TP_CLI_READ && (path == NULL || strcmp(path, ":memory:") != 0);
  tuplet_error error = {0};
  if (tuplet_open(path, &options, ret_db, &error) == TUPLET_OK) return TP_CLI_EXIT_OK;
  return tp_cli_fail(NULL, &error);
}

bool tp_cli_consistency_parse(const tp_cli_command *command, const char *text,
                              tuplet_consistency *ret_consistency) {
  if (strcmp(text, "strong") == 0) {
    *ret_consistency = TUPLET_CONSISTENCY_STRONG;
    return true;
  }
  if (strcmp(text, "eventual") == 0) {
    *ret_consistency = TUPLET_CONSISTENCY_EVENTUAL;
    return true;
  }
  tp_cli_fail_usage(command, "--consistency must be strong or eventual, not '%s'", text);
  return false;
}
