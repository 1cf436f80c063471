/* watch_range.c: the changes of a range, as a server sends them (the extension watch-range/1).
 *
 *   following ── the stream begins (anew) ──► reread ── fetched ──► following ── changes, fetched ──► …
 *       │                                        │
 *       └──────────── too much ──────────────────┴──► lost ── fetched: another stream ──► following
 *
 * What comes is merged until it is fetched, so that who fetches has what is known by then. When that is too
 * much the stream is ended, and another begins when somebody wants to go on: a consumer that does not keep up
 * holds nothing, and gets nothing sent.
 *
 * The first message of a stream says that the range is to be read: what happened without a stream is not told
 * by anybody. */
#include "engine/remote/private.h"

#include "base/alloc.h"
#include "base/status.h"
#include "engine/remote/range_changes.h"
#include "wire/client.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum {
  ARENA_CHUNK_SIZE = 4096,
  MESSAGE_OVERHEAD = 1024,
  CHANGE_OVERHEAD = 64 /* of each: tags, lengths, encoding, versionstamp */
};

typedef enum range_state {
  RANGE_FOLLOWING, /* `pending` is what is to be told */
  RANGE_REREAD,    /* that the range is to be read is to be told */
  RANGE_LOST       /* the stream has ended, or is about to */
} range_state;

struct tp_engine_range_watch {
  tp_remote_stream stream; /* first, so that the one is found from the other */
  tp_buffer body;          /* the request, and behind it the bounds */
  tuplet_bytes start, end;
  void (*wake)(void *context);
  void *context;
  bool is_closed;             /* on the engine's thread, as */
  bool is_first;              /* the stream's first message is still to come */
  tuplet_versionstamp latest; /* of the stream's messages */

  tp_remote_item tending; /* ends the stream, or begins it anew */
  pthread_mutex_t mutex;  /* guards what follows */
  bool is_tending_posted;
  bool begins; /* the stream is to begin, when it is tended to */
  range_state state;
  tp_remote_changes pending;
  size_t unread_size;               /* bytes that came while `state` was RANGE_REREAD */
  tuplet_versionstamp versionstamp; /* whatever was committed up to it is told with what is to be told */
  tuplet_error refusal;             /* to be told first; status TUPLET_OK: none */
};

static tp_engine_range_watch *watch_of(tp_remote_stream *stream) {
  return (tp_engine_range_watch *)(void *)stream; /* its first member */
}

static void free_watch(tp_engine_range_watch *watch) {
  const tuplet_allocator *allocator = watch->stream.remote->allocator;
  tp_remote_changes_clear(&watch->pending);
  tp_buffer_done(&watch->body);
  (void)pthread_mutex_destroy(&watch->mutex);
  tp_free(allocator, watch);
}

/* ---- Ending the stream, and beginning it anew ---- */

static void tend(tp_remote_item *item) {
  tp_engine_range_watch *watch =
      (tp_engine_range_watch *)(void *)((char *)item - offsetof(tp_engine_range_watch, tending));
  (void)pthread_mutex_lock(&watch->mutex);
  watch->is_tending_posted = false;
  bool begins = watch->begins;
  bool ends = watch->state == RANGE_LOST;
  watch->begins = false;
  if (begins) watch->state = RANGE_FOLLOWING;
  (void)pthread_mutex_unlock(&watch->mutex);
  if (watch->is_closed) {
    free_watch(watch);
    return;
  }
  if (ends) tp_remote_stream_stop(&watch->stream);
  if (begins) tp_remote_stream_start(&watch->stream);
}

/* The mutex is held. True: it is to be posted, without the mutex. */
static bool wants_tending(tp_engine_range_watch *watch) {
  bool wants = !watch->is_tending_posted;
  watch->is_tending_posted = true;
  return wants;
}

static void post_tending(tp_engine_range_watch *watch) {
  tp_remote_loop_post(&watch->stream.remote->loop, &watch->tending);
}

/* Likewise. */
static bool lose(tp_engine_range_watch *watch) {
  tp_remote_changes_clear(&watch->pending);
  watch->state = RANGE_LOST;
  return wants_tending(watch);
}

/* ---- What comes ---- */

static bool merge(tp_engine_range_watch *watch, const tp_range_changes *changes) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; status == TUPLET_OK && i < changes->count; i++)
    status = tp_remote_changes_put(&watch->pending, changes->items[i].key, changes->items[i].row);
  return status == TUPLET_OK;
}

/* The mutex is held. True as with wants_tending. */
static bool take(tp_engine_range_watch *watch, const tp_range_changes *changes, size_t size) {
  if (watch->state == RANGE_LOST) return false;
  watch->versionstamp = changes->versionstamp;
  if (changes->must_reread) {
    tp_remote_changes_clear(&watch->pending);
    watch->unread_size = 0;
    watch->state = RANGE_REREAD;
    return false;
  }
  if (watch->state == RANGE_FOLLOWING) return !merge(watch, changes) && lose(watch);
  watch->unread_size += size; /* whoever reads the range afterwards finds it there */
  return watch->unread_size > watch->pending.size_max && lose(watch);
}

/* What a server owes: first that the range is to be read, and numbers that do not go back. */
static bool is_in_order(tp_engine_range_watch *watch, const tp_range_changes *changes) {
  const tuplet_versionstamp *now = &changes->versionstamp;
  bool is_well = watch->is_first ? changes->must_reread
                                 : memcmp(now->bytes, watch->latest.bytes, sizeof now->bytes) >= 0;
  watch->is_first = false;
  watch->latest = *now;
  return is_well;
}

static bool on_message(tp_remote_stream *stream, tuplet_bytes message) {
  tp_engine_range_watch *watch = watch_of(stream);
  tp_arena arena;
  tp_range_changes changes;
  tp_arena_init(&arena, stream->remote->allocator, ARENA_CHUNK_SIZE);
  bool is_well =
      tp_watch_range_output_decode(message, &arena, watch->start, watch->end, &changes, NULL) == TUPLET_OK &&
      is_in_order(watch, &changes);
  if (is_well) {
    (void)pthread_mutex_lock(&watch->mutex);
    bool posts = take(watch, &changes, message.size);
    (void)pthread_mutex_unlock(&watch->mutex);
    if (posts) post_tending(watch);
  }
  tp_arena_done(&arena);
  if (is_well) watch->wake(watch->context);
  return is_well;
}

static void on_open(tp_remote_stream *stream) {
  tp_engine_range_watch *watch = watch_of(stream);
  watch->is_first = true;
  (void)pthread_mutex_lock(&watch->mutex);
  watch->refusal = (tuplet_error){0};
  (void)pthread_mutex_unlock(&watch->mutex);
}

static tuplet_status unsupported(const tp_remote *remote, tuplet_error *error) {
  return tp_fail(error, TUPLET_UNSUPPORTED, "%s: this server cannot watch ranges", remote->url);
}

/* A server that was replaced may not know of ranges any more. */
static void on_refused(tp_remote_stream *stream, bool is_lasting, const tuplet_error *error) {
  if (!is_lasting) return;
  tp_engine_range_watch *watch = watch_of(stream);
  const tp_remote *remote = stream->remote;
  tuplet_error refusal = *error;
  if (remote->session != NULL && !remote->session->has_watch_range) (void)unsupported(remote, &refusal);
  (void)pthread_mutex_lock(&watch->mutex);
  watch->refusal = refusal;
  (void)pthread_mutex_unlock(&watch->mutex);
  watch->wake(watch->context);
}

/* ---- Fetching ---- */

static tuplet_status give(const tp_remote_changes *taken, tp_range_fetch *fetch, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; status == TUPLET_OK && i < taken->count; i++) {
    const tp_remote_change *change = taken->items[i];
    status = fetch->on_change(fetch, change->key, change->is_gone ? NULL : &change->row, error);
  }
  return status;
}

tuplet_status tp_remote_range_watch_fetch(tp_engine *base, tp_engine_range_watch *watch,
                                          tp_range_fetch *fetch, tuplet_error *error) {
  (void)base;
  (void)pthread_mutex_lock(&watch->mutex);
  tuplet_error refusal = watch->refusal;
  watch->refusal = (tuplet_error){0};
  if (refusal.status != TUPLET_OK) {
    (void)pthread_mutex_unlock(&watch->mutex);
    if (error != NULL) *error = refusal;
    return refusal.status;
  }
  tp_remote_changes taken = watch->pending; /* empty but where there are changes to tell */
  tp_remote_changes_init(&watch->pending, taken.allocator, taken.count_max, taken.size_max);
  fetch->must_reread = watch->state == RANGE_REREAD;
  fetch->is_new = fetch->must_reread || taken.count > 0;
  fetch->versionstamp = watch->versionstamp;
  if (fetch->must_reread) watch->state = RANGE_FOLLOWING;
  watch->begins = watch->state == RANGE_LOST;
  bool posts = watch->begins && wants_tending(watch);
  (void)pthread_mutex_unlock(&watch->mutex);
  if (posts) post_tending(watch);

  tuplet_status status = give(&taken, fetch, error);
  tp_remote_changes_clear(&taken);
  if (status == TUPLET_OK) return TUPLET_OK;
  (void)pthread_mutex_lock(&watch->mutex);
  posts = lose(watch); /* what was taken was not told */
  (void)pthread_mutex_unlock(&watch->mutex);
  if (posts) post_tending(watch);
  return status;
}

/* ---- Beginning and end ---- */

static bool encode(tp_engine_range_watch *watch, const tp_range_following *config) {
  tp_buffer *body = &watch->body;
  tp_watch_range_encode(body, config->start, config->end, config->changes_max);
  size_t size = body->size;
  tp_buffer_append(body, config->start.data, config->start.size);
  tp_buffer_append(body, config->end.data, config->end.size);
  if (body->failed) return false;
  watch->start = (tuplet_bytes){body->data + size, config->start.size};
  watch->end = (tuplet_bytes){body->data + size + config->start.size, config->end.size};
  watch->stream.body = (tuplet_bytes){body->data, size};
  return true;
}

static tuplet_status new_watch(tp_remote *remote, const tp_range_following *config,
                               tp_engine_range_watch **ret_watch, tuplet_error *error) {
  tp_engine_range_watch *watch = tp_alloc_array_zeroed(remote->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  int rc = pthread_mutex_init(&watch->mutex, NULL);
  if (rc != 0) {
    tp_free(remote->allocator, watch);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  watch->stream = (tp_remote_stream){.remote = remote,
                                     .path = "/watch_range",
                                     .message_size_max = config->size_max + MESSAGE_OVERHEAD +
                                                         (size_t)config->changes_max * CHANGE_OVERHEAD,
                                     .keeps_messages = true,
                                     .on_open = on_open,
                                     .on_message = on_message,
                                     .on_refused = on_refused};
  watch->tending.run = tend;
  watch->wake = config->wake;
  watch->context = config->context;
  tp_remote_changes_init(&watch->pending, remote->allocator, config->changes_max, config->size_max);
  tp_buffer_init(&watch->body, remote->allocator);
  if (!encode(watch, config)) {
    free_watch(watch);
    return tp_fail_nomem(error);
  }
  *ret_watch = watch;
  return TUPLET_OK;
}

typedef struct starting {
  tp_engine_range_watch *watch;
  bool is_supported;
} starting;

static void start(void *context) {
  starting *begin = context;
  tp_remote_stream *stream = &begin->watch->stream;
  const tp_remote_session *session = stream->remote->session;
  begin->is_supported = session == NULL || session->has_watch_range;
  if (begin->is_supported) tp_remote_stream_start(stream);
}

tuplet_status tp_remote_range_watch(tp_engine *base, const tp_range_following *config,
                                    tp_engine_range_watch **ret_watch, tuplet_error *error) {
  tp_remote *remote = (tp_remote *)base;
  tp_engine_range_watch *watch;
  tuplet_status status = new_watch(remote, config, &watch, error);
  if (status != TUPLET_OK) return status;
  *ret_watch = watch; /* before it may wake */
  starting begin = {.watch = watch};
  tp_remote_loop_run(&remote->loop, start, &begin);
  if (begin.is_supported) return TUPLET_OK;
  free_watch(watch);
  return unsupported(remote, error);
}

static void stop(void *context) {
  tp_engine_range_watch *watch = context;
  tp_remote_stream_stop(&watch->stream);
  watch->is_closed = true;
  (void)pthread_mutex_lock(&watch->mutex);
  bool is_posted = watch->is_tending_posted; /* then that frees it */
  (void)pthread_mutex_unlock(&watch->mutex);
  if (!is_posted) free_watch(watch);
}

void tp_remote_range_watch_close(tp_engine *base, tp_engine_range_watch *watch) {
  tp_remote *remote = (tp_remote *)base;
  tp_remote_loop_run(&remote->loop, stop, watch);
}
