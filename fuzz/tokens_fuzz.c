/* tokens_fuzz.c: the file of tokens, from any bytes. What was read and is printed again reads as the same. */
#include "server/access/tokens.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(const tp_token *a, const tp_token *b) {
  assert(strcmp(a->name, b->name) == 0 && a->id == b->id && a->may_write == b->may_write);
  assert(a->created_at_ms == b->created_at_ms && a->expires_at_ms == b->expires_at_ms);
  assert(a->databases.size == b->databases.size);
  assert(memcmp(a->databases.data, b->databases.data, a->databases.size) == 0);
  assert(memcmp(a->hash, b->hash, sizeof a->hash) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tp_tokens *tokens, *again;
  if (tp_tokens_parse(NULL, "fuzz", (tuplet_bytes){data, size}, &tokens, NULL) != TUPLET_OK) return 0;
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  size_t count = tp_tokens_count(tokens);
  for (size_t i = 0; i < count; i++) {
    const tp_token *token = tp_tokens_at(tokens, i);
    assert(tp_tokens_find(tokens, token->id) == token);
    assert(tp_tokens_find_name(tokens, token->name) == token);
    (void)tp_token_may_open(token, (tuplet_bytes){data, size < 64 ? size : 64});
    tp_token_print(token, &text);
  }
  assert(tp_tokens_verify(tokens, (tuplet_bytes){data, size}) == NULL);
  assert(!text.failed);
  tuplet_status status = tp_tokens_parse(NULL, "fuzz", tp_buffer_view(&text), &again, NULL);
  assert(status == TUPLET_OK && tp_tokens_count(again) == count);
  for (size_t i = 0; i < count; i++) assert_same(tp_tokens_at(tokens, i), tp_tokens_at(again, i));
  (void)status;
  tp_tokens_free(again);
  tp_tokens_free(tokens);
  tp_buffer_done(&text);
  return 0;
}
