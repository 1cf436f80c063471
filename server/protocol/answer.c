/* answer.c: the forms that answers take. */
#include "server/protocol/answer.h"

#include "base/status.h"
#include "server/protocol/requests.h"

#include <stdio.h>
#include <string.h>

enum { CHARGE_STEP = 1024 * 1024 };

/* How much of a large answer is handed to the connection at a time. */
#define PIECE_SIZE TP_ANSWER_FREE_SIZE

int tp_answer_http_status(tuplet_status status) {
  switch (status) {
  case TUPLET_FULL: return 507;
  case TUPLET_BUSY:
  case TUPLET_CLOSED:
  case TUPLET_NOMEM: return 503;
  case TUPLET_IO:
  case TUPLET_FORMAT:
  case TUPLET_CORRUPT: return 500;
  default: return 400;
  }
}

/* request_id: NULL: none. */
static void log_kind(const tp_worker *worker, tp_service_log kind, const char *what, const char *message,
                     const char *request_id) {
  tp_service *service = worker->service;
  int64_t now_ms = tp_clock_monotonic_ns(&service->clock) / 1000000;
  size_t left_out;
  if (!tp_log_limit_admits(&service->log_limits[kind], now_ms, &left_out)) return;
  char text[TUPLET_ERROR_MESSAGE_MAX + 256];
  (void)snprintf(text, sizeof text, "%s: %s", what, message);
  tp_log_line line;
  tp_log_begin(&line, service->log, TP_LOG_WARNING, text);
  if (request_id != NULL) tp_log_text(&line, "id", (tuplet_bytes){request_id, strlen(request_id)});
  if (left_out > 0) tp_log_integer(&line, "left_out", left_out);
  tp_log_end(&line);
}

void tp_answer_log(const tp_worker *worker, tp_service_log kind, const char *what, const char *message) {
  log_kind(worker, kind, what, message, NULL);
}

/* What a client is told of an error of the server's. */
static const char *failure_sentence(tuplet_status status) {
  switch (status) {
  case TUPLET_FULL: return "The database is full.";
  case TUPLET_BUSY: return "The server is too busy for this request; try again later.";
  case TUPLET_CLOSED: return "The server is shutting down; try again later.";
  case TUPLET_NOMEM: return "The server is out of memory; try again later.";
  default: return "The server cannot use the database; its log tells why.";
  }
}

static tp_service_log failure_kind(int http_status) {
  switch (http_status) {
  case 503: return TP_SERVICE_LOG_BUSY;
  case 507: return TP_SERVICE_LOG_FULL;
  default: return TP_SERVICE_LOG_FAILED;
  }
}

static void answer_text(tp_http_request *request, int status, const tp_http_header *header,
                        const char *sentence) {
  const tp_http_header headers[] = {{"content-type", TP_CONTENT_TEXT}, *header};
  tp_http_respond(request, status, headers, 2, (tuplet_bytes){sentence, strlen(sentence)});
}

/* sentence: what a client is told of an error of the server's; NULL: what is usual. */
static void answer_failure(const tp_worker *worker, tp_http_request *request, tuplet_status status,
                           const tuplet_error *error, const char *sentence) {
  const char *message = error->message[0] != '\0' ? error->message : tuplet_status_text(status);
  int http_status = tp_answer_http_status(status);
  if (http_status >= 500) {
    char what[64];
    (void)snprintf(what, sizeof what, "a request was answered with %d", http_status);
    log_kind(worker, failure_kind(http_status), what, message, tp_request_id(request));
    message = sentence != NULL ? sentence : failure_sentence(status);
  }
  tp_http_respond_text(request, http_status, message);
}

void tp_answer_failure(const tp_worker *worker, tp_http_request *request, tuplet_status status,
                       const tuplet_error *error) {
  answer_failure(worker, request, status, error, NULL);
}

void tp_answer_database_failure(const tp_worker *worker, tp_http_request *request, const char *name,
                                tuplet_status status, const tuplet_error *error) {
  char sentence[160];
  (void)snprintf(sentence, sizeof sentence, "The server cannot use the database %s; its log tells why.",
                 name);
  bool is_about_it = name[0] != '\0' && tp_answer_http_status(status) == 500;
  answer_failure(worker, request, status, error, is_about_it ? sentence : NULL);
}

void tp_answer_too_many(tp_http_request *request, uint32_t retry_after_ms, const char *sentence) {
  char seconds[16];
  (void)snprintf(seconds, sizeof seconds, "%u",
                 (unsigned)(retry_after_ms / 1000 + (retry_after_ms % 1000 > 0)));
  answer_text(request, 429, &(tp_http_header){"retry-after", seconds}, sentence);
}

void tp_answer_unauthorized(tp_http_request *request, const char *sentence) {
  answer_text(request, 401, &(tp_http_header){"www-authenticate", "Bearer"}, sentence);
}

void tp_answer_method_not_allowed(tp_http_request *request, const char *allowed) {
  answer_text(request, 405, &(tp_http_header){"allow", allowed},
              "Method not allowed here; see the Allow header.");
}

void tp_answer_bytes(tp_http_request *request, const char *content_type, tuplet_bytes body) {
  const tp_http_header header = {"content-type", content_type};
  tp_http_respond(request, 200, &header, 1, body);
}

/* ---- Answers that may be large ---- */

void tp_answer_init(tp_answer *answer, const tuplet_allocator *allocator) {
  tp_buffer_init(&answer->body, allocator);
  answer->charged = 0;
}

void tp_answer_done(tp_answer *answer, tp_service *service) {
  tp_http_budget_discharge(&service->budget, answer->charged);
  answer->charged = 0;
  tp_buffer_done(&answer->body);
}

tuplet_status tp_answer_check(tp_answer *answer, tp_service *service, tuplet_error *error) {
  if (answer->body.failed) return tp_fail_nomem(error);
  while (answer->body.size > TP_ANSWER_FREE_SIZE + answer->charged) {
    if (!tp_http_budget_charge(&service->budget, CHARGE_STEP))
      return tp_fail(error, TUPLET_BUSY,
                     "The server holds too many answers that were not fetched yet; try again later.");
    answer->charged += CHARGE_STEP;
  }
  return TUPLET_OK;
}

/* A large answer on its way. Lives in the request's arena. */
typedef struct large_answer {
  tp_worker *worker;
  tp_answer answer;
  size_t sent;
} large_answer;

static void parcel_send_piece(large_answer *parcel, tp_http_request *request) {
  const tp_buffer *body = &parcel->answer.body;
  size_t left = body->size - parcel->sent;
  size_t size = left < PIECE_SIZE ? left : PIECE_SIZE;
  tuplet_bytes piece = {body->data + parcel->sent, size};
  parcel->sent += size;
  tp_http_respond_write(request, piece);
  if (parcel->sent < body->size) return;
  tp_answer_done(&parcel->answer, parcel->worker->service);
  tp_http_respond_end(request);
}

static void parcel_on_writable(void *context, tp_http_request *request) {
  parcel_send_piece(context, request);
}

static void parcel_on_abort(void *context, tp_http_request *request) {
  large_answer *aborted = context;
  tp_answer_done(&aborted->answer, aborted->worker->service);
  tp_http_respond_abort(request);
}

void tp_answer_send(tp_answer *answer, tp_worker *worker, tp_http_request *request,
                    const char *content_type) {
  const tp_http_header header = {"content-type", content_type};
  large_answer *large = NULL;
  if (answer->body.size > TP_ANSWER_FREE_SIZE)
    large = tp_arena_alloc(tp_http_request_arena(request), sizeof *large);
  if (large == NULL) {
    tp_answer taken = *answer; /* which may lie in the request's arena */
    tp_http_respond(request, 200, &header, 1, tp_buffer_view(&taken.body));
    tp_answer_done(&taken, worker->service);
    return;
  }
  *large = (large_answer){.worker = worker, .answer = *answer};
  const tp_http_request_events events = {large, parcel_on_writable, parcel_on_abort};
  tp_http_request_set_events(request, &events);
  tp_http_respond_start(request, 200, &header, 1);
  parcel_send_piece(large, request);
}
