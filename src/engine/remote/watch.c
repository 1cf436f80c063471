/* watch.c: wakes a watch whenever the server sends another state of its keys. What the state is the store
 * reads itself.
 *
 * The first message of each stream is the state at that moment, so that a stream which is made again wakes,
 * too, and no change between two of them is missed. */
#include "engine/remote/private.h"

#include "base/alloc.h"
#include "base/status.h"
#include "codec/limits.h"
#include "wire/client.h"

#include <stddef.h>

enum {
  MESSAGE_SIZE_MAX = TP_LIMIT_WATCH_KEYS_MAX * (TP_LIMIT_VALUE_SIZE_MAX + TP_LIMIT_KEY_READ_SIZE_MAX + 256)
};

struct tp_engine_watch {
  tp_remote_stream stream; /* first, so that the one is found from the other */
  tp_remote_item start;
  tp_buffer body;
  void (*wake)(void *context);
  void *context;
};

static bool on_message(tp_remote_stream *stream, tuplet_bytes message) {
  (void)message;
  tp_engine_watch *watch = (tp_engine_watch *)(void *)stream;
  watch->wake(watch->context);
  return true;
}

/* Whoever is woken meets the same refusal, and learns of it so. */
static void on_refused(tp_remote_stream *stream, bool is_lasting, const tuplet_error *error) {
  (void)error;
  tp_engine_watch *watch = (tp_engine_watch *)(void *)stream;
  if (is_lasting) watch->wake(watch->context);
}

static void start(tp_remote_item *item) {
  tp_engine_watch *watch = (tp_engine_watch *)(void *)((char *)item - offsetof(tp_engine_watch, start));
  tp_remote_stream_start(&watch->stream);
}

tuplet_status tp_remote_watch(tp_engine *base, const tuplet_bytes *keys, size_t key_count,
                              void (*wake)(void *context), void *context, tp_engine_watch **ret_watch,
                              tuplet_error *error) {
  tp_remote *remote = (tp_remote *)base;
  tp_engine_watch *watch = tp_alloc_array_zeroed(remote->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  tp_buffer_init(&watch->body, remote->allocator);
  tp_watch_encode(&watch->body, keys, key_count);
  if (watch->body.failed) {
    tp_buffer_done(&watch->body);
    tp_free(remote->allocator, watch);
    return tp_fail_nomem(error);
  }
  watch->stream = (tp_remote_stream){.remote = remote,
                                     .path = "/watch",
                                     .body = tp_buffer_view(&watch->body),
                                     .eventual = true,
                                     .message_size_max = MESSAGE_SIZE_MAX,
                                     .on_message = on_message,
                                     .on_refused = on_refused};
  watch->start.run = start;
  watch->wake = wake;
  watch->context = context;
  *ret_watch = watch; /* before it may wake */
  tp_remote_loop_post(&remote->loop, &watch->start);
  return TUPLET_OK;
}

static void stop(void *context) {
  tp_engine_watch *watch = context;
  tp_remote_stream_stop(&watch->stream);
}

void tp_remote_watch_close(tp_engine *base, tp_engine_watch *watch) {
  tp_remote *remote = (tp_remote *)base;
  tp_remote_loop_run(&remote->loop, stop, watch);
  tp_buffer_done(&watch->body);
  tp_free(remote->allocator, watch);
}
