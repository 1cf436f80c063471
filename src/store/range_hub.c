/* range_hub.c: who is to be told which keys of a range changed. The survey is in range_survey.c. */
#include "store/range_hub.h"

#include "base/alloc.h"
#include "base/status.h"
#include "store/range_private.h"

#include <string.h>

/* Bytes of keys that members have pending, of all together: a member for whose next key there is no room
 * loses track. */
enum { PENDING_SIZE_MAX = 64 << 20 };

static int compare(tuplet_bytes a, const tp_range_key *b) {
  size_t shared = a.size < b->size ? a.size : b->size;
  int order = shared == 0 ? 0 : memcmp(a.data, b->bytes, shared);
  if (order != 0) return order;
  return (a.size > b->size) - (a.size < b->size);
}

static bool is_later(const tuplet_versionstamp *a, const tuplet_versionstamp *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes) > 0;
}

static bool is_zero(const tuplet_versionstamp *versionstamp) {
  static const tuplet_versionstamp zero;
  return memcmp(versionstamp, &zero, sizeof zero) == 0;
}

tuplet_status tp_range_hub_init(tp_range_hub *hub, const tuplet_allocator *allocator, tuplet_error *error) {
  *hub = (tp_range_hub){.allocator = allocator};
  atomic_init(&hub->member_count, 0);
  tuplet_status status = tp_range_set_init(&hub->ranges, error);
  if (status != TUPLET_OK) return status;
  tp_expiry_agenda_init(&hub->agenda, allocator, TP_RANGE_EXPIRIES_MAX);
  int rc = pthread_mutex_init(&hub->mutex, NULL);
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_range_hub_done(tp_range_hub *hub) {
  tp_expiry_agenda_done(&hub->agenda);
  (void)pthread_mutex_destroy(&hub->mutex);
}

/* ---- Pending keys ---- */

void tp_range_keys_free(const tuplet_allocator *allocator, tp_range_keys *keys) {
  for (size_t i = 0; i < keys->count; i++) tp_free(allocator, keys->items[i].bytes);
  tp_free(allocator, keys->items);
  *keys = (tp_range_keys){0};
}

static bool grow(const tuplet_allocator *allocator, tp_range_keys *keys) {
  if (keys->count < keys->capacity) return true;
  size_t capacity = keys->capacity == 0 ? 8 : keys->capacity * 2;
  tp_range_key *items = tp_realloc(allocator, keys->items, capacity * sizeof *items);
  if (items == NULL) return false;
  keys->items = items;
  keys->capacity = capacity;
  return true;
}

static uint8_t *copy_key(const tuplet_allocator *allocator, tuplet_bytes key) {
  uint8_t *bytes = tp_alloc(allocator, key.size + 1);
  if (bytes == NULL) return NULL;
  if (key.size > 0) memcpy(bytes, key.data, key.size);
  bytes[key.size] = 0;
  return bytes;
}

/* Where a key stands, or would. */
static size_t find(const tp_range_keys *keys, tuplet_bytes key) {
  size_t low = 0, high = keys->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(key, &keys->items[middle]) > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void wake_member(tp_range_member *member) {
  if (member->woken) return;
  member->woken = true;
  member->wake(member->context);
}

static void stop_waiting(tp_range_hub *hub, tp_range_member *member) {
  if (!member->is_waiting) return;
  member->is_waiting = false;
  hub->waiting_count--;
}

static void drop_pending(tp_range_hub *hub, tp_range_member *member) {
  for (size_t i = 0; i < member->pending.count; i++) hub->pending_size -= member->pending.items[i].size;
  tp_range_keys_free(hub->allocator, &member->pending);
}

void tp_range_member_lose(tp_range_hub *hub, tp_range_member *member) {
  drop_pending(hub, member);
  stop_waiting(hub, member);
  member->has_lost_track = true;
  wake_member(member);
}

static void add_pending(tp_range_hub *hub, tp_range_member *member, tuplet_bytes key,
                        const tuplet_versionstamp *versionstamp) {
  if (member->has_lost_track) return;
  tp_range_keys *pending = &member->pending;
  size_t index = find(pending, key);
  if (index < pending->count && compare(key, &pending->items[index]) == 0) {
    tp_range_key *item = &pending->items[index];
    if (is_later(versionstamp, &item->last)) item->last = *versionstamp;
    if (is_later(&item->first, versionstamp)) item->first = *versionstamp;
    wake_member(member);
    return;
  }
  bool has_room = pending->count < member->pending_max && hub->pending_size + key.size <= PENDING_SIZE_MAX;
  uint8_t *bytes = has_room && grow(hub->allocator, pending) ? copy_key(hub->allocator, key) : NULL;
  if (bytes == NULL) {
    tp_range_member_lose(hub, member);
    return;
  }
  tp_range_key *item = &pending->items[index];
  memmove(item + 1, item, (pending->count - index) * sizeof *item);
  *item = (tp_range_key){bytes, key.size, *versionstamp, *versionstamp};
  pending->count++;
  hub->pending_size += key.size;
  wake_member(member);
}

typedef struct changed_key {
  tp_range_hub *hub;
  tuplet_bytes key;
  const tuplet_versionstamp *versionstamp;
} changed_key;

static void on_range(void *context, tp_range_node *node) {
  const changed_key *changed = context;
  add_pending(changed->hub, (tp_range_member *)(void *)node, changed->key, changed->versionstamp);
}

void tp_range_hub_note_key(tp_range_hub *hub, tuplet_bytes key, const tuplet_versionstamp *versionstamp) {
  changed_key changed = {hub, key, versionstamp};
  tp_range_set_find(&hub->ranges, key, on_range, &changed);
}

void tp_range_hub_lose_all(tp_range_hub *hub) {
  for (tp_range_member *member = hub->members; member != NULL; member = member->next)
    tp_range_member_lose(hub, member);
}

/* ---- Members ---- */

void tp_range_hub_join(tp_range_hub *hub, tp_range_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  member->pending = (tp_range_keys){0};
  member->woken = false;
  member->has_lost_track = true;
  member->is_waiting = false;
  member->previous = NULL;
  member->next = hub->members;
  if (hub->members != NULL) hub->members->previous = member;
  hub->members = member;
  tp_range_set_add(&hub->ranges, &member->node);
  (void)atomic_fetch_add(&hub->member_count, 1);
  if (tp_range_hub_is_surveyed(hub)) wake_member(member);
  (void)pthread_mutex_unlock(&hub->mutex);
}

void tp_range_hub_leave(tp_range_hub *hub, tp_range_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  drop_pending(hub, member);
  stop_waiting(hub, member);
  tp_range_set_remove(&hub->ranges, &member->node);
  if (member->next != NULL) member->next->previous = member->previous;
  *(member->previous != NULL ? &member->previous->next : &hub->members) = member->next;
  if (atomic_fetch_sub(&hub->member_count, 1) == 1) {
    hub->is_following = false; /* commits are not noted any more */
    hub->complete = hub->complete_from = (tuplet_versionstamp){{0}};
    tp_expiry_agenda_done(&hub->agenda);
  }
  (void)pthread_mutex_unlock(&hub->mutex);
}

tp_range_look tp_range_hub_look(tp_range_hub *hub, tp_range_member *member, tuplet_versionstamp *ret_from,
                                int64_t *ret_now_ms) {
  tp_range_look found = TP_RANGE_NOTHING;
  (void)pthread_mutex_lock(&hub->mutex);
  member->woken = false;
  *ret_now_ms = hub->expired_until_ms;
  if (!member->has_lost_track) {
    found = member->pending.count > 0 ? TP_RANGE_CHANGES : TP_RANGE_NOTHING;
  } else if (tp_range_hub_is_surveyed(hub)) {
    member->has_lost_track = false;
    *ret_from = hub->complete;
    found = TP_RANGE_REREAD;
  }
  (void)pthread_mutex_unlock(&hub->mutex);
  return found;
}

/* Moves what changed up to `last`; what also changed later stays as well. */
static bool split_pending(tp_range_hub *hub, tp_range_member *member, const tuplet_versionstamp *last,
                          tp_range_keys *ret_keys) {
  tp_range_keys *pending = &member->pending;
  tp_range_keys taken = {tp_alloc_array_zeroed(hub->allocator, pending->count, sizeof *taken.items), 0,
                         pending->count};
  if (taken.items == NULL) return false;
  size_t kept = 0;
  bool is_well = true;
  for (size_t i = 0; i < pending->count; i++) {
    tp_range_key item = pending->items[i];
    bool is_taken = !is_later(&item.first, last), stays = is_later(&item.last, last);
    if (is_taken && stays) {
      tp_range_key copy = item;
      copy.bytes = copy_key(hub->allocator, (tuplet_bytes){item.bytes, item.size});
      is_well = is_well && copy.bytes != NULL;
      if (copy.bytes != NULL) taken.items[taken.count++] = copy;
      item.first = item.last;
    } else if (is_taken) {
      hub->pending_size -= item.size;
      taken.items[taken.count++] = item;
      continue;
    }
    pending->items[kept++] = item;
  }
  pending->count = kept;
  if (kept == 0) tp_range_keys_free(hub->allocator, pending);
  if (is_well)
    *ret_keys = taken;
  else
    tp_range_keys_free(hub->allocator, &taken);
  return is_well;
}

tuplet_status tp_range_hub_take(tp_range_hub *hub, tp_range_member *member, const tuplet_versionstamp *last,
                                tp_range_keys *ret_keys, tuplet_error *error) {
  tuplet_status status = TUPLET_TIMEOUT;
  (void)pthread_mutex_lock(&hub->mutex);
  if (member->has_lost_track || member->pending.count == 0) {
    /* It was woken again meanwhile. */
  } else if (is_later(last, &hub->complete)) {
    if (!member->is_waiting) hub->waiting_count++;
    member->is_waiting = true;
    member->awaited = *last;
  } else if (split_pending(hub, member, last, ret_keys)) {
    status = TUPLET_OK;
  } else {
    tp_range_member_lose(hub, member);
    status = tp_fail_nomem(error);
  }
  (void)pthread_mutex_unlock(&hub->mutex);
  return status;
}

void tp_range_hub_lose(tp_range_hub *hub, tp_range_member *member) {
  (void)pthread_mutex_lock(&hub->mutex);
  tp_range_member_lose(hub, member);
  (void)pthread_mutex_unlock(&hub->mutex);
}

/* ---- Commits ---- */

static void wake_waiting(tp_range_hub *hub) {
  for (tp_range_member *member = hub->members; hub->waiting_count > 0 && member != NULL;
       member = member->next) {
    if (!member->is_waiting || is_later(&member->awaited, &hub->complete)) continue;
    stop_waiting(hub, member);
    wake_member(member);
  }
}

/* Whether a commit is missing before this one. Some come late: a survey has seen them already. */
static bool follow(tp_range_hub *hub, const tp_commit *commit) {
  if (is_zero(&commit->versionstamp) || !is_later(&commit->versionstamp, &hub->complete)) return false;
  bool is_missing = is_later(&commit->previous, &hub->complete);
  if (is_missing) hub->complete_from = commit->previous;
  hub->complete = commit->versionstamp;
  return is_missing && hub->is_following;
}

bool tp_range_hub_notify(tp_range_hub *hub, const tp_commit *commit) {
  if (tp_range_hub_member_count(hub) == 0) return false;
  (void)pthread_mutex_lock(&hub->mutex);
  bool is_missing = follow(hub, commit);
  if (is_missing) {
    hub->surveys_needed++;
    tp_range_hub_lose_all(hub);
  }
  const tp_expiry_agenda *agenda = &hub->agenda;
  int64_t next_ms = agenda->count > 0 ? agenda->items[0].at_ms : INT64_MAX;
  for (size_t i = 0; i < commit->change_count; i++) {
    const tp_change *change = &commit->changes[i];
    tp_range_hub_note_key(hub, change->key, &commit->versionstamp);
    if (!change->removed && change->expires_at_ms != TP_EXPIRES_NEVER)
      tp_expiry_agenda_add(&hub->agenda, change->key, change->expires_at_ms);
  }
  bool is_earlier = agenda->count > 0 && agenda->items[0].at_ms < next_ms;
  wake_waiting(hub);
  (void)pthread_mutex_unlock(&hub->mutex);
  return is_missing || is_earlier;
}
