/* loop_test.c: posting to a loop, timers, and its end. */
#include "net/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { POSTERS = 4, ITEMS = 2000 };

typedef struct poster {
  tp_loop *loop;
  size_t *total; /* only the loop's thread touches it */
  size_t last;
  struct numbered {
    tp_loop_item item;
    struct poster *poster;
    size_t number;
  } items[ITEMS];
} poster;

static void run_numbered(tp_loop_item *item) {
  struct numbered *numbered = (struct numbered *)(void *)item;
  if (numbered->number == numbered->poster->last + 1) numbered->poster->last++;
  ++*numbered->poster->total;
}

static void *post_all(void *context) {
  poster *p = context;
  for (size_t i = 0; i < ITEMS; i++) {
    p->items[i] = (struct numbered){{NULL, run_numbered}, p, i + 1};
    tp_loop_post(p->loop, &p->items[i].item);
  }
  return NULL;
}

static void runs_items_of_each_thread_in_order(void **state) {
  (void)state;
  tp_loop *loop;
  assert_int_equal(tp_loop_start(NULL, &loop, NULL), TUPLET_OK);
  poster *posters = calloc(POSTERS, sizeof *posters);
  assert_non_null(posters);
  pthread_t threads[POSTERS];
  size_t total = 0;
  for (size_t i = 0; i < POSTERS; i++) {
    posters[i].loop = loop;
    posters[i].total = &total;
    assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
  }
  for (size_t i = 0; i < POSTERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  tp_loop_stop(loop);
  assert_int_equal(total, POSTERS * ITEMS);
  for (size_t i = 0; i < POSTERS; i++) assert_int_equal(posters[i].last, ITEMS);
  free(posters);
}

typedef struct again {
  tp_loop_item item;
  tp_loop *loop;
  int count;
} again;

static void run_again(tp_loop_item *item) {
  again *a = (again *)(void *)item;
  if (++a->count < 10) tp_loop_post(a->loop, item);
}

static void runs_what_items_post_before_it_stops(void **state) {
  (void)state;
  again a = {{NULL, run_again}, NULL, 0};
  assert_int_equal(tp_loop_start(NULL, &a.loop, NULL), TUPLET_OK);
  tp_loop_post(a.loop, &a.item);
  tp_loop_stop(a.loop);
  assert_int_equal(a.count, 10);
}

typedef struct ticking {
  tp_loop *loop;
  tp_timer *timer;
  int count;
  pthread_mutex_t done; /* locked until the third tick */
} ticking;

static void on_tick(void *context) {
  ticking *t = context;
  if (++t->count != 3) return;
  tp_timer_free(t->timer);
  (void)pthread_mutex_unlock(&t->done);
}

static void start_ticking(void *context) {
  ticking *t = context;
  (void)pthread_mutex_lock(&t->done);
  if (tp_timer_new(t->loop, on_tick, t, &t->timer, NULL) != TUPLET_OK) abort();
  tp_timer_start(t->timer, 1, 1);
}

static void repeats_timers_until_they_are_freed(void **state) {
  (void)state;
  ticking t = {.count = 0};
  assert_int_equal(pthread_mutex_init(&t.done, NULL), 0);
  assert_int_equal(tp_loop_start(NULL, &t.loop, NULL), TUPLET_OK);
  tp_loop_call(t.loop, start_ticking, &t);
  assert_int_equal(pthread_mutex_lock(&t.done), 0);
  tp_loop_stop(t.loop);
  assert_int_equal(t.count, 3);
  assert_int_equal(pthread_mutex_unlock(&t.done), 0);
  assert_int_equal(pthread_mutex_destroy(&t.done), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_items_of_each_thread_in_order),
      cmocka_unit_test(runs_what_items_post_before_it_stops),
      cmocka_unit_test(repeats_timers_until_they_are_freed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
