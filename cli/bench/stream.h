/* stream.h: an answer that goes on: messages, each with its length before it. */
#ifndef TP_CLI_BENCH_STREAM_H
#define TP_CLI_BENCH_STREAM_H

#include "http_client.h"

typedef struct tp_bench_stream tp_bench_stream;

/* A member of its owner's, who starts `call` on a connection of its choice. */
struct tp_bench_stream {
  tp_bench_call call;
  /* False, with the error: the message is none. */
  bool (*on_message)(tp_bench_stream *stream, tuplet_bytes message, tuplet_error *error);
  /* The stream has ended, though not with its connection; error: why. */
  void (*on_end)(tp_bench_stream *stream, const tuplet_error *error);
  tuplet_error error; /* of a message that is none; status 0: there was none */
};

/* Of one with its callbacks, and the call's path and body. */
void tp_bench_stream_init(tp_bench_stream *stream);
void tp_bench_stream_done(tp_bench_stream *stream);

/* To be called before each start. */
void tp_bench_stream_prepare(tp_bench_stream *stream);

#endif
