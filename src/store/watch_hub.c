/* watch_hub.c: who is to be woken when a key changes.
 *
 * Keys are in a balanced tree, not a hash table: they come from strangers, who could make a hash table slow.
 */
#include "store/watch_hub.h"

#include "base/alloc.h"
#include "base/status.h"

#include <search.h>
#include <string.h>

struct tp_hub_key {
  tuplet_bytes key; /* that of some subscription, kept valid by take_over_key */
  tp_hub_subscription *first;
};

static int compare_keys(const void *left, const void *right) {
  const tp_hub_key *a = left, *b = right;
  size_t shared = a->key.size < b->key.size ? a->key.size : b->key.size;
  int order = shared == 0 ? 0 : memcmp(a->key.data, b->key.data, shared);
  if (order != 0) return order;
  return (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

tuplet_status tp_watch_hub_init(tp_watch_hub *hub, const tuplet_allocator *allocator, tuplet_error *error) {
  *hub = (tp_watch_hub){.allocator = allocator, .next_expiry_ms = TP_EXPIRES_NEVER};
  atomic_init(&hub->member_count, 0);
  int rc = pthread_mutex_init(&hub->mutex, NULL);
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_watch_hub_done(tp_watch_hub *hub) {
  (void)pthread_mutex_destroy(&hub->mutex);
}

/* ---- Subscriptions; the mutex is held ---- */

static tp_hub_key *find_key(tp_watch_hub *hub, tuplet_bytes key) {
  tp_hub_key sought = {.key = key};
  tp_hub_key *const *found = tfind(&sought, &hub->keys, compare_keys);
  return found == NULL ? NULL : *found;
}

static tp_hub_key *add_key(tp_watch_hub *hub, tuplet_bytes key) {
  tp_hub_key *watched = tp_alloc_array_zeroed(hub->allocator, 1, sizeof *watched);
  if (watched == NULL) return NULL;
  watched->key = key;
  if (tsearch(watched, &hub->keys, compare_keys) == NULL) {
    tp_free(hub->allocator, watched);
    return NULL;
  }
  return watched;
}

static bool subscribe(tp_watch_hub *hub, tp_hub_subscription *subscription) {
  tp_hub_key *watched = find_key(hub, subscription->key);
  if (watched == NULL) watched = add_key(hub, subscription->key);
  if (watched == NULL) return false;
  subscription->watched = watched;
  subscription->previous = NULL;
  subscription->next = watched->first;
  if (watched->first != NULL) watched->first->previous = subscription;
  watched->first = subscription;
  return true;
}

static void unsubscribe(tp_watch_hub *hub, tp_hub_subscription *subscription) {
  tp_hub_key *watched = subscription->watched;
  if (watched == NULL) return;
  subscription->watched = NULL;
  if (subscription->next != NULL) subscription->next->previous = subscription->previous;
  if (subscription->previous != NULL) {
    subscription->previous->next = subscription->next;
  } else {
    watched->first = subscription->next;
  }
  if (watched->first == NULL) {
    (void)tdelete(watched, &hub->keys, compare_keys);
    tp_free(hub->allocator, watched);
  } else {
    watched->key = watched->first->key; /* the leaving member's bytes go with it */
  }
}

static void wake_member(tp_hub_member *member) {
  if (member->woken) return;
  member->woken = true;
  member->wake(member->context);
}

/* ---- Members ---- */

static void leave(tp_watch_hub *hub, tp_hub_member *member) {
  for (size_t i = 0; i < member->subscription_count; i++) unsubscribe(hub, &member->subscriptions[i]);
}

tuplet_status tp_watch_hub_join(tp_watch_hub *hub, tp_hub_member *member, tuplet_error *error) {
  (void)pthread_mutex_lock(&hub->mutex);
  bool joined = true;
  for (size_t i = 0; joined && i < member->subscription_count; i++) {
    joined = subscribe(hub, &member->subscriptions[i]);
  }
  if (joined) {
    member->next_expiry_ms = TP_EXPIRES_NEVER;
    member->woken = false;
    member->previous = NULL;
    member->next = hub->members;
    if (hub->members != NULL) hub->members->previous = member;
    hub->members = member;
    (void)atomic_fetch_add(&hub->member_count, 1);
    wake_member(member);
  } else {
    leave(hub, member);
  }
  (void)pthread_mutex_unlock(&hub->mutex);
  return joined ? TUPLET_OK : tp_fail_nomem(error);
}

void tp_watch_hub_leave(tp_watch_hub *hub, tp_hub_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  leave(hub, member);
  if (member->next != NULL) member->next->previous = member->previous;
  if (member->previous != NULL) {
    member->previous->next = member->next;
  } else {
    hub->members = member->next;
  }
  (void)atomic_fetch_sub(&hub->member_count, 1);
  (void)pthread_mutex_unlock(&hub->mutex);
}

void tp_watch_hub_looking(tp_watch_hub *hub, tp_hub_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  member->woken = false;
  (void)pthread_mutex_unlock(&hub->mutex);
}

static bool is_earlier(int64_t a_ms, int64_t b_ms) {
  return a_ms != TP_EXPIRES_NEVER && (b_ms == TP_EXPIRES_NEVER || a_ms < b_ms);
}

bool tp_watch_hub_shown(tp_watch_hub *hub, tp_hub_member *member, int64_t next_expiry_ms) {
  (void)pthread_mutex_lock(&hub->mutex);
  member->next_expiry_ms = next_expiry_ms;
  bool earliest = is_earlier(next_expiry_ms, hub->next_expiry_ms);
  if (earliest) hub->next_expiry_ms = next_expiry_ms;
  (void)pthread_mutex_unlock(&hub->mutex);
  return earliest;
}

/* ---- Waking ---- */

void tp_watch_hub_wake(tp_watch_hub *hub, tp_hub_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  wake_member(member);
  (void)pthread_mutex_unlock(&hub->mutex);
}

void tp_watch_hub_notify(tp_watch_hub *hub, const tp_change *changes, size_t count) {
  if (tp_watch_hub_member_count(hub) == 0) return;
  (void)pthread_mutex_lock(&hub->mutex);
  for (size_t i = 0; i < count; i++) {
    const tp_hub_key *watched = find_key(hub, changes[i].key);
    if (watched == NULL) continue;
    for (tp_hub_subscription *s = watched->first; s != NULL; s = s->next) wake_member(s->member);
  }
  (void)pthread_mutex_unlock(&hub->mutex);
}

void tp_watch_hub_notify_all(tp_watch_hub *hub) {
  (void)pthread_mutex_lock(&hub->mutex);
  for (tp_hub_member *member = hub->members; member != NULL; member = member->next) wake_member(member);
  (void)pthread_mutex_unlock(&hub->mutex);
}

int64_t tp_watch_hub_notify_expired(tp_watch_hub *hub, int64_t now_ms) {
  (void)pthread_mutex_lock(&hub->mutex);
  if (hub->next_expiry_ms != TP_EXPIRES_NEVER && hub->next_expiry_ms <= now_ms) {
    hub->next_expiry_ms = TP_EXPIRES_NEVER;
    for (tp_hub_member *member = hub->members; member != NULL; member = member->next) {
      if (member->next_expiry_ms == TP_EXPIRES_NEVER) continue;
      if (member->next_expiry_ms <= now_ms) {
        member->next_expiry_ms = TP_EXPIRES_NEVER; /* until it has looked */
        wake_member(member);
      } else if (is_earlier(member->next_expiry_ms, hub->next_expiry_ms)) {
        hub->next_expiry_ms = member->next_expiry_ms;
      }
    }
  }
  int64_t next_expiry_ms = hub->next_expiry_ms;
  (void)pthread_mutex_unlock(&hub->mutex);
  return next_expiry_ms;
}
