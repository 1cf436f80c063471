/* watch_range.c: a watched range, and which of its keys have changed. */
#include "base/alloc.h"
#include "base/status.h"
#include "store/limits_check.h"
#include "store/store.h"
#include "store/store_private.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum { RANGE_CHUNK_SIZE = 256 };

struct tp_range_watch {
  tp_range_member member; /* first, so that the one is found from the other */
  tp_store *store;
  tp_arena arena;               /* the bounds */
  tp_engine_range_watch *inner; /* of an engine that follows ranges by itself; else NULL, and the hub tells */

  /* The poll that is running: */
  tp_range_poll *poll;
  tp_read read;
  tp_range_keys taken;
  tp_read_range *ranges; /* one per key */
  size_t next_index;
  size_t size; /* bytes told */
  tp_range_result result;
};

static tp_range_watch *watch_of(tp_read *read) {
  return (tp_range_watch *)(void *)((char *)read - offsetof(tp_range_watch, read));
}

/* ---- Polling ---- */

/* TUPLET_TIMEOUT: not now. */
static tuplet_status on_snapshot(tp_read *read, const tuplet_versionstamp *last, tuplet_error *error) {
  tp_range_watch *watch = watch_of(read);
  const tuplet_allocator *allocator = watch->store->allocator;
  tuplet_status status =
      tp_range_hub_take(&watch->store->range_hub, &watch->member, last, &watch->taken, error);
  if (status != TUPLET_OK) return status;
  size_t count = watch->taken.count;
  if (count == 0) return TUPLET_TIMEOUT;
  watch->ranges = tp_alloc_array_zeroed(allocator, count, sizeof *watch->ranges);
  if (watch->ranges == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < count; i++) {
    const tp_range_key *key = &watch->taken.items[i];
    watch->ranges[i] =
        (tp_read_range){.start = {key->bytes, key->size}, .end = {key->bytes, key->size + 1}, .limit = 1};
  }
  read->ranges = watch->ranges;
  read->range_count = count;
  watch->result = (tp_range_result){.is_new = true, .versionstamp = *last};
  return TUPLET_OK;
}

/* TUPLET_TIMEOUT: there is too much to tell. */
static tuplet_status give(tp_range_watch *watch, const tp_row *row, tuplet_error *error) {
  const tp_range_key *key = &watch->taken.items[watch->next_index++];
  watch->size += key->size + (row == NULL ? 0 : row->value.size);
  if (watch->size > TP_RANGE_CHANGES_SIZE_MAX) return TUPLET_TIMEOUT;
  return watch->poll->on_change(watch->poll, (tuplet_bytes){key->bytes, key->size}, row, error);
}

static tuplet_status give_absent_until(tp_range_watch *watch, size_t index, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && watch->next_index < index) status = give(watch, NULL, error);
  return status;
}

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  tp_range_watch *watch = watch_of(read);
  tuplet_status status = give_absent_until(watch, range_index, error);
  return status == TUPLET_OK ? give(watch, row, error) : status;
}

static void on_read(tp_read *read, tuplet_status status, const tuplet_error *error) {
  tp_range_watch *watch = watch_of(read);
  tuplet_error later = {0};
  if (status == TUPLET_OK) {
    status = give_absent_until(watch, watch->taken.count, &later);
    error = &later;
  }
  /* What was taken and not told is lost. */
  if (status != TUPLET_OK && (status < 0 || watch->taken.count > 0))
    tp_range_hub_lose(&watch->store->range_hub, &watch->member);
  tp_range_keys_free(watch->store->allocator, &watch->taken);
  tp_free(watch->store->allocator, watch->ranges);
  watch->ranges = NULL;
  if (status != TUPLET_OK) watch->result = (tp_range_result){0};
  watch->poll->on_done(watch->poll, status < 0 ? status : TUPLET_OK, &watch->result, error);
}

/* A fetch of what the engine knows; `poll` is told. */
typedef struct fetching {
  tp_range_fetch fetch; /* first, so that the one is found from the other */
  tp_range_poll *poll;
} fetching;

static tuplet_status on_fetched(tp_range_fetch *fetch, tuplet_bytes key, const tp_row *row,
                                tuplet_error *error) {
  tp_range_poll *poll = ((fetching *)(void *)fetch)->poll;
  return poll->on_change(poll, key, row, error);
}

static void poll_engine(tp_range_watch *watch, tp_range_poll *poll) {
  tp_engine *engine = watch->store->engine;
  tuplet_error error = {0};
  tp_range_result result = {0};
  fetching fetch = {{.on_change = on_fetched}, poll};
  tuplet_status status = engine->ops->range_watch_fetch(engine, watch->inner, &fetch.fetch, &error);
  if (status == TUPLET_OK)
    result = (tp_range_result){fetch.fetch.is_new, fetch.fetch.must_reread, fetch.fetch.versionstamp};
  poll->on_done(poll, status, &result, &error);
}

void tp_range_watch_poll(tp_range_watch *watch, tp_reader *reader, tp_range_poll *poll) {
  static const tuplet_error none;
  tp_store *store = watch->store;
  if (watch->inner != NULL) {
    poll_engine(watch, poll);
    return;
  }
  int64_t expired_until_ms;
  watch->poll = poll;
  watch->next_index = 0;
  watch->size = 0;
  watch->result = (tp_range_result){0};
  tp_range_look look =
      tp_range_hub_look(&store->range_hub, &watch->member, &watch->result.versionstamp, &expired_until_ms);
  if (look != TP_RANGE_CHANGES) {
    watch->result.is_new = watch->result.must_reread = look == TP_RANGE_REREAD;
    poll->on_done(poll, TUPLET_OK, &watch->result, &none);
    return;
  }
  int64_t now_ms = tp_store_now_ms(store);
  watch->read = (tp_read){.now_ms = now_ms > expired_until_ms ? now_ms : expired_until_ms,
                          .on_snapshot = on_snapshot,
                          .on_row = on_row,
                          .on_done = on_read};
  store->engine->ops->read(store->engine, reader, &watch->read);
}

/* ---- Beginning and end ---- */

static void watch_free(tp_range_watch *watch) {
  tp_arena_done(&watch->arena);
  tp_free(watch->store->allocator, watch);
}

static tuplet_status check(const tp_store *store, tuplet_bytes start, tuplet_bytes end, uint32_t changes_max,
                           tuplet_error *error) {
  const tp_engine_ops *ops = store->engine->ops;
  if (ops->survey == NULL && ops->range_watch == NULL)
    return tp_fail(error, TUPLET_UNSUPPORTED, "this database cannot watch ranges");
  if (changes_max > TP_RANGE_CHANGES_MAX)
    return tp_fail(error, TUPLET_LIMIT, "At most %d changes are remembered: asked for %" PRIu32,
                   (int)TP_RANGE_CHANGES_MAX, changes_max);
  return tp_limits_check_watch_range(start, end, error);
}

/* `wake` may hand the watch to another thread before this returns. */
static tuplet_status join(tp_range_watch *watch, tuplet_error *error) {
  tp_store *store = watch->store;
  tp_range_member *member = &watch->member;
  const tp_engine_ops *ops = store->engine->ops;
  if (ops->range_watch != NULL) {
    const tp_range_following config = {.start = member->node.start,
                                       .end = member->node.end,
                                       .changes_max = (uint32_t)member->pending_max,
                                       .size_max = TP_RANGE_CHANGES_SIZE_MAX,
                                       .wake = member->wake,
                                       .context = member->context};
    return ops->range_watch(store->engine, &config, &watch->inner, error);
  }
  tp_range_hub_join(&store->range_hub, member);
  tp_housekeeper_note_watch(&store->housekeeper);
  return TUPLET_OK;
}

tuplet_status tp_range_watch_open(tp_store *store, tuplet_bytes start, tuplet_bytes end, uint32_t changes_max,
                                  void (*wake)(void *context), void *context, tp_range_watch **ret_watch,
                                  tuplet_error *error) {
  tuplet_status status = check(store, start, end, changes_max, error);
  if (status != TUPLET_OK) return status;
  tp_range_watch *watch = tp_alloc_array_zeroed(store->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  watch->store = store;
  tp_arena_init(&watch->arena, store->allocator, RANGE_CHUNK_SIZE);
  watch->member.node.start = tp_arena_copy(&watch->arena, start);
  watch->member.node.end = tp_arena_copy(&watch->arena, end);
  if (watch->member.node.start.data == NULL || watch->member.node.end.data == NULL) {
    watch_free(watch);
    return tp_fail_nomem(error);
  }
  watch->member.pending_max = changes_max > 0 ? changes_max : TP_RANGE_CHANGES_DEFAULT;
  watch->member.wake = wake;
  watch->member.context = context;
  *ret_watch = watch; /* before it joins */
  status = join(watch, error);
  if (status == TUPLET_OK) return TUPLET_OK;
  *ret_watch = NULL;
  watch_free(watch);
  return status;
}

void tp_range_watch_close(tp_range_watch *watch) {
  if (watch == NULL) return;
  tp_store *store = watch->store;
  if (watch->inner != NULL)
    store->engine->ops->range_watch_close(store->engine, watch->inner);
  else
    tp_range_hub_leave(&store->range_hub, &watch->member);
  watch_free(watch);
}
