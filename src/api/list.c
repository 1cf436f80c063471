/* list.c: going through a range of entries, batch by batch. */
#include "api/db.h"
#include "api/entry_batch.h"
#include "api/waiter.h"
#include "base/alloc.h"
#include "base/status.h"
#include "codec/limits.h"
#include "codec/selector.h"

#include <stdatomic.h>
#include <string.h>

enum { LIST_CHUNK_SIZE = 1024 };

/* On the stack of whoever calls a callback. The callback has the list for itself, and may tell another
 * thread, which then uses or closes it before the callback has returned: so the list is not touched any more,
 * unless the callback asked for the next entry itself. That is answered when it has returned, so that the
 * stack does not grow with the list. */
typedef struct list_delivery {
  const tuplet_list *list;
  bool asked;
  struct list_delivery *outer; /* of this thread, in whose callback this one is */
} list_delivery;

static _Thread_local list_delivery *deliveries; /* the innermost */

struct tuplet_list {
  tuplet_db *db;  /* a reference */
  tp_arena arena; /* what selection and the first range point to */
  tp_selection selection;
  bool reverse;
  bool eventual;
  uint32_t batch_size;     /* of the next batch */
  uint32_t batch_size_max; /* where growing ends */
  uint64_t left;           /* entries that may still come; UINT64_MAX for no limit */

  /* The part of the range that is not fetched yet; its moving bound is in next_bound after the first batch.
   */
  tp_range range;
  tp_buffer next_bound, spare_bound;
  bool exhausted; /* nothing is left to fetch */

  tp_entry_batch batch;
  size_t next_index; /* of the batch; the entry before it was given last */
  tp_buffer cursor;

  /* The read that is running, or the last one: */
  tp_read read;
  tp_read_range read_range;
  tuplet_status read_status;
  tuplet_error read_error;
  atomic_int read_state; /* of enum read_state */

  tuplet_list_callback callback; /* asked for the next entry, and not called yet */
  void *context;
};

/* A read may complete before the call that starts it returns, or later on another thread: whoever comes
 * second goes on with the list. */
enum read_state { READ_STARTED, READ_COMPLETED, READ_AWAITED };

/* ---- Opening ---- */

static tuplet_list_options complete_options(const tuplet_list_options *given) {
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  if (given != NULL) {
    memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
  }
  return options;
}

static uint32_t batch_size_of(const tuplet_list_options *options) {
  if (options->batch_size > 0) return options->batch_size;
  if (options->limit == 0) return TP_LIMIT_LIST_BATCH_DEFAULT;
  return options->limit < TP_LIMIT_LIST_BATCH_UNASKED_MAX ? (uint32_t)options->limit
                                                          : TP_LIMIT_LIST_BATCH_UNASKED_MAX;
}

static tuplet_status list_init(tuplet_list *list, const tuplet_selector *selector,
                               const tuplet_list_options *options, tuplet_error *error) {
  tuplet_status status = tp_selector_resolve(selector, &list->arena, &list->selection, error);
  if (status != TUPLET_OK) return status;
  const char *cursor = options->cursor == NULL ? "" : options->cursor;
  status = tp_cursor_apply(&list->selection, cursor, strlen(cursor), options->reverse, &list->arena,
                           &list->range, error);
  if (status != TUPLET_OK) return status;
  list->reverse = options->reverse;
  list->eventual = options->consistency == TUPLET_CONSISTENCY_EVENTUAL;
  list->batch_size = batch_size_of(options);
  list->batch_size_max = options->batch_size > 0 ? options->batch_size : TP_LIMIT_READ_ENTRIES_MAX;
  list->left = options->limit == 0 ? UINT64_MAX : options->limit;
  return TUPLET_OK;
}

tuplet_status tuplet_list_open(tuplet_db *db, const tuplet_selector *selector,
                               const tuplet_list_options *given, tuplet_list **ret_list,
                               tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (selector == NULL || ret_list == NULL) {
    return tp_fail(error, TUPLET_MISUSE, "tuplet_list_open: selector or ret_list is NULL");
  }
  if (given != NULL && given->struct_size == 0) {
    return tp_fail(error, TUPLET_MISUSE,
                   "tuplet_list_open: options must start from TUPLET_LIST_OPTIONS_INIT");
  }
  tuplet_list_options options = complete_options(given);
  if (options.batch_size > TP_LIMIT_READ_ENTRIES_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many entries (max %d)", (int)TP_LIMIT_READ_ENTRIES_MAX);
  }
  tuplet_list *list = tp_alloc_array_zeroed(db->allocator, 1, sizeof *list);
  if (list == NULL) return tp_fail_nomem(error);
  list->db = tp_db_ref(db);
  tp_arena_init(&list->arena, db->allocator, LIST_CHUNK_SIZE);
  tp_buffer_init(&list->next_bound, db->allocator);
  tp_buffer_init(&list->spare_bound, db->allocator);
  tp_buffer_init(&list->cursor, db->allocator);
  tp_entry_batch_init(&list->batch, db->allocator);
  status = list_init(list, selector, &options, error);
  if (status != TUPLET_OK) {
    tuplet_list_close(list);
    return status;
  }
  *ret_list = list;
  return TUPLET_OK;
}

/* The delivery in whose callback this thread is. */
static list_delivery *delivery_of(const tuplet_list *list) {
  list_delivery *delivery = deliveries;
  while (delivery != NULL && delivery->list != list) delivery = delivery->outer;
  return delivery;
}

void tuplet_list_close(tuplet_list *list) {
  if (list == NULL) return;
  list_delivery *delivery = delivery_of(list);
  if (delivery != NULL) delivery->asked = false;
  tuplet_db *db = list->db;
  tp_entry_batch_done(&list->batch);
  tp_buffer_done(&list->cursor);
  tp_buffer_done(&list->next_bound);
  tp_buffer_done(&list->spare_bound);
  tp_arena_done(&list->arena);
  tp_free(db->allocator, list);
  tp_db_unref(db);
}

/* ---- Fetching ---- */

static tuplet_list *list_of(tp_read *read) {
  return (tuplet_list *)(void *)((char *)read - offsetof(tuplet_list, read));
}

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index;
  return tp_entry_batch_add(&list_of(read)->batch, row->key, row, error);
}

/* Moves the range past `last`. After an error it is where it was, so that the batch may be fetched again. */
static tuplet_status move_bound(tuplet_list *list, tuplet_bytes last, tuplet_error *error) {
  tp_buffer *bound = &list->spare_bound;
  tp_buffer_clear(bound);
  tp_buffer_append(bound, last.data, last.size);
  if (!list->reverse) tp_buffer_append_byte(bound, 0);
  if (bound->failed) return tp_fail_nomem(error);
  tp_buffer old = list->next_bound;
  list->next_bound = *bound;
  list->spare_bound = old;
  if (list->reverse) {
    list->range.end = tp_buffer_view(&list->next_bound);
  } else {
    list->range.start = tp_buffer_view(&list->next_bound);
  }
  return TUPLET_OK;
}

/* Moves the range past the batch. */
static tuplet_status advance(tuplet_list *list, tuplet_error *error) {
  size_t count = list->batch.entries.count;
  if (count > 0) {
    tuplet_status status = move_bound(list, list->batch.items[count - 1].key, error);
    if (status != TUPLET_OK) return status;
  }
  if (count < list->read_range.limit) list->exhausted = true;
  if (list->left != UINT64_MAX) {
    list->left -= count;
    if (list->left == 0) list->exhausted = true;
  }
  return TUPLET_OK;
}

/* Takes in what a completed read brought. */
static tuplet_status take_batch(tuplet_list *list, tuplet_error *error) {
  tuplet_status status = list->read_status;
  if (status == TUPLET_OK) {
    tp_entry_batch_seal(&list->batch);
    status = advance(list, error);
  } else {
    *error = list->read_error;
  }
  if (status != TUPLET_OK) tp_entry_batch_clear(&list->batch);
  return status;
}

static void finish_blocking_next(void *context, tuplet_status status, const tuplet_entry *entry,
                                 const tuplet_error *error);

/* Calls the callback that waits. True when it has asked for the next entry; else the list is not to be
 * touched any more. */
static bool deliver(tuplet_list *list, tuplet_status status, const tuplet_error *error) {
  tuplet_list_callback callback = list->callback;
  list->callback = NULL;
  const tuplet_entry *entry = status == TUPLET_OK ? &list->batch.items[list->next_index++] : NULL;
  list_delivery delivery = {list, false, deliveries};
  deliveries = &delivery; // cppcheck-suppress autoVariables
  callback(list->context, status, entry, error);
  deliveries = delivery.outer;
  return delivery.asked;
}

static void go_on(tuplet_list *list, bool read_completed);

static void on_read(tp_read *read, tuplet_status status, const tuplet_error *error) {
  tuplet_list *list = list_of(read);
  list->read_status = status;
  if (status < 0) list->read_error = *error;
  if (atomic_exchange(&list->read_state, READ_COMPLETED) == READ_AWAITED) go_on(list, true);
}

/* Starts to read the next batch. True when it is there already. */
static bool fetch(tuplet_list *list) {
  tp_entry_batch_clear(&list->batch);
  list->next_index = 0;
  list->read_range =
      (tp_read_range){.start = list->range.start,
                      .end = list->range.end,
                      .limit = list->left < list->batch_size ? (uint32_t)list->left : list->batch_size,
                      .reverse = list->reverse};
  list->read = (tp_read){.ranges = &list->read_range,
                         .range_count = 1,
                         .eventual = list->eventual,
                         .on_row = on_row,
                         .on_done = on_read};
  /* Whoever went through a whole batch is likely to go on. */
  list->batch_size =
      list->batch_size < list->batch_size_max / 2 ? list->batch_size * 2 : list->batch_size_max;
  atomic_store(&list->read_state, READ_STARTED);
  tp_store_read(list->db->store, NULL, &list->read);
  return atomic_exchange(&list->read_state, READ_AWAITED) == READ_COMPLETED;
}

/* Answers what is asked until nothing is, or until a read has to be waited for. */
static void go_on(tuplet_list *list, bool read_completed) {
  do {
    tuplet_error error = {0};
    tuplet_status status = TUPLET_OK;
    bool fetched = read_completed;
    read_completed = false;
    if (!fetched && list->next_index >= list->batch.entries.count && !list->exhausted) {
      fetched = fetch(list);
      if (!fetched) return;
    }
    if (fetched) status = take_batch(list, &error);
    if (status == TUPLET_OK && list->next_index >= list->batch.entries.count) {
      status = TUPLET_DONE;
      if (list->left >
          0) { /* past the last entry of the range, and not only of the limit: no cursor any more */
        tp_entry_batch_clear(&list->batch);
        list->next_index = 0;
      }
    }
    if (!deliver(list, status, &error)) return;
  } while (true);
}

tuplet_status tuplet_list_next_async(tuplet_list *list, tuplet_list_callback callback, void *context,
                                     tuplet_error *error) {
  if (list == NULL || callback == NULL) return tp_fail(error, TUPLET_MISUSE, "list or callback is NULL");
  tuplet_status status = tp_db_check(list->db, error);
  if (status != TUPLET_OK) return status;
  if (list->callback != NULL) {
    return tp_fail(error, TUPLET_MISUSE, "another call waits for the next entry of this list already");
  }
  list->callback = callback;
  list->context = context;
  list_delivery *delivery = delivery_of(list);
  if (delivery != NULL)
    delivery->asked = true;
  else
    go_on(list, false);
  return TUPLET_OK;
}

typedef struct blocking_next {
  tp_waiter waiter;
  tuplet_status status;
  const tuplet_entry *entry;
  tuplet_error *error;
} blocking_next;

static void finish_blocking_next(void *context, tuplet_status status, const tuplet_entry *entry,
                                 const tuplet_error *error) {
  blocking_next *next = context;
  next->status = status;
  next->entry = entry;
  if (status < 0 && next->error != NULL) *next->error = *error;
  tp_waiter_finish(&next->waiter);
}

tuplet_status tuplet_list_next(tuplet_list *list, const tuplet_entry **ret_entry, tuplet_error *error) {
  if (ret_entry == NULL) return tp_fail(error, TUPLET_MISUSE, "tuplet_list_next: ret_entry is NULL");
  if (list != NULL && list->next_index < list->batch.entries.count) { /* most calls: no wait to prepare */
    tuplet_status status = tp_db_check(list->db, error);
    if (status == TUPLET_OK) *ret_entry = &list->batch.items[list->next_index++];
    return status;
  }
  blocking_next next = {.waiter = TP_WAITER_INIT, .error = error};
  tuplet_status status = tuplet_list_next_async(list, finish_blocking_next, &next, error);
  if (status != TUPLET_OK) return status;
  tp_waiter_wait(&next.waiter);
  if (next.status == TUPLET_OK) *ret_entry = next.entry;
  return next.status;
}

tuplet_status tuplet_list_cursor(tuplet_list *list, const char **ret_cursor, tuplet_error *error) {
  if (list == NULL || ret_cursor == NULL) return tp_fail(error, TUPLET_MISUSE, "list or ret_cursor is NULL");
  tp_buffer_clear(&list->cursor);
  if (list->next_index > 0) {
    tp_cursor_append(&list->cursor, &list->selection, list->batch.items[list->next_index - 1].key);
  } else if (!list->exhausted && list->next_bound.size > 0) { /* fetching what comes after it has failed */
    size_t size = list->next_bound.size - (list->reverse ? 0 : 1);
    tp_cursor_append(&list->cursor, &list->selection, tuplet_view(list->next_bound.data, size));
  }
  tp_buffer_append_byte(&list->cursor, '\0');
  if (list->cursor.failed) return tp_fail_nomem(error);
  *ret_cursor = (const char *)list->cursor.data;
  return TUPLET_OK;
}
