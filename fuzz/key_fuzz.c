/* key_fuzz.c: bytes as an encoded key, and as a cursor. What decodes must encode again to the same meaning,
 * and the encoding must be a fixed point; what does not must be refused by every way in. */
#include "base/arena.h"
#include "codec/key.h"
#include "codec/selector.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static bool is_same(tuplet_owned a, tuplet_owned b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Bytes -> parts -> bytes. */
static tuplet_owned recode(tuplet_bytes encoded) {
  tuplet_key_parts *parts = NULL;
  tuplet_owned result = {0};
  require(tuplet_key_decode(encoded, NULL, &parts, NULL) == TUPLET_OK);
  require(tuplet_key_encode((tuplet_key){parts->parts, parts->count, {NULL, 0}}, NULL, &result, NULL) ==
          TUPLET_OK);
  tuplet_key_parts_free(parts);
  return result;
}

static void try_key(tuplet_bytes input) {
  tuplet_error error;
  tuplet_status status = tp_key_validate(input, &error);
  tuplet_key_parts *parts = NULL;
  require(tuplet_key_decode(input, NULL, &parts, &error) == status);
  tuplet_key_parts_free(parts);
  tuplet_owned copy = {0};
  tuplet_status copied = tuplet_key_encode(tuplet_key_of(input), NULL, &copy, &error);
  require((copied == TUPLET_OK) == (status == TUPLET_OK));
  if (status == TUPLET_OK) {
    require(copy.size == input.size && (input.size == 0 || memcmp(copy.data, input.data, input.size) == 0));
    tuplet_owned once = recode(input);
    tuplet_owned twice = recode((tuplet_bytes){once.data, once.size});
    require(once.size <= input.size); /* it is never longer than another form of the same key */
    require(is_same(once, twice));
    tuplet_owned_free(&once);
    tuplet_owned_free(&twice);
  }
  tuplet_owned_free(&copy);
}

static void try_cursor(tuplet_bytes input) {
  tp_arena arena;
  tp_arena_init(&arena, NULL, 1024);
  tuplet_selector selector = {NULL, &TUPLET_KEY("a"), &TUPLET_KEY("a", 1.0)};
  tp_selection selection;
  require(tp_selector_resolve(&selector, &arena, &selection, NULL) == TUPLET_OK);
  for (int reverse = 0; reverse < 2; reverse++) {
    tp_range range;
    if (tp_cursor_apply(&selection, input.data, input.size, reverse == 1, &arena, &range, NULL) != TUPLET_OK)
      continue;
    size_t shared = range.start.size < range.end.size ? range.start.size : range.end.size;
    int order = memcmp(range.start.data, range.end.data, shared);
    require(order < 0 || (order == 0 && range.start.size <= range.end.size));
  }
  tp_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tuplet_bytes input = {data, size};
  try_key(input);
  try_cursor(input);
  return 0;
}
