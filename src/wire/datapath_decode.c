/* datapath_decode.c: requests, from the bytes of a stranger to what the store takes. */
#include "wire/datapath.h"

#include "base/status.h"
#include "codec/key.h"
#include "codec/limits.h"
#include "datapath.pb-c.h"
#include "wire/unpack.h"

#include <inttypes.h>
#include <string.h>

enum { VERSIONSTAMP_SIZE = sizeof((tuplet_versionstamp *)NULL)->bytes };

/* ---- SnapshotRead ---- */

tuplet_status tp_snapshot_read_decode(tuplet_bytes message, tp_arena *arena, tp_read_range **ret_ranges,
                                      size_t *ret_range_count, tuplet_error *error) {
  const ProtobufCMessageDescriptor *descriptor = &com__deno__kv__datapath__snapshot_read__descriptor;
  size_t counts[TP_WIRE_FIELD_MAX + 1];
  if (!tp_wire_count_fields(message, counts)) return tp_wire_fail_malformed(descriptor, error);
  if (counts[1] > TP_LIMIT_READ_RANGES_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many ranges (max %d)", TP_LIMIT_READ_RANGES_MAX);

  void *unpacked;
  tuplet_status status = tp_wire_unpack(descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__SnapshotRead *read = unpacked;

  tp_read_range *ranges = tp_arena_alloc_array_zeroed(arena, read->n_ranges, sizeof *ranges);
  if (ranges == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < read->n_ranges; i++) {
    const Com__Deno__Kv__Datapath__ReadRange *range = read->ranges[i];
    if (range->limit <= 0)
      return tp_fail(error, TUPLET_INVALID, "The limit of range %zu is %" PRId32 "; it must be positive.", i,
                     range->limit);
    ranges[i] = (tp_read_range){.start = tp_wire_view(range->start),
                                .end = tp_wire_view(range->end),
                                .limit = (uint32_t)range->limit,
                                .reverse = range->reverse};
  }
  *ret_ranges = ranges;
  *ret_range_count = read->n_ranges;
  return TUPLET_OK;
}

/* ---- AtomicWrite ---- */

/* A key that is none could be stored, but never be listed or deleted by anybody who decodes keys. */
static tuplet_status decode_key(ProtobufCBinaryData key, const char *what, size_t index,
                                tuplet_bytes *ret_key, tuplet_error *error) {
  tuplet_error reason = {0};
  *ret_key = tp_wire_view(key);
  if (tp_key_validate(*ret_key, &reason) == TUPLET_OK) return TUPLET_OK;
  return tp_fail(error, TUPLET_INVALID, "The key of %s %zu is not the encoding of one: %s", what, index,
                 reason.message);
}

static tuplet_status decode_check(const Com__Deno__Kv__Datapath__Check *check, size_t index,
                                  tp_check *ret_check, tuplet_error *error) {
  size_t size = check->versionstamp.len;
  if (size != 0 && size != VERSIONSTAMP_SIZE)
    return tp_fail(
        error, TUPLET_INVALID,
        "The versionstamp of check %zu has %zu bytes; it must have %d, or none if there must be no entry.",
        index, size, VERSIONSTAMP_SIZE);
  *ret_check = (tp_check){.must_be_absent = size == 0};
  if (size > 0) memcpy(ret_check->versionstamp.bytes, check->versionstamp.data, VERSIONSTAMP_SIZE);
  return decode_key(check->key, "check", index, &ret_check->key, error);
}

static bool mutation_type_decode(int32_t number, tp_mutation_type *ret_type) {
  switch (number) {
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET: *ret_type = TP_MUTATION_SET; return true;
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_DELETE: *ret_type = TP_MUTATION_DELETE; return true;
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SUM: *ret_type = TP_MUTATION_SUM; return true;
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MAX: *ret_type = TP_MUTATION_MAX; return true;
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_MIN: *ret_type = TP_MUTATION_MIN; return true;
  case COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET_SUFFIX_VERSIONSTAMPED_KEY:
    *ret_type = TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY;
    return true;
  default: return false;
  }
}

static tuplet_status decode_value(const Com__Deno__Kv__Datapath__KvValue *value, size_t index,
                                  tp_mutation *mutation, tuplet_error *error) {
  if (value == NULL) return tp_fail(error, TUPLET_INVALID, "Mutation %zu has no value.", index);
  int32_t encoding = (int32_t)value->encoding;
  if (encoding < TUPLET_ENCODING_V8 || encoding > TUPLET_ENCODING_BYTES)
    return tp_fail(error, TUPLET_INVALID, "The value encoding %" PRId32 " is unknown.", encoding);
  if (encoding == TUPLET_ENCODING_LE64 && value->data.len != sizeof(uint64_t))
    return tp_fail(error, TUPLET_INVALID, "The KvU64 of mutation %zu has %zu bytes; it must have 8.", index,
                   value->data.len);
  mutation->encoding = (uint32_t)encoding;
  mutation->value = tp_wire_view(value->data);
  return TUPLET_OK;
}

static tuplet_status decode_mutation(const Com__Deno__Kv__Datapath__Mutation *mutation, size_t index,
                                     tp_mutation *ret_mutation, tuplet_error *error) {
  *ret_mutation = (tp_mutation){.expires_at_ms = TP_EXPIRES_NEVER};
  tuplet_status status = decode_key(mutation->key, "mutation", index, &ret_mutation->key, error);
  if (status != TUPLET_OK) return status;
  if (!mutation_type_decode((int32_t)mutation->mutation_type, &ret_mutation->type))
    return tp_fail(error, TUPLET_INVALID, "The type %" PRId32 " of mutation %zu is unknown.",
                   (int32_t)mutation->mutation_type, index);
  if (mutation->expire_at_ms < -1)
    return tp_fail(error, TUPLET_INVALID,
                   "The expiry of mutation %zu is %" PRId64
                   "; it must be Unix milliseconds, or -1 for never.",
                   index, mutation->expire_at_ms);
  if (mutation->expire_at_ms > 0) ret_mutation->expires_at_ms = mutation->expire_at_ms;
  if (ret_mutation->type == TP_MUTATION_DELETE) return TUPLET_OK;

  if (ret_mutation->type == TP_MUTATION_SUM) {
    if (mutation->sum_min.len > 0) ret_mutation->sum_min = tp_wire_view(mutation->sum_min);
    if (mutation->sum_max.len > 0) ret_mutation->sum_max = tp_wire_view(mutation->sum_max);
    ret_mutation->sum_clamp = mutation->sum_clamp;
  }
  return decode_value(mutation->value, index, ret_mutation, error);
}

static tuplet_status decode_enqueue(const Com__Deno__Kv__Datapath__Enqueue *enqueue, size_t index,
                                    tp_arena *arena, tp_enqueue *ret_enqueue, tuplet_error *error) {
  if (enqueue->deadline_ms < 0)
    return tp_fail(error, TUPLET_INVALID,
                   "The deadline of enqueue %zu is %" PRId64 "; it must not be negative.", index,
                   enqueue->deadline_ms);
  if (enqueue->n_keys_if_undelivered > TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many keysIfUndelivered (max %d)",
                   TP_LIMIT_QUEUE_UNDELIVERED_KEYS_MAX);
  if (enqueue->n_backoff_schedule > TP_LIMIT_QUEUE_BACKOFF_WIRE_COUNT_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, max %d intervals allowed",
                   TP_LIMIT_QUEUE_BACKOFF_WIRE_COUNT_MAX);
  for (size_t i = 0; i < enqueue->n_backoff_schedule; i++) {
    if (enqueue->backoff_schedule[i] > TP_LIMIT_QUEUE_BACKOFF_MS_MAX)
      return tp_fail(error, TUPLET_LIMIT, "Invalid backoffSchedule, interval at index %zu is invalid", i);
  }
  tuplet_bytes *keys = tp_arena_alloc_array_zeroed(arena, enqueue->n_keys_if_undelivered, sizeof *keys);
  if (keys == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < enqueue->n_keys_if_undelivered; i++) {
    tuplet_status status =
        decode_key(enqueue->keys_if_undelivered[i], "keysIfUndelivered", i, &keys[i], error);
    if (status != TUPLET_OK) return status;
  }
  *ret_enqueue = (tp_enqueue){.payload = tp_wire_view(enqueue->payload),
                              .due_at_ms = enqueue->deadline_ms,
                              .keys_if_undelivered = keys,
                              .keys_if_undelivered_count = enqueue->n_keys_if_undelivered,
                              .backoff_ms = enqueue->backoff_schedule,
                              .backoff_count = enqueue->n_backoff_schedule,
                              .has_backoff = enqueue->n_backoff_schedule > 0};
  return TUPLET_OK;
}

static tuplet_status decode_parts(const Com__Deno__Kv__Datapath__AtomicWrite *atomic, tp_arena *arena,
                                  tp_check *checks, tp_mutation *mutations, tp_enqueue *enqueues,
                                  tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < atomic->n_checks && status == TUPLET_OK; i++)
    status = decode_check(atomic->checks[i], i, &checks[i], error);
  for (size_t i = 0; i < atomic->n_mutations && status == TUPLET_OK; i++)
    status = decode_mutation(atomic->mutations[i], i, &mutations[i], error);
  for (size_t i = 0; i < atomic->n_enqueues && status == TUPLET_OK; i++)
    status = decode_enqueue(atomic->enqueues[i], i, arena, &enqueues[i], error);
  return status;
}

tuplet_status tp_atomic_write_decode(tuplet_bytes message, tp_arena *arena, tp_write *ret_write,
                                     tuplet_error *error) {
  const ProtobufCMessageDescriptor *descriptor = &com__deno__kv__datapath__atomic_write__descriptor;
  size_t counts[TP_WIRE_FIELD_MAX + 1];
  if (!tp_wire_count_fields(message, counts)) return tp_wire_fail_malformed(descriptor, error);
  if (counts[1] > TP_LIMIT_ATOMIC_CHECKS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many checks (max %d)", TP_LIMIT_ATOMIC_CHECKS_MAX);
  if (counts[2] > TP_LIMIT_ATOMIC_MUTATIONS_MAX || counts[3] > TP_LIMIT_ATOMIC_MUTATIONS_MAX - counts[2])
    return tp_fail(error, TUPLET_LIMIT, "Too many mutations (max %d)", TP_LIMIT_ATOMIC_MUTATIONS_MAX);

  void *unpacked;
  tuplet_status status = tp_wire_unpack(descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__AtomicWrite *atomic = unpacked;

  tp_check *checks = tp_arena_alloc_array_zeroed(arena, atomic->n_checks, sizeof *checks);
  tp_mutation *mutations = tp_arena_alloc_array_zeroed(arena, atomic->n_mutations, sizeof *mutations);
  tp_enqueue *enqueues = tp_arena_alloc_array_zeroed(arena, atomic->n_enqueues, sizeof *enqueues);
  uint32_t *failed_checks = tp_arena_alloc_array_zeroed(arena, atomic->n_checks, sizeof *failed_checks);
  if (checks == NULL || mutations == NULL || enqueues == NULL || failed_checks == NULL)
    return tp_fail_nomem(error);
  status = decode_parts(atomic, arena, checks, mutations, enqueues, error);
  if (status != TUPLET_OK) return status;

  *ret_write = (tp_write){.checks = checks,
                          .check_count = atomic->n_checks,
                          .mutations = mutations,
                          .mutation_count = atomic->n_mutations,
                          .enqueues = enqueues,
                          .enqueue_count = atomic->n_enqueues,
                          .arena = arena,
                          .failed_checks = failed_checks};
  return TUPLET_OK;
}

/* ---- Watch ---- */

tuplet_status tp_watch_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes **ret_keys,
                              size_t *ret_key_count, tuplet_error *error) {
  const ProtobufCMessageDescriptor *descriptor = &com__deno__kv__datapath__watch__descriptor;
  size_t counts[TP_WIRE_FIELD_MAX + 1];
  if (!tp_wire_count_fields(message, counts)) return tp_wire_fail_malformed(descriptor, error);
  if (counts[1] > TP_LIMIT_WATCH_KEYS_MAX)
    return tp_fail(error, TUPLET_LIMIT, "Too many keys (max %d)", TP_LIMIT_WATCH_KEYS_MAX);

  void *unpacked;
  tuplet_status status = tp_wire_unpack(descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__Watch *watch = unpacked;

  tuplet_bytes *keys = tp_arena_alloc_array_zeroed(arena, watch->n_keys, sizeof *keys);
  if (keys == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < watch->n_keys; i++) keys[i] = tp_wire_view(watch->keys[i]->key);
  *ret_keys = keys;
  *ret_key_count = watch->n_keys;
  return TUPLET_OK;
}

/* ---- The queue ---- */

tuplet_status tp_queue_listen_decode(tuplet_bytes message, tp_arena *arena, uint32_t *ret_in_flight_max,
                                     tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      tp_wire_unpack(&com__deno__kv__datapath__queue_listen__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__QueueListen *listen = unpacked;
  if (listen->max_in_flight > TP_LIMIT_QUEUE_IN_FLIGHT_MAX)
    return tp_fail(error, TUPLET_INVALID, "max_in_flight is %u; it may be up to %d.", listen->max_in_flight,
                   (int)TP_LIMIT_QUEUE_IN_FLIGHT_MAX);
  *ret_in_flight_max = listen->max_in_flight > 0 ? listen->max_in_flight : TP_LIMIT_QUEUE_IN_FLIGHT_DEFAULT;
  return TUPLET_OK;
}

tuplet_status tp_queue_finish_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes *ret_id,
                                     uint32_t *ret_attempt, bool *ret_success, tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      tp_wire_unpack(&com__deno__kv__datapath__queue_finish__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__QueueFinish *finish = unpacked;
  if (finish->id[0] == '\0') return tp_fail(error, TUPLET_INVALID, "The message's id is missing.");
  *ret_id = (tuplet_bytes){finish->id, strlen(finish->id)};
  *ret_attempt = finish->attempt;
  *ret_success = finish->success;
  return TUPLET_OK;
}

/* ---- Ranges ---- */

tuplet_status tp_watch_range_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes *ret_start,
                                    tuplet_bytes *ret_end, uint32_t *ret_changes_max, tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      tp_wire_unpack(&com__deno__kv__datapath__watch_range__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__WatchRange *range = unpacked;
  *ret_start = tp_wire_view(range->start);
  *ret_end = tp_wire_view(range->end);
  *ret_changes_max = range->changes_max;
  return TUPLET_OK;
}
