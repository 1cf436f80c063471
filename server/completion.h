/* completion.h: the way back to a request's loop from an operation that may complete at once or later, here
 * or on another thread.
 *
 * Two things happen, in either order: the loop's thread returns from submitting, and the operation completes.
 * Whichever is second finishes: the loop's thread does so on the spot (a local read, without any hand-over),
 * another thread by posting to the loop. So `finish` always runs on the loop's thread, and never inside the
 * call that submits. */
#ifndef TP_SERVER_COMPLETION_H
#define TP_SERVER_COMPLETION_H

#include "net/loop.h"

#include <stdatomic.h>

typedef struct tp_completion {
  tp_loop_item item; /* first, so that the one is found from the other */
  tp_loop *loop;
  atomic_bool met; /* one of the two has happened */
  void (*finish)(struct tp_completion *completion);
} tp_completion;

static inline void tp_completion_run(tp_loop_item *item) {
  tp_completion *completion = (tp_completion *)(void *)item;
  completion->finish(completion);
}

/* Before submitting. Loop's thread. */
static inline void tp_completion_init(tp_completion *completion, tp_loop *loop,
                                      void (*finish)(tp_completion *completion)) {
  completion->item.run = tp_completion_run;
  completion->loop = loop;
  completion->finish = finish;
  atomic_init(&completion->met, false);
}

/* After submitting. Loop's thread. The completion may be gone when it returns. */
static inline void tp_completion_submitted(tp_completion *completion) {
  if (atomic_exchange_explicit(&completion->met, true, memory_order_acq_rel)) completion->finish(completion);
}

/* The operation is complete. Any thread, once. The completion may be gone when it returns. */
static inline void tp_completion_done(tp_completion *completion) {
  if (atomic_exchange_explicit(&completion->met, true, memory_order_acq_rel))
    tp_loop_post(completion->loop, &completion->item);
}

#endif
