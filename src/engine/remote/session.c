/* session.c: what the metadata exchange brings, and the choice among endpoints. */
#include "engine/remote/session.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/status.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { CHUNK_SIZE = 4096, TOKEN_SIZE_MAX = 16 * 1024, VERSION_MIN = 2, VERSION_MAX = 3 };

#define MEASURE_AGAIN_NS ((int64_t)60 * 1000000000) /* a slow endpoint may have become a fast one */
#define FAILED_NS        ((int64_t)10 * 1000000000)

/* ---- Time ---- */

static bool read_digits(const char **text, int count, int *ret_number) {
  int number = 0;
  for (int i = 0; i < count; i++, ++*text) {
    if (**text < '0' || **text > '9') return false;
    number = number * 10 + (**text - '0');
  }
  *ret_number = number;
  return true;
}

static bool read_char(const char **text, const char *allowed) {
  if (**text == '\0' || strchr(allowed, **text) == NULL) return false;
  ++*text;
  return true;
}

/* ".25": any number of digits, of which three count. */
static bool read_fraction(const char **text, int *ret_ms) {
  *ret_ms = 0;
  if (**text != '.') return true;
  ++*text;
  if (**text < '0' || **text > '9') return false;
  for (int unit = 100; **text >= '0' && **text <= '9'; unit /= 10, ++*text) *ret_ms += (**text - '0') * unit;
  return true;
}

/* "Z" or "+01:30". */
static bool read_offset(const char **text, int *ret_minutes) {
  *ret_minutes = 0;
  if (read_char(text, "Zz")) return true;
  int sign = **text == '-' ? -1 : 1;
  int hours, minutes;
  if (!read_char(text, "+-") || !read_digits(text, 2, &hours) || !read_char(text, ":") ||
      !read_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
    return false;
  *ret_minutes = sign * (hours * 60 + minutes);
  return true;
}

bool tp_remote_time_parse(const char *text, int64_t *ret_unix_ms) {
  struct tm parts = {0};
  int ms, offset_minutes;
  if (!read_digits(&text, 4, &parts.tm_year) || !read_char(&text, "-") ||
      !read_digits(&text, 2, &parts.tm_mon) || !read_char(&text, "-") ||
      !read_digits(&text, 2, &parts.tm_mday) || !read_char(&text, "Tt ") ||
      !read_digits(&text, 2, &parts.tm_hour) || !read_char(&text, ":") ||
      !read_digits(&text, 2, &parts.tm_min) || !read_char(&text, ":") ||
      !read_digits(&text, 2, &parts.tm_sec) || !read_fraction(&text, &ms) ||
      !read_offset(&text, &offset_minutes) || *text != '\0')
    return false;
  if (parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
      parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
    return false;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  *ret_unix_ms = ((int64_t)timegm(&parts) - (int64_t)offset_minutes * 60) * 1000 + ms;
  return true;
}

/* ---- The metadata ---- */

/* What may stand in a header's line: nothing that could end it. */
static bool is_header_text(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text < 0x21 || *text > 0x7e) return false;
  }
  return true;
}

static const char *copy_format(tp_arena *arena, const char *before, const char *text) {
  size_t size = strlen(before) + strlen(text) + 1;
  char *copy = tp_arena_alloc(arena, size);
  if (copy != NULL) (void)snprintf(copy, size, "%s%s", before, text);
  return copy;
}

static tuplet_status malformed(tuplet_error *error, const char *what) {
  return tp_fail(error, TUPLET_MALFORMED, "the answer to the metadata exchange %s", what);
}

static tuplet_status take_identity(const json_t *root, tp_remote_session *session, tuplet_error *error) {
  const json_t *version = json_object_get(root, "version");
  json_int_t number = json_integer_value(version);
  if (!json_is_integer(version)) return malformed(error, "does not name a version");
  if (number < VERSION_MIN || number > VERSION_MAX)
    return tp_fail(error, TUPLET_UNSUPPORTED,
                   "the server speaks version %lld of KV Connect; this program versions %d to %d",
                   (long long)number, VERSION_MIN, VERSION_MAX);
  const char *id = json_string_value(json_object_get(root, "databaseId"));
  if (id == NULL)
    id = json_string_value(json_object_get(root, "uuid")); /* as an old page of the protocol had it */
  if (id == NULL || strlen(id) > 128 || !is_header_text(id))
    return malformed(error, "does not name a database");
  const char *token = json_string_value(json_object_get(root, "token"));
  if (token == NULL || strlen(token) > TOKEN_SIZE_MAX || !is_header_text(token))
    return malformed(error, "has no token that could be sent");
  session->version_header =
      copy_format(&session->arena, "x-denokv-version: ", number == VERSION_MIN ? "2" : "3");
  session->database_header = copy_format(&session->arena, "x-denokv-database-id: ", id);
  session->authorization = copy_format(&session->arena, "Authorization: Bearer ", token);
  if (session->version_header == NULL || session->database_header == NULL || session->authorization == NULL)
    return tp_fail_nomem(error);
  return TUPLET_OK;
}

static tuplet_status take_expiry(const json_t *root, int64_t now_ms, tp_remote_session *session,
                                 tuplet_error *error) {
  const char *text = json_string_value(json_object_get(root, "expiresAt"));
  int64_t expires_at_ms;
  if (text == NULL || !tp_remote_time_parse(text, &expires_at_ms))
    return malformed(error, "does not say when its token expires");
  session->lifetime_ms = expires_at_ms - now_ms;
  return TUPLET_OK;
}

static bool is_http(const char *url) {
  return strncasecmp(url, "http://", 7) == 0;
}

/* *ret_url is NULL when this endpoint is not one for us. */
static tuplet_status resolve(const char *base, const char *relative, tp_arena *arena, const char **ret_url,
                             tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  char *url = NULL;
  *ret_url = NULL;
  CURLU *parts = curl_url();
  CURLUcode code = parts == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(parts, CURLUPART_URL, base, 0);
  if (code == CURLUE_OK) code = curl_url_set(parts, CURLUPART_URL, relative, 0);
  if (code == CURLUE_OK) code = curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
  if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_URL, &url, 0);
  if (code == CURLUE_OUT_OF_MEMORY) {
    status = tp_fail_nomem(error);
  } else if (code != CURLUE_OK) {
    status = malformed(error, "has an endpoint whose URL does not parse");
  } else if ((is_http(url) && is_http(base)) || strncasecmp(url, "https://", 8) == 0) {
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/') size--;
    *ret_url = tp_arena_copy(arena, tuplet_view(url, size)).data;
    if (*ret_url == NULL) status = tp_fail_nomem(error);
  }
  curl_free(url);
  curl_url_cleanup(parts);
  return status;
}

static tuplet_status take_endpoints(const json_t *root, const char *base, tp_remote_session *session,
                                    tuplet_error *error) {
  const json_t *list = json_object_get(root, "endpoints");
  size_t count = json_array_size(list);
  if (count > TP_REMOTE_ENDPOINTS_MAX) count = TP_REMOTE_ENDPOINTS_MAX;
  session->endpoints = tp_arena_alloc_array_zeroed(&session->arena, count, sizeof *session->endpoints);
  if (session->endpoints == NULL) return tp_fail_nomem(error);
  bool has_strong = false;
  for (size_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(list, i);
    const char *relative = json_string_value(json_object_get(item, "url"));
    const char *consistency = json_string_value(json_object_get(item, "consistency"));
    if (relative == NULL || consistency == NULL) return malformed(error, "has an endpoint without a URL");
    const char *url;
    tuplet_status status = resolve(base, relative, &session->arena, &url, error);
    if (status != TUPLET_OK) return status;
    if (url == NULL) continue;
    bool is_strong = strcmp(consistency, "strong") == 0;
    has_strong = has_strong || is_strong;
    session->endpoints[session->endpoint_count++] = (tp_remote_endpoint){.url = url, .is_strong = is_strong};
  }
  return has_strong ? TUPLET_OK : malformed(error, "names no endpoint for strong reads that can be used");
}

tuplet_status tp_remote_session_parse(tuplet_bytes metadata, const char *url, int64_t now_ms,
                                      const tuplet_allocator *allocator, tp_remote_session **ret_session,
                                      tuplet_error *error) {
  json_error_t problem;
  json_t *root =
      json_loadb(metadata.size > 0 ? metadata.data : "", metadata.size, JSON_REJECT_DUPLICATES, &problem);
  if (root == NULL)
    return json_error_code(&problem) == json_error_out_of_memory ? tp_fail_nomem(error)
                                                                 : malformed(error, "is not JSON");
  tp_arena arena;
  tp_arena_init(&arena, allocator, CHUNK_SIZE);
  tp_remote_session *session = tp_arena_alloc_array_zeroed(&arena, 1, sizeof *session);
  if (session == NULL) {
    json_decref(root);
    return tp_fail_nomem(error);
  }
  session->arena = arena;
  tuplet_status status = take_identity(root, session, error);
  if (status == TUPLET_OK) status = take_expiry(root, now_ms, session, error);
  if (status == TUPLET_OK) status = take_endpoints(root, url, session, error);
  json_decref(root);
  if (status == TUPLET_OK)
    *ret_session = session;
  else
    tp_remote_session_free(session);
  return status;
}

void tp_remote_session_free(tp_remote_session *session) {
  if (session == NULL) return;
  tp_arena arena = session->arena; /* which holds it */
  tp_arena_done(&arena);
}

/* ---- Endpoints ---- */

void tp_remote_session_inherit(tp_remote_session *session, const tp_remote_session *from) {
  for (size_t i = 0; i < session->endpoint_count; i++) {
    for (size_t j = 0; j < from->endpoint_count; j++) {
      tp_remote_endpoint *to = &session->endpoints[i];
      const tp_remote_endpoint *old = &from->endpoints[j];
      if (strcmp(to->url, old->url) != 0) continue;
      to->latency_us = old->latency_us;
      to->measured_at_ns = old->measured_at_ns;
      to->failed_until_ns = old->failed_until_ns;
      break;
    }
  }
}

static bool is_unknown(const tp_remote_endpoint *endpoint, int64_t now_ns) {
  return endpoint->latency_us == 0 || now_ns - endpoint->measured_at_ns > MEASURE_AGAIN_NS;
}

/* Whether a is to be asked rather than b. */
static bool is_better(const tp_remote_endpoint *a, const tp_remote_endpoint *b, int64_t now_ns) {
  bool a_failed = a->failed_until_ns > now_ns, b_failed = b->failed_until_ns > now_ns;
  if (a_failed != b_failed) return b_failed;
  if (a_failed) return a->failed_until_ns < b->failed_until_ns;
  bool a_unknown = is_unknown(a, now_ns), b_unknown = is_unknown(b, now_ns);
  if (a_unknown != b_unknown) return a_unknown;
  return !a_unknown && a->latency_us < b->latency_us;
}

tp_remote_endpoint *tp_remote_session_choose(tp_remote_session *session, bool eventual, int64_t now_ns) {
  tp_remote_endpoint *best = NULL;
  for (size_t i = 0; i < session->endpoint_count; i++) {
    tp_remote_endpoint *endpoint = &session->endpoints[i];
    if (!eventual && !endpoint->is_strong) continue;
    if (best == NULL || is_better(endpoint, best, now_ns)) best = endpoint;
  }
  /* Before its answer is there, the next ones go where it is known to be quick. */
  if (best != NULL && is_unknown(best, now_ns)) best->measured_at_ns = now_ns;
  return best;
}

void tp_remote_endpoint_measured(tp_remote_endpoint *endpoint, int64_t latency_us, int64_t now_ns) {
  if (latency_us <= 0) latency_us = 1;
  bool is_first = endpoint->latency_us == 0;
  endpoint->latency_us =
      is_first ? latency_us : endpoint->latency_us + (latency_us - endpoint->latency_us) / 8;
  endpoint->measured_at_ns = now_ns;
  endpoint->failed_until_ns = 0;
}

void tp_remote_endpoint_failed(tp_remote_endpoint *endpoint, int64_t now_ns) {
  endpoint->failed_until_ns = now_ns + FAILED_NS;
}
