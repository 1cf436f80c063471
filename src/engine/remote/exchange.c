/* exchange.c: getting sessions, and another before one ends.
 *
 * Nothing runs by the clock: a session is fetched when somebody needs one, beside the work while the old one
 * still holds. So an idle engine sends nothing. */
#include "engine/remote/private.h"

#include "base/random.h"
#include "base/status.h"

#include <stddef.h>
#include <string.h>

enum {
  ATTEMPT_TIMEOUT_MS = 10000,
  BACKOFF_MS_MIN = 100,
  BACKOFF_MS_MAX = 5000,
  REFUSED_AGAIN_MS = 1000, /* a refusal holds that long: a server slows down who keeps failing */
  REFRESH_BEFORE_MS_MAX = 5 * 60 * 1000,
  LIFETIME_MS_MIN = 500, /* whatever the clocks say: else each request would cost an exchange */
  LIFETIME_MS_MAX = 24 * 60 * 60 * 1000
};

#define MS ((int64_t)1000000)

/* xorshift64*: for spreading out, not for secrets. */
static uint64_t next_random(tp_remote *remote) {
  uint64_t x = remote->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  remote->random = x;
  return x * UINT64_C(2685821657736338717);
}

int64_t tp_remote_backoff_ns(tp_remote *remote, uint32_t failures, int64_t retry_after_ms) {
  int64_t base_ms = BACKOFF_MS_MIN;
  for (uint32_t i = 1; i < failures && base_ms < BACKOFF_MS_MAX; i++) base_ms *= 2;
  if (base_ms > BACKOFF_MS_MAX) base_ms = BACKOFF_MS_MAX;
  int64_t half_ns = base_ms * MS / 2;
  int64_t wait_ns = half_ns + (int64_t)(next_random(remote) % (uint64_t)half_ns);
  int64_t asked_ns = retry_after_ms * MS;
  return asked_ns > wait_ns ? asked_ns + (int64_t)(next_random(remote) % (uint64_t)half_ns) : wait_ns;
}

/* ---- Those who wait ---- */

static void unlist(tp_remote *remote, tp_remote_waiting *waiting) {
  *(waiting->previous != NULL ? &waiting->previous->next : &remote->first_waiting) = waiting->next;
  *(waiting->next != NULL ? &waiting->next->previous : &remote->last_waiting) = waiting->previous;
  waiting->previous = waiting->next = NULL;
  waiting->is_listed = false;
}

/* Those who are there now; whoever asks again is told the next time. */
static void tell_all(tp_remote *remote, tuplet_status status, const tuplet_error *error) {
  tp_remote_waiting *last = remote->last_waiting;
  while (remote->first_waiting != NULL) {
    tp_remote_waiting *waiting = remote->first_waiting;
    bool is_last = waiting == last;
    unlist(remote, waiting);
    waiting->on_session(waiting, status, error);
    if (is_last) break;
  }
}

/* ---- One exchange ---- */

static void take_session(tp_remote *remote, tp_remote_session *session) {
  int64_t lifetime_ms = session->lifetime_ms;
  if (lifetime_ms < LIFETIME_MS_MIN) lifetime_ms = LIFETIME_MS_MIN;
  if (lifetime_ms > LIFETIME_MS_MAX) lifetime_ms = LIFETIME_MS_MAX;
  int64_t before_ms = lifetime_ms / 4 < REFRESH_BEFORE_MS_MAX ? lifetime_ms / 4 : REFRESH_BEFORE_MS_MAX;
  int64_t now_ns = tp_remote_now_ns(remote);
  session->has_queue = remote->exchange.transfer.has_queue;
  session->has_watch_range = remote->exchange.transfer.has_watch_range;
  if (remote->session != NULL) tp_remote_session_inherit(session, remote->session);
  tp_remote_session_free(remote->session);
  remote->session = session;
  remote->session_number++;
  remote->session_is_stale = false;
  remote->session_end_ns = now_ns + lifetime_ms * MS;
  remote->session_refresh_ns = remote->session_end_ns - before_ms * MS;
}

static void on_failure(tp_remote *remote, tp_remote_verdict verdict, int64_t retry_after_ms) {
  tp_remote_exchange *exchange = &remote->exchange;
  int64_t now_ns = tp_remote_now_ns(remote);
  tuplet_error problem = exchange->problem;
  exchange->failures++;
  bool is_nomem = problem.status == TUPLET_NOMEM;
  if (verdict == TP_REMOTE_REFUSED || verdict == TP_REMOTE_UNAUTHORIZED || is_nomem) {
    if (!is_nomem) exchange->refused_until_ns = now_ns + REFUSED_AGAIN_MS * MS;
    tell_all(remote, problem.status, &problem);
    return;
  }
  tp_remote_timer_set(&remote->loop, &exchange->retry,
                      now_ns + tp_remote_backoff_ns(remote, exchange->failures, retry_after_ms));
}

static void on_end(tp_remote_transfer *transfer) {
  tp_remote *remote = (tp_remote *)(void *)((char *)transfer - offsetof(tp_remote, exchange.transfer));
  tp_remote_exchange *exchange = &remote->exchange;
  tuplet_error *problem = &exchange->problem;
  tp_remote_session *session = NULL;
  remote->speaks_http2 = transfer->is_http2;
  tp_remote_verdict verdict = tp_remote_judge(transfer, remote->url, problem);
  if (verdict == TP_REMOTE_ANSWERED) {
    tuplet_status status =
        tp_remote_session_parse(tp_buffer_view(&transfer->answer), transfer->url,
                                tp_clock_unix_ms(&remote->clock), remote->allocator, &session, problem);
    if (status != TUPLET_OK) verdict = TP_REMOTE_REFUSED;
  }
  tp_buffer_done(&transfer->answer);
  if (verdict != TP_REMOTE_ANSWERED) {
    on_failure(remote, verdict, transfer->retry_after_ms);
    return;
  }
  take_session(remote, session);
  exchange->failures = 0;
  *problem = (tuplet_error){0};
  tell_all(remote, TUPLET_OK, problem);
}

static void start_exchange(tp_remote *remote) {
  tp_remote_exchange *exchange = &remote->exchange;
  if (tp_remote_transfer_is_running(&exchange->transfer) || exchange->retry.is_set) return;
  static const char body[] = TP_REMOTE_EXCHANGE_BODY;
  const tp_remote_request request = {.url = remote->url,
                                     .headers = {remote->authorization, "Content-Type: application/json"},
                                     .body = (const uint8_t *)body,
                                     .body_size = sizeof body - 1,
                                     .timeout_ms = ATTEMPT_TIMEOUT_MS,
                                     .answer_size_max = TP_REMOTE_METADATA_SIZE_MAX,
                                     .is_repeatable = true,
                                     .follows_redirects = true};
  tuplet_status status =
      tp_remote_transfer_start(&exchange->transfer, &remote->client, &request, &exchange->problem);
  if (status != TUPLET_OK) on_failure(remote, TP_REMOTE_REFUSED, -1);
}

static bool is_usable(const tp_remote *remote, int64_t now_ns) {
  return remote->session != NULL && !remote->session_is_stale && now_ns < remote->session_end_ns;
}

static void on_retry(tp_remote_timer *timer) {
  tp_remote *remote = (tp_remote *)(void *)((char *)timer - offsetof(tp_remote, exchange.retry));
  if (remote->first_waiting != NULL) start_exchange(remote);
}

/* ---- From the other files ---- */

bool tp_remote_has_session(tp_remote *remote) {
  int64_t now_ns = tp_remote_now_ns(remote);
  bool usable = is_usable(remote, now_ns);
  if (usable && now_ns >= remote->session_refresh_ns && now_ns >= remote->exchange.refused_until_ns)
    start_exchange(remote);
  return usable;
}

void tp_remote_want_session(tp_remote *remote, tp_remote_waiting *waiting) {
  if (waiting->is_listed) return;
  tp_remote_exchange *exchange = &remote->exchange;
  if (tp_remote_now_ns(remote) < exchange->refused_until_ns && exchange->problem.status < 0) {
    tuplet_error problem = exchange->problem;
    waiting->on_session(waiting, problem.status, &problem);
    return;
  }
  waiting->previous = remote->last_waiting;
  waiting->next = NULL;
  *(waiting->previous != NULL ? &waiting->previous->next : &remote->first_waiting) = waiting;
  remote->last_waiting = waiting;
  waiting->is_listed = true;
  start_exchange(remote);
}

void tp_remote_unwant_session(tp_remote *remote, tp_remote_waiting *waiting) {
  if (waiting->is_listed) unlist(remote, waiting);
}

void tp_remote_session_refused(tp_remote *remote, uint64_t number) {
  if (number == remote->session_number) remote->session_is_stale = true;
}

void tp_remote_exchange_init(tp_remote *remote) {
  remote->exchange.transfer.on_end = on_end;
  remote->exchange.retry.on_due = on_retry;
  (void)tp_random_fill(&remote->random, sizeof remote->random, NULL);
  remote->random |= 1; /* never zero, also without any */
}

void tp_remote_exchange_stop(tp_remote *remote) {
  tp_remote_transfer_cancel(&remote->exchange.transfer);
  tp_remote_transfer_done(&remote->exchange.transfer);
  tp_remote_timer_clear(&remote->loop, &remote->exchange.retry);
}

bool tp_remote_request_init(const tp_remote *remote, const tp_remote_endpoint *endpoint, const char *path,
                            tp_buffer *url, tp_remote_request *ret_request) {
  const tp_remote_session *session = remote->session;
  tp_buffer_clear(url);
  tp_buffer_append_text(url, endpoint->url);
  tp_buffer_append_text(url, path);
  tp_buffer_append_byte(url, '\0');
  if (url->failed) return false;
  *ret_request =
      (tp_remote_request){.url = (const char *)url->data,
                          .headers = {session->authorization, session->version_header,
                                      session->database_header, "Content-Type: application/x-protobuf"}};
  return true;
}
