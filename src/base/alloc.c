/* alloc.c: memory through the caller's allocator. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *tp_alloc(const tuplet_allocator *allocator, size_t size) {
  return tp_realloc(allocator, NULL, size == 0 ? 1 : size);
}

void *tp_alloc_array_zeroed(const tuplet_allocator *allocator, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  void *pointer = tp_alloc(allocator, total);
  if (pointer != NULL) memset(pointer, 0, total);
  return pointer;
}

void *tp_realloc(const tuplet_allocator *allocator, void *pointer, size_t new_size) {
  if (allocator == NULL) return realloc(pointer, new_size);
  return allocator->reallocate(allocator->context, pointer, new_size);
}

void tp_free(const tuplet_allocator *allocator, void *pointer) {
  if (pointer == NULL) return;
  if (allocator == NULL) {
    free(pointer);
    return;
  }
  (void)allocator->reallocate(allocator->context, pointer, 0);
}

void tuplet_owned_free(tuplet_owned *owned) {
  if (owned == NULL) return;
  tp_free(owned->allocator, owned->data);
  *owned = (tuplet_owned){0};
}
