/* fault_allocator.h: an allocator that counts what is taken and what is still held, and fails one allocation
 * on demand. */
#ifndef TEST_SUPPORT_FAULT_ALLOCATOR_H
#define TEST_SUPPORT_FAULT_ALLOCATOR_H

#include "tuplet.h"

#include <stdlib.h>

typedef struct fault_allocator {
  tuplet_allocator allocator;
  size_t count;   /* allocations so far */
  size_t fail_at; /* which of them fails, from 1; 0: none */
  size_t live;    /* blocks not yet freed */
} fault_allocator;

static inline void *fault_reallocate(void *context, void *pointer, size_t new_size) {
  fault_allocator *faults = context;
  if (new_size == 0) {
    if (pointer != NULL) faults->live--;
    free(pointer);
    return NULL;
  }
  faults->count++;
  if (faults->count == faults->fail_at) return NULL;
  void *result = realloc(pointer, new_size);
  if (result != NULL && pointer == NULL) faults->live++;
  return result;
}

/* The struct must stay where it is: its allocator points to it. */
static inline void fault_allocator_init(fault_allocator *faults, size_t fail_at) {
  *faults = (fault_allocator){.allocator = {fault_reallocate, faults}, .fail_at = fail_at};
}

/* Whether the allocation that was to fail has failed; when not, the loop over them all is at its end. */
static inline bool fault_allocator_fired(const fault_allocator *faults) {
  return faults->fail_at > 0 && faults->count >= faults->fail_at;
}

#endif
