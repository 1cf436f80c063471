/* datapath.c: reads and atomic writes, from a request's body to its answer.
 *
 * The message is decoded into the struct that the store takes, in the request's arena; rows go from the
 * database's page into the answer. */
#include "server/protocol/datapath.h"

#include "base/status.h"
#include "codec/limits.h"
#include "server/completion.h"
#include "server/monitor/monitor.h"
#include "server/protocol/answer.h"
#include "wire/datapath.h"

#include <stddef.h>
#include <string.h>

/* ---- Reads ---- */

enum { READ_ANSWER_SIZE = 512 }; /* enough for a small row */

typedef struct read_operation {
  tp_read read; /* first, so that the one is found from the other */
  tp_completion completion;
  tp_worker *worker;
  tp_http_request *request;
  tp_database *database;
  tp_answer answer;
  tp_snapshot_read_output output;
  tuplet_status status;
  tuplet_error error;
} read_operation;

static tuplet_status read_on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  read_operation *operation = (read_operation *)(void *)read;
  tp_snapshot_read_output_row(&operation->output, range_index, row);
  return tp_answer_check(&operation->answer, operation->worker->service, error);
}

static void read_on_done(tp_read *read, tuplet_status status, const tuplet_error *error) {
  read_operation *operation = (read_operation *)(void *)read;
  operation->status = status;
  if (status < 0) operation->error = *error;
  tp_completion_done(&operation->completion);
}

static void read_finish(tp_completion *completion) {
  read_operation *operation =
      (read_operation *)(void *)((char *)completion - offsetof(read_operation, completion));
  tp_worker *worker = operation->worker;
  tp_database_release(worker->service->databases, operation->database);
  if (operation->status == TUPLET_OK) {
    tp_snapshot_read_output_end(&operation->output, operation->read.range_count);
    operation->status = tp_answer_check(&operation->answer, worker->service, &operation->error);
  }
  if (operation->status == TUPLET_OK) {
    tp_answer_send(&operation->answer, worker, operation->request, TP_CONTENT_PROTOBUF);
    return;
  }
  tp_answer_done(&operation->answer, worker->service);
  tp_answer_failure(worker, operation->request, operation->status, &operation->error);
}

void tp_datapath_read(tp_worker *worker, tp_http_request *request, const tp_session *session,
                      tp_database *database) {
  (void)session; /* whoever has a session may read */
  tp_arena *arena = tp_http_request_arena(request);
  tuplet_error error = {0};
  tp_read_range *ranges;
  size_t range_count;
  tuplet_status status =
      tp_snapshot_read_decode(tp_http_request_body(request), arena, &ranges, &range_count, &error);
  read_operation *operation = tp_arena_alloc(arena, sizeof *operation);
  if (status == TUPLET_OK && operation == NULL) status = tp_fail_nomem(&error);
  if (status != TUPLET_OK) {
    tp_database_release(worker->service->databases, database);
    tp_answer_failure(worker, request, status, &error);
    return;
  }
  *operation = (read_operation){
      .read = {.ranges = ranges, .range_count = range_count, .on_row = read_on_row, .on_done = read_on_done},
      .worker = worker,
      .request = request,
      .database = database};
  tp_answer_init(&operation->answer, worker->service->allocator);
  (void)tp_buffer_reserve(&operation->answer.body, READ_ANSWER_SIZE); /* without memory, appending tells */
  tp_snapshot_read_output_begin(&operation->output, &operation->answer.body);
  tp_completion_init(&operation->completion, worker->loop, read_finish);
  tp_store_read(tp_database_store(database), tp_worker_reader(worker, database), &operation->read);
  tp_completion_submitted(&operation->completion);
}

/* ---- Writes ---- */

enum { WRITE_ANSWER_SIZE_MAX = 512 };
_Static_assert(WRITE_ANSWER_SIZE_MAX > 64 + TP_LIMIT_ATOMIC_CHECKS_MAX, "an index of a check is one byte");

typedef struct write_operation {
  tp_write write; /* first, so that the one is found from the other */
  tp_completion completion;
  tp_worker *worker;
  tp_http_request *request;
  tp_database *database;
} write_operation;

static void write_on_done(tp_write *write) {
  write_operation *operation = (write_operation *)(void *)write;
  tp_completion_done(&operation->completion);
}

/* Takes no memory for the message: a write that was carried out is not to be answered with a 503, after which
 * it may be sent again. */
static void answer_write(tp_worker *worker, tp_http_request *request, const tp_write *write) {
  uint8_t room[WRITE_ANSWER_SIZE_MAX];
  tp_buffer answer = {.data = room, .capacity = sizeof room};
  switch (write->status) {
  case TUPLET_OK: tp_atomic_write_output_success(&answer, &write->versionstamp); break;
  case TUPLET_CONFLICT:
    tp_atomic_write_output_check_failure(&answer, write->failed_checks, write->failed_check_count);
    break;
  case TUPLET_READ_ONLY: tp_atomic_write_output_disabled(&answer); break;
  default: tp_answer_failure(worker, request, write->status, &write->error); return;
  }
  tp_answer_bytes(request, TP_CONTENT_PROTOBUF, tp_buffer_view(&answer));
}

static void write_finish(tp_completion *completion) {
  write_operation *operation =
      (write_operation *)(void *)((char *)completion - offsetof(write_operation, completion));
  tp_service *service = operation->worker->service;
  if (strcmp(tp_database_name(service->databases, operation->database), TP_DATABASE_DEFAULT_NAME) == 0)
    tp_monitor_note_write(service->monitor, operation->write.status);
  tp_database_release(service->databases, operation->database);
  answer_write(operation->worker, operation->request, &operation->write);
}

void tp_datapath_write(tp_worker *worker, tp_http_request *request, const tp_session *session,
                       tp_database *database) {
  tp_arena *arena = tp_http_request_arena(request);
  write_operation *operation = tp_arena_alloc(arena, sizeof *operation);
  tuplet_error error = {0};
  tuplet_status status = operation == NULL ? tp_fail_nomem(&error)
                                           : tp_atomic_write_decode(tp_http_request_body(request), arena,
                                                                    &operation->write, &error);
  if (status == TUPLET_OK && session->may_write) {
    operation->write.on_done = write_on_done;
    operation->worker = worker;
    operation->request = request;
    operation->database = database;
    tp_completion_init(&operation->completion, worker->loop, write_finish);
    tp_store_write(tp_database_store(database), &operation->write);
    tp_completion_submitted(&operation->completion);
    return;
  }
  tp_database_release(worker->service->databases, database);
  if (status == TUPLET_OK)
    answer_write(worker, request, &(tp_write){.status = TUPLET_READ_ONLY});
  else
    tp_answer_failure(worker, request, status, &error);
}
