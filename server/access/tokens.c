/* tokens.c: the tokens of a server, found and compared; what each may open. Their text is tokens_text.c's. */
#include "server/access/tokens.h"

#include "base/alloc.h"
#include "base/hex.h"
#include "base/random.h"
#include "base/status.h"
#include "codec/base64.h"
#include "server/access/tokens_private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { SECRET_SIZE = 33, SECRET_TEXT_SIZE = SECRET_SIZE / 3 * 4 };

static const char prefix[] = TP_TOKEN_PREFIX;

enum {
  OFFSET_ID = sizeof prefix - 1,
  OFFSET_SECRET = OFFSET_ID + TP_TOKEN_ID_SIZE, /* the place of the NUL is that of the _ in between */
  TEXT_SIZE = OFFSET_SECRET + SECRET_TEXT_SIZE
};
_Static_assert((int)TP_TOKEN_TEXT_SIZE == (int)TEXT_SIZE + 1, "a token fits exactly");

void tp_tokens_free(tp_tokens *tokens) {
  if (tokens == NULL) return;
  const tuplet_allocator *allocator = tokens->allocator;
  tp_free(allocator, tokens->items);
  tp_free(allocator, tokens->by_id);
  tp_free(allocator, tokens->by_name);
  tp_free(allocator, tokens->text);
  tp_free(allocator, tokens);
}

size_t tp_tokens_count(const tp_tokens *tokens) {
  return tokens->count;
}

const tp_token *tp_tokens_at(const tp_tokens *tokens, size_t index) {
  return &tokens->items[index];
}

const tp_token *tp_tokens_find(const tp_tokens *tokens, uint64_t id) {
  size_t begin = 0, end = tokens->count;
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    const tp_token *token = tokens->by_id[middle];
    if (token->id == id) return token;
    if (token->id < id)
      begin = middle + 1;
    else
      end = middle;
  }
  return NULL;
}

const tp_token *tp_tokens_find_name(const tp_tokens *tokens, const char *name) {
  size_t begin = 0, end = tokens->count;
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    int order = strcmp(tokens->by_name[middle]->name, name);
    if (order == 0) return tokens->by_name[middle];
    if (order < 0)
      begin = middle + 1;
    else
      end = middle;
  }
  return NULL;
}

static bool hash_text(tuplet_bytes text, uint8_t ret_hash[TP_TOKEN_HASH_SIZE]) {
  size_t size;
  return EVP_Q_digest(NULL, "SHA256", NULL, text.data, text.size, ret_hash, &size) == 1 &&
         size == TP_TOKEN_HASH_SIZE;
}

const tp_token *tp_tokens_verify(const tp_tokens *tokens, tuplet_bytes text) {
  const char *begin = text.data;
  uint8_t hash[TP_TOKEN_HASH_SIZE];
  uint64_t id;
  if (text.size != TEXT_SIZE || memcmp(begin, prefix, sizeof prefix - 1) != 0) return NULL;
  if (!tp_token_id_parse((tuplet_bytes){begin + OFFSET_ID, TP_TOKEN_ID_SIZE - 1}, &id)) return NULL;
  const tp_token *token = tp_tokens_find(tokens, id);
  if (token == NULL || !hash_text(text, hash)) return NULL;
  return CRYPTO_memcmp(hash, token->hash, sizeof hash) == 0 ? token : NULL;
}

/* ---- What a token may open ---- */

/* Goes back to the last star alone: what stands before it matches at its first place if anywhere. */
static bool matches(tuplet_bytes pattern, tuplet_bytes name) {
  const char *expected = pattern.data, *text = name.data;
  size_t at = 0, star = pattern.size, star_at = 0, i = 0;
  while (i < name.size) {
    if (at < pattern.size && expected[at] == '*') {
      star = at++;
      star_at = i;
    } else if (at < pattern.size && expected[at] == text[i]) {
      at++;
      i++;
    } else if (star < pattern.size) {
      at = star + 1;
      i = ++star_at;
    } else {
      return false;
    }
  }
  while (at < pattern.size && expected[at] == '*') at++;
  return at == pattern.size;
}

bool tp_token_may_open(const tp_token *token, tuplet_bytes database) {
  tuplet_bytes rest = token->databases, pattern;
  while (tp_token_next_pattern(&rest, &pattern)) {
    if (matches(pattern, database)) return true;
  }
  return false;
}

/* ---- Making ---- */

static tuplet_status make_id(uint64_t *ret_id, tuplet_error *error) {
  uint64_t id = 0;
  while (id == 0) {
    tuplet_status status = tp_random_fill(&id, sizeof id, error);
    if (status != TUPLET_OK) return status;
    id &= TP_TOKEN_ID_MAX;
  }
  *ret_id = id;
  return TUPLET_OK;
}

tuplet_status tp_token_make(tp_token *token, char ret_text[TP_TOKEN_TEXT_SIZE], tuplet_error *error) {
  uint8_t secret[SECRET_SIZE];
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tuplet_status status = make_id(&token->id, error);
  if (status == TUPLET_OK) status = tp_random_fill(secret, sizeof secret, error);
  if (status != TUPLET_OK) return status;

  char id[TP_TOKEN_ID_SIZE];
  tp_token_id_print(token->id, id);
  (void)tp_buffer_reserve(&text, TP_TOKEN_TEXT_SIZE); /* growing would leave copies of the secret behind */
  tp_buffer_append_text(&text, prefix);
  tp_buffer_append_text(&text, id);
  tp_buffer_append_byte(&text, '_');
  tp_base64_append(&text, (tuplet_bytes){secret, sizeof secret});
  if (text.failed) {
    status = tp_fail_nomem(error);
  } else if (!hash_text(tp_buffer_view(&text), token->hash)) {
    status = tp_fail(error, TUPLET_IO, "OpenSSL has no SHA-256.");
  } else {
    memcpy(ret_text, text.data, TEXT_SIZE);
    ret_text[TEXT_SIZE] = '\0';
  }
  OPENSSL_cleanse(secret, sizeof secret);
  if (text.data != NULL) OPENSSL_cleanse(text.data, text.size);
  tp_buffer_done(&text);
  return status;
}
