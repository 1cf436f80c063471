/* transfer.c: one request and its answer, through libcurl. */
#include "engine/remote/transfer.h"

#include "base/status.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  CONNECT_TIMEOUT_MS = 10000,
  CONNECTION_AGE_MAX_S = 30, /* of one that is idle: servers close theirs after about a minute, and a write
                                that meets its end has an outcome that nobody knows */
  REDIRECTS_MAX = 10,
  REASON_SIZE_MAX = 4096, /* of the answer that tells why not */
  RETRY_AFTER_S_MAX = 24 * 60 * 60
};

/* ---- What libcurl asks for ---- */

static size_t on_read(char *buffer, size_t size, size_t count, void *context) {
  tp_remote_transfer *transfer = context;
  size_t left = transfer->request.body_size - transfer->body_taken;
  size_t room = size * count;
  size_t taken = left < room ? left : room;
  if (taken > 0) memcpy(buffer, transfer->request.body + transfer->body_taken, taken);
  transfer->body_taken += taken;
  return taken;
}

/* Before a request is given to a connection; for the second time when libcurl would send it again. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static int on_request(void *context, char *remote_ip, char *local_ip, int remote_port, int local_port) {
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  tp_remote_transfer *transfer = context;
  if (transfer->request.is_repeatable) transfer->body_taken = 0;
  return transfer->body_taken == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static int on_seek(void *context, curl_off_t offset, int origin) {
  tp_remote_transfer *transfer = context;
  if (!transfer->request.is_repeatable || origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_FAIL;
  transfer->body_taken = 0;
  return CURL_SEEKFUNC_OK;
}

/* ---- What it brings ---- */

static long status_of(const tp_remote_transfer *transfer) {
  long status = 0;
  (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
  tp_remote_transfer *transfer = context;
  size_t total = size * count;
  if (status_of(transfer) != 200) {
    size_t room = REASON_SIZE_MAX - transfer->answer.size;
    tp_buffer_append(&transfer->answer, data, total < room ? total : room);
    return total;
  }
  if (transfer->on_data != NULL)
    return transfer->on_data(transfer, (tuplet_bytes){data, total}) ? total : CURL_WRITEFUNC_ERROR;
  if (total > transfer->request.answer_size_max - transfer->answer.size) {
    transfer->answer_is_too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  tp_buffer_append(&transfer->answer, data, total);
  return transfer->answer.failed ? CURL_WRITEFUNC_ERROR : total;
}

/* The value of a header line if it is that of `name` (with its colon); an empty one otherwise. */
static tuplet_bytes value_of(const char *line, size_t size, const char *name) {
  size_t name_size = strlen(name);
  if (size < name_size || strncasecmp(line, name, name_size) != 0) return (tuplet_bytes){0};
  const char *begin = line + name_size;
  const char *end = line + size;
  while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
  while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n')) end--;
  return (tuplet_bytes){begin, (size_t)(end - begin)};
}

/* Whole seconds only; a date is as good as nothing. */
static int64_t parse_retry_after(tuplet_bytes value) {
  const char *text = value.data;
  int64_t seconds = 0;
  for (size_t i = 0; i < value.size; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    seconds = seconds * 10 + (text[i] - '0');
    if (seconds > RETRY_AFTER_S_MAX) seconds = RETRY_AFTER_S_MAX;
  }
  return value.size > 0 ? seconds * 1000 : -1;
}

/* Whether a list like "queue/1, other/2" has the name. */
static bool has_name(tuplet_bytes list, const char *name) {
  const char *text = list.data;
  size_t start = 0, size = strlen(name);
  for (size_t i = 0; i <= list.size; i++) {
    if (i < list.size && text[i] != ',') continue;
    size_t end = i;
    while (start < end && text[start] == ' ') start++;
    while (end > start && text[end - 1] == ' ') end--;
    if (end - start == size && memcmp(text + start, name, size) == 0) return true;
    start = i + 1;
  }
  return false;
}

static size_t on_header(char *line, size_t size, size_t count, void *context) {
  tp_remote_transfer *transfer = context;
  size_t total = size * count;
  if (total >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* the next answer, after a redirect or a 1xx */
    transfer->retry_after_ms = -1;
    transfer->has_queue = transfer->has_watch_range = false;
    transfer->has_head = false;
    tp_buffer_clear(&transfer->answer);
  }
  bool is_last = total > 0 && line[total - 1] == '\n' && (total == 1 || (total == 2 && line[0] == '\r'));
  if (is_last) transfer->has_head = true;
  if (is_last && transfer->on_begin != NULL && status_of(transfer) == 200) transfer->on_begin(transfer);
  tuplet_bytes retry_after = value_of(line, total, "retry-after:");
  if (retry_after.size > 0) transfer->retry_after_ms = parse_retry_after(retry_after);
  tuplet_bytes extensions = value_of(line, total, "tuplet-extensions:");
  if (extensions.size > 0) {
    transfer->has_queue = transfer->has_queue || has_name(extensions, "queue/1");
    transfer->has_watch_range = transfer->has_watch_range || has_name(extensions, "watch-range/1");
  }
  return total;
}

/* ---- Beginning ---- */

static bool add_header(tp_remote_transfer *transfer, const char *line) {
  struct curl_slist *longer = curl_slist_append(transfer->headers, line);
  if (longer != NULL) transfer->headers = longer;
  return longer != NULL;
}

static bool make_headers(tp_remote_transfer *transfer) {
  /* Waiting for leave to send a body would cost a round trip. */
  bool made = add_header(transfer, "Expect:") && add_header(transfer, "Accept:");
  for (size_t i = 0; made && i < TP_REMOTE_HEADERS_MAX; i++) {
    if (transfer->request.headers[i] != NULL) made = add_header(transfer, transfer->request.headers[i]);
  }
  return made;
}

/* In clear a server cannot be asked what it speaks, and most that stand in between speak HTTP/1.1 only. A
 * libcurl before 8.0 fails on a connection that it uses for the second time so (curl's issue 10634). */
static long http_version(const tp_remote_transfer *transfer) {
  enum { SOUND_VERSION = 0x080000 };
  bool is_secure = strncasecmp(transfer->request.url, "https:", 6) == 0;
  if (transfer->client->http == TUPLET_HTTP_1) return CURL_HTTP_VERSION_1_1;
  if (is_secure) return CURL_HTTP_VERSION_2TLS;
  bool is_sound = curl_version_info(CURLVERSION_NOW)->version_num >= SOUND_VERSION;
  return transfer->client->http == TUPLET_HTTP_2 && is_sound ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                                             : CURL_HTTP_VERSION_1_1;
}

/* A request that takes too long ends alone: libcurl goes on using its HTTP/2 connection, however dead, for
 * all that follow. It does not use one for requests with other options of TLS, though, and three of those
 * mean nothing outside Windows: they number the connections' generations. */
static long generation_bits(unsigned generation) {
  static const long bits[] = {CURLSSLOPT_NO_REVOKE, CURLSSLOPT_REVOKE_BEST_EFFORT,
                              CURLSSLOPT_AUTO_CLIENT_CERT};
  long options = 0;
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
    if ((generation >> i & 1) != 0) options |= bits[i];
  }
  return options;
}

void tp_remote_transfer_distrust(tp_remote_transfer *transfer) {
  tp_remote_client *client = transfer->client;
  if (transfer->generation == client->generation) client->generation++; /* else another has seen to it */
}

/* The first failure of any is kept: each costs memory, and an option that this libcurl does not know must not
 * be passed over. */
#define SET(option, value)                                                                                   \
  if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value)

static CURLcode set_up_protocol(tp_remote_transfer *transfer) {
  CURL *easy = transfer->easy;
  CURLcode code = CURLE_OK;
  const tp_remote_request *request = &transfer->request;
  bool is_secure = strncasecmp(request->url, "https:", 6) == 0;
  long version = http_version(transfer);
  SET(CURLOPT_URL, request->url);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
  SET(CURLOPT_HTTP_VERSION, version);
  SET(CURLOPT_PIPEWAIT,
      version == CURL_HTTP_VERSION_1_1 ? 0L : 1L); /* one connection for all that can share it */
  SET(CURLOPT_FOLLOWLOCATION, request->follows_redirects ? 1L : 0L);
  SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
  SET(CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
  if (transfer->client->ca_file != NULL) SET(CURLOPT_CAINFO, transfer->client->ca_file);
  if (is_secure) SET(CURLOPT_SSL_OPTIONS, generation_bits(transfer->generation));
  SET(CURLOPT_POST, 1L);
  SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
  SET(CURLOPT_HTTPHEADER, transfer->headers);
  SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
  SET(CURLOPT_CONNECTTIMEOUT_MS,
      (long)(request->timeout_ms > 0 && request->timeout_ms < CONNECT_TIMEOUT_MS ? request->timeout_ms
                                                                                 : CONNECT_TIMEOUT_MS));
  SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_MAX_S);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_QUICK_EXIT, 1L); /* the end does not wait for a resolver that hangs */
  return code;
}

static CURLcode set_up_callbacks(tp_remote_transfer *transfer) {
  CURL *easy = transfer->easy;
  CURLcode code = CURLE_OK;
  SET(CURLOPT_PRIVATE, (void *)transfer);
  SET(CURLOPT_ERRORBUFFER, transfer->problem);
  SET(CURLOPT_READFUNCTION, on_read);
  SET(CURLOPT_READDATA, (void *)transfer);
  SET(CURLOPT_SEEKFUNCTION, on_seek);
  SET(CURLOPT_SEEKDATA, (void *)transfer);
  SET(CURLOPT_PREREQFUNCTION, on_request);
  SET(CURLOPT_PREREQDATA, (void *)transfer);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, (void *)transfer);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, (void *)transfer);
  return code;
}

static void let_go(tp_remote_transfer *transfer) {
  curl_easy_cleanup(transfer->easy);
  curl_slist_free_all(transfer->headers);
  transfer->easy = NULL;
  transfer->headers = NULL;
}

tuplet_status tp_remote_transfer_start(tp_remote_transfer *transfer, tp_remote_client *client,
                                       const tp_remote_request *request, tuplet_error *error) {
  assert(!tp_remote_transfer_is_running(transfer));
  *transfer = (tp_remote_transfer){.on_begin = transfer->on_begin,
                                   .on_data = transfer->on_data,
                                   .on_end = transfer->on_end,
                                   .answer = transfer->answer,
                                   .retry_after_ms = -1,
                                   .client = client,
                                   .request = *request,
                                   .generation = client->generation};
  transfer->answer.allocator = client->allocator;
  tp_buffer_clear(&transfer->answer);
  tuplet_status status = TUPLET_OK;
  transfer->easy = curl_easy_init();
  if (transfer->easy == NULL || !make_headers(transfer)) {
    status = tp_fail_nomem(error);
  } else {
    CURLcode code = set_up_protocol(transfer);
    if (code == CURLE_OK) code = set_up_callbacks(transfer);
    if (code == CURLE_OK && curl_multi_add_handle(client->loop->multi, transfer->easy) != CURLM_OK)
      code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OUT_OF_MEMORY)
      status = tp_fail_nomem(error);
    else if (code != CURLE_OK)
      status = tp_fail(error, TUPLET_UNSUPPORTED, "libcurl cannot do this: %s", curl_easy_strerror(code));
  }
  if (status != TUPLET_OK) let_go(transfer);
  return status;
}

/* ---- The end ---- */

static void note_result(tp_remote_transfer *transfer, CURLcode code) {
  CURL *easy = transfer->easy;
  long version = 0;
  curl_off_t sent_us = 0, answered_us = 0;
  transfer->code = code;
  (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &transfer->http_status);
  (void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
  (void)curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
  /* libcurl is content with an answer that breaks off among its headers. */
  if (code == CURLE_OK && !transfer->has_head) transfer->code = CURLE_PARTIAL_FILE;
  if (code == CURLE_OPERATION_TIMEDOUT && transfer->http_status == 0) tp_remote_transfer_distrust(transfer);
  transfer->is_http2 = version == CURL_HTTP_VERSION_2_0;
  transfer->latency_us = answered_us > sent_us ? answered_us - sent_us : 0;
  /* A server cannot act on a request whose body it does not have to the end. */
  long request_size = 0;
  (void)curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_size);
  if (transfer->request.body_size > 0)
    transfer->was_sent = transfer->body_taken == transfer->request.body_size;
  else
    transfer->was_sent = request_size > 0;
}

void tp_remote_transfer_ended(void *easy_private, CURLcode code) {
  tp_remote_transfer *transfer = easy_private;
  note_result(transfer, code);
  CURL *easy = transfer->easy;
  struct curl_slist *headers = transfer->headers;
  char *url = NULL;
  (void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
  transfer->url = url != NULL ? url : transfer->request.url;
  transfer->easy = NULL;
  transfer->headers = NULL;
  transfer->on_end(transfer); /* it may be gone afterwards, or running anew */
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
}

void tp_remote_transfer_cancel(tp_remote_transfer *transfer) {
  if (!tp_remote_transfer_is_running(transfer)) return;
  note_result(transfer, CURLE_ABORTED_BY_CALLBACK);
  (void)curl_multi_remove_handle(transfer->client->loop->multi, transfer->easy);
  let_go(transfer);
}

void tp_remote_transfer_done(tp_remote_transfer *transfer) {
  assert(!tp_remote_transfer_is_running(transfer));
  tp_buffer_done(&transfer->answer);
}
