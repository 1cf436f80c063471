/* random.c: unpredictable bytes from the operating system. */
#include "base/random.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

tuplet_status tp_random_fill(void *data, size_t size, tuplet_error *error) {
  uint8_t *next = data;
  while (size > 0) {
    ssize_t got = getrandom(next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tp_fail(error, TUPLET_IO, "getrandom failed: %s", strerror(errno));
    next += got;
    size -= (size_t)got;
  }
  return TUPLET_OK;
}

tuplet_status tp_random_uuid(char ret_text[TP_UUID_TEXT_SIZE], tuplet_error *error) {
  uint8_t b[16];
  tuplet_status status = tp_random_fill(b, sizeof b, error);
  if (status != TUPLET_OK) return status;
  b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
  b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
  (void)snprintf(ret_text, TP_UUID_TEXT_SIZE,
                 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
                 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  return TUPLET_OK;
}
