/* client_decode.c: a server's answers, held to what was asked. */
#include "wire/client.h"

#include "base/status.h"
#include "codec/limits.h"
#include "datapath.pb-c.h"
#include "wire/unpack.h"

#include <inttypes.h>
#include <string.h>

enum { VERSIONSTAMP_SIZE = sizeof((tuplet_versionstamp *)NULL)->bytes };

/* What an entry has besides its key and its value: tags, lengths, encoding, versionstamp. */
enum { ENTRY_OVERHEAD = 64, ANSWER_OVERHEAD = 1024 };

static tuplet_status judge_parsed(const ProtobufCMessageDescriptor *descriptor, tuplet_status status,
                                  tuplet_error *error) {
  if (status == TUPLET_OK || status == TUPLET_NOMEM) return status;
  return tp_fail(error, TUPLET_MALFORMED, "the server's answer is no %s", descriptor->short_name);
}

static tuplet_status parse(const ProtobufCMessageDescriptor *descriptor, tuplet_bytes message,
                           tp_arena *arena, void **ret_message, tuplet_error *error) {
  return judge_parsed(descriptor, tp_wire_unpack(descriptor, message, arena, ret_message, error), error);
}

static bool read_versionstamp(ProtobufCBinaryData data, tuplet_versionstamp *ret_versionstamp) {
  if (data.len != VERSIONSTAMP_SIZE) return false;
  memcpy(ret_versionstamp->bytes, data.data, VERSIONSTAMP_SIZE);
  return true;
}

static int compare(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  if (order != 0) return order;
  return (a.size > b.size) - (a.size < b.size);
}

/* ---- SnapshotReadOutput ---- */

size_t tp_snapshot_read_output_size_max(const tp_read_range *ranges, size_t range_count) {
  size_t size = ANSWER_OVERHEAD;
  for (size_t i = 0; i < range_count; i++)
    size += (size_t)ranges[i].limit *
            ((size_t)TP_LIMIT_KEY_READ_SIZE_MAX + TP_LIMIT_VALUE_SIZE_MAX + ENTRY_OVERHEAD);
  return size;
}

static tuplet_status decode_row(const Com__Deno__Kv__Datapath__KvEntry *entry, tp_row *ret_row,
                                tuplet_error *error) {
  *ret_row = (tp_row){.key = tp_wire_view(entry->key),
                      .value = tp_wire_view(entry->value),
                      .encoding = (uint32_t)entry->encoding,
                      .expires_at_ms = TP_EXPIRES_NEVER};
  if ((int32_t)entry->encoding <
      0) /* unknown ones are the consumer's to refuse, as those of a damaged file */
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer has a value of the encoding %" PRId32,
                   (int32_t)entry->encoding);
  if (!read_versionstamp(entry->versionstamp, &ret_row->versionstamp))
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer has a versionstamp of %zu bytes",
                   entry->versionstamp.len);
  return TUPLET_OK;
}

/* Whoever goes on from the last key of an answer relies on these. */
static bool fits(const tp_row *rows, size_t index, const tp_read_range *range) {
  const tp_row *row = &rows[index];
  if (compare(row->key, range->start) < 0 || compare(row->key, range->end) >= 0) return false;
  if (index == 0) return true;
  int order = compare(rows[index - 1].key, row->key);
  return range->reverse ? order > 0 : order < 0;
}

static tuplet_status decode_range(const Com__Deno__Kv__Datapath__ReadRangeOutput *output, tp_arena *arena,
                                  const tp_read_range *range, tp_range_rows *ret_rows, tuplet_error *error) {
  if (output->n_values > range->limit)
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer has %zu entries instead of at most %" PRIu32,
                   output->n_values, range->limit);
  tp_row *rows = tp_arena_alloc_array_zeroed(arena, output->n_values, sizeof *rows);
  if (rows == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < output->n_values; i++) {
    tuplet_status status = decode_row(output->values[i], &rows[i], error);
    if (status != TUPLET_OK) return status;
    if (!fits(rows, i, range))
      return tp_fail(error, TUPLET_MALFORMED, "the server's answer has keys that were not asked for");
  }
  *ret_rows = (tp_range_rows){rows, output->n_values};
  return TUPLET_OK;
}

tuplet_status tp_snapshot_read_output_decode(tuplet_bytes message, tp_arena *arena,
                                             const tp_read_range *ranges, size_t range_count,
                                             const tp_range_rows **ret_ranges, bool *ret_is_strong,
                                             tuplet_error *error) {
  const ProtobufCMessageDescriptor *descriptor = &com__deno__kv__datapath__snapshot_read_output__descriptor;
  void *unpacked;
  tuplet_status status = parse(descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__SnapshotReadOutput *output = unpacked;
  if (output->read_disabled ||
      output->status == COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_READ_DISABLED)
    return tp_fail(error, TUPLET_BUSY, "the server does not take reads at the moment");
  if (output->n_ranges != range_count)
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer has %zu ranges instead of %zu",
                   output->n_ranges, range_count);
  tp_range_rows *results = tp_arena_alloc_array_zeroed(arena, range_count, sizeof *results);
  if (results == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < range_count && status == TUPLET_OK; i++)
    status = decode_range(output->ranges[i], arena, &ranges[i], &results[i], error);
  if (status != TUPLET_OK) return status;
  *ret_ranges = results;
  *ret_is_strong = output->read_is_strongly_consistent;
  return TUPLET_OK;
}

/* ---- WatchOutput ---- */

static tuplet_status decode_watched(const Com__Deno__Kv__Datapath__WatchKeyOutput *output, tp_arena *arena,
                                    tuplet_bytes key, tp_watched_entry *ret_entry, tuplet_error *error) {
  *ret_entry = (tp_watched_entry){.changed = output->changed};
  if (!output->changed || output->entry_if_changed == NULL) return TUPLET_OK;
  tp_row *row = tp_arena_alloc(arena, sizeof *row);
  if (row == NULL) return tp_fail_nomem(error);
  tuplet_status status = decode_row(output->entry_if_changed, row, error);
  if (status == TUPLET_OK && compare(row->key, key) != 0)
    return tp_fail(error, TUPLET_MALFORMED, "the server told a change of a key that was not asked for");
  ret_entry->row = row;
  return status;
}

tuplet_status tp_watch_output_decode(tuplet_bytes message, tp_arena *arena, const tuplet_bytes *keys,
                                     size_t key_count, const tp_watched_entry **ret_entries,
                                     tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      parse(&com__deno__kv__datapath__watch_output__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__WatchOutput *output = unpacked;
  if (output->status == COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_READ_DISABLED)
    return tp_fail(error, TUPLET_BUSY, "the server does not take reads at the moment");
  if (output->n_keys != key_count)
    return tp_fail(error, TUPLET_MALFORMED, "the server tells of %zu keys instead of %zu", output->n_keys,
                   key_count);
  tp_watched_entry *entries = tp_arena_alloc_array_zeroed(arena, key_count, sizeof *entries);
  if (entries == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < key_count && status == TUPLET_OK; i++)
    status = decode_watched(output->keys[i], arena, keys[i], &entries[i], error);
  if (status == TUPLET_OK) *ret_entries = entries;
  return status;
}

/* ---- AtomicWriteOutput ---- */

static tuplet_status decode_conflict(const Com__Deno__Kv__Datapath__AtomicWriteOutput *output,
                                     tp_write *write, tuplet_error *error) {
  if (write->check_count == 0)
    return tp_fail(error, TUPLET_MALFORMED, "the server answers that a check failed, where there was none");
  size_t count = output->n_failed_checks;
  bool is_well = count <= write->check_count;
  for (size_t i = 0; is_well && i < count; i++)
    is_well = output->failed_checks[i] < write->check_count &&
              (i == 0 || output->failed_checks[i] > output->failed_checks[i - 1]);
  if (!is_well) return tp_fail(error, TUPLET_MALFORMED, "the server names failed checks that do not exist");
  if (count > 0) memcpy(write->failed_checks, output->failed_checks, count * sizeof *write->failed_checks);
  write->failed_check_count = count;
  return TUPLET_CONFLICT;
}

tuplet_status tp_atomic_write_output_decode(tuplet_bytes message, tp_arena *arena, tp_write *write,
                                            tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      parse(&com__deno__kv__datapath__atomic_write_output__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__AtomicWriteOutput *output = unpacked;
  switch (output->status) {
  case COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_SUCCESS:
    if (read_versionstamp(output->versionstamp, &write->versionstamp)) return TUPLET_OK;
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer has a versionstamp of %zu bytes",
                   output->versionstamp.len);
  case COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_CHECK_FAILURE:
    return decode_conflict(output, write, error);
  case COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_WRITE_DISABLED:
    return tp_fail(error, TUPLET_READ_ONLY, "the server does not take writes to this database");
  default:
    return tp_fail(error, TUPLET_MALFORMED, "the server's answer to a write has the unknown status %" PRId32,
                   (int32_t)output->status);
  }
}

/* ---- The queue ---- */

tuplet_status tp_queue_message_decode(tuplet_bytes message, tp_arena *arena, tp_message *ret_message,
                                      tuplet_error *error) {
  void *unpacked;
  tuplet_status status =
      parse(&com__deno__kv__datapath__queue_message__descriptor, message, arena, &unpacked, error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__QueueMessage *decoded = unpacked;
  size_t id_size = strlen(decoded->id);
  if (id_size == 0 || decoded->payload.len > TP_LIMIT_QUEUE_PAYLOAD_SIZE_MAX || decoded->attempt == 0)
    return tp_fail(error, TUPLET_MALFORMED, "the server sent something that is no message of a queue");
  *ret_message = (tp_message){.id = {decoded->id, id_size},
                              .public_id_size = id_size,
                              .payload = tp_wire_view(decoded->payload),
                              .attempt = decoded->attempt};
  return TUPLET_OK;
}

/* ---- WatchRangeOutput ---- */

static tuplet_status decode_change(const Com__Deno__Kv__Datapath__RangeChange *change, tp_arena *arena,
                                   tp_range_change *ret_change, tuplet_error *error) {
  *ret_change = (tp_range_change){.key = tp_wire_view(change->deleted_key)};
  if (change->entry == NULL) return TUPLET_OK;
  tp_row *row = tp_arena_alloc(arena, sizeof *row);
  if (row == NULL) return tp_fail_nomem(error);
  *ret_change = (tp_range_change){.key = tp_wire_view(change->entry->key), .row = row};
  return decode_row(change->entry, row, error);
}

tuplet_status tp_watch_range_output_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes start,
                                           tuplet_bytes end, tp_range_changes *ret_changes,
                                           tuplet_error *error) {
  const ProtobufCMessageDescriptor *descriptor = &com__deno__kv__datapath__watch_range_output__descriptor;
  void *unpacked;
  size_t taken_max = TP_WATCH_RANGE_DECODE_OVERHEAD + 2 * message.size;
  tuplet_status status = judge_parsed(
      descriptor, tp_wire_unpack_within(descriptor, message, taken_max, arena, &unpacked, error), error);
  if (status != TUPLET_OK) return status;
  const Com__Deno__Kv__Datapath__WatchRangeOutput *output = unpacked;
  tp_range_change *items = tp_arena_alloc_array_zeroed(arena, output->n_changes, sizeof *items);
  if (items == NULL) return tp_fail_nomem(error);
  *ret_changes = (tp_range_changes){output->must_reread, items, output->n_changes, {{0}}};
  if (!read_versionstamp(output->versionstamp, &ret_changes->versionstamp) ||
      (output->must_reread && output->n_changes > 0))
    return tp_fail(error, TUPLET_MALFORMED, "the server sent something that tells no changes of a range");
  for (size_t i = 0; i < output->n_changes && status == TUPLET_OK; i++) {
    status = decode_change(output->changes[i], arena, &items[i], error);
    bool fits = compare(items[i].key, start) >= 0 && compare(items[i].key, end) < 0 &&
                (i == 0 || compare(items[i - 1].key, items[i].key) < 0);
    if (status == TUPLET_OK && !fits)
      status = tp_fail(error, TUPLET_MALFORMED, "the server told a change of a key that was not asked for");
  }
  return status;
}
