/* limits_check.c: the limits of a database, with the sentences that Deno's users know. */
#include "store/limits_check.h"

#include "base/status.h"
#include "codec/limits.h"

/* What a versionstamp adds to the key it ends: a tag, 20 hex digits, an end. */
enum { VERSIONSTAMP_SUFFIX_SIZE = 22 };

static tuplet_status check_read_bound(tuplet_bytes bound, tuplet_error *error) {
  if (bound.size <= TP_LIMIT_KEY_READ_SIZE_MAX) return TUPLET_OK;
  return tp_fail(error, TUPLET_LIMIT, "Key too large for read (max %d bytes)",
                 (int)TP_LIMIT_KEY_READ_SIZE_MAX);
}

tuplet_status tp_limits_check_read(const tp_read *read, tuplet_error *error) {
  if (read->range_count > TP_LIMIT_READ_RANGES_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many ranges (max %d)", (int)TP_LIMIT_READ_RANGES_MAX);
  }
  uint64_t entries = 0;
  for (size_t i = 0; i < read->range_count; i++) {
    const tp_read_range *range = &read->ranges[i];
    if (range->limit == 0)
      return tp_fail(error, TUPLET_INVALID, "Limit must be a positive integer: received 0");
    entries += range->limit;
    tuplet_status status = check_read_bound(range->start, error);
    if (status == TUPLET_OK) status = check_read_bound(range->end, error);
    if (status != TUPLET_OK) return status;
  }
  if (entries > TP_LIMIT_READ_ENTRIES_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many entries (max %d)", (int)TP_LIMIT_READ_ENTRIES_MAX);
  }
  return TUPLET_OK;
}

/* `suffix_size`: what the engine adds to the key. */
static tuplet_status check_write_key(tuplet_bytes key, size_t suffix_size, tuplet_error *error) {
  if (key.size == 0) return tp_fail(error, TUPLET_INVALID, "key cannot be empty");
  if (key.size <= TP_LIMIT_KEY_WRITE_SIZE_MAX - suffix_size) return TUPLET_OK;
  return tp_fail(error, TUPLET_LIMIT, "Key too large for write (max %d bytes)",
                 (int)TP_LIMIT_KEY_WRITE_SIZE_MAX);
}

static tuplet_status check_value(const tp_mutation *mutation, tuplet_error *error) {
  if (mutation->type == TP_MUTATION_DELETE) return TUPLET_OK;
  if (mutation->encoding < TUPLET_ENCODING_V8 || mutation->encoding > TUPLET_ENCODING_BYTES) {
    return tp_fail(error, TUPLET_INVALID, "The value encoding %u is unknown.", mutation->encoding);
  }
  if (mutation->value.size > TP_LIMIT_VALUE_SIZE_MAX || mutation->sum_min.size > TP_LIMIT_VALUE_SIZE_MAX ||
      mutation->sum_max.size > TP_LIMIT_VALUE_SIZE_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Value too large (max %d bytes)", (int)TP_LIMIT_VALUE_SIZE_MAX);
  }
  if (mutation->encoding == TUPLET_ENCODING_LE64 && mutation->value.size != sizeof(uint64_t)) {
    return tp_fail(error, TUPLET_INVALID, "A KvU64 has 8 bytes: received %zu", mutation->value.size);
  }
  if (mutation->expires_at_ms < TP_EXPIRES_NEVER) {
    return tp_fail(error, TUPLET_INVALID, "An expiry is a time since 1970, or -1 for never: received %lld",
                   (long long)mutation->expires_at_ms);
  }
  return TUPLET_OK;
}

static tuplet_status check_enqueue(const tp_enqueue *enqueue, tuplet_error *error) {
  if (enqueue->payload.size > TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "enqueue payload too large (max %d bytes)",
                   (int)TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX);
  }
  if (enqueue->backoff_count > TP_LIMIT_QUEUE_BACKOFF_WIRE_COUNT_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, max %d intervals allowed",
                   (int)TP_LIMIT_QUEUE_BACKOFF_WIRE_COUNT_MAX);
  }
  for (size_t i = 0; i < enqueue->backoff_count; i++) {
    if (enqueue->backoff_ms[i] > TP_LIMIT_QUEUE_BACKOFF_MS_MAX) {
      return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, interval at index %zu is invalid", i);
    }
  }
  if (enqueue->keys_if_undelivered_count > TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many keysIfUndelivered (max %d)",
                   (int)TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX);
  }
  for (size_t i = 0; i < enqueue->keys_if_undelivered_count; i++) {
    tuplet_status status = check_write_key(enqueue->keys_if_undelivered[i], 0, error);
    if (status != TUPLET_OK) return status;
  }
  return TUPLET_OK;
}

static tuplet_status check_counts(const tp_write *write, tuplet_error *error) {
  if (write->check_count > TP_LIMIT_ATOMIC_CHECKS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many checks (max %d)", (int)TP_LIMIT_ATOMIC_CHECKS_MAX);
  }
  if (write->mutation_count > TP_LIMIT_ATOMIC_MUTATIONS_MAX ||
      write->enqueue_count > TP_LIMIT_ATOMIC_MUTATIONS_MAX - write->mutation_count) {
    return tp_fail(error, TUPLET_LIMIT, "Too many mutations (max %d)", (int)TP_LIMIT_ATOMIC_MUTATIONS_MAX);
  }
  return TUPLET_OK;
}

tuplet_status tp_limits_check_write(const tp_write *write, tuplet_error *error) {
  tuplet_status status = check_counts(write, error);
  size_t keys_size = 0, size = 0;
  for (size_t i = 0; status == TUPLET_OK && i < write->check_count; i++) {
    status = check_write_key(write->checks[i].key, 0, error);
    size += write->checks[i].key.size;
  }
  for (size_t i = 0; status == TUPLET_OK && i < write->mutation_count; i++) {
    const tp_mutation *mutation = &write->mutations[i];
    bool stamped = mutation->type == TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY;
    status = check_write_key(mutation->key, stamped ? VERSIONSTAMP_SUFFIX_SIZE : 0, error);
    if (status == TUPLET_OK) status = check_value(mutation, error);
    size += mutation->key.size;
    if (mutation->type == TP_MUTATION_DELETE) continue;
    keys_size += mutation->key.size; /* Deno counts the keys of values only */
    size += mutation->value.size + mutation->sum_min.size + mutation->sum_max.size;
  }
  for (size_t i = 0; status == TUPLET_OK && i < write->enqueue_count; i++) {
    status = check_enqueue(&write->enqueues[i], error);
    size += write->enqueues[i].payload.size;
  }
  if (status != TUPLET_OK) return status;
  if (size > TP_LIMIT_ATOMIC_SIZE_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Total mutation size too large (max %d bytes)",
                   (int)TP_LIMIT_ATOMIC_SIZE_MAX);
  }
  if (keys_size > TP_LIMIT_ATOMIC_KEYS_SIZE_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Total key size too large (max %d bytes)",
                   (int)TP_LIMIT_ATOMIC_KEYS_SIZE_MAX);
  }
  return TUPLET_OK;
}

tuplet_status tp_limits_check_watch(const tuplet_bytes *keys, size_t key_count, tuplet_error *error) {
  if (key_count > TP_LIMIT_WATCH_KEYS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many keys (max %d)", (int)TP_LIMIT_WATCH_KEYS_MAX);
  }
  for (size_t i = 0; i < key_count; i++) {
    /* A watched key is read together with the byte after it, as a range of one. */
    tuplet_status status = check_read_bound((tuplet_bytes){keys[i].data, keys[i].size + 1}, error);
    if (status != TUPLET_OK) return status;
  }
  return TUPLET_OK;
}

tuplet_status tp_limits_check_watch_range(tuplet_bytes start, tuplet_bytes end, tuplet_error *error) {
  tuplet_status status = check_read_bound(start, error);
  return status == TUPLET_OK ? check_read_bound(end, error) : status;
}
