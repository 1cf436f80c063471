/* file.h: what is done to the file of a database as a whole, without opening it as an engine. */
#ifndef TP_ENGINE_SQLITE_FILE_H
#define TP_ENGINE_SQLITE_FILE_H

#include "base/clock.h"
#include "tuplet.h"

/* Copies the database at `from`, as it is now, into the file `to`, which must be empty. Others may use `from`
 * meanwhile. Blocks; the copy is on stable storage afterwards. Errors: TUPLET_FORMAT (`from` is no Deno KV
 * database), TUPLET_CORRUPT, TUPLET_IO, TUPLET_FULL, TUPLET_BUSY, TUPLET_NOMEM. */
tuplet_status tp_sqlite_file_copy(const char *from, const char *to, tuplet_error *error);

/* Counts what the database at `path` holds, all in one snapshot; nothing is changed. now_ms: unix; what has
 * expired by then is not counted. The counts are, in this order: entries; of them, those that expire;
 * messages that wait in the queue; messages that are being delivered; the number of the last commit. Errors:
 * as above, but TUPLET_FULL. */
enum { TP_SQLITE_FILE_COUNTS = 5 };
tuplet_status tp_sqlite_file_count(const char *path, int64_t now_ms,
                                   int64_t ret_counts[TP_SQLITE_FILE_COUNTS], tuplet_error *error);

#endif
