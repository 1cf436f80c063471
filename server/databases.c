/* databases.c: which databases a server has, from the path a client opens to the store that a request
 * reaches. */
#include "server/databases.h"

#include "api/open.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

struct tp_database {
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  uint64_t connection; /* whose exchange made it; 0: nobody gets it a second time */
  tp_store *store;     /* NULL until it is first used */
  bool opening;        /* somebody is at it, who counts as a user; the others wait for `opened` */
  size_t user_count;
  int64_t used_at_ms;        /* monotonic */
  struct tp_database *older; /* in order of use */
  struct tp_database *newer; /* of those to be ended: the next */
  struct tp_database *same_bucket;
};

/* Ids are random, so that any of their bits spread them over buckets. */
enum { BUCKET_COUNT = 1024 };

struct tp_databases {
  tp_databases_config config;
  tp_database default_database;

  pthread_mutex_t mutex; /* for all below; stores are opened and closed outside of it */
  pthread_cond_t opened; /* an attempt to open a store is over */
  tp_database *buckets[BUCKET_COUNT];
  tp_database *oldest; /* the one not used for longest */
  tp_database *newest;
  tp_database *evicted; /* forgotten, and to be ended by tp_databases_end_evicted */
  tp_databases_count count;
};

static int64_t now_ms(const tp_databases *databases) {
  return tp_clock_monotonic_ns(&databases->config.clock) / 1000000;
}

tuplet_status tp_databases_new(const tp_databases_config *config, tp_databases **ret_databases,
                               tuplet_error *error) {
  tp_databases *databases = tp_alloc_array_zeroed(config->allocator, 1, sizeof *databases);
  if (databases == NULL) return tp_fail_nomem(error);
  if (pthread_mutex_init(&databases->mutex, NULL) != 0) goto fail;
  if (pthread_cond_init(&databases->opened, NULL) != 0) {
    (void)pthread_mutex_destroy(&databases->mutex);
    goto fail;
  }
  databases->config = *config;
  databases->default_database.store = config->store;
  memcpy(databases->default_database.id, config->id, sizeof config->id);
  *ret_databases = databases;
  return TUPLET_OK;
fail:
  tp_free(config->allocator, databases);
  return tp_fail_nomem(error);
}

/* Any open store, taken out of its entry; NULL when there is none. */
static tp_store *take_store(tp_databases *databases) {
  tp_store *store = NULL;
  (void)pthread_mutex_lock(&databases->mutex);
  for (tp_database *database = databases->oldest; database != NULL && store == NULL;
       database = database->newer) {
    store = database->store;
    database->store = NULL;
  }
  if (store != NULL) databases->count.open--;
  (void)pthread_mutex_unlock(&databases->mutex);
  return store;
}

void tp_databases_close(tp_databases *databases) {
  /* Closing a store completes its requests, and so loops release entries meanwhile, which moves them. */
  for (tp_store *store; (store = take_store(databases)) != NULL;) tp_store_close(store);
  tp_databases_end_evicted(databases);
}

void tp_databases_free(tp_databases *databases) {
  if (databases == NULL) return;
  assert(databases->evicted == NULL);
  for (tp_database *database = databases->oldest; database != NULL;) {
    tp_database *newer = database->newer;
    assert(database->store == NULL && database->user_count == 0);
    tp_free(databases->config.allocator, database);
    database = newer;
  }
  (void)pthread_cond_destroy(&databases->opened);
  (void)pthread_mutex_destroy(&databases->mutex);
  tp_free(databases->config.allocator, databases);
}

/* ---- The list, in order of use, and the table of ids. All with the mutex held. ---- */

static tp_database **bucket_of(tp_databases *databases, const uint8_t *id) {
  return &databases->buckets[(id[0] | (size_t)id[1] << 8) % BUCKET_COUNT];
}

static tp_database *find(tp_databases *databases, const uint8_t *id) {
  tp_database *database = *bucket_of(databases, id);
  while (database != NULL && memcmp(database->id, id, sizeof database->id) != 0)
    database = database->same_bucket;
  return database;
}

static tp_database *find_connection(const tp_databases *databases, uint64_t connection) {
  if (connection == 0) return NULL;
  tp_database *database = databases->newest;
  while (database != NULL && database->connection != connection) database = database->older;
  return database;
}

static void list_append(tp_databases *databases, tp_database *database) {
  database->older = databases->newest;
  database->newer = NULL;
  *(databases->newest != NULL ? &databases->newest->newer : &databases->oldest) = database;
  databases->newest = database;
}

static void list_remove(tp_databases *databases, tp_database *database) {
  *(database->older != NULL ? &database->older->newer : &databases->oldest) = database->newer;
  *(database->newer != NULL ? &database->newer->older : &databases->newest) = database->older;
}

static void touch(tp_databases *databases, tp_database *database) {
  database->used_at_ms = now_ms(databases);
  list_remove(databases, database);
  list_append(databases, database);
}

static void insert(tp_databases *databases, tp_database *database) {
  tp_database **bucket = bucket_of(databases, database->id);
  database->same_bucket = *bucket;
  *bucket = database;
  database->used_at_ms = now_ms(databases);
  list_append(databases, database);
  databases->count.entries++;
}

static void forget(tp_databases *databases, tp_database *database) {
  assert(database->user_count == 0);
  tp_database **place = bucket_of(databases, database->id);
  while (*place != database) place = &(*place)->same_bucket;
  *place = database->same_bucket;
  list_remove(databases, database);
  databases->count.entries--;
  if (database->store != NULL) databases->count.open--;
}

/* The database that was not used for longest, and not within the last `unused_ms`, among those with a store
 * or those without; NULL if there is none. */
static tp_database *find_oldest(const tp_databases *databases, bool open, int64_t unused_ms) {
  tp_database *database = databases->oldest;
  while (database != NULL && (database->user_count > 0 || (database->store != NULL) != open))
    database = database->newer;
  if (database == NULL || now_ms(databases) - database->used_at_ms < unused_ms) return NULL;
  return database;
}

/* Forgets a database, and leaves it to others to end it, since that may take its time. */
static void evict(tp_databases *databases, tp_database *database) {
  bool first = databases->evicted == NULL;
  forget(databases, database);
  database->newer = databases->evicted;
  databases->evicted = database;
  if (first && databases->config.on_evicted != NULL)
    databases->config.on_evicted(databases->config.on_evicted_context);
}

static void end(const tp_databases *databases, tp_database *database) {
  tp_store_close(database->store);
  tp_free(databases->config.allocator, database);
}

void tp_databases_end_evicted(tp_databases *databases) {
  (void)pthread_mutex_lock(&databases->mutex);
  tp_database *database = databases->evicted;
  databases->evicted = NULL;
  (void)pthread_mutex_unlock(&databases->mutex);
  while (database != NULL) {
    tp_database *next = database->newer;
    end(databases, database);
    database = next;
  }
}

/* ---- Exchanges ---- */

static bool path_is(tuplet_bytes path, const char *name) {
  return path.size == strlen(name) && memcmp(path.data, name, path.size) == 0;
}

bool tp_databases_has_path(tuplet_bytes path) {
  return path_is(path, "/") || path_is(path, "/:memory:");
}

/* A new entry. */
static tuplet_status add_entry(tp_databases *databases, uint64_t connection, tp_database **ret_database,
                               tuplet_error *error) {
  if (databases->count.entries >= databases->config.entry_max) {
    tp_database *victim = find_oldest(databases, false, databases->config.entry_busy_ms);
    if (victim == NULL) victim = find_oldest(databases, true, databases->config.entry_busy_ms);
    if (victim == NULL)
      return tp_fail(error, TUPLET_BUSY, "All of the server's %zu databases in memory are in use.",
                     databases->count.entries);
    evict(databases, victim);
  }
  tp_database *database = tp_alloc_array_zeroed(databases->config.allocator, 1, sizeof *database);
  if (database == NULL) return tp_fail_nomem(error);
  database->connection = connection;
  tuplet_status status = tp_random_fill(database->id, sizeof database->id, error);
  if (status != TUPLET_OK) {
    tp_free(databases->config.allocator, database);
    return status;
  }
  database->id[6] = (uint8_t)(0x40 | (database->id[6] & 0x0f)); /* the marks of a random UUID */
  database->id[8] = (uint8_t)(0x80 | (database->id[8] & 0x3f));
  insert(databases, database);
  *ret_database = database;
  return TUPLET_OK;
}

tuplet_status tp_databases_exchange(tp_databases *databases, tuplet_bytes path, uint64_t connection,
                                    uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], bool *ret_lasting,
                                    tuplet_error *error) {
  if (path_is(path, "/")) {
    memcpy(ret_id, databases->default_database.id, TP_AUTH_DATABASE_ID_SIZE);
    *ret_lasting = true;
    return TUPLET_OK;
  }
  if (!path_is(path, "/:memory:"))
    return tp_fail(error, TUPLET_INVALID, "There is no database at this path.");

  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&databases->mutex);
  tp_database *database = find_connection(databases, connection);
  if (database != NULL)
    touch(databases, database);
  else
    status = add_entry(databases, connection, &database, error);
  if (status == TUPLET_OK) {
    memcpy(ret_id, database->id, TP_AUTH_DATABASE_ID_SIZE);
    *ret_lasting = false;
  }
  (void)pthread_mutex_unlock(&databases->mutex);
  return status;
}

/* ---- Use ---- */

/* Room for one more open store. With the mutex held. */
static tuplet_status make_room(tp_databases *databases, tuplet_error *error) {
  if (databases->count.open < databases->config.open_max) return TUPLET_OK;
  tp_database *victim = find_oldest(databases, true, databases->config.busy_ms);
  if (victim == NULL)
    return tp_fail(error, TUPLET_BUSY,
                   "%zu databases in memory are open, and all of them in use; try again later.",
                   databases->count.open);
  evict(databases, victim);
  return TUPLET_OK;
}

/* Opens the store of a database that the caller uses. With the mutex held, but not all the time. */
static tuplet_status open_store(tp_databases *databases, tp_database *database, tuplet_error *error) {
  tuplet_status status = make_room(databases, error);
  if (status != TUPLET_OK) return status;
  databases->count.open++; /* those that are being opened count, too */
  database->opening = true;
  (void)pthread_mutex_unlock(&databases->mutex);

  tp_store *store = NULL;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.allocator = databases->config.allocator;
  options.memory_size_max = databases->config.memory_size_max;
  status = tp_open_store(":memory:", &options, databases->config.clock, &store, NULL, error);

  (void)pthread_mutex_lock(&databases->mutex);
  if (status == TUPLET_OK)
    database->store = store;
  else
    databases->count.open--;
  database->opening = false;
  (void)pthread_cond_broadcast(&databases->opened);
  return status;
}

tuplet_status tp_databases_acquire(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                                   tp_database **ret_database, tuplet_error *error) {
  if (memcmp(id, databases->default_database.id, TP_AUTH_DATABASE_ID_SIZE) == 0) {
    *ret_database = &databases->default_database;
    return TUPLET_OK;
  }
  tuplet_status status = TUPLET_NOT_FOUND;
  (void)pthread_mutex_lock(&databases->mutex);
  tp_database *database = find(databases, id);
  if (database != NULL) {
    database->user_count++; /* so that it stays, whatever happens while the mutex is not held */
    while (database->opening) (void)pthread_cond_wait(&databases->opened, &databases->mutex);
    status = database->store != NULL ? TUPLET_OK : open_store(databases, database, error);
    if (status == TUPLET_OK)
      touch(databases, database);
    else
      database->user_count--;
  }
  (void)pthread_mutex_unlock(&databases->mutex);
  if (status == TUPLET_OK) *ret_database = database;
  return status;
}

void tp_database_release(tp_databases *databases, tp_database *database) {
  if (database == &databases->default_database) return;
  (void)pthread_mutex_lock(&databases->mutex);
  assert(database->user_count > 0);
  database->user_count--;
  touch(databases, database);
  (void)pthread_mutex_unlock(&databases->mutex);
}

const char *tp_database_name(const tp_databases *databases, const tp_database *database) {
  return tp_database_is_default(databases, database) ? "default" : ":memory:";
}

tp_store *tp_database_store(const tp_database *database) {
  return database->store;
}

bool tp_database_is_default(const tp_databases *databases, const tp_database *database) {
  return database == &databases->default_database;
}

void tp_databases_sweep(tp_databases *databases) {
  for (;;) {
    tp_database *idle = NULL;
    (void)pthread_mutex_lock(&databases->mutex);
    int64_t until_ms = now_ms(databases) - databases->config.idle_timeout_ms;
    tp_database *database = databases->oldest;
    while (database != NULL && database->user_count > 0 && database->used_at_ms <= until_ms)
      database = database->newer;
    if (database != NULL && database->user_count == 0 && database->used_at_ms <= until_ms) {
      forget(databases, database);
      idle = database;
    }
    (void)pthread_mutex_unlock(&databases->mutex);
    if (idle == NULL) return;
    end(databases, idle);
  }
}

tp_databases_count tp_databases_count_now(tp_databases *databases) {
  (void)pthread_mutex_lock(&databases->mutex);
  tp_databases_count count = databases->count;
  (void)pthread_mutex_unlock(&databases->mutex);
  return count;
}
