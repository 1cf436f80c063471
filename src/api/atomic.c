/* atomic.c: gathering an atomic operation. */
#include "api/atomic.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/status.h"
#include "codec/key.h"
#include "codec/limits.h"

#include <string.h>

enum { ATOMIC_CHUNK_SIZE = 2048 };

tuplet_atomic *tuplet_atomic_new(tuplet_db *db) {
  if (db == NULL) return NULL;
  tuplet_atomic *atomic = tp_alloc_array_zeroed(db->allocator, 1, sizeof *atomic);
  if (atomic == NULL) return NULL;
  atomic->db = tp_db_ref(db);
  tp_arena_init(&atomic->arena, db->allocator, ATOMIC_CHUNK_SIZE);
  return atomic;
}

void tuplet_atomic_free(tuplet_atomic *atomic) {
  if (atomic == NULL) return;
  tuplet_db *db = atomic->db;
  tp_arena_done(&atomic->arena);
  tp_free(db->allocator, atomic);
  tp_db_unref(db);
}

/* ---- What is added ---- */

tuplet_status tp_atomic_remember(tuplet_atomic *atomic, tuplet_status status, const tuplet_error *failure,
                                 tuplet_error *error) {
  if (status == TUPLET_OK) return status;
  if (atomic != NULL && atomic->first_error.status == TUPLET_OK) atomic->first_error = *failure;
  if (error != NULL) *error = *failure;
  return status;
}

tuplet_status tp_atomic_check_open(const tuplet_atomic *atomic, tuplet_error *error) {
  if (atomic == NULL) return tp_fail(error, TUPLET_MISUSE, "atomic is NULL");
  if (atomic->spent) return tp_fail(error, TUPLET_MISUSE, "the atomic operation was committed already");
  return TUPLET_OK;
}

tuplet_status tp_atomic_copy_key(tuplet_atomic *atomic, tuplet_key key, tuplet_bytes *ret_key,
                                 tuplet_error *error) {
  tp_buffer encoded;
  tp_buffer_init(&encoded, atomic->db->allocator);
  tuplet_status status = tp_key_encode(key, &encoded, error);
  if (status == TUPLET_OK) {
    *ret_key = tp_arena_copy(&atomic->arena, tp_buffer_view(&encoded));
    if (ret_key->data == NULL) status = tp_fail_nomem(error);
  }
  tp_buffer_done(&encoded);
  return status;
}

/* A value's bytes in the arena: LE64's come from the number. */
static tuplet_status copy_value(tuplet_atomic *atomic, tuplet_value value, tuplet_bytes *ret_bytes,
                                tuplet_error *error) {
  if (value.encoding < TUPLET_ENCODING_V8 || value.encoding > TUPLET_ENCODING_BYTES) {
    return tp_fail(error, TUPLET_INVALID, "The value encoding %u is unknown.", (unsigned)value.encoding);
  }
  if (value.encoding != TUPLET_ENCODING_LE64 && value.data.size > TP_LIMIT_VALUE_SIZE_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Value too large (max %d bytes)", (int)TP_LIMIT_VALUE_SIZE_MAX);
  }
  uint8_t number[8];
  for (int i = 0; i < 8; i++) number[i] = (uint8_t)(value.u64 >> (8 * i));
  bool is_number = value.encoding == TUPLET_ENCODING_LE64;
  *ret_bytes = tp_arena_copy(&atomic->arena, is_number ? tuplet_view(number, sizeof number) : value.data);
  return ret_bytes->data == NULL ? tp_fail_nomem(error) : TUPLET_OK;
}

/* Unix milliseconds; a time beyond all clocks is never. */
static tuplet_status expiry_of(const tuplet_atomic *atomic, int64_t expire_in_ms, int64_t *ret_expires_at_ms,
                               tuplet_error *error) {
  *ret_expires_at_ms = TP_EXPIRES_NEVER;
  if (expire_in_ms == TUPLET_NEVER) return TUPLET_OK;
  if (expire_in_ms < 0) {
    return tp_fail(error, TUPLET_INVALID, "expireIn must be a non-negative integer: received %lld",
                   (long long)expire_in_ms);
  }
  int64_t expires_at_ms;
  if (!__builtin_add_overflow(tp_store_now_ms(atomic->db->store), expire_in_ms, &expires_at_ms)) {
    *ret_expires_at_ms = expires_at_ms;
  }
  return TUPLET_OK;
}

void *tp_atomic_grow(tp_arena *arena, void *items, size_t count, size_t *capacity, size_t item_size) {
  if (count < *capacity) return items;
  size_t new_capacity = *capacity == 0 ? 4 : *capacity * 2;
  void *grown = tp_arena_alloc_array_zeroed(arena, new_capacity, item_size);
  if (grown == NULL) return NULL;
  if (count > 0) memcpy(grown, items, count * item_size);
  *capacity = new_capacity;
  return grown;
}

static tuplet_status append_mutation(tuplet_atomic *atomic, const tp_mutation *mutation,
                                     tuplet_error *error) {
  if (atomic->mutation_count + atomic->enqueue_count == TP_LIMIT_ATOMIC_MUTATIONS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many mutations (max %d)", (int)TP_LIMIT_ATOMIC_MUTATIONS_MAX);
  }
  tp_mutation *mutations = tp_atomic_grow(&atomic->arena, atomic->mutations, atomic->mutation_count,
                                          &atomic->mutation_capacity, sizeof *mutations);
  if (mutations == NULL) return tp_fail_nomem(error);
  atomic->mutations = mutations;
  atomic->mutations[atomic->mutation_count++] = *mutation;
  return TUPLET_OK;
}

/* What is the same for all mutations; `value` is NULL for deletes. */
static tuplet_status add(tuplet_atomic *atomic, tp_mutation mutation, tuplet_key key,
                         const tuplet_value *value, int64_t expire_in_ms, tuplet_error *error) {
  tuplet_error failure = {0};
  tuplet_status status = tp_atomic_check_open(atomic, &failure);
  if (status == TUPLET_OK) status = tp_db_check(atomic->db, &failure);
  if (status == TUPLET_OK) status = tp_atomic_copy_key(atomic, key, &mutation.key, &failure);
  if (status == TUPLET_OK && value != NULL) {
    mutation.encoding = (uint32_t)value->encoding;
    status = copy_value(atomic, *value, &mutation.value, &failure);
  }
  if (status == TUPLET_OK) status = expiry_of(atomic, expire_in_ms, &mutation.expires_at_ms, &failure);
  if (status == TUPLET_OK) status = append_mutation(atomic, &mutation, &failure);
  return tp_atomic_remember(atomic, status, &failure, error);
}

tuplet_status tuplet_atomic_set(tuplet_atomic *atomic, tuplet_key key, tuplet_value value,
                                int64_t expire_in_ms, tuplet_error *error) {
  return add(atomic, (tp_mutation){.type = TP_MUTATION_SET}, key, &value, expire_in_ms, error);
}

tuplet_status tuplet_atomic_delete(tuplet_atomic *atomic, tuplet_key key, tuplet_error *error) {
  return add(atomic, (tp_mutation){.type = TP_MUTATION_DELETE}, key, NULL, TUPLET_NEVER, error);
}

tuplet_status tuplet_atomic_set_versionstamped(tuplet_atomic *atomic, tuplet_key prefix, tuplet_value value,
                                               int64_t expire_in_ms, tuplet_error *error) {
  tp_mutation mutation = {.type = TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY};
  return add(atomic, mutation, prefix, &value, expire_in_ms, error);
}

static tuplet_status add_counter(tuplet_atomic *atomic, tp_mutation_type type, tuplet_key key,
                                 uint64_t operand, tuplet_error *error) {
  tuplet_value value = tuplet_value_u64(operand);
  return add(atomic, (tp_mutation){.type = type}, key, &value, TUPLET_NEVER, error);
}

tuplet_status tuplet_atomic_sum(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                tuplet_error *error) {
  return add_counter(atomic, TP_MUTATION_SUM, key, operand, error);
}

tuplet_status tuplet_atomic_min(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                tuplet_error *error) {
  return add_counter(atomic, TP_MUTATION_MIN, key, operand, error);
}

tuplet_status tuplet_atomic_max(tuplet_atomic *atomic, tuplet_key key, uint64_t operand,
                                tuplet_error *error) {
  return add_counter(atomic, TP_MUTATION_MAX, key, operand, error);
}

static tuplet_status copy_bound(tuplet_atomic *atomic, const tuplet_value *bound, tuplet_bytes *ret_bytes,
                                tuplet_error *error) {
  if (bound == NULL) return TUPLET_OK;
  if (bound->encoding == TUPLET_ENCODING_LE64) {
    return tp_fail(error, TUPLET_TYPE, "Cannot use min/max parameters with KvU64 operands");
  }
  if (bound->encoding != TUPLET_ENCODING_V8) {
    return tp_fail(error, TUPLET_TYPE, "Min/max parameters have different types than the operand");
  }
  if (bound->data.size == 0) { /* which would count as none further down */
    return tp_fail(error, TUPLET_INVALID, "Some of the parameters are not valid V8 values");
  }
  return copy_value(atomic, *bound, ret_bytes, error);
}

tuplet_status tuplet_atomic_sum_value(tuplet_atomic *atomic, tuplet_key key, tuplet_value operand,
                                      const tuplet_value *minimum, const tuplet_value *maximum, bool clamp,
                                      tuplet_error *error) {
  tp_mutation mutation = {.type = TP_MUTATION_SUM, .sum_clamp = clamp};
  tuplet_error failure = {0};
  tuplet_status status = tp_atomic_check_open(atomic, &failure);
  if (status == TUPLET_OK) status = copy_bound(atomic, minimum, &mutation.sum_min, &failure);
  if (status == TUPLET_OK) status = copy_bound(atomic, maximum, &mutation.sum_max, &failure);
  if (status != TUPLET_OK) return tp_atomic_remember(atomic, status, &failure, error);
  return add(atomic, mutation, key, &operand, TUPLET_NEVER, error);
}

static tuplet_status append_check(tuplet_atomic *atomic, const tp_check *check, tuplet_error *error) {
  if (atomic->check_count == TP_LIMIT_ATOMIC_CHECKS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many checks (max %d)", (int)TP_LIMIT_ATOMIC_CHECKS_MAX);
  }
  tp_check *checks = tp_atomic_grow(&atomic->arena, atomic->checks, atomic->check_count,
                                    &atomic->check_capacity, sizeof *checks);
  if (checks == NULL) return tp_fail_nomem(error);
  atomic->checks = checks;
  atomic->checks[atomic->check_count++] = *check;
  return TUPLET_OK;
}

tuplet_status tuplet_atomic_check(tuplet_atomic *atomic, tuplet_key key,
                                  const tuplet_versionstamp *versionstamp, tuplet_error *error) {
  tuplet_error failure = {0};
  static const tuplet_versionstamp none;
  tp_check check = {.versionstamp = versionstamp == NULL ? none : *versionstamp};
  check.must_be_absent = memcmp(&check.versionstamp, &none, sizeof none) == 0;
  tuplet_status status = tp_atomic_check_open(atomic, &failure);
  if (status == TUPLET_OK) status = tp_atomic_copy_key(atomic, key, &check.key, &failure);
  if (status == TUPLET_OK) status = append_check(atomic, &check, &failure);
  return tp_atomic_remember(atomic, status, &failure, error);
}
