/* webhook.c: messages of queues, posted to URLs.
 *
 *   queue's thread: on_message ──► incoming ──wakes──► webhook's thread: post ──► answer ──► finish
 *
 * A webhook has as many slots as posts at a time, and listens with a window as large: a message that comes
 * always finds one, and none waits here. */
#include "server/webhook/webhook.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"
#include "server/webhook/webhook_post.h"
#include "server/webhook/webhook_target.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum {
  RETRY_MS = 1000,        /* until a database is asked for again that could not be had */
  WAIT_MS_MAX = 60 * 1000 /* with nothing to do; whoever has something to do wakes the thread */
};

/* A message on its way. Unused ones are in `idle`. */
typedef struct slot {
  tp_webhook_post post;
  tp_delivery *delivery; /* NULL: unused */
  bool is_posting;       /* the multi has its post */
  struct slot *next;
} slot;

typedef struct webhook {
  tp_webhooks *owner;
  tp_webhook_target target;
  tp_webhook_post_config post_config;
  pthread_t thread;
  bool is_started;

  /* The thread's: */
  CURLM *multi;
  slot *slots; /* owner->config.concurrency of them */
  size_t posting;
  tp_database *database;
  tp_queue_listener *listener;
  tp_database_lookup lookup;
  tp_database_wait wait;
  bool has_complained; /* that the database cannot be had */

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t changed;
  bool is_ending;
  bool is_answered; /* the databases have: to the lookup or the wait */
  slot *idle;
  slot *incoming;
  slot **incoming_last_link;
} webhook;

struct tp_webhooks {
  const tuplet_allocator *allocator;
  tp_clock clock;
  tp_webhook_config config;
  tp_databases *databases;
  const tp_log *log;
  tp_log_limit log_limit; /* of posts that fail */
  tp_webhook_counts *counts;
  atomic_int_fast64_t deadline_ns; /* of the end, monotonic */
  bool has_curl;
  size_t hook_count;
  webhook hooks[TP_WEBHOOKS_MAX];
};

static bool is_ending(webhook *hook) {
  (void)pthread_mutex_lock(&hook->mutex);
  bool ending = hook->is_ending;
  (void)pthread_mutex_unlock(&hook->mutex);
  return ending;
}

/* ---- Log ---- */

static void log_text(tp_log_line *line, const char *name, const char *text) {
  tp_log_text(line, name, (tuplet_bytes){text, strlen(text)});
}

static void log_line(const webhook *hook, tp_log_level level, const char *message, const char *reason) {
  tp_log_line line;
  tp_log_begin(&line, hook->owner->log, level, message);
  log_text(&line, "database", hook->target.database);
  log_text(&line, "url", hook->target.shown);
  if (reason != NULL) log_text(&line, "reason", reason);
  tp_log_end(&line);
}

static void log_failure(const webhook *hook, const tp_delivery *delivery, const char *reason) {
  tp_webhooks *owner = hook->owner;
  size_t left_out;
  int64_t now_ms = tp_clock_monotonic_ns(&owner->clock) / 1000000;
  if (!tp_log_limit_admits(&owner->log_limit, now_ms, &left_out)) return;
  tp_log_line line;
  tp_log_begin(&line, owner->log, TP_LOG_WARNING, "a message was not taken by its webhook");
  log_text(&line, "database", hook->target.database);
  log_text(&line, "url", hook->target.shown);
  log_text(&line, "reason", reason);
  tp_log_text(&line, "message", delivery->id);
  tp_log_integer(&line, "attempt", delivery->attempt);
  if (left_out > 0) tp_log_integer(&line, "left_out", left_out);
  tp_log_end(&line);
}

/* ---- Messages ---- */

static void free_slot(webhook *hook, slot *used) {
  tp_webhook_post_done(&used->post);
  (void)pthread_mutex_lock(&hook->mutex);
  used->delivery = NULL;
  used->next = hook->idle;
  hook->idle = used;
  (void)pthread_mutex_unlock(&hook->mutex);
}

/* Perhaps on the engine's thread, perhaps when the webhook's has ended. The message comes again if this went
 * wrong, to whomever. */
static void on_finished(void *context, tuplet_status status, const tuplet_error *error) {
  const webhook *hook = context;
  if (status < 0)
    log_line(hook, TP_LOG_WARNING, "what became of a message could not be written", error->message);
}

static void finish(webhook *hook, slot *used, tp_finish_outcome outcome) {
  tp_webhook_counts *counts = hook->owner->counts;
  tp_delivery *delivery = used->delivery;
  switch (outcome) {
  case TP_FINISH_DONE: (void)atomic_fetch_add(&counts->done, 1); break;
  case TP_FINISH_FAILED: (void)atomic_fetch_add(&counts->failed, 1); break;
  case TP_FINISH_RETURNED: (void)atomic_fetch_add(&counts->returned, 1); break;
  }
  free_slot(hook, used); /* before the next message, for which there is room afterwards */
  tp_delivery_finish(delivery, outcome, on_finished, hook);
}

/* On the queue's thread. */
static void on_message(void *context, tp_delivery *delivery) {
  webhook *hook = context;
  (void)pthread_mutex_lock(&hook->mutex);
  slot *taken = hook->idle; /* there is one: see above */
  hook->idle = taken->next;
  taken->delivery = delivery;
  taken->next = NULL;
  *hook->incoming_last_link = taken;
  hook->incoming_last_link = &taken->next;
  (void)pthread_mutex_unlock(&hook->mutex);
  (void)curl_multi_wakeup(hook->multi);
}

static slot *take_incoming(webhook *hook) {
  (void)pthread_mutex_lock(&hook->mutex);
  slot *first = hook->incoming;
  hook->incoming = NULL;
  hook->incoming_last_link = &hook->incoming;
  (void)pthread_mutex_unlock(&hook->mutex);
  return first;
}

static void start_post(webhook *hook, slot *taken) {
  tuplet_error error;
  tuplet_status status =
      tp_webhook_post_prepare(&taken->post, &hook->post_config, taken->delivery, taken, &error);
  if (status == TUPLET_OK && curl_multi_add_handle(hook->multi, taken->post.easy) != CURLM_OK)
    status = tp_fail_nomem(&error);
  if (status != TUPLET_OK) { /* later there may be memory again */
    log_failure(hook, taken->delivery, error.message);
    finish(hook, taken, TP_FINISH_FAILED);
    return;
  }
  taken->is_posting = true;
  hook->posting++;
  (void)atomic_fetch_add(&hook->owner->counts->running, 1);
}

static void stop_post(webhook *hook, slot *posted) {
  (void)curl_multi_remove_handle(hook->multi, posted->post.easy);
  posted->is_posting = false;
  hook->posting--;
  (void)atomic_fetch_sub(&hook->owner->counts->running, 1);
}

static void end_post(webhook *hook, slot *posted, CURLcode code) {
  char reason[128];
  bool is_success = tp_webhook_post_is_success(&posted->post, code, reason, sizeof reason);
  if (!is_success) log_failure(hook, posted->delivery, reason);
  stop_post(hook, posted);
  finish(hook, posted, is_success ? TP_FINISH_DONE : TP_FINISH_FAILED);
}

static void take_answers(webhook *hook) {
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(hook->multi, &left)) != NULL;) {
    slot *posted = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &posted);
    end_post(hook, posted, code);
  }
}

/* ---- A database ---- */

static void answered(webhook *hook) {
  (void)pthread_mutex_lock(&hook->mutex);
  hook->is_answered = true;
  (void)pthread_cond_broadcast(&hook->changed);
  (void)pthread_mutex_unlock(&hook->mutex);
}

static void on_lookup(tp_database_lookup *lookup) {
  answered((webhook *)(void *)((char *)lookup - offsetof(webhook, lookup)));
}

static void on_acquired(tp_database_wait *wait) {
  answered((webhook *)(void *)((char *)wait - offsetof(webhook, wait)));
}

/* The databases always answer, at the latest when they are stopped, which is when the thread has ended: what
 * takes time is opening a file. */
static void wait_for_answer(webhook *hook) {
  (void)pthread_mutex_lock(&hook->mutex);
  while (!hook->is_answered) (void)pthread_cond_wait(&hook->changed, &hook->mutex);
  hook->is_answered = false;
  (void)pthread_mutex_unlock(&hook->mutex);
}

static tuplet_status find_database(webhook *hook, tuplet_error *error) {
  tp_webhooks *owner = hook->owner;
  const tuplet_bytes name = {hook->target.database, strlen(hook->target.database)};
  hook->lookup = (tp_database_lookup){.on_done = on_lookup};
  tp_databases_exchange(owner->databases, name, 0, owner->config.may_create_database, &hook->lookup);
  wait_for_answer(hook);
  if (hook->lookup.status == TUPLET_NOT_FOUND)
    return tp_fail(error, TUPLET_NOT_FOUND, "there is no database %s", hook->target.database);
  *error = hook->lookup.error;
  return hook->lookup.status;
}

static tuplet_status open_database(webhook *hook, tuplet_error *error) {
  tp_databases *databases = hook->owner->databases;
  tuplet_status status = find_database(hook, error);
  if (status != TUPLET_OK) return status;
  hook->database = tp_databases_acquire_open(databases, hook->lookup.id);
  if (hook->database != NULL) return TUPLET_OK;
  hook->wait = (tp_database_wait){.on_done = on_acquired};
  tp_databases_acquire(databases, hook->lookup.id, &hook->wait);
  wait_for_answer(hook);
  if (hook->wait.status == TUPLET_NOT_FOUND)
    return tp_fail(error, TUPLET_NOT_FOUND, "the database %s is gone", hook->target.database);
  *error = hook->wait.error;
  hook->database = hook->wait.database;
  return hook->wait.status;
}

static bool listen_to_database(webhook *hook) {
  tuplet_error error = {0};
  const tp_queue_listening listening = {hook->owner->config.concurrency, on_message, hook};
  tuplet_status status = open_database(hook, &error);
  if (status == TUPLET_OK) {
    status = tp_store_listen(tp_database_store(hook->database), &listening, &hook->listener, &error);
    if (status != TUPLET_OK) tp_database_release(hook->owner->databases, hook->database);
  }
  if (status != TUPLET_OK && !hook->has_complained)
    log_line(hook, TP_LOG_WARNING, "a webhook waits for its database", error.message);
  if (status == TUPLET_OK) log_line(hook, TP_LOG_INFO, "messages go to a webhook", NULL);
  hook->has_complained = status != TUPLET_OK;
  return status == TUPLET_OK;
}

/* ---- The thread ---- */

static void start_incoming(webhook *hook) {
  for (slot *next, *taken = take_incoming(hook); taken != NULL; taken = next) {
    next = taken->next;
    start_post(hook, taken);
  }
}

static int64_t milliseconds_left(webhook *hook) {
  tp_webhooks *owner = hook->owner;
  int64_t left_ns = atomic_load(&owner->deadline_ns) - tp_clock_monotonic_ns(&owner->clock);
  return left_ns > 0 ? left_ns / 1000000 + 1 : 0;
}

/* A round: what is there to be done, then waiting for more, for wait_ms at most. False: curl is out of
 * memory. */
static bool post_round(webhook *hook, int wait_ms) {
  int running;
  bool is_fine = curl_multi_perform(hook->multi, &running) == CURLM_OK;
  take_answers(hook);
  return is_fine && curl_multi_poll(hook->multi, NULL, 0, wait_ms, NULL) == CURLM_OK;
}

/* Until the server ends or the database leaves. */
static void post_messages(webhook *hook) {
  bool is_fine = true;
  while (is_fine && !is_ending(hook) && !tp_database_is_leaving(hook->database)) {
    start_incoming(hook);
    is_fine = post_round(hook, WAIT_MS_MAX);
  }
}

/* What is being posted gets its time, if the server ends. */
static void drain(webhook *hook) {
  while (hook->posting > 0 && is_ending(hook)) {
    int64_t left_ms = milliseconds_left(hook);
    if (left_ms == 0 || !post_round(hook, left_ms < WAIT_MS_MAX ? (int)left_ms : WAIT_MS_MAX)) break;
  }
}

static void stop_listening(webhook *hook) {
  tp_queue_listener_close(hook->listener); /* from here on nothing comes in any more */
  for (slot *next, *taken = take_incoming(hook); taken != NULL; taken = next) {
    next = taken->next;
    finish(hook, taken, TP_FINISH_RETURNED);
  }
  drain(hook);
  for (uint32_t i = 0; i < hook->owner->config.concurrency; i++) {
    if (!hook->slots[i].is_posting) continue;
    stop_post(hook, &hook->slots[i]);
    finish(hook, &hook->slots[i], TP_FINISH_RETURNED);
  }
  tp_database_release(hook->owner->databases, hook->database);
}

static void wait_a_moment(webhook *hook) {
  tp_deadline until = tp_deadline_in(RETRY_MS);
  (void)pthread_mutex_lock(&hook->mutex);
  while (!hook->is_ending && tp_deadline_wait(&until, &hook->changed, &hook->mutex) == TUPLET_OK) continue;
  (void)pthread_mutex_unlock(&hook->mutex);
}

static void *run(void *context) {
  webhook *hook = context;
  while (!is_ending(hook)) {
    if (listen_to_database(hook)) {
      post_messages(hook);
      stop_listening(hook);
    }
    if (!is_ending(hook)) wait_a_moment(hook);
  }
  return NULL;
}

/* ---- The start ---- */

static tuplet_status init_locks(webhook *hook, tuplet_error *error) {
  if (pthread_mutex_init(&hook->mutex, NULL) != 0) return tp_fail_nomem(error);
  if (tp_deadline_init_cond(&hook->changed) == 0) return TUPLET_OK;
  (void)pthread_mutex_destroy(&hook->mutex);
  return tp_fail_nomem(error);
}

static void done_hook(webhook *hook) {
  uint32_t slot_count = hook->slots != NULL ? hook->owner->config.concurrency : 0;
  for (uint32_t i = 0; i < slot_count; i++) {
    tp_webhook_post_done(&hook->slots[i].post);
    curl_easy_cleanup(hook->slots[i].post.easy);
  }
  (void)curl_multi_cleanup(hook->multi);
  (void)pthread_cond_destroy(&hook->changed);
  (void)pthread_mutex_destroy(&hook->mutex);
  tp_free(hook->owner->allocator, hook->slots);
}

static tuplet_status init_slots(webhook *hook, tuplet_error *error) {
  uint32_t count = hook->owner->config.concurrency;
  hook->slots = tp_alloc_array_zeroed(hook->owner->allocator, count, sizeof *hook->slots);
  if (hook->slots == NULL) return tp_fail_nomem(error);
  for (uint32_t i = 0; i < count; i++) {
    hook->slots[i].next = hook->idle;
    hook->idle = &hook->slots[i];
  }
  hook->multi = curl_multi_init();
  if (hook->multi == NULL) return tp_fail_nomem(error);
  (void)curl_multi_setopt(hook->multi, CURLMOPT_MAXCONNECTS, (long)count);
  return TUPLET_OK;
}

static tuplet_status start_hook(tp_webhooks *webhooks, const char *target, tuplet_error *error) {
  webhook *hook = &webhooks->hooks[webhooks->hook_count];
  hook->owner = webhooks;
  hook->incoming_last_link = &hook->incoming;
  tuplet_status status = tp_webhook_target_parse(target, &hook->target, error);
  if (status == TUPLET_OK) status = init_locks(hook, error);
  if (status != TUPLET_OK) return status;
  webhooks->hook_count++; /* from here on there is something to be ended */
  const tp_webhook_config *config = &webhooks->config;
  hook->post_config = (tp_webhook_post_config){.allocator = webhooks->allocator,
                                               .url = hook->target.url,
                                               .database = hook->target.database,
                                               .token = config->token,
                                               .ca_file = config->ca_file,
                                               .timeout_ms = config->timeout_ms};
  status = init_slots(hook, error);
  if (status != TUPLET_OK) return status;
  if (config->token != NULL && !hook->target.is_secure)
    log_line(hook, TP_LOG_WARNING, "a webhook's token is sent in clear", NULL);
  status = tp_thread_start(&hook->thread, "tuplet-webhook", run, hook, error);
  hook->is_started = status == TUPLET_OK;
  return status;
}

/* Which curl would read anew for each connection: so it is told now that it cannot. */
static tuplet_status check_ca_file(const char *path, tuplet_error *error) {
  if (path == NULL || access(path, R_OK) == 0) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "The file of authorities that webhooks trust, %s, cannot be read.", path);
}

tuplet_status tp_webhooks_start(const tuplet_allocator *allocator, tp_clock clock,
                                const tp_webhook_config *config, tp_databases *databases, const tp_log *log,
                                tp_webhook_counts *counts, tp_webhooks **ret_webhooks, tuplet_error *error) {
  *ret_webhooks = NULL;
  tuplet_status status = check_ca_file(config->ca_file, error);
  if (status != TUPLET_OK) return status;
  tp_webhooks *webhooks = tp_alloc_array_zeroed(allocator, 1, sizeof *webhooks);
  if (webhooks == NULL) return tp_fail_nomem(error);
  *ret_webhooks = webhooks;
  webhooks->allocator = allocator;
  webhooks->clock = clock;
  webhooks->config = *config;
  webhooks->databases = databases;
  webhooks->log = log;
  webhooks->counts = counts;
  webhooks->has_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!webhooks->has_curl) status = tp_fail_nomem(error);
  for (size_t i = 0; i < config->target_count && status == TUPLET_OK; i++)
    status = start_hook(webhooks, config->targets[i], error);
  return status;
}

/* ---- The end ---- */

void tp_webhooks_check(tp_webhooks *webhooks) {
  for (size_t i = 0; webhooks != NULL && i < webhooks->hook_count; i++)
    (void)curl_multi_wakeup(webhooks->hooks[i].multi);
}

void tp_webhooks_end(tp_webhooks *webhooks, int64_t deadline_ns) {
  if (webhooks == NULL) return;
  atomic_store(&webhooks->deadline_ns, deadline_ns);
  for (size_t i = 0; i < webhooks->hook_count; i++) {
    webhook *hook = &webhooks->hooks[i];
    (void)pthread_mutex_lock(&hook->mutex);
    hook->is_ending = true;
    (void)pthread_cond_broadcast(&hook->changed);
    (void)pthread_mutex_unlock(&hook->mutex);
    if (hook->multi != NULL) (void)curl_multi_wakeup(hook->multi);
  }
}

void tp_webhooks_join(tp_webhooks *webhooks) {
  for (size_t i = 0; webhooks != NULL && i < webhooks->hook_count; i++) {
    if (webhooks->hooks[i].is_started) (void)pthread_join(webhooks->hooks[i].thread, NULL);
    webhooks->hooks[i].is_started = false;
  }
}

void tp_webhooks_free(tp_webhooks *webhooks) {
  if (webhooks == NULL) return;
  for (size_t i = 0; i < webhooks->hook_count; i++) done_hook(&webhooks->hooks[i]);
  if (webhooks->has_curl) curl_global_cleanup();
  tp_free(webhooks->allocator, webhooks);
}
