/* sum.h: what `sum`, `min` and `max` make of the stored value and their operand. */
#ifndef TP_CODEC_SUM_H
#define TP_CODEC_SUM_H

#include "base/buffer.h"

typedef enum tp_sum_operation { TP_SUM_SUM, TP_SUM_MIN, TP_SUM_MAX } tp_sum_operation;

/* A stored value, or one to be: any encoding number, and the bytes. */
typedef struct tp_sum_value {
  uint32_t encoding;
  tuplet_bytes data;
} tp_sum_value;

/* Of sums of V8 values: the range of the result, both ends inclusive, each a V8 value of the operand's type,
 * or empty for none. A result outside is an error, or becomes the nearer end when `clamp` is set. */
typedef struct tp_sum_bounds {
  tuplet_bytes min;
  tuplet_bytes max;
  bool clamp;
} tp_sum_bounds;

/* Appends the result's bytes to `out`, which must be empty. stored: NULL when the key has no value; then the
 * result is the operand as it is. bounds: NULL for none; without meaning for min and max. `out` is
 * unspecified after an error.
 *
 *   stored   operand             result
 *   KvU64    KvU64               KvU64: the sum modulo 2^64, the smaller, the larger
 *   KvU64    BigInt, 0..2^64-1   KvU64, when there are no bounds; sums only
 *   BigInt   BigInt              BigInt of any size; sums only
 *   Number   Number              Number; sums only
 *
 * Everything else fails. The messages are those that Deno's clients know.
 * Errors: TUPLET_TYPE, TUPLET_RANGE (outside the bounds), TUPLET_LIMIT (the result is no value of V8's),
 * TUPLET_NOMEM. Any thread. Memory comes from the buffer's allocator, but for OpenSSL's of big integers. */
tuplet_status tp_sum(tp_sum_operation operation, const tp_sum_value *stored, const tp_sum_value *operand,
                     const tp_sum_bounds *bounds, tp_buffer *out, uint32_t *ret_encoding,
                     tuplet_error *error);

#endif
