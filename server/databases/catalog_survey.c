/* catalog_survey.c: what a database of a catalog holds and takes up. */
#include "server/databases/catalog_survey.h"

#include "api/open.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A file that is not there has no bytes: SQLite removes its log with the last user. */
static tuplet_status measure(const char *path, uint64_t *ret_size, tuplet_error *error) {
  struct stat attributes = {0};
  if (stat(path, &attributes) != 0 && errno != ENOENT)
    return tp_fail(error, TUPLET_IO, "Cannot look at %s: %s.", path, strerror(errno));
  *ret_size = (uint64_t)attributes.st_size;
  return TUPLET_OK;
}

static tuplet_status measure_both(tp_buffer *path, tp_catalog_survey *survey, tuplet_error *error) {
  static const char log_suffix[] = "-wal";
  tuplet_status status = measure((const char *)path->data, &survey->size, error);
  if (status != TUPLET_OK) return status;
  path->size--; /* the NUL */
  tp_buffer_append(path, log_suffix, sizeof log_suffix);
  if (path->failed) return tp_fail_nomem(error);
  return measure((const char *)path->data, &survey->log_size, error);
}

tuplet_status tp_catalog_survey_take(const tp_catalog *catalog, const char *name,
                                     tp_catalog_survey *ret_survey, tuplet_error *error) {
  tp_catalog_hold hold;
  tp_buffer path;
  tp_file_survey file = {0};
  tuplet_status status = tp_catalog_hold_shared(catalog, name, false, &hold, error);
  if (status != TUPLET_OK) return status;
  tp_catalog_survey survey = {.entry = hold.entry, .is_served = tp_catalog_is_served(catalog, name)};
  tp_buffer_init(&path, NULL);
  status = tp_catalog_file(&hold, &path, error);
  if (status == TUPLET_OK)
    status = tp_file_survey_take((const char *)path.data, tp_clock_system(), &file, error);
  if (status == TUPLET_OK) status = measure_both(&path, &survey, error);
  tp_buffer_done(&path);
  tp_catalog_release(&hold);
  if (status != TUPLET_OK) return status;
  survey.entries = file.entries;
  survey.expiring = file.expiring;
  survey.queued = file.queued;
  survey.delivering = file.delivering;
  survey.last_commit = file.last_commit;
  *ret_survey = survey;
  return TUPLET_OK;
}
