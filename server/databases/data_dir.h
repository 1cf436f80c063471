/* data_dir.h: the data directory as a server finds it at its start. */
#ifndef TP_SERVER_DATA_DIR_H
#define TP_SERVER_DATA_DIR_H

#include "server/config/config.h"
#include "server/databases/catalog.h"

/* Opens config->data_dir. Unless the server has a file of its own, the database `default` is made, if
 * config->create_databases says so or there is no database at all, and is looked into: what is wrong with it
 * is logged now rather than when somebody comes, and is no error, since the others can be served. Errors:
 * those of tp_catalog_open and tp_catalog_create. */
tuplet_status tp_data_dir_open(const tp_serve_config *config, const tp_log *log, tp_catalog **ret_catalog,
                               tuplet_error *error);

/* The path to give to tp_secrets_load, for a file in the data directory; the caller's to free. Errors:
 * TUPLET_NOMEM. */
tuplet_status tp_data_dir_secrets_path(const tp_catalog *catalog, tuplet_owned *ret_path,
                                       tuplet_error *error);

#endif
