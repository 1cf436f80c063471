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
  tp_enqueue *enqueues;
  size_t enqueue_count, enqueue_capacity;
  bool spent;
  tuplet_error first_error; /* status TUPLET_OK: none so far */

  tp_write write; /* while it is committed */
  tuplet_commit_callback callback;
  void *context;
};

/* ---- What the functions that add to an operation share ---- */

/* Remembers the first failure, for the commit to report again, and copies it to `error`. */
tuplet_status tp_atomic_remember(tuplet_atomic *atomic, tuplet_status status, const tuplet_error *failure,
                                 tuplet_error *error);

/* TUPLET_MISUSE when it is NULL or committed. */
tuplet_status tp_atomic_check_open(const tuplet_atomic *atomic, tuplet_error *error);

/* The encoded key, in the arena. */
tuplet_status tp_atomic_copy_key(tuplet_atomic *atomic, tuplet_key key, tuplet_bytes *ret_key,
                                 tuplet_error *error);

/* Room for one more in an array of the arena; the old array stays there, unused, until the arena goes. NULL
 * when out of memory. */
void *tp_atomic_grow(tp_arena *arena, void *items, size_t count, size_t *capacity, size_t item_size);

/* commit.c: commits an operation that was given a single thing, with `status`, and frees it. */
tuplet_status tp_commit_single(tuplet_atomic *atomic, tuplet_status status,
                               tuplet_versionstamp *ret_versionstamp, tuplet_error *error);
tuplet_status tp_commit_single_async(tuplet_atomic *atomic, tuplet_status status,
                                     tuplet_commit_callback callback, void *context, tuplet_error *error);

#endif
