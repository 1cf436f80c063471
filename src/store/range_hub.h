/* range_hub.h: who is to be told which keys of a range changed.
 *
 *   commit's key -> ranges it is in -> each member's pending keys -> taken inside the member's next snapshot
 *
 * What a member is told must be all that changed up to a commit, and nothing else may have changed. So the
 * hub follows the numbers of the commits: `complete` is the last one before which none is missing. A commit
 * that it was not told of (another process's) shows by a gap, or by a survey of the engine; then every member
 * has lost track: it is told the number to go on from, and has to read its range. A member also loses track
 * when it is slow and too much changes.
 *
 * Expiry is no commit: the hub looks ahead at what will expire (see expiry_agenda.h).
 *
 * Nothing is noted while there is no member. */
#ifndef TP_STORE_RANGE_HUB_H
#define TP_STORE_RANGE_HUB_H

#include "engine/engine.h"
#include "store/expiry_agenda.h"
#include "store/range_set.h"

#include <pthread.h>
#include <stdatomic.h>

/* A key that changed since it was taken last. */
typedef struct tp_range_key {
  uint8_t *bytes; /* and a zero byte behind them */
  size_t size;
  tuplet_versionstamp first; /* of the changes; all zero: it expired */
  tuplet_versionstamp last;
} tp_range_key;

typedef struct tp_range_keys {
  tp_range_key *items; /* in key order, each once */
  size_t count;
  size_t capacity;
} tp_range_keys;

/* Somebody to tell: embedded in a watch. */
typedef struct tp_range_member tp_range_member;
struct tp_range_member {
  tp_range_node node; /* first, so that the one is found from the other */
  size_t pending_max;
  void (*wake)(void *context);
  void *context;
  /* The hub's, guarded by its mutex: */
  tp_range_keys pending;
  bool woken;          /* since the member last looked */
  bool has_lost_track; /* pending is empty then */
  bool is_waiting;     /* until `complete` has come to `awaited` */
  tuplet_versionstamp awaited;
  tp_range_member *previous, *next;
};

typedef struct tp_range_hub {
  const tuplet_allocator *allocator;
  atomic_size_t member_count; /* read without the mutex by commits that nobody watches */
  pthread_mutex_t mutex;      /* guards what follows, and is held while members are woken */
  tp_range_set ranges;
  tp_range_member *members;
  size_t waiting_count;
  size_t pending_size; /* bytes of all pending keys */
  bool is_following;   /* from `complete` on no commit is missed unnoticed; false: before the first survey */
  tuplet_versionstamp complete;      /* the last commit it was told of, or found */
  tuplet_versionstamp complete_from; /* none is missing between this one and `complete` */
  /* How many surveys were needed, and how many of these there were; while they differ nobody may begin from
   * `complete`: expiries may be missing. */
  uint64_t surveys_needed, surveys_made;
  tp_expiry_agenda agenda;
  int64_t expired_until_ms; /* what expires by then was told; unix */
} tp_range_hub;

tuplet_status tp_range_hub_init(tp_range_hub *hub, const tuplet_allocator *allocator, tuplet_error *error);
void tp_range_hub_done(tp_range_hub *hub); /* every member must have left */

/* ---- Members. Any thread ---- */

/* The member's fields above the line are filled. It has no track yet, and is woken when it can begin: soon
 * after the next tp_range_hub_serve. */
void tp_range_hub_join(tp_range_hub *hub, tp_range_member *member);
/* After it returns, the member is not woken any more. */
void tp_range_hub_leave(tp_range_hub *hub, tp_range_member *member);

typedef enum tp_range_look {
  TP_RANGE_NOTHING, /* new */
  TP_RANGE_CHANGES, /* there are: to be taken inside a snapshot */
  TP_RANGE_REREAD   /* it begins anew: whatever its range holds from *ret_from on; it has track again */
} tp_range_look;

/* The member looks: what changes from now on wakes it again. What is read afterwards is to be read as of
 * *ret_now_ms or later (unix): what has expired by then was told. */
tp_range_look tp_range_hub_look(tp_range_hub *hub, tp_range_member *member, tuplet_versionstamp *ret_from,
                                int64_t *ret_now_ms);

/* Inside a snapshot whose last commit is `last`: moves the keys that changed up to then to *ret_keys, to be
 * freed with tp_range_keys_free. Errors: TUPLET_TIMEOUT: not now; the member is woken when it may look again.
 * TUPLET_NOMEM: it has lost track. */
tuplet_status tp_range_hub_take(tp_range_hub *hub, tp_range_member *member, const tuplet_versionstamp *last,
                                tp_range_keys *ret_keys, tuplet_error *error);
void tp_range_keys_free(const tuplet_allocator *allocator, tp_range_keys *keys);

/* What it took was not told to anybody. Wakes it, if it is not awake already. */
void tp_range_hub_lose(tp_range_hub *hub, tp_range_member *member);

/* ---- What happens ---- */

/* A commit. Any thread, one commit at a time, in their order. True: tp_range_hub_serve is to be called now.
 */
bool tp_range_hub_notify(tp_range_hub *hub, const tp_commit *commit);

/* Looks at the engine if need be, and tells what has expired. may_be_foreign: others may have changed the
 * data since the last call. Returns when it is to be called again at the latest, unix; TP_EXPIRES_NEVER. One
 * thread at a time; not inside a lock. */
int64_t tp_range_hub_serve(tp_range_hub *hub, tp_engine *engine, int64_t now_ms, bool may_be_foreign);

static inline size_t tp_range_hub_member_count(const tp_range_hub *hub) {
  return atomic_load(&hub->member_count);
}

#endif
