/* config.h: what the command line and the environment say about how to serve. */
#ifndef TP_SERVER_CONFIG_H
#define TP_SERVER_CONFIG_H

#include "tuplet.h"

#define TP_SERVE_ADDRESS_DEFAULT "0.0.0.0:4512"

enum { TP_SERVE_WORKERS_MAX = 256, TP_SERVE_ACCESS_TOKEN_SIZE_MAX = 1024 };

/* All strings are views of the arguments and the environment. */
typedef struct tp_serve_config {
  bool help;                /* --help: nothing else counts */
  const char *path;         /* NULL: the default database, as tuplet_open has it */
  const char *access_token; /* NULL: one is made, and kept beside the database */
  const char *address;
  bool read_only;
  uint32_t worker_count; /* 0: as many as there are processors */
} tp_serve_config;

/* The options and variables are those of `denokv`; what stands on the command line wins. `lookup` is getenv,
 * or a test's. argv[0] is the program's name; argv is reordered. Not thread-safe (getopt). Errors:
 * TUPLET_INVALID, TUPLET_SYNTAX (the address). */
tuplet_status tp_serve_config_read(int argc, char **argv, const char *(*lookup)(const char *name),
                                   tp_serve_config *ret_config, tuplet_error *error);

/* The text of --help. */
extern const char tp_serve_help[];

#endif
