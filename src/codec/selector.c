/* selector.c: selectors and cursors as ranges of encoded keys. */
#include "codec/selector.h"

#include "base/status.h"
#include "codec/base64.h"
#include "codec/key.h"

#include <assert.h>
#include <string.h>

static int compare(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  if (order != 0) return order;
  return (a.size > b.size) - (a.size < b.size);
}

static size_t shared_size(tuplet_bytes a, tuplet_bytes b) {
  const uint8_t *left = a.data;
  const uint8_t *right = b.data;
  size_t size = 0;
  while (size < a.size && size < b.size && left[size] == right[size]) size++;
  return size;
}

/* Bytes and one more, in the arena. */
static tuplet_status extend(tp_arena *arena, tuplet_bytes bytes, uint8_t last, tuplet_bytes *ret_bytes,
                            tuplet_error *error) {
  uint8_t *copy = bytes.size == SIZE_MAX ? NULL : tp_arena_alloc(arena, bytes.size + 1);
  if (copy == NULL) return tp_fail_nomem(error);
  if (bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
  copy[bytes.size] = last;
  *ret_bytes = (tuplet_bytes){copy, bytes.size + 1};
  return TUPLET_OK;
}

/* Encodes a key into the arena; a key that is not given is left out. */
static tuplet_status encode(const tuplet_key *key, tp_arena *arena, tp_buffer *scratch,
                            tuplet_bytes *ret_encoded, tuplet_error *error) {
  if (key == NULL) return TUPLET_OK;
  tp_buffer_clear(scratch);
  tuplet_status status = tp_key_encode(*key, scratch, error);
  if (status != TUPLET_OK) return status;
  *ret_encoded = tp_arena_copy(arena, tp_buffer_view(scratch));
  return ret_encoded->data == NULL ? tp_fail_nomem(error) : TUPLET_OK;
}

static bool extends_prefix(tuplet_bytes key, tuplet_bytes prefix) {
  return key.size > prefix.size && shared_size(key, prefix) == prefix.size;
}

/* The bounds that were given stand in selection->range already. */
static tuplet_status resolve_in_prefix(tuplet_bytes prefix, tp_arena *arena, tp_selection *selection,
                                       tuplet_error *error) {
  tp_range *range = &selection->range;
  bool has_start = range->start.data != NULL;
  bool has_end = range->end.data != NULL;
  selection->shared_size = prefix.size;
  if (has_start && !extends_prefix(range->start, prefix))
    return tp_fail(error, TUPLET_INVALID, "Start key is not in the keyspace defined by prefix");
  if (has_end && !extends_prefix(range->end, prefix))
    return tp_fail(error, TUPLET_INVALID, "End key is not in the keyspace defined by prefix");
  tuplet_status status = TUPLET_OK;
  if (!has_start) status = extend(arena, prefix, 0x00, &range->start, error);
  if (status == TUPLET_OK && !has_end) status = extend(arena, prefix, 0xFF, &range->end, error);
  /* ["a\0"] begins with the bytes of ["a"] and FF: it is taken for an extension, and then selects nothing. */
  if (status == TUPLET_OK && compare(range->start, range->end) > 0) range->end = range->start;
  return status;
}

tuplet_status tp_selector_resolve(const tuplet_selector *selector, tp_arena *arena,
                                  tp_selection *ret_selection, tuplet_error *error) {
  bool has_prefix = selector->prefix != NULL;
  bool has_start = selector->start != NULL;
  bool has_end = selector->end != NULL;
  if (!has_prefix && !(has_start && has_end))
    return tp_fail(error, TUPLET_INVALID,
                   "Selector must specify either 'prefix' or both 'start' and 'end' key");
  if (has_prefix && has_start && has_end)
    return tp_fail(error, TUPLET_INVALID,
                   "Selector can not specify both 'start' and 'end' key when specifying 'prefix'");

  tp_selection selection = {0};
  tuplet_bytes prefix = {NULL, 0};
  tp_buffer scratch;
  tp_buffer_init(&scratch, arena->allocator);
  tuplet_status status = encode(selector->prefix, arena, &scratch, &prefix, error);
  if (status == TUPLET_OK) status = encode(selector->start, arena, &scratch, &selection.range.start, error);
  if (status == TUPLET_OK) status = encode(selector->end, arena, &scratch, &selection.range.end, error);
  tp_buffer_done(&scratch);
  if (status != TUPLET_OK) return status;

  if (has_prefix) {
    status = resolve_in_prefix(prefix, arena, &selection, error);
  } else {
    selection.shared_size = shared_size(selection.range.start, selection.range.end);
    if (compare(selection.range.start, selection.range.end) > 0)
      status = tp_fail(error, TUPLET_INVALID, "Start key is greater than end key");
  }
  if (status == TUPLET_OK) *ret_selection = selection;
  return status;
}

/* Where two bounds share the whole of the first, that key may be selected, and nothing of it is left for a
 * cursor: the empty text would be no cursor at all. (Deno lists from the start again there.) Its cursor is a
 * zero byte instead, which means no other key: no tag is zero, so that no key goes on with one. Forward it
 * continues after that key, in Deno too. */
void tp_cursor_append(tp_buffer *out, const tp_selection *selection, tuplet_bytes key) {
  static const uint8_t zero = 0;
  assert(key.size >= selection->shared_size);
  tuplet_bytes rest = {(const uint8_t *)key.data + selection->shared_size, key.size - selection->shared_size};
  if (rest.size == 0) rest = (tuplet_bytes){&zero, 1};
  tp_base64_append(out, rest);
}

/* Decodes a cursor: the shared bytes, the cursor's, and one byte of room after them. */
static tuplet_status decode_cursor(const tp_selection *selection, const char *cursor, size_t cursor_size,
                                   tp_arena *arena, uint8_t **ret_key, size_t *ret_size,
                                   tuplet_error *error) {
  size_t room = tp_base64_size_max(cursor_size);
  uint8_t *key = NULL;
  if (!__builtin_add_overflow(room, selection->shared_size + 1, &room)) key = tp_arena_alloc(arena, room);
  if (key == NULL) return tp_fail_nomem(error);
  if (selection->shared_size > 0) memcpy(key, selection->range.start.data, selection->shared_size);
  size_t size;
  if (!tp_base64_read(cursor, cursor_size, key + selection->shared_size, &size))
    return tp_fail(error, TUPLET_INVALID, "invalid cursor");
  *ret_key = key;
  *ret_size = selection->shared_size + size;
  return TUPLET_OK;
}

tuplet_status tp_cursor_apply(const tp_selection *selection, const char *cursor, size_t cursor_size,
                              bool reverse, tp_arena *arena, tp_range *ret_range, tuplet_error *error) {
  tp_range range = selection->range;
  if (cursor_size == 0) {
    *ret_range = range;
    return TUPLET_OK;
  }
  uint8_t *key = NULL;
  size_t size = 0;
  tuplet_status status = decode_cursor(selection, cursor, cursor_size, arena, &key, &size, error);
  if (status != TUPLET_OK) return status;
  bool is_outside;
  if (reverse) {
    bool is_shared = size == selection->shared_size + 1 && key[size - 1] == 0;
    range.end = (tuplet_bytes){key, is_shared ? size - 1 : size};
    is_outside = compare(range.end, selection->range.end) > 0;
  } else {
    key[size] = 0; /* the smallest key after this one */
    range.start = (tuplet_bytes){key, size + 1};
    is_outside = compare(range.start, selection->range.start) < 0;
  }
  if (is_outside) return tp_fail(error, TUPLET_INVALID, "cursor out of bounds");
  /* Past the other bound there is nothing, which is no fault. */
  if (compare(range.start, range.end) > 0) {
    if (reverse) {
      range.end = range.start;
    } else {
      range.start = range.end;
    }
  }
  *ret_range = range;
  return TUPLET_OK;
}
