/* file_queue.c: the queue of a file. A message holds the moment from which its latency counts, since another
 * thread than the one that put it into the queue may take it. */
#include "file_queue.h"

#include "base/status.h"
#include "letter.h"

enum { STEP_MS = 50 };

#define SILENCE_NS_MAX ((int64_t)30 * 1000000000)

/* Takes one message and finishes it. A message of others is put back: when the listener is closed, its lease
 * is over, and how it ends means nothing any more. */
static tuplet_status take_letter(tuplet_listener **listener, tp_bench_worker *worker, tuplet_error *error) {
  tuplet_message *message = NULL;
  int64_t begun_ns = tp_bench_now_ns();
  for (;;) {
    tuplet_status status = tuplet_listener_next(*listener, STEP_MS, &message, error);
    if (status == TUPLET_OK) break;
    if (status < 0) return status;
    if (tp_bench_now_ns() - begun_ns > SILENCE_NS_MAX)
      return tp_fail(error, TUPLET_IO, "no message comes any more");
  }
  uint64_t from_ns;
  if (!tp_bench_letter_read(worker->desk.data, message->payload.data, &from_ns)) {
    tuplet_listener_close(*listener);
    *listener = NULL;
    (void)tuplet_message_nack(message, NULL);
    return tp_fail(error, TUPLET_UNSUPPORTED, "there are messages of others in the queue");
  }
  tp_bench_worker_count(worker, (int64_t)from_ns, tp_bench_now_ns());
  return tuplet_message_ack(message, error);
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
  tuplet_listener *listener = NULL;
  tuplet_error error = {0};
  tp_buffer payload;
  tp_buffer_init(&payload, NULL);
  tuplet_status status = tuplet_listen(db, NULL, NULL, NULL, &listener, &error);
  if (status == TUPLET_OK) tp_bench_worker_ready(worker);
  while (status == TUPLET_OK) {
    status = put_letter(db, worker, &payload, &error);
    if (status == TUPLET_OK) status = take_letter(&listener, worker, &error);
    if (status == TUPLET_BUSY) {
      tp_bench_tally_fault(&worker->tally, &error);
      status = TUPLET_OK;
    }
  }
  if (status < 0) worker->error = error;
  tuplet_listener_close(listener);
  tp_buffer_done(&payload);
}
