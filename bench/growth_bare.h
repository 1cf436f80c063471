/* growth_bare.h: gets on bare SQLite, to tell what growth costs there. Errors end the program. */
#ifndef BENCH_GROWTH_BARE_H
#define BENCH_GROWTH_BARE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct growth_bare {
  sqlite3 *db;
  sqlite3_stmt *get;
} growth_bare;

/* With the library's page cache and its check of pages; is_mapped: and the whole file mapped into memory, as
 * the library does not do, since a file that others cut short would end the program then. */
void growth_bare_init(growth_bare *bare, const char *path, bool is_mapped);
void growth_bare_done(growth_bare *bare);

/* All gets between them are in one transaction. */
void growth_bare_begin(growth_bare *bare);
void growth_bare_end(growth_bare *bare);

/* Looks at all columns of a row that must be there. */
void growth_bare_get(growth_bare *bare, uint32_t row);

#endif
