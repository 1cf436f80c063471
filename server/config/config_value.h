/* config_value.h: how the values of options are written: counts, sizes, durations, switches. */
#ifndef TP_SERVER_CONFIG_VALUE_H
#define TP_SERVER_CONFIG_VALUE_H

#include "tuplet.h"

typedef struct tp_config_range {
  uint64_t minimum;
  uint64_t maximum;
} tp_config_range;

enum { TP_CONFIG_VALUE_TEXT_SIZE = 32 };

/* "500". `name` is for messages. Errors, of all three: TUPLET_INVALID, with what is allowed. */
tuplet_status tp_config_read_count(const char *name, const char *text, tp_config_range range,
                                   uint64_t *ret_count, tuplet_error *error);

/* Bytes: "65536", "64K", "1536M", "1G"; K is 1024. */
tuplet_status tp_config_read_size(const char *name, const char *text, tp_config_range range,
                                  uint64_t *ret_size, tuplet_error *error);

/* Milliseconds: "500ms", "30s", "5m", "1h", "2d". The unit must be there. */
tuplet_status tp_config_read_duration(const char *name, const char *text, tp_config_range range,
                                      uint64_t *ret_duration_ms, tuplet_error *error);

/* "true" and "false", "yes" and "no", "on" and "off", "1" and "0". Errors: TUPLET_INVALID. */
tuplet_status tp_config_read_switch(const char *name, const char *text, bool *ret_on, tuplet_error *error);

/* The shortest text that reads as the value. */
void tp_config_print_size(uint64_t size, char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]);
void tp_config_print_duration(uint64_t duration_ms, char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]);

#endif
