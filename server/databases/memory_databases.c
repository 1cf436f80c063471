/* memory_databases.c: databases in memory, which come when they are used and go when they are not. */
#include "server/databases/memory_databases.h"

#include "api/open.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

typedef struct memory_database memory_database;
struct memory_database {
  tp_database base; /* first, so that the one is found from the other; its store is NULL until it is used */
  uint64_t connection; /* whose exchange made it; 0: nobody gets it a second time */
  bool opening;        /* somebody is at it, who counts as a user; the others wait for `opened` */
  size_t user_count;
  int64_t used_at_ms;     /* monotonic */
  memory_database *older; /* in order of use */
  memory_database *newer; /* of those to be ended: the next */
  memory_database *same_bucket;
};

enum { BUCKET_COUNT = 1024 };

struct tp_memory_databases {
  const tuplet_allocator *allocator;
  tp_clock clock;
  tp_engine_stats *stats;
  tp_memory_bounds bounds;
  void (*on_evicted)(void *context);
  void *on_evicted_context;

  pthread_mutex_t mutex; /* for all below; stores are opened and closed outside of it */
  pthread_cond_t opened; /* an attempt to open a store is over */
  memory_database *buckets[BUCKET_COUNT];
  memory_database *oldest; /* the one not used for longest */
  memory_database *newest;
  memory_database *evicted; /* forgotten, and to be ended by tp_memory_databases_end_evicted */
  size_t entry_count;
  size_t open_count; /* of them, open or being opened */
};

static int64_t now_ms(const tp_memory_databases *databases) {
  return tp_clock_monotonic_ns(&databases->clock) / 1000000;
}

tuplet_status tp_memory_databases_new(const tp_databases_config *config, tp_memory_databases **ret_databases,
                                      tuplet_error *error) {
  tp_memory_databases *databases = tp_alloc_array_zeroed(config->allocator, 1, sizeof *databases);
  if (databases == NULL) return tp_fail_nomem(error);
  if (pthread_mutex_init(&databases->mutex, NULL) != 0) goto fail;
  if (pthread_cond_init(&databases->opened, NULL) != 0) {
    (void)pthread_mutex_destroy(&databases->mutex);
    goto fail;
  }
  databases->allocator = config->allocator;
  databases->clock = config->clock;
  databases->stats = config->stats;
  databases->bounds = config->memory;
  databases->on_evicted = config->on_evicted;
  databases->on_evicted_context = config->on_evicted_context;
  *ret_databases = databases;
  return TUPLET_OK;
fail:
  tp_free(config->allocator, databases);
  return tp_fail_nomem(error);
}

/* Any open store, taken out of its entry; NULL when there is none. */
static tp_store *take_store(tp_memory_databases *databases) {
  tp_store *store = NULL;
  (void)pthread_mutex_lock(&databases->mutex);
  for (memory_database *database = databases->oldest; database != NULL && store == NULL;
       database = database->newer) {
    store = database->base.store;
    database->base.store = NULL;
  }
  if (store != NULL) databases->open_count--;
  (void)pthread_mutex_unlock(&databases->mutex);
  return store;
}

void tp_memory_databases_close(tp_memory_databases *databases) {
  /* Closing a store completes its requests, and so loops release entries meanwhile, which moves them. */
  for (tp_store *store; (store = take_store(databases)) != NULL;) tp_store_close(store);
  tp_memory_databases_end_evicted(databases);
}

void tp_memory_databases_free(tp_memory_databases *databases) {
  if (databases == NULL) return;
  assert(databases->evicted == NULL);
  for (memory_database *database = databases->oldest; database != NULL;) {
    memory_database *newer = database->newer;
    assert(database->base.store == NULL && database->user_count == 0);
    tp_free(databases->allocator, database);
    database = newer;
  }
  (void)pthread_cond_destroy(&databases->opened);
  (void)pthread_mutex_destroy(&databases->mutex);
  tp_free(databases->allocator, databases);
}

/* ---- The list, in order of use, and the table of ids. All with the mutex held. ---- */

static memory_database **bucket_of(tp_memory_databases *databases, const uint8_t *id) {
  return &databases->buckets[tp_database_id_hash(id) % BUCKET_COUNT];
}

static memory_database *find(tp_memory_databases *databases, const uint8_t *id) {
  memory_database *database = *bucket_of(databases, id);
  while (database != NULL && memcmp(database->base.id, id, sizeof database->base.id) != 0)
    database = database->same_bucket;
  return database;
}

static memory_database *find_connection(const tp_memory_databases *databases, uint64_t connection) {
  if (connection == 0) return NULL;
  memory_database *database = databases->newest;
  while (database != NULL && database->connection != connection) database = database->older;
  return database;
}

static void list_append(tp_memory_databases *databases, memory_database *database) {
  database->older = databases->newest;
  database->newer = NULL;
  *(databases->newest != NULL ? &databases->newest->newer : &databases->oldest) = database;
  databases->newest = database;
}

static void list_remove(tp_memory_databases *databases, memory_database *database) {
  *(database->older != NULL ? &database->older->newer : &databases->oldest) = database->newer;
  *(database->newer != NULL ? &database->newer->older : &databases->newest) = database->older;
}

static void touch(tp_memory_databases *databases, memory_database *database) {
  database->used_at_ms = now_ms(databases);
  list_remove(databases, database);
  list_append(databases, database);
}

static void insert(tp_memory_databases *databases, memory_database *database) {
  memory_database **bucket = bucket_of(databases, database->base.id);
  database->same_bucket = *bucket;
  *bucket = database;
  database->used_at_ms = now_ms(databases);
  list_append(databases, database);
  databases->entry_count++;
}

static void forget(tp_memory_databases *databases, memory_database *database) {
  assert(database->user_count == 0);
  memory_database **place = bucket_of(databases, database->base.id);
  while (*place != database) place = &(*place)->same_bucket;
  *place = database->same_bucket;
  list_remove(databases, database);
  databases->entry_count--;
  if (database->base.store != NULL) databases->open_count--;
}

/* The database that was not used for longest, and not within the last `unused_ms`, among those with a store
 * or those without; NULL if there is none. */
static memory_database *find_oldest(const tp_memory_databases *databases, bool open, int64_t unused_ms) {
  memory_database *database = databases->oldest;
  while (database != NULL && (database->user_count > 0 || (database->base.store != NULL) != open))
    database = database->newer;
  if (database == NULL || now_ms(databases) - database->used_at_ms < unused_ms) return NULL;
  return database;
}

/* Forgets a database, and leaves it to others to end it, since that may take its time. */
static void evict(tp_memory_databases *databases, memory_database *database) {
  bool first = databases->evicted == NULL;
  forget(databases, database);
  database->newer = databases->evicted;
  databases->evicted = database;
  if (first && databases->on_evicted != NULL) databases->on_evicted(databases->on_evicted_context);
}

static void end(const tp_memory_databases *databases, memory_database *database) {
  tp_store_close(database->base.store);
  tp_free(databases->allocator, database);
}

void tp_memory_databases_end_evicted(tp_memory_databases *databases) {
  (void)pthread_mutex_lock(&databases->mutex);
  memory_database *database = databases->evicted;
  databases->evicted = NULL;
  (void)pthread_mutex_unlock(&databases->mutex);
  while (database != NULL) {
    memory_database *next = database->newer;
    end(databases, database);
    database = next;
  }
}

/* ---- Exchanges ---- */

/* A new entry. */
static tuplet_status add_entry(tp_memory_databases *databases, uint64_t connection,
                               memory_database **ret_database, tuplet_error *error) {
  if (databases->entry_count >= databases->bounds.entry_max) {
    memory_database *victim = find_oldest(databases, false, databases->bounds.entry_busy_ms);
    if (victim == NULL) victim = find_oldest(databases, true, databases->bounds.entry_busy_ms);
    if (victim == NULL)
      return tp_fail(error, TUPLET_BUSY, "All of the server's %zu databases in memory are in use.",
                     databases->entry_count);
    evict(databases, victim);
  }
  memory_database *database = tp_alloc_array_zeroed(databases->allocator, 1, sizeof *database);
  if (database == NULL) return tp_fail_nomem(error);
  database->base.kind = TP_DATABASE_MEMORY;
  database->base.name = TP_DATABASE_MEMORY_NAME;
  atomic_init(&database->base.leaving, false);
  database->connection = connection;
  tuplet_status status = tp_random_fill(database->base.id, sizeof database->base.id, error);
  if (status != TUPLET_OK) {
    tp_free(databases->allocator, database);
    return status;
  }
  database->base.id[6] = (uint8_t)(0x40 | (database->base.id[6] & 0x0f)); /* the marks of a random UUID */
  database->base.id[8] = (uint8_t)(0x80 | (database->base.id[8] & 0x3f));
  insert(databases, database);
  *ret_database = database;
  return TUPLET_OK;
}

tuplet_status tp_memory_databases_exchange(tp_memory_databases *databases, uint64_t connection,
                                           uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&databases->mutex);
  memory_database *database = find_connection(databases, connection);
  if (database != NULL)
    touch(databases, database);
  else
    status = add_entry(databases, connection, &database, error);
  if (status == TUPLET_OK) memcpy(ret_id, database->base.id, TP_AUTH_DATABASE_ID_SIZE);
  (void)pthread_mutex_unlock(&databases->mutex);
  return status;
}

/* ---- Use ---- */

/* Room for one more open store. With the mutex held. */
static tuplet_status make_room(tp_memory_databases *databases, tuplet_error *error) {
  if (databases->open_count < databases->bounds.open_max) return TUPLET_OK;
  memory_database *victim = find_oldest(databases, true, databases->bounds.busy_ms);
  if (victim == NULL)
    return tp_fail(error, TUPLET_BUSY,
                   "%zu databases in memory are open, and all of them in use; try again later.",
                   databases->open_count);
  evict(databases, victim);
  return TUPLET_OK;
}

/* Opens the store of a database that the caller uses. With the mutex held, but not all the time. */
static tuplet_status open_store(tp_memory_databases *databases, memory_database *database,
                                tuplet_error *error) {
  tuplet_status status = make_room(databases, error);
  if (status != TUPLET_OK) return status;
  databases->open_count++; /* those that are being opened count, too */
  database->opening = true;
  (void)pthread_mutex_unlock(&databases->mutex);

  tp_store *store = NULL;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.allocator = databases->allocator;
  options.memory_size_max = databases->bounds.size_max;
  status = tp_open_store_for_server(":memory:", &options, databases->clock,
                                    &(tp_open_wants){.stats = databases->stats}, &store, NULL, error);

  (void)pthread_mutex_lock(&databases->mutex);
  if (status == TUPLET_OK)
    database->base.store = store;
  else
    databases->open_count--;
  database->opening = false;
  (void)pthread_cond_broadcast(&databases->opened);
  return status;
}

tuplet_status tp_memory_databases_acquire(tp_memory_databases *databases,
                                          const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                                          tp_database **ret_database, tuplet_error *error) {
  tuplet_status status = TUPLET_NOT_FOUND;
  (void)pthread_mutex_lock(&databases->mutex);
  memory_database *database = find(databases, id);
  if (database != NULL) {
    database->user_count++; /* so that it stays, whatever happens while the mutex is not held */
    while (database->opening) (void)pthread_cond_wait(&databases->opened, &databases->mutex);
    status = database->base.store != NULL ? TUPLET_OK : open_store(databases, database, error);
    if (status == TUPLET_OK)
      touch(databases, database);
    else
      database->user_count--;
  }
  (void)pthread_mutex_unlock(&databases->mutex);
  if (status == TUPLET_OK) *ret_database = &database->base;
  return status;
}

void tp_memory_databases_release(tp_memory_databases *databases, tp_database *base) {
  memory_database *database = (memory_database *)(void *)base;
  (void)pthread_mutex_lock(&databases->mutex);
  assert(database->user_count > 0);
  database->user_count--;
  touch(databases, database);
  (void)pthread_mutex_unlock(&databases->mutex);
}

void tp_memory_databases_sweep(tp_memory_databases *databases) {
  for (;;) {
    memory_database *idle = NULL;
    (void)pthread_mutex_lock(&databases->mutex);
    int64_t until_ms = now_ms(databases) - databases->bounds.idle_timeout_ms;
    memory_database *database = databases->oldest;
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

void tp_memory_databases_count(tp_memory_databases *databases, tp_databases_count *ret_count) {
  (void)pthread_mutex_lock(&databases->mutex);
  ret_count->entries = databases->entry_count;
  ret_count->open = databases->open_count;
  (void)pthread_mutex_unlock(&databases->mutex);
}
