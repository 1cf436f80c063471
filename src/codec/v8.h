/* v8.h: JavaScript values in V8's serialization format, from and to trees.
 *
 * Neither direction recurses: how deep a value is nested is bounded by its bytes alone. */
#ifndef TP_CODEC_V8_H
#define TP_CODEC_V8_H

#include "base/buffer.h"
#include "codec/tree.h"

/* Reads bytes that begin with FF and a version from 13 to 16. Time and memory are linear in their size (but
 * for sorting index-like keys that do not ascend), whatever lengths they claim. With a host object anywhere
 * in them the result is one OPAQUE node of all of them. Errors: TUPLET_MALFORMED (with the offset),
 * TUPLET_NOMEM. */
tuplet_status tp_v8_read(tuplet_tree *tree, tuplet_bytes encoded, tuplet_node **ret_root,
                         tuplet_error *error);

/* Appends the value to `out`, which must be empty: two-byte strings are aligned to its start. What is written
 * is what V8 writes for the value that it reads from the same bytes; numbers come as `I` wherever that can
 * say them. `out` is unspecified after an error. Errors: TUPLET_INVALID (a KVU64 or OPAQUE node inside
 * another, a tree that was not built by our functions), TUPLET_LIMIT (a size that the format cannot say),
 * TUPLET_NOMEM. */
tuplet_status tp_v8_write(const tuplet_node *root, tp_buffer *out, tuplet_error *error);

#endif
