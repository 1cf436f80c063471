/* expiry_agenda.h: which keys expire next, known before they do: afterwards anybody may have removed them.
 *
 * It holds every expiry up to a moment (`until_ms`) and none after it; when there are too many, the moment
 * moves nearer. */
#ifndef TP_STORE_EXPIRY_AGENDA_H
#define TP_STORE_EXPIRY_AGENDA_H

#include "engine/engine.h"

typedef struct tp_expiry {
  int64_t at_ms;
  size_t key_size;
  uint8_t *key;
} tp_expiry;

typedef struct tp_expiry_agenda {
  const tuplet_allocator *allocator;
  tp_expiry *items; /* by at_ms, then by key; each once */
  size_t count;
  size_t capacity;
  size_t count_max;
  int64_t until_ms; /* unix; INT64_MAX: it holds all there are */
  int64_t mass_ms;  /* more than fit expire then, which it does not hold; TP_EXPIRES_NEVER */
} tp_expiry_agenda;

/* One that knows of nothing: until_ms is 0. */
void tp_expiry_agenda_init(tp_expiry_agenda *agenda, const tuplet_allocator *allocator, size_t count_max);
void tp_expiry_agenda_done(tp_expiry_agenda *agenda);

/* Adds an expiry, unless it comes after until_ms. Where there is no room, or no memory, until_ms moves to
 * before it, or before the last ones. */
void tp_expiry_agenda_add(tp_expiry_agenda *agenda, tuplet_bytes key, int64_t at_ms);

/* Forgets what comes after that. */
void tp_expiry_agenda_cut(tp_expiry_agenda *agenda, int64_t until_ms);

/* How many have come by then; they are the first items. */
size_t tp_expiry_agenda_due(const tp_expiry_agenda *agenda, int64_t now_ms);

/* Removes the first `count`. */
void tp_expiry_agenda_drop(tp_expiry_agenda *agenda, size_t count);

#endif
