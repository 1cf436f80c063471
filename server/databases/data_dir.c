/* data_dir.c: the data directory as a server finds it at its start. */
#include "server/databases/data_dir.h"

#include "api/open.h"
#include "base/status.h"

/* Not a name that a database can have, once ".secrets" is added. */
static const char secrets_name[] = "server";

static tuplet_status is_empty(const tp_catalog *catalog, bool *ret_empty, tuplet_error *error) {
  tp_catalog_entry *entries;
  size_t count;
  tuplet_status status = tp_catalog_list(catalog, NULL, NULL, &entries, &count, error);
  if (status != TUPLET_OK) return status;
  tp_catalog_list_free(catalog, entries);
  *ret_empty = count == 0;
  return TUPLET_OK;
}

static tuplet_status make_default(const tp_serve_config *config, const tp_catalog *catalog,
                                  tuplet_error *error) {
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  bool is_wanted = config->create_databases;
  tuplet_status status = is_wanted ? TUPLET_OK : is_empty(catalog, &is_wanted, error);
  if (status != TUPLET_OK || !is_wanted || config->read_only) return status;
  status = tp_catalog_create(catalog, TP_DATABASE_DEFAULT_NAME, NULL, id, error);
  return status == TUPLET_CONFLICT ? TUPLET_OK : status;
}

/* Whether it can be opened; when there is none, that is no error. */
static tuplet_status look_into_default(const tp_serve_config *config, const tp_catalog *catalog,
                                       tuplet_error *error) {
  tp_catalog_hold hold;
  tp_buffer path;
  tuplet_status status = tp_catalog_hold_shared(catalog, TP_DATABASE_DEFAULT_NAME, true, &hold, error);
  if (status != TUPLET_OK) return status;
  tp_buffer_init(&path, NULL);
  status = tp_catalog_file(&hold, &path, error);
  if (status == TUPLET_OK) {
    tp_store *store = NULL;
    tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
    options.read_only = config->read_only;
    status = tp_open_store((const char *)path.data, &options, tp_clock_system(), &store, NULL, error);
    if (status == TUPLET_OK) tp_store_close(store);
  }
  tp_buffer_done(&path);
  tp_catalog_release(&hold);
  return status;
}

tuplet_status tp_data_dir_open(const tp_serve_config *config, const tp_log *log, tp_catalog **ret_catalog,
                               tuplet_error *error) {
  tp_catalog *catalog;
  tuplet_error problem = {0};
  tp_catalog_mode mode = config->read_only ? TP_CATALOG_READ : TP_CATALOG_MAKE;
  tuplet_status status = tp_catalog_open(NULL, config->data_dir, mode, &catalog, error);
  if (status != TUPLET_OK) return status;
  if (config->path == NULL) status = make_default(config, catalog, error);
  if (status != TUPLET_OK) {
    tp_catalog_close(catalog);
    return status;
  }
  if (config->path == NULL && look_into_default(config, catalog, &problem) < 0)
    tp_log_write(log, TP_LOG_ERROR, "the default database cannot be served: %s", problem.message);
  *ret_catalog = catalog;
  return TUPLET_OK;
}

tuplet_status tp_data_dir_secrets_path(const tp_catalog *catalog, tuplet_owned *ret_path,
                                       tuplet_error *error) {
  tp_buffer path;
  tp_buffer_init(&path, NULL);
  tp_buffer_append_format(&path, "%s/%s", tp_catalog_path(catalog), secrets_name);
  tuplet_status status = tp_buffer_take(&path, ret_path, error);
  tp_buffer_done(&path);
  return status;
}
