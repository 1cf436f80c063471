/* refusal.c: answers to those who cannot say who they are. */
#include "server/access/refusal.h"

#include "server/access/throttle.h"
#include "server/protocol/answer.h"

#include <stdio.h>
#include <string.h>

/* An answer that waits. Lives in the request's arena. */
struct tp_held_refusal {
  tp_worker *worker;
  tp_http_request *request;
  tp_timer *timer;
  const char *sentence;
  tuplet_bytes peer;                /* a copy: the connection may go */
  tp_held_refusal *previous, *next; /* in worker->held */
};

/* Lets go of everything but the request, which the caller finishes. */
static tp_http_request *unhold(tp_held_refusal *held) {
  tp_worker *worker = held->worker;
  *(held->previous != NULL ? &held->previous->next : &worker->held) = held->next;
  if (held->next != NULL) held->next->previous = held->previous;
  tp_timer_free(held->timer);
  tp_throttle_release(worker->service->throttle, held->peer);
  return held->request;
}

static void answer_held(tp_held_refusal *held) {
  const char *sentence = held->sentence;
  tp_answer_unauthorized(unhold(held), sentence);
}

static void on_timer(void *context) {
  answer_held(context);
}

static void on_abort(void *context, tp_http_request *request) {
  (void)request;
  tp_http_respond_abort(unhold(context));
}

/* False when there is no memory for it. */
static bool hold(tp_worker *worker, tp_http_request *request, uint32_t delay_ms, const char *sentence) {
  tp_arena *arena = tp_http_request_arena(request);
  tp_held_refusal *held = tp_arena_alloc(arena, sizeof *held);
  if (held == NULL) return false;
  *held = (tp_held_refusal){.worker = worker,
                            .request = request,
                            .sentence = sentence,
                            .peer = tp_arena_copy(arena, tp_http_request_peer(request)),
                            .next = worker->held};
  if (held->peer.data == NULL || tp_timer_new(worker->loop, on_timer, held, &held->timer, NULL) != TUPLET_OK)
    return false;
  if (held->next != NULL) held->next->previous = held;
  worker->held = held;
  const tp_http_request_events events = {.context = held, .on_abort = on_abort};
  tp_http_request_set_events(request, &events);
  tp_timer_start(held->timer, delay_ms, 0);
  return true;
}

static void log_failure(const tp_worker *worker, tuplet_bytes peer, const char *sentence,
                        const tp_throttle_sentence *judged) {
  static const char *const consequences[] = {[TP_THROTTLE_NOW] = "",
                                             [TP_THROTTLE_HOLD] = ", answers are delayed",
                                             [TP_THROTTLE_REFUSE] = ", refused"};
  char what[192], times[64] = "";
  if (judged->failures > 0)
    (void)snprintf(times, sizeof times, " (%u in about a minute%s)", (unsigned)judged->failures,
                   consequences[judged->verdict]);
  (void)snprintf(what, sizeof what, "authentication failed from %.*s%s", peer.size > 0 ? (int)peer.size : 9,
                 peer.size > 0 ? (const char *)peer.data : "somewhere", times);
  tp_answer_log(worker, TP_SERVICE_LOG_AUTHENTICATION, what, sentence);
}

static void count_failure(tp_worker *worker, tp_throttle_verdict verdict) {
  static const tp_auth_failure outcomes[] = {[TP_THROTTLE_NOW] = TP_AUTH_FAILURE_REFUSED,
                                             [TP_THROTTLE_HOLD] = TP_AUTH_FAILURE_DELAYED,
                                             [TP_THROTTLE_REFUSE] = TP_AUTH_FAILURE_THROTTLED};
  tp_metrics_add(&worker->metrics.auth_failures[outcomes[verdict]], 1);
}

void tp_refusal_send(tp_worker *worker, tp_http_request *request, tp_refusal_stage stage,
                     const char *sentence) {
  tp_throttle *throttle = worker->service->throttle;
  tuplet_bytes peer = tp_http_request_peer(request);
  int64_t now_ms = tp_clock_monotonic_ns(&worker->service->clock) / 1000000;
  bool may_hold = stage == TP_REFUSAL_COMPLETE && !worker->stopping;
  if (stage == TP_REFUSAL_AT_HEAD && tp_throttle_would_hold(throttle, peer, now_ms)) {
    tp_http_request_skip_body(request);
    return;
  }
  tp_throttle_sentence judged = tp_throttle_fail(throttle, peer, now_ms);
  log_failure(worker, peer, sentence, &judged);
  count_failure(worker, judged.verdict);
  if (judged.verdict == TP_THROTTLE_REFUSE) {
    tp_answer_too_many(request, judged.delay_ms,
                       "There were too many failed authentications from this address.");
    return;
  }
  if (judged.verdict == TP_THROTTLE_HOLD) {
    if (may_hold && hold(worker, request, judged.delay_ms, sentence)) return;
    tp_throttle_release(throttle, peer);
  }
  tp_answer_unauthorized(request, sentence);
}

bool tp_refusal_was_mistaken(tp_http_request *request) {
  if (!tp_http_request_body_is_skipped(request)) return false;
  tp_http_respond_text(request, 503, "The server's tokens have just changed; try again.");
  return true;
}

void tp_refusals_stop(tp_worker *worker) {
  worker->stopping = true;
  while (worker->held != NULL) answer_held(worker->held);
}
