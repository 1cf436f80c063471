/* loop.h: an event loop on a thread of its own (libuv), with a queue that any thread may post to.
 *
 * Everything that belongs to a loop (timers, listeners, connections, requests) is touched on its thread only;
 * tp_loop_post and tp_loop_stop are the calls that cross. */
#ifndef TP_NET_LOOP_H
#define TP_NET_LOOP_H

#include "tuplet.h"

typedef struct tp_loop tp_loop;

/* Something to be run on a loop's thread. Embedded in what it is about; belongs to the loop from tp_loop_post
 * until `run` is called, which may free it or post it again. */
typedef struct tp_loop_item {
  struct tp_loop_item *next;
  void (*run)(struct tp_loop_item *item);
} tp_loop_item;

/* Starts the thread. Errors: TUPLET_NOMEM, TUPLET_IO (no threads or descriptors left). */
tuplet_status tp_loop_start(const tuplet_allocator *allocator, tp_loop **ret_loop, tuplet_error *error);

/* Runs what was posted, ends the thread and frees the loop. Listeners must have been closed, timers freed,
 * and all requests finished before; nobody may post any more once this was called, except items that run
 * meanwhile. Blocks. Not from the loop's thread. NULL is fine. */
void tp_loop_stop(tp_loop *loop);

/* Has item->run called on the loop's thread, in the order of posting. Any thread, the loop's own included.
 * Never fails, never blocks, allocates nothing. */
void tp_loop_post(tp_loop *loop, tp_loop_item *item);

/* Calls run(context) on the loop's thread and waits until it has returned. Not from the loop's thread. */
void tp_loop_call(tp_loop *loop, void (*run)(void *context), void *context);

/* Milliseconds from an arbitrary start, as of this turn of the loop. Loop's thread. */
uint64_t tp_loop_now_ms(const tp_loop *loop);

/* A timer. All four on the loop's thread. */
typedef struct tp_timer tp_timer;

tuplet_status tp_timer_new(tp_loop *loop, void (*on_timer)(void *context), void *context,
                           tp_timer **ret_timer, tuplet_error *error);
/* Calls on_timer after delay_ms, then every repeat_ms (0: once). Started anew if it runs already. */
void tp_timer_start(tp_timer *timer, uint64_t delay_ms, uint64_t repeat_ms);
void tp_timer_stop(tp_timer *timer);
/* on_timer is not called any more. NULL is fine. */
void tp_timer_free(tp_timer *timer);

#endif
