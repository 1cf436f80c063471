/* unpack.c: parsing a stranger's message with protobuf-c, within bounds.
 *
 * What protobuf-c may spend is settled before: the fields of the outermost message are counted first, and its
 * allocations come out of the arena up to a budget, since a message of two-byte fields can ask for fifty
 * times its size. */
#include "wire/unpack.h"

#include "base/status.h"
#include "wire/datapath.h"
#include "wire/put.h"

#include <string.h>

/* ---- Counting before parsing ----
 *
 * The store has the same limits; here they are kept before memory is spent. */

typedef struct field_cursor {
  const uint8_t *next;
  const uint8_t *end;
} field_cursor;

static bool read_varint(field_cursor *cursor, uint64_t *ret_number) {
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (cursor->next == cursor->end) return false;
    uint8_t byte = *cursor->next++;
    number |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *ret_number = number;
      return true;
    }
  }
  return false;
}

static bool skip(field_cursor *cursor, uint64_t size) {
  if (size > (uint64_t)(cursor->end - cursor->next)) return false;
  cursor->next += size;
  return true;
}

static bool skip_value(field_cursor *cursor, unsigned wire_type) {
  uint64_t number;
  switch (wire_type) {
  case TP_WIRE_VARINT: return read_varint(cursor, &number);
  case TP_WIRE_FIXED64: return skip(cursor, 8);
  case TP_WIRE_BYTES: return read_varint(cursor, &number) && skip(cursor, number);
  case TP_WIRE_FIXED32: return skip(cursor, 4);
  default: return false; /* groups are of the past, 6 and 7 do not exist */
  }
}

bool tp_wire_count_fields(tuplet_bytes message, size_t ret_counts[TP_WIRE_FIELD_MAX + 1]) {
  const uint8_t *data = message.data;
  field_cursor cursor = {data, message.size == 0 ? data : data + message.size};
  memset(ret_counts, 0, (TP_WIRE_FIELD_MAX + 1) * sizeof *ret_counts);
  while (cursor.next != cursor.end) {
    uint64_t tag;
    if (!read_varint(&cursor, &tag) || !skip_value(&cursor, (unsigned)(tag & 7))) return false;
    if (tag >> 3 <= TP_WIRE_FIELD_MAX) ret_counts[tag >> 3]++;
  }
  return true;
}

/* ---- Parsing within a budget ---- */

typedef struct decode_budget {
  tp_arena *arena;
  size_t left;
  bool overdrawn;
  bool out_of_memory;
} decode_budget;

static void *budget_alloc(void *context, size_t size) {
  decode_budget *budget = context;
  if (size > budget->left) {
    budget->overdrawn = true;
    return NULL;
  }
  void *pointer = tp_arena_alloc(budget->arena, size);
  if (pointer == NULL) budget->out_of_memory = true;
  budget->left -= size;
  return pointer;
}

static void budget_free(void *context, void *pointer) {
  (void)context;
  (void)pointer;
}

tuplet_status tp_wire_fail_malformed(const ProtobufCMessageDescriptor *descriptor, tuplet_error *error) {
  return tp_fail(error, TUPLET_MALFORMED, "The body is not a valid %s message.", descriptor->short_name);
}

tuplet_status tp_wire_unpack_within(const ProtobufCMessageDescriptor *descriptor, tuplet_bytes message,
                                    size_t taken_max, tp_arena *arena, void **ret_message,
                                    tuplet_error *error) {
  decode_budget budget = {.arena = arena, .left = taken_max};
  ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
  ProtobufCMessage *unpacked = protobuf_c_message_unpack(descriptor, &allocator, message.size, message.data);
  if (unpacked == NULL) {
    if (budget.out_of_memory) return tp_fail_nomem(error);
    if (budget.overdrawn)
      return tp_fail(error, TUPLET_LIMIT, "The %s holds too many fields.", descriptor->short_name);
    return tp_wire_fail_malformed(descriptor, error);
  }
  *ret_message = unpacked;
  return TUPLET_OK;
}

tuplet_status tp_wire_unpack(const ProtobufCMessageDescriptor *descriptor, tuplet_bytes message,
                             tp_arena *arena, void **ret_message, tuplet_error *error) {
  return tp_wire_unpack_within(descriptor, message, TP_DATAPATH_DECODE_OVERHEAD + 2 * message.size, arena,
                               ret_message, error);
}
