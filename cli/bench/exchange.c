/* exchange.c: a workload's requests as KV Connect's messages, and the answers read back. */
#include "exchange.h"

#include "answer.h"
#include "base/clock.h"
#include "letter.h"
#include "wire/client.h"

enum { ARENA_SIZE = 4096, WRITE_ANSWER_SIZE_MAX = 4096 };

void tp_bench_exchange_init(tp_bench_exchange *exchange) {
  tp_buffer_init(&exchange->keys, NULL);
  tp_buffer_init(&exchange->body, NULL);
  tp_arena_init(&exchange->arena, NULL, ARENA_SIZE);
}

void tp_bench_exchange_done(tp_bench_exchange *exchange) {
  tp_buffer_done(&exchange->keys);
  tp_buffer_done(&exchange->body);
  tp_arena_done(&exchange->arena);
}

/* ---- Requests ---- */

/* The keys, each followed by a zero byte: with it a key is the end of the range that holds just that key. */
static size_t put_keys(tp_bench_exchange *exchange, const tp_bench_data *data,
                       const tp_bench_request *request, size_t count, bool in_a_row) {
  tp_buffer_clear(&exchange->keys);
  for (size_t i = 0; i < count; i++) {
    tp_bench_data_put_key(data, in_a_row ? request->keys[0] + i : request->keys[i], &exchange->keys);
    tp_buffer_append_byte(&exchange->keys, 0);
  }
  return data->prefix.size + TP_BENCH_KEY_TAIL_SIZE;
}

static void encode_read(tp_bench_exchange *exchange, const tp_bench_data *data,
                        const tp_bench_request *request) {
  exchange->range_count = request->type == TP_BENCH_REQUEST_LIST ? 1 : request->count;
  size_t size = put_keys(exchange, data, request, exchange->range_count, false);
  if (request->type == TP_BENCH_REQUEST_LIST) {
    /* Up to the end of what has the prefix. */
    size_t end = exchange->keys.size;
    tp_buffer_append(&exchange->keys, data->prefix.data, data->prefix.size);
    tp_buffer_append_byte(&exchange->keys, 0xff);
    if (exchange->keys.failed) return;
    exchange->ranges[0] =
        (tp_read_range){.start = tuplet_view(exchange->keys.data, size),
                        .end = tuplet_view(exchange->keys.data + end, data->prefix.size + 1),
                        .limit = request->count};
  } else {
    if (exchange->keys.failed) return;
    for (size_t i = 0; i < exchange->range_count; i++) {
      const uint8_t *key = exchange->keys.data + i * (size + 1);
      exchange->ranges[i] =
          (tp_read_range){.start = tuplet_view(key, size), .end = tuplet_view(key, size + 1), .limit = 1};
    }
  }
  tp_snapshot_read_encode(&exchange->body, exchange->ranges, exchange->range_count);
}

static tuplet_bytes number_bytes(uint64_t number, uint8_t room[8]) {
  for (size_t i = 0; i < 8; i++) room[i] = (uint8_t)(number >> 8 * i);
  return tuplet_view(room, 8);
}

static void set_value(tp_bench_exchange *exchange, tp_bench_desk *desk, const tp_bench_request *request,
                      size_t i, tp_mutation *mutation) {
  switch (request->type) {
  case TP_BENCH_REQUEST_TRANSFER:
    mutation->encoding = TUPLET_ENCODING_LE64;
    mutation->value = number_bytes(request->numbers[i], exchange->numbers[i]);
    break;
  case TP_BENCH_REQUEST_SUM:
    mutation->type = TP_MUTATION_SUM;
    mutation->encoding = TUPLET_ENCODING_LE64;
    mutation->value = number_bytes(1, exchange->numbers[0]);
    break;
  case TP_BENCH_REQUEST_CLEAR: mutation->type = TP_MUTATION_DELETE; break;
  default:
    mutation->encoding = request->is_number ? TUPLET_ENCODING_LE64 : TUPLET_ENCODING_BYTES;
    mutation->value = request->is_number ? number_bytes(request->numbers[0], exchange->numbers[0])
                                         : tp_bench_data_value(desk->data, &desk->chooser.random);
  }
}

static void encode_write(tp_bench_exchange *exchange, tp_bench_desk *desk, const tp_bench_request *request) {
  bool in_a_row = request->type == TP_BENCH_REQUEST_FILL || request->type == TP_BENCH_REQUEST_CLEAR;
  size_t size = put_keys(exchange, desk->data, request, request->count, in_a_row);
  tp_mutation *mutations = tp_arena_alloc_array_zeroed(&exchange->arena, request->count, sizeof *mutations);
  if (mutations == NULL) exchange->body.failed = true;
  if (mutations == NULL || exchange->keys.failed) return;
  tp_write write = {.mutations = mutations, .mutation_count = request->count};
  for (size_t i = 0; i < request->count; i++) {
    tuplet_bytes key = tuplet_view(exchange->keys.data + i * (size + 1), size);
    mutations[i] = (tp_mutation){.key = key, .type = TP_MUTATION_SET, .expires_at_ms = TP_EXPIRES_NEVER};
    set_value(exchange, desk, request, i, &mutations[i]);
    if (request->type == TP_BENCH_REQUEST_TRANSFER)
      exchange->checks[i] = (tp_check){.key = key, .versionstamp = request->versions[i]};
  }
  if (request->type == TP_BENCH_REQUEST_TRANSFER) {
    write.checks = exchange->checks;
    write.check_count = request->count;
  }
  tp_atomic_write_encode(&exchange->body, &write);
}

static void encode_enqueue(tp_bench_exchange *exchange, const tp_bench_data *data,
                           const tp_bench_request *request) {
  tp_clock clock = tp_clock_system();
  tp_buffer_clear(&exchange->keys); /* which has room, and no use here */
  tp_bench_letter_put(data, request->numbers[0], &exchange->keys);
  tp_enqueue enqueue = {.payload = tp_buffer_view(&exchange->keys), .due_at_ms = tp_clock_unix_ms(&clock)};
  tp_write write = {.enqueues = &enqueue, .enqueue_count = 1};
  if (!exchange->keys.failed) tp_atomic_write_encode(&exchange->body, &write);
}

static bool is_read(const tp_bench_request *request) {
  return request->type == TP_BENCH_REQUEST_READ || request->type == TP_BENCH_REQUEST_LIST;
}

bool tp_bench_exchange_encode(tp_bench_exchange *exchange, tp_bench_desk *desk,
                              const tp_bench_request *request, tp_bench_call *call) {
  tp_buffer_clear(&exchange->body);
  tp_arena_clear(&exchange->arena);
  tp_buffer_clear(&call->answer);
  call->status = 0;
  if (is_read(request)) {
    encode_read(exchange, desk->data, request);
    call->path = TP_BENCH_SNAPSHOT_READ;
    call->answer_size_max = tp_snapshot_read_output_size_max(exchange->ranges, exchange->range_count);
  } else if (request->type == TP_BENCH_REQUEST_FINISH) {
    tp_queue_finish_encode(&exchange->body, request->id, request->attempt, true);
    call->path = TP_BENCH_QUEUE_FINISH;
    call->answer_size_max = WRITE_ANSWER_SIZE_MAX;
  } else {
    if (request->type == TP_BENCH_REQUEST_ENQUEUE)
      encode_enqueue(exchange, desk->data, request);
    else
      encode_write(exchange, desk, request);
    call->path = TP_BENCH_ATOMIC_WRITE;
    call->answer_size_max = WRITE_ANSWER_SIZE_MAX;
  }
  call->body = tp_buffer_view(&exchange->body);
  return !exchange->body.failed && !exchange->keys.failed;
}

/* ---- Answers ---- */

static tuplet_status decode_read(tp_bench_exchange *exchange, const tp_bench_request *request,
                                 const tp_bench_call *call, tp_bench_answer *answer) {
  const tp_range_rows *ranges = NULL;
  bool is_strong = false;
  tuplet_status status =
      tp_snapshot_read_output_decode(tp_buffer_view(&call->answer), &exchange->arena, exchange->ranges,
                                     exchange->range_count, &ranges, &is_strong, &answer->error);
  if (status != TUPLET_OK) return status;
  if (request->type == TP_BENCH_REQUEST_LIST) {
    answer->row_count = (uint32_t)ranges[0].row_count;
    return TUPLET_OK;
  }
  answer->row_count = (uint32_t)exchange->range_count;
  for (size_t i = 0; i < exchange->range_count; i++) {
    answer->rows[i] = (tp_bench_row){.exists = ranges[i].row_count > 0};
    if (ranges[i].row_count == 0) continue;
    const tp_row *row = &ranges[i].rows[0];
    answer->rows[i] = (tp_bench_row){true, row->versionstamp, row->value.size, tp_bench_answer_number(row)};
  }
  return TUPLET_OK;
}

static tuplet_status decode_write(tp_bench_exchange *exchange, const tp_bench_request *request,
                                  const tp_bench_call *call, tp_bench_answer *answer) {
  size_t check_count = request->type == TP_BENCH_REQUEST_TRANSFER ? request->count : 0;
  tp_write write = {
      .checks = exchange->checks, .check_count = check_count, .failed_checks = exchange->failed_checks};
  return tp_atomic_write_output_decode(tp_buffer_view(&call->answer), &exchange->arena, &write,
                                       &answer->error);
}

void tp_bench_exchange_decode(tp_bench_exchange *exchange, const tp_bench_request *request,
                              const tp_bench_call *call, tp_bench_answer *ret_answer) {
  ret_answer->row_count = 0;
  if (call->status != 200)
    ret_answer->status = tp_bench_answer_refused(call, &ret_answer->error);
  else if (request->type == TP_BENCH_REQUEST_FINISH)
    ret_answer->status = TUPLET_OK;
  else if (is_read(request))
    ret_answer->status = decode_read(exchange, request, call, ret_answer);
  else
    ret_answer->status = decode_write(exchange, request, call, ret_answer);
}
