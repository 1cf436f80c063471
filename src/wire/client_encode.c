/* client_encode.c: requests, written field by field. Sizes of nested messages are known before. */
#include "wire/client.h"

#include "base/status.h"
#include "datapath.pb-c.h"
#include "wire/put.h"

/* A member that has its default value is left out, as proto3 has it. */
static void put_bytes_unless_empty(tp_buffer *out, unsigned field, tuplet_bytes bytes) {
  if (bytes.size > 0) tp_wire_put_bytes(out, field, bytes.data, bytes.size);
}

static void put_number_unless_zero(tp_buffer *out, unsigned field, uint64_t number) {
  if (number != 0) tp_wire_put_number(out, field, number);
}

static size_t bytes_size(tuplet_bytes bytes) {
  return bytes.size > 0 ? tp_wire_bytes_field_size(bytes.size) : 0;
}

static size_t number_size(uint64_t number) {
  return number != 0 ? 1 + tp_wire_varint_size(number) : 0;
}

/* ---- SnapshotRead ---- */

void tp_snapshot_read_encode(tp_buffer *out, const tp_read_range *ranges, size_t range_count) {
  for (size_t i = 0; i < range_count; i++) {
    const tp_read_range *range = &ranges[i];
    tp_wire_put_tag(out, 1, TP_WIRE_BYTES);
    tp_wire_put_varint(out, bytes_size(range->start) + bytes_size(range->end) + number_size(range->limit) +
                                number_size(range->reverse));
    put_bytes_unless_empty(out, 1, range->start);
    put_bytes_unless_empty(out, 2, range->end);
    put_number_unless_zero(out, 3, range->limit);
    put_number_unless_zero(out, 4, range->reverse);
  }
}

/* ---- AtomicWrite ---- */

static void put_check(tp_buffer *out, const tp_check *check) {
  tuplet_bytes versionstamp = {check->versionstamp.bytes, sizeof check->versionstamp.bytes};
  if (check->must_be_absent) versionstamp.size = 0;
  tp_wire_put_tag(out, 1, TP_WIRE_BYTES);
  tp_wire_put_varint(out, bytes_size(check->key) + bytes_size(versionstamp));
  put_bytes_unless_empty(out, 1, check->key);
  put_bytes_unless_empty(out, 2, versionstamp);
}

static uint64_t mutation_type_number(tp_mutation_type type) {
  switch (type) {
  case TP_MUTATION_SET: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
  case TP_MUTATION_DELETE: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE;
  case TP_MUTATION_SUM: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM;
  case TP_MUTATION_MIN: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MIN;
  case TP_MUTATION_MAX: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MAX;
  case TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY:
    return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET_SUFFIX_VERSIONSTAMPED_KEY;
  default: return COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_UNSPECIFIED;
  }
}

/* What stands on the wire for an expiry; 0 is "never" there, and 1 as long past as 0 is here. */
static uint64_t expiry_number(const tp_mutation *mutation) {
  if (mutation->type == TP_MUTATION_DELETE || mutation->expires_at_ms == TP_EXPIRES_NEVER) return 0;
  return mutation->expires_at_ms > 0 ? (uint64_t)mutation->expires_at_ms : 1;
}

static void put_mutation(tp_buffer *out, const tp_mutation *mutation) {
  bool has_value = mutation->type != TP_MUTATION_DELETE;
  bool is_sum = mutation->type == TP_MUTATION_SUM;
  tuplet_bytes none = {NULL, 0};
  tuplet_bytes sum_min = is_sum ? mutation->sum_min : none;
  tuplet_bytes sum_max = is_sum ? mutation->sum_max : none;
  bool clamps = is_sum && mutation->sum_clamp;
  uint64_t type = mutation_type_number(mutation->type);
  uint64_t expiry = expiry_number(mutation);
  size_t value_size = bytes_size(mutation->value) + number_size(mutation->encoding);
  size_t size = bytes_size(mutation->key) + number_size(type) + number_size(expiry) + bytes_size(sum_min) +
                bytes_size(sum_max) + number_size(clamps);
  if (has_value) size += tp_wire_bytes_field_size(value_size);
  tp_wire_put_tag(out, 2, TP_WIRE_BYTES);
  tp_wire_put_varint(out, size);
  put_bytes_unless_empty(out, 1, mutation->key);
  if (has_value) {
    tp_wire_put_tag(out, 2, TP_WIRE_BYTES);
    tp_wire_put_varint(out, value_size);
    put_bytes_unless_empty(out, 1, mutation->value);
    put_number_unless_zero(out, 2, mutation->encoding);
  }
  put_number_unless_zero(out, 3, type);
  put_number_unless_zero(out, 4, expiry);
  put_bytes_unless_empty(out, 5, sum_min);
  put_bytes_unless_empty(out, 6, sum_max);
  put_number_unless_zero(out, 7, clamps);
}

static size_t schedule_size(const tp_enqueue *enqueue) {
  size_t size = 0;
  for (size_t i = 0; i < enqueue->backoff_count; i++) size += tp_wire_varint_size(enqueue->backoff_ms[i]);
  return size;
}

static void put_enqueue(tp_buffer *out, const tp_enqueue *enqueue) {
  uint64_t due_at_ms = enqueue->due_at_ms > 0 ? (uint64_t)enqueue->due_at_ms : 0;
  size_t backoff_size = enqueue->has_backoff ? schedule_size(enqueue) : 0;
  size_t size = bytes_size(enqueue->payload) + number_size(due_at_ms);
  for (size_t i = 0; i < enqueue->keys_if_undelivered_count; i++)
    size += tp_wire_bytes_field_size(enqueue->keys_if_undelivered[i].size);
  if (backoff_size > 0) size += tp_wire_bytes_field_size(backoff_size);
  tp_wire_put_tag(out, 3, TP_WIRE_BYTES);
  tp_wire_put_varint(out, size);
  put_bytes_unless_empty(out, 1, enqueue->payload);
  put_number_unless_zero(out, 2, due_at_ms);
  for (size_t i = 0; i < enqueue->keys_if_undelivered_count; i++)
    tp_wire_put_bytes(out, 3, enqueue->keys_if_undelivered[i].data, enqueue->keys_if_undelivered[i].size);
  if (backoff_size == 0) return;
  tp_wire_put_tag(out, 4, TP_WIRE_BYTES);
  tp_wire_put_varint(out, backoff_size);
  for (size_t i = 0; i < enqueue->backoff_count; i++) tp_wire_put_varint(out, enqueue->backoff_ms[i]);
}

void tp_atomic_write_encode(tp_buffer *out, const tp_write *write) {
  for (size_t i = 0; i < write->check_count; i++) put_check(out, &write->checks[i]);
  for (size_t i = 0; i < write->mutation_count; i++) put_mutation(out, &write->mutations[i]);
  for (size_t i = 0; i < write->enqueue_count; i++) put_enqueue(out, &write->enqueues[i]);
}

tuplet_status tp_atomic_write_is_sayable(const tp_write *write, tuplet_error *error) {
  for (size_t i = 0; i < write->enqueue_count; i++) {
    if (write->enqueues[i].has_backoff && write->enqueues[i].backoff_count == 0)
      return tp_fail(error, TUPLET_UNSUPPORTED,
                     "a message without retries cannot be enqueued over the network: an empty backoff "
                     "schedule stands for the default one there");
  }
  return TUPLET_OK;
}

/* ---- Watch, and the queue ---- */

void tp_watch_encode(tp_buffer *out, const tuplet_bytes *keys, size_t key_count) {
  for (size_t i = 0; i < key_count; i++) {
    tp_wire_put_tag(out, 1, TP_WIRE_BYTES);
    tp_wire_put_varint(out, bytes_size(keys[i]));
    put_bytes_unless_empty(out, 1, keys[i]);
  }
}

void tp_queue_listen_encode(tp_buffer *out, uint32_t in_flight_max) {
  put_number_unless_zero(out, 1, in_flight_max);
}

void tp_queue_finish_encode(tp_buffer *out, tuplet_bytes id, uint32_t attempt, bool success) {
  put_bytes_unless_empty(out, 1, id);
  put_number_unless_zero(out, 2, success);
  put_number_unless_zero(out, 3, attempt);
}

void tp_watch_range_encode(tp_buffer *out, tuplet_bytes start, tuplet_bytes end, uint32_t changes_max) {
  put_bytes_unless_empty(out, 1, start);
  put_bytes_unless_empty(out, 2, end);
  put_number_unless_zero(out, 3, changes_max);
}
