/* catalog_survey.h: what a database of a catalog holds and takes up. */
#ifndef TP_SERVER_CATALOG_SURVEY_H
#define TP_SERVER_CATALOG_SURVEY_H

#include "server/databases/catalog.h"

typedef struct tp_catalog_survey {
  tp_catalog_entry entry;
  bool is_served;     /* a server has it open */
  int64_t entries;    /* without those that have expired */
  int64_t expiring;   /* of the entries */
  int64_t queued;     /* messages that wait */
  int64_t delivering; /* messages that were handed out and are not finished */
  uint64_t size;      /* of the file, bytes */
  uint64_t log_size;  /* of its write-ahead log, bytes */
  tuplet_versionstamp last_commit;
} tp_catalog_survey;

/* Looks into a database, which others may use meanwhile; changes nothing. Blocks. TUPLET_OK, or
 * TUPLET_NOT_FOUND. Errors: TUPLET_INVALID (the name), TUPLET_BUSY (it is being renamed or deleted),
 * TUPLET_FORMAT, TUPLET_CORRUPT, TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_catalog_survey_take(const tp_catalog *catalog, const char *name,
                                     tp_catalog_survey *ret_survey, tuplet_error *error);

#endif
