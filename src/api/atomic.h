/* atomic.h: an atomic operation being gathered, and how it is committed; for the files of this folder. */
#ifndef TP_API_ATOMIC_H
#define TP_API_ATOMIC_H

#include "api/db.h"

/* One allocation, and an arena for all that is added. */
struct tuplet_atomic {
  tuplet_db *db;
  tp_arena arena;
  tp_check *checks;
  size_t check_count, check_capacity;
  tp_mutation *mutations;
  size_t mutation_count, mutation_capacity;
  bool spent;
  tuplet_error first_error; /* status TUPLET_OK: none so far */

  tp_write write; /* while it is committed */
  tuplet_commit_callback callback;
  void *context;
};

#endif
