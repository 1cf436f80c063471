/* sqlite_engine.h: a local file, or memory, as an engine. The file is a Deno KV file. */
#ifndef TP_ENGINE_SQLITE_SQLITE_ENGINE_H
#define TP_ENGINE_SQLITE_SQLITE_ENGINE_H

#include "base/clock.h"
#include "engine/engine.h"

#include <stdatomic.h>

typedef struct tp_sqlite_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const char *path;         /* UTF-8; NULL: in memory, private to this engine */
  bool read_only;           /* the file must exist */
  uint32_t cache_kib;       /* page cache of each connection, > 0 */
  uint64_t memory_size_max; /* of a database in memory, bytes; 0: all that SQLite can */
  tuplet_durability durability;
  tp_engine_stats *stats; /* outlives the engine; NULL: nothing is counted */
  /* Once it is true, on any thread, locks of others are not waited for: neither by an opening, nor by
   * readers. It outlives the engine; NULL: never. */
  const atomic_bool *gives_up;
} tp_sqlite_config;

/* Errors: TUPLET_FORMAT, TUPLET_CORRUPT, TUPLET_IO, TUPLET_FULL, TUPLET_BUSY, TUPLET_NOMEM. */
tuplet_status tp_sqlite_engine_open(const tp_sqlite_config *config, tp_engine **ret_engine,
                                    tuplet_error *error);

/* SQLite's own, "3.40.1". */
const char *tp_sqlite_engine_version(void);

#endif
