/* enqueue.c: putting messages into the queue. */
#include "api/atomic.h"
#include "base/buffer.h"
#include "base/status.h"
#include "codec/limits.h"
#include "codec/v8.h"

#include <string.h>

/* The caller's options over the defaults: a caller built against an older header has fewer. */
static tuplet_status complete_options(const tuplet_enqueue_options *given,
                                      tuplet_enqueue_options *ret_options, tuplet_error *error) {
  *ret_options = (tuplet_enqueue_options)TUPLET_ENQUEUE_OPTIONS_INIT;
  if (given == NULL) return TUPLET_OK;
  if (given->struct_size == 0)
    return tp_fail(error, TUPLET_MISUSE, "options must start from TUPLET_ENQUEUE_OPTIONS_INIT");
  memcpy(ret_options, given, given->struct_size < sizeof *given ? given->struct_size : sizeof *given);
  return TUPLET_OK;
}

/* A Uint8Array, which entries store as it is, in V8's format. */
static tuplet_status write_bytes(tuplet_atomic *atomic, tuplet_bytes bytes, tp_buffer *out,
                                 tuplet_error *error) {
  tuplet_tree *tree = tuplet_tree_new(atomic->db->allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tuplet_node *buffer = tuplet_node_buffer(tree, bytes);
  const tuplet_node *view =
      buffer == NULL ? NULL : tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, bytes.size, false);
  tuplet_status status = view == NULL ? tp_fail_nomem(error) : tp_v8_write(view, out, error);
  tuplet_tree_free(tree);
  return status;
}

static tuplet_status copy_payload(tuplet_atomic *atomic, tuplet_value payload, tuplet_bytes *ret_payload,
                                  tuplet_error *error) {
  tp_buffer encoded;
  tuplet_status status = TUPLET_OK;
  tp_buffer_init(&encoded, atomic->db->allocator);
  tuplet_bytes bytes = payload.data;
  switch (payload.encoding) {
  case TUPLET_ENCODING_V8: break;
  case TUPLET_ENCODING_BYTES:
    if (bytes.size <= TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX) status = write_bytes(atomic, bytes, &encoded, error);
    if (encoded.size > 0) bytes = tp_buffer_view(&encoded);
    break;
  case TUPLET_ENCODING_LE64:
    status = tp_fail(error, TUPLET_TYPE, "A message cannot be a Deno.KvU64; a number or a bigint can.");
    break;
  default:
    status = tp_fail(error, TUPLET_INVALID, "The value encoding %u is unknown.", (unsigned)payload.encoding);
  }
  if (status == TUPLET_OK && bytes.size > TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX)
    status = tp_fail(error, TUPLET_LIMIT, "enqueue payload too large (max %d bytes)",
                     (int)TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX);
  if (status == TUPLET_OK) {
    *ret_payload = tp_arena_copy(&atomic->arena, bytes);
    if (ret_payload->data == NULL) status = tp_fail_nomem(error);
  }
  tp_buffer_done(&encoded);
  return status;
}

static tuplet_status copy_keys(tuplet_atomic *atomic, const tuplet_enqueue_options *options,
                               tp_enqueue *enqueue, tuplet_error *error) {
  size_t count = options->keys_if_undelivered_count;
  if (count > TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many keys if undelivered (max %d)",
                   (int)TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX);
  tuplet_bytes *keys = tp_arena_alloc_array_zeroed(&atomic->arena, count, sizeof *keys);
  if (keys == NULL) return tp_fail_nomem(error);
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < count && status == TUPLET_OK; i++)
    status = tp_atomic_copy_key(atomic, options->keys_if_undelivered[i], &keys[i], error);
  enqueue->keys_if_undelivered = keys;
  enqueue->keys_if_undelivered_count = count;
  return status;
}

static tuplet_status copy_schedule(tuplet_atomic *atomic, const tuplet_enqueue_options *options,
                                   tp_enqueue *enqueue, tuplet_error *error) {
  if (options->backoff_ms == NULL) return TUPLET_OK;
  size_t count = options->backoff_count;
  if (count > TP_LIMIT_QUEUE_BACKOFF_COUNT_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, max %d intervals allowed",
                   (int)TP_LIMIT_QUEUE_BACKOFF_COUNT_MAX);
  for (size_t i = 0; i < count; i++) {
    if (options->backoff_ms[i] > TP_LIMIT_QUEUE_BACKOFF_MS_MAX)
      return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, interval at index %zu is invalid", i);
  }
  tuplet_bytes copy =
      tp_arena_copy(&atomic->arena, tuplet_view(options->backoff_ms, count * sizeof *options->backoff_ms));
  if (copy.data == NULL) return tp_fail_nomem(error);
  enqueue->backoff_ms = copy.data;
  enqueue->backoff_count = count;
  enqueue->has_backoff = true;
  return TUPLET_OK;
}

static tuplet_status set_due_time(const tuplet_atomic *atomic, const tuplet_enqueue_options *options,
                                  tp_enqueue *enqueue, tuplet_error *error) {
  long long delay_ms = options->delay_ms;
  if (delay_ms < 0) return tp_fail(error, TUPLET_INVALID, "Delay must be >= 0: received %lld", delay_ms);
  if (delay_ms > TP_LIMIT_QUEUE_DELAY_MS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Delay cannot be greater than 30 days: received %lld", delay_ms);
  enqueue->due_at_ms = tp_store_now_ms(atomic->db->store) + delay_ms;
  return TUPLET_OK;
}

static tuplet_status append_enqueue(tuplet_atomic *atomic, const tp_enqueue *enqueue, tuplet_error *error) {
  if (atomic->mutation_count + atomic->enqueue_count == TP_LIMIT_ATOMIC_MUTATIONS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many mutations (max %d)", (int)TP_LIMIT_ATOMIC_MUTATIONS_MAX);
  tp_enqueue *enqueues = tp_atomic_grow(&atomic->arena, atomic->enqueues, atomic->enqueue_count,
                                        &atomic->enqueue_capacity, sizeof *enqueues);
  if (enqueues == NULL) return tp_fail_nomem(error);
  atomic->enqueues = enqueues;
  atomic->enqueues[atomic->enqueue_count++] = *enqueue;
  return TUPLET_OK;
}

tuplet_status tuplet_atomic_enqueue(tuplet_atomic *atomic, tuplet_value payload,
                                    const tuplet_enqueue_options *given, tuplet_error *error) {
  tuplet_error failure = {0};
  tuplet_enqueue_options options;
  tp_enqueue enqueue = {0};
  tuplet_status status = tp_atomic_check_open(atomic, &failure);
  if (status == TUPLET_OK) status = tp_db_check(atomic->db, &failure);
  if (status == TUPLET_OK) status = complete_options(given, &options, &failure);
  if (status == TUPLET_OK) status = set_due_time(atomic, &options, &enqueue, &failure);
  if (status == TUPLET_OK) status = copy_payload(atomic, payload, &enqueue.payload, &failure);
  if (status == TUPLET_OK) status = copy_keys(atomic, &options, &enqueue, &failure);
  if (status == TUPLET_OK) status = copy_schedule(atomic, &options, &enqueue, &failure);
  if (status == TUPLET_OK) status = append_enqueue(atomic, &enqueue, &failure);
  return tp_atomic_remember(atomic, status, &failure, error);
}

/* An operation of just this message; *ret_status tells what became of adding it. NULL: out of memory or
 * closed. */
static tuplet_atomic *single(tuplet_db *db, tuplet_value payload, const tuplet_enqueue_options *options,
                             tuplet_status *ret_status, tuplet_error *error) {
  *ret_status = tp_db_check(db, error);
  if (*ret_status != TUPLET_OK) return NULL;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  if (atomic == NULL)
    *ret_status = tp_fail_nomem(error);
  else
    *ret_status = tuplet_atomic_enqueue(atomic, payload, options, error);
  return atomic;
}

tuplet_status tuplet_enqueue(tuplet_db *db, tuplet_value payload, const tuplet_enqueue_options *options,
                             tuplet_versionstamp *ret_versionstamp, tuplet_error *error) {
  tuplet_status status;
  tuplet_atomic *atomic = single(db, payload, options, &status, error);
  return atomic == NULL ? status : tp_commit_single(atomic, status, ret_versionstamp, error);
}

tuplet_status tuplet_enqueue_async(tuplet_db *db, tuplet_value payload, const tuplet_enqueue_options *options,
                                   tuplet_commit_callback callback, void *context, tuplet_error *error) {
  tuplet_status status;
  tuplet_atomic *atomic = single(db, payload, options, &status, error);
  return atomic == NULL ? status : tp_commit_single_async(atomic, status, callback, context, error);
}
