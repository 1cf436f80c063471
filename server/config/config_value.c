/* config_value.c: how the values of options are written. */
#include "server/config/config_value.h"

#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct unit {
  const char *text;
  uint64_t factor;
} unit;

/* From the smallest to the largest; the first is the one of the number that is kept. */
static const unit size_units[] = {
    {"", 1}, {"K", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}};
static const unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

enum {
  SIZE_UNIT_COUNT = sizeof size_units / sizeof *size_units,
  DURATION_UNIT_COUNT = sizeof duration_units / sizeof *duration_units
};

/* The digits at the start of *text, which is moved behind them. False when there are none, or too many. */
static bool read_digits(const char **text, uint64_t *ret_number) {
  const char *next = *text;
  uint64_t number = 0;
  for (; *next >= '0' && *next <= '9'; next++) {
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, (uint64_t)(*next - '0'), &number))
      return false;
  }
  if (next == *text) return false;
  *text = next;
  *ret_number = number;
  return true;
}

static bool read_with_unit(const char *text, const unit *units, size_t unit_count, tp_config_range range,
                           uint64_t *ret_number) {
  uint64_t number;
  if (!read_digits(&text, &number)) return false;
  for (size_t i = 0; i < unit_count; i++) {
    if (strcasecmp(text, units[i].text) != 0) continue;
    return !__builtin_mul_overflow(number, units[i].factor, ret_number) && *ret_number >= range.minimum &&
           *ret_number <= range.maximum;
  }
  return false;
}

static void print_with_unit(uint64_t number, const unit *units, size_t unit_count,
                            char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]) {
  size_t i = unit_count - 1;
  while (i > 0 && (number == 0 || number % units[i].factor != 0)) i--;
  (void)snprintf(ret_text, TP_CONFIG_VALUE_TEXT_SIZE, "%" PRIu64 "%s", number / units[i].factor,
                 units[i].text);
}

tuplet_status tp_config_read_count(const char *name, const char *text, tp_config_range range,
                                   uint64_t *ret_count, tuplet_error *error) {
  if (read_with_unit(text, size_units, 1, range, ret_count)) return TUPLET_OK;
  return tp_fail(error, TUPLET_INVALID, "%s is '%s'; it must be a number from %" PRIu64 " to %" PRIu64 ".",
                 name, text, range.minimum, range.maximum);
}

void tp_config_print_size(uint64_t size, char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]) {
  print_with_unit(size, size_units, SIZE_UNIT_COUNT, ret_text);
}

void tp_config_print_duration(uint64_t duration_ms, char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]) {
  print_with_unit(duration_ms, duration_units, DURATION_UNIT_COUNT, ret_text);
}

tuplet_status tp_config_read_size(const char *name, const char *text, tp_config_range range,
                                  uint64_t *ret_size, tuplet_error *error) {
  char minimum[TP_CONFIG_VALUE_TEXT_SIZE];
  char maximum[TP_CONFIG_VALUE_TEXT_SIZE];
  if (read_with_unit(text, size_units, SIZE_UNIT_COUNT, range, ret_size)) return TUPLET_OK;
  tp_config_print_size(range.minimum, minimum);
  tp_config_print_size(range.maximum, maximum);
  return tp_fail(
      error, TUPLET_INVALID,
      "%s is '%s'; it must be a number of bytes, with K, M or G behind it if you like, from %s to %s.", name,
      text, minimum, maximum);
}

tuplet_status tp_config_read_duration(const char *name, const char *text, tp_config_range range,
                                      uint64_t *ret_duration_ms, tuplet_error *error) {
  char minimum[TP_CONFIG_VALUE_TEXT_SIZE];
  char maximum[TP_CONFIG_VALUE_TEXT_SIZE];
  if (read_with_unit(text, duration_units, DURATION_UNIT_COUNT, range, ret_duration_ms)) return TUPLET_OK;
  tp_config_print_duration(range.minimum, minimum);
  tp_config_print_duration(range.maximum, maximum);
  return tp_fail(error, TUPLET_INVALID,
                 "%s is '%s'; it must be a number with its unit (ms, s, m, h or d), from %s to %s.", name,
                 text, minimum, maximum);
}

tuplet_status tp_config_read_switch(const char *name, const char *text, bool *ret_on, tuplet_error *error) {
  static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    for (int on = 0; on < 2; on++) {
      if (strcasecmp(text, words[i][on]) != 0) continue;
      *ret_on = on == 1;
      return TUPLET_OK;
    }
  }
  return tp_fail(error, TUPLET_INVALID, "%s is '%s'; it must be true or false.", name, text);
}
