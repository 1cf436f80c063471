/* requests.c: what is kept of each request from its beginning to its end, to count it and to log it. */
#include "server/protocol/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
  ID_SIZE = 48,
  PEER_SIZE = 64, /* an IPv6 address that names an interface */
  DATABASE_SIZE = 64
};

/* Only of requests that are logged. Copies: a connection may go before its requests. */
typedef struct log_note {
  char id[ID_SIZE];
  char peer[PEER_SIZE];
  char protocol[16];
  char database[DATABASE_SIZE];
  bool is_secure;
} log_note;

/* In the request's arena. */
typedef struct request_note {
  int64_t begun_ns; /* monotonic */
  log_note *log;    /* NULL: not logged */
} request_note;

static void copy_text(char *room, size_t room_size, tuplet_bytes text) {
  size_t size = text.size < room_size ? text.size : room_size - 1;
  if (size > 0) memcpy(room, text.data, size);
  room[size] = '\0';
}

static log_note *make_log_note(tp_worker *worker, tp_http_request *request) {
  log_note *note = tp_arena_alloc(tp_http_request_arena(request), sizeof *note);
  if (note == NULL) return NULL;
  *note = (log_note){.is_secure = tp_http_request_is_secure(request)};
  (void)snprintf(note->id, sizeof note->id, "%s-%" PRIx32 "-%" PRIx64, worker->service->run_id,
                 worker->number, ++worker->request_number_last);
  (void)snprintf(note->protocol, sizeof note->protocol, "%s", tp_http_request_protocol(request));
  copy_text(note->peer, sizeof note->peer, tp_http_request_peer(request));
  tp_http_request_set_response_header(request, (tp_http_header){"x-request-id", note->id});
  return note;
}

void tp_request_begin(tp_worker *worker, tp_http_request *request) {
  request_note *note = tp_http_request_user(request);
  if (note == NULL) {
    /* Without memory it is counted all the same, but for its duration. */
    note = tp_arena_alloc(tp_http_request_arena(request), sizeof *note);
    if (note == NULL) return;
    note->log = worker->service->log_requests ? make_log_note(worker, request) : NULL;
    tp_http_request_set_user(request, note);
  }
  note->begun_ns = tp_clock_monotonic_ns(&worker->service->clock);
}

static log_note *log_note_of(const tp_http_request *request) {
  const request_note *note = request == NULL ? NULL : tp_http_request_user(request);
  return note == NULL ? NULL : note->log;
}

void tp_request_set_database(tp_http_request *request, tuplet_bytes name) {
  log_note *note = log_note_of(request);
  if (note != NULL) copy_text(note->database, sizeof note->database, name);
}

const char *tp_request_id(const tp_http_request *request) {
  const log_note *note = log_note_of(request);
  return note == NULL ? NULL : note->id;
}

static void log_text(tp_log_line *line, const char *name, const char *text) {
  tp_log_text(line, name, (tuplet_bytes){text, strlen(text)});
}

/* What is known from the beginning. Nothing of the target: what a client puts there may be a secret. */
static void log_beginning(tp_log_line *line, const tp_http_request *request, tp_operation operation) {
  const log_note *note = log_note_of(request);
  if (note != NULL) {
    log_text(line, "id", note->id);
    log_text(line, "peer", note->peer);
    log_text(line, "protocol", note->protocol);
    tp_log_flag(line, "tls", note->is_secure);
  } else if (request != NULL) { /* refused by HTTP, whose connection is there */
    tp_log_text(line, "peer", tp_http_request_peer(request));
    log_text(line, "protocol", tp_http_request_protocol(request));
    tp_log_flag(line, "tls", tp_http_request_is_secure(request));
  }
  log_text(line, "operation", tp_operation_name(operation));
  if (note != NULL && note->database[0] != '\0') log_text(line, "database", note->database);
}

void tp_request_log_start(const tp_worker *worker, const tp_http_request *request) {
  if (!worker->service->log_requests) return;
  tp_log_line line;
  tp_log_begin(&line, worker->service->log, TP_LOG_INFO, "request started");
  log_beginning(&line, request, tp_operation_of(request));
  tp_log_end(&line);
}

void tp_request_finish(void *context, const tp_http_request *request, const tp_http_outcome *outcome) {
  tp_worker *worker = context;
  const request_note *note = request == NULL ? NULL : tp_http_request_user(request);
  int64_t duration_ns = note == NULL ? -1 : tp_clock_monotonic_ns(&worker->service->clock) - note->begun_ns;
  tp_operation operation = tp_operation_of(request);
  tp_loop_metrics_count_request(&worker->metrics, operation, outcome, duration_ns);
  if (!worker->service->log_requests) return;
  tp_log_line line;
  tp_log_begin(&line, worker->service->log, TP_LOG_INFO, "request");
  log_beginning(&line, request, operation);
  tp_log_integer(&line, "status", (uint64_t)outcome->status);
  if (note != NULL) tp_log_milliseconds(&line, "duration_ms", duration_ns);
  tp_log_integer(&line, "bytes_in", outcome->request_size);
  tp_log_integer(&line, "bytes_out", outcome->response_size);
  if (!outcome->is_complete) tp_log_flag(&line, "complete", false);
  tp_log_end(&line);
}
