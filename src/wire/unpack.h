/* unpack.h: parsing a stranger's message with protobuf-c, within bounds; for the files of this folder. */
#ifndef TP_WIRE_UNPACK_H
#define TP_WIRE_UNPACK_H

#include "base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* The highest field number of an outermost message whose occurrences are counted. */
enum { TP_WIRE_FIELD_MAX = 3 };

/* How often each field occurs in a message; false when it is no message at all. */
bool tp_wire_count_fields(tuplet_bytes message, size_t ret_counts[TP_WIRE_FIELD_MAX + 1]);

/* Parses into `arena`, of which it takes at most TP_DATAPATH_DECODE_OVERHEAD + 2 * message.size bytes.
 * Errors: TUPLET_MALFORMED, TUPLET_LIMIT, TUPLET_NOMEM. */
tuplet_status tp_wire_unpack(const ProtobufCMessageDescriptor *descriptor, tuplet_bytes message,
                             tp_arena *arena, void **ret_message, tuplet_error *error);
/* The same with another bound. */
tuplet_status tp_wire_unpack_within(const ProtobufCMessageDescriptor *descriptor, tuplet_bytes message,
                                    size_t taken_max, tp_arena *arena, void **ret_message,
                                    tuplet_error *error);

tuplet_status tp_wire_fail_malformed(const ProtobufCMessageDescriptor *descriptor, tuplet_error *error);

static inline tuplet_bytes tp_wire_view(ProtobufCBinaryData data) {
  return (tuplet_bytes){data.data, data.len};
}

#endif
