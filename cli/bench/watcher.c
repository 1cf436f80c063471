/* watcher.c: watches one key of a server's, and tells each number that it takes. */
#include "watcher.h"

#include "answer.h"
#include "wire/client.h"

enum { ARENA_SIZE = 4096 };

static bool on_message(tp_bench_stream *stream, tuplet_bytes message, tuplet_error *error) {
  tp_bench_watcher *watcher = (tp_bench_watcher *)stream; /* its first member */
  tuplet_bytes key = tp_buffer_view(&watcher->key);
  const tp_watched_entry *entry;
  tp_arena_clear(&watcher->arena);
  if (tp_watch_output_decode(message, &watcher->arena, &key, 1, &entry, error) != TUPLET_OK) return false;
  if (entry->changed)
    watcher->on_number(watcher, entry->row != NULL ? tp_bench_answer_number(entry->row) : 0);
  return true;
}

bool tp_bench_watcher_init(tp_bench_watcher *watcher, const tp_bench_data *data, uint64_t key) {
  tp_bench_stream_init(&watcher->stream);
  tp_buffer_init(&watcher->key, NULL);
  tp_buffer_init(&watcher->body, NULL);
  tp_arena_init(&watcher->arena, NULL, ARENA_SIZE);
  tp_bench_data_put_key(data, key, &watcher->key);
  if (watcher->key.failed) return false;
  tuplet_bytes view = tp_buffer_view(&watcher->key);
  tp_watch_encode(&watcher->body, &view, 1);
  watcher->stream.call.path = TP_BENCH_WATCH_STREAM;
  watcher->stream.call.body = tp_buffer_view(&watcher->body);
  watcher->stream.on_message = on_message;
  return !watcher->body.failed;
}

void tp_bench_watcher_done(tp_bench_watcher *watcher) {
  tp_bench_stream_done(&watcher->stream);
  tp_buffer_done(&watcher->key);
  tp_buffer_done(&watcher->body);
  tp_arena_done(&watcher->arena);
}
