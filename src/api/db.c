/* db.c: opening and closing a database; the rest of the public interface is one file a subject. */
#include "api/db.h"

#include "api/dispatcher.h"
#include "api/listen.h"
#include "api/open.h"
#include "api/watch.h"
#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

const char *tuplet_version(void) {
  return TEXT_OF(TUPLET_VERSION_MAJOR) "." TEXT_OF(TUPLET_VERSION_MINOR) "." TEXT_OF(TUPLET_VERSION_PATCH);
}

/* The caller's options over the defaults: a caller built against an older header has fewer. */
static tuplet_open_options complete_options(const tuplet_open_options *given) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  if (given != NULL) {
    memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
  }
  return options;
}

tuplet_status tuplet_open(const char *path, const tuplet_open_options *given, tuplet_db **ret_db,
                          tuplet_error *error) {
  if (ret_db == NULL) return tp_fail(error, TUPLET_MISUSE, "tuplet_open: ret_db is NULL");
  if (given != NULL && given->struct_size == 0) {
    return tp_fail(error, TUPLET_MISUSE, "tuplet_open: options must start from TUPLET_OPEN_OPTIONS_INIT");
  }
  tuplet_open_options options = complete_options(given);
  tuplet_db *db = tp_alloc_array_zeroed(options.allocator, 1, sizeof *db);
  if (db == NULL) return tp_fail_nomem(error);
  db->allocator = options.allocator;
  atomic_init(&db->references, 1);
  atomic_init(&db->closed, false);
  int rc = pthread_mutex_init(&db->mutex, NULL);
  if (rc != 0) {
    tp_free(options.allocator, db);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  tuplet_status status = tp_open_store(path, &options, tp_clock_system(), &db->store, &db->path, error);
  if (status != TUPLET_OK) {
    tp_db_unref(db);
    return status;
  }
  *ret_db = db;
  return TUPLET_OK;
}

void tuplet_close(tuplet_db *db) {
  if (db == NULL) return;
  atomic_store(&db->closed, true);
  tp_store_closing(db->store);
  tp_listeners_end(db);
  tp_watches_end(db);
  tp_store_close(db->store);
  db->store = NULL;
  tp_db_unref(db);
}

const char *tuplet_path(const tuplet_db *db) {
  return db == NULL ? "" : db->path.data;
}

tuplet_db *tp_db_ref(tuplet_db *db) {
  (void)atomic_fetch_add(&db->references, 1);
  return db;
}

void tp_db_unref(tuplet_db *db) {
  if (atomic_fetch_sub(&db->references, 1) != 1) return;
  const tuplet_allocator *allocator = db->allocator;
  tp_dispatcher_free(db->dispatcher); /* its thread ended with tuplet_close */
  (void)pthread_mutex_destroy(&db->mutex);
  tuplet_owned_free(&db->path);
  tp_free(allocator, db);
}

tuplet_status tp_db_check(const tuplet_db *db, tuplet_error *error) {
  if (db == NULL) return tp_fail(error, TUPLET_MISUSE, "db is NULL");
  if (atomic_load(&db->closed)) return tp_fail(error, TUPLET_CLOSED, "the database is closed");
  return TUPLET_OK;
}
