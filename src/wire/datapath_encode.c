/* datapath_encode.c: answers, written field by field as proto3 has them, without building message structs.
 *
 * A row's bytes are copied once, from the database's page to the answer. Sizes of nested messages are known
 * before they are written, but for a range's: its length is filled in when its last row is there. */
#include "wire/datapath.h"

#include "datapath.pb-c.h"
#include "wire/put.h"

#include <string.h>

/* A range's length takes at most this many bytes, and as many are kept free for it. */
enum { LENGTH_ROOM = 5 };

static size_t entry_size(const tp_row *row) {
  return tp_wire_bytes_field_size(row->key.size) + tp_wire_bytes_field_size(row->value.size) + 1 +
         tp_wire_varint_size(row->encoding) + tp_wire_bytes_field_size(sizeof row->versionstamp.bytes);
}

/* A KvEntry as the field `field`. */
static void put_entry(tp_buffer *out, unsigned field, const tp_row *row) {
  tp_wire_put_tag(out, field, TP_WIRE_BYTES);
  tp_wire_put_varint(out, entry_size(row));
  tp_wire_put_bytes(out, 1, row->key.data, row->key.size);
  tp_wire_put_bytes(out, 2, row->value.data, row->value.size);
  tp_wire_put_number(out, 3, row->encoding);
  tp_wire_put_bytes(out, 4, row->versionstamp.bytes, sizeof row->versionstamp.bytes);
}

/* ---- SnapshotReadOutput ---- */

void tp_snapshot_read_output_begin(tp_snapshot_read_output *output, tp_buffer *out) {
  *output = (tp_snapshot_read_output){.out = out};
}

static void range_begin(tp_snapshot_read_output *output) {
  tp_wire_put_tag(output->out, 1, TP_WIRE_BYTES);
  output->range_offset = output->out->size;
  static const uint8_t room[LENGTH_ROOM];
  tp_buffer_append(output->out, room, sizeof room);
  output->range_count++;
}

/* Writes the open range's length into the room kept for it, and moves its rows up to it. */
static void range_end(tp_snapshot_read_output *output) {
  tp_buffer *out = output->out;
  if (output->range_count == 0 || out->failed) return;
  uint8_t *room = out->data + output->range_offset;
  size_t rows_size = out->size - output->range_offset - LENGTH_ROOM;
  size_t length_size = tp_wire_varint_write(rows_size, room);
  if (rows_size > 0) memmove(room + length_size, room + LENGTH_ROOM, rows_size);
  out->size = output->range_offset + length_size + rows_size;
}

static void open_ranges(tp_snapshot_read_output *output, size_t count) {
  while (output->range_count < count) {
    range_end(output);
    range_begin(output);
  }
}

void tp_snapshot_read_output_row(tp_snapshot_read_output *output, size_t range_index, const tp_row *row) {
  open_ranges(output, range_index + 1);
  put_entry(output->out, 1, row);
}

void tp_snapshot_read_output_end(tp_snapshot_read_output *output, size_t range_count) {
  open_ranges(output, range_count);
  range_end(output);
  tp_wire_put_number(output->out, 4, true);
  tp_wire_put_number(output->out, 8, COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_SUCCESS);
}

/* ---- AtomicWriteOutput ---- */

void tp_atomic_write_output_success(tp_buffer *out, const tuplet_versionstamp *versionstamp) {
  tp_wire_put_number(out, 1, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_SUCCESS);
  tp_wire_put_bytes(out, 2, versionstamp->bytes, sizeof versionstamp->bytes);
}

void tp_atomic_write_output_check_failure(tp_buffer *out, const uint32_t *failed_checks, size_t count) {
  tp_wire_put_number(out, 1, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_CHECK_FAILURE);
  if (count == 0) return;
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += tp_wire_varint_size(failed_checks[i]);
  tp_wire_put_tag(out, 4, TP_WIRE_BYTES);
  tp_wire_put_varint(out, size);
  for (size_t i = 0; i < count; i++) tp_wire_put_varint(out, failed_checks[i]);
}

void tp_atomic_write_output_disabled(tp_buffer *out) {
  tp_wire_put_number(out, 1, COM__DENO__KV__DATAPATH__ATOMIC_WRITE_STATUS__AW_WRITE_DISABLED);
}

/* ---- WatchOutput ---- */

void tp_watch_output_begin(tp_buffer *out) {
  tp_wire_put_number(out, 1, COM__DENO__KV__DATAPATH__SNAPSHOT_READ_STATUS__SR_SUCCESS);
}

void tp_watch_output_key(tp_buffer *out, bool changed, const tp_row *row) {
  size_t size = 0;
  if (changed) size += 2;
  if (changed && row != NULL) size += tp_wire_bytes_field_size(entry_size(row));
  tp_wire_put_tag(out, 2, TP_WIRE_BYTES);
  tp_wire_put_varint(out, size);
  if (changed) tp_wire_put_number(out, 1, true);
  if (changed && row != NULL) put_entry(out, 2, row);
}

/* ---- The queue ---- */

void tp_queue_message_encode(tp_buffer *out, tuplet_bytes id, tuplet_bytes payload, uint32_t attempt,
                             uint32_t lease_ms) {
  tp_wire_put_bytes(out, 1, id.data, id.size);
  tp_wire_put_bytes(out, 2, payload.data, payload.size);
  tp_wire_put_number(out, 3, attempt);
  tp_wire_put_number(out, 4, lease_ms);
}

/* ---- WatchRangeOutput ---- */

void tp_watch_range_output_change(tp_buffer *out, tuplet_bytes key, const tp_row *row) {
  tp_wire_put_tag(out, 2, TP_WIRE_BYTES);
  if (row == NULL) {
    tp_wire_put_varint(out, tp_wire_bytes_field_size(key.size));
    tp_wire_put_bytes(out, 2, key.data, key.size);
  } else {
    tp_wire_put_varint(out, tp_wire_bytes_field_size(entry_size(row)));
    put_entry(out, 1, row);
  }
}

void tp_watch_range_output_end(tp_buffer *out, bool must_reread, const tuplet_versionstamp *versionstamp) {
  if (must_reread) tp_wire_put_number(out, 1, true);
  tp_wire_put_bytes(out, 3, versionstamp->bytes, sizeof versionstamp->bytes);
}
