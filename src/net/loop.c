/* loop.c: an event loop on a thread of its own. */
#include "net/private.h"

#include "base/alloc.h"
#include "base/status.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- The queue of posted items --------------------------------------------------------------------------
 */

void tp_loop_post(tp_loop *loop, tp_loop_item *item) {
  tp_loop_item *newest = atomic_load_explicit(&loop->posted, memory_order_relaxed);
  do {
    item->next = newest;
  } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &newest, item, memory_order_release,
                                                  memory_order_relaxed));
  /* Whoever found the queue empty wakes the loop, which takes all there is by then. */
  if (newest == NULL) (void)uv_async_send(&loop->async);
}

static tp_loop_item *reverse(tp_loop_item *item) {
  tp_loop_item *reversed = NULL;
  while (item != NULL) {
    tp_loop_item *next = item->next;
    item->next = reversed;
    reversed = item;
    item = next;
  }
  return reversed;
}

/* Takes what is there now: items that post again have to wait for sockets to get their turn. */
static void run_posted(tp_loop *loop) {
  tp_loop_item *item = reverse(atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire));
  while (item != NULL) {
    tp_loop_item *next = item->next; /* run may free the item */
    item->run(item);
    item = next;
  }
}

static void on_async(uv_async_t *async) {
  tp_loop *loop = async->data;
  tp_loop_refresh_date(loop);
  run_posted(loop);
}

/* ---- Chores and the date --------------------------------------------------------------------------------
 */

void tp_loop_add_chore(tp_loop *loop, tp_loop_chore *chore) {
  if (chore->is_queued) return;
  chore->is_queued = true;
  chore->next = loop->chores;
  loop->chores = chore;
}

void tp_loop_remove_chore(tp_loop *loop, tp_loop_chore *chore) {
  if (!chore->is_queued) return;
  tp_loop_chore **link = &loop->chores;
  while (*link != chore) link = &(*link)->next;
  *link = chore->next;
  chore->is_queued = false;
}

static void run_chores(tp_loop *loop) {
  while (loop->chores != NULL) {
    tp_loop_chore *chore = loop->chores;
    loop->chores = chore->next;
    chore->is_queued = false;
    chore->run(chore);
  }
}

/* Before the loop sleeps, for what timers left; after it slept, for what sockets and posted items left. */
static void on_prepare(uv_prepare_t *prepare) {
  tp_loop *loop = prepare->data;
  loop->turn++;
  run_chores(loop);
}

static void on_check(uv_check_t *check) {
  run_chores(check->data);
}

void tp_loop_refresh_date(tp_loop *loop) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec == loop->date_seconds) return;
  loop->date_seconds = now.tv_sec;
  static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm tm;
  if (gmtime_r(&now.tv_sec, &tm) == NULL) return;
  (void)snprintf(loop->date, sizeof loop->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

uint64_t tp_loop_now_ms(const tp_loop *loop) {
  return uv_now(&loop->uv);
}

/* ---- The thread -----------------------------------------------------------------------------------------
 */

static void run_thread(void *context) {
  tp_loop *loop = context;
  (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void close_handles(tp_loop *loop) {
  uv_close((uv_handle_t *)&loop->async, NULL);
  uv_close((uv_handle_t *)&loop->prepare, NULL);
  uv_close((uv_handle_t *)&loop->check, NULL);
}

static int init_handles(tp_loop *loop) {
  int result = uv_loop_init(&loop->uv);
  if (result != 0) return result;
  result = uv_async_init(&loop->uv, &loop->async, on_async);
  if (result != 0) {
    (void)uv_loop_close(&loop->uv);
    return result;
  }
  (void)uv_prepare_init(&loop->uv, &loop->prepare); /* these cannot fail */
  (void)uv_check_init(&loop->uv, &loop->check);
  (void)uv_prepare_start(&loop->prepare, on_prepare);
  (void)uv_check_start(&loop->check, on_check);
  loop->async.data = loop->prepare.data = loop->check.data = loop;
  return 0;
}

/* Signals are for the main thread. That includes SIGPIPE, so that a peer that went away shows as EPIPE. */
static int start_thread(tp_loop *loop) {
  sigset_t all, before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = uv_thread_create(&loop->thread, run_thread, loop);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

tuplet_status tp_loop_start(const tuplet_allocator *allocator, tp_loop **ret_loop, tuplet_error *error) {
  tp_loop *loop = tp_alloc_array_zeroed(allocator, 1, sizeof *loop);
  if (loop == NULL) return tp_fail_nomem(error);
  loop->allocator = allocator;
  tp_pool_init(&loop->pool, allocator, LOOP_KEPT_SIZE);
  atomic_init(&loop->posted, NULL);
  int result = init_handles(loop);
  if (result != 0) goto out;
  result = start_thread(loop);
  if (result == 0) {
    *ret_loop = loop;
    return TUPLET_OK;
  }
  close_handles(loop);
  (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
  (void)uv_loop_close(&loop->uv);
out:
  tp_free(allocator, loop);
  if (result == UV_ENOMEM) return tp_fail_nomem(error);
  return tp_fail(error, TUPLET_IO, "cannot start an event loop: %s", uv_strerror(result));
}

typedef struct loop_stop {
  tp_loop_item item;
  tp_loop *loop;
} loop_stop;

static void run_stop(tp_loop_item *item) {
  loop_stop *stop = (loop_stop *)(void *)item;
  tp_loop *loop = stop->loop;
  if (atomic_load(&loop->posted) != NULL) { /* not before those */
    tp_loop_post(loop, item);
    return;
  }
  close_handles(loop);
}

void tp_loop_stop(tp_loop *loop) {
  if (loop == NULL) return;
  loop_stop stop = {{NULL, run_stop}, loop};
  tp_loop_post(loop, &stop.item);
  (void)uv_thread_join(&loop->thread);
  int result = uv_loop_close(&loop->uv);
  assert(result == 0); /* a listener or timer is still there */
  (void)result;
  tp_pool_done(&loop->pool);
  tp_free(loop->allocator, loop);
}

typedef struct loop_call {
  tp_loop_item item;
  void (*run)(void *context);
  void *context;
  uv_sem_t done;
} loop_call;

static void run_call(tp_loop_item *item) {
  loop_call *call = (loop_call *)(void *)item;
  call->run(call->context);
  uv_sem_post(&call->done);
}

void tp_loop_call(tp_loop *loop, void (*run)(void *context), void *context) {
  loop_call call = {.item = {NULL, run_call}, .run = run, .context = context};
  int result = uv_sem_init(&call.done, 0);
  assert(result == 0); /* fails for absurd values only */
  (void)result;
  tp_loop_post(loop, &call.item);
  uv_sem_wait(&call.done);
  uv_sem_destroy(&call.done);
}

/* ---- Timers ---------------------------------------------------------------------------------------------
 */

struct tp_timer {
  uv_timer_t uv;
  tp_loop *loop;
  void (*on_timer)(void *context);
  void *context;
};

tuplet_status tp_timer_new(tp_loop *loop, void (*on_timer)(void *context), void *context,
                           tp_timer **ret_timer, tuplet_error *error) {
  tp_timer *timer = tp_alloc_array_zeroed(loop->allocator, 1, sizeof *timer);
  if (timer == NULL) return tp_fail_nomem(error);
  timer->loop = loop;
  timer->on_timer = on_timer;
  timer->context = context;
  (void)uv_timer_init(&loop->uv, &timer->uv); /* cannot fail */
  timer->uv.data = timer;
  *ret_timer = timer;
  return TUPLET_OK;
}

static void on_uv_timer(uv_timer_t *uv) {
  tp_timer *timer = uv->data;
  tp_loop_refresh_date(timer->loop);
  timer->on_timer(timer->context);
}

void tp_timer_start(tp_timer *timer, uint64_t delay_ms, uint64_t repeat_ms) {
  (void)uv_timer_start(&timer->uv, on_uv_timer, delay_ms, repeat_ms);
}

void tp_timer_stop(tp_timer *timer) {
  (void)uv_timer_stop(&timer->uv);
}

static void on_timer_closed(uv_handle_t *handle) {
  tp_timer *timer = handle->data;
  tp_free(timer->loop->allocator, timer);
}

void tp_timer_free(tp_timer *timer) {
  if (timer != NULL) uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}
