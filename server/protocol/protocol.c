/* protocol.c: KV Connect, from a request to whoever answers it.
 *
 *   GET  /                     a page that says what this is
 *   GET  /metrics, ...         see monitor.h
 *   POST /v2/snapshot_read     the data path: session, version and database are checked here
 *   POST /v2/atomic_write
 *   POST /v2/watch
 *   POST /v2/watch_range       our extensions
 *   POST /v2/queue_listen
 *   POST /v2/queue_finish
 *   POST any other path        the metadata exchange, if a database has that path
 */
#include "server/protocol/protocol.h"

#include "base/status.h"
#include "server/completion.h"
#include "server/monitor/monitor.h"
#include "server/protocol/answer.h"
#include "server/protocol/datapath.h"
#include "server/protocol/exchange.h"
#include "server/protocol/queue_stream.h"
#include "server/protocol/requests.h"
#include "server/protocol/watch_range_stream.h"
#include "server/protocol/watch_stream.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* The version stands between the two. */
static const char page_begin[] = "This is tuplet ";
static const char page_end[] =
    ", a Deno KV database. Programs open it with its access token:\n"
    "\n"
    "  DENO_KV_ACCESS_TOKEN=... deno run --unstable-kv --allow-net --allow-env program.ts\n"
    "\n"
    "  const kv = await Deno.openKv(\"http://this host and port\");\n";

static bool equals(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* The target without its query. */
static tuplet_bytes path_of(const tp_http_request *request) {
  tuplet_bytes path = tp_http_request_target(request);
  const char *query = path.size > 0 ? memchr(path.data, '?', path.size) : NULL;
  if (query != NULL) path.size = (size_t)(query - (const char *)path.data);
  return path;
}

/* ---- The data path ---- */

typedef struct data_route {
  const char *path;
  tp_datapath_handler *handle;
} data_route;

static const data_route routes[] = {
    {TP_DATA_PATH "/snapshot_read", tp_datapath_read},
    {TP_DATA_PATH "/atomic_write", tp_datapath_write},
    {TP_DATA_PATH "/watch", tp_watch_stream_start},
    {TP_DATA_PATH "/watch_range", tp_watch_range_stream_start},
    {TP_DATA_PATH "/queue_listen", tp_queue_stream_start},
    {TP_DATA_PATH "/queue_finish", tp_queue_finish_handle},
};

static const data_route *find_route(tuplet_bytes path) {
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (equals(path, routes[i].path)) return &routes[i];
  }
  return NULL;
}

/* The header that names the database, as the client's version of the protocol has it; the request is answered
 * when false is returned. */
static bool read_database_header(tp_http_request *request, uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE]) {
  const char *name = "x-denokv-database-id";
  tuplet_bytes version = tp_http_request_header(request, "x-denokv-version");
  if (version.data == NULL) {
    name = "x-transaction-domain-id";
    if (tp_http_request_header(request, name).data == NULL) {
      tp_http_respond_text(request, 400, "The header x-denokv-version is missing.");
      return false;
    }
  } else if (!equals(version, "2") && !equals(version, "3")) {
    tp_http_respond_text(request, 400, "The header x-denokv-version must be 2 or 3.");
    return false;
  }
  if (!tp_database_id_from_text(tp_http_request_header(request, name), ret_id)) {
    tp_http_respond_text(request, 400,
                         "Invalid database id: x-denokv-database-id must be the UUID that the metadata "
                         "exchange returned.");
    return false;
  }
  return true;
}

/* Who has a session that is over, or not for this any more, guesses nothing: that does not count as a
 * failure.
 */
static void refuse_session(tp_http_request *request, tuplet_status status) {
  switch (status) {
  case TUPLET_TIMEOUT:
    tp_answer_unauthorized(request,
                           "The session token has expired; the metadata exchange returns a new one.");
    break;
  case TUPLET_CLOSED:
    tp_answer_unauthorized(request, "The session token is not valid any more: its access token was revoked.");
    break;
  default: tp_http_respond_text(request, 403, TP_EXCHANGE_FORBIDDEN); break;
  }
}

static_assert(sizeof(tp_session_memo) <= TP_HTTP_MEMO_SIZE,
              "a connection has room for its last session token");

/* The session of the request's token; the request is refused when false is returned. */
static bool read_session(tp_worker *worker, tp_http_request *request, tp_refusal_stage stage, int64_t now_ms,
                         tp_session *ret_session) {
  const tp_service *service = worker->service;
  tuplet_bytes token;
  if (!tp_auth_bearer(tp_http_request_header(request, "authorization"), &token)) {
    tp_refusal_send(worker, request, stage, "Malformed authorization header.");
    return false;
  }
  tp_session_memo *memo = tp_http_request_memo(request);
  tuplet_status status = tp_auth_session_verify(service->auth, token, now_ms, memo, ret_session);
  if (status == TUPLET_OK) return true;
  if (status == TUPLET_INVALID)
    tp_refusal_send(worker, request, stage,
                    "Invalid session token. The metadata exchange returns one that is valid here.");
  else
    refuse_session(request, status);
  return false;
}

/* Whether the session's token may still open the database, now that its name is known; the request is refused
 * when false is returned. */
static bool check_database(const tp_worker *worker, tp_http_request *request, int64_t now_ms,
                           tp_session *session, const tp_database *database) {
  const tp_service *service = worker->service;
  const char *name = tp_database_name(service->databases, database);
  tp_request_set_database(request, (tuplet_bytes){name, strlen(name)});
  tuplet_status status =
      tp_auth_session_check(service->auth, session, (tuplet_bytes){name, strlen(name)}, now_ms);
  if (status != TUPLET_OK) refuse_session(request, status);
  return status == TUPLET_OK;
}

static void serve_data(tp_worker *worker, tp_http_request *request, const data_route *route, int64_t now_ms,
                       tp_session *session, tp_database *database) {
  if (check_database(worker, request, now_ms, session, database))
    route->handle(worker, request, session, database);
  else
    tp_database_release(worker->service->databases, database);
}

/* A request while its database is opened. Lives in its arena. */
typedef struct waiting_request {
  tp_database_wait wait; /* first, so that the one is found from the other */
  tp_completion completion;
  tp_worker *worker;
  tp_http_request *request;
  const data_route *route;
  tp_session session;
} waiting_request;

static void on_database(tp_database_wait *wait) {
  waiting_request *waiting = (waiting_request *)(void *)wait;
  tp_completion_done(&waiting->completion);
}

static void finish_waiting(tp_completion *completion) {
  waiting_request *waiting =
      (waiting_request *)(void *)((char *)completion - offsetof(waiting_request, completion));
  tp_worker *worker = waiting->worker;
  const tp_database_wait *wait = &waiting->wait;
  if (wait->status == TUPLET_NOT_FOUND)
    tp_http_respond_text(waiting->request, 404,
                         "This database is gone: it was deleted, or it was one in memory that was not used "
                         "for too long.");
  else if (wait->status != TUPLET_OK)
    tp_answer_database_failure(worker, waiting->request, wait->name, wait->status, &wait->error);
  else
    serve_data(worker, waiting->request, waiting->route, tp_clock_unix_ms(&worker->service->clock),
               &waiting->session, wait->database);
}

static void wait_for_database(tp_worker *worker, tp_http_request *request, const data_route *route,
                              const tp_session *session, const uint8_t *id) {
  tuplet_error error;
  waiting_request *waiting = tp_arena_alloc(tp_http_request_arena(request), sizeof *waiting);
  if (waiting == NULL) {
    tp_answer_failure(worker, request, tp_fail_nomem(&error), &error);
    return;
  }
  waiting->wait.on_done = on_database;
  waiting->worker = worker;
  waiting->request = request;
  waiting->route = route;
  waiting->session = *session;
  tp_completion_init(&waiting->completion, worker->loop, finish_waiting);
  tp_databases_acquire(worker->service->databases, id, &waiting->wait);
  tp_completion_submitted(&waiting->completion);
}

static void handle_data(tp_worker *worker, tp_http_request *request, const data_route *route) {
  tp_session session;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  int64_t now_ms = tp_clock_unix_ms(&worker->service->clock);
  if (!read_session(worker, request, TP_REFUSAL_COMPLETE, now_ms, &session) ||
      !read_database_header(request, id))
    return;
  if (tp_refusal_was_mistaken(request)) return;
  if (memcmp(id, session.database_id, sizeof id) != 0) {
    tp_http_respond_text(request, 400, "Invalid database id: the session token is for another database.");
    return;
  }
  tp_database *database = tp_databases_acquire_open(worker->service->databases, id);
  if (database != NULL)
    serve_data(worker, request, route, now_ms, &session, database);
  else
    wait_for_database(worker, request, route, &session, id);
}

/* ---- Everything ---- */

static void answer_page(const tp_worker *worker, tp_http_request *request) {
  tp_buffer text;
  tp_buffer_init(&text, worker->service->allocator);
  tp_buffer_append_text(&text, page_begin);
  tp_buffer_append_text(&text, tuplet_version());
  tp_buffer_append_text(&text, page_end);
  tp_answer_bytes(request, TP_CONTENT_TEXT, tp_buffer_view(&text));
  tp_buffer_done(&text);
}

void tp_protocol_check(void *context, tp_http_request *request) {
  tp_worker *worker = context;
  tuplet_bytes path = path_of(request);
  tp_session session;
  tp_grant grant;
  if (worker->service->log_requests) tp_request_begin(worker, request);
  if (!equals(tp_http_request_method(request), "POST") && tp_monitor_has_path(path))
    tp_http_request_skip_body(request); /* the answer may take its time, which there is none for here */
  else if (!equals(tp_http_request_method(request), "POST"))
    tp_protocol_handle(context, request); /* needs no body */
  else if (find_route(path) != NULL)
    (void)read_session(worker, request, TP_REFUSAL_AT_HEAD, tp_clock_unix_ms(&worker->service->clock),
                       &session);
  else
    (void)tp_exchange_check(worker, request, TP_REFUSAL_AT_HEAD, path, &grant);
}

bool tp_protocol_is_exempt(void *context, const tp_http_request *request) {
  (void)context;
  return tp_monitor_is_probe(tp_http_request_method(request), path_of(request));
}

void tp_protocol_handle(void *context, tp_http_request *request) {
  tp_worker *worker = context;
  tuplet_bytes method = tp_http_request_method(request);
  tuplet_bytes path = path_of(request);
  bool is_post = equals(method, "POST");
  const data_route *route = find_route(path);
  tp_request_begin(worker, request);
  if (is_post && route != NULL)
    handle_data(worker, request, route);
  else if (is_post)
    tp_exchange_handle(worker, request, path);
  else if (tp_monitor_has_path(path))
    tp_monitor_handle(worker, request, path);
  else if (route != NULL)
    tp_answer_method_not_allowed(request, "POST");
  else if (!equals(path, "/"))
    tp_http_respond_text(request, 404, "There is nothing at this path.");
  else if (equals(method, "GET") || equals(method, "HEAD"))
    answer_page(worker, request);
  else
    tp_answer_method_not_allowed(request, "GET, HEAD, POST");
}
