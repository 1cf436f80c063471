/* watcher.c: watches one key of a server's, and tells each number that it takes. */
#include "watcher.h"

#include "answer.h"
#include "base/status.h"
#include "wire/client.h"

enum { ARENA_SIZE = 4096, LENGTH_SIZE = 4, MESSAGE_SIZE_MAX = 128 * 1024 };

/* ---- What comes ---- */

static bool take_message(tp_bench_watcher *watcher, tuplet_bytes message) {
  tuplet_bytes key = tp_buffer_view(&watcher->key);
  const tp_watched_entry *entry;
  tp_arena_clear(&watcher->arena);
  if (tp_watch_output_decode(message, &watcher->arena, &key, 1, &entry, &watcher->error) != TUPLET_OK)
    return false;
  if (entry->changed)
    watcher->on_number(watcher, entry->row != NULL ? tp_bench_answer_number(entry->row) : 0);
  return true;
}

/* Messages have their lengths before them, little-endian; one of no length says that the server is there. */
static bool on_data(tp_bench_call *call, tuplet_bytes bytes) {
  tp_bench_watcher *watcher = (tp_bench_watcher *)call; /* its first member */
  tp_buffer *pending = &call->answer;
  tp_buffer_append(pending, bytes.data, bytes.size);
  if (pending->failed) {
    (void)tp_fail_nomem(&watcher->error);
    return false;
  }
  if (call->status != 200) return pending->size <= MESSAGE_SIZE_MAX; /* why there is no stream */
  size_t taken = 0;
  while (pending->size - taken >= LENGTH_SIZE) {
    const uint8_t *length = pending->data + taken;
    size_t size =
        (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (size > MESSAGE_SIZE_MAX) {
      tp_error_set(&watcher->error, TUPLET_MALFORMED, "a watch's message of %zu bytes", size);
      return false;
    }
    if (pending->size - taken - LENGTH_SIZE < size) break;
    if (size > 0 && !take_message(watcher, tuplet_view(length + LENGTH_SIZE, size))) return false;
    taken += LENGTH_SIZE + size;
  }
  tp_buffer_consume(pending, taken);
  return true;
}

static void on_done(tp_bench_call *call, const char *problem) {
  tp_bench_watcher *watcher = (tp_bench_watcher *)call;
  if (watcher->error.status == TUPLET_OK && call->status != 200 && problem == NULL)
    (void)tp_bench_answer_refused(call, &watcher->error);
  else if (watcher->error.status == TUPLET_OK)
    tp_error_set(&watcher->error, TUPLET_IO, "a watch ended%s%s", problem != NULL ? ": " : "",
                 problem != NULL ? problem : "");
  watcher->on_end(watcher, &watcher->error);
}

/* ---- Beginning and end ---- */

bool tp_bench_watcher_init(tp_bench_watcher *watcher, const tp_bench_data *data, uint64_t key) {
  tp_buffer_init(&watcher->call.answer, NULL);
  tp_buffer_init(&watcher->key, NULL);
  tp_buffer_init(&watcher->body, NULL);
  tp_arena_init(&watcher->arena, NULL, ARENA_SIZE);
  tp_bench_data_put_key(data, key, &watcher->key);
  if (watcher->key.failed) return false;
  tuplet_bytes view = tp_buffer_view(&watcher->key);
  tp_watch_encode(&watcher->body, &view, 1);
  watcher->call.path = TP_BENCH_WATCH_STREAM;
  watcher->call.body = tp_buffer_view(&watcher->body);
  watcher->call.on_data = on_data;
  watcher->call.on_done = on_done;
  return !watcher->body.failed;
}

void tp_bench_watcher_done(tp_bench_watcher *watcher) {
  tp_buffer_done(&watcher->call.answer);
  tp_buffer_done(&watcher->key);
  tp_buffer_done(&watcher->body);
  tp_arena_done(&watcher->arena);
}

void tp_bench_watcher_prepare(tp_bench_watcher *watcher) {
  tp_buffer_clear(&watcher->call.answer);
  watcher->call.status = 0;
  watcher->error.status = TUPLET_OK;
}
