/* alloc.h: memory through the caller's allocator. NULL as allocator is the C library's. Nothing here aborts.
 */
#ifndef TP_BASE_ALLOC_H
#define TP_BASE_ALLOC_H

#include "tuplet.h"

/* Uninitialised, respectively zeroed memory; NULL when there is none, or when count * size overflows. */
void *tp_alloc(const tuplet_allocator *allocator, size_t size);
void *tp_alloc_array_zeroed(const tuplet_allocator *allocator, size_t count, size_t size);

/* As realloc: on failure the old block stays valid. */
void *tp_realloc(const tuplet_allocator *allocator, void *pointer, size_t new_size);

/* NULL is fine. */
void tp_free(const tuplet_allocator *allocator, void *pointer);

#endif
