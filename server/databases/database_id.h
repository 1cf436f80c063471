/* database_id.h: ids of databases: UUIDs, 16 bytes or their text. */
#ifndef TP_SERVER_DATABASE_ID_H
#define TP_SERVER_DATABASE_ID_H

#include "server/access/auth.h"

/* 36 characters and a NUL */
enum { TP_DATABASE_ID_TEXT_SIZE = 37 };

/* Lower case. */
void tp_database_id_to_text(const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                            char ret_text[TP_DATABASE_ID_TEXT_SIZE]);

/* Either case; false when the text is anything else. */
bool tp_database_id_from_text(tuplet_bytes text, uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE]);

#endif
