/* databases.c: which databases a server has, from the name that a client opens to the store that a request
 * reaches. */
#include "base/alloc.h"
#include "base/status.h"
#include "server/databases/collection.h"
#include "server/databases/memory_databases.h"

#include <string.h>

struct tp_databases {
  const tuplet_allocator *allocator;
  tp_database own; /* its store is NULL when there is none */
  tp_memory_databases *memory;
  tp_collection *collection; /* NULL when there is none */
};

tp_memory_bounds tp_memory_bounds_default(void) {
  return (tp_memory_bounds){.entry_max = 4096,
                            .open_max = 256,
                            .idle_timeout_ms = (int64_t)5 * 60 * 1000,
                            .busy_ms = (int64_t)5 * 1000,
                            .entry_busy_ms = (int64_t)60 * 1000,
                            .size_max = (uint64_t)64 * 1024 * 1024};
}

/* ---- Beginning and end ---- */

tuplet_status tp_databases_new(const tp_databases_config *config, tp_databases **ret_databases,
                               tuplet_error *error) {
  tp_databases *databases = tp_alloc_array_zeroed(config->allocator, 1, sizeof *databases);
  if (databases == NULL) return tp_fail_nomem(error);
  databases->allocator = config->allocator;
  databases->own.kind = TP_DATABASE_OWN;
  databases->own.name = TP_DATABASE_DEFAULT_NAME;
  databases->own.store = config->store;
  memcpy(databases->own.id, config->id, sizeof databases->own.id);
  atomic_init(&databases->own.leaving, false);
  tuplet_status status = tp_memory_databases_new(config, &databases->memory, error);
  if (status == TUPLET_OK && config->catalog != NULL)
    status = tp_collection_new(config, &databases->collection, error);
  if (status == TUPLET_OK)
    *ret_databases = databases;
  else
    tp_databases_free(databases);
  return status;
}

void tp_databases_give_up(tp_databases *databases) {
  if (databases->collection != NULL) tp_collection_give_up(databases->collection);
}

void tp_databases_stop(tp_databases *databases) {
  if (databases->collection != NULL) tp_collection_stop(databases->collection);
}

void tp_databases_close(tp_databases *databases) {
  if (databases->collection != NULL) tp_collection_close(databases->collection);
  tp_memory_databases_close(databases->memory);
}

void tp_databases_free(tp_databases *databases) {
  if (databases == NULL) return;
  tp_collection_free(databases->collection);
  tp_memory_databases_free(databases->memory);
  tp_free(databases->allocator, databases);
}

/* ---- Exchanges ---- */

static bool is_text(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

bool tp_database_name_from_path(tuplet_bytes path, tuplet_bytes *ret_name) {
  if (is_text(path, "/")) {
    *ret_name = (tuplet_bytes){TP_DATABASE_DEFAULT_NAME, sizeof TP_DATABASE_DEFAULT_NAME - 1};
    return true;
  }
  if (path.size < 2 || *(const char *)path.data != '/') return false;
  tuplet_bytes name = {(const char *)path.data + 1, path.size - 1};
  if (!is_text(name, TP_DATABASE_MEMORY_NAME) && !tp_database_name_is_valid(name)) return false;
  *ret_name = name;
  return true;
}

static bool is_own(const tp_databases *databases, tuplet_bytes name) {
  return databases->own.store != NULL && is_text(name, TP_DATABASE_DEFAULT_NAME);
}

void tp_databases_exchange(tp_databases *databases, tuplet_bytes name, uint64_t connection, bool may_create,
                           tp_database_lookup *lookup) {
  lookup->status = TUPLET_OK;
  lookup->error = (tuplet_error){0};
  lookup->name[0] = '\0';
  if (name.size < sizeof lookup->name) {
    memcpy(lookup->name, name.data, name.size);
    lookup->name[name.size] = '\0';
  }
  if (is_own(databases, name)) {
    memcpy(lookup->id, databases->own.id, sizeof lookup->id);
    lookup->lasting = true;
  } else if (is_text(name, TP_DATABASE_MEMORY_NAME)) {
    lookup->lasting = false;
    lookup->status = tp_memory_databases_exchange(databases->memory, connection, lookup->id, &lookup->error);
  } else if (databases->collection != NULL && tp_database_name_is_valid(name)) {
    lookup->may_create = may_create;
    tp_collection_exchange(databases->collection, lookup);
    return;
  } else {
    lookup->status = TUPLET_NOT_FOUND;
  }
  lookup->on_done(lookup);
}

/* ---- Use ---- */

static bool is_own_id(const tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]) {
  return databases->own.store != NULL && memcmp(id, databases->own.id, TP_AUTH_DATABASE_ID_SIZE) == 0;
}

tp_database *tp_databases_acquire_open(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]) {
  if (is_own_id(databases, id)) return &databases->own;
  if (databases->collection == NULL) return NULL;
  return tp_collection_acquire_open(databases->collection, id);
}

void tp_databases_acquire(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                          tp_database_wait *wait) {
  wait->error = (tuplet_error){0};
  wait->database = NULL;
  wait->name[0] = '\0';
  memcpy(wait->id, id, sizeof wait->id);
  if (is_own_id(databases, id)) {
    wait->database = &databases->own;
    wait->status = TUPLET_OK;
  } else {
    wait->status = tp_memory_databases_acquire(databases->memory, id, &wait->database, &wait->error);
    if (wait->status == TUPLET_NOT_FOUND && databases->collection != NULL) {
      tp_collection_acquire(databases->collection, wait);
      return;
    }
  }
  wait->on_done(wait);
}

void tp_database_release(tp_databases *databases, tp_database *database) {
  switch (database->kind) {
  case TP_DATABASE_OWN: break;
  case TP_DATABASE_MEMORY: tp_memory_databases_release(databases->memory, database); break;
  case TP_DATABASE_NAMED: tp_collection_release(databases->collection, database); break;
  }
}

const char *tp_database_name(const tp_databases *databases, const tp_database *database) {
  (void)databases;
  return database->name;
}

tp_store *tp_database_store(const tp_database *database) {
  return database->store;
}

bool tp_database_is_default(const tp_databases *databases, const tp_database *database) {
  return database == &databases->own;
}

bool tp_database_is_leaving(const tp_database *database) {
  return atomic_load(&database->leaving);
}

/* ---- Housekeeping ---- */

bool tp_databases_sweep(tp_databases *databases) {
  tp_memory_databases_sweep(databases->memory);
  return databases->collection != NULL && tp_collection_sweep(databases->collection);
}

void tp_databases_end_evicted(tp_databases *databases) {
  tp_memory_databases_end_evicted(databases->memory);
}

tp_databases_count tp_databases_count_now(tp_databases *databases) {
  tp_databases_count count = {0};
  tp_memory_databases_count(databases->memory, &count);
  if (databases->collection != NULL) tp_collection_count(databases->collection, &count);
  count.known += databases->own.store != NULL;
  count.files_open += databases->own.store != NULL;
  return count;
}

tuplet_status tp_databases_visit(tp_databases *databases,
                                 void (*visit)(void *context, const char *name, tp_store *store),
                                 void *context, tuplet_error *error) {
  if (databases->own.store != NULL) visit(context, databases->own.name, databases->own.store);
  if (databases->collection == NULL) return TUPLET_OK;
  return tp_collection_visit(databases->collection, visit, context, error);
}
