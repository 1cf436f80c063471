/* watch_async_test.c: tuplet_watch_next_async: one callback for each call, whatever ends the wait, also when
 * the callback itself goes on or closes the watch. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>

/* What a callback saw, and what it is to do: to arm itself again, or to close the watch, when it sees
 * `until`. */
typedef struct observer {
  tuplet_db *db;
  tuplet_watch *watch;
  bool rearms, closes;
  uint64_t until;
  latch calls, finished;
  pthread_mutex_t mutex;
  tuplet_status status;
  uint64_t number;
  bool exists;
  bool went_backward;
  bool closed; /* by the callback */
} observer;

static observer *observer_new(database *d) {
  observer *o = calloc(1, sizeof *o);
  assert_non_null(o);
  *o = (observer){
      .db = d->db, .calls = LATCH_INIT, .finished = LATCH_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER};
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, &TUPLET_KEY("k"), 1, &o->watch, &d->error));
  return o;
}

static void on_watch(void *context, tuplet_status status, const tuplet_entries *entries,
                     const tuplet_error *error) {
  observer *o = context;
  (void)pthread_mutex_lock(&o->mutex);
  o->status = status;
  if (status == TUPLET_OK) {
    if (entries->items[0].value.u64 < o->number) o->went_backward = true;
    o->number = entries->items[0].value.u64;
    o->exists = entries->items[0].exists;
  } else if (status < 0 && error->status != status) {
    o->went_backward = true;
  }
  bool reached = status != TUPLET_OK || o->number >= o->until;
  if (o->rearms && !reached) {
    tuplet_status again = tuplet_watch_next_async(o->watch, on_watch, o, NULL);
    if (again != TUPLET_OK) {
      o->status = again;
      reached = true;
    }
  }
  o->closed = o->closes && reached;
  (void)pthread_mutex_unlock(&o->mutex);
  if (o->closed) tuplet_watch_close(o->watch);
  latch_add(&o->calls);
  if (reached) latch_add(&o->finished);
}

static void one_call_gives_one_callback(void **state) {
  database *d = *state;
  observer *o = observer_new(d);
  o->until = UINT64_MAX;
  (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(1));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  assert_true(latch_wait(&o->calls, 1));
  assert_int_equal(o->number, 1);
  (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(2)); /* nobody asked */
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  assert_true(latch_wait(&o->calls, 2));
  assert_int_equal(o->number, 2);
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  assert_int_equal(latch_count(&o->calls), 2); /* waits for a change */
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
  assert_true(latch_wait(&o->calls, 3));
  assert_false(o->exists);
  tuplet_watch_close(o->watch);
  assert_int_equal(latch_count(&o->calls), 3);
  free(o);
}

static void a_callback_may_ask_for_the_next_change(void **state) {
  database *d = *state;
  enum { CHANGES = 200 };
  observer *o = observer_new(d);
  o->rearms = true;
  o->until = CHANGES;
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  for (uint64_t i = 1; i <= CHANGES; i++) (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
  assert_true(latch_wait(&o->finished, 1));
  EXPECT(d, TUPLET_OK, o->status);
  assert_int_equal(o->number, CHANGES);
  assert_false(o->went_backward);
  tuplet_watch_close(o->watch);
  free(o);
}

static void a_callback_may_close_its_watch(void **state) {
  database *d = *state;
  enum { OBSERVERS = 20 };
  observer *observers[OBSERVERS];
  for (int i = 0; i < OBSERVERS; i++) {
    observers[i] = observer_new(d);
    observers[i]->rearms = observers[i]->closes = true;
    observers[i]->until = (uint64_t)i;
    EXPECT(d, TUPLET_OK, tuplet_watch_next_async(observers[i]->watch, on_watch, observers[i], &d->error));
  }
  for (uint64_t i = 1; i < OBSERVERS; i++) (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
  for (int i = 0; i < OBSERVERS; i++) {
    assert_true(latch_wait(&observers[i]->finished, 1));
    EXPECT(d, TUPLET_OK, observers[i]->status);
  }
  tuplet_close(d->db); /* the last callback is over */
  d->db = NULL;
  for (int i = 0; i < OBSERVERS; i++) free(observers[i]);
}

static void closing_a_watch_completes_what_is_pending(void **state) {
  database *d = *state;
  observer *o = observer_new(d);
  o->until = UINT64_MAX;
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  assert_true(latch_wait(&o->calls, 1));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  tuplet_watch_close(o->watch);
  assert_int_equal(latch_count(&o->calls), 2); /* not later than close returns */
  EXPECT(d, TUPLET_CLOSED, o->status);
  assert_false(o->went_backward);
  free(o);
}

/* Nobody knows which comes first, the change or the close; the callback runs once in any case. */
static void a_change_that_races_with_close_calls_back_once(void **state) {
  database *d = *state;
  for (uint64_t i = 0; i < 100; i++) {
    observer *o = observer_new(d);
    o->until = UINT64_MAX;
    (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
    EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
    if (i % 2 == 0) (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
    tuplet_watch_close(o->watch);
    assert_int_equal(latch_count(&o->calls), 1);
    free(o);
  }
}

static void closing_the_database_completes_what_is_pending(void **state) {
  database *d = *state;
  observer *kept = observer_new(d), *closed = observer_new(d), *unarmed = observer_new(d);
  kept->until = closed->until = unarmed->until = UINT64_MAX;
  closed->closes = true; /* its callback closes the watch when it is told of the end */
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(kept->watch, on_watch, kept, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(closed->watch, on_watch, closed, &d->error));
  assert_true(latch_wait(&kept->calls, 1) && latch_wait(&closed->calls, 1));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(kept->watch, on_watch, kept, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(closed->watch, on_watch, closed, &d->error));
  tuplet_close(d->db);
  d->db = NULL;
  assert_int_equal(latch_count(&kept->calls), 2);
  assert_int_equal(latch_count(&closed->calls), 2);
  assert_int_equal(latch_count(&unarmed->calls), 0);
  EXPECT(d, TUPLET_CLOSED, kept->status);
  EXPECT(d, TUPLET_CLOSED, closed->status);
  EXPECT(d, TUPLET_CLOSED, tuplet_watch_next_async(kept->watch, on_watch, kept, &d->error));
  tuplet_watch_close(kept->watch);
  tuplet_watch_close(unarmed->watch);
  free(kept);
  free(closed);
  free(unarmed);
}

/* The database closes while callbacks run that arm and close their watches. */
static void the_database_may_close_beside_busy_callbacks(void **state) {
  database *d = *state;
  enum { OBSERVERS = 10, ROUNDS = 10 };
  for (int round = 0; round < ROUNDS; round++) {
    observer *observers[OBSERVERS];
    for (int i = 0; i < OBSERVERS; i++) {
      observers[i] = observer_new(d);
      observers[i]->rearms = true;
      observers[i]->until = i % 2 == 0 ? UINT64_MAX : 5;
      observers[i]->closes = i % 2 == 1;
      EXPECT(d, TUPLET_OK, tuplet_watch_next_async(observers[i]->watch, on_watch, observers[i], &d->error));
    }
    for (uint64_t i = 1; i <= 6; i++) (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
    tuplet_close(d->db);
    for (int i = 0; i < OBSERVERS; i++) {
      assert_true(latch_wait(&observers[i]->finished, 1)); /* by its number, or by the end */
      if (!observers[i]->closed) tuplet_watch_close(observers[i]->watch);
      free(observers[i]);
    }
    if (!in_memory(d)) (void)remove(d->path);
    d->db = open_another(d);
  }
}

static void two_calls_at_a_time_are_misuse(void **state) {
  database *d = *state;
  observer *o = observer_new(d);
  o->until = UINT64_MAX;
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  assert_true(latch_wait(&o->calls, 1));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  EXPECT(d, TUPLET_MISUSE, tuplet_watch_next_async(o->watch, on_watch, o, &d->error));
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_MISUSE, tuplet_watch_next(o->watch, 0, &entries, &d->error));
  tuplet_watch_close(o->watch);
  assert_int_equal(latch_count(&o->calls), 2);
  free(o);
}

static void on_done(void *context, tuplet_status status, const tuplet_entries *entries,
                    const tuplet_error *error) {
  (void)entries, (void)error;
  tuplet_status *seen = context;
  *seen = status;
}

static void watching_no_key_is_done(void **state) {
  database *d = *state;
  tuplet_watch *watch = NULL;
  tuplet_status seen = -100;
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, NULL, 0, &watch, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next_async(watch, on_done, &seen, &d->error));
  assert_int_equal(seen, TUPLET_DONE);
  tuplet_watch_close(watch);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(one_call_gives_one_callback),
      ON_BOTH(a_callback_may_ask_for_the_next_change),
      ON_BOTH(a_callback_may_close_its_watch),
      ON_BOTH(closing_a_watch_completes_what_is_pending),
      ON_BOTH(a_change_that_races_with_close_calls_back_once),
      ON_BOTH(closing_the_database_completes_what_is_pending),
      ON_BOTH(the_database_may_close_beside_busy_callbacks),
      ON_MEMORY(two_calls_at_a_time_are_misuse),
      ON_MEMORY(watching_no_key_is_done),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
