/* request.c: a request: its parts as the codecs collect them and as handlers read them. */
#include "base/alloc.h"
#include "base/status.h"
#include "http/private.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* Enough for what a small request comes to, so that nothing has to grow. */
enum { ARENA_CHUNK_SIZE = 2048, TEXT_SIZE = 512, FIELDS_SIZE = 12 * sizeof(tp_http_field) };

static inline bool bytes_are(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* ---- Life -----------------------------------------------------------------------------------------------
 */

tp_http_request *tp_http_request_new(tp_http_conn *conn) {
  const tuplet_allocator *quick = conn->config.quick;
  tp_http_request *request = tp_alloc_array_zeroed(quick, 1, sizeof *request);
  if (request == NULL) {
    tp_http_conn_fail(conn);
    return NULL;
  }
  request->conn = conn;
  request->quick = quick;
  request->budget = conn->config.budget;
  request->number = ++conn->number_last;
  request->on_finish = conn->config.on_finish;
  request->context = conn->config.context;
  /* Others may take from the arena while they work for the request. */
  tp_arena_init(&request->arena, conn->config.allocator, ARENA_CHUNK_SIZE);
  tp_buffer_init(&request->text, quick);
  tp_buffer_init(&request->fields, quick);
  tp_buffer_init(&request->body, quick);
  tp_buffer_init(&request->output, quick);
  (void)tp_buffer_reserve(&request->text, TEXT_SIZE); /* without memory, appending tells */
  (void)tp_buffer_reserve(&request->fields, FIELDS_SIZE);
  request->previous = conn->newest;
  *(conn->newest != NULL ? &conn->newest->next : &conn->oldest) = request;
  conn->newest = request;
  return request;
}

static void unlink_from_conn(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  tp_http_conn_add_event(request, EVENT_NONE);
  *(request->previous != NULL ? &request->previous->next : &conn->oldest) = request->next;
  *(request->next != NULL ? &request->next->previous : &conn->newest) = request->previous;
  conn->streams_buffered -= request->output.size - request->output_offset;
}

void tp_http_request_uncharge_conn(const tp_http_request *request) {
  request->conn->bodies_size -= request->body_charged;
  request->conn->bodies_free -= request->body_free;
  request->conn->heads_size -= request->head_charged;
}

void tp_http_request_release(tp_http_request *request) {
  if (request->conn != NULL) tp_http_request_uncharge_conn(request);
  tp_http_budget_discharge(request->budget, request->body_charged - request->body_free);
  request->body_charged = request->body_free = request->head_charged = 0;
  tp_buffer_done(&request->body);
  tp_buffer_done(&request->fields);
  tp_buffer_done(&request->text);
  tp_arena_done(&request->arena);
  tp_free(request->quick, request->arena_room);
  request->arena_room = NULL;
}

void tp_http_request_free(tp_http_request *request) {
  assert(request->state != STATE_HANDLING && request->state != STATE_STREAMING);
  tp_http_request_release(request);
  if (request->conn != NULL) unlink_from_conn(request);
  tp_buffer_done(&request->output);
  tp_free(request->quick, request);
}

static bool is_with_handler(tp_http_state state) {
  return state == STATE_HANDLING || state == STATE_STREAMING;
}

/* Both when a handler is done and when the codec refuses. */
static void tell_finish(const tp_http_request *request) {
  if (request->on_finish == NULL) return;
  const tp_http_outcome outcome = {.status = request->status,
                                   .is_complete = !request->is_cut,
                                   .request_size = request->body.size + request->discarded_size,
                                   .response_size = request->response_size};
  request->on_finish(request->context, request, &outcome);
}

void tp_http_conn_tell_refusal(const tp_http_conn *conn, const tp_http_request *request, int status) {
  if (conn->config.on_finish == NULL) return;
  const tp_http_outcome outcome = {
      .status = status, .is_complete = true, .request_size = request == NULL ? 0 : request->body.size};
  conn->config.on_finish(conn->config.context, request, &outcome);
}

void tp_http_request_enter(tp_http_request *request, tp_http_state state) {
  assert(state > request->state);
  if (request->conn != NULL) {
    request->conn->handling += is_with_handler(state);
    request->conn->handling -= is_with_handler(request->state);
  }
  request->state = state;
  if (!is_with_handler(state)) tp_http_request_uncount(request);
  if (state == STATE_FINISHED) tell_finish(request);
}

void tp_http_request_uncount(tp_http_request *request) {
  if (request->is_counted) tp_http_budget_return_request(request->budget);
  request->is_counted = false;
}

void tp_http_request_hand_over(tp_http_request *request) {
  const tp_http_conn_config *config = &request->conn->config;
  request->is_counted = tp_http_budget_take_request(request->budget);
  request->is_surplus =
      !request->is_counted && config->is_exempt != NULL && config->is_exempt(config->context, request);
  tp_http_request_enter(request, STATE_HANDLING);
  if (request->is_counted || request->is_surplus) {
    config->on_request(config->context, request);
  } else {
    tp_http_respond_text(request, 503, tp_http_refusal_text(503));
  }
}

void tp_http_request_drop(tp_http_request *request) {
  assert(!request->aborted);
  if (!is_with_handler(request->state)) {
    tp_http_request_free(request);
    return;
  }
  request->conn->streams_buffered -= request->output.size - request->output_offset;
  request->output_offset = 0;
  tp_buffer_done(&request->output);
  request->aborted = true;
  tp_http_conn_add_event(request, EVENT_ABORT);
}

void tp_http_request_complete(tp_http_request *request) {
  tp_http_request_enter(request, STATE_READY);
  tp_http_conn_add_event(request, EVENT_READY);
}

/* ---- Filling --------------------------------------------------------------------------------------------
 */

tuplet_bytes tp_http_request_view(const tp_http_request *request, tp_http_span span) {
  return (tuplet_bytes){request->text.data + span.offset, span.size};
}

bool tp_http_request_add_text(tp_http_request *request, tuplet_bytes bytes, tp_http_span *ret_span) {
  *ret_span = (tp_http_span){request->text.size, bytes.size};
  tp_buffer_append(&request->text, bytes.data, bytes.size);
  return !request->text.failed;
}

static size_t field_count(const tp_http_request *request) {
  return request->fields.size / sizeof(tp_http_field);
}

static const tp_http_field *field_at(const tp_http_request *request, size_t index) {
  return (const tp_http_field *)(const void *)request->fields.data + index;
}

static const tp_http_field *field_find(const tp_http_request *request, const char *name) {
  size_t size = strlen(name), count = field_count(request);
  for (size_t i = 0; i < count; i++) {
    const tp_http_field *field = field_at(request, i);
    if (field->name.size == size && memcmp(request->text.data + field->name.offset, name, size) == 0)
      return field;
  }
  return NULL;
}

/* Those that HTTP/2 forbids: with them a handler could tell the protocols apart. */
static bool concerns_connection(tuplet_bytes name) {
  switch (name.size) {
  case 7: return bytes_are(name, "upgrade");
  case 10: return bytes_are(name, "connection") || bytes_are(name, "keep-alive");
  case 14: return bytes_are(name, "http2-settings");
  case 16: return bytes_are(name, "proxy-connection");
  case 17: return bytes_are(name, "transfer-encoding");
  default: return false;
  }
}

bool tp_http_request_add_field(tp_http_request *request, tp_http_span name, tp_http_span value) {
  tuplet_bytes name_bytes = tp_http_request_view(request, name);
  /* HTTP/2 may cut a cookie into any number of fields (RFC 9113, section 8.2.3): joining them for nobody
   * would only cost memory. */
  if (concerns_connection(name_bytes) || bytes_are(name_bytes, "cookie")) return true;
  tp_http_field field = {name, value};
  tp_buffer_append(&request->fields, &field, sizeof field);
  return !request->fields.failed;
}

/* RFC 3986 knows fewer characters of paths and queries; but clients send them as they are. */
static bool target_is_valid(tuplet_bytes target, bool is_options) {
  const uint8_t *bytes = target.data;
  if (is_options && bytes_are(target, "*")) return true;
  for (size_t i = 0; i < target.size; i++) {
    if (bytes[i] <= ' ' || bytes[i] >= 0x7f || bytes[i] == '#') return false;
  }
  return target.size > 0 && bytes[0] == '/';
}

/* As RFC 3986, section 3.2.2 has it, and a port; a user's name before them is nobody's business here. */
static bool authority_is_valid(tuplet_bytes authority) {
  static const char marks[] = "-._~%!$&'()*+,;=:[]";
  const char *text = authority.data;
  for (size_t i = 0; i < authority.size; i++) {
    char c = text[i];
    bool is_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (!is_word && c != '.' && c != ':' && (c == '\0' || strchr(marks, c) == NULL)) return false;
  }
  return true;
}

/* There is one expectation that can be met. */
static bool expectations_are_met(const tp_http_request *request) {
  for (size_t i = 0; i < field_count(request); i++) {
    const tp_http_field *field = field_at(request, i);
    if (!bytes_are(tp_http_request_view(request, field->name), "expect")) continue;
    tuplet_bytes value = tp_http_request_view(request, field->value);
    if (value.size != 12 || strncasecmp(value.data, "100-continue", 12) != 0) return false;
  }
  return true;
}

/* Heads are small each; only many of them are worth refusing. */
static bool charge_head(tp_http_request *request) {
  tp_http_conn *conn = request->conn;
  request->head_charged = request->text.size + request->fields.size;
  conn->heads_size += request->head_charged;
  return !tp_http_budget_is_exceeded(request->budget) ||
         conn->heads_size <= conn->config.limits.held_size_free;
}

int tp_http_request_check_head(tp_http_request *request, bool has_length, uint64_t length) {
  request->has_head = true;
  request->is_seen = false; /* the body has a time of its own */
  tuplet_bytes method = tp_http_request_view(request, request->method);
  tuplet_bytes target = tp_http_request_view(request, request->target);
  request->is_head = bytes_are(method, "HEAD");
  if (bytes_are(method, "CONNECT")) return 501;
  if (!target_is_valid(target, bytes_are(method, "OPTIONS"))) return 400;
  if (has_length && length > request->conn->config.limits.body_size_max) return 413;
  if (!authority_is_valid(tp_http_request_authority(request))) return 400;
  if (!expectations_are_met(request)) return 417;
  return charge_head(request) ? 0 : 503;
}

bool tp_http_request_ask(tp_http_request *request) {
  const tp_http_conn_config *config = &request->conn->config;
  if (config->on_head == NULL) return false;
  request->is_at_head = true;
  config->on_head(config->context, request);
  request->is_at_head = false;
  request->is_discarding = request->state == STATE_FINISHED;
  return request->is_discarding;
}

bool tp_http_request_discard(tp_http_request *request, size_t size) {
  request->discarded_size += size;
  return request->discarded_size <= request->conn->config.limits.body_size_max;
}

static bool charge(tp_http_request *request, size_t size) {
  tp_http_conn *conn = request->conn;
  const tp_http_limits *limits = &conn->config.limits;
  if (size > limits->bodies_size_max - conn->bodies_size) return false;
  size_t left_free = limits->bodies_size_free - conn->bodies_free;
  size_t free = size < left_free ? size : left_free;
  size_t charged = size - free;
  if (!tp_http_budget_charge(request->budget, charged)) return false;
  conn->bodies_size += size;
  conn->bodies_free += free;
  request->body_charged += size;
  request->body_free += free;
  return true;
}

void tp_http_request_skip_body(tp_http_request *request) {
  assert(request->is_at_head);
  request->is_body_skipped = true;
}

bool tp_http_request_body_is_skipped(const tp_http_request *request) {
  return request->is_body_skipped;
}

bool tp_http_request_is_surplus(const tp_http_request *request) {
  return request->is_surplus;
}

int tp_http_request_add_body(tp_http_request *request, tuplet_bytes bytes) {
  if (request->is_body_skipped) return tp_http_request_discard(request, bytes.size) ? 0 : 413;
  if (bytes.size > request->conn->config.limits.body_size_max - request->body.size) return 413;
  if (!charge(request, bytes.size)) return 503;
  tp_buffer_append(&request->body, bytes.data, bytes.size);
  if (request->body.failed) {
    tp_http_conn_fail(request->conn);
    return 503;
  }
  return 0;
}

/* ---- Reading --------------------------------------------------------------------------------------------
 */

tuplet_bytes tp_http_request_method(const tp_http_request *request) {
  return tp_http_request_view(request, request->method);
}

tuplet_bytes tp_http_request_target(const tp_http_request *request) {
  return tp_http_request_view(request, request->target);
}

tuplet_bytes tp_http_request_authority(const tp_http_request *request) {
  if (!request->has_authority) return (tuplet_bytes){0};
  return tp_http_request_view(request, request->authority);
}

uint64_t tp_http_request_connection(const tp_http_request *request) {
  return request->conn == NULL ? 0 : request->conn->config.number;
}

tuplet_bytes tp_http_request_peer(const tp_http_request *request) {
  const char *peer = request->conn == NULL ? NULL : request->conn->config.peer;
  return peer == NULL ? (tuplet_bytes){0} : (tuplet_bytes){peer, strlen(peer)};
}

bool tp_http_request_is_secure(const tp_http_request *request) {
  return request->conn != NULL && request->conn->config.is_secure;
}

uint32_t *tp_http_request_tally(const tp_http_request *request) {
  return request->conn == NULL ? NULL : &request->conn->tally;
}

void *tp_http_request_memo(const tp_http_request *request) {
  return request->conn == NULL ? NULL : request->conn->memo;
}

const char *tp_http_request_protocol(const tp_http_request *request) {
  if (request->conn == NULL) return "";
  if (request->conn->codec == &tp_http2_codec) return "HTTP/2";
  return request->is_http10 ? "HTTP/1.0" : "HTTP/1.1";
}

void tp_http_request_set_user(tp_http_request *request, void *user) {
  request->user = user;
}

void *tp_http_request_user(const tp_http_request *request) {
  return request->user;
}

void tp_http_request_set_response_header(tp_http_request *request, tp_http_header header) {
  request->response_header = header;
}

tuplet_bytes tp_http_request_header(const tp_http_request *request, const char *name) {
  const tp_http_field *field = field_find(request, name);
  return field == NULL ? (tuplet_bytes){0} : tp_http_request_view(request, field->value);
}

tuplet_bytes tp_http_request_body(const tp_http_request *request) {
  return tp_buffer_view(&request->body);
}

/* Its room is there from the first use on: many requests may be coming in, few are worked on. */
tp_arena *tp_http_request_arena(tp_http_request *request) {
  if (request->arena_room == NULL && request->arena.newest == NULL) {
    request->arena_room = tp_alloc(request->quick, ARENA_CHUNK_SIZE);
    if (request->arena_room != NULL) tp_arena_lend(&request->arena, request->arena_room, ARENA_CHUNK_SIZE);
  }
  return &request->arena;
}

void tp_http_request_set_events(tp_http_request *request, const tp_http_request_events *events) {
  request->events = *events;
}
