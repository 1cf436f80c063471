/* collection.c: the databases of a data directory as a server uses them. */
#include "server/databases/collection.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server/databases/collection_private.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* Openings are mostly waiting for a disk; a few at a time keep it busy, and a slow one does not hold up all.
 */
enum { OPENER_COUNT = 4, CLOSER_COUNT = 4 };

/* How long a database waits for another to be let go of, when as many are open as may be: most are in use for
 * no longer than a request takes. */
enum { ROOM_WAIT_MS = 1000 };

int64_t tp_collection_now_ms(const tp_collection *collection) {
  return tp_clock_monotonic_ns(&collection->clock) / 1000000;
}

static tp_volume *volume_of(tp_database *database) {
  return (tp_volume *)(void *)database;
}

/* ---- Beginning and end ---- */

tuplet_status tp_collection_new(const tp_databases_config *config, tp_collection **ret_collection,
                                tuplet_error *error) {
  tuplet_status status = TUPLET_NOMEM;
  tp_collection *collection = tp_alloc_array_zeroed(config->allocator, 1, sizeof *collection);
  if (collection == NULL) return tp_fail_nomem(error);
  collection->allocator = config->allocator;
  collection->clock = config->clock;
  collection->log = config->log;
  collection->stats = config->stats;
  collection->catalog = config->catalog;
  collection->read_only = config->read_only;
  collection->known_max = config->known_max;
  collection->open_max = config->open_max;
  collection->idle_timeout_ms = config->idle_timeout_ms;
  if (pthread_mutex_init(&collection->mutex, NULL) != 0) goto out_free;
  if (pthread_cond_init(&collection->changed, NULL) != 0) goto out_mutex;

  collection->checked =
      tp_alloc_array_zeroed(config->allocator, config->open_max, sizeof *collection->checked);
  status = collection->checked == NULL ? tp_fail_nomem(error) : tp_collection_read(collection, true, error);
  if (status == TUPLET_OK)
    status = tp_clerk_start(config->allocator, OPENER_COUNT, &collection->openers, error);
  if (status == TUPLET_OK)
    status = tp_clerk_start(config->allocator, CLOSER_COUNT, &collection->closers, error);
  if (status != TUPLET_OK) {
    tp_collection_stop(collection);
    tp_collection_free(collection);
    return status;
  }
  *ret_collection = collection;
  return TUPLET_OK;

out_mutex:
  (void)pthread_mutex_destroy(&collection->mutex);
out_free:
  tp_free(config->allocator, collection);
  return tp_fail_nomem(error);
}

/* Closes what was not used after until_ms and is not in use. With the mutex held. */
static void close_unused(tp_collection *collection, int64_t until_ms) {
  for (tp_volume *volume = collection->oldest; volume != NULL;) {
    tp_volume *newer = volume->newer;
    if (volume->user_count == 0 && volume->used_at_ms <= until_ms) tp_volume_begin_close(volume);
    volume = newer;
  }
}

void tp_collection_give_up(tp_collection *collection) {
  atomic_store(&collection->gives_up, true);
}

void tp_collection_stop(tp_collection *collection) {
  tp_collection_give_up(collection);
  (void)pthread_mutex_lock(&collection->mutex);
  while (collection->parked != NULL) tp_collection_unpark_first(collection);
  collection->stopping = true;
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_clerk_stop(collection->openers); /* whose jobs may wait for closings */
  (void)pthread_mutex_lock(&collection->mutex);
  if (collection->closers != NULL)
    close_unused(collection, INT64_MAX); /* several at a time, as long as there are threads for it */
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_clerk_stop(collection->closers);
  collection->openers = NULL;
  collection->closers = NULL;
}

void tp_collection_close(tp_collection *collection) {
  /* Closing a store completes its requests, and so loops release volumes meanwhile, which moves them. */
  (void)pthread_mutex_lock(&collection->mutex);
  assert(collection->stopping && collection->closing == 0);
  for (tp_volume *volume; (volume = collection->oldest) != NULL;) {
    tp_store *store = volume->base.store;
    tp_catalog_hold hold = volume->hold;
    tp_volume_list_remove(volume);
    volume->state = TP_VOLUME_CLOSED;
    volume->hold = (tp_catalog_hold){0};
    collection->open--;
    (void)pthread_mutex_unlock(&collection->mutex);
    tp_store_close(store);
    tp_catalog_release(&hold);
    (void)pthread_mutex_lock(&collection->mutex);
    volume->base.store = NULL;
  }
  (void)pthread_mutex_unlock(&collection->mutex);
}

void tp_collection_free(tp_collection *collection) {
  if (collection == NULL) return;
  for (size_t i = 0; i < collection->bucket_count; i++) {
    while (collection->buckets[i] != NULL) tp_collection_forget(collection, collection->buckets[i]);
  }
  assert(collection->known == 0 && collection->open == 0);
  tp_free(collection->allocator, collection->buckets);
  tp_free(collection->allocator, collection->checked);
  (void)pthread_cond_destroy(&collection->changed);
  (void)pthread_mutex_destroy(&collection->mutex);
  tp_free(collection->allocator, collection);
}

/* ---- Exchanges ---- */

/* Makes it; who else does so at the same time may be faster. */
static tuplet_status create(tp_collection *collection, tp_database_lookup *lookup) {
  (void)pthread_mutex_lock(&collection->mutex);
  size_t known = collection->known;
  bool stopping = collection->stopping;
  (void)pthread_mutex_unlock(&collection->mutex);
  if (stopping) return tp_fail(&lookup->error, TUPLET_CLOSED, "The server is shutting down.");
  if (known >= collection->known_max)
    return tp_fail(&lookup->error, TUPLET_FULL, "%s holds %zu databases already.",
                   tp_catalog_path(collection->catalog), known);
  tuplet_status status =
      tp_catalog_create(collection->catalog, lookup->name, NULL, lookup->id, &lookup->error);
  if (status != TUPLET_CONFLICT) return status;
  return tp_catalog_find(collection->catalog, lookup->name, lookup->id, &lookup->error);
}

static void run_lookup(tp_clerk_job *job) {
  tp_database_lookup *lookup =
      (tp_database_lookup *)(void *)((char *)job - offsetof(tp_database_lookup, job));
  tp_collection *collection = lookup->owner;
  tuplet_status status = tp_catalog_find(collection->catalog, lookup->name, lookup->id, &lookup->error);
  if (status == TUPLET_NOT_FOUND && lookup->may_create && !collection->read_only)
    status = create(collection, lookup);
  if (status == TUPLET_OK) status = tp_collection_note(collection, lookup->name, lookup->id, &lookup->error);
  lookup->status = status;
  lookup->on_done(lookup);
}

void tp_collection_exchange(tp_collection *collection, tp_database_lookup *lookup) {
  lookup->owner = collection;
  lookup->lasting = true;
  lookup->job.run = run_lookup;
  (void)pthread_mutex_lock(&collection->mutex);
  bool stopping = collection->stopping;
  if (!stopping) tp_clerk_submit(collection->openers, &lookup->job);
  (void)pthread_mutex_unlock(&collection->mutex);
  if (!stopping) return;
  lookup->status = tp_fail(&lookup->error, TUPLET_CLOSED, "The server is shutting down.");
  lookup->on_done(lookup);
}

/* ---- Use ---- */

static bool is_usable(const tp_volume *volume) {
  return volume != NULL && volume->state == TP_VOLUME_OPEN && !atomic_load(&volume->base.leaving);
}

/* With the mutex held. */
static void touch(tp_volume *volume) {
  volume->used_at_ms = tp_collection_now_ms(volume->collection);
  if (volume->state != TP_VOLUME_OPEN) return;
  tp_volume_list_remove(volume);
  tp_volume_list_append(volume);
}

tp_database *tp_collection_acquire_open(tp_collection *collection,
                                        const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]) {
  tp_database *database = NULL;
  (void)pthread_mutex_lock(&collection->mutex);
  tp_volume *volume = tp_collection_find(collection, id);
  if (is_usable(volume)) {
    volume->user_count++;
    touch(volume);
    database = &volume->base;
  }
  (void)pthread_mutex_unlock(&collection->mutex);
  return database;
}

/* Gives the wait what it asks for, or has it wait: *ret_waits. With the mutex held. */
static tuplet_status answer_or_queue(tp_collection *collection, tp_database_wait *wait, tp_volume *volume,
                                     bool *ret_waits) {
  memcpy(wait->name, volume->name, sizeof wait->name);
  if (is_usable(volume)) {
    volume->user_count++;
    touch(volume);
    wait->database = &volume->base;
    return TUPLET_OK;
  }
  if (atomic_load(&volume->base.leaving))
    return tp_fail(&wait->error, TUPLET_BUSY, "The database %s is being renamed or deleted; try again.",
                   volume->name);
  if (collection->stopping) return tp_fail(&wait->error, TUPLET_CLOSED, "The server is shutting down.");
  wait->next = volume->waits;
  volume->waits = wait;
  if (volume->state == TP_VOLUME_CLOSED) tp_volume_begin_open(volume);
  *ret_waits = true;
  return TUPLET_OK;
}

/* After the data directory was read anew, if that could help. */
static void run_find_again(tp_clerk_job *job) {
  tp_database_wait *wait = (tp_database_wait *)(void *)((char *)job - offsetof(tp_database_wait, job));
  tp_collection *collection = wait->owner;
  tp_collection_read_if_due(collection);
  bool waits = false;
  tuplet_status status = TUPLET_NOT_FOUND;
  (void)pthread_mutex_lock(&collection->mutex);
  tp_volume *volume = tp_collection_find(collection, wait->id);
  if (volume != NULL) status = answer_or_queue(collection, wait, volume, &waits);
  (void)pthread_mutex_unlock(&collection->mutex);
  if (waits) return;
  wait->status = status;
  wait->on_done(wait);
}

void tp_collection_acquire(tp_collection *collection, tp_database_wait *wait) {
  bool waits = false;
  tuplet_status status = TUPLET_NOT_FOUND;
  wait->owner = collection;
  (void)pthread_mutex_lock(&collection->mutex);
  tp_volume *volume = tp_collection_find(collection, wait->id);
  if (volume != NULL) status = answer_or_queue(collection, wait, volume, &waits);
  (void)pthread_mutex_unlock(&collection->mutex);
  if (volume == NULL && tp_collection_reading_is_due(collection)) {
    wait->job.run = run_find_again;
    (void)pthread_mutex_lock(&collection->mutex);
    waits = !collection->stopping;
    if (waits) tp_clerk_submit(collection->openers, &wait->job);
    (void)pthread_mutex_unlock(&collection->mutex);
  }
  if (waits) return;
  wait->status = status;
  wait->on_done(wait);
}

/* With the mutex held. */
static void remove_user(tp_volume *volume) {
  assert(volume->user_count > 0);
  volume->user_count--;
  if (volume->user_count > 0 || volume->state != TP_VOLUME_OPEN || volume->collection->stopping) return;
  if (atomic_load(&volume->base.leaving))
    tp_volume_begin_close(volume);
  else
    tp_collection_unpark_first(volume->collection);
}

void tp_collection_release(tp_collection *collection, tp_database *database) {
  tp_volume *volume = volume_of(database);
  (void)pthread_mutex_lock(&collection->mutex);
  touch(volume);
  remove_user(volume);
  (void)pthread_mutex_unlock(&collection->mutex);
}

/* ---- Housekeeping ---- */

/* Notes who is wanted by others. With the mutex held, but not while the system is asked. */
static void check_wanted(tp_collection *collection) {
  size_t count = 0;
  for (tp_volume *volume = collection->oldest; volume != NULL && count < collection->open_max;
       volume = volume->newer) {
    volume->checking = true;
    collection->checked[count++] = volume;
  }
  (void)pthread_mutex_unlock(&collection->mutex);
  for (size_t i = 0; i < count; i++) {
    tp_volume *volume = collection->checked[i];
    atomic_store(&volume->base.leaving, tp_catalog_hold_is_wanted(&volume->hold));
  }
  (void)pthread_mutex_lock(&collection->mutex);
  for (size_t i = 0; i < count; i++) collection->checked[i]->checking = false;
  (void)pthread_cond_broadcast(&collection->changed);
}

bool tp_collection_sweep(tp_collection *collection) {
  bool in_use = false;
  (void)pthread_mutex_lock(&collection->mutex);
  if (!collection->stopping) {
    tp_collection_unpark_older(collection, tp_collection_now_ms(collection) - ROOM_WAIT_MS);
    close_unused(collection, tp_collection_now_ms(collection) - collection->idle_timeout_ms);
    check_wanted(collection);
  }
  for (tp_volume *volume = collection->oldest; volume != NULL && !collection->stopping;) {
    tp_volume *newer = volume->newer;
    if (atomic_load(&volume->base.leaving)) {
      if (volume->user_count == 0)
        tp_volume_begin_close(volume);
      else
        in_use = true;
    }
    volume = newer;
  }
  (void)pthread_mutex_unlock(&collection->mutex);
  return in_use;
}

void tp_collection_count(tp_collection *collection, tp_databases_count *ret_count) {
  (void)pthread_mutex_lock(&collection->mutex);
  ret_count->known = collection->known;
  ret_count->files_open = collection->open;
  (void)pthread_mutex_unlock(&collection->mutex);
}

/* All that are OPEN, as users, which does not count as being used. Returns how many. */
static size_t take_open(tp_collection *collection, tp_volume **volumes) {
  size_t count = 0;
  (void)pthread_mutex_lock(&collection->mutex);
  for (tp_volume *volume = collection->oldest; volume != NULL && count < collection->open_max;
       volume = volume->newer) {
    volume->user_count++;
    volumes[count++] = volume;
  }
  (void)pthread_mutex_unlock(&collection->mutex);
  return count;
}

tuplet_status tp_collection_visit(tp_collection *collection,
                                  void (*visit)(void *context, const char *name, tp_store *store),
                                  void *context, tuplet_error *error) {
  tp_volume **volumes = tp_alloc_array_zeroed(collection->allocator, collection->open_max, sizeof *volumes);
  if (volumes == NULL) return tp_fail_nomem(error);
  size_t count = take_open(collection, volumes);
  for (size_t i = 0; i < count; i++) visit(context, volumes[i]->name, volumes[i]->base.store);
  (void)pthread_mutex_lock(&collection->mutex);
  for (size_t i = 0; i < count; i++) remove_user(volumes[i]);
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_free(collection->allocator, volumes);
  return TUPLET_OK;
}
