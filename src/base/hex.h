/* hex.h: bytes as lower-case hexadecimal text and back. */
#ifndef TP_BASE_HEX_H
#define TP_BASE_HEX_H

#include "base/buffer.h"

/* Writes 2 * size characters, no NUL. */
void tp_hex_write(const void *data, size_t size, char *ret_text);
void tp_hex_append(tp_buffer *out, tuplet_bytes bytes);

/* Reads text of exactly 2 * size characters, either case; false if it is anything else. */
bool tp_hex_read(const char *text, size_t text_size, uint8_t *ret_data, size_t size);

#endif
