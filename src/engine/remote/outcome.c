/* outcome.c: what the end of a transfer says about its request. */
#include "engine/remote/outcome.h"

#include "base/status.h"

#include <string.h>

/* ---- Without an answer ---- */

/* Failures that are the same the next time, all of them before a request is sent. */
static bool is_lasting(CURLcode code) {
  switch (code) {
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_NOT_BUILT_IN:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_TOO_MANY_REDIRECTS: return true;
  default: return false;
  }
}

static tp_remote_verdict judge_failure(const tp_remote_transfer *transfer, const char *where,
                                       tuplet_error *error) {
  CURLcode code = transfer->code;
  const char *problem = transfer->problem[0] != '\0' ? transfer->problem : curl_easy_strerror(code);
  bool is_nomem = code == CURLE_OUT_OF_MEMORY || transfer->answer.failed;
  if (is_nomem)
    tp_error_set(error, TUPLET_NOMEM, "out of memory");
  else if (transfer->answer_is_too_large)
    tp_error_set(error, TUPLET_MALFORMED, "%s: the answer is larger than any that could be right", where);
  else
    tp_error_set(error, TUPLET_IO, "%s: %s", where, problem);
  if (transfer->was_sent) return TP_REMOTE_IN_DOUBT;
  return is_lasting(code) || is_nomem ? TP_REMOTE_REFUSED : TP_REMOTE_LATER;
}

/* ---- With one ---- */

static bool contains(tuplet_bytes text, const char *part) {
  return text.size > 0 && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

/* The status that a local database would give, as far as the sentence tells. */
static tuplet_status status_of_sentence(tuplet_bytes sentence) {
  static const char *const of_limits[] = {"too large", "Too many", "(max ", "Invalid backoffSchedule"};
  static const char *const of_types[] = {"Failed to perform '", "Cannot sum ", "Min/max parameters",
                                         "min/max parameters", "not valid V8 values"};
  for (size_t i = 0; i < sizeof of_limits / sizeof *of_limits; i++) {
    if (contains(sentence, of_limits[i])) return TUPLET_LIMIT;
  }
  for (size_t i = 0; i < sizeof of_types / sizeof *of_types; i++) {
    if (contains(sentence, of_types[i])) return TUPLET_TYPE;
  }
  return contains(sentence, "exceed its range limit") ? TUPLET_RANGE : TUPLET_INVALID;
}

/* The server's own sentence when it has one that can be shown. */
static void set_reason(const tp_remote_transfer *transfer, const char *where, tuplet_status status,
                       tuplet_error *error) {
  enum { SENTENCE_SIZE_MAX = 400 };
  char sentence[SENTENCE_SIZE_MAX + 1];
  const uint8_t *body = transfer->answer.data;
  size_t size = transfer->answer.size < SENTENCE_SIZE_MAX ? transfer->answer.size : SENTENCE_SIZE_MAX;
  size_t length = 0;
  for (; length < size && body[length] >= 0x20 && body[length] != 0x7f; length++)
    sentence[length] = (char)body[length];
  sentence[length] = '\0';
  bool is_page = length > 0 && sentence[0] == '<'; /* of a proxy */
  if (length == 0 || is_page)
    tp_error_set(error, status, "%s: the server answered with the status %ld", where, transfer->http_status);
  else
    tp_error_set(error, status, "%s", sentence);
}

static tuplet_status status_of(const tp_remote_transfer *transfer) {
  switch (transfer->http_status) {
  case 400: return status_of_sentence(tp_buffer_view(&transfer->answer));
  case 401:
  case 403:
  case 407: return TUPLET_DENIED;
  case 413:
  case 414:
  case 431: return TUPLET_LIMIT;
  case 408:
  case 425:
  case 429:
  case 503: return TUPLET_BUSY;
  case 501:
  case 505: return TUPLET_UNSUPPORTED;
  case 507: return TUPLET_FULL;
  default: return transfer->http_status >= 400 && transfer->http_status < 500 ? TUPLET_INVALID : TUPLET_IO;
  }
}

static tp_remote_verdict verdict_of(const tp_remote_transfer *transfer) {
  switch (transfer->http_status) {
  case 401:
  case 404: return TP_REMOTE_UNAUTHORIZED; /* 404: a database that is made anew gets another id */
  case 408:
  case 425:
  case 429: return TP_REMOTE_LATER;
  case 501:
  case 505:
  case 507: return TP_REMOTE_REFUSED;
  /* Whoever says when to come back did not begin; others may be a proxy that speaks of the server behind. */
  case 503: return transfer->retry_after_ms >= 0 ? TP_REMOTE_LATER : TP_REMOTE_IN_DOUBT;
  default:
    if (transfer->http_status >= 300 && transfer->http_status < 500) return TP_REMOTE_REFUSED;
    return TP_REMOTE_IN_DOUBT;
  }
}

tp_remote_verdict tp_remote_judge(const tp_remote_transfer *transfer, const char *where,
                                  tuplet_error *error) {
  if (transfer->http_status == 200)
    return transfer->code == CURLE_OK ? TP_REMOTE_ANSWERED : judge_failure(transfer, where, error);
  if (transfer->http_status == 0 || transfer->answer.failed) return judge_failure(transfer, where, error);
  set_reason(transfer, where, status_of(transfer), error);
  return verdict_of(transfer);
}
