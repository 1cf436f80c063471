/* pool.h: an allocator of one thread's, which keeps the small blocks that it gets back for those that are
 * asked for next.
 *
 *   reallocate(…, 0)  ──►  kept[size of the block]  ──►  reallocate(…, size)
 *
 * For what comes and goes with each request: a thread that serves many at a time frees in another order than
 * it allocates, which the C library's own caches, made for a few blocks of a size, are too short for. */
#ifndef TP_BASE_POOL_H
#define TP_BASE_POOL_H

#include "tuplet.h"

enum {
  TP_POOL_STEP = 64, /* sizes are rounded up to multiples of this; */
  TP_POOL_CLASSES =
      64, /* of blocks that are kept, so many are told apart. Larger blocks are passed through */
  TP_POOL_BLOCK_MAX = TP_POOL_STEP * TP_POOL_CLASSES
};

typedef struct tp_pool_block tp_pool_block;

typedef struct tp_pool {
  tuplet_allocator view; /* the pool as an allocator; only for the pool's thread, unlike others */
  const tuplet_allocator *allocator;
  size_t kept_size; /* bytes in the lists below */
  size_t kept_size_max;
  tp_pool_block *kept[TP_POOL_CLASSES];
} tp_pool;

/* allocator: where blocks come from and go to. The pool stays at its address until tp_pool_done. */
void tp_pool_init(tp_pool *pool, const tuplet_allocator *allocator, size_t kept_size_max);

/* Gives back what is kept. Blocks that are still used must have been freed. */
void tp_pool_done(tp_pool *pool);

#endif
