/* async_test.c: calls with a callback: it runs exactly once, may start more work, and closing waits for it.
 * Watches' callbacks: watch_async_test.c. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>

/* What a callback was called with. */
typedef struct call {
  latch done;
  tuplet_status status;
  tuplet_error error;
  tuplet_versionstamp versionstamp;
  tuplet_entry *entry;
  tuplet_entries *entries;
  char text[32];
} call;

#define CALL_INIT                                                                                            \
  { .done = LATCH_INIT }

static void note(call *c, tuplet_status status, const tuplet_error *error) {
  c->status = status;
  c->error = *error; /* never NULL */
  latch_add(&c->done);
}

static void on_entry(void *context, tuplet_status status, tuplet_entry *entry, const tuplet_error *error) {
  call *c = context;
  c->entry = entry;
  note(c, status, error);
}

static void on_entries(void *context, tuplet_status status, tuplet_entries *entries,
                       const tuplet_error *error) {
  call *c = context;
  c->entries = entries;
  note(c, status, error);
}

static void on_listed(void *context, tuplet_status status, const tuplet_entry *entry,
                      const tuplet_error *error) {
  call *c = context;
  if (status == TUPLET_OK)
    (void)snprintf(c->text, sizeof c->text, "%.*s", (int)entry->value.data.size,
                   (const char *)entry->value.data.data);
  note(c, status, error);
}

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  call *c = context;
  if (status >= 0) c->versionstamp = commit->versionstamp;
  note(c, status, error);
}

/* Once, with this status; the error is empty unless it is one. */
static void expect_called(call *c, tuplet_status status) {
  assert_true(latch_wait(&c->done, 1));
  assert_int_equal(latch_count(&c->done), 1);
  assert_int_equal(c->status, status);
  assert_int_equal(c->error.status, status < 0 ? status : TUPLET_OK);
  assert_true((c->error.message[0] != '\0') == (status < 0));
}

static void each_call_calls_back_once(void **state) {
  database *d = *state;
  call set = CALL_INIT, get = CALL_INIT, many = CALL_INIT, removal = CALL_INIT, commit = CALL_INIT,
       absent = CALL_INIT;
  EXPECT(d, TUPLET_OK,
         tuplet_set_async(d->db, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, on_commit, &set, &d->error));
  expect_called(&set, TUPLET_OK);
  EXPECT(d, TUPLET_OK,
         tuplet_get_async(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, on_entry, &get, &d->error));
  expect_called(&get, TUPLET_OK);
  assert_true(is_text(get.entry, "v"));
  assert_int_equal(compare_versionstamps(&get.entry->versionstamp, &set.versionstamp), 0);
  tuplet_entry_free(get.entry);
  const tuplet_key keys[] = {TUPLET_KEY("absent"), TUPLET_KEY("k")};
  EXPECT(d, TUPLET_OK,
         tuplet_get_many_async(d->db, keys, 2, TUPLET_CONSISTENCY_STRONG, on_entries, &many, &d->error));
  expect_called(&many, TUPLET_OK);
  assert_false(many.entries->items[0].exists);
  assert_true(is_text(&many.entries->items[1], "v"));
  tuplet_entries_free(many.entries);
  EXPECT(d, TUPLET_OK, tuplet_delete_async(d->db, TUPLET_KEY("k"), on_commit, &removal, &d->error));
  expect_called(&removal, TUPLET_OK);
  assert_true(compare_versionstamps(&removal.versionstamp, &set.versionstamp) > 0);
  EXPECT(d, TUPLET_OK,
         tuplet_get_async(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, on_entry, &absent, &d->error));
  expect_called(&absent, TUPLET_NOT_FOUND);
  assert_null(absent.entry);
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_check(atomic, TUPLET_KEY("k"), &set.versionstamp, NULL);
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit_async(atomic, on_commit, &commit, &d->error));
  expect_called(&commit, TUPLET_CONFLICT);
}

static void a_list_goes_on_with_callbacks(void **state) {
  database *d = *state;
  for (int i = 0; i < 5; i++) {
    char text[8];
    (void)snprintf(text, sizeof text, "%d", i);
    put_text(d, TUPLET_KEY("k", i), text);
  }
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("k")};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = 2;
  tuplet_list *list = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
  for (int i = 0; i < 5; i++) {
    call next = CALL_INIT;
    char text[8];
    EXPECT(d, TUPLET_OK, tuplet_list_next_async(list, on_listed, &next, &d->error));
    expect_called(&next, TUPLET_OK);
    (void)snprintf(text, sizeof text, "%d", i);
    assert_string_equal(next.text, text);
  }
  call end = CALL_INIT;
  EXPECT(d, TUPLET_OK, tuplet_list_next_async(list, on_listed, &end, &d->error));
  expect_called(&end, TUPLET_DONE);
  tuplet_list_close(list);
}

/* A list whose callback hands it to another thread, and returns when that is done with it. */
typedef struct handover {
  tuplet_list *list;
  latch given, done;
  call next, end;
} handover;

static void hand_over(void *context, tuplet_status status, const tuplet_entry *entry,
                      const tuplet_error *error) {
  handover *h = context;
  on_listed(&h->next, status, entry, error);
  latch_add(&h->given);
  assert_true(latch_wait(&h->done, 1));
}

static void *use_up(void *context) {
  handover *h = context;
  (void)latch_wait(&h->given, 1);
  (void)tuplet_list_next_async(h->list, on_listed, &h->end, NULL);
  (void)latch_wait(&h->end.done, 1);
  tuplet_list_close(h->list);
  latch_add(&h->done);
  return NULL;
}

static void a_callback_may_give_its_list_to_another_thread(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k", 1), "one");
  const tuplet_selector selector = {.prefix = &TUPLET_KEY("k")};
  handover h = {.given = LATCH_INIT, .done = LATCH_INIT, .next = CALL_INIT, .end = CALL_INIT};
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, NULL, &h.list, &d->error));
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, use_up, &h), 0);
  EXPECT(d, TUPLET_OK, tuplet_list_next_async(h.list, hand_over, &h, &d->error));
  (void)pthread_join(thread, NULL);
  expect_called(&h.next, TUPLET_OK);
  assert_string_equal(h.next.text, "one");
  expect_called(&h.end, TUPLET_DONE);
}

static void what_fails_at_once_does_not_call_back(void **state) {
  database *d = *state;
  call c = CALL_INIT;
  const tuplet_key bad = TUPLET_KEY("\xFF");
  const tuplet_key keys[11] = {0};
  EXPECT(d, TUPLET_INVALID, tuplet_get_async(d->db, bad, TUPLET_CONSISTENCY_STRONG, on_entry, &c, &d->error));
  EXPECT(d, TUPLET_INVALID,
         tuplet_get_many_async(d->db, &bad, 1, TUPLET_CONSISTENCY_STRONG, on_entries, &c, &d->error));
  EXPECT(d, TUPLET_LIMIT,
         tuplet_get_many_async(d->db, keys, 11, TUPLET_CONSISTENCY_STRONG, on_entries, &c, &d->error));
  EXPECT(d, TUPLET_INVALID,
         tuplet_set_async(d->db, bad, text_value("v"), TUPLET_NEVER, on_commit, &c, &d->error));
  EXPECT(d, TUPLET_INVALID,
         tuplet_set_async(d->db, TUPLET_KEY("k"), text_value("v"), -3, on_commit, &c, &d->error));
  EXPECT(d, TUPLET_INVALID, tuplet_delete_async(d->db, bad, on_commit, &c, &d->error));
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_delete(atomic, bad, NULL);
  EXPECT(d, TUPLET_INVALID, tuplet_atomic_commit_async(atomic, on_commit, &c, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_atomic_commit_async(atomic, on_commit, &c, &d->error));
  tuplet_atomic_free(atomic); /* it was not taken over */
  assert_int_equal(latch_count(&c.done), 0);
}

static void what_fails_later_calls_back_with_the_error(void **state) {
  database *d = *state;
  static const char large_key[3000] = "k";
  call empty = CALL_INIT, large = CALL_INIT, type = CALL_INIT;
  EXPECT(d, TUPLET_OK, tuplet_delete_async(d->db, TUPLET_KEY_EMPTY, on_commit, &empty, &d->error));
  expect_called(&empty, TUPLET_INVALID);
  assert_string_equal(empty.error.message, "key cannot be empty");
  EXPECT(d, TUPLET_OK,
         tuplet_get_async(d->db, TUPLET_KEY(tuplet_view(large_key, sizeof large_key)),
                          TUPLET_CONSISTENCY_STRONG, on_entry, &large, &d->error));
  expect_called(&large, TUPLET_LIMIT);
  assert_null(large.entry);
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 1, NULL);
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit_async(atomic, on_commit, &type, &d->error));
  expect_called(&type, TUPLET_TYPE);
}

static void arguments_are_copied(void **state) {
  database *d = *state;
  call c = CALL_INIT;
  char name[] = "name", text[] = "text";
  EXPECT(d, TUPLET_OK,
         tuplet_set_async(d->db, TUPLET_KEY(name), text_value(text), TUPLET_NEVER, on_commit, &c, &d->error));
  memset(name, 'x', 4);
  memset(text, 'y', 4);
  expect_called(&c, TUPLET_OK);
  expect_text(d, d->db, TUPLET_KEY("name"), "text");
}

/* ---- Callbacks that go on ---- */

enum { CHAINS = 8, LINKS = 50 };

/* Each commit's callback reads, and starts the next commit, all on the committer's thread. */
typedef struct chain {
  tuplet_db *db;
  latch *finished;
  int number, links;
  tuplet_status status;
} chain;

static void on_link(void *context, tuplet_status status, const tuplet_commit *commit,
                    const tuplet_error *error);

static void on_link_read(void *context, tuplet_status status, tuplet_entry *entry,
                         const tuplet_error *error) {
  chain *c = context;
  (void)error;
  if (status == TUPLET_OK && entry->value.u64 != (uint64_t)c->links) status = TUPLET_CORRUPT;
  tuplet_entry_free(entry);
  if (status == TUPLET_OK && c->links < LINKS) {
    tuplet_atomic *atomic = tuplet_atomic_new(c->db);
    (void)tuplet_atomic_sum(atomic, TUPLET_KEY("chain", c->number), 1, NULL);
    status = tuplet_atomic_commit_async(atomic, on_link, c, NULL);
    if (status == TUPLET_OK) return;
    tuplet_atomic_free(atomic);
  }
  c->status = status;
  latch_add(c->finished);
}

static void on_link(void *context, tuplet_status status, const tuplet_commit *commit,
                    const tuplet_error *error) {
  chain *c = context;
  (void)commit, (void)error;
  c->links++;
  if (status == TUPLET_OK)
    status = tuplet_get_async(c->db, TUPLET_KEY("chain", c->number), TUPLET_CONSISTENCY_STRONG, on_link_read,
                              c, NULL);
  if (status == TUPLET_OK) return;
  c->status = status;
  latch_add(c->finished);
}

static void callbacks_may_start_more_work(void **state) {
  database *d = *state;
  chain chains[CHAINS];
  latch finished = LATCH_INIT;
  for (int i = 0; i < CHAINS; i++) {
    chains[i] = (chain){.db = d->db, .finished = &finished, .number = i};
    EXPECT(d, TUPLET_OK,
           tuplet_set_async(d->db, TUPLET_KEY("chain", i), tuplet_value_u64(1), TUPLET_NEVER, on_link,
                            &chains[i], &d->error));
  }
  assert_true(latch_wait(&finished, CHAINS));
  for (int i = 0; i < CHAINS; i++) {
    EXPECT(d, TUPLET_OK, chains[i].status);
    expect_u64(d, TUPLET_KEY("chain", i), LINKS);
  }
}

/* ---- Closing ---- */

static void close_waits_for_what_was_accepted(void **state) {
  database *d = *state;
  enum { WRITES = 500 };
  static call calls[WRITES];
  for (int i = 0; i < WRITES; i++) {
    calls[i] = (call)CALL_INIT;
    EXPECT(d, TUPLET_OK,
           tuplet_set_async(d->db, TUPLET_KEY("k", i), tuplet_value_u64((uint64_t)i), TUPLET_NEVER, on_commit,
                            &calls[i], &d->error));
  }
  tuplet_close(d->db);
  for (int i = 0; i < WRITES; i++) {
    assert_int_equal(latch_count(&calls[i].done), 1); /* before close returned */
    assert_int_equal(calls[i].status, TUPLET_OK);
  }
  d->db = open_another(d);
  if (in_memory(d)) return; /* gone with the handle */
  for (int i = 0; i < WRITES; i++) expect_u64(d, TUPLET_KEY("k", i), (uint64_t)i);
}

/* A chain that close cuts: its last link is refused, and nothing hangs. */
static void callbacks_that_go_on_while_it_closes_are_told(void **state) {
  database *d = *state;
  chain chains[CHAINS];
  latch finished = LATCH_INIT;
  for (int i = 0; i < CHAINS; i++) {
    chains[i] = (chain){.db = d->db, .finished = &finished, .number = i};
    EXPECT(d, TUPLET_OK,
           tuplet_set_async(d->db, TUPLET_KEY("chain", i), tuplet_value_u64(1), TUPLET_NEVER, on_link,
                            &chains[i], &d->error));
  }
  tuplet_close(d->db);
  d->db = NULL;
  assert_int_equal(latch_count(&finished), CHAINS);
  for (int i = 0; i < CHAINS; i++)
    assert_true(chains[i].status == TUPLET_CLOSED ||
                (chains[i].status == TUPLET_OK && chains[i].links == LINKS));
}

/* ---- Many threads ---- */

enum { THREADS = 4, CALLS = 200 };

typedef struct submitter {
  tuplet_db *db;
  latch done;
  tuplet_status status;
} submitter;

static void on_submitted(void *context, tuplet_status status, const tuplet_commit *commit,
                         const tuplet_error *error) {
  submitter *s = context;
  (void)commit, (void)error;
  if (status != TUPLET_OK) s->status = status;
  latch_add(&s->done);
}

static void *submit_many(void *context) {
  submitter *s = context;
  for (int i = 0; i < CALLS; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(s->db);
    (void)tuplet_atomic_sum(atomic, TUPLET_KEY("count"), 1, NULL);
    if (tuplet_atomic_commit_async(atomic, on_submitted, s, NULL) != TUPLET_OK) {
      tuplet_atomic_free(atomic);
      break;
    }
  }
  return NULL;
}

static void many_threads_may_submit_at_once(void **state) {
  database *d = *state;
  static submitter submitters[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    submitters[i] = (submitter){.db = d->db, .done = LATCH_INIT};
    assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &submitters[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    assert_true(latch_wait(&submitters[i].done, CALLS));
    EXPECT(d, TUPLET_OK, submitters[i].status);
  }
  expect_u64(d, TUPLET_KEY("count"), (uint64_t)THREADS * CALLS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(each_call_calls_back_once),
      ON_BOTH(a_list_goes_on_with_callbacks),
      ON_BOTH(a_callback_may_give_its_list_to_another_thread),
      ON_BOTH(what_fails_at_once_does_not_call_back),
      ON_BOTH(what_fails_later_calls_back_with_the_error),
      ON_BOTH(arguments_are_copied),
      ON_BOTH(callbacks_may_start_more_work),
      ON_BOTH(close_waits_for_what_was_accepted),
      ON_BOTH(callbacks_that_go_on_while_it_closes_are_told),
      ON_BOTH(many_threads_may_submit_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
