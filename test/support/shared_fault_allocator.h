/* shared_fault_allocator.h: as fault_allocator.h, for libraries with threads: one allocation fails, or all
 * from it on until the allocator is healed. */
#ifndef TEST_SUPPORT_SHARED_FAULT_ALLOCATOR_H
#define TEST_SUPPORT_SHARED_FAULT_ALLOCATOR_H

#include "tuplet.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct shared_fault_allocator {
  tuplet_allocator allocator;
  atomic_size_t count;   /* allocations so far */
  atomic_size_t fail_at; /* which of them fails, from 1; 0: none */
  atomic_size_t live;    /* blocks not yet freed */
  atomic_bool fired;
  bool persistent; /* all fail from there on */
} shared_fault_allocator;

static inline bool shared_fault_due(shared_fault_allocator *faults) {
  size_t number = atomic_fetch_add(&faults->count, 1) + 1;
  size_t fail_at = atomic_load(&faults->fail_at);
  bool due = fail_at > 0 && (faults->persistent ? number >= fail_at : number == fail_at);
  if (due) atomic_store(&faults->fired, true);
  return due;
}

static inline void *shared_fault_reallocate(void *context, void *pointer, size_t new_size) {
  shared_fault_allocator *faults = context;
  if (new_size == 0) {
    if (pointer != NULL) (void)atomic_fetch_sub(&faults->live, 1);
    free(pointer);
    return NULL;
  }
  if (shared_fault_due(faults)) return NULL;
  void *result = realloc(pointer, new_size);
  if (result != NULL && pointer == NULL) (void)atomic_fetch_add(&faults->live, 1);
  return result;
}

/* The struct must stay where it is: its allocator points to it. */
static inline void shared_fault_allocator_init(shared_fault_allocator *faults, size_t fail_at,
                                               bool persistent) {
  faults->allocator = (tuplet_allocator){shared_fault_reallocate, faults};
  atomic_init(&faults->count, 0);
  atomic_init(&faults->fail_at, fail_at);
  atomic_init(&faults->live, 0);
  atomic_init(&faults->fired, false);
  faults->persistent = persistent;
}

static inline void shared_fault_allocator_heal(shared_fault_allocator *faults) {
  atomic_store(&faults->fail_at, 0);
}

#endif
