/* server_load.c: one thread's load on a server.
 *
 * Each connection is a lane with as many slots as operations may be in flight on it. A slot that has nothing
 * to do waits in the queue of idle ones; `feed` gives them work: at once, or at a fixed rate when the next
 * operation is due. What one turn of the loop gives a connection to send leaves in one write.
 *
 * Where watches are measured, there is a lane more, with the one slot that writes; on the others there are
 * watchers in place of slots, and an operation is one of them being told. Without a fixed rate the next write
 * begins when all have been.
 *
 * Where the queue is measured, the lane more listens. A slot puts a message into the queue, waits until the
 * listener has it, and finishes it; its operation is over when the message comes. */
#include "server_load.h"

#include "base/alloc.h"
#include "base/status.h"
#include "connection.h"
#include "exchange.h"
#include "letter.h"
#include "queue_listener.h"
#include "watcher.h"
#include "waves.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TICK_MS = 20, BARREN_ENDS_MAX = 3 };

#define SILENCE_NS_MAX ((int64_t)30 * 1000000000) /* nobody answers any more */

typedef struct server_load server_load;
typedef struct server_lane server_lane;

/* IDLE -> BUSY -> IDLE; or BUSY -> WAITING -> BUSY, while the connection is made anew; of queues
 * BUSY -> EXPECTING -> BUSY, between a message's being taken by the server and its delivery */
typedef enum slot_state { SLOT_IDLE, SLOT_BUSY, SLOT_WAITING, SLOT_EXPECTING } slot_state;

typedef struct server_slot {
  tp_bench_call call;
  tp_bench_task task;
  tp_bench_exchange exchange;
  server_lane *lane;
  slot_state state;
  size_t ordinal;           /* of queues, as the rest of these: its number among all */
  tp_buffer message_id;     /* of the message that was delivered; empty before */
  struct server_slot *next; /* of the idle */
} server_slot;

typedef struct server_watcher {
  tp_bench_watcher base;
  server_lane *lane;
  uint64_t seen; /* the last write that it was told of */
  bool is_running;
  bool is_primed; /* it has been told how things stand */
} server_watcher;

struct server_lane {
  tp_bench_connection connection;
  server_load *load;
  server_slot *slots;
  unsigned slot_count;
  tp_bench_queue_listener listener; /* of the lane that listens */
  server_watcher *watchers;
  unsigned watcher_count;
  bool is_counted;   /* among those that have been opened */
  bool has_answered; /* since it was opened */
  bool is_to_flush;
  server_lane *next_to_flush;
};

struct server_load {
  uv_loop_t loop;
  uv_timer_t tick;
  uv_poll_t alarm; /* timer_fd: libuv's own timers know milliseconds only */
  int timer_fd;
  int64_t alarm_ns; /* what it is set to; 0: it is not */
  tp_bench_worker *worker;
  server_lane *lanes;
  unsigned lane_count, in_flight, open_count;
  size_t busy_count; /* slots that are not idle */
  server_slot *first_idle, *last_idle;
  server_lane *to_flush;
  tp_bench_waves *waves; /* of watches, as the rest of these: when each write began */
  unsigned watcher_count, primed_count;
  unsigned behind_count; /* that have not been told of the last write */
  server_slot *answered; /* the slot whose write has been answered, and waits for them */
  bool listens;          /* the last lane listens to the queue */
  bool met_stranger;     /* a message of others has come */
  server_slot **slots;   /* then: all, by ordinal */
  size_t slot_count;
  int64_t answered_ns;   /* when something happened last */
  unsigned barren_count; /* connections that ended without an answer, one after the other */
  bool is_ready;
  bool is_ending; /* nothing new begins */
};

static void feed(server_load *load);

/* ---- The end ---- */

static void fail(server_load *load, tuplet_status status, const char *what, const char *why) {
  load->is_ending = true;
  if (load->worker->error.status != TUPLET_OK) return;
  tp_bench_server *server = load->lanes[0].connection.server;
  tp_error_set(&load->worker->error, status, "%s %s: %s", what, server->head.authority, why);
}

/* Closes what is open once nothing is under way any more, or nothing is to be waited for. */
static void close_when_done(server_load *load) {
  bool has_failed = load->worker->error.status != TUPLET_OK;
  if (!load->is_ending || (load->busy_count > 0 && !has_failed)) return;
  if (load->met_stranger)
    fail(load, TUPLET_UNSUPPORTED, "listening at", "there are messages of others in its queue");
  for (unsigned i = 0; i < load->lane_count; i++) tp_bench_connection_close(&load->lanes[i].connection);
  if (uv_is_closing((uv_handle_t *)&load->tick)) return;
  uv_close((uv_handle_t *)&load->tick, NULL);
  uv_close((uv_handle_t *)&load->alarm, NULL);
}

/* ---- Slots ---- */

static void make_idle(server_slot *slot) {
  server_load *load = slot->lane->load;
  slot->state = SLOT_IDLE;
  slot->next = NULL;
  if (load->first_idle == NULL)
    load->first_idle = slot;
  else
    load->last_idle->next = slot;
  load->last_idle = slot;
}

static void rest(server_slot *slot) {
  slot->lane->load->busy_count--;
  make_idle(slot);
}

static void fault(server_load *load, tuplet_status status, const char *what, const char *why) {
  tuplet_error error;
  tp_error_set(&error, status, "%s%s", what, why);
  tp_bench_tally_fault(&load->worker->tally, &error);
}

/* The write has been answered, or has failed. */
static void finish_write(server_slot *slot, bool is_done) {
  server_load *load = slot->lane->load;
  bool is_closed_loop = load->worker->pace.interval_ns <= 0;
  if (is_done && is_closed_loop && load->behind_count > 0)
    load->answered = slot;
  else
    rest(slot);
}

static void flush_later(server_lane *lane) {
  if (lane->is_to_flush) return;
  lane->is_to_flush = true;
  lane->next_to_flush = lane->load->to_flush;
  lane->load->to_flush = lane;
}

/* Sends the slot's request, if its connection takes it; else when it is there again. */
static void start(server_slot *slot) {
  slot->state = tp_bench_connection_start(&slot->lane->connection, &slot->call) ? SLOT_BUSY : SLOT_WAITING;
  flush_later(slot->lane);
}

static void send_request(server_slot *slot) {
  server_load *load = slot->lane->load;
  if (tp_bench_exchange_encode(&slot->exchange, &load->worker->desk, &slot->task.request, &slot->call)) {
    start(slot);
    return;
  }
  rest(slot);
  fail(load, TUPLET_NOMEM, "asking", "out of memory");
}

/* Tells the server that the message which was delivered is handled. */
static void finish_message(server_slot *slot) {
  slot->task.request.type = TP_BENCH_REQUEST_FINISH;
  slot->task.request.id = tp_buffer_view(&slot->message_id);
  send_request(slot);
}

static void await_delivery(server_slot *slot) {
  slot->state = SLOT_EXPECTING;
  if (slot->message_id.size > 0) finish_message(slot); /* it was quicker than the answer */
}

static void on_done(tp_bench_call *call, const char *problem) {
  server_slot *slot = (server_slot *)call; /* its first member */
  server_load *load = slot->lane->load;
  int64_t now_ns = tp_bench_now_ns();
  load->answered_ns = now_ns;
  load->barren_count = 0;
  slot->lane->has_answered = true;
  if (problem != NULL) {
    fault(load, TUPLET_IO, "an answer broke off: ", problem);
    rest(slot);
  } else {
    tp_bench_answer answer;
    tp_bench_exchange_decode(&slot->exchange, &slot->task.request, call, &answer);
    tp_bench_step step = tp_bench_worker_answer(load->worker, &slot->task, &answer, now_ns);
    if (step == TP_BENCH_STEP_MORE && tp_bench_worker_goes_on(load->worker, now_ns)) {
      send_request(slot);
      return;
    }
    if (step == TP_BENCH_STEP_DONE && slot->task.request.type == TP_BENCH_REQUEST_ENQUEUE) {
      await_delivery(slot);
      return;
    }
    finish_write(slot, step == TP_BENCH_STEP_DONE);
  }
  feed(load);
}

/* ---- When the next one begins ---- */

static void set_alarm(server_load *load, int64_t at_ns) {
  if (load->alarm_ns == at_ns) return;
  load->alarm_ns = at_ns;
  struct itimerspec when = {.it_value = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000}};
  (void)timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static server_slot *take_idle(server_load *load) {
  server_slot *slot = load->first_idle;
  load->first_idle = slot->next;
  if (load->first_idle == NULL) load->last_idle = NULL;
  return slot;
}

static void feed(server_load *load) {
  if (!load->is_ready) return;
  while (load->first_idle != NULL && !load->is_ending) {
    int64_t now_ns = tp_bench_now_ns();
    int64_t due_ns = tp_bench_worker_due_ns(load->worker);
    bool goes_on = tp_bench_worker_goes_on(load->worker, now_ns);
    if (goes_on && due_ns > now_ns) {
      set_alarm(load, due_ns);
      return;
    }
    if (!goes_on || !tp_bench_worker_begin(load->worker, &load->first_idle->task, now_ns)) {
      load->is_ending = true;
      return;
    }
    server_slot *slot = take_idle(load);
    load->busy_count++;
    if (load->watcher_count > 0) {
      tp_bench_waves_note(load->waves, load->worker->desk.sequence, slot->task.from_ns);
      load->behind_count = load->watcher_count;
    }
    if (load->listens) {
      slot->task.request.numbers[0] = load->worker->desk.sequence * load->slot_count + slot->ordinal;
      tp_buffer_clear(&slot->message_id);
    }
    send_request(slot);
  }
}

static void finish_turn(server_load *load) {
  while (load->to_flush != NULL) {
    server_lane *lane = load->to_flush;
    load->to_flush = lane->next_to_flush;
    lane->is_to_flush = false;
    tp_bench_connection_flush(&lane->connection);
  }
  close_when_done(load);
}

/* ---- Watches ---- */

static void begin_when_ready(server_load *load) {
  if (load->is_ready || load->open_count < load->lane_count || load->primed_count < load->watcher_count)
    return;
  load->is_ready = true;
  tp_bench_worker_ready(load->worker);
  feed(load);
}

static void on_number(tp_bench_watcher *base, uint64_t number) {
  server_watcher *watcher = (server_watcher *)base; /* its first member */
  server_load *load = watcher->lane->load;
  int64_t now_ns = tp_bench_now_ns();
  load->answered_ns = now_ns;
  load->barren_count = 0;
  watcher->lane->has_answered = true;
  if (!watcher->is_primed) {
    watcher->is_primed = true;
    load->primed_count++;
    begin_when_ready(load);
  }
  int64_t from_ns = tp_bench_waves_from_ns(load->waves, number);
  if (from_ns == 0 || number <= watcher->seen) return; /* of an earlier run, or told again */
  watcher->seen = number;
  tp_bench_worker_count(load->worker, from_ns, now_ns);
  if (number < load->worker->desk.sequence || --load->behind_count > 0 || load->answered == NULL) return;
  server_slot *slot = load->answered;
  load->answered = NULL;
  rest(slot);
  feed(load);
}

static void on_watch_end(tp_bench_stream *stream, const tuplet_error *error) {
  server_watcher *watcher = (server_watcher *)stream;
  server_load *load = watcher->lane->load;
  watcher->is_running = false;
  if (!load->is_ending) fail(load, error->status, "watching", error->message);
}

static void start_watchers(server_lane *lane) {
  for (unsigned i = 0; i < lane->watcher_count; i++) {
    server_watcher *watcher = &lane->watchers[i];
    tp_bench_stream_prepare(&watcher->base.stream);
    watcher->is_running = tp_bench_connection_start(&lane->connection, &watcher->base.stream.call);
    if (!watcher->is_running)
      fail(lane->load, TUPLET_IO, "watching", "it takes no more requests on a connection");
  }
}

static void lose_watchers(server_lane *lane, const char *problem) {
  for (unsigned i = 0; i < lane->watcher_count; i++) {
    if (lane->watchers[i].is_running && !lane->load->is_ending)
      fault(lane->load, TUPLET_IO, "a watch was lost: ", problem);
    lane->watchers[i].is_running = false;
  }
}

/* ---- The queue ---- */

static server_lane *lane_of(tp_bench_stream *stream) {
  return (server_lane *)(void *)((char *)stream - offsetof(server_lane, listener));
}

/* A message has come, the one that a slot waits for. Others are not ours to finish: they go back when the
 * stream ends. */
static void on_letter(tp_bench_queue_listener *listener, const tp_message *message) {
  server_load *load = lane_of(&listener->stream)->load;
  int64_t now_ns = tp_bench_now_ns();
  uint64_t number;
  load->answered_ns = now_ns;
  load->barren_count = 0;
  lane_of(&listener->stream)->has_answered = true;
  if (!tp_bench_letter_read(load->worker->desk.data, message->payload, &number)) {
    load->met_stranger = true;
    load->is_ending = true; /* what is under way still comes, and is not left behind */
    return;
  }
  server_slot *slot = load->slots[number % load->slot_count];
  tp_bench_request *request = &slot->task.request;
  if (slot->state == SLOT_IDLE || request->type != TP_BENCH_REQUEST_ENQUEUE ||
      request->numbers[0] != number || slot->message_id.size > 0) {
    fault(load, TUPLET_IO, "a message came that is not waited for", "");
    return;
  }
  tp_buffer_append(&slot->message_id, message->id.data, message->id.size);
  request->attempt = message->attempt;
  if (slot->message_id.failed) {
    fail(load, TUPLET_NOMEM, "listening at", "out of memory");
    return;
  }
  tp_bench_worker_count(load->worker, slot->task.from_ns, now_ns);
  if (slot->state == SLOT_EXPECTING) finish_message(slot);
}

static void on_listener_end(tp_bench_stream *stream, const tuplet_error *error) {
  server_load *load = lane_of(stream)->load;
  if (!load->is_ending || load->busy_count > 0) fail(load, error->status, "listening at", error->message);
}

static void start_listener(server_lane *lane) {
  tp_bench_stream_prepare(&lane->listener.stream);
  if (!tp_bench_connection_start(&lane->connection, &lane->listener.stream.call))
    fail(lane->load, TUPLET_IO, "listening at", "it takes no requests");
}

static bool is_last(const server_lane *lane) {
  return lane == &lane->load->lanes[lane->load->lane_count - 1];
}

/* ---- What the loop tells ---- */

static void on_open(tp_bench_connection *connection) {
  server_lane *lane = (server_lane *)connection; /* its first member */
  server_load *load = lane->load;
  load->answered_ns = tp_bench_now_ns();
  lane->has_answered = false;
  if (!connection->is_http2 && load->in_flight > 1) {
    fail(load, TUPLET_UNSUPPORTED, "asking",
         "it speaks HTTP/1.1, with one request in flight on a connection");
    return;
  }
  for (unsigned i = 0; i < lane->slot_count; i++) {
    if (lane->slots[i].state == SLOT_WAITING) start(&lane->slots[i]);
  }
  start_watchers(lane);
  if (load->listens && is_last(lane)) start_listener(lane);
  if (!lane->is_counted) load->open_count++;
  lane->is_counted = true;
  begin_when_ready(load);
}

static void on_turn_end(tp_bench_connection *connection) {
  server_lane *lane = (server_lane *)connection;
  flush_later(lane); /* HTTP/2 has things to say of its own */
  finish_turn(lane->load);
}

static void open_lane(server_lane *lane) {
  if (!tp_bench_connection_open(&lane->connection, &lane->load->loop))
    fail(lane->load, TUPLET_IO, "connecting to", lane->connection.problem);
}

/* Operations whose answer is lost have failed; the connection is made anew, unless that leads nowhere. */
static void on_closed(tp_bench_connection *connection) {
  server_lane *lane = (server_lane *)connection;
  server_load *load = lane->load;
  bool has_ended_well = connection->problem[0] == '\0';
  const char *problem = has_ended_well ? "it was closed" : connection->problem;
  for (unsigned i = 0; i < lane->slot_count; i++) {
    server_slot *slot = &lane->slots[i];
    if (slot->state != SLOT_BUSY || slot == load->answered) continue;
    fault(load, TUPLET_IO, "a connection was lost: ", problem);
    rest(slot);
  }
  lose_watchers(lane, problem);
  if (!connection->was_open && !has_ended_well) {
    fail(load, TUPLET_IO, "connecting to", connection->problem);
  } else if (!lane->has_answered && !load->is_ending && ++load->barren_count >= BARREN_ENDS_MAX) {
    fail(load, TUPLET_IO, "asking",
         has_ended_well ? "it ends connections without an answer" : connection->problem);
  }
  if (load->worker->error.status == TUPLET_OK && (!load->is_ending || load->busy_count > 0)) open_lane(lane);
  feed(load);
  finish_turn(load);
}

static void on_alarm(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  server_load *load = poll->data;
  uint64_t count;
  if (read(load->timer_fd, &count, sizeof count) < 0) return; /* it was set anew meanwhile */
  load->alarm_ns = 0;
  feed(load);
  finish_turn(load);
}

static void on_tick(uv_timer_t *timer) {
  server_load *load = timer->data;
  int64_t now_ns = tp_bench_now_ns();
  if (!tp_bench_worker_goes_on(load->worker, now_ns)) load->is_ending = true;
  bool waits = load->busy_count > 0 || !load->is_ready;
  if (!waits) load->answered_ns = now_ns;
  if (waits && now_ns - load->answered_ns > SILENCE_NS_MAX)
    fail(load, TUPLET_IO, "asking", "it does not answer any more");
  finish_turn(load);
}

/* ---- A thread ---- */

static bool init_slots(server_lane *lane) {
  lane->slots = tp_alloc_array_zeroed(NULL, lane->slot_count, sizeof *lane->slots);
  if (lane->slots == NULL) return false;
  for (unsigned i = 0; i < lane->slot_count; i++) {
    server_slot *slot = &lane->slots[i];
    slot->lane = lane;
    slot->call.on_done = on_done;
    tp_buffer_init(&slot->call.answer, NULL);
    tp_buffer_init(&slot->message_id, NULL);
    tp_bench_exchange_init(&slot->exchange);
  }
  return true;
}

static bool init_watchers(server_lane *lane) {
  const tp_bench_desk *desk = &lane->load->worker->desk;
  lane->watchers = tp_alloc_array_zeroed(NULL, lane->watcher_count, sizeof *lane->watchers);
  if (lane->watchers == NULL) return false;
  for (unsigned i = 0; i < lane->watcher_count; i++) {
    server_watcher *watcher = &lane->watchers[i];
    watcher->lane = lane;
    watcher->base.on_number = on_number;
    watcher->base.stream.on_end = on_watch_end;
    if (!tp_bench_watcher_init(&watcher->base, desk->data, desk->own_key)) return false;
  }
  return true;
}

static bool init_lane(server_load *load, server_lane *lane, tp_bench_server *server) {
  static const tp_bench_connection_owner owner = {on_open, on_turn_end, on_closed};
  lane->load = load;
  tp_bench_connection_init(&lane->connection, server, &owner);
  bool is_watching = load->worker->desk.workload == TP_BENCH_WATCH;
  bool writes = is_last(lane);
  bool is_listener = load->listens && is_last(lane);
  lane->slot_count = is_listener ? 0 : !is_watching ? load->in_flight : writes ? 1 : 0;
  lane->watcher_count = is_watching && !writes ? load->in_flight : 0;
  load->watcher_count += lane->watcher_count;
  lane->listener.on_letter = on_letter;
  lane->listener.stream.on_end = on_listener_end;
  return init_slots(lane) && init_watchers(lane) &&
         tp_bench_queue_listener_init(&lane->listener, TUPLET_LISTEN_IN_FLIGHT_MAX);
}

/* Slots of one number after those of the other, so that work is spread over the lanes. */
static void queue_slots(server_load *load) {
  for (unsigned i = 0; i < load->in_flight; i++) {
    for (unsigned j = 0; j < load->lane_count; j++) {
      if (i < load->lanes[j].slot_count) make_idle(&load->lanes[j].slots[i]);
    }
  }
}

static bool init(server_load *load, tp_bench_server *server) {
  load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  load->lanes = tp_alloc_array_zeroed(NULL, load->lane_count, sizeof *load->lanes);
  load->waves = tp_alloc_array_zeroed(NULL, 1, sizeof *load->waves);
  if (load->lanes == NULL || load->waves == NULL || load->timer_fd < 0) return false;
  for (unsigned i = 0; i < load->lane_count; i++) {
    if (!init_lane(load, &load->lanes[i], server)) return false;
  }
  queue_slots(load);
  load->slots =
      tp_alloc_array_zeroed(NULL, (size_t)load->lane_count * load->in_flight, sizeof(server_slot *));
  if (load->slots == NULL) return false;
  for (server_slot *slot = load->first_idle; slot != NULL; slot = slot->next) {
    slot->ordinal = load->slot_count;
    load->slots[load->slot_count++] = slot;
  }
  return true;
}

static void done(server_load *load) {
  for (unsigned i = 0; load->lanes != NULL && i < load->lane_count; i++) {
    server_lane *lane = &load->lanes[i];
    for (unsigned j = 0; lane->slots != NULL && j < lane->slot_count; j++) {
      tp_buffer_done(&lane->slots[j].call.answer);
      tp_buffer_done(&lane->slots[j].message_id);
      tp_bench_exchange_done(&lane->slots[j].exchange);
    }
    tp_free(NULL, lane->slots);
    for (unsigned j = 0; lane->watchers != NULL && j < lane->watcher_count; j++)
      tp_bench_watcher_done(&lane->watchers[j].base);
    tp_free(NULL, lane->watchers);
    tp_bench_queue_listener_done(&lane->listener);
    tp_bench_connection_done(&lane->connection);
  }
  tp_free(NULL, load->lanes);
  tp_free(NULL, load->waves);
  tp_free(NULL, load->slots);
  if (load->timer_fd >= 0) (void)close(load->timer_fd);
}

static bool start_loop(server_load *load) {
  if (uv_loop_init(&load->loop) != 0) return false;
  (void)uv_timer_init(&load->loop, &load->tick);
  load->tick.data = load;
  if (uv_poll_init(&load->loop, &load->alarm, load->timer_fd) != 0) {
    uv_close((uv_handle_t *)&load->tick, NULL);
    (void)uv_run(&load->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&load->loop);
    return false;
  }
  load->alarm.data = load;
  (void)uv_timer_start(&load->tick, on_tick, TICK_MS, TICK_MS);
  (void)uv_poll_start(&load->alarm, UV_READABLE, on_alarm);
  return true;
}

void tp_bench_server_load(tp_bench_server *server, tp_bench_worker *worker, unsigned connection_count,
                          unsigned in_flight) {
  bool listens = worker->desk.workload == TP_BENCH_QUEUE;
  bool has_one_more = listens || worker->desk.workload == TP_BENCH_WATCH;
  server_load load = {.worker = worker,
                      .lane_count = connection_count + (has_one_more ? 1 : 0),
                      .in_flight = in_flight,
                      .listens = listens};
  (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* a fixed rate wakes when it says */
  load.answered_ns = tp_bench_now_ns();
  if (!init(&load, server) || !start_loop(&load)) {
    (void)tp_fail_nomem(&worker->error);
  } else {
    for (unsigned i = 0; i < load.lane_count; i++) open_lane(&load.lanes[i]);
    (void)uv_run(&load.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&load.loop);
  }
  done(&load);
}
