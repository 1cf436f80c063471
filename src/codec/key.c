/* key.c: the ordered encoding of keys: FoundationDB's tuple layer, as far as Deno uses it.
 *
 *   part                   tag    body
 *   bytes, string          01 02  the bytes, FF after each 00; then 00
 *   bigint of n <= 8       14+n   n bytes of magnitude, big-endian; the tag is 14-n and the bytes are
 * inverted when negative bigint of n > 8        1D     n, then n bytes; tag 0B and everything inverted when
 * negative number                 21     the double, big-endian, with its sign bit flipped, or all bits
 * inverted when negative false, true            26 27  none
 *
 * Writing happens on every operation, checking on every encoded key from outside; both take one pass and no
 * memory. Decoding, for people and bindings, takes a second pass into one block. */
#include "codec/key.h"

#include "base/alloc.h"
#include "base/status.h"
#include "codec/limits.h"
#include "codec/utf8.h"

#include <string.h>

enum {
  TAG_BYTES = 0x01,
  TAG_STRING = 0x02,
  TAG_BIGINT_NEGATIVE = 0x0B,
  TAG_BIGINT_ZERO = 0x14,
  TAG_BIGINT_POSITIVE = 0x1D,
  TAG_NUMBER = 0x21,
  TAG_FALSE = 0x26,
  TAG_TRUE = 0x27,

  SMALL_SIZE_MAX = 8, /* bytes of a bigint whose length is in its tag */
  NUMBER_SIZE = 8
};

#define SIGN_BIT      (UINT64_C(1) << 63)
#define NAN_CANONICAL UINT64_C(0x7FF8000000000000)
#define INFINITY_BITS UINT64_C(0x7FF0000000000000)

/* ---- Writing ------------------------------------------------------------------------------------------ */

/* Writes the lowest `size` bytes of `number`, each XORed with `mask`, big-endian. */
static void write_big_endian(uint8_t *out, uint64_t number, size_t size, uint8_t mask) {
  for (size_t i = size; i > 0; i--) {
    out[i - 1] = (uint8_t)((uint8_t)number ^ mask);
    number >>= 8;
  }
}

static uint64_t read_big_endian(const uint8_t *bytes, size_t size, uint8_t mask) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; i++) number = number << 8 | (uint8_t)(bytes[i] ^ mask);
  return number;
}

/* A tag and bytes, escaped and ended. */
static void append_escaped(tp_buffer *out, uint8_t tag, tuplet_bytes bytes) {
  const uint8_t *at = bytes.data;
  size_t left = bytes.size;
  if (left > SIZE_MAX - 2 || tp_buffer_reserve(out, left + 2) == NULL) {
    out->failed = true;
    return;
  }
  tp_buffer_append_byte(out, tag);
  while (left > 0) {
    const uint8_t *zero = memchr(at, 0, left);
    size_t run = zero == NULL ? left : (size_t)(zero - at) + 1;
    tp_buffer_append(out, at, run);
    if (zero != NULL) tp_buffer_append_byte(out, 0xFF);
    at += run;
    left -= run;
  }
  tp_buffer_append_byte(out, 0);
}

static bool is_surrogate(const uint8_t *bytes) {
  return bytes[0] == 0xED && bytes[1] >= 0xA0;
}

/* Writes U+FFFD over every surrogate of the WTF-8 bytes from `start` on. It is as long as they are, and the
 * escapes that are between the bytes by now look like none of them. */
static void replace_surrogates(tp_buffer *out, size_t start) {
  static const uint8_t replacement[] = {0xEF, 0xBF, 0xBD};
  for (size_t i = start; i + sizeof replacement <= out->size; i++) {
    if (is_surrogate(out->data + i)) memcpy(out->data + i, replacement, sizeof replacement);
  }
}

static tuplet_status append_string(tp_buffer *out, tuplet_bytes text, size_t number, tuplet_error *error) {
  bool is_utf8 = tp_utf8_is_valid(text);
  if (!is_utf8 && !tp_wtf8_is_valid(text))
    return tp_fail(error, TUPLET_INVALID, "part %zu of the key: a string that is not UTF-8", number);
  size_t start = out->size;
  append_escaped(out, TAG_STRING, text);
  if (!is_utf8 && !out->failed) replace_surrogates(out, start);
  return TUPLET_OK;
}

static void append_small_bigint(tp_buffer *out, bool negative, uint64_t magnitude) {
  uint8_t body[1 + SMALL_SIZE_MAX];
  size_t size = 0;
  while (size < SMALL_SIZE_MAX && magnitude >> (8 * size) != 0) size++;
  body[0] = (uint8_t)(negative ? TAG_BIGINT_ZERO - size : TAG_BIGINT_ZERO + size);
  write_big_endian(body + 1, magnitude, size, negative ? 0xFF : 0);
  tp_buffer_append(out, body, 1 + size);
}

static tuplet_status append_bigint(tp_buffer *out, const tuplet_part *part, tuplet_error *error) {
  if (part->bytes.data == NULL) {
    append_small_bigint(out, part->negative, part->as.small);
    return TUPLET_OK;
  }
  const uint8_t *bytes = part->bytes.data;
  size_t size = part->bytes.size;
  for (; size > 0 && *bytes == 0; size--) bytes++;
  if (size > TP_LIMIT_KEY_BIGINT_SIZE_MAX)
    return tp_fail(error, TUPLET_INVALID, "BigUint requires more than 255 bytes to be represented");
  if (size <= SMALL_SIZE_MAX) {
    append_small_bigint(out, part->negative, read_big_endian(bytes, size, 0));
    return TUPLET_OK;
  }
  uint8_t mask = part->negative ? 0xFF : 0;
  uint8_t *room = tp_buffer_reserve(out, 2 + size);
  if (room == NULL) return TUPLET_OK;
  room[0] = part->negative ? TAG_BIGINT_NEGATIVE : TAG_BIGINT_POSITIVE;
  room[1] = (uint8_t)((uint8_t)size ^ mask);
  for (size_t i = 0; i < size; i++) room[2 + i] = bytes[i] ^ mask;
  out->size += 2 + size;
  return TUPLET_OK;
}

static void append_number(tp_buffer *out, double number) {
  uint8_t body[1 + NUMBER_SIZE] = {TAG_NUMBER};
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  if ((bits & ~SIGN_BIT) > INFINITY_BITS) bits = (bits & SIGN_BIT) | NAN_CANONICAL;
  bits = (bits & SIGN_BIT) != 0 ? ~bits : bits | SIGN_BIT;
  write_big_endian(body + 1, bits, NUMBER_SIZE, 0);
  tp_buffer_append(out, body, sizeof body);
}

/* Out of memory shows in out->failed only. number: counted from 1, for messages. */
static tuplet_status append_part(tp_buffer *out, const tuplet_part *part, size_t number,
                                 tuplet_error *error) {
  bool has_bytes =
      part->type == TUPLET_PART_BYTES || part->type == TUPLET_PART_STRING || part->type == TUPLET_PART_BIGINT;
  if (has_bytes && part->bytes.data == NULL && part->bytes.size > 0)
    return tp_fail(error, TUPLET_INVALID, "part %zu of the key: a NULL pointer", number);
  switch (part->type) {
  case TUPLET_PART_BYTES: append_escaped(out, TAG_BYTES, part->bytes); return TUPLET_OK;
  case TUPLET_PART_STRING: return append_string(out, part->bytes, number, error);
  case TUPLET_PART_BIGINT: return append_bigint(out, part, error);
  case TUPLET_PART_NUMBER: append_number(out, part->as.number); return TUPLET_OK;
  case TUPLET_PART_FALSE: tp_buffer_append_byte(out, TAG_FALSE); return TUPLET_OK;
  case TUPLET_PART_TRUE: tp_buffer_append_byte(out, TAG_TRUE); return TUPLET_OK;
  default:
    return tp_fail(error, TUPLET_INVALID,
                   "part %zu of the key: type %d; expected string, number, bigint, Uint8Array, boolean",
                   number, (int)part->type);
  }
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

/* Goes through an encoded key, part by part. */
typedef struct key_reader {
  const uint8_t *bytes;
  size_t size;
  size_t position;
  tuplet_status status_if_bad;
} key_reader;

/* A part as it stands in the key. */
typedef struct raw_part {
  tuplet_part_type type;
  bool negative;
  const uint8_t *body; /* still escaped, inverted */
  size_t body_size;    /* without end or length byte */
} raw_part;

static tuplet_status fail_cut_off(const key_reader *reader, size_t start, tuplet_error *error) {
  return tp_fail(error, reader->status_if_bad, "malformed key: the part at byte %zu is cut off (tag 0x%02x)",
                 start, reader->bytes[start]);
}

/* Reads the body of bytes or a string: up to a 00 that no FF follows. */
static tuplet_status read_escaped(key_reader *reader, size_t start, raw_part *part, tuplet_error *error) {
  const uint8_t *end = reader->bytes + reader->size;
  const uint8_t *run = part->body;
  for (;;) {
    const uint8_t *zero = run == end ? NULL : memchr(run, 0, (size_t)(end - run));
    if (zero == NULL) return fail_cut_off(reader, start, error);
    /* A 00 is a whole character, so that what is between two of them is UTF-8 if everything is. */
    if (part->type == TUPLET_PART_STRING && !tp_utf8_is_valid((tuplet_bytes){run, (size_t)(zero - run)}))
      return tp_fail(error, reader->status_if_bad, "malformed key: the string at byte %zu is not UTF-8",
                     start);
    if (zero + 1 == end || zero[1] != 0xFF) {
      part->body_size = (size_t)(zero - part->body);
      reader->position = (size_t)(zero + 1 - reader->bytes);
      return TUPLET_OK;
    }
    run = zero + 2;
  }
}

/* Reads a body of known size. */
static tuplet_status read_sized(key_reader *reader, size_t start, size_t size, raw_part *part,
                                tuplet_error *error) {
  if (size > reader->size - reader->position) return fail_cut_off(reader, start, error);
  part->body = reader->bytes + reader->position;
  part->body_size = size;
  reader->position += size;
  return TUPLET_OK;
}

/* Reads the next part; there must be one. */
static tuplet_status read_part(key_reader *reader, raw_part *ret_part, tuplet_error *error) {
  size_t start = reader->position++;
  uint8_t tag = reader->bytes[start];
  *ret_part = (raw_part){.body = reader->bytes + reader->position};
  switch (tag) {
  case TAG_BYTES: ret_part->type = TUPLET_PART_BYTES; return read_escaped(reader, start, ret_part, error);
  case TAG_STRING: ret_part->type = TUPLET_PART_STRING; return read_escaped(reader, start, ret_part, error);
  case TAG_NUMBER:
    ret_part->type = TUPLET_PART_NUMBER;
    return read_sized(reader, start, NUMBER_SIZE, ret_part, error);
  case TAG_FALSE: ret_part->type = TUPLET_PART_FALSE; return TUPLET_OK;
  case TAG_TRUE: ret_part->type = TUPLET_PART_TRUE; return TUPLET_OK;
  default: break;
  }
  if (tag < TAG_BIGINT_NEGATIVE || tag > TAG_BIGINT_POSITIVE)
    return tp_fail(error, reader->status_if_bad, "malformed key: byte %zu is the unknown tag 0x%02x", start,
                   tag);
  ret_part->type = TUPLET_PART_BIGINT;
  ret_part->negative = tag < TAG_BIGINT_ZERO;
  size_t size = ret_part->negative ? (size_t)(TAG_BIGINT_ZERO - tag) : (size_t)(tag - TAG_BIGINT_ZERO);
  if (size > SMALL_SIZE_MAX) {
    if (reader->position == reader->size) return fail_cut_off(reader, start, error);
    size = reader->bytes[reader->position++] ^ (ret_part->negative ? 0xFFu : 0u);
  }
  return read_sized(reader, start, size, ret_part, error);
}

static tuplet_status scan(tuplet_bytes encoded, tuplet_status status_if_bad, size_t *ret_part_count,
                          tuplet_error *error) {
  key_reader reader = {encoded.data, encoded.size, 0, status_if_bad};
  size_t count = 0;
  for (; reader.position < reader.size; count++) {
    raw_part part;
    tuplet_status status = read_part(&reader, &part, error);
    if (status != TUPLET_OK) return status;
  }
  *ret_part_count = count;
  return TUPLET_OK;
}

tuplet_status tp_key_validate(tuplet_bytes encoded, tuplet_error *error) {
  size_t part_count;
  return scan(encoded, TUPLET_MALFORMED, &part_count, error);
}

tuplet_status tp_key_encode(tuplet_key key, tp_buffer *out, tuplet_error *error) {
  size_t start = out->size;
  tuplet_status status = TUPLET_OK;
  if (key.encoded.data != NULL) {
    size_t part_count;
    status = scan(key.encoded, TUPLET_INVALID, &part_count, error);
    if (status == TUPLET_OK) tp_buffer_append(out, key.encoded.data, key.encoded.size);
  } else if (key.parts == NULL && key.part_count > 0) {
    status = tp_fail(error, TUPLET_INVALID, "the key has %zu parts but parts is NULL", key.part_count);
  } else {
    for (size_t i = 0; i < key.part_count && status == TUPLET_OK; i++) {
      status = append_part(out, &key.parts[i], i + 1, error);
    }
  }
  if (status == TUPLET_OK && out->failed) status = tp_fail_nomem(error);
  if (status != TUPLET_OK) out->size = start;
  return status;
}

tuplet_status tuplet_key_encode(tuplet_key key, const tuplet_allocator *allocator, tuplet_owned *ret_encoded,
                                tuplet_error *error) {
  tp_buffer out;
  tp_buffer_init(&out, allocator);
  tuplet_status status = tp_key_encode(key, &out, error);
  if (status == TUPLET_OK) status = tp_buffer_take(&out, ret_encoded, error);
  tp_buffer_done(&out);
  return status;
}

/* ---- Decoding into one block -------------------------------------------------------------------------- */

/* Copies a body to `out` without its escapes; returns the size. */
static size_t copy_unescaped(uint8_t *out, const raw_part *raw) {
  const uint8_t *at = raw->body;
  const uint8_t *end = at + raw->body_size;
  uint8_t *start = out;
  while (at < end) {
    const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
    size_t run = zero == NULL ? (size_t)(end - at) : (size_t)(zero - at) + 1;
    memcpy(out, at, run);
    out += run;
    at += run + (zero != NULL);
  }
  return (size_t)(out - start);
}

static double number_of(const uint8_t *body) {
  uint64_t bits = read_big_endian(body, NUMBER_SIZE, 0);
  bits = (bits & SIGN_BIT) != 0 ? bits & ~SIGN_BIT : ~bits;
  double number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

/* Fills a bigint; a large magnitude is written to *storage, which moves on. */
static void decode_bigint(const raw_part *raw, uint8_t **storage, tuplet_part *part) {
  uint8_t mask = raw->negative ? 0xFF : 0;
  const uint8_t *body = raw->body;
  size_t size = raw->body_size;
  for (; size > 0 && *body == mask; size--) body++;
  part->negative = raw->negative && size > 0;
  if (size <= SMALL_SIZE_MAX) {
    part->as.small = read_big_endian(body, size, mask);
    return;
  }
  for (size_t i = 0; i < size; i++) (*storage)[i] = body[i] ^ mask;
  part->bytes = (tuplet_bytes){*storage, size};
  *storage += size;
}

static void decode_part(const raw_part *raw, uint8_t **storage, tuplet_part *part) {
  *part = (tuplet_part){.type = raw->type};
  switch (raw->type) {
  case TUPLET_PART_BYTES:
  case TUPLET_PART_STRING:
    part->bytes = (tuplet_bytes){*storage, copy_unescaped(*storage, raw)};
    (*storage)[part->bytes.size] = '\0'; /* it takes the place of the end byte */
    *storage += part->bytes.size + 1;
    break;
  case TUPLET_PART_BIGINT: decode_bigint(raw, storage, part); break;
  case TUPLET_PART_NUMBER: part->as.number = number_of(raw->body); break;
  case TUPLET_PART_FALSE:
  case TUPLET_PART_TRUE: break;
  }
}

tuplet_status tuplet_key_decode(tuplet_bytes encoded, const tuplet_allocator *allocator,
                                tuplet_key_parts **ret_parts, tuplet_error *error) {
  size_t count;
  tuplet_status status = scan(encoded, TUPLET_MALFORMED, &count, error);
  if (status != TUPLET_OK) return status;
  /* The block: the struct, the parts, then the bytes of strings and large bigints, never more than the key
   * has. */
  size_t size;
  if (__builtin_mul_overflow(count, sizeof(tuplet_part), &size) ||
      __builtin_add_overflow(size, sizeof(tuplet_key_parts), &size) ||
      __builtin_add_overflow(size, encoded.size, &size))
    return tp_fail_nomem(error);
  tuplet_key_parts *block = tp_alloc(allocator, size);
  if (block == NULL) return tp_fail_nomem(error);
  tuplet_part *parts = (tuplet_part *)(block + 1);
  uint8_t *storage = (uint8_t *)(parts + count);
  key_reader reader = {encoded.data, encoded.size, 0, TUPLET_MALFORMED};
  for (size_t i = 0; i < count; i++) {
    raw_part raw;
    (void)read_part(&reader, &raw, NULL); /* the scan has read the same without a fault */
    decode_part(&raw, &storage, &parts[i]);
  }
  *block = (tuplet_key_parts){parts, count, allocator};
  *ret_parts = block;
  return TUPLET_OK;
}

void tuplet_key_parts_free(tuplet_key_parts *parts) {
  if (parts != NULL) tp_free(parts->allocator, parts);
}
