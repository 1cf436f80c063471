/* range_private.h: what the files of the range hub share. The hub's mutex is held. */
#ifndef TP_STORE_RANGE_PRIVATE_H
#define TP_STORE_RANGE_PRIVATE_H

#include "store/range_hub.h"

/* How many expiries are known ahead of time. */
enum { TP_RANGE_EXPIRIES_MAX = 4096 };

/* Whether members that have lost track may begin. */
static inline bool tp_range_hub_is_surveyed(const tp_range_hub *hub) {
  return hub->is_following && hub->surveys_made == hub->surveys_needed;
}

void tp_range_member_lose(tp_range_hub *hub, tp_range_member *member);
void tp_range_hub_lose_all(tp_range_hub *hub);

/* The key changed, by that commit, or (all zero) because it expired. */
void tp_range_hub_note_key(tp_range_hub *hub, tuplet_bytes key, const tuplet_versionstamp *versionstamp);

#endif
