/* loop.c: the one thread of a remote engine. */
#include "engine/remote/loop.h"

#include "base/status.h"
#include "base/thread.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* A connection that was idle for longer is not used again: servers close theirs after a minute or so, and a
 * write that meets such an end has an outcome that nobody knows. */
enum { CONNECTIONS_KEPT_MAX = 64, STREAMS_PER_CONNECTION_MAX = 256, POLL_MS_MAX = 60000 };

/* ---- Timers ---- */

void tp_remote_timer_clear(tp_remote_loop *loop, tp_remote_timer *timer) {
  if (!timer->is_set) return;
  *(timer->previous != NULL ? &timer->previous->next : &loop->first_timer) = timer->next;
  *(timer->next != NULL ? &timer->next->previous : &loop->last_timer) = timer->previous;
  timer->previous = timer->next = NULL;
  timer->is_set = false;
}

/* Searched from the end: most are set for later than all others. */
void tp_remote_timer_set(tp_remote_loop *loop, tp_remote_timer *timer, int64_t due_ns) {
  tp_remote_timer_clear(loop, timer);
  timer->due_ns = due_ns;
  tp_remote_timer *before = loop->last_timer;
  while (before != NULL && before->due_ns > due_ns) before = before->previous;
  timer->previous = before;
  timer->next = before != NULL ? before->next : loop->first_timer;
  *(before != NULL ? &before->next : &loop->first_timer) = timer;
  *(timer->next != NULL ? &timer->next->previous : &loop->last_timer) = timer;
  timer->is_set = true;
}

/* Only those that are due now: one that sets itself again waits for the next turn. */
static void run_timers(tp_remote_loop *loop) {
  int64_t now_ns = tp_remote_loop_now_ns(loop);
  while (loop->first_timer != NULL && loop->first_timer->due_ns <= now_ns) {
    tp_remote_timer *timer = loop->first_timer;
    tp_remote_timer_clear(loop, timer);
    timer->on_due(timer);
  }
}

/* ---- Posted work ---- */

void tp_remote_loop_post(tp_remote_loop *loop, tp_remote_item *item) {
  item->next = NULL;
  (void)pthread_mutex_lock(&loop->mutex);
  bool wakes = loop->posted == NULL;
  *loop->posted_link = item;
  loop->posted_link = &item->next;
  /* With the mutex, so that the loop cannot take the item, end, and be gone before it is woken. */
  if (wakes) (void)curl_multi_wakeup(loop->multi);
  (void)pthread_mutex_unlock(&loop->mutex);
}

static void run_posted(tp_remote_loop *loop) {
  (void)pthread_mutex_lock(&loop->mutex);
  tp_remote_item *item = loop->posted;
  loop->posted = NULL;
  loop->posted_link = &loop->posted;
  (void)pthread_mutex_unlock(&loop->mutex);
  for (tp_remote_item *next; item != NULL; item = next) {
    next = item->next; /* it may be gone after it ran */
    item->run(item);
  }
}

typedef struct waited_item {
  tp_remote_item item;
  tp_remote_loop *loop;
  void (*run)(void *context);
  void *context;
  bool has_run;
} waited_item;

static void run_waited(tp_remote_item *item) {
  waited_item *waited = (waited_item *)(void *)item; /* its first member */
  tp_remote_loop *loop = waited->loop;
  waited->run(waited->context);
  (void)pthread_mutex_lock(&loop->mutex);
  waited->has_run = true;
  (void)pthread_cond_broadcast(&loop->ran);
  (void)pthread_mutex_unlock(&loop->mutex);
}

void tp_remote_loop_run(tp_remote_loop *loop, void (*run)(void *context), void *context) {
  if (tp_remote_loop_is_inside(loop)) {
    run(context);
    return;
  }
  waited_item waited = {.item.run = run_waited, .loop = loop, .run = run, .context = context};
  tp_remote_loop_post(loop, &waited.item);
  (void)pthread_mutex_lock(&loop->mutex);
  while (!waited.has_run) (void)pthread_cond_wait(&loop->ran, &loop->mutex);
  (void)pthread_mutex_unlock(&loop->mutex);
}

bool tp_remote_loop_is_inside(const tp_remote_loop *loop) {
  return pthread_equal(loop->thread, pthread_self()) != 0;
}

/* ---- The thread ---- */

static void run_ends(tp_remote_loop *loop) {
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(loop->multi, &left)) != NULL;) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result;
    void *easy_private = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &easy_private);
    (void)curl_multi_remove_handle(loop->multi, easy); /* `message` is gone */
    loop->on_end(easy_private, code);
  }
}

static int wait_ms(const tp_remote_loop *loop) {
  if (loop->first_timer == NULL) return POLL_MS_MAX;
  int64_t left_ms = (loop->first_timer->due_ns - tp_remote_loop_now_ns(loop) + 999999) / 1000000;
  if (left_ms < 0) return 0;
  return left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX;
}

static void *run(void *context) {
  tp_remote_loop *loop = context;
  while (!loop->stopping) {
    run_posted(loop);
    run_timers(loop);
    int running = 0;
    (void)curl_multi_perform(loop->multi, &running); /* a failure is met by the transfers, too */
    run_ends(loop);
    if (loop->stopping) break;
    /* Transfers that were started meanwhile make it return at once; so does a post. */
    if (curl_multi_poll(loop->multi, NULL, 0, wait_ms(loop), NULL) != CURLM_OK)
      (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* out of memory: not at full speed */
  }
  return NULL;
}

tuplet_status tp_remote_loop_start(tp_remote_loop *loop, tuplet_error *error) {
  return tp_thread_start(&loop->thread, "tp-remote", run, loop, error);
}

void tp_remote_loop_stop(tp_remote_loop *loop) {
  loop->stopping = true;
}

void tp_remote_loop_join(tp_remote_loop *loop) {
  (void)pthread_join(loop->thread, NULL);
}

/* ---- Beginning and end ---- */

tuplet_status tp_remote_loop_init(tp_remote_loop *loop, tp_clock clock,
                                  void (*on_end)(void *easy_private, CURLcode code), tuplet_error *error) {
  *loop = (tp_remote_loop){.clock = clock, .on_end = on_end};
  loop->posted_link = &loop->posted;
  loop->multi = curl_multi_init();
  if (loop->multi == NULL) return tp_fail_nomem(error);
  (void)curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT_MAX);
  (void)curl_multi_setopt(loop->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_PER_CONNECTION_MAX);
  int rc = pthread_mutex_init(&loop->mutex, NULL);
  if (rc == 0) {
    rc = pthread_cond_init(&loop->ran, NULL);
    if (rc != 0) (void)pthread_mutex_destroy(&loop->mutex);
  }
  if (rc != 0) {
    (void)curl_multi_cleanup(loop->multi);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  return TUPLET_OK;
}

void tp_remote_loop_done(tp_remote_loop *loop) {
  assert(loop->posted == NULL && loop->first_timer == NULL);
  (void)curl_multi_cleanup(loop->multi);
  (void)pthread_cond_destroy(&loop->ran);
  (void)pthread_mutex_destroy(&loop->mutex);
}
