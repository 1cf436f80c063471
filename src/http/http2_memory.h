/* http2_memory.h: memory for one session of nghttp2's.
 *
 * All blocks of a session are in a list. Where memory runs out nghttp2 may be left with pointers to what it
 * has freed (1.52 frees a DATA frame twice when the queue behind it cannot grow), so that session is not to
 * be ended by nghttp2_session_del: it is not called any more, and its blocks are freed here. */
#ifndef TP_HTTP_HTTP2_MEMORY_H
#define TP_HTTP_HTTP2_MEMORY_H

#include "tuplet.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

typedef struct tp_http2_block tp_http2_block;

typedef struct tp_http2_memory {
  const tuplet_allocator *allocator;
  tp_http2_block *blocks;
  bool is_out; /* an allocation has failed */
} tp_http2_memory;

/* What nghttp2 wants to have; for as long as `memory` is there. */
nghttp2_mem tp_http2_memory_hooks(tp_http2_memory *memory);

/* Ends the session; NULL is fine. */
void tp_http2_memory_end(tp_http2_memory *memory, nghttp2_session *session);

#endif
