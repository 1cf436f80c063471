/* bigint.c: integers of any size as text. */
#include "codec/bigint.h"

#include "base/status.h"

#include <limits.h>
#include <openssl/bn.h>
#include <string.h>

/* log2(10) is a little more than 3.32, so that more digits than this cannot be within TP_BIGINT_SIZE_MAX. */
#define DIGITS_MAX ((size_t)TP_BIGINT_SIZE_MAX * CHAR_BIT * 100 / 332)

enum { SHOWN_MAX = 40 };

static tuplet_status fail_size(tuplet_error *error) {
  return tp_fail(error, TUPLET_LIMIT, "a BigInt takes more than %d bytes", TP_BIGINT_SIZE_MAX);
}

void tp_bigint_reverse(uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size / 2; i++) {
    uint8_t byte = bytes[i];
    bytes[i] = bytes[size - 1 - i];
    bytes[size - 1 - i] = byte;
  }
}

tuplet_status tp_bigint_to_text(bool negative, tuplet_bytes magnitude, tp_buffer *out, tuplet_error *error) {
  const uint8_t *bytes = magnitude.data;
  size_t size = magnitude.size;
  while (size > 0 && bytes[size - 1] == 0) size--;
  if (negative && size > 0) tp_buffer_append_byte(out, '-');
  if (size <= sizeof(uint64_t)) {
    uint64_t small = 0;
    for (size_t i = size; i > 0; i--) small = small << 8 | bytes[i - 1];
    tp_buffer_append_format(out, "%llu", (unsigned long long)small);
    return out->failed ? tp_fail_nomem(error) : TUPLET_OK;
  }
  if (size > TP_BIGINT_SIZE_MAX) return fail_size(error);
  char *digits = NULL;
  BIGNUM *number = BN_lebin2bn(bytes, (int)size, NULL);
  if (number != NULL) digits = BN_bn2dec(number);
  if (digits != NULL) tp_buffer_append_text(out, digits);
  bool is_nomem = digits == NULL || out->failed;
  OPENSSL_free(digits);
  BN_free(number);
  return is_nomem ? tp_fail_nomem(error) : TUPLET_OK;
}

/* Shows the start of the text, as far as it can be shown. */
static tuplet_status fail_syntax(const char *text, size_t size, tuplet_error *error) {
  int shown = 0;
  while ((size_t)shown < size && shown < SHOWN_MAX && text[shown] > ' ' && text[shown] <= '~') shown++;
  return tp_fail(error, TUPLET_SYNTAX, "\"%.*s%s\" is not the digits of a BigInt", shown, text,
                 (size_t)shown < size ? "..." : "");
}

static unsigned digit_value(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return (unsigned)(c - 'A' + 10);
  return 16;
}

/* Whether `text` is digits of `base` with '_' only between two of them; counts those from the first that is
 * not 0 on. */
static bool scan_digits(const char *text, size_t size, unsigned base, size_t *ret_count) {
  bool was_digit = false;
  size_t count = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '_' && was_digit) {
      was_digit = false;
      continue;
    }
    unsigned digit = digit_value(text[i]);
    if (digit >= base) return false;
    if (count > 0 || digit > 0) count++;
    was_digit = true;
  }
  *ret_count = count;
  return was_digit;
}

/* Digits of base 2^bits: each is `bits` bits of the magnitude, the last one the lowest. */
static tuplet_status read_bits(const char *text, size_t size, unsigned bits, tp_buffer *out,
                               tuplet_error *error) {
  size_t start = out->size;
  uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (size_t i = size; i > 0; i--) {
    if (text[i - 1] == '_') continue;
    pending |= digit_value(text[i - 1]) << pending_bits;
    pending_bits += bits;
    if (pending_bits >= 8) {
      tp_buffer_append_byte(out, (uint8_t)pending);
      pending >>= 8;
      pending_bits -= 8;
    }
  }
  if (pending != 0) tp_buffer_append_byte(out, (uint8_t)pending);
  if (out->failed) return tp_fail_nomem(error);
  while (out->size > start && out->data[out->size - 1] == 0) out->size--;
  return out->size - start > TP_BIGINT_SIZE_MAX ? fail_size(error) : TUPLET_OK;
}

static tuplet_status append_number(const BIGNUM *number, tp_buffer *out, tuplet_error *error) {
  int size = BN_num_bytes(number);
  if (size > TP_BIGINT_SIZE_MAX) return fail_size(error);
  if (size == 0) return TUPLET_OK;
  uint8_t *room = tp_buffer_reserve(out, (size_t)size);
  if (room == NULL || BN_bn2lebinpad(number, room, size) != size) return tp_fail_nomem(error);
  out->size += (size_t)size;
  return TUPLET_OK;
}

static tuplet_status read_decimal(const char *text, size_t size, tp_buffer *out, tuplet_error *error) {
  tp_buffer digits;
  tp_buffer_init(&digits, out->allocator);
  BIGNUM *number = NULL;
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '_') tp_buffer_append_byte(&digits, (uint8_t)text[i]);
  }
  tp_buffer_append_byte(&digits, '\0');
  tuplet_status status = TUPLET_NOMEM;
  if (digits.failed || BN_dec2bn(&number, (const char *)digits.data) == 0) {
    status = tp_fail_nomem(error);
  } else {
    status = append_number(number, out, error);
  }
  BN_free(number);
  tp_buffer_done(&digits);
  return status;
}

tuplet_status tp_bigint_from_text(const char *text, size_t size, tp_buffer *out, tuplet_error *error) {
  unsigned bits = 0;
  if (size > 2 && text[0] == '0') {
    char letter = text[1];
    bits = letter == 'x' || letter == 'X'   ? 4
           : letter == 'o' || letter == 'O' ? 3
           : letter == 'b' || letter == 'B' ? 1
                                            : 0;
  }
  size_t prefix = bits > 0 ? 2 : 0;
  size_t count;
  bool is_digits = scan_digits(text + prefix, size - prefix, bits > 0 ? 1u << bits : 10, &count);
  if (!is_digits || (bits == 0 && size > 1 && text[0] == '0')) return fail_syntax(text, size, error);
  if (bits > 0) {
    if (count > (size_t)TP_BIGINT_SIZE_MAX * CHAR_BIT) return fail_size(error);
    return read_bits(text + prefix, size - prefix, bits, out, error);
  }
  if (count > DIGITS_MAX) return fail_size(error);
  return read_decimal(text, size, out, error);
}
