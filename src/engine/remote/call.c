/* call.c: reads, writes and ends of messages, from submission to completion.
 *
 *   submitted ──► pending ──► in flight ──► completed
 *                   ▲            │ not carried out, or harmless to repeat
 *                   └─ backing off ◄─┘
 *
 * A write whose outcome is not known is sent again only if that cannot apply it twice: when it checks the
 * version of an entry that it changes itself. Versionstamps never come back, so after it was carried out its
 * own check fails. */
#include "engine/remote/private.h"

#include "base/alloc.h"
#include "base/status.h"
#include "wire/client.h"

#include <stddef.h>
#include <string.h>

enum {
  READ_ATTEMPT_MS_MAX = 10000,
  IN_FLIGHT_MAX_1 = 32, /* over HTTP/1.1 each takes a connection */
  IN_FLIGHT_MAX_2 = 256,
  UNAUTHORIZED_MAX = 3, /* in a row: a session may end while a request is on its way */
  WRITE_ANSWER_SIZE_MAX = 64 * 1024,
  ARENA_CHUNK_SIZE = 16 * 1024
};

#define MS ((int64_t)1000000)

typedef enum call_kind { CALL_READ, CALL_WRITE, CALL_FINISH } call_kind;

struct tp_remote_call {
  tp_remote_item item; /* first, so that the one is found from the other */
  tp_remote *remote;
  call_kind kind;
  tp_read *read;
  tp_write *write;
  void (*on_finished)(void *context, tuplet_status status, const tuplet_error *error);
  void *finish_context;

  tp_buffer body;
  tp_buffer url;
  tp_remote_transfer transfer;
  tp_remote_timer timer; /* pending: the deadline; backing off: the next attempt */
  int64_t deadline_ns;
  tp_remote_endpoint *endpoint; /* of the session of that number */
  uint64_t session_number;
  uint32_t failures;
  uint32_t unauthorized;
  bool is_pending;
  bool may_be_done;     /* an attempt was sent whose answer did not come */
  tuplet_error problem; /* of the last attempt */
  tp_remote_call *previous, *next;
  tp_remote_call *pending_previous, *pending_next;
};

static tp_remote_call *call_of_transfer(tp_remote_transfer *transfer) {
  return (tp_remote_call *)(void *)((char *)transfer - offsetof(tp_remote_call, transfer));
}

static tp_remote_call *call_of_timer(tp_remote_timer *timer) {
  return (tp_remote_call *)(void *)((char *)timer - offsetof(tp_remote_call, timer));
}

static bool is_eventual(const tp_remote_call *call) {
  return call->kind == CALL_READ && call->read->eventual;
}

/* ---- The lists ---- */

static void link_call(tp_remote_call *call) {
  tp_remote *remote = call->remote;
  call->next = remote->calls;
  if (call->next != NULL) call->next->previous = call;
  remote->calls = call;
}

static void unlink_call(tp_remote_call *call) {
  *(call->previous != NULL ? &call->previous->next : &call->remote->calls) = call->next;
  if (call->next != NULL) call->next->previous = call->previous;
}

static void append_pending(tp_remote_call *call) {
  tp_remote *remote = call->remote;
  call->pending_previous = remote->last_pending;
  call->pending_next = NULL;
  *(call->pending_previous != NULL ? &call->pending_previous->pending_next : &remote->first_pending) = call;
  remote->last_pending = call;
  call->is_pending = true;
  tp_remote_timer_set(&remote->loop, &call->timer, call->deadline_ns);
}

static void remove_pending(tp_remote_call *call) {
  tp_remote *remote = call->remote;
  *(call->pending_previous != NULL ? &call->pending_previous->pending_next : &remote->first_pending) =
      call->pending_next;
  *(call->pending_next != NULL ? &call->pending_next->pending_previous : &remote->last_pending) =
      call->pending_previous;
  call->is_pending = false;
  tp_remote_timer_clear(&remote->loop, &call->timer);
}

/* ---- The end ---- */

static void free_call(tp_remote_call *call) {
  tp_remote_transfer_done(&call->transfer);
  tp_buffer_done(&call->body);
  tp_buffer_done(&call->url);
  tp_free(call->remote->allocator, call);
}

static void tell(call_kind kind, tp_read *read, tp_write *write, const tp_remote_call *finish,
                 tuplet_status status, const tuplet_error *error) {
  switch (kind) {
  case CALL_READ: read->on_done(read, status, error); break;
  case CALL_WRITE:
    write->status = status;
    if (status < 0) write->error = *error;
    write->on_done(write);
    break;
  case CALL_FINISH: finish->on_finished(finish->finish_context, status, error); break;
  }
}

/* The call is gone afterwards. `error` is not part of it. */
static void complete(tp_remote_call *call, tuplet_status status, const tuplet_error *error) {
  tp_remote *remote = call->remote;
  tuplet_error in_doubt;
  if (call->kind == CALL_WRITE && call->may_be_done && status != TUPLET_OK && status != TUPLET_UNKNOWN) {
    const char *why = status < 0 ? error->message : tuplet_status_text(status);
    status = tp_fail(&in_doubt, TUPLET_UNKNOWN,
                     "an attempt was sent and its answer lost, so it may have been committed; "
                     "the last attempt: %.300s",
                     why);
    error = &in_doubt;
  }
  if (call->is_pending) remove_pending(call);
  tp_remote_timer_clear(&remote->loop, &call->timer);
  unlink_call(call);
  tp_remote_call kept = *call; /* whom to tell */
  free_call(call);
  tell(kept.kind, kept.read, kept.write, &kept, status, error);
  if (remote->calls == NULL) tp_remote_calls_ended(remote);
}

static void complete_with_problem(tp_remote_call *call) {
  tuplet_error problem = call->problem;
  complete(call, problem.status, &problem);
}

static void complete_closed(tp_remote_call *call) {
  tuplet_error error;
  const char *why = call->problem.status < 0 ? call->problem.message : "the server has not answered yet";
  tuplet_status status =
      tp_fail(&error, TUPLET_CLOSED, "the database is closed before this was carried out: %.300s", why);
  complete(call, status, &error);
}

/* ---- What an answer says ---- */

static tuplet_status give_rows(tp_remote_call *call, tp_arena *arena, bool *ret_is_strong,
                               tuplet_error *error) {
  tp_read *read = call->read;
  const tp_range_rows *ranges;
  tuplet_status status =
      tp_snapshot_read_output_decode(tp_buffer_view(&call->transfer.answer), arena, read->ranges,
                                     read->range_count, &ranges, ret_is_strong, error);
  if (status != TUPLET_OK || (!*ret_is_strong && !read->eventual)) return status;
  for (size_t i = 0; i < read->range_count; i++) {
    for (size_t j = 0; j < ranges[i].row_count && status == TUPLET_OK; j++)
      status = read->on_row(read, i, &ranges[i].rows[j], error);
  }
  return status;
}

static void start_pending(tp_remote *remote);
static void retry_later(tp_remote_call *call, int64_t retry_after_ms);

static void take_answer_of_read(tp_remote_call *call) {
  tuplet_error error = {0};
  bool is_strong = true;
  tp_arena arena;
  tp_arena_init(&arena, call->remote->allocator, ARENA_CHUNK_SIZE);
  tuplet_status status = give_rows(call, &arena, &is_strong, &error);
  tp_arena_done(&arena);
  if (status == TUPLET_OK && !is_strong && !call->read->eventual) {
    /* The endpoint has lost what the exchange promised: another exchange may tell a better one. */
    tp_remote_session_refused(call->remote, call->session_number);
    tp_error_set(&call->problem, TUPLET_IO, "%s: the server does not vouch for the newest state",
                 call->remote->url);
    retry_later(call, -1);
  } else if (status == TUPLET_BUSY) {
    call->problem = error;
    retry_later(call, -1);
  } else {
    complete(call, status, &error);
  }
}

static void take_answer_of_write(tp_remote_call *call) {
  tuplet_error error = {0};
  tp_arena arena;
  tp_arena_init(&arena, call->remote->allocator, ARENA_CHUNK_SIZE);
  tuplet_status status =
      tp_atomic_write_output_decode(tp_buffer_view(&call->transfer.answer), &arena, call->write, &error);
  tp_arena_done(&arena);
  if (status == TUPLET_MALFORMED || status == TUPLET_NOMEM) {
    tuplet_error cause = error;
    status = tp_fail(&error, TUPLET_UNKNOWN, "it may have been committed: %.400s", cause.message);
  }
  complete(call, status, &error);
}

static void take_answer(tp_remote_call *call) {
  switch (call->kind) {
  case CALL_READ: take_answer_of_read(call); break;
  case CALL_WRITE: take_answer_of_write(call); break;
  case CALL_FINISH: complete(call, TUPLET_OK, &(tuplet_error){0}); break;
  }
}

/* ---- Trying again ---- */

/* See the top of the file. */
static bool is_guarded(const tp_write *write) {
  for (size_t i = 0; i < write->check_count; i++) {
    const tp_check *check = &write->checks[i];
    if (check->must_be_absent) continue; /* it may have been made and deleted meanwhile */
    for (size_t j = 0; j < write->mutation_count; j++) {
      const tp_mutation *mutation = &write->mutations[j];
      if (mutation->type != TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY &&
          mutation->key.size == check->key.size &&
          memcmp(mutation->key.data, check->key.data, check->key.size) == 0)
        return true;
    }
  }
  return false;
}

/* problem says why. */
static void retry_later(tp_remote_call *call, int64_t retry_after_ms) {
  tp_remote *remote = call->remote;
  call->failures++;
  if (remote->is_closing) {
    complete_closed(call);
    return;
  }
  int64_t due_ns = tp_remote_now_ns(remote) + tp_remote_backoff_ns(remote, call->failures, retry_after_ms);
  if (due_ns >= call->deadline_ns)
    complete_with_problem(call);
  else
    tp_remote_timer_set(&remote->loop, &call->timer, due_ns);
}

static void fetch_session_and_retry(tp_remote_call *call) {
  tp_remote_session_refused(call->remote, call->session_number);
  if (++call->unauthorized > UNAUTHORIZED_MAX)
    complete_with_problem(call);
  else
    append_pending(call);
}

static void take_doubt(tp_remote_call *call) {
  if (call->kind == CALL_WRITE && !is_guarded(call->write)) {
    tuplet_error error;
    tuplet_status status = tp_fail(&error, TUPLET_UNKNOWN, "it was sent and may have been committed: %.400s",
                                   call->problem.message);
    complete(call, status, &error);
    return;
  }
  call->may_be_done = true;
  if (call->transfer.answer_is_too_large || call->problem.status == TUPLET_NOMEM)
    complete_with_problem(call);
  else
    retry_later(call, call->transfer.retry_after_ms);
}

static void note_endpoint(const tp_remote_call *call, tp_remote_verdict verdict) {
  tp_remote *remote = call->remote;
  if (call->session_number != remote->session_number) return; /* the endpoint is gone with its session */
  int64_t now_ns = tp_remote_now_ns(remote);
  if (call->transfer.http_status == 0 || verdict == TP_REMOTE_IN_DOUBT)
    tp_remote_endpoint_failed(call->endpoint, now_ns);
  else if (call->kind == CALL_READ && verdict == TP_REMOTE_ANSWERED)
    tp_remote_endpoint_measured(call->endpoint, call->transfer.latency_us, now_ns);
}

static void on_end(tp_remote_transfer *transfer) {
  tp_remote_call *call = call_of_transfer(transfer);
  tp_remote *remote = call->remote;
  remote->in_flight--;
  if (transfer->http_status != 0) remote->speaks_http2 = transfer->is_http2;
  tp_remote_verdict verdict = tp_remote_judge(transfer, remote->url, &call->problem);
  note_endpoint(call, verdict);
  if (call->kind == CALL_FINISH && transfer->http_status == 404) {
    complete(call, TUPLET_NOT_FOUND, &(tuplet_error){0});
  } else {
    switch (verdict) {
    case TP_REMOTE_ANSWERED: take_answer(call); break;
    case TP_REMOTE_REFUSED: complete_with_problem(call); break;
    case TP_REMOTE_UNAUTHORIZED: fetch_session_and_retry(call); break;
    case TP_REMOTE_LATER: retry_later(call, transfer->retry_after_ms); break;
    case TP_REMOTE_IN_DOUBT: take_doubt(call); break;
    }
  }
  start_pending(remote);
}

/* ---- Sending ---- */

static const char *path_of(call_kind kind) {
  switch (kind) {
  case CALL_READ: return "/snapshot_read";
  case CALL_WRITE: return "/atomic_write";
  default: return "/queue_finish";
  }
}

static void start(tp_remote_call *call) {
  tp_remote *remote = call->remote;
  tuplet_error error = {0};
  int64_t now_ns = tp_remote_now_ns(remote);
  tp_remote_request request;
  call->endpoint = tp_remote_session_choose(remote->session, is_eventual(call), now_ns);
  call->session_number = remote->session_number;
  tuplet_status status = TUPLET_OK;
  if (!tp_remote_request_init(remote, call->endpoint, path_of(call->kind), &call->url, &request))
    status = tp_fail_nomem(&error);
  if (status == TUPLET_OK) {
    request.body = call->body.data;
    request.body_size = call->body.size;
    request.timeout_ms = (call->deadline_ns - now_ns) / MS;
    if (call->kind != CALL_WRITE && request.timeout_ms > READ_ATTEMPT_MS_MAX)
      request.timeout_ms = READ_ATTEMPT_MS_MAX;
    if (request.timeout_ms < 1) request.timeout_ms = 1; /* 0 would be none */
    request.is_repeatable = call->kind == CALL_READ;
    request.answer_size_max =
        call->kind == CALL_READ
            ? tp_snapshot_read_output_size_max(call->read->ranges, call->read->range_count)
            : WRITE_ANSWER_SIZE_MAX;
    status = tp_remote_transfer_start(&call->transfer, &remote->client, &request, &error);
  }
  if (status == TUPLET_OK)
    remote->in_flight++;
  else
    complete(call, status, &error);
}

static void start_pending(tp_remote *remote) {
  size_t in_flight_max = remote->speaks_http2 ? IN_FLIGHT_MAX_2 : IN_FLIGHT_MAX_1;
  while (remote->first_pending != NULL && remote->in_flight < in_flight_max) {
    if (!tp_remote_has_session(remote)) {
      tp_remote_want_session(remote, &remote->pending_waiting);
      return;
    }
    tp_remote_call *call = remote->first_pending;
    remove_pending(call);
    start(call);
  }
}

static void on_session(tp_remote_waiting *waiting, tuplet_status status, const tuplet_error *error) {
  tp_remote *remote = (tp_remote *)(void *)((char *)waiting - offsetof(tp_remote, pending_waiting));
  if (status == TUPLET_OK) {
    start_pending(remote);
    return;
  }
  while (remote->first_pending != NULL) complete(remote->first_pending, status, error);
}

/* Why it has not been sent: what is wrong with the exchange, or else with its own last attempt. */
static void complete_late(tp_remote_call *call) {
  tuplet_error error =
      call->remote->exchange.problem.status < 0 ? call->remote->exchange.problem : call->problem;
  if (error.status >= 0)
    tp_error_set(&error, TUPLET_BUSY, "%s: it could not be sent in time", call->remote->url);
  complete(call, error.status, &error);
}

static void on_timer(tp_remote_timer *timer) {
  tp_remote_call *call = call_of_timer(timer);
  tp_remote *remote = call->remote;
  if (call->is_pending) {
    complete_late(call);
    return;
  }
  append_pending(call);
  start_pending(remote);
}

static void begin(tp_remote_item *item) {
  tp_remote_call *call = (tp_remote_call *)(void *)item;
  tp_remote *remote = call->remote;
  link_call(call);
  if (remote->is_over) {
    complete_closed(call);
    return;
  }
  append_pending(call);
  start_pending(remote);
}

/* ---- Submitting; any thread ---- */

static tp_remote_call *new_call(tp_remote *remote, call_kind kind) {
  tp_remote_call *call = tp_alloc_array_zeroed(remote->allocator, 1, sizeof *call);
  if (call == NULL) return NULL;
  call->item.run = begin;
  call->remote = remote;
  call->kind = kind;
  call->transfer.on_end = on_end;
  call->timer.on_due = on_timer;
  call->deadline_ns = tp_remote_now_ns(remote) + remote->timeout_ms * MS;
  tp_buffer_init(&call->body, remote->allocator);
  tp_buffer_init(&call->url, remote->allocator);
  tp_buffer_init(&call->transfer.answer, remote->allocator);
  return call;
}

/* False: out of memory, and the call is gone. */
static bool submit(tp_remote_call *call) {
  if (call->body.failed) {
    free_call(call);
    return false;
  }
  tp_remote_loop_post(&call->remote->loop, &call->item);
  return true;
}

void tp_remote_submit_read(tp_engine *base, tp_reader *reader, tp_read *read) {
  (void)reader;
  tp_remote_call *call = new_call((tp_remote *)base, CALL_READ);
  if (call != NULL) {
    call->read = read;
    tp_snapshot_read_encode(&call->body, read->ranges, read->range_count);
  }
  tuplet_error error;
  if (call == NULL || !submit(call)) read->on_done(read, tp_fail_nomem(&error), &error);
}

void tp_remote_submit_write(tp_engine *base, tp_write *write) {
  write->status = tp_atomic_write_is_sayable(write, &write->error);
  tp_remote_call *call = NULL;
  if (write->status == TUPLET_OK) {
    call = new_call((tp_remote *)base, CALL_WRITE);
    if (call != NULL) {
      call->write = write;
      tp_atomic_write_encode(&call->body, write);
      if (submit(call)) return;
    }
    write->status = tp_fail_nomem(&write->error);
  }
  write->on_done(write);
}

void tp_remote_submit_finish(tp_remote *remote, tuplet_bytes id, uint32_t attempt, bool success,
                             void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                             void *context) {
  tp_remote_call *call = new_call(remote, CALL_FINISH);
  if (call != NULL) {
    call->on_finished = on_done;
    call->finish_context = context;
    tp_queue_finish_encode(&call->body, id, attempt, success);
  }
  tuplet_error error;
  if (call == NULL || !submit(call)) on_done(context, tp_fail_nomem(&error), &error);
}

/* ---- Closing ---- */

void tp_remote_calls_init(tp_remote *remote) {
  remote->pending_waiting.on_session = on_session;
}

void tp_remote_calls_hurry(tp_remote *remote) {
  for (tp_remote_call *call = remote->calls, *next; call != NULL; call = next) {
    next = call->next; /* completions only post */
    if (!call->is_pending && !tp_remote_transfer_is_running(&call->transfer)) complete_closed(call);
  }
}

void tp_remote_calls_abort(tp_remote *remote) {
  tp_remote_unwant_session(remote, &remote->pending_waiting);
  while (remote->calls != NULL) {
    tp_remote_call *call = remote->calls;
    if (tp_remote_transfer_is_running(&call->transfer)) {
      tp_remote_transfer_cancel(&call->transfer);
      remote->in_flight--;
      if (call->transfer.was_sent) call->may_be_done = true;
    }
    complete_closed(call);
  }
}
