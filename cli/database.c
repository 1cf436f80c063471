/* database.c: the database that the command line names. */
#include "database.h"

#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "report.h"

tp_cli_exit tp_cli_access_token_read(const char *path, char **ret_token, size_t *ret_size) {
  char *data = NULL;
  tp_cli_exit code = tp_cli_input_read(path, &data, ret_size);
  if (code != TP_CLI_EXIT_OK) return code;
  data[strcspn(data, "\r\n")] = '\0';
  if (data[0] != '\0') {
    *ret_token = data;
    return TP_CLI_EXIT_OK;
  }
  free(data);
  return tp_cli_fail_as(TP_CLI_EXIT_DATA, "%s: there is no access token in its first line", path);
}

tp_cli_exit tp_cli_database_open(const tp_cli_context *context, tp_cli_access access, tuplet_db **ret_db) {
  const char *path = context->db_path;
  if (path == NULL) path = getenv("DENO_KV_SQLITE_PATH");
  if (path != NULL && path[0] == '\0') path = NULL;

  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = access == TP_CLI_READ && (path == NULL || strcmp(path, ":memory:") != 0);
  tuplet_error error = {0};
  char *token = NULL;
  size_t token_size = 0;
  tp_cli_exit code = TP_CLI_EXIT_OK;
  if (context->token_path != NULL) code = tp_cli_access_token_read(context->token_path, &token, &token_size);
  if (code != TP_CLI_EXIT_OK) return code;
  options.access_token = token;
  if (tuplet_open(path, &options, ret_db, &error) != TUPLET_OK) {
    (void)tp_cli_fail(NULL, &error);
    code = TP_CLI_EXIT_SYSTEM; /* whatever is wrong with it, it is the database */
  }
  if (token != NULL) explicit_bzero(token, token_size);
  free(token);
  return code;
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
