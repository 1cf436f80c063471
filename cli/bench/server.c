/* server.c: what is known about a server before the first request. */
#include "server.h"

#include "base/clock.h"
#include "base/status.h"
#include "engine/remote/session.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 10000, REASON_SIZE_MAX = 400 };

/* ---- The metadata exchange ---- */

typedef struct metadata_exchange {
  CURL *curl;
  struct curl_slist *headers;
  tp_buffer answer;
  char problem[CURL_ERROR_SIZE];
} metadata_exchange;

static size_t on_body(char *data, size_t size, size_t count, void *context) {
  metadata_exchange *exchange = context;
  size_t total = size * count;
  if (total > TP_REMOTE_METADATA_SIZE_MAX - exchange->answer.size) return 0;
  tp_buffer_append(&exchange->answer, data, total);
  return exchange->answer.failed ? 0 : total;
}

static bool add_header(metadata_exchange *exchange, const char *line) {
  struct curl_slist *longer = curl_slist_append(exchange->headers, line);
  if (longer != NULL) exchange->headers = longer;
  return longer != NULL;
}

static bool add_token(metadata_exchange *exchange, const char *token) {
  if (token == NULL || token[0] == '\0') return true;
  tp_buffer line;
  tp_buffer_init(&line, NULL);
  tp_buffer_append_text(&line, "Authorization: Bearer ");
  tp_buffer_append_text(&line, token);
  tp_buffer_append_byte(&line, '\0');
  bool added = !line.failed && add_header(exchange, (const char *)line.data);
  if (line.data != NULL) explicit_bzero(line.data, line.size);
  tp_buffer_done(&line);
  return added;
}

static CURLcode set_up(metadata_exchange *exchange, const tp_bench_place *place) {
  CURL *curl = exchange->curl;
  CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, place->path);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, TP_REMOTE_EXCHANGE_BODY);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->problem);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  if (code == CURLE_OK) code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)exchange);
  if (code == CURLE_OK && place->ca_file != NULL)
    code = curl_easy_setopt(curl, CURLOPT_CAINFO, place->ca_file);
  return code;
}

/* The server's own sentence, as far as it can be shown. */
static tuplet_status refuse(const metadata_exchange *exchange, long http_status, tuplet_error *error) {
  char sentence[REASON_SIZE_MAX];
  size_t size = 0;
  const uint8_t *body = exchange->answer.data;
  for (;
       size < exchange->answer.size && size + 1 < sizeof sentence && body[size] >= 0x20 && body[size] != 0x7f;
       size++)
    sentence[size] = (char)body[size];
  sentence[size] = '\0';
  return tp_fail(error, http_status == 401 || http_status == 403 ? TUPLET_DENIED : TUPLET_INVALID,
                 "the metadata exchange ended with HTTP %ld: %s", http_status, sentence);
}

static tuplet_status perform(metadata_exchange *exchange, const tp_bench_place *place,
                             tp_bench_server *server, tuplet_error *error) {
  bool made = add_header(exchange, "Content-Type: application/json") && add_header(exchange, "Expect:") &&
              add_token(exchange, place->token);
  CURLcode code = made ? set_up(exchange, place) : CURLE_OUT_OF_MEMORY;
  if (code == CURLE_OK) code = curl_easy_perform(exchange->curl);
  if (code == CURLE_OUT_OF_MEMORY || exchange->answer.failed) return tp_fail_nomem(error);
  if (code != CURLE_OK)
    return tp_fail(error, TUPLET_IO, "%s",
                   exchange->problem[0] != '\0' ? exchange->problem : curl_easy_strerror(code));
  long http_status = 0;
  (void)curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &http_status);
  if (http_status != 200) return refuse(exchange, http_status, error);
  struct curl_header *extensions;
  server->has_queue =
      curl_easy_header(exchange->curl, "tuplet-extensions", 0, CURLH_HEADER, -1, &extensions) == CURLHE_OK &&
      strstr(extensions->value, "queue/1") != NULL;
  tp_clock clock = tp_clock_system();
  return tp_remote_session_parse(tp_buffer_view(&exchange->answer), place->path, tp_clock_unix_ms(&clock),
                                 NULL, &server->session, error);
}

static tuplet_status exchange_metadata(tp_bench_server *server, const tp_bench_place *place,
                                       tuplet_error *error) {
  metadata_exchange exchange = {.curl = curl_easy_init()};
  tp_buffer_init(&exchange.answer, NULL);
  tuplet_status status =
      exchange.curl == NULL ? tp_fail_nomem(error) : perform(&exchange, place, server, error);
  curl_easy_cleanup(exchange.curl);
  curl_slist_free_all(exchange.headers);
  tp_buffer_done(&exchange.answer);
  return status;
}

/* ---- The endpoint ---- */

typedef struct url_parts {
  char *scheme, *host, *port, *path;
} url_parts;

static void endpoint_done(url_parts *endpoint) {
  curl_free(endpoint->scheme);
  curl_free(endpoint->host);
  curl_free(endpoint->port);
  curl_free(endpoint->path);
}

static tuplet_status take_apart(const char *url, url_parts *endpoint, tuplet_error *error) {
  CURLU *parts = curl_url();
  CURLUcode code = parts == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(parts, CURLUPART_URL, url, 0);
  if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_SCHEME, &endpoint->scheme, 0);
  if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_HOST, &endpoint->host, 0);
  if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_PORT, &endpoint->port, CURLU_DEFAULT_PORT);
  if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_PATH, &endpoint->path, 0);
  curl_url_cleanup(parts);
  if (code == CURLUE_OUT_OF_MEMORY) return tp_fail_nomem(error);
  return code == CURLUE_OK ? TUPLET_OK
                           : tp_fail(error, TUPLET_MALFORMED, "the endpoint's URL does not parse");
}

/* Appends a text with its NUL; where it begins. */
static size_t keep(tp_buffer *texts, const char *text) {
  size_t start = texts->size;
  tp_buffer_append(texts, text, strlen(text) + 1);
  return start;
}

/* "x-name: value" as name and value. */
static void set_header(const tp_buffer *texts, size_t start, tp_bench_header *header) {
  char *line = (char *)texts->data + start;
  char *colon = strstr(line, ": ");
  *colon = '\0';
  for (char *letter = line; letter < colon; letter++) {
    if (*letter >= 'A' && *letter <= 'Z') *letter = (char)(*letter - 'A' + 'a');
  }
  *header = (tp_bench_header){line, colon + 2};
}

static tuplet_status make_head(tp_bench_server *server, const url_parts *endpoint, tuplet_error *error) {
  static const char *const names[TP_BENCH_PATH_COUNT] = {"/snapshot_read", "/atomic_write", "/watch",
                                                         "/queue_listen", "/queue_finish"};
  const tp_remote_session *session = server->session;
  tp_buffer *texts = &server->texts;
  size_t paths[TP_BENCH_PATH_COUNT];
  const char *folder = strcmp(endpoint->path, "/") == 0 ? "" : endpoint->path;
  size_t authority = texts->size;
  tp_buffer_append_text(texts, endpoint->host);
  bool is_default = strcmp(endpoint->port, server->tls != NULL ? "443" : "80") == 0;
  if (!is_default) tp_buffer_append_format(texts, ":%s", endpoint->port);
  tp_buffer_append_byte(texts, '\0');
  for (size_t i = 0; i < TP_BENCH_PATH_COUNT; i++) {
    paths[i] = texts->size;
    tp_buffer_append_format(texts, "%s%s", folder, names[i]);
    tp_buffer_append_byte(texts, '\0');
  }
  size_t headers[TP_BENCH_HEADERS_MAX] = {keep(texts, session->authorization),
                                          keep(texts, session->version_header),
                                          keep(texts, session->database_header)};
  if (texts->failed) return tp_fail_nomem(error);
  const char *text = (const char *)texts->data;
  server->head.scheme = server->tls != NULL ? "https" : "http";
  server->head.authority = text + authority;
  for (size_t i = 0; i < TP_BENCH_PATH_COUNT; i++) server->head.paths[i] = text + paths[i];
  for (size_t i = 0; i < TP_BENCH_HEADERS_MAX; i++) set_header(texts, headers[i], &server->head.headers[i]);
  return TUPLET_OK;
}

/* ---- Its address ---- */

/* 0, or an error number. */
static int try_address(const struct addrinfo *address) {
  int error_number = 0;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof error_number;
    error_number = errno;
    if (error_number == EINPROGRESS) {
      error_number = poll(&poll_fd, 1, CONNECT_TIMEOUT_MS) == 1 ? 0 : ETIMEDOUT;
      if (error_number == 0) (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
    }
  }
  (void)close(fd);
  return error_number;
}

/* The first of the host's addresses that can be connected to. */
static tuplet_status find_address(tp_bench_server *server, tuplet_error *error) {
  char host[NI_MAXHOST];
  size_t size = strlen(server->host);
  bool is_bracketed = size > 2 && server->host[0] == '[';
  (void)snprintf(host, sizeof host, "%.*s", (int)(is_bracketed ? size - 2 : size),
                 server->host + (is_bracketed ? 1 : 0));
  struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  int code = getaddrinfo(host, server->port, &hints, &list);
  if (code != 0)
    return tp_fail(error, TUPLET_IO, "%s cannot be looked up: %s", server->host, gai_strerror(code));
  int error_number = ENOENT;
  for (const struct addrinfo *item = list; item != NULL && error_number != 0; item = item->ai_next) {
    error_number = try_address(item);
    if (error_number != 0) continue;
    memcpy(&server->address, item->ai_addr, item->ai_addrlen);
    server->address_size = item->ai_addrlen;
  }
  freeaddrinfo(list);
  if (error_number == 0) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "connecting to %s: %s", server->head.authority, strerror(error_number));
}

/* ---- TLS ---- */

static tuplet_status make_tls(tp_bench_server *server, const tp_bench_place *place, tuplet_error *error) {
  static const uint8_t both[] = "\x02h2\x08http/1.1", only_1[] = "\x08http/1.1", only_2[] = "\x02h2";
  server->tls = SSL_CTX_new(TLS_client_method());
  if (server->tls == NULL) return tp_fail_nomem(error);
  SSL_CTX_set_verify(server->tls, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_mode(server->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_set_min_proto_version(server->tls, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(server->tls) != 1)
    return tp_fail(error, TUPLET_IO, "TLS cannot be set up");
  if (place->ca_file != NULL && SSL_CTX_load_verify_file(server->tls, place->ca_file) != 1)
    return tp_fail(error, TUPLET_IO, "%s: no authorities can be read from it", place->ca_file);
  const uint8_t *protocols = place->http == TP_BENCH_HTTP_AUTO ? both
                             : place->http == TP_BENCH_HTTP_1  ? only_1
                                                               : only_2;
  size_t size = place->http == TP_BENCH_HTTP_AUTO ? sizeof both
                : place->http == TP_BENCH_HTTP_1  ? sizeof only_1
                                                  : sizeof only_2;
  if (SSL_CTX_set_alpn_protos(server->tls, protocols, (unsigned)size - 1) != 0) return tp_fail_nomem(error);
  return TUPLET_OK;
}

/* ---- All of it ---- */

static const char *strong_endpoint(const tp_remote_session *session) {
  size_t i = 0;
  while (!session->endpoints[i].is_strong) i++; /* there is one */
  return session->endpoints[i].url;
}

static tuplet_status init_endpoint(tp_bench_server *server, const tp_bench_place *place,
                                   tuplet_error *error) {
  url_parts endpoint = {0};
  tuplet_status status = take_apart(strong_endpoint(server->session), &endpoint, error);
  if (status == TUPLET_OK && strcmp(endpoint.scheme, "https") == 0) status = make_tls(server, place, error);
  if (status == TUPLET_OK) status = make_head(server, &endpoint, error);
  if (status == TUPLET_OK) {
    server->host = strdup(endpoint.host);
    server->port = strdup(endpoint.port);
    if (server->host == NULL || server->port == NULL) status = tp_fail_nomem(error);
  }
  if (status == TUPLET_OK) status = find_address(server, error);
  endpoint_done(&endpoint);
  return status;
}

tuplet_status tp_bench_server_init(tp_bench_server *server, const tp_bench_place *place,
                                   tuplet_error *error) {
  *server = (tp_bench_server){.http = place->http};
  tp_buffer_init(&server->texts, NULL);
  tp_clock clock = tp_clock_system();
  server->exchanged_ns = tp_clock_monotonic_ns(&clock);
  tuplet_status status = exchange_metadata(server, place, error);
  return status == TUPLET_OK ? init_endpoint(server, place, error) : status;
}

int64_t tp_bench_server_left_ms(const tp_bench_server *server) {
  tp_clock clock = tp_clock_system();
  int64_t age_ms = (tp_clock_monotonic_ns(&clock) - server->exchanged_ns) / 1000000;
  return server->session->lifetime_ms - age_ms;
}

void tp_bench_server_done(tp_bench_server *server) {
  if (server->texts.data != NULL) explicit_bzero(server->texts.data, server->texts.size);
  tp_buffer_done(&server->texts);
  tp_remote_session_free(server->session);
  SSL_CTX_free(server->tls);
  free(server->host);
  free(server->port);
}
