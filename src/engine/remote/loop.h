/* loop.h: the one thread of a remote engine: libcurl's transfers, timers, and work posted by other threads.
 *
 * Everything but tp_remote_loop_post, _run and _is_inside is called on that thread, or before it starts. */
#ifndef TP_ENGINE_REMOTE_LOOP_H
#define TP_ENGINE_REMOTE_LOOP_H

#include "base/clock.h"
#include "tuplet.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

/* Work for the loop, part of what it is about: posting takes no memory and cannot fail. */
typedef struct tp_remote_item tp_remote_item;
struct tp_remote_item {
  void (*run)(tp_remote_item *item);
  tp_remote_item *next;
};

typedef struct tp_remote_timer tp_remote_timer;
struct tp_remote_timer {
  void (*on_due)(tp_remote_timer *timer); /* it is not set any more */
  int64_t due_ns;                         /* monotonic */
  bool is_set;
  tp_remote_timer *previous, *next;
};

typedef struct tp_remote_loop {
  tp_clock clock;
  CURLM *multi;
  pthread_t thread;
  tp_remote_timer *first_timer, *last_timer; /* by due_ns */
  void (*on_end)(void *easy_private, CURLcode code);
  bool stopping;

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t ran;    /* an item of tp_remote_loop_run has */
  tp_remote_item *posted;
  tp_remote_item **posted_link;
} tp_remote_loop;

/* on_end: of a transfer, whose handle has been taken out of `multi`; it gets its CURLOPT_PRIVATE. */
tuplet_status tp_remote_loop_init(tp_remote_loop *loop, tp_clock clock,
                                  void (*on_end)(void *easy_private, CURLcode code), tuplet_error *error);
tuplet_status tp_remote_loop_start(tp_remote_loop *loop, tuplet_error *error);
/* The thread ends after this turn. */
void tp_remote_loop_stop(tp_remote_loop *loop);
/* Any other thread: waits for the end of the thread. */
void tp_remote_loop_join(tp_remote_loop *loop);
void tp_remote_loop_done(tp_remote_loop *loop);

/* Any thread. The item runs soon, after those posted before. */
void tp_remote_loop_post(tp_remote_loop *loop, tp_remote_item *item);

/* Posts and waits until it has run; on the loop's own thread it runs at once. */
void tp_remote_loop_run(tp_remote_loop *loop, void (*run)(void *context), void *context);

bool tp_remote_loop_is_inside(const tp_remote_loop *loop);

static inline int64_t tp_remote_loop_now_ns(const tp_remote_loop *loop) {
  return tp_clock_monotonic_ns(&loop->clock);
}

/* A timer that is set already gets another time. */
void tp_remote_timer_set(tp_remote_loop *loop, tp_remote_timer *timer, int64_t due_ns);
void tp_remote_timer_clear(tp_remote_loop *loop, tp_remote_timer *timer);

#endif
