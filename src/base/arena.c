/* arena.c: memory that is given back all at once. */
#include "base/arena.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

struct tp_arena_chunk {
  tp_arena_chunk *older;
  size_t capacity;
  size_t used;
  bool is_lent;
  alignas(max_align_t) unsigned char bytes[];
};

void tp_arena_init(tp_arena *arena, const tuplet_allocator *allocator, size_t chunk_size) {
  *arena = (tp_arena){.allocator = allocator, .chunk_size = chunk_size};
}

static void free_chunks(tp_arena *arena, tp_arena_chunk *from, const tp_arena_chunk *until) {
  while (from != until) {
    tp_arena_chunk *older = from->older;
    if (!from->is_lent) tp_free(arena->allocator, from);
    from = older;
  }
}

void tp_arena_done(tp_arena *arena) {
  free_chunks(arena, arena->newest, NULL);
  arena->newest = NULL;
}

void tp_arena_clear(tp_arena *arena) {
  tp_arena_chunk *oldest = arena->newest;
  if (oldest == NULL) return;
  while (oldest->older != NULL) oldest = oldest->older;
  free_chunks(arena, arena->newest, oldest);
  oldest->used = 0;
  arena->newest = oldest;
}

static bool add_chunk(tp_arena *arena, size_t size) {
  size_t capacity = size > arena->chunk_size ? size : arena->chunk_size;
  if (capacity > SIZE_MAX - sizeof(tp_arena_chunk)) return false;
  tp_arena_chunk *chunk = tp_alloc(arena->allocator, sizeof *chunk + capacity);
  if (chunk == NULL) return false;
  chunk->older = arena->newest;
  chunk->capacity = capacity;
  chunk->used = 0;
  chunk->is_lent = false;
  arena->newest = chunk;
  return true;
}

void tp_arena_lend(tp_arena *arena, void *room, size_t size) {
  assert(arena->newest == NULL && size >= TP_ARENA_ROOM_MIN);
  static_assert(TP_ARENA_ROOM_MIN > sizeof(tp_arena_chunk), "there is room for a chunk's head");
  tp_arena_chunk *chunk = room;
  *chunk = (tp_arena_chunk){.capacity = size - sizeof *chunk, .is_lent = true};
  arena->newest = chunk;
}

void *tp_arena_alloc(tp_arena *arena, size_t size) {
  if (size > SIZE_MAX - alignof(max_align_t)) return NULL;
  size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  tp_arena_chunk *chunk = arena->newest;
  if (chunk == NULL || rounded > chunk->capacity - chunk->used) {
    if (!add_chunk(arena, rounded)) return NULL;
    chunk = arena->newest;
  }
  void *pointer = chunk->bytes + chunk->used;
  chunk->used += rounded;
  return pointer;
}

void *tp_arena_alloc_array_zeroed(tp_arena *arena, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *pointer = tp_arena_alloc(arena, total);
  if (pointer != NULL) memset(pointer, 0, total);
  return pointer;
}

tuplet_bytes tp_arena_copy(tp_arena *arena, tuplet_bytes bytes) {
  unsigned char *copy = bytes.size == SIZE_MAX ? NULL : tp_arena_alloc(arena, bytes.size + 1);
  if (copy == NULL) return (tuplet_bytes){0};
  if (bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
  copy[bytes.size] = '\0';
  return (tuplet_bytes){copy, bytes.size};
}
