/* database.h: the database that the command line names. */
#ifndef TP_CLI_DATABASE_H
#define TP_CLI_DATABASE_H

#include <tuplet.h>

#include "command.h"

typedef enum tp_cli_access { TP_CLI_READ, TP_CLI_WRITE } tp_cli_access;

/* The access token in the first line of a file, ended by a NUL; the caller frees it, after clearing *ret_size
 * bytes. Errors are reported. */
tp_cli_exit tp_cli_access_token_read(const char *path, char **ret_token, size_t *ret_size);

/* Opens the database that --db, else DENO_KV_SQLITE_PATH names, a file or a server's URL, else the library's
 * default. To read, a file must be there already (a database in memory is always there, and empty). The token
 * for a server is in the file of --access-token-file; without it the library takes that of the environment.
 * Errors are reported. The caller closes *ret_db. */
tp_cli_exit tp_cli_database_open(const tp_cli_context *context, tp_cli_access access, tuplet_db **ret_db);

/* "strong" or "eventual"; a mistake is reported and false returned. */
bool tp_cli_consistency_parse(const tp_cli_command *command, const char *text,
                              tuplet_consistency *ret_consistency);

#endif
