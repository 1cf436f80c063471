/* catalog_private.h: what a catalog is made of; for catalog.c, catalog_hold.c and catalog_change.c. */
#ifndef TP_SERVER_CATALOG_PRIVATE_H
#define TP_SERVER_CATALOG_PRIVATE_H

#include "server/databases/catalog.h"

#define TP_CATALOG_ID_FILE   "id"
#define TP_CATALOG_DATA_FILE "kv.sqlite3"

/* Folders that are no databases (any more): one of these and a UUID. */
#define TP_CATALOG_NEW_PREFIX     ".new-"
#define TP_CATALOG_DELETED_PREFIX ".deleted-"

struct tp_catalog {
  const tuplet_allocator *allocator;
  char *path;     /* from realpath */
  int descriptor; /* of the folder; nobody locks it */
  bool read_only;
};

static inline tuplet_bytes tp_catalog_name_view(const char *name) {
  return (tuplet_bytes){name, strlen(name)};
}

/* A folder in the catalog, which is not followed when it is a symbolic link; the caller closes it.
 * TUPLET_NOT_FOUND when there is none. Errors: TUPLET_IO, TUPLET_FORMAT (something else has the name). */
tuplet_status tp_catalog_folder_open(const tp_catalog *catalog, const char *name, int *ret_descriptor,
                                     tuplet_error *error);

/* Its file `id`, open with `flags`; the caller closes it. Errors: TUPLET_IO, TUPLET_FORMAT (there is none, or
 * it is no regular file). */
tuplet_status tp_catalog_id_open(const tp_catalog *catalog, const char *name, int folder, int flags,
                                 int *ret_descriptor, tuplet_error *error);

/* Errors: TUPLET_IO, TUPLET_FORMAT. */
tuplet_status tp_catalog_id_read(const tp_catalog *catalog, const char *name, int descriptor,
                                 uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error);

/* Removes what was left by processes that ended while they made or removed a database; nothing while one is
 * at it. What cannot be removed stays for the next time. */
void tp_catalog_clean(const tp_catalog *catalog);

#endif
