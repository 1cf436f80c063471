/* database_id.c: ids of databases as text and back. */
#include "server/databases/database_id.h"

#include "base/hex.h"

/* The bytes of a UUID between whose texts there is a dash. */
static const size_t groups[] = {4, 2, 2, 2, 6};
enum { GROUP_COUNT = sizeof groups / sizeof *groups };

void tp_database_id_to_text(const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                            char ret_text[TP_DATABASE_ID_TEXT_SIZE]) {
  char *text = ret_text;
  for (size_t i = 0; i < GROUP_COUNT; i++) {
    if (i > 0) *text++ = '-';
    tp_hex_write(id, groups[i], text);
    id += groups[i];
    text += 2 * groups[i];
  }
  *text = '\0';
}

bool tp_database_id_from_text(tuplet_bytes text, uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE]) {
  const char *next = text.data;
  if (text.size != TP_DATABASE_ID_TEXT_SIZE - 1) return false;
  for (size_t i = 0; i < GROUP_COUNT; i++) {
    if (i > 0 && *next++ != '-') return false;
    if (!tp_hex_read(next, 2 * groups[i], ret_id, groups[i])) return false;
    next += 2 * groups[i];
    ret_id += groups[i];
  }
  return true;
}
