/* webhook_target.c: where messages of a queue are posted to. */
#include "server/webhook/webhook_target.h"

#include "base/status.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

/* The length of the name before the URL; 0: there is none. A URL has a colon before any '='. */
static size_t name_size(const char *text) {
  size_t size = strcspn(text, "=:/?");
  return text[size] == '=' ? size : 0;
}

/* TUPLET_OK with an empty text when the URL has no such part. */
static tuplet_status get_part(CURLU *url, CURLUPart part, char *ret_text, size_t size, tuplet_error *error) {
  char *text = NULL;
  CURLUcode code = curl_url_get(url, part, &text, 0);
  ret_text[0] = '\0';
  if (code == CURLUE_OUT_OF_MEMORY) return tp_fail_nomem(error);
  if (code != CURLUE_OK) return TUPLET_OK;
  (void)snprintf(ret_text, size, "%s", text);
  curl_free(text);
  return TUPLET_OK;
}

static tuplet_status read_url(CURLU *url, tp_webhook_target *target, tuplet_error *error) {
  char scheme[16], host[256], port[8], user[2], password[2];
  tuplet_status status = get_part(url, CURLUPART_SCHEME, scheme, sizeof scheme, error);
  if (status == TUPLET_OK) status = get_part(url, CURLUPART_HOST, host, sizeof host, error);
  if (status == TUPLET_OK) status = get_part(url, CURLUPART_PORT, port, sizeof port, error);
  if (status == TUPLET_OK) status = get_part(url, CURLUPART_USER, user, sizeof user, error);
  if (status == TUPLET_OK) status = get_part(url, CURLUPART_PASSWORD, password, sizeof password, error);
  if (status != TUPLET_OK) return status;
  target->is_secure = strcmp(scheme, "https") == 0;
  if ((!target->is_secure && strcmp(scheme, "http") != 0) || host[0] == '\0')
    return tp_fail(error, TUPLET_INVALID,
                   "The URL of a webhook must begin with http:// or https:// and a host.");
  if (user[0] != '\0' || password[0] != '\0')
    return tp_fail(error, TUPLET_INVALID,
                   "The URL of a webhook must not hold a user or a password; --queue-webhook-token holds a "
                   "secret.");
  (void)snprintf(target->shown, sizeof target->shown, "%s://%s%s%s", scheme, host, port[0] != '\0' ? ":" : "",
                 port);
  return TUPLET_OK;
}

static tuplet_status parse_url(const char *text, tp_webhook_target *target, tuplet_error *error) {
  CURLU *url = curl_url();
  if (url == NULL) return tp_fail_nomem(error);
  CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  tuplet_status status;
  if (code == CURLUE_OUT_OF_MEMORY)
    status = tp_fail_nomem(error);
  else if (code != CURLUE_OK)
    status = tp_fail(error, TUPLET_INVALID,
                     "The URL of a webhook is none (%s); it must look like https://HOST/PATH.",
                     curl_url_strerror(code));
  else
    status = read_url(url, target, error);
  curl_url_cleanup(url);
  return status;
}

tuplet_status tp_webhook_target_parse(const char *text, tp_webhook_target *ret_target, tuplet_error *error) {
  *ret_target = (tp_webhook_target){.database = TP_DATABASE_DEFAULT_NAME, .url = text};
  size_t size = name_size(text);
  if (size > 0) {
    tuplet_status status = tp_database_name_check((tuplet_bytes){text, size}, error);
    if (status != TUPLET_OK) return status;
    memcpy(ret_target->database, text, size);
    ret_target->database[size] = '\0';
    ret_target->url = text + size + 1;
  }
  return parse_url(ret_target->url, ret_target, error);
}
