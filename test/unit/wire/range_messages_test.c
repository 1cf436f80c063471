/* range_messages_test.c: the messages of the extension watch-range/1, from one side to the other. */
#include "wire/client.h"
#include "wire/datapath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) ((tuplet_bytes){text, sizeof(text) - 1})

static void assert_bytes(tuplet_bytes bytes, tuplet_bytes wanted) {
  assert_int_equal(bytes.size, wanted.size);
  assert_memory_equal(bytes.data, wanted.data, wanted.size);
}

static void a_request_arrives_as_it_was_made(void **state) {
  (void)state;
  tuplet_error error;
  tp_arena arena;
  tp_buffer message;
  tp_arena_init(&arena, NULL, 512);
  tp_buffer_init(&message, NULL);
  tp_watch_range_encode(&message, BYTES("\x02start"), BYTES("\x02xyz"), 17);
  tuplet_bytes start, end;
  uint32_t changes_max;
  assert_int_equal(
      tp_watch_range_decode(tp_buffer_view(&message), &arena, &start, &end, &changes_max, &error), TUPLET_OK);
  assert_bytes(start, BYTES("\x02start"));
  assert_bytes(end, BYTES("\x02xyz"));
  assert_int_equal(changes_max, 17);
  assert_int_equal(tp_watch_range_decode(BYTES("\xff"), &arena, &start, &end, &changes_max, &error),
                   TUPLET_MALFORMED);
  tp_buffer_done(&message);
  tp_arena_done(&arena);
}

static const tuplet_versionstamp stamp = {{0, 0, 0, 0, 0, 0, 0, 9}};

static tuplet_status decode(const tp_buffer *message, tp_arena *arena, tp_range_changes *ret_changes) {
  tuplet_error error;
  return tp_watch_range_output_decode(tp_buffer_view(message), arena, BYTES("b"), BYTES("d"), ret_changes,
                                      &error);
}

static void put_set(tp_buffer *message, tuplet_bytes key) {
  const tp_row row = {
      .key = key, .value = BYTES("value"), .encoding = TUPLET_ENCODING_BYTES, .versionstamp = stamp};
  tp_watch_range_output_change(message, key, &row);
}

static void changes_arrive_as_they_were_told(void **state) {
  (void)state;
  tp_arena arena;
  tp_buffer message;
  tp_range_changes changes;
  tp_arena_init(&arena, NULL, 512);
  tp_buffer_init(&message, NULL);
  put_set(&message, BYTES("b1"));
  tp_watch_range_output_change(&message, BYTES("b2"), NULL);
  tp_watch_range_output_end(&message, false, &stamp);
  assert_int_equal(decode(&message, &arena, &changes), TUPLET_OK);
  assert_false(changes.must_reread);
  assert_int_equal(changes.count, 2);
  assert_memory_equal(&changes.versionstamp, &stamp, sizeof stamp);
  assert_bytes(changes.items[0].key, BYTES("b1"));
  assert_bytes(changes.items[0].row->value, BYTES("value"));
  assert_bytes(changes.items[1].key, BYTES("b2"));
  assert_null(changes.items[1].row);

  tp_buffer_clear(&message);
  tp_watch_range_output_end(&message, true, &stamp);
  assert_int_equal(decode(&message, &arena, &changes), TUPLET_OK);
  assert_true(changes.must_reread);
  assert_int_equal(changes.count, 0);
  tp_buffer_done(&message);
  tp_arena_done(&arena);
}

/* Whatever their keys and values: what parsing takes depends on both. */
static void as_many_changes_as_a_message_may_have_arrive(void **state) {
  (void)state;
  enum { COUNT = 10000 };
  static const uint8_t value[400];
  for (int kind = 0; kind < 3; kind++) {
    tp_arena arena;
    tp_buffer message;
    tp_range_changes changes;
    tp_arena_init(&arena, NULL, 512);
    tp_buffer_init(&message, NULL);
    for (int i = 0; i < COUNT; i++) {
      const uint8_t bytes[] = {'b', (uint8_t)(i >> 8), (uint8_t)i};
      const tuplet_bytes key = {bytes, sizeof bytes};
      const tp_row row = {.key = key,
                          .value = {value, kind == 1 ? 0 : sizeof value},
                          .encoding = TUPLET_ENCODING_BYTES,
                          .versionstamp = stamp};
      tp_watch_range_output_change(&message, key, kind == 0 ? NULL : &row);
    }
    tp_watch_range_output_end(&message, false, &stamp);
    assert_false(message.failed);
    assert_int_equal(decode(&message, &arena, &changes), TUPLET_OK);
    assert_int_equal(changes.count, COUNT);
    tp_buffer_done(&message);
    tp_arena_done(&arena);
  }
}

static void what_no_server_should_say_is_refused(void **state) {
  (void)state;
  for (int wrong = 0; wrong < 5; wrong++) {
    tp_arena arena;
    tp_buffer message;
    tp_range_changes changes;
    tp_arena_init(&arena, NULL, 512);
    tp_buffer_init(&message, NULL);
    if (wrong == 0) put_set(&message, BYTES("a is before the range"));
    if (wrong == 1) put_set(&message, BYTES("d is its end"));
    if (wrong == 2) put_set(&message, BYTES("c"));
    if (wrong == 2) put_set(&message, BYTES("c"));
    if (wrong == 3) put_set(&message, BYTES("c comes with a demand to read again"));
    if (wrong != 4) tp_watch_range_output_end(&message, wrong == 3, &stamp); /* 4: no versionstamp */
    assert_int_equal(decode(&message, &arena, &changes), TUPLET_MALFORMED);
    tp_buffer_done(&message);
    tp_arena_done(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_arrives_as_it_was_made),
      cmocka_unit_test(changes_arrive_as_they_were_told),
      cmocka_unit_test(as_many_changes_as_a_message_may_have_arrive),
      cmocka_unit_test(what_no_server_should_say_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
