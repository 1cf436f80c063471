/* tokens_private.h: what tokens.c and tokens_text.c know of each other. */
#ifndef TP_SERVER_TOKENS_PRIVATE_H
#define TP_SERVER_TOKENS_PRIVATE_H

#include "server/access/tokens.h"

#define TP_TOKEN_ID_MAX ((UINT64_C(1) << 48) - 1)

struct tp_tokens {
  const tuplet_allocator *allocator;
  char *text;      /* what the tokens' views look into */
  tp_token *items; /* in the order of the file */
  size_t count;
  const tp_token **by_id; /* sorted */
  const tp_token **by_name;
};

/* The first pattern of a list, which is taken off it; false at the end. */
bool tp_token_next_pattern(tuplet_bytes *rest, tuplet_bytes *ret_pattern);

#endif
