/* http2_guard.c: what an HTTP/2 connection has to be guarded against beside what nghttp2 refuses by itself.
 */
#include "http/http2_guard.h"

#include <nghttp2/nghttp2.h>

enum {
  PATIENCE_MAX = 10000,     /* what there is at first, and at most */
  PATIENCE_SETTINGS = 10,   /* what SETTINGS cost beyond a frame: they may touch every stream */
  PATIENCE_DATA_MIN = 8,    /* DATA smaller than that costs, unless it is the last */
  PATIENCE_CUT = 10,        /* what a request costs that is not answered, */
  PATIENCE_WRONG = 100,     /* and one that breaks the rules or has too large a head, */
  PATIENCE_ANSWER = 16,     /* and one that is gives */
  PATIENCE_DATA = 4,        /* what DATA gives that the peer has left room for; */
  PATIENCE_DATA_SHARE = 64, /* otherwise one for so many bytes */
  PATIENCE_RATE = 500       /* what a second gives */
};

/* ---- Patience -------------------------------------------------------------------------------------------
 */

static void please(tp_http2_guard *guard, size_t amount) {
  if (guard->patience == 0) return; /* too late */
  guard->patience = amount < PATIENCE_MAX - guard->patience ? guard->patience + amount : PATIENCE_MAX;
}

/* False when that was the last of it. */
static bool annoy(tp_http2_guard *guard, size_t amount) {
  if (guard->patience == 0) return true; /* said already */
  guard->patience -= amount < guard->patience ? amount : guard->patience;
  return guard->patience > 0;
}

bool tp_http2_guard_note_end(tp_http2_guard *guard, tp_http2_outcome end) {
  if (end != END_ANSWERED) return annoy(guard, end == END_CUT ? PATIENCE_CUT : PATIENCE_WRONG);
  please(guard, PATIENCE_ANSWER);
  return true;
}

void tp_http2_guard_note_data(tp_http2_guard *guard, size_t size, bool is_all) {
  guard->dribbled += size;
  please(guard, guard->dribbled / PATIENCE_DATA_SHARE + (is_all ? PATIENCE_DATA : 0));
  guard->dribbled %= PATIENCE_DATA_SHARE;
}

void tp_http2_guard_note_time(tp_http2_guard *guard, uint64_t elapsed_ms) {
  uint64_t full_ms = (uint64_t)PATIENCE_MAX * 1000 / PATIENCE_RATE;
  please(guard, (size_t)((elapsed_ms < full_ms ? elapsed_ms : full_ms) * PATIENCE_RATE / 1000));
}

/* ---- Frames ---------------------------------------------------------------------------------------------
 */

void tp_http2_guard_init(tp_http2_guard *guard, size_t skip) {
  *guard = (tp_http2_guard){.left = skip, .patience = PATIENCE_MAX};
}

static size_t frame_size(const tp_http2_guard *guard) {
  return (size_t)guard->look[0] << 16 | (size_t)guard->look[1] << 8 | guard->look[2];
}

static uint8_t frame_type(const tp_http2_guard *guard) {
  return guard->look[3];
}

static bool has_flag(const tp_http2_guard *guard, uint8_t flag) {
  return (guard->look[4] & flag) != 0;
}

static uint32_t stream_at(const uint8_t *bytes) {
  return (uint32_t)(bytes[0] & 0x7f) << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint32_t tp_http2_guard_stream(const tp_http2_guard *guard) {
  return stream_at(guard->look + 5);
}

bool tp_http2_guard_opens_stream(const tp_http2_guard *guard) {
  return frame_type(guard) == NGHTTP2_HEADERS && tp_http2_guard_stream(guard) > guard->stream_last;
}

/* How many of its first bytes tell what a frame is. */
static size_t look_wanted(const tp_http2_guard *guard) {
  bool has_dependency = guard->look_size >= HTTP2_FRAME_HEAD_SIZE && frame_type(guard) == NGHTTP2_PRIORITY &&
                        frame_size(guard) >= HTTP2_FRAME_LOOK_SIZE - HTTP2_FRAME_HEAD_SIZE;
  return has_dependency ? HTTP2_FRAME_LOOK_SIZE : HTTP2_FRAME_HEAD_SIZE;
}

size_t tp_http2_guard_look(tp_http2_guard *guard, const uint8_t *data, size_t size, bool *ret_has_frame) {
  *ret_has_frame = false;
  size_t used = size < guard->left ? size : guard->left;
  guard->left -= used;
  if (used > 0) return used;
  while (used < size && guard->look_size < look_wanted(guard)) guard->look[guard->look_size++] = data[used++];
  *ret_has_frame = guard->look_size > 0 && guard->look_size == look_wanted(guard);
  if (!*ret_has_frame) return used;
  guard->left = frame_size(guard) - (guard->look_size - HTTP2_FRAME_HEAD_SIZE);
  guard->look_size = 0;
  return used;
}

static size_t price(const tp_http2_guard *guard) {
  switch (frame_type(guard)) {
  case NGHTTP2_HEADERS: return 0;
  case NGHTTP2_DATA:
    return frame_size(guard) < PATIENCE_DATA_MIN && !has_flag(guard, NGHTTP2_FLAG_END_STREAM);
  case NGHTTP2_SETTINGS: return has_flag(guard, NGHTTP2_FLAG_ACK) ? 1 : 1 + PATIENCE_SETTINGS;
  default: return 1;
  }
}

static bool was_reset(const tp_http2_guard *guard, uint32_t stream) {
  for (size_t i = 0; i < HTTP2_RESETS_KEPT; i++) {
    if (guard->resets[i] == stream) return true;
  }
  return false;
}

void tp_http2_guard_note_reset(tp_http2_guard *guard, uint32_t stream) {
  guard->resets[guard->reset_count++ % HTTP2_RESETS_KEPT] = stream;
}

static tp_http2_judgement judge_priority(const tp_http2_guard *guard, uint32_t stream) {
  bool has_dependency = frame_size(guard) >= HTTP2_FRAME_LOOK_SIZE - HTTP2_FRAME_HEAD_SIZE;
  bool is_wrong = stream == 0 || (has_dependency && stream_at(guard->look + HTTP2_FRAME_HEAD_SIZE) == stream);
  return (tp_http2_judgement){is_wrong ? VERDICT_END : VERDICT_FINE, NGHTTP2_PROTOCOL_ERROR, stream};
}

/* DATA may follow a request that was refused before it could know; HEADERS (trailers) hardly do. */
static tp_http2_judgement judge_message(tp_http2_guard *guard, uint32_t stream, bool is_open) {
  bool is_head = frame_type(guard) == NGHTTP2_HEADERS;
  bool is_new = stream > guard->stream_last;
  if (is_head && is_new) guard->stream_last = stream;
  if (is_new || is_open || was_reset(guard, stream)) return (tp_http2_judgement){.verdict = VERDICT_FINE};
  bool is_end = is_head || !annoy(guard, PATIENCE_CUT);
  return (tp_http2_judgement){is_end ? VERDICT_END : VERDICT_RESET_STREAM, NGHTTP2_STREAM_CLOSED, stream};
}

tp_http2_judgement tp_http2_guard_judge(tp_http2_guard *guard, bool is_open) {
  uint32_t stream = tp_http2_guard_stream(guard);
  uint8_t type = frame_type(guard);
  size_t cost = price(guard);
  if (cost > 0 && !annoy(guard, cost))
    return (tp_http2_judgement){VERDICT_END, NGHTTP2_ENHANCE_YOUR_CALM, stream};
  if (type == NGHTTP2_PRIORITY) return judge_priority(guard, stream);
  bool is_message = (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && stream % 2 == 1;
  if (is_message) return judge_message(guard, stream, is_open);
  return (tp_http2_judgement){.verdict = VERDICT_FINE};
}
