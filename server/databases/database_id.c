/* database_id.c: ids of databases as text and back. */
#include "server/databases/database_id.h"

#include "base/hex.h"

/* Where a UUID's text has a dash before the byte of that number. */
static bool dash_before(size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void tp_database_id_to_text(const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                            char ret_text[TP_DATABASE_ID_TEXT_SIZE]) {
  char *text = ret_text;
  for (size_t i = 0; i < TP_AUTH_DATABASE_ID_SIZE; i++) {
    if (dash_before(i)) *text++ = '-';
    tp_hex_write(&id[i], 1, text);
    text += 2;
  }
  *text = '\0';
}

bool tp_database_id_from_text(tuplet_bytes text, uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE]) {
  const char *next = text.data;
  if (text.size != TP_DATABASE_ID_TEXT_SIZE - 1) return false;
  for (size_t i = 0; i < TP_AUTH_DATABASE_ID_SIZE; i++) {
    if (dash_before(i) && *next++ != '-') return false;
    if (!tp_hex_read(next, 2, &ret_id[i], 1)) return false;
    next += 2;
  }
  return true;
}
