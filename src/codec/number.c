/* number.c: doubles as JavaScript writes and reads them.
 *
 * The C library converts digits correctly rounded in both directions; what is JavaScript's stands here. Its
 * strtod and printf follow the locale's decimal point, so that the digits are exchanged with them without
 * one: "1.5" is read as 15e-1, and of what is printed only the digits are looked at. */
#include "codec/number.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DIGITS_SAFE = DBL_DIG, /* a decimal of so many digits survives the way through a (normal) double */
  DIGITS_ENOUGH = DBL_DECIMAL_DIG, /* with so many digits every double survives the way through a decimal */
  DIGITS_READ_MAX = 800,           /* no two neighbours' midpoint has more than 768 digits */
  EXPONENT_MAX = 1000000000
};

#define INTEGER_MAX 0x1p53 /* up to there every integer is a double, and none stands for its neighbour */

/* 0.DIGITS * 10^point, DIGITS without zeros at either end. */
typedef struct decimal_number {
  char digits[DIGITS_ENOUGH + 1];
  int count;
  int point;
} decimal_number;

static double decimal_value(const decimal_number *decimal) {
  char text[DIGITS_ENOUGH + 16];
  (void)snprintf(text, sizeof text, "%se%d", decimal->digits, decimal->point - decimal->count);
  return strtod(text, NULL);
}

static void trim_zeros(decimal_number *decimal) {
  while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') decimal->count--;
  decimal->digits[decimal->count] = '\0';
}

/* The decimal of `count` digits that is nearest to `number` (positive, finite); zeros at its end are kept. */
static decimal_number decimal_nearest(double number, int count) {
  char text[DIGITS_ENOUGH + 16];
  (void)snprintf(text, sizeof text, "%.*e", count - 1, number);
  decimal_number result = {.count = 0};
  const char *at = text;
  for (; *at != 'e'; at++) {
    if (*at >= '0' && *at <= '9') result.digits[result.count++] = *at;
  }
  assert(result.count == count);
  char *end;
  long exponent = strtol(at + 1, &end, 10);
  assert(end > at + 1 && *end == '\0');
  result.point = (int)exponent + 1;
  return result;
}

/* The next larger decimal of as many digits. */
static void decimal_increment(decimal_number *decimal) {
  int at = decimal->count - 1;
  while (at >= 0 && decimal->digits[at] == '9') decimal->digits[at--] = '0';
  if (at >= 0) {
    decimal->digits[at]++;
    return;
  }
  decimal->digits[0] = '1'; /* 999 became 000 */
  decimal->point++;
}

/* The shortest decimal that reads back as `number` (positive, finite), and of those the nearest to it. */
static decimal_number decimal_shortest(double number) {
  int exponent;
  /* Below a power of two the doubles lie closer together than above it: there the nearest decimal may belong
   * to the neighbour below, while the next larger decimal, farther off, still belongs to the number. */
  bool is_power_of_two = frexp(number, &exponent) == 0.5;
  /* Where a double is normal, DIGITS_SAFE digits without the zeros at their end are the shortest already. */
  int count = number < DBL_MIN ? 1 : DIGITS_SAFE;
  for (;; count++) {
    decimal_number result = decimal_nearest(number, count);
    decimal_number larger = result;
    trim_zeros(&result);
    if (count >= DIGITS_ENOUGH || decimal_value(&result) == number) return result;
    if (is_power_of_two) {
      decimal_increment(&larger);
      trim_zeros(&larger);
      if (decimal_value(&larger) == number) return larger;
    }
  }
}

static char *write_zeros(char *out, int count) {
  for (; count > 0; count--) *out++ = '0';
  return out;
}

static char *write_digits(char *out, const char *digits, int count) {
  memcpy(out, digits, (size_t)count);
  return out + count;
}

static char *write_exponent(char *out, int exponent) {
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  int magnitude = abs(exponent);
  if (magnitude >= 100) *out++ = (char)('0' + magnitude / 100);
  if (magnitude >= 10) *out++ = (char)('0' + magnitude / 10 % 10);
  *out++ = (char)('0' + magnitude % 10);
  return out;
}

/* The layout of ECMA-262's Number::toString, step by step. */
static char *write_decimal(char *out, const decimal_number *decimal) {
  int count = decimal->count;
  int point = decimal->point;
  if (point >= count && point <= 21) {
    out = write_digits(out, decimal->digits, count);
    return write_zeros(out, point - count);
  }
  if (point > 0 && point <= 21) {
    out = write_digits(out, decimal->digits, point);
    *out++ = '.';
    return write_digits(out, decimal->digits + point, count - point);
  }
  if (point > -6 && point <= 0) {
    *out++ = '0';
    *out++ = '.';
    out = write_zeros(out, -point);
    return write_digits(out, decimal->digits, count);
  }
  *out++ = decimal->digits[0];
  if (count > 1) {
    *out++ = '.';
    out = write_digits(out, decimal->digits + 1, count - 1);
  }
  return write_exponent(out, point - 1);
}

/* The digits of an integer; all of them are significant as long as integers lie no farther apart than 1. */
static char *write_integer(char *out, uint64_t integer) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + integer % 10);
    integer /= 10;
  } while (integer > 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

size_t tp_number_to_text(double number, char ret_text[TP_NUMBER_TEXT_SIZE]) {
  char *out = ret_text;
  if (isnan(number)) {
    memcpy(ret_text, "NaN", sizeof "NaN");
    return sizeof "NaN" - 1;
  }
  if (signbit(number)) *out++ = '-';
  number = fabs(number);
  if (isinf(number)) {
    memcpy(out, "Infinity", sizeof "Infinity");
    return (size_t)(out - ret_text) + sizeof "Infinity" - 1;
  }
  if (number <= INTEGER_MAX && number == (double)(uint64_t)number) { /* most numbers that there are */
    out = write_integer(out, (uint64_t)number);
  } else {
    decimal_number shortest = decimal_shortest(number);
    out = write_decimal(out, &shortest);
  }
  *out = '\0';
  return (size_t)(out - ret_text);
}

/* The value of a digit in any base up to 16, or 16. */
static unsigned digit_value(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return (unsigned)(c - 'A' + 10);
  return 16;
}

/* Reads digits of base 2^bits, '_' only between two of them, to the end of the text. */
static bool read_power_of_two_base(const char *text, size_t size, int bits, double *ret_number) {
  uint64_t top = 0; /* the first 64 bits from the first 1 on; its last bit is also set for any 1 after them */
  int64_t dropped = 0; /* how many bits came after those */
  bool was_digit = false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '_' && was_digit) {
      was_digit = false;
      continue;
    }
    unsigned digit = digit_value(text[i]);
    if (digit >= 1u << bits) return false;
    for (int bit = bits - 1; bit >= 0; bit--) {
      uint64_t one = digit >> bit & 1;
      if (top >> 63 == 0) {
        top = top << 1 | one;
      } else {
        top |= one;
        if (dropped < EXPONENT_MAX) dropped++;
      }
    }
    was_digit = true;
  }
  if (!was_digit) return false;
  *ret_number = ldexp((double)top, (int)dropped);
  return true;
}

/* What a decimal literal is read into: an integer of at most DIGITS_READ_MAX digits, and an exponent. */
typedef struct decimal_literal {
  char digits[DIGITS_READ_MAX + 1];
  size_t count;
  int64_t exponent;
  bool dropped_nonzero;
} decimal_literal;

static void add_digit(decimal_literal *literal, char digit, bool is_fraction) {
  if (literal->count == 0 && digit == '0') {
    if (is_fraction) literal->exponent--;
    return;
  }
  if (literal->count < DIGITS_READ_MAX) {
    literal->digits[literal->count++] = digit;
    if (is_fraction) literal->exponent--;
    return;
  }
  if (digit != '0') literal->dropped_nonzero = true;
  if (!is_fraction) literal->exponent++;
}

/* Reads digits with '_' between them from *position on; returns how many there are, or -1 when a '_' is not
 * between two digits. */
static int64_t read_digits(decimal_literal *literal, const char *text, size_t size, size_t *position,
                           bool is_fraction) {
  int64_t count = 0;
  bool was_separator = false;
  size_t at = *position;
  for (; at < size; at++) {
    if (text[at] == '_') {
      if (count == 0 || was_separator) return -1;
      was_separator = true;
      continue;
    }
    if (text[at] < '0' || text[at] > '9') break;
    add_digit(literal, text[at], is_fraction);
    was_separator = false;
    count++;
  }
  *position = at;
  return was_separator ? -1 : count;
}

/* Reads the part after 'e', to the end of the text. */
static bool read_exponent(const char *text, size_t size, int64_t *ret_exponent) {
  size_t at = 0;
  bool negative = size > 0 && text[0] == '-';
  if (size > 0 && (text[0] == '-' || text[0] == '+')) at++;
  int64_t exponent = 0;
  bool was_digit = false;
  for (; at < size; at++) {
    if (text[at] == '_' && was_digit) {
      was_digit = false;
      continue;
    }
    if (text[at] < '0' || text[at] > '9') return false;
    exponent = exponent * 10 + (text[at] - '0');
    if (exponent > EXPONENT_MAX) exponent = EXPONENT_MAX;
    was_digit = true;
  }
  *ret_exponent = negative ? -exponent : exponent;
  return was_digit;
}

static double literal_value(const decimal_literal *literal) {
  if (literal->count == 0) return 0;
  int64_t exponent = literal->exponent;
  if (exponent > EXPONENT_MAX) exponent = EXPONENT_MAX;
  if (exponent < -EXPONENT_MAX) exponent = -EXPONENT_MAX;
  char text[DIGITS_READ_MAX + 32];
  memcpy(text, literal->digits, literal->count);
  size_t size = literal->count;
  /* What was cut off only matters in that it is more than nothing. */
  if (literal->dropped_nonzero) {
    text[size++] = '1';
    exponent--;
  }
  (void)snprintf(text + size, sizeof text - size, "e%lld", (long long)exponent);
  return strtod(text, NULL);
}

static bool read_decimal(const char *text, size_t size, double *ret_number) {
  decimal_literal literal;
  literal.count = 0;
  literal.exponent = 0;
  literal.dropped_nonzero = false;
  size_t at = 0;
  int64_t integer_count = read_digits(&literal, text, size, &at, false);
  if (integer_count < 0 || (at > 1 && text[0] == '0'))
    return false; /* 010 was octal once, and is an error now */
  int64_t fraction_count = 0;
  if (at < size && text[at] == '.') {
    at++;
    fraction_count = read_digits(&literal, text, size, &at, true);
  }
  if (fraction_count < 0 || integer_count + fraction_count == 0) return false;
  if (at < size) {
    int64_t exponent;
    if (text[at] != 'e' && text[at] != 'E') return false;
    if (!read_exponent(text + at + 1, size - at - 1, &exponent)) return false;
    literal.exponent += exponent;
  }
  *ret_number = literal_value(&literal);
  return true;
}

static bool text_is(const char *text, size_t size, const char *word) {
  return size == strlen(word) && memcmp(text, word, size) == 0;
}

static bool read_unsigned(const char *text, size_t size, double *ret_number) {
  if (text_is(text, size, "NaN")) {
    *ret_number = (double)NAN;
    return true;
  }
  if (text_is(text, size, "Infinity")) {
    *ret_number = (double)INFINITY;
    return true;
  }
  if (size > 2 && text[0] == '0') {
    switch (text[1]) {
    case 'x':
    case 'X': return read_power_of_two_base(text + 2, size - 2, 4, ret_number);
    case 'o':
    case 'O': return read_power_of_two_base(text + 2, size - 2, 3, ret_number);
    case 'b':
    case 'B': return read_power_of_two_base(text + 2, size - 2, 1, ret_number);
    default: break;
    }
  }
  return read_decimal(text, size, ret_number);
}

bool tp_number_from_text(const char *text, size_t size, double *ret_number) {
  if (size == 0) return false;
  bool has_sign = text[0] == '-' || text[0] == '+';
  double number;
  if (!read_unsigned(text + has_sign, size - has_sign, &number)) return false;
  *ret_number = text[0] == '-' ? -number : number;
  return true;
}
