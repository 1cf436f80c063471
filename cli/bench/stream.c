/* stream.c: an answer that goes on. */
#include "stream.h"

#include "answer.h"
#include "base/status.h"

enum { LENGTH_SIZE = 4, MESSAGE_SIZE_MAX = 128 * 1024 };

/* Messages have their lengths before them, little-endian; one of no length says that the server is there. */
static bool on_data(tp_bench_call *call, tuplet_bytes bytes) {
  tp_bench_stream *stream = (tp_bench_stream *)call; /* its first member */
  tp_buffer *pending = &call->answer;
  tp_buffer_append(pending, bytes.data, bytes.size);
  if (pending->failed) {
    (void)tp_fail_nomem(&stream->error);
    return false;
  }
  if (call->status != 200) return pending->size <= MESSAGE_SIZE_MAX; /* why there is no stream */
  size_t taken = 0;
  while (pending->size - taken >= LENGTH_SIZE) {
    const uint8_t *length = pending->data + taken;
    size_t size =
        (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (size > MESSAGE_SIZE_MAX) {
      tp_error_set(&stream->error, TUPLET_MALFORMED, "a stream's message of %zu bytes", size);
      return false;
    }
    if (pending->size - taken - LENGTH_SIZE < size) break;
    if (size > 0 && !stream->on_message(stream, tuplet_view(length + LENGTH_SIZE, size), &stream->error))
      return false;
    taken += LENGTH_SIZE + size;
  }
  tp_buffer_consume(pending, taken);
  return true;
}

static void on_done(tp_bench_call *call, const char *problem) {
  tp_bench_stream *stream = (tp_bench_stream *)call;
  if (stream->error.status == TUPLET_OK && call->status != 200 && problem == NULL)
    (void)tp_bench_answer_refused(call, &stream->error);
  else if (stream->error.status == TUPLET_OK)
    tp_error_set(&stream->error, TUPLET_IO, "the stream ended%s%s", problem != NULL ? ": " : "",
                 problem != NULL ? problem : "");
  stream->on_end(stream, &stream->error);
}

void tp_bench_stream_init(tp_bench_stream *stream) {
  tp_buffer_init(&stream->call.answer, NULL);
  stream->call.on_data = on_data;
  stream->call.on_done = on_done;
}

void tp_bench_stream_done(tp_bench_stream *stream) {
  tp_buffer_done(&stream->call.answer);
}

void tp_bench_stream_prepare(tp_bench_stream *stream) {
  tp_buffer_clear(&stream->call.answer);
  stream->call.status = 0;
  stream->error.status = TUPLET_OK;
}
