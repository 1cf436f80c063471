/* watch_hub_test.c: who is woken by what, and how often. */
#include "store/watch_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

#define BYTES(text) ((tuplet_bytes){text, sizeof(text) - 1})

typedef struct member {
  tp_hub_member hub_member;
  tp_hub_subscription subscriptions[3];
  int wakes;
} member;

static void wake(void *context) {
  member *m = context;
  m->wakes++;
}

static void watch_keys(member *m, size_t count, const tuplet_bytes *keys) {
  *m = (member){
      .hub_member = {
          .subscriptions = m->subscriptions, .subscription_count = count, .wake = wake, .context = m}};
  for (size_t i = 0; i < count; i++)
    m->subscriptions[i] = (tp_hub_subscription){.member = &m->hub_member, .key = keys[i]};
}

static void join(tp_watch_hub *hub, member *m) {
  tuplet_error error;
  assert_int_equal(tp_watch_hub_join(hub, &m->hub_member, &error), TUPLET_OK);
}

static void change(tp_watch_hub *hub, tuplet_bytes key) {
  const tp_change changed = {.key = key};
  tp_watch_hub_notify(hub, &changed, 1);
}

static void init(tp_watch_hub *hub) {
  tuplet_error error;
  assert_int_equal(tp_watch_hub_init(hub, NULL, &error), TUPLET_OK);
}

static void a_member_is_woken_at_once_and_then_once_until_it_looks(void **state) {
  (void)state;
  tp_watch_hub hub;
  init(&hub);
  member m;
  watch_keys(&m, 1, &BYTES("k"));
  join(&hub, &m);
  assert_int_equal(m.wakes, 1);
  change(&hub, BYTES("k"));
  assert_int_equal(m.wakes, 1); /* it has not looked yet */
  tp_watch_hub_looking(&hub, &m.hub_member);
  change(&hub, BYTES("k"));
  change(&hub, BYTES("k"));
  assert_int_equal(m.wakes, 2);
  tp_watch_hub_leave(&hub, &m.hub_member);
  tp_watch_hub_done(&hub);
}

static void only_those_who_watch_the_key_are_woken(void **state) {
  (void)state;
  tp_watch_hub hub;
  init(&hub);
  static const char keys[][2] = {"a", "b", "c", "d"};
  member members[4];
  for (int i = 0; i < 4; i++) {
    const tuplet_bytes own[] = {{keys[i], 1}, BYTES("shared"), {keys[i], 1}}; /* one of them twice */
    watch_keys(&members[i], 3, own);
    join(&hub, &members[i]);
    tp_watch_hub_looking(&hub, &members[i].hub_member);
  }
  assert_int_equal(tp_watch_hub_member_count(&hub), 4);
  change(&hub, BYTES("c"));
  change(&hub, BYTES("cc"));
  change(&hub, BYTES(""));
  for (int i = 0; i < 4; i++) assert_int_equal(members[i].wakes, i == 2 ? 2 : 1);
  tp_watch_hub_looking(&hub, &members[2].hub_member);

  tp_watch_hub_leave(&hub, &members[0].hub_member); /* whose bytes named the shared key */
  memset(&members[0], 0xFF, sizeof members[0]);
  change(&hub, BYTES("shared"));
  change(&hub, BYTES("a"));
  for (int i = 1; i < 4; i++) assert_int_equal(members[i].wakes, i == 2 ? 3 : 2);
  for (int i = 1; i < 4; i++) tp_watch_hub_looking(&hub, &members[i].hub_member);
  tp_watch_hub_notify_all(&hub);
  for (int i = 3; i > 0; i--) {
    assert_int_equal(members[i].wakes, i == 2 ? 4 : 3);
    tp_watch_hub_leave(&hub, &members[i].hub_member);
  }
  assert_int_equal(tp_watch_hub_member_count(&hub), 0);
  assert_null(hub.keys);
  tp_watch_hub_done(&hub);
}

static void expiries_wake_those_who_were_shown_them(void **state) {
  (void)state;
  tp_watch_hub hub;
  init(&hub);
  member members[3];
  static const int64_t expiries_ms[] = {300, TP_EXPIRES_NEVER, 200};
  for (int i = 0; i < 3; i++) {
    watch_keys(&members[i], 1, &BYTES("k"));
    join(&hub, &members[i]);
    tp_watch_hub_looking(&hub, &members[i].hub_member);
  }
  assert_true(tp_watch_hub_shown(&hub, &members[0].hub_member, expiries_ms[0]));
  assert_false(tp_watch_hub_shown(&hub, &members[1].hub_member, expiries_ms[1]));
  assert_true(tp_watch_hub_shown(&hub, &members[2].hub_member, expiries_ms[2])); /* earlier still */
  assert_int_equal(tp_watch_hub_notify_expired(&hub, 199), 200);
  for (int i = 0; i < 3; i++) assert_int_equal(members[i].wakes, 1);
  assert_int_equal(tp_watch_hub_notify_expired(&hub, 200), 300);
  assert_int_equal(members[2].wakes, 2);
  assert_int_equal(members[0].wakes, 1);
  tp_watch_hub_looking(&hub, &members[2].hub_member);
  assert_int_equal(tp_watch_hub_notify_expired(&hub, 1000), TP_EXPIRES_NEVER);
  assert_int_equal(members[0].wakes, 2);
  assert_int_equal(members[2].wakes, 2); /* not again for what it was told */
  assert_int_equal(members[1].wakes, 1);
  for (int i = 0; i < 3; i++) tp_watch_hub_leave(&hub, &members[i].hub_member);
  tp_watch_hub_done(&hub);
}

/* Joining fails as a whole: nobody is subscribed half. */
static void a_member_that_cannot_join_leaves_nothing(void **state) {
  (void)state;
  const tuplet_bytes keys[] = {BYTES("a"), BYTES("b"), BYTES("c")};
  for (size_t fail_at = 1;; fail_at++) {
    fault_allocator faults;
    fault_allocator_init(&faults, fail_at);
    tp_watch_hub hub;
    tuplet_error error;
    assert_int_equal(tp_watch_hub_init(&hub, &faults.allocator, &error), TUPLET_OK);
    member m;
    watch_keys(&m, 3, keys);
    tuplet_status status = tp_watch_hub_join(&hub, &m.hub_member, &error);
    bool fired = fault_allocator_fired(&faults);
    assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
    assert_int_equal(m.wakes, fired ? 0 : 1);
    assert_int_equal(tp_watch_hub_member_count(&hub), fired ? 0 : 1);
    if (!fired) tp_watch_hub_leave(&hub, &m.hub_member);
    assert_null(hub.keys);
    assert_int_equal(faults.live, 0);
    tp_watch_hub_done(&hub);
    if (!fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_member_is_woken_at_once_and_then_once_until_it_looks),
      cmocka_unit_test(only_those_who_watch_the_key_are_woken),
      cmocka_unit_test(expiries_wake_those_who_were_shown_them),
      cmocka_unit_test(a_member_that_cannot_join_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
