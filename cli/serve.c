/* serve.c: `tuplet serve`, which the server implements; here it learns what stood before the command. */
#include <stdlib.h>

#include "report.h"
#include "server/serve.h"

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  /* The variable says which database it is where the server's own arguments do not: so what stands after the
   * command wins over what stands before it, and that over the environment. */
  if (context->db_path != NULL && setenv("DENO_KV_SQLITE_PATH", context->db_path, 1) != 0)
    return tp_cli_fail_memory();
  return (tp_cli_exit)tp_serve_main(argc, argv);
}

const tp_cli_command tp_cli_serve = {
    .name = "serve",
    .summary = "serve a database to Deno and Node programs",
    .help = NULL,
    .run = run,
};
