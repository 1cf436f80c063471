/* process.c: SQLite as a whole process has it. */
#include "engine/sqlite/process.h"

#include <sqlite3.h>

void tp_sqlite_process_is_ours(void) {
  (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused where SQLite is in use already */
}
