/* databases_private.h: what databases of all kinds have in common; for databases.c, memory_databases.c and
 * collection.c. */
#ifndef TP_SERVER_DATABASES_PRIVATE_H
#define TP_SERVER_DATABASES_PRIVATE_H

#include "server/databases/databases.h"

#include <stdatomic.h>

typedef enum tp_database_kind { TP_DATABASE_OWN, TP_DATABASE_MEMORY, TP_DATABASE_NAMED } tp_database_kind;

/* The first member of each kind's own struct. */
struct tp_database {
  tp_database_kind kind;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  const char *name;    /* of named ones it may change while it is not open */
  tp_store *store;     /* NULL while it is not open */
  atomic_bool leaving; /* of named ones */
};

/* Ids are random, so that any of their bits spread them over buckets. */
static inline size_t tp_database_id_hash(const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]) {
  return id[0] | (size_t)id[1] << 8 | (size_t)id[2] << 16;
}

#endif
