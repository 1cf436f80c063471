/* base64.h: bytes as URL-safe base64 with padding (RFC 4648, section 5), the form of cursors, and back.
 * Strict: one text for one sequence of bytes. OpenSSL's decoder skips spaces and takes unused bits as they
 * come. */
#ifndef TP_CODEC_BASE64_H
#define TP_CODEC_BASE64_H

#include "base/buffer.h"

/* Out of memory shows in out->failed. Any thread. */
void tp_base64_append(tp_buffer *out, tuplet_bytes bytes);

/* How many bytes `text` stands for, at most: what ret_data of tp_base64_read must have room for. */
static inline size_t tp_base64_size_max(size_t text_size) {
  return text_size / 4 * 3;
}

/* Reads all of `text`; false when it is anything else than tp_base64_append writes. Any thread. */
bool tp_base64_read(const char *text, size_t text_size, uint8_t *ret_data, size_t *ret_size);

#endif
