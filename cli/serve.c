/* serve.c: `tuplet serve`, which the server implements; here its arguments are put together. */
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "server/serve.h"

static tp_cli_exit run(tp_cli_context *context, int argc, char **argv) {
  static char name[] = "tuplet serve";
  static char option[] = "--sqlite-path";
  char **all = calloc((size_t)argc + 4, sizeof *all);
  char *path = context->db_path != NULL ? strdup(context->db_path) : NULL;
  if (all == NULL || (context->db_path != NULL && path == NULL)) {
    free(all);
    free(path);
    return tp_cli_fail_memory();
  }
  /* What stood before the command comes first, so that what stands after it wins. */
  int count = 0;
  all[count++] = name;
  if (path != NULL) {
    all[count++] = option;
    all[count++] = path;
  }
  for (int i = 1; i < argc; i++) all[count++] = argv[i];
  int code = tp_serve_main(count, all);
  free(path);
  free(all);
  return (tp_cli_exit)code;
}

const tp_cli_command tp_cli_serve = {
    .name = "serve",
    .summary = "serve a database to Deno and Node programs",
    .help = NULL,
    .run = run,
};
