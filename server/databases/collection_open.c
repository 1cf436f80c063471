/* collection_open.c: opening and closing databases of the data directory; on threads that may wait. */
#include "api/open.h"
#include "base/status.h"
#include "server/databases/collection_private.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* Of each connection to a file. Less than what a database that is alone gets: there may be hundreds. */
enum { CACHE_KIB = 2048 };

/* ---- The list of OPEN ones ---- */

void tp_volume_list_append(tp_volume *volume) {
  tp_collection *collection = volume->collection;
  volume->older = collection->newest;
  volume->newer = NULL;
  *(collection->newest != NULL ? &collection->newest->newer : &collection->oldest) = volume;
  collection->newest = volume;
}

void tp_volume_list_remove(tp_volume *volume) {
  tp_collection *collection = volume->collection;
  *(volume->older != NULL ? &volume->older->newer : &collection->oldest) = volume->newer;
  *(volume->newer != NULL ? &volume->newer->older : &collection->newest) = volume->older;
}

/* ---- Those that wait for room ---- */

static void park(tp_volume *volume) {
  tp_collection *collection = volume->collection;
  if (!volume->has_waited) volume->parked_at_ms = tp_collection_now_ms(collection);
  volume->has_waited = true;
  volume->next_parked = NULL;
  tp_volume **place = &collection->parked;
  while (*place != NULL) place = &(*place)->next_parked;
  *place = volume;
}

void tp_collection_unpark_first(tp_collection *collection) {
  tp_volume *volume = collection->parked;
  if (volume == NULL) return;
  collection->parked = volume->next_parked;
  tp_clerk_submit(collection->openers, &volume->job);
}

void tp_collection_unpark_older(tp_collection *collection, int64_t since_ms) {
  tp_volume **place = &collection->parked;
  while (*place != NULL) {
    tp_volume *volume = *place;
    if (volume->parked_at_ms > since_ms) {
      place = &volume->next_parked;
      continue;
    }
    *place = volume->next_parked;
    volume->gives_up = true;
    tp_clerk_submit(collection->openers, &volume->job);
  }
}

/* ---- Waits ---- */

void tp_database_waits_done(tp_database_wait *waits, tuplet_status status, tp_volume *volume,
                            const char *name, const tuplet_error *error) {
  tp_database_wait *first = NULL;
  while (waits != NULL) { /* the last came first */
    tp_database_wait *next = waits->next;
    waits->next = first;
    first = waits;
    waits = next;
  }
  while (first != NULL) {
    tp_database_wait *wait = first;
    first = wait->next; /* before the wait is gone */
    wait->status = status;
    if (status < 0) wait->error = *error;
    wait->database = volume == NULL ? NULL : &volume->base;
    memcpy(wait->name, name, strlen(name) + 1);
    wait->on_done(wait);
  }
}

static tp_database_wait *take_waits(tp_volume *volume) {
  tp_database_wait *waits = volume->waits;
  volume->waits = NULL;
  return waits;
}

/* ---- Closing ---- */

/* Closes one that is CLOSING, unless somebody else is at it. With the mutex held, but not all the time. */
static void finish_close(tp_volume *volume) {
  tp_collection *collection = volume->collection;
  while (volume->checking) (void)pthread_cond_wait(&collection->changed, &collection->mutex);
  assert(volume->state == TP_VOLUME_CLOSING && volume->user_count == 0);
  tp_store *store = volume->base.store;
  tp_catalog_hold hold = volume->hold;
  volume->base.store = NULL;
  volume->hold = (tp_catalog_hold){0};
  (void)pthread_mutex_unlock(&collection->mutex);

  tp_store_close(store);
  tp_catalog_release(&hold);

  (void)pthread_mutex_lock(&collection->mutex);
  volume->state = TP_VOLUME_CLOSED;
  atomic_store(&volume->base.leaving, false);
  collection->open--;
  collection->closing--;
  tp_collection_unpark_first(collection);
  (void)pthread_cond_broadcast(&collection->changed);
}

/* Takes one that is OPEN and not in use out of reach. */
static void set_closing(tp_volume *volume) {
  assert(volume->state == TP_VOLUME_OPEN && volume->user_count == 0);
  tp_volume_list_remove(volume);
  volume->state = TP_VOLUME_CLOSING;
  volume->collection->closing++;
}

/* One that was closed while somebody came to wait for it. With the mutex held, but not all the time. */
static void reopen_for_waits(tp_volume *volume) {
  tp_collection *collection = volume->collection;
  if (volume->state != TP_VOLUME_CLOSED || volume->waits == NULL) return;
  if (!collection->stopping) {
    tp_volume_begin_open(volume);
    return;
  }
  tp_database_wait *waits = take_waits(volume);
  tuplet_error error;
  (void)tp_fail(&error, TUPLET_CLOSED, "The server is shutting down.");
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_database_waits_done(waits, TUPLET_CLOSED, NULL, volume->name, &error);
  (void)pthread_mutex_lock(&collection->mutex);
}

void tp_volume_begin_close(tp_volume *volume) {
  set_closing(volume);
  volume->job.run = tp_volume_run_close;
  tp_clerk_submit(volume->collection->closers, &volume->job);
}

void tp_volume_run_close(tp_clerk_job *job) {
  tp_volume *volume = (tp_volume *)(void *)((char *)job - offsetof(tp_volume, job));
  tp_collection *collection = volume->collection;
  (void)pthread_mutex_lock(&collection->mutex);
  finish_close(volume);
  reopen_for_waits(volume);
  (void)pthread_mutex_unlock(&collection->mutex);
}

/* ---- Opening ---- */

/* Room for one more that is open, which the volume then has, unless it is parked. With the mutex held, but
 * not all the time. */
static tuplet_status make_room(tp_volume *volume, bool *ret_parked, tuplet_error *error) {
  tp_collection *collection = volume->collection;
  while (collection->open >= collection->open_max) {
    tp_volume *victim = collection->oldest;
    while (victim != NULL && victim->user_count > 0) victim = victim->newer;
    if (victim != NULL) {
      set_closing(victim);
      finish_close(victim);
      reopen_for_waits(victim);
    } else if (collection->closing > 0) {
      (void)pthread_cond_wait(&collection->changed, &collection->mutex);
    } else if (volume->gives_up) {
      return tp_fail(error, TUPLET_BUSY, "%zu databases are open, and all of them in use; try again later.",
                     collection->open);
    } else {
      park(volume);
      *ret_parked = true;
      return TUPLET_OK;
    }
  }
  collection->open++;
  return TUPLET_OK;
}

/* What a volume has while it is open. */
typedef struct opening {
  tp_catalog_hold hold;
  tp_store *store;
} opening;

static tuplet_status open_store(const tp_collection *collection, opening *new, tuplet_error *error) {
  tp_buffer path;
  tp_buffer_init(&path, collection->allocator);
  tuplet_status status = tp_catalog_file(&new->hold, &path, error);
  if (status == TUPLET_OK) {
    tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
    options.allocator = collection->allocator;
    options.read_only = collection->read_only;
    options.cache_kib = CACHE_KIB;
    const tp_open_wants wants = {.stats = collection->stats, .gives_up = &collection->gives_up};
    status = tp_open_store_for_server((const char *)path.data, &options, collection->clock, &wants,
                                      &new->store, NULL, error);
  }
  tp_buffer_done(&path);
  return status;
}

/* TUPLET_NOT_FOUND: the database of that id does not have that name. */
static tuplet_status open_named(const tp_collection *collection, const char *name, const uint8_t *id,
                                opening *ret_new, tuplet_error *error) {
  opening new = {0};
  tuplet_status status = tp_catalog_hold_shared(collection->catalog, name, true, &new.hold, error);
  if (status != TUPLET_OK) return status;
  if (memcmp(new.hold.entry.id, id, TP_AUTH_DATABASE_ID_SIZE) != 0)
    status = TUPLET_NOT_FOUND;
  else
    status = open_store(collection, &new, error);
  if (status == TUPLET_OK)
    *ret_new = new;
  else
    tp_catalog_release(&new.hold);
  return status;
}

/* Under the name that is known, and when it is not there, under the one that reading the data directory
 * tells.
 */
static tuplet_status open_wherever(tp_volume *volume, opening *ret_new, tuplet_error *error) {
  tp_collection *collection = volume->collection;
  char name[TP_DATABASE_NAME_SIZE_MAX + 1];
  char name_before[sizeof name] = "";
  for (;;) {
    (void)pthread_mutex_lock(&collection->mutex);
    memcpy(name, volume->name, sizeof name);
    (void)pthread_mutex_unlock(&collection->mutex);
    if (strcmp(name, name_before) == 0) return TUPLET_NOT_FOUND;
    tuplet_status status = open_named(collection, name, volume->base.id, ret_new, error);
    if (status != TUPLET_NOT_FOUND) return status;
    memcpy(name_before, name, sizeof name);
    status = tp_collection_read(collection, false, error);
    if (status != TUPLET_OK) return status;
  }
}

void tp_volume_begin_open(tp_volume *volume) {
  assert(volume->state == TP_VOLUME_CLOSED);
  volume->state = TP_VOLUME_OPENING;
  volume->job.run = tp_volume_run_open;
  tp_clerk_submit(volume->collection->openers, &volume->job);
}

/* With the mutex held. Returns who is to be told. */
static tp_database_wait *finish_open(tp_volume *volume, tuplet_status status, const opening *new) {
  tp_collection *collection = volume->collection;
  tp_database_wait *waits = take_waits(volume);
  volume->has_waited = false;
  volume->gives_up = false;
  volume->state = status == TUPLET_OK ? TP_VOLUME_OPEN : TP_VOLUME_CLOSED;
  if (status == TUPLET_OK) {
    volume->hold = new->hold;
    volume->base.store = new->store;
    volume->used_at_ms = tp_collection_now_ms(collection);
    for (const tp_database_wait *wait = waits; wait != NULL; wait = wait->next) volume->user_count++;
    tp_volume_list_append(volume);
  }
  return waits;
}

void tp_volume_run_open(tp_clerk_job *job) {
  tp_volume *volume = (tp_volume *)(void *)((char *)job - offsetof(tp_volume, job));
  tp_collection *collection = volume->collection;
  tuplet_error error = {0};
  opening new = {0};
  char name[TP_DATABASE_NAME_SIZE_MAX + 1];

  bool parked = false;
  (void)pthread_mutex_lock(&collection->mutex);
  tuplet_status status = collection->stopping ? tp_fail(&error, TUPLET_CLOSED, "The server is shutting down.")
                                              : make_room(volume, &parked, &error);
  (void)pthread_mutex_unlock(&collection->mutex);
  if (parked) return; /* and another thread may be at it already */
  bool has_room = status == TUPLET_OK;
  if (has_room) status = open_wherever(volume, &new, &error);

  (void)pthread_mutex_lock(&collection->mutex);
  if (has_room && status != TUPLET_OK) {
    collection->open--;
    tp_collection_unpark_first(collection);
  }
  memcpy(name, volume->name, sizeof name);
  tp_database_wait *waits = finish_open(volume, status, &new);
  if (status == TUPLET_NOT_FOUND) {
    tp_collection_forget(collection, volume);
    volume = NULL;
  }
  (void)pthread_cond_broadcast(&collection->changed);
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_database_waits_done(waits, status, status == TUPLET_OK ? volume : NULL, name, &error);
}
