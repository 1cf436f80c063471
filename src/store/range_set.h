/* range_set.h: which of many ranges a key is in: a search tree by start in which each node knows the largest
 * end below it (an interval tree), balanced by chance (a treap): strangers choose ranges, not their places.
 *
 * Adding, removing and finding cost the logarithm of how many there are, and what is found. */
#ifndef TP_STORE_RANGE_SET_H
#define TP_STORE_RANGE_SET_H

#include "tuplet.h"

/* Embedded in what has a range. */
typedef struct tp_range_node tp_range_node;
struct tp_range_node {
  tuplet_bytes start; /* inclusive; the owner's memory */
  tuplet_bytes end;   /* exclusive */
  /* The set's: */
  tuplet_bytes end_max;
  uint64_t priority;
  tp_range_node *left, *right;
};

typedef struct tp_range_set {
  tp_range_node *root;
  uint64_t seed;
} tp_range_set;

/* Errors: TUPLET_IO (the system has no random bytes). */
tuplet_status tp_range_set_init(tp_range_set *set, tuplet_error *error);

void tp_range_set_add(tp_range_set *set, tp_range_node *node);
void tp_range_set_remove(tp_range_set *set, tp_range_node *node);

/* Calls `found` for each range that the key is in; it must not change the set. */
void tp_range_set_find(const tp_range_set *set, tuplet_bytes key,
                       void (*found)(void *context, tp_range_node *node), void *context);

#endif
