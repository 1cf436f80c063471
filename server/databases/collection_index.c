/* collection_index.c: which databases of the data directory are known, found by their ids. */
#include "base/alloc.h"
#include "base/status.h"
#include "server/databases/collection_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
  BUCKET_COUNT_MIN = 64,
  READING_INTERVAL_MS = 1000,
  /* File systems keep times in steps; a change shortly after a reading may have the same time as one before.
   */
  TIME_STEP_MAX_MS = 2000
};

/* ---- The table. All with the mutex held. ---- */

static tp_volume **bucket_of(const tp_collection *collection, const uint8_t *id) {
  return &collection->buckets[tp_database_id_hash(id) & (collection->bucket_count - 1)];
}

tp_volume *tp_collection_find(const tp_collection *collection, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]) {
  if (collection->bucket_count == 0) return NULL;
  tp_volume *volume = *bucket_of(collection, id);
  while (volume != NULL && memcmp(volume->base.id, id, TP_AUTH_DATABASE_ID_SIZE) != 0)
    volume = volume->same_bucket;
  return volume;
}

static void add_to_bucket(const tp_collection *collection, tp_volume *volume) {
  tp_volume **bucket = bucket_of(collection, volume->base.id);
  volume->same_bucket = *bucket;
  *bucket = volume;
}

/* Room for one more. */
static tuplet_status grow_table(tp_collection *collection, tuplet_error *error) {
  size_t old_count = collection->bucket_count;
  if (collection->known < old_count) return TUPLET_OK;
  tp_volume **old = collection->buckets;
  size_t count = old_count == 0 ? BUCKET_COUNT_MIN : 2 * old_count;
  tp_volume **buckets = tp_alloc_array_zeroed(collection->allocator, count, sizeof *buckets);
  if (buckets == NULL) return tp_fail_nomem(error);
  collection->buckets = buckets;
  collection->bucket_count = count;
  for (size_t i = 0; i < old_count; i++) {
    for (tp_volume *volume = old[i]; volume != NULL;) {
      tp_volume *next = volume->same_bucket;
      add_to_bucket(collection, volume);
      volume = next;
    }
  }
  tp_free(collection->allocator, old);
  return TUPLET_OK;
}

static tuplet_status add(tp_collection *collection, const char *name, const uint8_t *id,
                         tp_volume **ret_volume, tuplet_error *error) {
  if (collection->known >= collection->known_max)
    return tp_fail(error, TUPLET_FULL,
                   "The data directory holds more databases than the %zu that a server knows.",
                   collection->known_max);
  tuplet_status status = grow_table(collection, error);
  if (status != TUPLET_OK) return status;
  tp_volume *volume = tp_alloc_array_zeroed(collection->allocator, 1, sizeof *volume);
  if (volume == NULL) return tp_fail_nomem(error);
  volume->base.kind = TP_DATABASE_NAMED;
  volume->base.name = volume->name;
  atomic_init(&volume->base.leaving, false);
  memcpy(volume->base.id, id, TP_AUTH_DATABASE_ID_SIZE);
  volume->collection = collection;
  (void)snprintf(volume->name, sizeof volume->name, "%s", name);
  volume->seen = collection->readings;
  add_to_bucket(collection, volume);
  collection->known++;
  *ret_volume = volume;
  return TUPLET_OK;
}

void tp_collection_forget(tp_collection *collection, tp_volume *volume) {
  assert(volume->state == TP_VOLUME_CLOSED && volume->waits == NULL && volume->user_count == 0);
  tp_volume **place = bucket_of(collection, volume->base.id);
  while (*place != volume) place = &(*place)->same_bucket;
  *place = volume->same_bucket;
  collection->known--;
  tp_free(collection->allocator, volume);
}

static void set_name(tp_volume *volume, const char *name) {
  if (volume->state == TP_VOLUME_CLOSED || volume->state == TP_VOLUME_OPENING)
    (void)snprintf(volume->name, sizeof volume->name, "%s", name);
}

/* ---- Reading the data directory ---- */

static void log_damaged(void *context, const tuplet_error *reason) {
  const tp_collection *collection = context;
  if (collection->log != NULL) tp_log_write(collection->log, TP_LOG_WARNING, "%s", reason->message);
}

/* Two folders of one id: that which is known by it already stays the one, and at the start the older one is.
 */
static void choose_original(const tp_collection *collection, tp_volume *volume,
                            const tp_catalog_entry *entry) {
  char name[TP_DATABASE_NAME_SIZE_MAX + 1];
  memcpy(name, entry->name, sizeof name);
  if (entry->id_changed_ns < volume->id_changed_ns) {
    memcpy(name, volume->name, sizeof name);
    set_name(volume, entry->name);
    volume->id_changed_ns = entry->id_changed_ns;
  }
  if (collection->log == NULL) return;
  tp_log_write(collection->log, TP_LOG_WARNING,
               "%s/%s has the same id as %s, whose folder it may be a copy of: it is not served",
               tp_catalog_path(collection->catalog), name, volume->name);
}

static tuplet_status merge(tp_collection *collection, const tp_catalog_entry *entries, size_t count,
                           uint64_t number, bool is_first, tuplet_error *error) {
  for (size_t i = 0; i < count; i++) {
    tp_volume *volume = tp_collection_find(collection, entries[i].id);
    if (volume != NULL && volume->seen < number && strcmp(volume->name, entries[i].name) == 0)
      volume->seen = number;
  }
  for (size_t i = 0; i < count; i++) {
    tp_volume *volume = tp_collection_find(collection, entries[i].id);
    tuplet_status status = TUPLET_OK;
    if (volume == NULL) {
      status = add(collection, entries[i].name, entries[i].id, &volume, error);
      if (status == TUPLET_OK) volume->id_changed_ns = entries[i].id_changed_ns;
    } else if (volume->seen < number) { /* it was renamed */
      set_name(volume, entries[i].name);
      volume->seen = number;
    } else if (is_first && strcmp(volume->name, entries[i].name) != 0) {
      choose_original(collection, volume, &entries[i]);
    }
    if (status != TUPLET_OK) return status;
  }
  return TUPLET_OK;
}

/* Those that this reading did not meet, unless they came to be known while it went on. */
static void forget_gone(tp_collection *collection, uint64_t number) {
  for (size_t i = 0; i < collection->bucket_count; i++) {
    for (tp_volume *volume = collection->buckets[i]; volume != NULL;) {
      tp_volume *next = volume->same_bucket;
      if (volume->seen < number && volume->state == TP_VOLUME_CLOSED && volume->user_count == 0)
        tp_collection_forget(collection, volume);
      volume = next;
    }
  }
}

tuplet_status tp_collection_read(tp_collection *collection, bool is_first, tuplet_error *error) {
  tp_catalog_entry *entries = NULL;
  size_t count = 0;
  (void)pthread_mutex_lock(&collection->mutex);
  while (collection->reading) (void)pthread_cond_wait(&collection->changed, &collection->mutex);
  collection->reading = true;
  uint64_t number = ++collection->readings;
  collection->read_at_ms = tp_collection_now_ms(collection);
  (void)pthread_mutex_unlock(&collection->mutex);

  int64_t changed_ns = tp_catalog_changed_ns(collection->catalog);
  int64_t unix_ms = tp_clock_unix_ms(&collection->clock);
  tuplet_status status = tp_catalog_list(collection->catalog, is_first ? log_damaged : NULL, collection,
                                         &entries, &count, error);

  (void)pthread_mutex_lock(&collection->mutex);
  if (status == TUPLET_OK) status = merge(collection, entries, count, number, is_first, error);
  if (status == TUPLET_OK) {
    forget_gone(collection, number);
    collection->read_at_changed_ns = changed_ns;
    collection->read_at_unix_ms = unix_ms;
  }
  collection->reading = false;
  (void)pthread_cond_broadcast(&collection->changed);
  (void)pthread_mutex_unlock(&collection->mutex);
  tp_catalog_list_free(collection->catalog, entries);
  return status;
}

bool tp_collection_reading_is_due(tp_collection *collection) {
  int64_t changed_ns = tp_catalog_changed_ns(collection->catalog);
  (void)pthread_mutex_lock(&collection->mutex);
  bool changed = changed_ns != collection->read_at_changed_ns ||
                 changed_ns / 1000000 > collection->read_at_unix_ms - TIME_STEP_MAX_MS;
  bool early = tp_collection_now_ms(collection) - collection->read_at_ms < READING_INTERVAL_MS;
  bool due = collection->reading || (changed && !early);
  (void)pthread_mutex_unlock(&collection->mutex);
  return due;
}

void tp_collection_read_if_due(tp_collection *collection) {
  tuplet_error error = {0};
  (void)pthread_mutex_lock(&collection->mutex);
  bool at_it = collection->reading;
  while (collection->reading) (void)pthread_cond_wait(&collection->changed, &collection->mutex);
  (void)pthread_mutex_unlock(&collection->mutex);
  if (at_it || !tp_collection_reading_is_due(collection)) return;
  if (tp_collection_read(collection, false, &error) < 0) log_damaged(collection, &error);
}

/* ---- One name ---- */

tuplet_status tp_collection_note(tp_collection *collection, const char *name,
                                 const uint8_t id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error) {
  char known_name[TP_DATABASE_NAME_SIZE_MAX + 1] = "";
  uint8_t known_id[TP_AUTH_DATABASE_ID_SIZE];
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&collection->mutex);
  tp_volume *volume = tp_collection_find(collection, id);
  if (volume == NULL) {
    status = add(collection, name, id, &volume, error);
  } else {
    volume->seen = collection->readings;
    memcpy(known_name, volume->name, sizeof known_name);
  }
  (void)pthread_mutex_unlock(&collection->mutex);
  if (status != TUPLET_OK || known_name[0] == '\0' || strcmp(known_name, name) == 0) return status;

  /* It was renamed, or its folder was copied. */
  if (tp_catalog_find(collection->catalog, known_name, known_id, NULL) == TUPLET_OK &&
      memcmp(known_id, id, sizeof known_id) == 0)
    return tp_fail(error, TUPLET_FORMAT, "%s/%s has the same id as %s, whose folder it may be a copy of.",
                   tp_catalog_path(collection->catalog), name, known_name);
  (void)pthread_mutex_lock(&collection->mutex);
  volume = tp_collection_find(collection, id);
  if (volume != NULL) set_name(volume, name);
  (void)pthread_mutex_unlock(&collection->mutex);
  return TUPLET_OK;
}
