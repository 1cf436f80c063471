/* exchange.c: the metadata exchange, with which a client opens a database. */
#include "server/protocol/exchange.h"

#include "base/status.h"
#include "server/completion.h"
#include "server/databases/catalog.h"
#include "server/protocol/answer.h"
#include "server/protocol/requests.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TP_EXCHANGE_NOT_FOUND "There is no database at this path."

enum { BODY_SIZE_MAX = 16 * 1024, VERSION_MAX = 3, TIME_TEXT_SIZE = 32 };

/* ---- What the client asks for ---- */

/* The newest version that both sides speak, of those in the body's supportedVersions; a client that sends no
 * body is of version 1. *ret_version is 0 when there is none. */
static tuplet_status choose_version(tuplet_bytes body, json_int_t *ret_version, tuplet_error *error) {
  *ret_version = 1;
  if (body.size == 0) return TUPLET_OK;
  if (body.size > BODY_SIZE_MAX)
    return tp_fail(error, TUPLET_LIMIT, "The metadata request has %zu bytes; it may have %d.", body.size,
                   BODY_SIZE_MAX);

  json_error_t problem;
  json_t *root = json_loadb(body.data, body.size, JSON_REJECT_DUPLICATES, &problem);
  if (root == NULL) {
    if (json_error_code(&problem) == json_error_out_of_memory) return tp_fail_nomem(error);
    return tp_fail(error, TUPLET_SYNTAX, "The metadata request is not valid JSON: %s.", problem.text);
  }
  const json_t *versions = json_object_get(root, "supportedVersions");
  tuplet_status status = TUPLET_OK;
  if (!json_is_object(root) || (versions != NULL && !json_is_array(versions))) {
    status = tp_fail(error, TUPLET_INVALID,
                     "The metadata request must look like {\"supportedVersions\":[1,2,3]}.");
  } else if (versions != NULL) {
    *ret_version = 0;
    for (size_t i = 0; i < json_array_size(versions); i++) {
      json_int_t version = json_integer_value(json_array_get(versions, i));
      if (version <= VERSION_MAX && version > *ret_version) *ret_version = version;
    }
  }
  json_decref(root);
  return status;
}

/* ---- The answer ---- */

/* The characters of a host and a port; anything else could make another URL of it. */
static bool is_authority(tuplet_bytes authority) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]%";
  const char *text = authority.data;
  for (size_t i = 0; i < authority.size; i++) {
    if (memchr(allowed, text[i], sizeof allowed - 1) == NULL) return false;
  }
  return authority.size > 0;
}

/* Version 1 wants the whole URL, later ones take it as relative to that of the exchange. NULL when out of
 * memory. */
static json_t *endpoint_url(json_int_t version, const tp_http_request *request) {
  if (version >= 2) return json_string(TP_DATA_PATH);
  tuplet_bytes authority = tp_http_request_authority(request);
  return json_sprintf("%s://%.*s" TP_DATA_PATH, tp_http_request_is_secure(request) ? "https" : "http",
                      (int)authority.size, (const char *)authority.data);
}

static void print_time(int64_t unix_ms, char ret_text[TIME_TEXT_SIZE]) {
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm parts;
  if (gmtime_r(&seconds, &parts) == NULL ||
      strftime(ret_text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    ret_text[0] = '\0';
}

static char *print_metadata(json_int_t version, const tp_http_request *request, const tp_session *session,
                            const char *token) {
  char id[TP_DATABASE_ID_TEXT_SIZE];
  char expires_at[TIME_TEXT_SIZE];
  tp_database_id_to_text(session->database_id, id);
  print_time(session->expires_at_ms, expires_at);
  json_t *metadata = json_pack("{s:I, s:s, s:[{s:o, s:s}], s:s, s:s}", "version", version, "databaseId", id,
                               "endpoints", "url", endpoint_url(version, request), "consistency", "strong",
                               "token", token, "expiresAt", expires_at);
  char *text = metadata != NULL ? json_dumps(metadata, JSON_COMPACT) : NULL;
  json_decref(metadata);
  return text;
}

static void answer_metadata(tp_worker *worker, tp_http_request *request, json_int_t version,
                            const tp_session *session) {
  tuplet_error error = {0};
  char token[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  tuplet_status status = tp_auth_session_sign(worker->service->auth, session, token, &error);
  if (status != TUPLET_OK) {
    tp_answer_failure(worker, request, status, &error);
    return;
  }
  char *text = print_metadata(version, request, session, token);
  if (text == NULL) {
    tp_answer_failure(worker, request, tp_fail_nomem(&error), &error);
    return;
  }
  const tp_http_header headers[] = {{"content-type", TP_CONTENT_JSON},
                                    {"tuplet-extensions", TP_EXCHANGE_EXTENSIONS}};
  tp_http_respond(request, 200, headers, 2, (tuplet_bytes){text, strlen(text)});
  free(text); /* jansson's is the C library's */
}

bool tp_exchange_check(tp_worker *worker, tp_http_request *request, tp_refusal_stage stage, tuplet_bytes path,
                       tp_grant *ret_grant) {
  const tp_service *service = worker->service;
  tuplet_bytes token, name;
  if (!tp_database_name_from_path(path, &name)) { /* which tells nothing of what there is */
    tp_http_respond_text(request, 404, "There is nothing at this path.");
    return false;
  }
  if (!tp_auth_bearer(tp_http_request_header(request, "authorization"), &token)) {
    tp_refusal_send(worker, request, stage, "Malformed authorization header.");
    return false;
  }
  tuplet_status status = tp_auth_identify(service->auth, token, tp_clock_unix_ms(&service->clock), ret_grant);
  if (status != TUPLET_OK) {
    tp_refusal_send(worker, request, stage,
                    status == TUPLET_TIMEOUT ? "The access token has expired." : "Invalid access token.");
    return false;
  }
  if (!tp_auth_may_open(service->auth, ret_grant->token_id, name)) {
    tp_http_respond_text(request, 403, TP_EXCHANGE_FORBIDDEN);
    return false;
  }
  return true;
}

/* Whether a proxy says that it stands in between: its connections are shared by its clients. */
static bool came_through_proxy(const tp_http_request *request) {
  static const char *const marks[] = {"via", "forwarded", "x-forwarded-for"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    if (tp_http_request_header(request, marks[i]).data != NULL) return true;
  }
  return false;
}

/* The connection that stands for a client, as tp_databases_exchange wants it. Deno's KV client has a
 * connection for each database that it opens; it does not say a language, as all requests of fetch() do, and
 * those share connections. */
static uint64_t client_connection(const tp_worker *worker, const tp_http_request *request) {
  static const char product[] = "Deno/";
  enum { WORKER_SHIFT = 48 };
  tuplet_bytes agent = tp_http_request_header(request, "user-agent");
  bool is_deno = agent.size >= sizeof product - 1 && memcmp(agent.data, product, sizeof product - 1) == 0;
  if (!is_deno || tp_http_request_header(request, "accept-language").data != NULL) return 0;
  if (came_through_proxy(request)) return 0;
  return (uint64_t)worker->number << WORKER_SHIFT | tp_http_request_connection(request);
}

/* An exchange while its database is looked for. Lives in the request's arena. */
typedef struct exchange_operation {
  tp_database_lookup lookup; /* first, so that the one is found from the other */
  tp_completion completion;
  tp_worker *worker;
  tp_http_request *request;
  tuplet_bytes name; /* static, or the request's */
  json_int_t version;
  tp_grant grant;
} exchange_operation;

static void on_database(tp_database_lookup *lookup) {
  exchange_operation *operation = (exchange_operation *)(void *)lookup;
  tp_completion_done(&operation->completion);
}

static void finish(tp_completion *completion) {
  exchange_operation *operation =
      (exchange_operation *)(void *)((char *)completion - offsetof(exchange_operation, completion));
  tp_worker *worker = operation->worker;
  const tp_service *service = worker->service;
  const tp_database_lookup *lookup = &operation->lookup;
  const tp_grant *grant = &operation->grant;
  if (lookup->status == TUPLET_NOT_FOUND) {
    tp_http_respond_text(operation->request, 404, TP_EXCHANGE_NOT_FOUND);
    return;
  }
  if (lookup->status != TUPLET_OK) {
    tp_answer_database_failure(worker, operation->request, lookup->name, lookup->status, &lookup->error);
    return;
  }
  tp_request_set_database(operation->request, operation->name);
  tp_session session = {.token_id = grant->token_id, .may_write = grant->may_write};
  memcpy(session.database_id, lookup->id, sizeof session.database_id);
  if (lookup->lasting && service->read_only) session.may_write = false;
  session.expires_at_ms = tp_clock_unix_ms(&service->clock) +
                          (lookup->lasting ? service->session_ms : TP_SERVICE_MEMORY_SESSION_MS);
  if (session.expires_at_ms > grant->expires_at_ms) session.expires_at_ms = grant->expires_at_ms;
  answer_metadata(worker, operation->request, operation->version, &session);
}

/* What is to be found out before anything is looked for. */
static tuplet_status read_request(const tp_http_request *request, json_int_t *ret_version,
                                  tuplet_error *error) {
  tuplet_status status = choose_version(tp_http_request_body(request), ret_version, error);
  if (status == TUPLET_OK && *ret_version == 0)
    return tp_fail(error, TUPLET_INVALID,
                   "This server speaks versions 1 to %d of the protocol, the client none of them.",
                   VERSION_MAX);
  if (status == TUPLET_OK && *ret_version == 1 && !is_authority(tp_http_request_authority(request)))
    return tp_fail(error, TUPLET_INVALID, "The Host header does not name a host.");
  return status;
}

void tp_exchange_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path) {
  const tp_service *service = worker->service;
  tp_grant grant;
  if (!tp_exchange_check(worker, request, TP_REFUSAL_COMPLETE, path, &grant)) return;
  if (tp_refusal_was_mistaken(request)) return;

  json_int_t version;
  tuplet_bytes name;
  (void)tp_database_name_from_path(path, &name); /* it was checked that there is one */
  tuplet_error error = {0};
  tuplet_status status = read_request(request, &version, &error);
  exchange_operation *operation = tp_arena_alloc(tp_http_request_arena(request), sizeof *operation);
  if (status == TUPLET_OK && operation == NULL) status = tp_fail_nomem(&error);
  if (status != TUPLET_OK) {
    tp_answer_failure(worker, request, status, &error);
    return;
  }
  operation->lookup.on_done = on_database;
  operation->worker = worker;
  operation->request = request;
  operation->name = name;
  operation->version = version;
  operation->grant = grant;
  tp_completion_init(&operation->completion, worker->loop, finish);
  tp_databases_exchange(service->databases, name, client_connection(worker, request),
                        service->create_databases && grant.may_write, &operation->lookup);
  tp_completion_submitted(&operation->completion);
}
