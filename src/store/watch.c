/* watch.c: watched keys, and what their consumer was shown last. */
#include "base/alloc.h"
#include "base/status.h"
#include "store/limits_check.h"
#include "store/store.h"
#include "store/store_private.h"

#include <string.h>

enum { WATCH_CHUNK_SIZE = 512 };

struct tp_watch {
  tp_store *store;
  tp_arena arena; /* what the pointers below point to */
  tp_hub_member member;
  tp_engine_watch *inner; /* of an engine that hears of changes by itself; else NULL, and the hub tells */
  size_t key_count;
  tp_read_range *ranges; /* one per key */
  tuplet_versionstamp *shown;
  bool has_shown;

  /* The poll that is running: */
  tp_read read;
  tp_watch_poll *poll;
  tuplet_versionstamp *seen;
  size_t next_index;
  bool any_changed;
  int64_t next_expiry_ms;
};

static tp_watch *watch_of(tp_read *read) {
  return (tp_watch *)(void *)((char *)read - offsetof(tp_watch, read));
}

/* ---- Polling ---- */

static tuplet_status give_key(tp_watch *watch, const tp_row *row, tuplet_error *error) {
  size_t index = watch->next_index++;
  tuplet_versionstamp versionstamp = {{0}};
  if (row != NULL) versionstamp = row->versionstamp;
  bool changed = !watch->has_shown || memcmp(&versionstamp, &watch->shown[index], sizeof versionstamp) != 0;
  watch->seen[index] = versionstamp;
  if (changed) watch->any_changed = true;
  bool expires = row != NULL && row->expires_at_ms != TP_EXPIRES_NEVER;
  if (expires && (watch->next_expiry_ms == TP_EXPIRES_NEVER || row->expires_at_ms < watch->next_expiry_ms)) {
    watch->next_expiry_ms = row->expires_at_ms;
  }
  return watch->poll->on_key(watch->poll, index, changed, row, error);
}

static tuplet_status give_absent_until(tp_watch *watch, size_t index, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && watch->next_index < index) status = give_key(watch, NULL, error);
  return status;
}

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  tp_watch *watch = watch_of(read);
  tuplet_status status = give_absent_until(watch, range_index, error);
  return status == TUPLET_OK ? give_key(watch, row, error) : status;
}

static void on_read(tp_read *read, tuplet_status status, const tuplet_error *error) {
  tp_watch *watch = watch_of(read);
  tuplet_error later = {0};
  if (status == TUPLET_OK) {
    status = give_absent_until(watch, watch->key_count, &later);
    error = &later;
  }
  if (status == TUPLET_OK) {
    memcpy(watch->shown, watch->seen, watch->key_count * sizeof *watch->shown);
    watch->has_shown = true;
    if (watch->store->engine->ops->watch == NULL &&
        tp_watch_hub_shown(&watch->store->hub, &watch->member, watch->next_expiry_ms)) {
      tp_housekeeper_note_watch(&watch->store->housekeeper);
    }
  }
  watch->poll->on_done(watch->poll, status, watch->any_changed, error);
}

void tp_watch_poll_start(tp_watch *watch, tp_reader *reader, tp_watch_poll *poll) {
  watch->poll = poll;
  watch->next_index = 0;
  watch->any_changed = false;
  watch->next_expiry_ms = TP_EXPIRES_NEVER;
  watch->read = (tp_read){
      .ranges = watch->ranges, .range_count = watch->key_count, .on_row = on_row, .on_done = on_read};
  tp_watch_hub_looking(&watch->store->hub, &watch->member); /* before the snapshot is taken */
  tp_store_read(watch->store, reader, &watch->read);
}

/* ---- Beginning and end ---- */

static bool copy_keys(tp_watch *watch, const tuplet_bytes *keys) {
  tp_arena *arena = &watch->arena;
  size_t count = watch->key_count;
  watch->ranges = tp_arena_alloc_array_zeroed(arena, count, sizeof *watch->ranges);
  watch->shown = tp_arena_alloc_array_zeroed(arena, count, sizeof *watch->shown);
  watch->seen = tp_arena_alloc_array_zeroed(arena, count, sizeof *watch->seen);
  watch->member.subscriptions =
      tp_arena_alloc_array_zeroed(arena, count, sizeof *watch->member.subscriptions);
  if (watch->ranges == NULL || watch->shown == NULL || watch->seen == NULL ||
      watch->member.subscriptions == NULL) {
    return false;
  }
  watch->member.subscription_count = count;
  for (size_t i = 0; i < count; i++) {
    tuplet_bytes key =
        tp_arena_copy(arena, keys[i]); /* with a zero byte after it, which makes the range's end */
    if (key.data == NULL) return false;
    watch->ranges[i] = (tp_read_range){.start = key, .end = {key.data, key.size + 1}, .limit = 1};
    watch->member.subscriptions[i] = (tp_hub_subscription){.member = &watch->member, .key = key};
  }
  return true;
}

static void watch_free(tp_watch *watch) {
  const tuplet_allocator *allocator = watch->store->allocator;
  tp_arena_done(&watch->arena);
  tp_free(allocator, watch);
}

/* From the engine. */
static void wake_member(void *context) {
  tp_watch *watch = context;
  tp_watch_hub_wake(&watch->store->hub, &watch->member);
}

/* It is woken by the hub once, to begin with, and from then on by the engine. */
static tuplet_status join(tp_watch *watch, const tuplet_bytes *keys, tuplet_error *error) {
  tp_store *store = watch->store;
  const tp_engine_ops *ops = store->engine->ops;
  tuplet_status status = tp_watch_hub_join(&store->hub, &watch->member, error);
  if (status != TUPLET_OK || ops->watch == NULL) return status;
  status = ops->watch(store->engine, keys, watch->key_count, wake_member, watch, &watch->inner, error);
  if (status != TUPLET_OK) tp_watch_hub_leave(&store->hub, &watch->member);
  return status;
}

tuplet_status tp_watch_open(tp_store *store, const tuplet_bytes *keys, size_t key_count,
                            void (*wake)(void *context), void *context, tp_watch **ret_watch,
                            tuplet_error *error) {
  tuplet_status status = tp_limits_check_watch(keys, key_count, error);
  if (status != TUPLET_OK) return status;
  tp_watch *watch = tp_alloc_array_zeroed(store->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  watch->store = store;
  watch->key_count = key_count;
  watch->member.wake = wake;
  watch->member.context = context;
  tp_arena_init(&watch->arena, store->allocator, WATCH_CHUNK_SIZE);
  status = copy_keys(watch, keys) ? TUPLET_OK : tp_fail_nomem(error);
  if (status == TUPLET_OK) {
    *ret_watch = watch; /* before it joins: `wake` may already hand it to another thread */
    status = join(watch, keys, error);
  }
  if (status != TUPLET_OK) {
    *ret_watch = NULL;
    watch_free(watch);
    return status;
  }
  if (store->engine->ops->watch == NULL) tp_housekeeper_note_watch(&store->housekeeper);
  return TUPLET_OK;
}

void tp_watch_close(tp_watch *watch) {
  if (watch == NULL) return;
  if (watch->inner != NULL) watch->store->engine->ops->watch_close(watch->store->engine, watch->inner);
  tp_watch_hub_leave(&watch->store->hub, &watch->member);
  watch_free(watch);
}

size_t tp_watch_key_count(const tp_watch *watch) {
  return watch->key_count;
}
