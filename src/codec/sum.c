/* sum.c: what `sum`, `min` and `max` make of the stored value and their operand. */
#include "codec/sum.h"

#include "base/status.h"
#include "codec/v8.h"

#include <assert.h>
#include <limits.h>
#include <openssl/bn.h>

enum { LE64_SIZE = 8 };

/* ---- 64-bit counters ---------------------------------------------------------------------------------- */

static bool is_u64(const tp_sum_value *value) {
  return value->encoding == TUPLET_ENCODING_LE64 && value->data.size == LE64_SIZE;
}

/* Little-endian bytes, at most eight. */
static uint64_t read_u64(tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size; i++) number |= (uint64_t)data[i] << 8 * i;
  return number;
}

static tuplet_status finish_u64(uint64_t number, tp_buffer *out, uint32_t *ret_encoding,
                                tuplet_error *error) {
  for (unsigned shift = 0; shift < 64; shift += 8) tp_buffer_append_byte(out, (uint8_t)(number >> shift));
  if (out->failed) return tp_fail_nomem(error);
  *ret_encoding = TUPLET_ENCODING_LE64;
  return TUPLET_OK;
}

static const char *operation_name(tp_sum_operation operation) {
  return operation == TP_SUM_MIN ? "min" : operation == TP_SUM_MAX ? "max" : "sum";
}

static uint64_t combine_u64(tp_sum_operation operation, uint64_t stored, uint64_t operand) {
  switch (operation) {
  case TP_SUM_MIN: return stored < operand ? stored : operand;
  case TP_SUM_MAX: return stored > operand ? stored : operand;
  case TP_SUM_SUM: break;
  }
  return stored + operand; /* wraps */
}

static tuplet_status combine_counters(tp_sum_operation operation, const tp_sum_value *stored,
                                      const tp_sum_value *operand, tp_buffer *out, uint32_t *ret_encoding,
                                      tuplet_error *error) {
  uint64_t number = read_u64(operand->data);
  if (stored != NULL) {
    if (!is_u64(stored))
      return tp_fail(error, TUPLET_TYPE, "Failed to perform '%s' mutation on a non-U64 value in the database",
                     operation_name(operation));
    number = combine_u64(operation, read_u64(stored->data), number);
  }
  return finish_u64(number, out, ret_encoding, error);
}

/* ---- Parameters of V8 sums ---------------------------------------------------------------------------- */

/* What a sum of V8 values is about. Nodes are NUMBER, BIGINT or KVU64 (stored alone); NULL where there is
 * none. */
typedef struct sum_terms {
  const tuplet_node *stored;
  const tuplet_node *operand;
  const tuplet_node *min;
  const tuplet_node *max;
  bool clamp;
} sum_terms;

static tuplet_status not_numbers(tuplet_error *error) {
  return tp_fail(error, TUPLET_TYPE, "Some of the parameters are not valid V8 values");
}

static tuplet_status parse_v8(tuplet_tree *tree, tuplet_bytes data, const tuplet_node **ret_node,
                              tuplet_error *error) {
  tuplet_node *node;
  tuplet_status status = tp_v8_read(tree, data, &node, error);
  if (status == TUPLET_NOMEM) return status;
  if (status != TUPLET_OK || (node->type != TUPLET_NODE_NUMBER && node->type != TUPLET_NODE_BIGINT))
    return not_numbers(error);
  *ret_node = node;
  return TUPLET_OK;
}

static tuplet_status parse(tuplet_tree *tree, const tp_sum_value *value, const tuplet_node **ret_node,
                           tuplet_error *error) {
  if (value->encoding == TUPLET_ENCODING_V8) return parse_v8(tree, value->data, ret_node, error);
  if (!is_u64(value)) return not_numbers(error);
  *ret_node = tuplet_node_kvu64(tree, read_u64(value->data));
  return *ret_node == NULL ? tp_fail_nomem(error) : TUPLET_OK;
}

static tuplet_status parse_bounds(tuplet_tree *tree, const tp_sum_bounds *bounds, sum_terms *terms,
                                  tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  if (bounds == NULL) return status;
  if (bounds->min.size > 0) status = parse_v8(tree, bounds->min, &terms->min, error);
  if (status == TUPLET_OK && bounds->max.size > 0) status = parse_v8(tree, bounds->max, &terms->max, error);
  terms->clamp = bounds->clamp;
  if (status != TUPLET_OK) return status;
  tuplet_node_type type = terms->operand->type;
  if ((terms->min != NULL && terms->min->type != type) || (terms->max != NULL && terms->max->type != type))
    return tp_fail(error, TUPLET_TYPE, "Min/max parameters have different types than the operand");
  return TUPLET_OK;
}

static const char *type_name(const tuplet_node *node) {
  return node->type == TUPLET_NODE_KVU64 ? "KvU64" : node->type == TUPLET_NODE_BIGINT ? "BigInt" : "Number";
}

static tuplet_status out_of_range(tuplet_error *error) {
  return tp_fail(error, TUPLET_RANGE, "The result of a Sum operation would exceed its range limit");
}

/* ---- Arithmetic --------------------------------------------------------------------------------------- */

static tuplet_status sum_numbers(tuplet_tree *tree, const sum_terms *terms, const tuplet_node **ret_sum,
                                 tuplet_error *error) {
  double sum = terms->stored->as.number + terms->operand->as.number;
  if (terms->min != NULL && sum < terms->min->as.number) {
    if (!terms->clamp) return out_of_range(error);
    sum = terms->min->as.number;
  }
  if (terms->max != NULL && sum > terms->max->as.number) {
    if (!terms->clamp) return out_of_range(error);
    sum = terms->max->as.number;
  }
  *ret_sum = tuplet_node_number(tree, sum);
  return *ret_sum == NULL ? tp_fail_nomem(error) : TUPLET_OK;
}

/* NULL when out of memory. */
static BIGNUM *bignum_of(const tuplet_node *node) {
  tuplet_bytes magnitude = node->as.bigint.little_endian;
  assert(magnitude.size <= INT_MAX);
  BIGNUM *number = BN_lebin2bn(magnitude.data, (int)magnitude.size, NULL);
  if (number != NULL) BN_set_negative(number, node->as.bigint.negative);
  return number;
}

/* NULL when out of memory. */
static const tuplet_node *node_of(tuplet_tree *tree, const BIGNUM *number) {
  int size = BN_num_bytes(number);
  uint8_t *magnitude = tp_arena_alloc(&tree->arena, (size_t)size);
  if (magnitude == NULL || BN_bn2lebinpad(number, magnitude, size) != size) return NULL;
  return tuplet_node_bigint(tree, BN_is_negative(number) != 0, (tuplet_bytes){magnitude, (size_t)size});
}

/* When the sum lies on the wrong side of the bound (sign: -1 below, 1 above), puts the bound in its place. */
static tuplet_status keep_in_bound(BIGNUM *sum, const tuplet_node *bound, int sign, bool clamp,
                                   tuplet_error *error) {
  if (bound == NULL) return TUPLET_OK;
  tuplet_status status = TUPLET_OK;
  BIGNUM *number = bignum_of(bound);
  if (number == NULL) return tp_fail_nomem(error);
  if (BN_cmp(sum, number) * sign > 0) {
    if (!clamp) {
      status = out_of_range(error);
    } else if (BN_copy(sum, number) == NULL) {
      status = tp_fail_nomem(error);
    }
  }
  BN_free(number);
  return status;
}

static tuplet_status sum_bigints(tuplet_tree *tree, const sum_terms *terms, const tuplet_node **ret_sum,
                                 tuplet_error *error) {
  tuplet_status status = TUPLET_NOMEM;
  BIGNUM *sum = bignum_of(terms->stored);
  BIGNUM *operand = bignum_of(terms->operand);
  if (sum == NULL || operand == NULL || BN_add(sum, sum, operand) != 1) {
    status = tp_fail_nomem(error);
    goto out;
  }
  status = keep_in_bound(sum, terms->min, -1, terms->clamp, error);
  if (status == TUPLET_OK) status = keep_in_bound(sum, terms->max, 1, terms->clamp, error);
  if (status != TUPLET_OK) goto out;
  *ret_sum = node_of(tree, sum);
  if (*ret_sum == NULL) status = tp_fail_nomem(error);
out:
  BN_free(operand);
  BN_free(sum);
  return status;
}

static bool is_counter_and_fitting_bigint(const sum_terms *terms) {
  return terms->stored->type == TUPLET_NODE_KVU64 && terms->operand->type == TUPLET_NODE_BIGINT &&
         !terms->operand->as.bigint.negative && terms->operand->as.bigint.little_endian.size <= LE64_SIZE &&
         terms->min == NULL && terms->max == NULL;
}

static tuplet_status add_terms(tuplet_tree *tree, const sum_terms *terms, tp_buffer *out,
                               uint32_t *ret_encoding, tuplet_error *error) {
  if (is_counter_and_fitting_bigint(terms)) {
    uint64_t operand = read_u64(terms->operand->as.bigint.little_endian);
    return finish_u64(terms->stored->as.u64 + operand, out, ret_encoding, error);
  }
  if (terms->stored->type != terms->operand->type)
    return tp_fail(error, TUPLET_TYPE, "Cannot sum %s with %s", type_name(terms->stored),
                   type_name(terms->operand));
  const tuplet_node *sum = NULL;
  tuplet_status status = terms->operand->type == TUPLET_NODE_BIGINT ? sum_bigints(tree, terms, &sum, error)
                                                                    : sum_numbers(tree, terms, &sum, error);
  if (status == TUPLET_OK) status = tp_v8_write(sum, out, error);
  if (status == TUPLET_OK) *ret_encoding = TUPLET_ENCODING_V8;
  return status;
}

static tuplet_status sum_v8(tuplet_tree *tree, const tp_sum_value *stored, const tp_sum_value *operand,
                            const tp_sum_bounds *bounds, tp_buffer *out, uint32_t *ret_encoding,
                            tuplet_error *error) {
  if (operand->encoding != TUPLET_ENCODING_V8) return not_numbers(error);
  sum_terms terms = {0};
  tuplet_status status = parse(tree, operand, &terms.operand, error);
  if (status == TUPLET_OK) status = parse_bounds(tree, bounds, &terms, error);
  if (status != TUPLET_OK) return status;
  if (stored == NULL) {
    tp_buffer_append(out, operand->data.data, operand->data.size);
    if (out->failed) return tp_fail_nomem(error);
    *ret_encoding = operand->encoding;
    return TUPLET_OK;
  }
  status = parse(tree, stored, &terms.stored, error);
  return status == TUPLET_OK ? add_terms(tree, &terms, out, ret_encoding, error) : status;
}

tuplet_status tp_sum(tp_sum_operation operation, const tp_sum_value *stored, const tp_sum_value *operand,
                     const tp_sum_bounds *bounds, tp_buffer *out, uint32_t *ret_encoding,
                     tuplet_error *error) {
  if (is_u64(operand)) {
    bool bounded = bounds != NULL && (bounds->min.size > 0 || bounds->max.size > 0);
    if (operation == TP_SUM_SUM && bounded)
      return tp_fail(error, TUPLET_TYPE, "Cannot use min/max parameters with KvU64 operands");
    return combine_counters(operation, stored, operand, out, ret_encoding, error);
  }
  if (operation != TP_SUM_SUM)
    return tp_fail(error, TUPLET_TYPE, "Failed to perform '%s' mutation on a non-U64 operand",
                   operation_name(operation));
  tuplet_tree *tree = tuplet_tree_new(out->allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tuplet_status status = sum_v8(tree, stored, operand, bounds, out, ret_encoding, error);
  tuplet_tree_free(tree);
  return status;
}
