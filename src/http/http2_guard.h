/* http2_guard.h: what an HTTP/2 connection has to be guarded against beside what nghttp2 refuses by itself.
 *
 * Patience: each connection has some, and it ends when that is used up. Frames that bring no request and no
 * response forward use it up (pings, priorities, settings, small steps of a window, unknown frames), and so
 * do requests that end without having been answered, whoever resets them, or that are wrong. Work that both
 * sides wanted, and time, give it back.
 *
 * Streams that are over: nghttp2, which is told not to remember them, ignores frames for them, and so it does
 * with RFC 7540's priorities, right or wrong. RFC 9113 wants errors. */
#ifndef TP_HTTP_HTTP2_GUARD_H
#define TP_HTTP_HTTP2_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  HTTP2_FRAME_HEAD_SIZE = 9,
  HTTP2_FRAME_LOOK_SIZE = HTTP2_FRAME_HEAD_SIZE + 4, /* of a PRIORITY: the stream that it depends on */
  HTTP2_RESETS_KEPT = 32
};

typedef struct tp_http2_guard {
  uint8_t look[HTTP2_FRAME_LOOK_SIZE]; /* of the frame that is coming in, its first bytes, */
  size_t look_size;                    /* as far as they have come; */
  size_t left;                         /* what of a frame is still to come behind those */
  size_t patience;                     /* 0: none is left */
  size_t dribbled;                     /* bytes of DATA that have given no patience yet */
  uint32_t stream_last;                /* the highest that the peer has opened */
  uint32_t
      resets[HTTP2_RESETS_KEPT]; /* the last streams that we have reset, in a ring: frames may be under way */
  size_t reset_count;
} tp_http2_guard;

/* What is to be done about a frame. */
typedef enum tp_http2_verdict { VERDICT_FINE, VERDICT_RESET_STREAM, VERDICT_END } tp_http2_verdict;

typedef struct tp_http2_judgement {
  tp_http2_verdict verdict;
  uint32_t code; /* of the error; RFC 9113, section 7 */
  uint32_t stream;
} tp_http2_judgement;

/* skip: bytes before the first frame, the preface. */
void tp_http2_guard_init(tp_http2_guard *guard, size_t skip);

/* Looks at bytes up to the end of a frame, or up to where the next one has told what it is: then that is to
 * be judged. Returns how many those are, at least one. */
size_t tp_http2_guard_look(tp_http2_guard *guard, const uint8_t *data, size_t size, bool *ret_has_frame);

/* Whether that frame opens a stream: then it is fine, whatever the frames before it come to. */
bool tp_http2_guard_opens_stream(const tp_http2_guard *guard);

/* The stream of that frame, and what is to be done about the frame. is_open: nghttp2 knows the stream. */
uint32_t tp_http2_guard_stream(const tp_http2_guard *guard);
tp_http2_judgement tp_http2_guard_judge(tp_http2_guard *guard, bool is_open);

/* A stream was reset by us. */
void tp_http2_guard_note_reset(tp_http2_guard *guard, uint32_t stream);

typedef enum tp_http2_outcome {
  END_ANSWERED,
  END_CUT,  /* reset, by whomever */
  END_WRONG /* answered with a refusal of what should not have been sent */
} tp_http2_outcome;

/* A stream is over. False when the connection is to end. */
bool tp_http2_guard_note_end(tp_http2_guard *guard, tp_http2_outcome end);

/* Response bytes have gone into a frame; is_all: there was room for all that waited. */
void tp_http2_guard_note_data(tp_http2_guard *guard, size_t size, bool is_all);

void tp_http2_guard_note_time(tp_http2_guard *guard, uint64_t elapsed_ms);

#endif
