/* watch_hub.h: who is to be woken when a key changes.
 *
 *   key -> watched key -> subscription <-> subscription        one list per watched key
 *                              |                |
 *                            watch            watch            each watch holds one subscription a key
 *
 * A commit touches only the subscriptions of its own keys. */
#ifndef TP_STORE_WATCH_HUB_H
#define TP_STORE_WATCH_HUB_H

#include "engine/engine.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct tp_hub_member tp_hub_member;
typedef struct tp_hub_key tp_hub_key;

/* One key of one member. */
typedef struct tp_hub_subscription {
  tp_hub_member *member;
  tuplet_bytes key; /* the member's memory */
  tp_hub_key *watched;
  struct tp_hub_subscription *previous, *next;
} tp_hub_subscription;

/* Somebody to wake: embedded in a watch. */
struct tp_hub_member {
  tp_hub_subscription *subscriptions;
  size_t subscription_count;
  void (*wake)(void *context);
  void *context;
  /* The hub's, guarded by its mutex: */
  bool woken;             /* since the member last said that it looks */
  int64_t next_expiry_ms; /* of what it was shown, unix; TP_EXPIRES_NEVER */
  tp_hub_member *previous, *next;
};

typedef struct tp_watch_hub {
  const tuplet_allocator *allocator;
  atomic_size_t member_count; /* read without the mutex by commits that nobody watches */
  pthread_mutex_t mutex;      /* guards what follows, and is held while members are woken */
  void *keys;                 /* a search tree of tp_hub_key */
  tp_hub_member *members;
  int64_t next_expiry_ms; /* no member's is earlier, unix; TP_EXPIRES_NEVER */
} tp_watch_hub;

tuplet_status tp_watch_hub_init(tp_watch_hub *hub, const tuplet_allocator *allocator, tuplet_error *error);
void tp_watch_hub_done(tp_watch_hub *hub); /* every member must have left */

/* All below: any thread. The member's fields above the line are filled. It is woken at once. */
tuplet_status tp_watch_hub_join(tp_watch_hub *hub, tp_hub_member *member, tuplet_error *error);
/* After it returns, the member is not woken any more. */
void tp_watch_hub_leave(tp_watch_hub *hub, tp_hub_member *member);

/* The member is about to look: what changes from now on wakes it again. */
void tp_watch_hub_looking(tp_watch_hub *hub, tp_hub_member *member);
/* The earliest expiry of what the member was shown. Returns true if no other member's is as early. */
bool tp_watch_hub_shown(tp_watch_hub *hub, tp_hub_member *member, int64_t next_expiry_ms);

/* Something may have changed for this one. */
void tp_watch_hub_wake(tp_watch_hub *hub, tp_hub_member *member);
/* What a commit changed. */
void tp_watch_hub_notify(tp_watch_hub *hub, const tp_change *changes, size_t count);
/* Anything may have changed. */
void tp_watch_hub_notify_all(tp_watch_hub *hub);
/* Wakes those who were shown what has expired by now; returns the earliest expiry of the others. */
int64_t tp_watch_hub_notify_expired(tp_watch_hub *hub, int64_t now_ms);

static inline size_t tp_watch_hub_member_count(const tp_watch_hub *hub) {
  return atomic_load(&hub->member_count);
}

#endif
