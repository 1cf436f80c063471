/* store.c: a database, whatever engine holds its bytes. */
#include "store/store.h"

#include "base/alloc.h"
#include "base/status.h"
#include "store/limits_check.h"
#include "store/store_private.h"

/* How long after opening rows are looked for that expired before; a program that opens, does one thing and
 * closes need not do that work. */
enum { FIRST_SWEEP_DELAY_MS = 1000 };

/* After a commit, before its writer hears of it. */
static void on_commit(void *context, const tp_commit *commit) {
  tp_store *store = context;
  tp_watch_hub_notify(&store->hub, commit->changes, commit->change_count);
  if (tp_range_hub_notify(&store->range_hub, commit)) tp_housekeeper_note_watch(&store->housekeeper);
  int64_t next_expiry_ms = TP_EXPIRES_NEVER;
  for (size_t i = 0; i < commit->change_count; i++) {
    const tp_change *change = &commit->changes[i];
    if (change->removed || change->expires_at_ms == TP_EXPIRES_NEVER) continue;
    if (next_expiry_ms == TP_EXPIRES_NEVER || change->expires_at_ms < next_expiry_ms) {
      next_expiry_ms = change->expires_at_ms;
    }
  }
  if (commit->message_due_ms != TP_EXPIRES_NEVER) tp_queue_note_due(store->queue, commit->message_due_ms);
  if (next_expiry_ms != TP_EXPIRES_NEVER) tp_housekeeper_note_expiry(&store->housekeeper, next_expiry_ms);
}

tuplet_status tp_store_open(const tp_store_config *config, tp_engine *engine, tp_store **ret_store,
                            tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  tp_store *store = tp_alloc_array_zeroed(config->allocator, 1, sizeof *store);
  if (store == NULL) {
    status = tp_fail_nomem(error);
    goto out_engine;
  }
  store->allocator = config->allocator;
  store->clock = config->clock;
  store->read_only = config->read_only;
  store->engine = engine;
  status = tp_watch_hub_init(&store->hub, store->allocator, error);
  if (status != TUPLET_OK) goto out_store;
  status = tp_range_hub_init(&store->range_hub, store->allocator, error);
  if (status != TUPLET_OK) goto out_hub;
  status = tp_queue_new(store->allocator, store->clock, engine, &store->queue, error);
  if (status != TUPLET_OK) goto out_range_hub;
  status = tp_housekeeper_init(&store->housekeeper, store->clock, engine, &store->hub, &store->range_hub,
                               store->queue, !store->read_only, error);
  if (status != TUPLET_OK) goto out_queue;
  engine->ops->set_observer(engine, (tp_engine_observer){on_commit, store});
  if (engine->shared) {
    tp_housekeeper_note_expiry(&store->housekeeper, tp_store_now_ms(store) + FIRST_SWEEP_DELAY_MS);
  }
  *ret_store = store;
  return TUPLET_OK;

out_queue:
  tp_queue_free(store->queue);
out_range_hub:
  tp_range_hub_done(&store->range_hub);
out_hub:
  tp_watch_hub_done(&store->hub);
out_store:
  tp_free(store->allocator, store);
out_engine:
  engine->ops->close(engine);
  return status;
}

void tp_store_closing(tp_store *store) {
  if (store->engine->ops->closing != NULL) store->engine->ops->closing(store->engine);
}

void tp_store_close(tp_store *store) {
  if (store == NULL) return;
  tp_housekeeper_stop(&store->housekeeper);
  tp_queue_stop(store->queue);
  store->engine->ops->close(store->engine);
  tp_queue_free(store->queue);
  tp_housekeeper_done(&store->housekeeper);
  tp_range_hub_done(&store->range_hub);
  tp_watch_hub_done(&store->hub);
  tp_free(store->allocator, store);
}

tuplet_status tp_store_listen(tp_store *store, const tp_queue_listening *config,
                              tp_queue_listener **ret_listener, tuplet_error *error) {
  if (store->read_only) return tp_fail(error, TUPLET_READ_ONLY, "the database is open for reading only");
  tuplet_status status = tp_queue_listen(store->queue, config, ret_listener, error);
  if (status == TUPLET_OK && store->engine->ops->listen == NULL)
    tp_housekeeper_note_watch(&store->housekeeper); /* for what others put into the queue */
  return status;
}

int64_t tp_store_now_ms(const tp_store *store) {
  return tp_clock_unix_ms(&store->clock);
}

const tuplet_allocator *tp_store_allocator(const tp_store *store) {
  return store->allocator;
}

tuplet_status tp_store_reader_open(tp_store *store, tp_reader **ret_reader, tuplet_error *error) {
  return store->engine->ops->reader_open(store->engine, ret_reader, error);
}

void tp_store_reader_close(tp_store *store, tp_reader *reader) {
  if (reader != NULL) store->engine->ops->reader_close(store->engine, reader);
}

void tp_store_read(tp_store *store, tp_reader *reader, tp_read *read) {
  tuplet_error error;
  tp_error_clear(&error);
  tuplet_status status = tp_limits_check_read(read, &error);
  if (status != TUPLET_OK) {
    read->on_done(read, status, &error);
    return;
  }
  read->now_ms = tp_store_now_ms(store);
  store->engine->ops->read(store->engine, reader, read);
}

void tp_store_write(tp_store *store, tp_write *write) {
  write->error = (tuplet_error){0};
  write->versionstamp = (tuplet_versionstamp){{0}};
  write->failed_check_count = 0;
  write->changes = NULL;
  write->change_count = 0;
  write->status = tp_limits_check_write(write, &write->error);
  if (write->status == TUPLET_OK && store->read_only) {
    write->status = tp_fail(&write->error, TUPLET_READ_ONLY, "the database is open for reading only");
  }
  if (write->status != TUPLET_OK) {
    write->on_done(write);
    return;
  }
  store->engine->ops->write(store->engine, write);
}

tuplet_status tp_store_queue_state(tp_store *store, uint32_t count_max, tp_queue_state *ret_state,
                                   tuplet_error *error) {
  return store->engine->ops->queue_state(store->engine, count_max, ret_state, error);
}
