/* versionstamp.c: versionstamps as text. */
#include "base/hex.h"
#include "base/status.h"

#include <string.h>

void tuplet_versionstamp_to_text(const tuplet_versionstamp *versionstamp,
                                 char ret_text[TUPLET_VERSIONSTAMP_TEXT_SIZE]) {
  tp_hex_write(versionstamp->bytes, sizeof versionstamp->bytes, ret_text);
  ret_text[TUPLET_VERSIONSTAMP_TEXT_SIZE - 1] = '\0';
}

tuplet_status tuplet_versionstamp_from_text(const char *text, tuplet_versionstamp *ret_versionstamp,
                                            tuplet_error *error) {
  if (text == NULL || ret_versionstamp == NULL) {
    return tp_fail(error, TUPLET_MISUSE, "the versionstamp or its text is NULL");
  }
  tuplet_versionstamp versionstamp = {{0}};
  if (!tp_hex_read(text, strlen(text), versionstamp.bytes, sizeof versionstamp.bytes)) {
    return tp_fail(error, TUPLET_INVALID, "a versionstamp is 20 hexadecimal digits: received \"%s\"", text);
  }
  *ret_versionstamp = versionstamp;
  return TUPLET_OK;
}
