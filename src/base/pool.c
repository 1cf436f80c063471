/* pool.c: memory of one thread's, used again. */
#include "base/pool.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__
#define HAS_ADDRESS_SANITIZER 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* What stands before a block's bytes. */
struct tp_pool_block {
  alignas(max_align_t) tp_pool_block *next; /* while it is kept */
  size_t capacity;                          /* of the bytes */
};

static_assert(sizeof(tp_pool_block) % alignof(max_align_t) == 0, "a block's bytes are aligned for any type");

static size_t class_of(size_t capacity) {
  return capacity / TP_POOL_STEP - 1;
}

static tp_pool_block *block_take(tp_pool *pool, size_t size) {
  if (size > SIZE_MAX - TP_POOL_STEP - sizeof(tp_pool_block)) return NULL;
  size_t capacity = (size + TP_POOL_STEP - 1) / TP_POOL_STEP * TP_POOL_STEP;
  if (capacity <= TP_POOL_BLOCK_MAX) {
    tp_pool_block **list = &pool->kept[class_of(capacity)];
    tp_pool_block *block = *list;
    if (block != NULL) {
      *list = block->next;
      pool->kept_size -= capacity;
      ASAN_UNPOISON_MEMORY_REGION(block + 1, capacity);
      return block;
    }
  }
  tp_pool_block *block = tp_alloc(pool->allocator, sizeof *block + capacity);
  if (block != NULL) block->capacity = capacity;
  return block;
}

static void block_give(tp_pool *pool, tp_pool_block *block) {
  size_t capacity = block->capacity;
  if (capacity > TP_POOL_BLOCK_MAX || capacity > pool->kept_size_max - pool->kept_size) {
    tp_free(pool->allocator, block);
    return;
  }
  tp_pool_block **list = &pool->kept[class_of(capacity)];
  block->next = *list;
  *list = block;
  pool->kept_size += capacity;
  ASAN_POISON_MEMORY_REGION(block + 1, capacity);
}

/* A large block may grow where it is. */
static tp_pool_block *block_grow(tp_pool *pool, tp_pool_block *block, size_t size) {
  bool is_large = block->capacity > TP_POOL_BLOCK_MAX && size > TP_POOL_BLOCK_MAX;
  if (is_large && size <= SIZE_MAX - sizeof *block) {
    tp_pool_block *grown = tp_realloc(pool->allocator, block, sizeof *block + size);
    if (grown != NULL) grown->capacity = size;
    return grown;
  }
  tp_pool_block *grown = block_take(pool, size);
  if (grown == NULL) return NULL;
  memcpy(grown + 1, block + 1, block->capacity < size ? block->capacity : size);
  block_give(pool, block);
  return grown;
}

static void *pool_reallocate(void *context, void *pointer, size_t new_size) {
  tp_pool *pool = context;
  tp_pool_block *block = pointer == NULL ? NULL : (tp_pool_block *)pointer - 1;
  if (new_size == 0) {
    if (block != NULL) block_give(pool, block);
    return NULL;
  }
  if (block == NULL)
    block = block_take(pool, new_size);
  else if (new_size > block->capacity)
    block = block_grow(pool, block, new_size);
  return block == NULL ? NULL : block + 1;
}

void tp_pool_init(tp_pool *pool, const tuplet_allocator *allocator, size_t kept_size_max) {
  *pool = (tp_pool){.view = {pool_reallocate, pool}, .allocator = allocator, .kept_size_max = kept_size_max};
}

void tp_pool_done(tp_pool *pool) {
  for (size_t i = 0; i < TP_POOL_CLASSES; i++) {
    while (pool->kept[i] != NULL) {
      tp_pool_block *block = pool->kept[i];
      pool->kept[i] = block->next;
      tp_free(pool->allocator, block);
    }
  }
  pool->kept_size = 0;
}
