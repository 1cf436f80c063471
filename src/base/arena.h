/* arena.h: memory that is given back all at once. For one request, one tree, one operation.
 *
 *   chunk -> chunk -> chunk          the newest chunk is filled from its front; a full one stays until
 *   [head|used......|free...]        tp_arena_clear (keeps the first) or tp_arena_done (keeps none)
 */
#ifndef TP_BASE_ARENA_H
#define TP_BASE_ARENA_H

#include "tuplet.h"

typedef struct tp_arena_chunk tp_arena_chunk;

typedef struct tp_arena {
  const tuplet_allocator *allocator;
  tp_arena_chunk *newest;
  size_t chunk_size;
} tp_arena;

/* chunk_size: how much is taken from the allocator at a time, bytes; nothing is taken before the first use.
 */
void tp_arena_init(tp_arena *arena, const tuplet_allocator *allocator, size_t chunk_size);
void tp_arena_done(tp_arena *arena);

/* Room that is used first, aligned for any type; it stays its owner's and must be there until tp_arena_done.
 * To be called before the first use. */
enum { TP_ARENA_ROOM_MIN = 64 };
void tp_arena_lend(tp_arena *arena, void *room, size_t size);
void tp_arena_clear(tp_arena *arena);

/* Aligned for any type; valid until clear or done; NULL when out of memory. */
void *tp_arena_alloc(tp_arena *arena, size_t size);
void *tp_arena_alloc_array_zeroed(tp_arena *arena, size_t count, size_t size);

/* A copy of bytes in the arena, followed by a NUL that is not counted; data is NULL when out of memory. */
tuplet_bytes tp_arena_copy(tp_arena *arena, tuplet_bytes bytes);

#endif
