/* read.c: tuplet_get and tuplet_get_many, blocking and with a callback. */
#include "api/db.h"
#include "api/entry_batch.h"
#include "api/waiter.h"
#include "base/alloc.h"
#include "base/status.h"
#include "codec/key.h"
#include "codec/limits.h"

#include <string.h>

/* ---- One key ---- */

typedef struct get_call {
  tp_read read;
  tp_read_range range;
  tp_buffer key; /* and the zero byte after it that makes the range's end */
  const tuplet_allocator *allocator;
  tuplet_entry *entry;
  void (*finish)(struct get_call *call, tuplet_status status, const tuplet_error *error);
} get_call;

static get_call *get_call_of(tp_read *read) {
  return (get_call *)(void *)read; /* its first member */
}

static tuplet_status on_get_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index;
  get_call *call = get_call_of(read);
  return tp_entry_new(call->allocator, row, &call->entry, error);
}

static void on_get_done(tp_read *read, tuplet_status status, const tuplet_error *error) {
  get_call *call = get_call_of(read);
  if (status == TUPLET_OK && call->entry == NULL) status = TUPLET_NOT_FOUND;
  call->finish(call, status, error);
}

static tuplet_status get_call_init(get_call *call, tuplet_db *db, tuplet_key key,
                                   tuplet_consistency consistency, tuplet_error *error) {
  *call = (get_call){.allocator = db->allocator};
  tp_buffer_init(&call->key, db->allocator);
  tuplet_status status = tp_key_encode(key, &call->key, error);
  if (status != TUPLET_OK) return status;
  tp_buffer_append_byte(&call->key, 0);
  if (call->key.failed) return tp_fail_nomem(error);
  call->range = (tp_read_range){
      .start = {call->key.data, call->key.size - 1}, .end = {call->key.data, call->key.size}, .limit = 1};
  call->read = (tp_read){.ranges = &call->range,
                         .range_count = 1,
                         .eventual = consistency == TUPLET_CONSISTENCY_EVENTUAL,
                         .on_row = on_get_row,
                         .on_done = on_get_done};
  return TUPLET_OK;
}

typedef struct blocking_get {
  get_call call;
  tp_waiter waiter;
  tuplet_status status;
  tuplet_error *error;
} blocking_get;

static void finish_blocking_get(get_call *call, tuplet_status status, const tuplet_error *error) {
  blocking_get *get = (blocking_get *)(void *)call; /* its first member */
  get->status = status;
  if (status < 0 && get->error != NULL) *get->error = *error;
  tp_waiter_finish(&get->waiter);
}

tuplet_status tuplet_get(tuplet_db *db, tuplet_key key, tuplet_consistency consistency,
                         tuplet_entry **ret_entry, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (ret_entry == NULL) return tp_fail(error, TUPLET_MISUSE, "tuplet_get: ret_entry is NULL");
  blocking_get get = {.waiter = TP_WAITER_INIT, .error = error};
  status = get_call_init(&get.call, db, key, consistency, error);
  if (status == TUPLET_OK) {
    get.call.finish = finish_blocking_get;
    tp_store_read(db->store, NULL, &get.call.read);
    tp_waiter_wait(&get.waiter);
    status = get.status;
  }
  tp_buffer_done(&get.call.key);
  if (status == TUPLET_OK) *ret_entry = get.call.entry;
  return status;
}

typedef struct async_get {
  get_call call;
  tuplet_entry_callback callback;
  void *context;
} async_get;

static void free_async_get(async_get *get) {
  const tuplet_allocator *allocator = get->call.allocator;
  tp_buffer_done(&get->call.key);
  tp_free(allocator, get);
}

static void finish_async_get(get_call *call, tuplet_status status, const tuplet_error *error) {
  async_get *get = (async_get *)(void *)call; /* its first member */
  get->callback(get->context, status, call->entry, error);
  free_async_get(get);
}

tuplet_status tuplet_get_async(tuplet_db *db, tuplet_key key, tuplet_consistency consistency,
                               tuplet_entry_callback callback, void *context, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (callback == NULL) return tp_fail(error, TUPLET_MISUSE, "tuplet_get_async: callback is NULL");
  async_get *get = tp_alloc_array_zeroed(db->allocator, 1, sizeof *get);
  if (get == NULL) return tp_fail_nomem(error);
  status = get_call_init(&get->call, db, key, consistency, error);
  if (status != TUPLET_OK) {
    free_async_get(get);
    return status;
  }
  get->call.finish = finish_async_get;
  get->callback = callback;
  get->context = context;
  tp_store_read(db->store, NULL, &get->call.read);
  return TUPLET_OK;
}

/* ---- Many keys ---- */

typedef struct get_many_call {
  tp_read read;
  tp_read_range ranges[TP_LIMIT_READ_RANGES_MAX];
  tp_buffer keys;        /* one after the other, each with a zero byte after it */
  tp_entry_batch *batch; /* entries so far, one a key */
  tuplet_entries_callback callback;
  void *context;
  const tuplet_allocator *allocator;
} get_many_call;

static get_many_call *get_many_call_of(tp_read *read) {
  return (get_many_call *)(void *)read; /* its first member */
}

static tuplet_status add_absent_until(get_many_call *call, size_t index, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && call->batch->entries.count < index) {
    status = tp_entry_batch_add(call->batch, call->ranges[call->batch->entries.count].start, NULL, error);
  }
  return status;
}

static tuplet_status on_get_many_row(tp_read *read, size_t range_index, const tp_row *row,
                                     tuplet_error *error) {
  get_many_call *call = get_many_call_of(read);
  tuplet_status status = add_absent_until(call, range_index, error);
  return status == TUPLET_OK ? tp_entry_batch_add(call->batch, row->key, row, error) : status;
}

static void free_get_many(get_many_call *call) {
  tp_buffer_done(&call->keys);
  if (call->batch != NULL) tuplet_entries_free(&call->batch->entries);
  tp_free(call->allocator, call);
}

static void on_get_many_done(tp_read *read, tuplet_status status, const tuplet_error *error) {
  get_many_call *call = get_many_call_of(read);
  tuplet_error later = {0};
  if (status == TUPLET_OK) {
    status = add_absent_until(call, read->range_count, &later);
    error = &later;
  }
  tuplet_entries *entries = NULL;
  if (status == TUPLET_OK) {
    tp_entry_batch_seal(call->batch);
    entries = &call->batch->entries;
    call->batch = NULL; /* the callback's */
  }
  call->callback(call->context, status, entries, error);
  free_get_many(call);
}

static tuplet_status encode_keys(get_many_call *call, const tuplet_key *keys, size_t key_count,
                                 tuplet_error *error) {
  size_t ends[TP_LIMIT_READ_RANGES_MAX];
  for (size_t i = 0; i < key_count; i++) {
    tuplet_status status = tp_key_encode(keys[i], &call->keys, error);
    if (status != TUPLET_OK) return status;
    tp_buffer_append_byte(&call->keys, 0);
    if (call->keys.failed) return tp_fail_nomem(error);
    ends[i] = call->keys.size;
  }
  for (size_t i = 0, start = 0; i < key_count; start = ends[i], i++) {
    const uint8_t *key = call->keys.data + start;
    size_t size = ends[i] - start;
    call->ranges[i] = (tp_read_range){.start = {key, size - 1}, .end = {key, size}, .limit = 1};
  }
  return TUPLET_OK;
}

tuplet_status tuplet_get_many_async(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                                    tuplet_consistency consistency, tuplet_entries_callback callback,
                                    void *context, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (callback == NULL || (keys == NULL && key_count > 0)) {
    return tp_fail(error, TUPLET_MISUSE, "tuplet_get_many: keys or callback is NULL");
  }
  if (key_count > TP_LIMIT_READ_RANGES_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many ranges (max %d)", (int)TP_LIMIT_READ_RANGES_MAX);
  }
  get_many_call *call = tp_alloc_array_zeroed(db->allocator, 1, sizeof *call);
  if (call == NULL) return tp_fail_nomem(error);
  call->allocator = db->allocator;
  call->callback = callback;
  call->context = context;
  tp_buffer_init(&call->keys, db->allocator);
  call->batch = tp_entry_batch_new(db->allocator);
  status = call->batch == NULL ? tp_fail_nomem(error) : encode_keys(call, keys, key_count, error);
  if (status != TUPLET_OK) {
    free_get_many(call);
    return status;
  }
  call->read = (tp_read){.ranges = call->ranges,
                         .range_count = key_count,
                         .eventual = consistency == TUPLET_CONSISTENCY_EVENTUAL,
                         .on_row = on_get_many_row,
                         .on_done = on_get_many_done};
  tp_store_read(db->store, NULL, &call->read);
  return TUPLET_OK;
}

typedef struct blocking_get_many {
  tp_waiter waiter;
  tuplet_status status;
  tuplet_entries *entries;
  tuplet_error *error;
} blocking_get_many;

static void finish_blocking_get_many(void *context, tuplet_status status, tuplet_entries *entries,
                                     const tuplet_error *error) {
  blocking_get_many *get = context;
  get->status = status;
  get->entries = entries;
  if (status < 0 && get->error != NULL) *get->error = *error;
  tp_waiter_finish(&get->waiter);
}

tuplet_status tuplet_get_many(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                              tuplet_consistency consistency, tuplet_entries **ret_entries,
                              tuplet_error *error) {
  if (ret_entries == NULL) return tp_fail(error, TUPLET_MISUSE, "tuplet_get_many: ret_entries is NULL");
  blocking_get_many get = {.waiter = TP_WAITER_INIT, .error = error};
  tuplet_status status =
      tuplet_get_many_async(db, keys, key_count, consistency, finish_blocking_get_many, &get, error);
  if (status != TUPLET_OK) return status;
  tp_waiter_wait(&get.waiter);
  if (get.status == TUPLET_OK) *ret_entries = get.entries;
  return get.status;
}
