/* text_view.c: the elements of typed arrays as JavaScript numbers, and back. The bytes are little-endian, as
 * on every machine that V8 runs on. */
#include "codec/text_view.h"

#include "codec/number.h"
#include "codec/tree.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const tp_view_kind kinds[] = {
    {"Int8Array", TUPLET_VIEW_INT8, false},
    {"Uint8Array", TUPLET_VIEW_UINT8, false},
    {"Uint8ClampedArray", TUPLET_VIEW_UINT8_CLAMPED, false},
    {"Int16Array", TUPLET_VIEW_INT16, false},
    {"Uint16Array", TUPLET_VIEW_UINT16, false},
    {"Int32Array", TUPLET_VIEW_INT32, false},
    {"Uint32Array", TUPLET_VIEW_UINT32, false},
    {"Float16Array", TUPLET_VIEW_FLOAT16, false},
    {"Float32Array", TUPLET_VIEW_FLOAT32, false},
    {"Float64Array", TUPLET_VIEW_FLOAT64, false},
    {"BigInt64Array", TUPLET_VIEW_BIGINT64, true},
    {"BigUint64Array", TUPLET_VIEW_BIGUINT64, true},
    {"DataView", TUPLET_VIEW_DATA, false},
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

const tp_view_kind *tp_view_kind_of(tuplet_view_type type) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    if (kinds[i].type == type) return &kinds[i];
  }
  return NULL;
}

const tp_view_kind *tp_view_kind_named(tuplet_bytes name) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    if (strlen(kinds[i].name) == name.size && memcmp(kinds[i].name, name.data, name.size) == 0)
      return &kinds[i];
  }
  return NULL;
}

/* ---- Half precision: 1 sign bit, 5 exponent bits, 10 fraction bits ---- */

static double half_to_double(uint16_t bits) {
  int exponent = (bits >> 10) & 0x1F;
  int fraction = bits & 0x3FF;
  double magnitude;
  if (exponent == 0x1F) {
    magnitude = fraction != 0 ? (double)NAN : (double)INFINITY;
  } else if (exponent == 0) {
    magnitude = ldexp(fraction, -24);
  } else {
    magnitude = ldexp(fraction + 0x400, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/* Rounds once, to nearest, ties to even. */
static uint16_t half_from_double(double number) {
  if (isnan(number)) return 0x7E00;
  uint16_t sign = signbit(number) ? 0x8000 : 0;
  double magnitude = fabs(number);
  if (magnitude >= 65520.0) return (uint16_t)(sign | 0x7C00); /* halfway to 65536 and more: infinity */
  int exponent = -14;
  if (magnitude >= 0x1p-14) exponent = ilogb(magnitude);
  /* In units of the last place at this exponent; rint rounds as IEEE 754 by default. A carry into the next
   * exponent comes out right by itself, as the fraction overflows into the exponent's bits. */
  unsigned units = (unsigned)rint(ldexp(magnitude, 10 - exponent));
  unsigned bits = magnitude >= 0x1p-14 ? units + ((unsigned)(exponent + 14) << 10) : units;
  return (uint16_t)(sign | bits);
}

/* ---- Writing ---- */

static void append_little_endian(tp_buffer *out, uint64_t bits, size_t size) {
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(bits >> (8 * i));
  tp_buffer_append(out, bytes, size);
}

/* ECMA-262's ToInt32 and its like: the integer part modulo 2^32, of which the caller keeps the low bits. */
static uint32_t to_integer_bits(double number) {
  if (!isfinite(number)) return 0;
  double rest = fmod(trunc(number), 0x1p32);
  return (uint32_t)(int64_t)rest;
}

static uint8_t to_clamped(double number) {
  if (!(number > 0)) return 0; /* NaN as well */
  return number >= 255 ? 255 : (uint8_t)rint(number);
}

void tp_view_append_number(tp_buffer *out, tuplet_view_type type, double number) {
  uint64_t bits = 0;
  if (type == TUPLET_VIEW_FLOAT64) {
    if (isnan(number)) number = (double)NAN;
    memcpy(&bits, &number, sizeof number);
  } else if (type == TUPLET_VIEW_FLOAT32) {
    float single = isnan(number) ? NAN : (float)number;
    uint32_t single_bits;
    memcpy(&single_bits, &single, sizeof single);
    bits = single_bits;
  } else if (type == TUPLET_VIEW_FLOAT16) {
    bits = half_from_double(number);
  } else if (type == TUPLET_VIEW_UINT8_CLAMPED) {
    bits = to_clamped(number);
  } else {
    bits = to_integer_bits(number);
  }
  append_little_endian(out, bits, tp_view_element_size(type));
}

void tp_view_append_bigint(tp_buffer *out, bool negative, tuplet_bytes little_endian) {
  const uint8_t *bytes = little_endian.data;
  uint64_t bits = 0;
  for (size_t i = 0; i < little_endian.size && i < 8; i++) bits |= (uint64_t)bytes[i] << (8 * i);
  append_little_endian(out, negative ? 0 - bits : bits, 8);
}

/* ---- Reading ---- */

static uint64_t load(const uint8_t *data, size_t size) {
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i++) bits |= (uint64_t)data[i] << (8 * i);
  return bits;
}

static double load_number(tuplet_view_type type, const uint8_t *data) {
  double number = 0;
  float single;
  uint32_t single_bits;
  uint64_t bits;
  switch (type) {
  case TUPLET_VIEW_INT8: return (int8_t)data[0];
  case TUPLET_VIEW_INT16: return (int16_t)load(data, 2);
  case TUPLET_VIEW_UINT16: return (double)load(data, 2);
  case TUPLET_VIEW_INT32: return (int32_t)(uint32_t)load(data, 4);
  case TUPLET_VIEW_UINT32: return (double)load(data, 4);
  case TUPLET_VIEW_FLOAT16: return half_to_double((uint16_t)load(data, 2));
  case TUPLET_VIEW_FLOAT32:
    single_bits = (uint32_t)load(data, 4);
    memcpy(&single, &single_bits, sizeof single);
    return single;
  case TUPLET_VIEW_FLOAT64:
    bits = load(data, 8);
    memcpy(&number, &bits, sizeof number);
    return number;
  default: return data[0]; /* the unsigned bytes */
  }
}

void tp_view_element_to_text(tp_buffer *out, tuplet_view_type type, const uint8_t *data) {
  if (type == TUPLET_VIEW_BIGINT64) {
    tp_buffer_append_format(out, "%" PRId64 "n", (int64_t)load(data, 8));
  } else if (type == TUPLET_VIEW_BIGUINT64) {
    tp_buffer_append_format(out, "%" PRIu64 "n", load(data, 8));
  } else {
    char text[TP_NUMBER_TEXT_SIZE];
    tp_buffer_append(out, text, tp_number_to_text(load_number(type, data), text));
  }
}

bool tp_view_elements_are_plain(tuplet_view_type type, const uint8_t *data, size_t size) {
  uint64_t infinity, canonical;
  switch (type) {
  case TUPLET_VIEW_FLOAT16:
    infinity = 0x7C00;
    canonical = 0x7E00;
    break;
  case TUPLET_VIEW_FLOAT32:
    infinity = 0x7F800000;
    canonical = 0x7FC00000;
    break;
  case TUPLET_VIEW_FLOAT64:
    infinity = UINT64_C(0x7FF0000000000000);
    canonical = UINT64_C(0x7FF8000000000000);
    break;
  default: return true;
  }
  size_t element_size = tp_view_element_size(type);
  uint64_t magnitude_mask = (UINT64_C(1) << (8 * element_size - 1)) - 1;
  for (size_t at = 0; at < size; at += element_size) {
    uint64_t bits = load(data + at, element_size);
    if ((bits & magnitude_mask) > infinity && bits != canonical) return false;
  }
  return true;
}
