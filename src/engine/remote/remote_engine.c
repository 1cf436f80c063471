/* remote_engine.c: a remote engine behind the seam: its beginning and its end. */
#include "engine/remote/remote_engine.h"

#include "base/alloc.h"
#include "base/status.h"
#include "engine/remote/private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
  OPEN_TIMEOUT_MS_MAX = 10000, /* whoever mistyped an address does not want to wait for ever */
  CLOSING_MS_MAX = 3000,
  TOKEN_SIZE_MAX = 8192
};

#define MS ((int64_t)1000000)

/* ---- What a server does by itself ---- */

static void set_observer(tp_engine *base, tp_engine_observer observer) {
  (void)base;
  (void)observer; /* nothing is heard of commits: watches have their streams */
}

static tuplet_status reader_open(tp_engine *base, tp_reader **ret_reader, tuplet_error *error) {
  (void)base;
  (void)error;
  *ret_reader = NULL;
  return TUPLET_OK;
}

static void reader_close(tp_engine *base, tp_reader *reader) {
  (void)base;
  (void)reader;
}

static void sweep(tp_engine *base, tp_sweep *sweep) {
  (void)base;
  sweep->status = TUPLET_OK;
  sweep->removed = 0;
  sweep->next_expiry_ms = TP_EXPIRES_NEVER;
  sweep->on_done(sweep);
}

static tuplet_status poll_foreign_changes(tp_engine *base, bool *ret_changed, bool *ret_queue_changed,
                                          tuplet_error *error) {
  *ret_queue_changed = false;
  (void)base;
  (void)error;
  *ret_changed = false;
  return TUPLET_OK;
}

static tuplet_status queue_state(tp_engine *base, uint32_t count_max, tp_queue_state *ret_state,
                                 tuplet_error *error) {
  (void)base;
  (void)count_max;
  (void)ret_state;
  return tp_fail(error, TUPLET_UNSUPPORTED, "the queue of a server cannot be counted from here");
}

/* ---- The end ---- */

void tp_remote_calls_ended(tp_remote *remote) {
  if (remote->is_ending) tp_remote_loop_stop(&remote->loop);
}

static void on_closing_late(tp_remote_timer *timer) {
  tp_remote *remote = (tp_remote *)(void *)((char *)timer - offsetof(tp_remote, closing_timer));
  remote->is_over = true;
  tp_remote_calls_abort(remote);
}

static void begin_closing(tp_remote *remote) {
  if (remote->is_closing) return;
  remote->is_closing = true;
  tp_remote_timer_set(&remote->loop, &remote->closing_timer, tp_remote_now_ns(remote) + CLOSING_MS_MAX * MS);
  tp_remote_calls_hurry(remote);
}

static void run_closing(tp_remote_item *item) {
  begin_closing((tp_remote *)(void *)((char *)item - offsetof(tp_remote, closing_item)));
}

static void closing(tp_engine *base) {
  tp_remote *remote = (tp_remote *)base;
  if (!atomic_exchange(&remote->is_closing_posted, true))
    tp_remote_loop_post(&remote->loop, &remote->closing_item);
}

static void end(void *context) {
  tp_remote *remote = context;
  begin_closing(remote);
  remote->is_ending = true;
  if (remote->calls == NULL) tp_remote_calls_ended(remote);
}

static void free_remote(tp_remote *remote) {
  tp_remote_session_free(remote->session);
  tp_free(remote->allocator, remote->url);
  tp_free(remote->allocator, remote->ca_file);
  tp_free(remote->allocator, remote->authorization);
  tp_free(remote->allocator, remote);
  curl_global_cleanup(); /* counts, and is safe from any thread */
}

static void close_remote(tp_engine *base) {
  tp_remote *remote = (tp_remote *)base;
  tp_remote_loop_run(&remote->loop, end, remote);
  tp_remote_loop_join(&remote->loop);
  tp_remote_exchange_stop(remote);
  tp_remote_timer_clear(&remote->loop, &remote->closing_timer);
  tp_remote_loop_done(&remote->loop);
  free_remote(remote);
}

static const tp_engine_ops engine_ops = {
    .set_observer = set_observer,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .read = tp_remote_submit_read,
    .write = tp_remote_submit_write,
    .sweep = sweep,
    .listen = tp_remote_listen,
    .listener_close = tp_remote_listener_close,
    .watch = tp_remote_watch,
    .watch_close = tp_remote_watch_close,
    .range_watch = tp_remote_range_watch,
    .range_watch_fetch = tp_remote_range_watch_fetch,
    .range_watch_close = tp_remote_range_watch_close,
    .poll_foreign_changes = poll_foreign_changes,
    .queue_state = queue_state,
    .closing = closing,
    .close = close_remote,
};

/* ---- The beginning ---- */

/* Waits for the first session. On the opener's stack. */
typedef struct opening {
  tp_remote_waiting waiting;
  tp_remote_timer timer;
  tp_remote *remote;
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal;
  bool is_done;
  tuplet_error error; /* status TUPLET_OK: none */
} opening;

/* The opening may be gone afterwards. */
static void end_opening(opening *open, const tuplet_error *error) {
  tp_remote_timer_clear(&open->remote->loop, &open->timer);
  (void)pthread_mutex_lock(&open->mutex);
  open->error = *error;
  open->is_done = true;
  (void)pthread_cond_signal(&open->signal);
  (void)pthread_mutex_unlock(&open->mutex);
}

static void on_session(tp_remote_waiting *waiting, tuplet_status status, const tuplet_error *error) {
  (void)status;
  end_opening((opening *)(void *)waiting, error);
}

static void on_opening_late(tp_remote_timer *timer) {
  opening *open = (opening *)(void *)((char *)timer - offsetof(opening, timer));
  tp_remote *remote = open->remote;
  tp_remote_unwant_session(remote, &open->waiting);
  tuplet_error error = remote->exchange.problem;
  if (error.status >= 0) tp_error_set(&error, TUPLET_IO, "%s: there was no answer in time", remote->url);
  end_opening(open, &error);
}

static void begin_opening(void *context) {
  opening *open = context;
  tp_remote *remote = open->remote;
  int64_t timeout_ms = remote->timeout_ms < OPEN_TIMEOUT_MS_MAX ? remote->timeout_ms : OPEN_TIMEOUT_MS_MAX;
  tp_remote_timer_set(&remote->loop, &open->timer, tp_remote_now_ns(remote) + timeout_ms * MS);
  tp_remote_want_session(remote, &open->waiting);
}

static tuplet_status wait_for_session(tp_remote *remote, tuplet_error *error) {
  opening open = {.waiting.on_session = on_session,
                  .timer.on_due = on_opening_late,
                  .remote = remote,
                  .mutex = PTHREAD_MUTEX_INITIALIZER,
                  .signal = PTHREAD_COND_INITIALIZER};
  tp_remote_loop_run(&remote->loop, begin_opening, &open);
  (void)pthread_mutex_lock(&open.mutex);
  while (!open.is_done) (void)pthread_cond_wait(&open.signal, &open.mutex);
  (void)pthread_mutex_unlock(&open.mutex);
  (void)pthread_cond_destroy(&open.signal);
  (void)pthread_mutex_destroy(&open.mutex);
  if (open.error.status < 0 && error != NULL) *error = open.error;
  return open.error.status;
}

static tuplet_status check_url(const char *url, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  char *user = NULL;
  CURLU *parts = curl_url();
  CURLUcode code = parts == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(parts, CURLUPART_URL, url, 0);
  if (code == CURLUE_OK && curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
    status = tp_fail(error, TUPLET_INVALID,
                     "a URL with a user or a password in it: give the access token instead");
  if (code == CURLUE_OUT_OF_MEMORY)
    status = tp_fail_nomem(error);
  else if (code != CURLUE_OK)
    status = tp_fail(error, TUPLET_INVALID, "%s: not a URL: %s", url, curl_url_strerror(code));
  curl_free(user);
  curl_url_cleanup(parts);
  return status;
}

static tuplet_status check_token(const char *token, const char *url, tuplet_error *error) {
  if (token == NULL || token[0] == '\0')
    return tp_fail(error, TUPLET_DENIED,
                   "%s: no access token: set DENO_KV_ACCESS_TOKEN, or give one in the options", url);
  if (strlen(token) > TOKEN_SIZE_MAX)
    return tp_fail(error, TUPLET_INVALID, "the access token is longer than %d characters", TOKEN_SIZE_MAX);
  for (const char *next = token; *next != '\0'; next++) {
    if (*next < 0x21 || *next > 0x7e)
      return tp_fail(error, TUPLET_INVALID, "the access token has a character that cannot be sent");
  }
  return TUPLET_OK;
}

static char *copy(const tuplet_allocator *allocator, const char *before, const char *text) {
  size_t size = strlen(before) + strlen(text) + 1;
  char *result = tp_alloc(allocator, size);
  if (result != NULL) (void)snprintf(result, size, "%s%s", before, text);
  return result;
}

static tuplet_status set_up(tp_remote *remote, const tp_remote_config *config, tuplet_error *error) {
  remote->base.ops = &engine_ops;
  remote->allocator = config->allocator;
  remote->clock = config->clock;
  remote->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TUPLET_TIMEOUT_MS_DEFAULT;
  remote->closing_timer.on_due = on_closing_late;
  remote->closing_item.run = run_closing;
  atomic_init(&remote->is_closing_posted, false);
  remote->url = copy(remote->allocator, "", config->url);
  remote->authorization = copy(remote->allocator, "Authorization: Bearer ", config->access_token);
  if (config->ca_file != NULL) remote->ca_file = copy(remote->allocator, "", config->ca_file);
  if (remote->url == NULL || remote->authorization == NULL ||
      (config->ca_file != NULL && remote->ca_file == NULL))
    return tp_fail_nomem(error);
  remote->client = (tp_remote_client){.loop = &remote->loop,
                                      .allocator = remote->allocator,
                                      .ca_file = remote->ca_file,
                                      .http = config->http};
  tp_remote_exchange_init(remote);
  tp_remote_calls_init(remote);
  return TUPLET_OK;
}

tuplet_status tp_remote_engine_open(const tp_remote_config *config, tp_engine **ret_engine,
                                    tuplet_error *error) {
  tuplet_status status = check_url(config->url, error);
  if (status == TUPLET_OK) status = check_token(config->access_token, config->url, error);
  if (status != TUPLET_OK) return status;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return tp_fail_nomem(error);
  tp_remote *remote = tp_alloc_array_zeroed(config->allocator, 1, sizeof *remote);
  if (remote == NULL) {
    curl_global_cleanup();
    return tp_fail_nomem(error);
  }
  status = set_up(remote, config, error);
  if (status == TUPLET_OK)
    status = tp_remote_loop_init(&remote->loop, remote->clock, tp_remote_transfer_ended, error);
  if (status != TUPLET_OK) {
    free_remote(remote);
    return status;
  }
  status = tp_remote_loop_start(&remote->loop, error);
  if (status != TUPLET_OK) {
    tp_remote_loop_done(&remote->loop);
    free_remote(remote);
    return status;
  }
  status = wait_for_session(remote, error);
  if (status == TUPLET_OK)
    *ret_engine = &remote->base;
  else
    close_remote(&remote->base);
  return status;
}
