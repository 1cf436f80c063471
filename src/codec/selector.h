/* selector.h: what to list, as a range of encoded keys; and cursors, which continue a list somewhere else.
 *
 *   selector          start (inclusive)   end (exclusive)
 *   {prefix}          prefix 00           prefix FF
 *   {prefix, start}   start               prefix FF
 *   {prefix, end}     prefix 00           end
 *   {start, end}      start               end
 *
 * No tag is 00 or FF, so that the first two select just what extends the prefix. */
#ifndef TP_CODEC_SELECTOR_H
#define TP_CODEC_SELECTOR_H

#include "base/arena.h"
#include "base/buffer.h"

typedef struct tp_range {
  tuplet_bytes start; /* inclusive */
  tuplet_bytes end;   /* exclusive; never before start */
} tp_range;

/* A selector, resolved. Its bytes are the arena's. */
typedef struct tp_selection {
  tp_range range;
  size_t
      shared_size; /* so many bytes at the start of each selected key are the same; cursors leave them out */
} tp_selection;

/* Resolves a selector into bytes in `arena`. Errors, with Deno's sentences: TUPLET_INVALID (neither a prefix
 * nor both bounds; a prefix and both bounds; a bound outside the prefix; start after end; a bad key),
 * TUPLET_NOMEM. Sizes are not limited here. Any thread, if the arena is its own. */
tuplet_status tp_selector_resolve(const tuplet_selector *selector, tp_arena *arena,
                                  tp_selection *ret_selection, tuplet_error *error);

/* Appends the cursor that stands for `key`, a selected key, as the last one that was listed. Out of memory
 * shows in out->failed. */
void tp_cursor_append(tp_buffer *out, const tp_selection *selection, tuplet_bytes key);

/* The part of the selection's range that comes after the cursor's key, going forward, or before it, in
 * reverse. The empty cursor is the whole range. New bytes are put into `arena`. Errors: TUPLET_INVALID
 * ("invalid cursor": not a cursor; "cursor out of bounds": before its start going forward, after its end in
 * reverse), TUPLET_NOMEM. */
tuplet_status tp_cursor_apply(const tp_selection *selection, const char *cursor, size_t cursor_size,
                              bool reverse, tp_arena *arena, tp_range *ret_range, tuplet_error *error);

#endif
