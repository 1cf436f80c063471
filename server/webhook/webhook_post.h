/* webhook_post.h: a message of a queue as an HTTP request, and what its answer means.
 *
 *   POST URL
 *   content-type: application/json, or application/octet-stream
 *   tuplet-payload: json, bytes or v8    what the body is: the value as JSON; the bytes of a Uint8Array; else
 *                                        the value in V8's format
 *   tuplet-database: NAME
 *   tuplet-message-id: the same each time the message comes
 *   tuplet-attempt: from 1
 *   authorization: Bearer ...            where there is a token */
#ifndef TP_SERVER_WEBHOOK_POST_H
#define TP_SERVER_WEBHOOK_POST_H

#include "store/store.h"

#include <curl/curl.h>

/* Of all posts to one URL. Borrowed. */
typedef struct tp_webhook_post_config {
  const tuplet_allocator *allocator;
  const char *url;
  const char *database;
  const char *token;   /* NULL: none */
  const char *ca_file; /* the authorities that are trusted, PEM; NULL: the system's */
  uint32_t timeout_ms; /* of a request, from its beginning to the answer's last byte */
} tp_webhook_post_config;

/* Zeroed is an empty one. */
typedef struct tp_webhook_post {
  CURL *easy;
  struct curl_slist *headers;
  tuplet_owned body;
  size_t received; /* bytes of the answer's body */
} tp_webhook_post;

/* A part of the answer's body is read, so that the connection can be used again, and forgotten. */
enum { TP_WEBHOOK_ANSWER_SIZE_MAX = 64 * 1024 };

/* Makes post->easy a request for the delivery, which must live as long. `context` can be had back from it as
 * CURLINFO_PRIVATE. Errors: TUPLET_NOMEM; tp_webhook_post_done is due in any case. */
tuplet_status tp_webhook_post_prepare(tp_webhook_post *post, const tp_webhook_post_config *config,
                                      const tp_delivery *delivery, void *context, tuplet_error *error);

/* Whether the message is handled, as `code` and the answer tell: a status of 200 to 299, with an answer that
 * is complete, or longer than anybody wants to know. If not, why, in a few words. */
bool tp_webhook_post_is_success(const tp_webhook_post *post, CURLcode code, char *ret_reason, size_t size);

/* Lets go of what belongs to the one delivery. */
void tp_webhook_post_done(tp_webhook_post *post);

#endif
