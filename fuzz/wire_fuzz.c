/* wire_fuzz.c: the data path's requests and answers, from any bytes. The first byte chooses the message. What
 * was decoded must hold to what the store relies on, and every byte of it must be readable; the messages of
 * our own extensions, which both sides of are ours, are written again and must arrive the same. */
#include "wire/client.h"
#include "wire/datapath.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  for (size_t i = 0; i < bytes.size; i++) sink = (uint8_t)(sink ^ data[i]);
}

static bool is_same(tuplet_bytes a, tuplet_bytes b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void fuzz_read(tuplet_bytes message, tp_arena *arena) {
  tp_read_range *ranges;
  size_t count;
  if (tp_snapshot_read_decode(message, arena, &ranges, &count, NULL) != TUPLET_OK) return;
  assert(count <= 10);
  for (size_t i = 0; i < count; i++) {
    assert(ranges[i].limit > 0);
    touch(ranges[i].start);
    touch(ranges[i].end);
  }
}

static void fuzz_write(tuplet_bytes message, tp_arena *arena) {
  tp_write write;
  if (tp_atomic_write_decode(message, arena, &write, NULL) != TUPLET_OK) return;
  assert(write.check_count <= TUPLET_CHECKS_MAX);
  assert(write.mutation_count + write.enqueue_count <= 1000);
  for (size_t i = 0; i < write.check_count; i++) touch(write.checks[i].key);
  for (size_t i = 0; i < write.mutation_count; i++) {
    const tp_mutation *mutation = &write.mutations[i];
    assert(mutation->type <= TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY);
    assert(mutation->type == TP_MUTATION_DELETE || (mutation->encoding >= 1 && mutation->encoding <= 3));
    assert(mutation->expires_at_ms == TP_EXPIRES_NEVER || mutation->expires_at_ms > 0);
    touch(mutation->key);
    touch(mutation->value);
    touch(mutation->sum_min);
    touch(mutation->sum_max);
  }
  for (size_t i = 0; i < write.enqueue_count; i++) {
    const tp_enqueue *enqueue = &write.enqueues[i];
    assert(enqueue->due_at_ms >= 0 && enqueue->backoff_count <= 10 &&
           enqueue->keys_if_undelivered_count <= 10);
    touch(enqueue->payload);
    for (size_t j = 0; j < enqueue->keys_if_undelivered_count; j++) touch(enqueue->keys_if_undelivered[j]);
    for (size_t j = 0; j < enqueue->backoff_count; j++) assert(enqueue->backoff_ms[j] <= 3600000);
  }
}

static void fuzz_watch(tuplet_bytes message, tp_arena *arena) {
  tuplet_bytes *keys;
  size_t count;
  if (tp_watch_decode(message, arena, &keys, &count, NULL) != TUPLET_OK) return;
  assert(count <= 10);
  for (size_t i = 0; i < count; i++) touch(keys[i]);
}

static void fuzz_watch_output(tuplet_bytes message, tp_arena *arena) {
  const tuplet_bytes keys[] = {{"\x27", 1}, {"\x26", 1}};
  const tp_watched_entry *entries;
  if (tp_watch_output_decode(message, arena, keys, 2, &entries, NULL) != TUPLET_OK) return;
  for (size_t i = 0; i < 2; i++) {
    if (entries[i].row == NULL) continue;
    assert(entries[i].changed && is_same(entries[i].row->key, keys[i]));
    touch(entries[i].row->value);
  }
}

static void fuzz_queue_listen(tuplet_bytes message, tp_arena *arena) {
  uint32_t in_flight_max;
  if (tp_queue_listen_decode(message, arena, &in_flight_max, NULL) != TUPLET_OK) return;
  assert(in_flight_max >= 1 && in_flight_max <= 1000);
}

static void fuzz_queue_finish(tuplet_bytes message, tp_arena *arena) {
  tuplet_bytes id;
  uint32_t attempt;
  bool success;
  if (tp_queue_finish_decode(message, arena, &id, &attempt, &success, NULL) != TUPLET_OK) return;
  assert(id.size > 0);
  touch(id);

  tuplet_bytes id_again;
  uint32_t attempt_again;
  bool success_again;
  tp_buffer again;
  tp_buffer_init(&again, NULL);
  tp_queue_finish_encode(&again, id, attempt, success);
  assert(tp_queue_finish_decode(tp_buffer_view(&again), arena, &id_again, &attempt_again, &success_again,
                                NULL) == TUPLET_OK);
  assert(is_same(id, id_again) && attempt == attempt_again && success == success_again);
  tp_buffer_done(&again);
}

static void fuzz_watch_range(tuplet_bytes message, tp_arena *arena) {
  tuplet_bytes start, end, start_again, end_again;
  uint32_t changes_max, changes_max_again;
  if (tp_watch_range_decode(message, arena, &start, &end, &changes_max, NULL) != TUPLET_OK) return;
  touch(start);
  touch(end);

  tp_buffer again;
  tp_buffer_init(&again, NULL);
  tp_watch_range_encode(&again, start, end, changes_max);
  assert(tp_watch_range_decode(tp_buffer_view(&again), arena, &start_again, &end_again, &changes_max_again,
                               NULL) == TUPLET_OK);
  assert(is_same(start, start_again) && is_same(end, end_again) && changes_max == changes_max_again);
  tp_buffer_done(&again);
}

static bool is_same_change(const tp_range_change *a, const tp_range_change *b) {
  if (!is_same(a->key, b->key) || (a->row == NULL) != (b->row == NULL)) return false;
  return a->row == NULL || (is_same(a->row->key, b->row->key) && is_same(a->row->value, b->row->value) &&
                            a->row->encoding == b->row->encoding &&
                            memcmp(&a->row->versionstamp, &b->row->versionstamp, 10) == 0);
}

static void fuzz_watch_range_output(tuplet_bytes message, tp_arena *arena) {
  const tuplet_bytes start = {"\x02", 1}, end = {"\x03", 1};
  tp_range_changes changes, changes_again;
  if (tp_watch_range_output_decode(message, arena, start, end, &changes, NULL) != TUPLET_OK) return;
  assert(!changes.must_reread || changes.count == 0);
  tp_buffer again;
  tp_buffer_init(&again, NULL);
  for (size_t i = 0; i < changes.count; i++) {
    const tp_range_change *change = &changes.items[i];
    assert(change->key.size > 0 && *(const uint8_t *)change->key.data == 2);
    touch(change->key);
    if (change->row != NULL) touch(change->row->value);
    tp_watch_range_output_change(&again, change->key, change->row);
  }
  tp_watch_range_output_end(&again, changes.must_reread, &changes.versionstamp);
  assert(tp_watch_range_output_decode(tp_buffer_view(&again), arena, start, end, &changes_again, NULL) ==
         TUPLET_OK);
  assert(changes_again.must_reread == changes.must_reread && changes_again.count == changes.count);
  assert(memcmp(&changes_again.versionstamp, &changes.versionstamp, sizeof changes.versionstamp) == 0);
  for (size_t i = 0; i < changes.count; i++)
    assert(is_same_change(&changes.items[i], &changes_again.items[i]));
  tp_buffer_done(&again);
}

static void fuzz_read_output(tuplet_bytes message, tp_arena *arena) {
  const tp_read_range ranges[2] = {{.start = {"", 0}, .end = {"\xff", 1}, .limit = 3, .reverse = true},
                                   {.start = {"\x02", 1}, .end = {"\x03", 1}, .limit = 2}};
  for (size_t count = 0; count <= 2; count++) {
    const tp_range_rows *rows;
    bool is_strong;
    if (tp_snapshot_read_output_decode(message, arena, ranges, count, &rows, &is_strong, NULL) != TUPLET_OK)
      continue;
    for (size_t i = 0; i < count; i++) {
      assert(rows[i].row_count <= ranges[i].limit);
      for (size_t j = 0; j < rows[i].row_count; j++) {
        touch(rows[i].rows[j].key);
        touch(rows[i].rows[j].value);
        assert(rows[i].rows[j].expires_at_ms == TP_EXPIRES_NEVER);
      }
    }
  }
}

static void fuzz_write_output(tuplet_bytes message, tp_arena *arena) {
  static const tp_check checks[3];
  uint32_t failed[3] = {0};
  tp_write write = {.checks = checks, .check_count = 3, .failed_checks = failed};
  if (tp_atomic_write_output_decode(message, arena, &write, NULL) != TUPLET_CONFLICT) return;
  assert(write.failed_check_count <= 3);
  for (size_t i = 0; i < write.failed_check_count; i++) assert(failed[i] < 3);
}

static void fuzz_queue_message(tuplet_bytes message, tp_arena *arena) {
  tp_message decoded;
  if (tp_queue_message_decode(message, arena, &decoded, NULL) != TUPLET_OK) return;
  assert(decoded.id.size > 0 && decoded.payload.size <= 65536 && decoded.attempt > 0);
  touch(decoded.id);
  touch(decoded.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  tuplet_bytes message = {data + 1, size - 1};
  tp_arena arena;
  tp_arena_init(&arena, NULL, 4096);
  switch (data[0] % 10) {
  case 0: fuzz_read(message, &arena); break;
  case 1: fuzz_write(message, &arena); break;
  case 2:
    fuzz_watch(message, &arena);
    fuzz_watch_output(message, &arena);
    break;
  case 3: fuzz_queue_listen(message, &arena); break;
  case 4: fuzz_queue_finish(message, &arena); break;
  case 5: fuzz_read_output(message, &arena); break;
  case 6: fuzz_write_output(message, &arena); break;
  case 7: fuzz_queue_message(message, &arena); break;
  case 8: fuzz_watch_range(message, &arena); break;
  default: fuzz_watch_range_output(message, &arena); break;
  }
  tp_arena_done(&arena);
  return 0;
}
