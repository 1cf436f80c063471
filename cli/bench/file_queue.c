/* file_queue.c: the queue of a file. A message holds the moment from which its latency counts, since another
 * thread than the one that put it into the queue may take it. */
#include "file_queue.h"

#include "base/status.h"
#include "letter.h"

enum { STEP_MS = 50, STRANGERS_MAX = 50 };

#define SILENCE_NS_MAX ((int64_t)30 * 1000000000)

typedef struct mailbox {
  tp_bench_worker *worker;
  tuplet_listener *listener;
  tuplet_message *strangers[STRANGERS_MAX]; /* messages of others, held until the end */
  size_t stranger_count;
} mailbox;

static tuplet_status fail_for_strangers(tuplet_error *error) {
  return tp_fail(error, TUPLET_UNSUPPORTED, "there are messages of others in the queue");
}

/* A message of others ends the run; but there is one of ours under way, which is not to be left behind. */
static tuplet_status keep_stranger(mailbox *box, tuplet_message *message, tuplet_error *error) {
  atomic_store(&box->worker->crew->is_stopping, true);
  box->strangers[box->stranger_count++] = message;
  return box->stranger_count < STRANGERS_MAX ? TUPLET_OK : fail_for_strangers(error);
}

/* Takes one of our messages and finishes it. */
static tuplet_status take_letter(mailbox *box, tuplet_error *error) {
  int64_t begun_ns = tp_bench_now_ns();
  for (;;) {
    tuplet_message *message = NULL;
    uint64_t from_ns;
    tuplet_status status = tuplet_listener_next(box->listener, STEP_MS, &message, error);
    if (status < 0) return status;
    if (status != TUPLET_OK) {
      if (tp_bench_now_ns() - begun_ns < SILENCE_NS_MAX) continue;
      return tp_fail(error, TUPLET_IO, "no message comes any more");
    }
    if (tp_bench_letter_read(box->worker->desk.data, message->payload.data, &from_ns)) {
      tp_bench_worker_count(box->worker, (int64_t)from_ns, tp_bench_now_ns());
      status = tuplet_message_ack(message, error);
      return status == TUPLET_OK && box->stranger_count > 0 ? fail_for_strangers(error) : status;
    }
    status = keep_stranger(box, message, error);
    if (status != TUPLET_OK) return status;
  }
}

/* With the listener the leases end, so that messages of others are due again as they were; how they end then
 * means nothing any more. */
static void close_mailbox(mailbox *box) {
  tuplet_listener_close(box->listener);
  for (size_t i = 0; i < box->stranger_count; i++) (void)tuplet_message_nack(box->strangers[i], NULL);
}

static tuplet_status put_letter(tuplet_db *db, tp_bench_worker *worker, tp_buffer *payload,
                                tuplet_error *error) {
  tp_bench_task task;
  tp_bench_worker_sleep_until(worker, tp_bench_worker_due_ns(worker));
  int64_t now_ns = tp_bench_now_ns();
  if (!tp_bench_worker_goes_on(worker, now_ns) || !tp_bench_worker_begin(worker, &task, now_ns))
    return TUPLET_DONE;
  tp_buffer_clear(payload);
  tp_bench_letter_put(worker->desk.data, (uint64_t)task.from_ns, payload);
  if (payload->failed) return tp_fail_nomem(error);
  return tuplet_enqueue(db, tuplet_value_v8(tp_buffer_view(payload)), NULL, NULL, error);
}

void tp_bench_file_queue_work(tuplet_db *db, tp_bench_worker *worker) {
  mailbox box = {.worker = worker};
  tuplet_error error = {0};
  tp_buffer payload;
  tp_buffer_init(&payload, NULL);
  tuplet_status status = tuplet_listen(db, NULL, NULL, NULL, &box.listener, &error);
  if (status == TUPLET_OK) tp_bench_worker_ready(worker);
  while (status == TUPLET_OK) {
    status = put_letter(db, worker, &payload, &error);
    if (status == TUPLET_OK) status = take_letter(&box, &error);
    if (status == TUPLET_BUSY) {
      tp_bench_tally_fault(&worker->tally, &error);
      status = TUPLET_OK;
    }
  }
  if (status < 0) worker->error = error;
  close_mailbox(&box);
  tp_buffer_done(&payload);
}
