/* queue.c: handing messages to those who listen. */
#include "store/queue.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"

#include <assert.h>
#include <string.h>

enum {
  LEASE_MS = 5000, /* as Deno's; a listener that died is noticed after that */
  RENEW_MS = 2000,
  RENEW_AGE_MS = 1000,    /* a lease that is younger waits for the next round */
  TURN_MESSAGES_MAX = 64, /* of one turn, so that the first of many are not held up by the last */
  TURN_LEASES_MAX = 1000, /* likewise, so that no writer waits long behind it */
  RETRY_MS = 1000,     /* after a turn that failed (a full disk, a busy neighbour) or that came to nothing */
  WAIT_MS_MAX = 60000, /* the wall clock may be set meanwhile */
  TURN_CHUNK_SIZE = 16 * 1024,
  DELIVERY_CHUNK_SIZE = 512 /* enough for the end of a message that was handled */
};

/* WAITING -> FINISHING -> gone, or WAITING -> WANTED -> FINISHING -> gone
 *   WAITING    the listener has it
 *   WANTED     it is to be finished, but a turn that renews its lease is under way
 *   FINISHING  its end is being written */
typedef enum delivery_state { DELIVERY_WAITING, DELIVERY_WANTED, DELIVERY_FINISHING } delivery_state;

typedef struct delivery {
  tp_delivery base; /* first, so that the one is found from the other */
  tp_queue *queue;
  tp_queue_listener *listener;
  struct delivery *previous, *next; /* in queue->deliveries */
  delivery_state state;
  bool in_turn;
  tuplet_bytes lease_id;
  int64_t lease_until_ms;
  tp_finish finish;
  tp_write write;
  tp_arena arena;
  void (*on_done)(void *context, tuplet_status status, const tuplet_error *error);
  void *on_done_context;
  struct delivery *wanted_next; /* of those whose end waited for a turn */
} delivery;

struct tp_queue_listener {
  tp_queue *queue;
  tp_engine_listener *inner; /* where the engine hands out messages; then nothing below counts */
  tp_queue_listener *next;   /* in a ring */
  tp_queue_listening config;
  uint32_t in_flight;
  bool is_closing; /* somebody waits for on_message to return */
  bool is_closed;
  bool is_called; /* on_message runs */
};

struct tp_queue {
  const tuplet_allocator *allocator;
  tp_clock clock;
  tp_engine *engine;
  pthread_t thread;

  /* The thread's: */
  tp_queue_turn turn;
  size_t delivered_count; /* of the turn's messages */
  tp_arena arena;

  pthread_mutex_t mutex; /* guards what follows, and deliveries and listeners */
  pthread_cond_t wake;
  bool started;
  bool stopping;
  bool turning; /* the engine has the turn */
  bool must_look;
  bool starves;                 /* the thread waits for a listener to have room */
  tp_queue_listener *listeners; /* the one whose turn it is */
  size_t listener_count;        /* open ones */
  delivery *deliveries;
  size_t delivery_count;
  int64_t next_due_ms; /* of the waiting messages, as far as is known; unix; TP_EXPIRES_NEVER */
  int64_t next_run_out_ms;
  int64_t renew_at_ns;    /* monotonic */
  int64_t retry_until_ns; /* likewise; no turn before */
};

static int64_t earlier(int64_t a_ms, int64_t b_ms) {
  if (a_ms == TP_EXPIRES_NEVER) return b_ms;
  return b_ms == TP_EXPIRES_NEVER || a_ms < b_ms ? a_ms : b_ms;
}

/* ---- Listeners, with the mutex held ---- */

static uint32_t room_of(const tp_queue_listener *listener) {
  return listener->config.in_flight_max - listener->in_flight;
}

/* How many messages could be handed out now. */
static size_t room_of_all(const tp_queue *queue) {
  size_t room = 0;
  const tp_queue_listener *listener = queue->listeners;
  for (size_t i = 0; i < queue->listener_count && room < TURN_MESSAGES_MAX; i++, listener = listener->next)
    room += room_of(listener);
  return room < TURN_MESSAGES_MAX ? room : TURN_MESSAGES_MAX;
}

/* The next one in the ring that has room; NULL when none has. */
static tp_queue_listener *choose_listener(tp_queue *queue) {
  for (size_t i = 0; i < queue->listener_count; i++) {
    tp_queue_listener *listener = queue->listeners;
    queue->listeners = listener->next;
    if (room_of(listener) > 0) return listener;
  }
  return NULL;
}

static void insert_listener(tp_queue *queue, tp_queue_listener *listener) {
  if (queue->listeners == NULL) {
    listener->next = listener;
  } else {
    listener->next = queue->listeners->next;
    queue->listeners->next = listener;
  }
  queue->listeners = listener;
  queue->listener_count++;
}

static void remove_listener(tp_queue *queue, tp_queue_listener *listener) {
  tp_queue_listener *before = listener;
  while (before->next != listener) before = before->next;
  before->next = listener->next;
  queue->listeners = before == listener ? NULL : before;
  queue->listener_count--;
}

static void free_if_unused(tp_queue_listener *listener) {
  if (listener->is_closed && listener->in_flight == 0 && !listener->is_called)
    tp_free(listener->queue->allocator, listener);
}

/* ---- Deliveries ---- */

static void link_delivery(tp_queue *queue, delivery *item) {
  item->next = queue->deliveries;
  if (item->next != NULL) item->next->previous = item;
  queue->deliveries = item;
  if (queue->delivery_count++ == 0)
    queue->renew_at_ns = tp_clock_monotonic_ns(&queue->clock) + (int64_t)RENEW_MS * 1000000;
}

static void unlink_delivery(tp_queue *queue, delivery *item) {
  *(item->previous != NULL ? &item->previous->next : &queue->deliveries) = item->next;
  if (item->next != NULL) item->next->previous = item->previous;
  queue->delivery_count--;
}

static void on_finished(tp_write *write) {
  delivery *item = (delivery *)(void *)((char *)write - offsetof(delivery, write));
  tp_queue *queue = item->queue;
  tuplet_status status = write->status;
  tuplet_error error = write->error;
  if (status == TUPLET_CONFLICT)
    status = tp_fail(&error, TUPLET_NOT_FOUND, "the lease of the message had run out before it was finished");
  (void)pthread_mutex_lock(&queue->mutex);
  unlink_delivery(queue, item);
  if (item->listener != NULL) {
    item->listener->in_flight--;
    free_if_unused(item->listener);
  }
  if (queue->starves) {
    queue->starves = false;
    (void)pthread_cond_broadcast(&queue->wake);
  }
  (void)pthread_mutex_unlock(&queue->mutex);
  if (item->on_done != NULL) item->on_done(item->on_done_context, status, &error);
  tp_arena_done(&item->arena);
  tp_free(queue->allocator, item);
}

static void submit_finish(delivery *item) {
  item->finish.id = item->lease_id;
  item->finish.lease_until_ms = item->lease_until_ms;
  item->write =
      (tp_write){.finishes = &item->finish, .finish_count = 1, .arena = &item->arena, .on_done = on_finished};
  item->queue->engine->ops->write(item->queue->engine, &item->write);
}

static void finish(tp_delivery *base, tp_finish_outcome outcome,
                   void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                   void *context) {
  delivery *item = (delivery *)base;
  tp_queue *queue = item->queue;
  (void)pthread_mutex_lock(&queue->mutex);
  assert(item->state == DELIVERY_WAITING);
  item->finish.outcome = outcome;
  item->on_done = on_done;
  item->on_done_context = context;
  item->state = item->in_turn ? DELIVERY_WANTED : DELIVERY_FINISHING;
  bool is_now = item->state == DELIVERY_FINISHING;
  (void)pthread_mutex_unlock(&queue->mutex);
  if (is_now) submit_finish(item);
}

/* With the memory that it takes to say that it was handled. NULL when out of memory. */
static delivery *new_delivery(tp_queue *queue, const tp_message *message) {
  delivery *item = tp_alloc(queue->allocator, sizeof *item + message->id.size + message->payload.size);
  if (item == NULL) return NULL;
  char *id = (char *)(item + 1);
  char *payload = id + message->id.size;
  memcpy(id, message->id.data, message->id.size);
  if (message->payload.size > 0) memcpy(payload, message->payload.data, message->payload.size);
  *item = (delivery){.base = {.id = {id, message->public_id_size},
                              .finish = finish,
                              .payload = {payload, message->payload.size},
                              .attempt = message->attempt},
                     .queue = queue,
                     .lease_id = {id, message->id.size},
                     .lease_until_ms = message->lease_until_ms};
  tp_arena_init(&item->arena, queue->allocator, DELIVERY_CHUNK_SIZE);
  if (tp_arena_alloc(&item->arena, 1) == NULL) {
    tp_free(queue->allocator, item);
    return NULL;
  }
  return item;
}

/* ---- A turn; the mutex is held, and let go of meanwhile ---- */

static void on_turned(tp_queue_turn *turn) {
  tp_queue *queue = (tp_queue *)(void *)((char *)turn - offsetof(tp_queue, turn));
  (void)pthread_mutex_lock(&queue->mutex);
  queue->turning = false;
  (void)pthread_cond_broadcast(&queue->wake);
  (void)pthread_mutex_unlock(&queue->mutex);
}

/* Of those that are being handled, the ones that were not renewed lately, or however many fit into the turn.
 * Only when they have all been taken may the turn end leases that have run out: they might be ours, after the
 * machine slept, the clock was set, or the disk was full; *ret_is_ending tells that it is one whose end is
 * being written. False when out of memory. */
static bool gather_leases(tp_queue *queue, int64_t now_ms, bool *ret_all, bool *ret_is_ending) {
  tp_queue_turn *turn = &queue->turn;
  size_t lease_max = queue->delivery_count < TURN_LEASES_MAX ? queue->delivery_count : TURN_LEASES_MAX;
  *ret_all = true;
  *ret_is_ending = false;
  turn->leases = tp_arena_alloc_array_zeroed(&queue->arena, lease_max, sizeof *turn->leases);
  if (turn->leases == NULL) return false;
  for (delivery *item = queue->deliveries; item != NULL; item = item->next) {
    bool is_old = item->lease_until_ms < now_ms + LEASE_MS - RENEW_AGE_MS;
    if (item->state == DELIVERY_FINISHING && item->lease_until_ms <= now_ms) *ret_is_ending = true;
    if (item->state != DELIVERY_WAITING || !is_old) continue;
    *ret_all = turn->lease_count < lease_max;
    if (!*ret_all) break;
    item->in_turn = true;
    turn->leases[turn->lease_count++] =
        (tp_lease){.id = item->lease_id, .lease_until_ms = item->lease_until_ms};
  }
  return true;
}

/* What the turn has done to the leases that it was given; they stand in the order of the deliveries, to which
 * others may have been added meanwhile, but only at the front. Returns those that are to be finished now. */
static delivery *take_leases_back(tp_queue *queue) {
  const tp_queue_turn *turn = &queue->turn;
  delivery *wanted = NULL;
  size_t i = 0;
  for (delivery *item = queue->deliveries; item != NULL; item = item->next) {
    if (!item->in_turn) continue;
    item->in_turn = false;
    if (turn->status == TUPLET_OK && !turn->leases[i].is_lost) item->lease_until_ms = turn->lease_until_ms;
    i++;
    if (item->state != DELIVERY_WANTED) continue;
    item->state = DELIVERY_FINISHING;
    item->wanted_next = wanted;
    wanted = item;
  }
  return wanted;
}

/* Hands a message to a listener, or back to the queue when none is there any more. False when out of memory.
 */
static bool deliver(tp_queue *queue, const tp_message *message) {
  delivery *item = new_delivery(queue, message);
  if (item == NULL) return false;
  link_delivery(queue, item);
  tp_queue_listener *listener = choose_listener(queue);
  if (listener != NULL) {
    item->listener = listener;
    listener->in_flight++;
    listener->is_called = true;
  } else {
    item->state = DELIVERY_FINISHING;
    item->finish.outcome = TP_FINISH_RETURNED;
  }
  (void)pthread_mutex_unlock(&queue->mutex);
  if (listener != NULL)
    listener->config.on_message(listener->config.context, &item->base);
  else
    submit_finish(item);
  (void)pthread_mutex_lock(&queue->mutex);
  if (listener == NULL) return true;
  listener->is_called = false;
  if (listener->is_closing) (void)pthread_cond_broadcast(&queue->wake);
  free_if_unused(listener);
  return true;
}

static bool has_come(int64_t moment_ms, int64_t now_ms) {
  return moment_ms != TP_EXPIRES_NEVER && moment_ms <= now_ms;
}

/* Whether something is due that cannot be taken, which must not keep it busy. */
static bool came_to_nothing(const tp_queue_turn *turn) {
  if (turn->status != TUPLET_OK) return false;
  return turn->message_max > 0 && turn->message_count == 0 && has_come(turn->next_due_ms, turn->now_ms);
}

static void hold_off(tp_queue *queue) {
  queue->retry_until_ns = tp_clock_monotonic_ns(&queue->clock) + (int64_t)RETRY_MS * 1000000;
}

/* Hands out what the turn has leased and is not handed out yet. What finds no memory waits for some, as long
 * as its lease lasts. */
static void deliver_all(tp_queue *queue) {
  const tp_queue_turn *turn = &queue->turn;
  while (queue->delivered_count < turn->message_count) {
    if (deliver(queue, &turn->messages[queue->delivered_count])) {
      queue->delivered_count++;
    } else if (tp_clock_unix_ms(&queue->clock) >= turn->lease_until_ms) {
      queue->delivered_count = turn->message_count;
    } else {
      hold_off(queue);
      return;
    }
  }
}

static void after_turn(tp_queue *queue, int64_t due_before_ms) {
  tp_queue_turn *turn = &queue->turn;
  if (turn->status != TUPLET_OK) turn->message_count = 0;
  delivery *wanted = take_leases_back(queue);
  if (came_to_nothing(turn)) hold_off(queue);
  if (turn->status == TUPLET_OK) {
    queue->next_due_ms = earlier(queue->next_due_ms, turn->next_due_ms); /* of what was noted meanwhile */
    queue->next_run_out_ms = turn->next_run_out_ms;
  } else {
    queue->next_due_ms = earlier(queue->next_due_ms, due_before_ms);
    queue->must_look = true;
    hold_off(queue);
  }
  if (wanted != NULL) {
    (void)pthread_mutex_unlock(&queue->mutex);
    for (delivery *next; wanted != NULL; wanted = next) {
      next = wanted->wanted_next;
      submit_finish(wanted);
    }
    (void)pthread_mutex_lock(&queue->mutex);
  }
  queue->delivered_count = 0;
  deliver_all(queue);
}

static void run_turn(tp_queue *queue, bool renews) {
  int64_t due_before_ms = queue->next_due_ms;
  int64_t now_ms = tp_clock_unix_ms(&queue->clock);
  tp_arena_clear(&queue->arena);
  queue->turn = (tp_queue_turn){.run_out_until_ms = TP_EXPIRES_NEVER,
                                .lease_ms = LEASE_MS,
                                .message_max = room_of_all(queue),
                                .arena = &queue->arena,
                                .on_done = on_turned,
                                .next_due_ms = TP_EXPIRES_NEVER,
                                .next_run_out_ms = TP_EXPIRES_NEVER};
  bool is_all = false, is_ending = false;
  if (renews && !gather_leases(queue, now_ms, &is_all, &is_ending)) {
    hold_off(queue);
    queue->must_look = true;
    return;
  }
  if (is_ending) hold_off(queue); /* it soon has its end */
  if (is_all) {
    if (!is_ending) queue->turn.run_out_until_ms = now_ms;
    queue->renew_at_ns = tp_clock_monotonic_ns(&queue->clock) + (int64_t)RENEW_MS * 1000000;
  }
  queue->must_look = false;
  queue->next_due_ms = TP_EXPIRES_NEVER;
  queue->turning = true;
  (void)pthread_mutex_unlock(&queue->mutex);
  queue->engine->ops->queue_turn(queue->engine, &queue->turn);
  (void)pthread_mutex_lock(&queue->mutex);
  while (queue->turning) (void)pthread_cond_wait(&queue->wake, &queue->mutex);
  after_turn(queue, due_before_ms);
}

/* ---- The thread ---- */

/* When the next turn is due, as nanoseconds from now; 0: now. *ret_renews tells whether it is to renew ours
 * and to end what has run out. */
static int64_t next_turn_ns(tp_queue *queue, bool *ret_renews) {
  int64_t now_ms = tp_clock_unix_ms(&queue->clock);
  int64_t now_ns = tp_clock_monotonic_ns(&queue->clock);
  bool has_room = room_of_all(queue) > 0;
  bool is_listening = queue->listener_count > 0;
  int64_t moment_ms = TP_EXPIRES_NEVER;
  if (has_room) moment_ms = queue->next_due_ms;
  if (is_listening) moment_ms = earlier(moment_ms, queue->next_run_out_ms);
  int64_t wait_ns = (int64_t)WAIT_MS_MAX * 1000000;
  if (has_come(moment_ms, now_ms) || (queue->must_look && is_listening))
    wait_ns = 0;
  else if (moment_ms != TP_EXPIRES_NEVER && moment_ms - now_ms < WAIT_MS_MAX)
    wait_ns = (moment_ms - now_ms) * 1000000;
  queue->starves = is_listening && !has_room;
  *ret_renews = is_listening && has_come(queue->next_run_out_ms, now_ms);
  if (queue->delivery_count > 0) {
    int64_t renew_ns = queue->renew_at_ns - now_ns;
    if (renew_ns <= 0) *ret_renews = true;
    if (renew_ns < wait_ns) wait_ns = renew_ns;
  }
  if (queue->delivered_count < queue->turn.message_count) wait_ns = 0;
  int64_t retry_ns = queue->retry_until_ns - now_ns;
  return retry_ns > wait_ns ? retry_ns : wait_ns;
}

static void wait_for(tp_queue *queue, int64_t wait_ns) {
  tp_deadline until = tp_deadline_in_ns(wait_ns);
  (void)tp_deadline_wait(&until, &queue->wake, &queue->mutex);
}

static void *run(void *context) {
  tp_queue *queue = context;
  (void)pthread_mutex_lock(&queue->mutex);
  while (!queue->stopping) {
    bool renews;
    int64_t wait_ns = next_turn_ns(queue, &renews);
    if (wait_ns > 0)
      wait_for(queue, wait_ns);
    else if (queue->delivered_count < queue->turn.message_count)
      deliver_all(queue);
    else
      run_turn(queue, renews);
  }
  (void)pthread_mutex_unlock(&queue->mutex);
  return NULL;
}

/* ---- From outside ---- */

void tp_queue_note_due(tp_queue *queue, int64_t due_at_ms) {
  (void)pthread_mutex_lock(&queue->mutex);
  if (queue->listener_count > 0 && earlier(queue->next_due_ms, due_at_ms) != queue->next_due_ms) {
    queue->next_due_ms = due_at_ms;
    (void)pthread_cond_broadcast(&queue->wake);
  }
  (void)pthread_mutex_unlock(&queue->mutex);
}

void tp_queue_note_foreign(tp_queue *queue) {
  if (queue == NULL) return;
  (void)pthread_mutex_lock(&queue->mutex);
  if (queue->listener_count > 0) {
    queue->must_look = true;
    (void)pthread_cond_broadcast(&queue->wake);
  }
  (void)pthread_mutex_unlock(&queue->mutex);
}

bool tp_queue_is_listening(tp_queue *queue) {
  if (queue == NULL) return false;
  (void)pthread_mutex_lock(&queue->mutex);
  bool is_listening = queue->listener_count > 0;
  (void)pthread_mutex_unlock(&queue->mutex);
  return is_listening;
}

/* Joins the ring, and starts the thread with the first. */
static tuplet_status start_listener(tp_queue_listener *listener, tuplet_error *error) {
  tp_queue *queue = listener->queue;
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&queue->mutex);
  if (!queue->started) status = tp_thread_start(&queue->thread, "tp-queue", run, queue, error);
  if (status == TUPLET_OK) {
    queue->started = true;
    insert_listener(queue, listener);
    queue->must_look = true;
    (void)pthread_cond_broadcast(&queue->wake);
  }
  (void)pthread_mutex_unlock(&queue->mutex);
  return status;
}

tuplet_status tp_queue_listen(tp_queue *queue, const tp_queue_listening *config,
                              tp_queue_listener **ret_listener, tuplet_error *error) {
  assert(config->in_flight_max > 0);
  tp_engine *engine = queue->engine;
  tp_queue_listener *listener = tp_alloc_array_zeroed(queue->allocator, 1, sizeof *listener);
  if (listener == NULL) return tp_fail_nomem(error);
  listener->queue = queue;
  listener->config = *config;
  *ret_listener = listener; /* before its first message */
  tuplet_status status = engine->ops->listen != NULL
                             ? engine->ops->listen(engine, config, &listener->inner, error)
                             : start_listener(listener, error);
  if (status != TUPLET_OK) {
    *ret_listener = NULL;
    tp_free(queue->allocator, listener);
  }
  return status;
}

void tp_queue_listener_close(tp_queue_listener *listener) {
  if (listener == NULL) return;
  tp_queue *queue = listener->queue;
  if (queue->engine->ops->listen != NULL) {
    queue->engine->ops->listener_close(queue->engine, listener->inner);
    tp_free(queue->allocator, listener);
    return;
  }
  (void)pthread_mutex_lock(&queue->mutex);
  remove_listener(queue, listener);
  listener->is_closing = true;
  while (listener->is_called) (void)pthread_cond_wait(&queue->wake, &queue->mutex);
  listener->is_closed = true;
  free_if_unused(listener);
  (void)pthread_mutex_unlock(&queue->mutex);
}

/* ---- Beginning and end ---- */

tuplet_status tp_queue_new(const tuplet_allocator *allocator, tp_clock clock, tp_engine *engine,
                           tp_queue **ret_queue, tuplet_error *error) {
  tp_queue *queue = tp_alloc(allocator, sizeof *queue);
  if (queue == NULL) return tp_fail_nomem(error);
  *queue = (tp_queue){.allocator = allocator,
                      .clock = clock,
                      .engine = engine,
                      .next_due_ms = TP_EXPIRES_NEVER,
                      .next_run_out_ms = TP_EXPIRES_NEVER};
  tp_arena_init(&queue->arena, allocator, TURN_CHUNK_SIZE);
  int rc = pthread_mutex_init(&queue->mutex, NULL);
  if (rc == 0) {
    rc = tp_deadline_init_cond(&queue->wake);
    if (rc != 0) (void)pthread_mutex_destroy(&queue->mutex);
  }
  if (rc != 0) {
    tp_free(allocator, queue);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  *ret_queue = queue;
  return TUPLET_OK;
}

void tp_queue_stop(tp_queue *queue) {
  if (queue == NULL) return;
  (void)pthread_mutex_lock(&queue->mutex);
  assert(queue->listener_count == 0);
  queue->stopping = true;
  bool started = queue->started;
  queue->started = false;
  (void)pthread_cond_broadcast(&queue->wake);
  (void)pthread_mutex_unlock(&queue->mutex);
  if (started) (void)pthread_join(queue->thread, NULL);
}

void tp_queue_free(tp_queue *queue) {
  if (queue == NULL) return;
  assert(!queue->started && queue->deliveries == NULL);
  tp_arena_done(&queue->arena);
  (void)pthread_cond_destroy(&queue->wake);
  (void)pthread_mutex_destroy(&queue->mutex);
  tp_free(queue->allocator, queue);
}
