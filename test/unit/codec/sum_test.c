/* sum_test.c: sum, min and max over counters, BigInts and Numbers, and every way in which they cannot be. */
#include "codec/sum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "support/fault_allocator.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Helpers ---- */

/* Values as the tables write them: u, v or b for the encoding, then hex. */
static const char *const NONE = "";

#define U0        "u0000000000000000"
#define U1        "u0100000000000000"
#define U5        "u0500000000000000"
#define UMAX      "uffffffffffffffff"
#define N1        "vff104902"                                 /* 1 */
#define N2        "vff0f4904"                                 /* 2 */
#define N10       "vff0f4914"                                 /* 10 */
#define N0_5      "vff0f4e000000000000e03f"                   /* 0.5 */
#define B1        "vff105a100100000000000000"                 /* 1n */
#define B5        "vff0f5a100500000000000000"                 /* 5n */
#define B10       "vff0f5a100a00000000000000"                 /* 10n */
#define BM5       "vff0f5a110500000000000000"                 /* -5n */
#define B_2_64    "vff0f5a2000000000000000000100000000000000" /* 2n ** 64n */
#define BM_2_64   "vff0f5a2100000000000000000100000000000000"
#define B_2_64_M1 "vff0f5a10ffffffffffffffff"
#define STRING    "vff0f220178"

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the rows read in this order */
typedef struct sum_case {
  tp_sum_operation operation;
  const char *stored;
  const char *operand;
  const char *min;
  const char *max;
  bool clamp;
  const char *result; /* a value, or the message of the error */
  tuplet_status status;
} sum_case;

static tp_sum_value value_of(const char *text, uint8_t *room) {
  size_t size = (strlen(text) - 1) / 2;
  assert_true(tp_hex_read(text + 1, 2 * size, room, size));
  tuplet_encoding encoding = text[0] == 'u'   ? TUPLET_ENCODING_LE64
                             : text[0] == 'v' ? TUPLET_ENCODING_V8
                                              : TUPLET_ENCODING_BYTES;
  return (tp_sum_value){encoding, {room, size}};
}

static tuplet_bytes bound_of(const char *text, uint8_t *room) {
  return text[0] == '\0' ? (tuplet_bytes){0} : value_of(text, room).data;
}

static tuplet_status run(const sum_case *c, tp_buffer *out, uint32_t *ret_encoding, tuplet_error *error) {
  uint8_t rooms[4][64];
  tp_sum_value stored = {0};
  if (c->stored[0] != '\0') stored = value_of(c->stored, rooms[0]);
  tp_sum_value operand = value_of(c->operand, rooms[1]);
  tp_sum_bounds bounds = {bound_of(c->min, rooms[2]), bound_of(c->max, rooms[3]), c->clamp};
  return tp_sum(c->operation, c->stored[0] == '\0' ? NULL : &stored, &operand, &bounds, out, ret_encoding,
                error);
}

static void check(const sum_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    tp_buffer out;
    tp_buffer_init(&out, NULL);
    uint32_t encoding = 99;
    tuplet_error error = {0};
    tuplet_status status = run(&cases[i], &out, &encoding, &error);
    if (status != cases[i].status) fail_msg("case %zu: %s", i, error.message);
    if (status == TUPLET_OK) {
      uint8_t room[64];
      tp_sum_value expected = value_of(cases[i].result, room);
      assert_int_equal(encoding, expected.encoding);
      if (out.size != expected.data.size || memcmp(out.data, room, out.size) != 0)
        fail_msg("case %zu: not %s", i, cases[i].result);
    } else {
      assert_string_equal(error.message, cases[i].result);
      assert_int_equal(error.status, status);
      assert_int_equal(encoding, 99);
    }
    tp_buffer_done(&out);
  }
}

#define CHECK(cases) check(cases, COUNT(cases))

/* ---- Results ---- */

static void counters_add_modulo_2_to_the_64(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, U1, U5, NONE, NONE, false, "u0600000000000000", TUPLET_OK},
      {TP_SUM_SUM, UMAX, U1, NONE, NONE, false, U0, TUPLET_OK},
      {TP_SUM_SUM, UMAX, UMAX, NONE, NONE, true, "ufeffffffffffffff", TUPLET_OK},
      {TP_SUM_SUM, NONE, U5, NONE, NONE, false, U5, TUPLET_OK},
  };
  CHECK(cases);
}

static void min_and_max_of_counters_are_unsigned(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_MIN, U1, UMAX, NONE, NONE, false, U1, TUPLET_OK},
      {TP_SUM_MIN, UMAX, U1, NONE, NONE, false, U1, TUPLET_OK},
      {TP_SUM_MAX, U1, UMAX, NONE, NONE, false, UMAX, TUPLET_OK},
      {TP_SUM_MAX, UMAX, U1, NONE, NONE, false, UMAX, TUPLET_OK},
      {TP_SUM_MAX, U5, U5, NONE, NONE, false, U5, TUPLET_OK},
      {TP_SUM_MIN, NONE, U5, NONE, NONE, false, U5, TUPLET_OK},
      {TP_SUM_MAX, NONE, U0, NONE, NONE, false, U0, TUPLET_OK},
  };
  CHECK(cases);
}

static void bigints_of_any_size_and_sign_add(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, B1, B5, NONE, NONE, false, "vff0f5a100600000000000000", TUPLET_OK},
      {TP_SUM_SUM, B5, BM5, NONE, NONE, false, "vff0f5a00", TUPLET_OK},
      {TP_SUM_SUM, BM5, BM5, NONE, NONE, false, "vff0f5a110a00000000000000", TUPLET_OK},
      {TP_SUM_SUM, B_2_64_M1, B1, NONE, NONE, false, B_2_64, TUPLET_OK},
      {TP_SUM_SUM, B_2_64, BM_2_64, NONE, NONE, false, "vff0f5a00", TUPLET_OK},
      {TP_SUM_SUM, BM_2_64, B1, NONE, NONE, false, "vff0f5a11ffffffffffffffff", TUPLET_OK},
      {TP_SUM_SUM, B_2_64, B_2_64, NONE, NONE, false, "vff0f5a2000000000000000000200000000000000", TUPLET_OK},
  };
  CHECK(cases);
}

static void numbers_add_as_doubles(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, N1, N2, NONE, NONE, false, "vff0f4906", TUPLET_OK},
      {TP_SUM_SUM, N2, N0_5, NONE, NONE, false, "vff0f4e0000000000000440", TUPLET_OK},
      {TP_SUM_SUM, "vff0f49feffffff0f", N1, NONE, NONE, false, "vff0f4e000000000000e041", TUPLET_OK},
      {TP_SUM_SUM, N1, "vff0f4e000000000000f07f", NONE, NONE, false, "vff0f4e000000000000f07f", TUPLET_OK},
      {TP_SUM_SUM, "vff0f5503", N1, NONE, NONE, false, "vff0f4908", TUPLET_OK},
  };
  CHECK(cases);
}

static void a_missing_value_becomes_the_operand_as_it_is(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, NONE, N1, NONE, NONE, false, N1, TUPLET_OK},
      {TP_SUM_SUM, NONE, B1, NONE, NONE, false, B1, TUPLET_OK},
      {TP_SUM_SUM, NONE, B10, B1, B5, false, B10, TUPLET_OK},
  };
  CHECK(cases);
}

static void a_bigint_adds_to_a_counter_when_it_is_one_itself(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, U1, B5, NONE, NONE, false, "u0600000000000000", TUPLET_OK},
      {TP_SUM_SUM, U1, B_2_64_M1, NONE, NONE, false, U0, TUPLET_OK},
      {TP_SUM_SUM, U1, "vff0f5a00", NONE, NONE, false, U1, TUPLET_OK},
      {TP_SUM_SUM, U1, B_2_64, NONE, NONE, false, "Cannot sum KvU64 with BigInt", TUPLET_TYPE},
      {TP_SUM_SUM, U1, BM5, NONE, NONE, false, "Cannot sum KvU64 with BigInt", TUPLET_TYPE},
      {TP_SUM_SUM, U1, B5, NONE, B10, false, "Cannot sum KvU64 with BigInt", TUPLET_TYPE},
      {TP_SUM_SUM, U1, B5, B1, NONE, true, "Cannot sum KvU64 with BigInt", TUPLET_TYPE},
  };
  CHECK(cases);
}

/* ---- Bounds ---- */

#define OUT_OF_RANGE "The result of a Sum operation would exceed its range limit"

static void bounds_are_inclusive(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, B5, B5, B10, B10, false, B10, TUPLET_OK},
      {TP_SUM_SUM, N1, N1, N2, N2, false, N2, TUPLET_OK},
      {TP_SUM_SUM, B5, B5, BM5, NONE, false, B10, TUPLET_OK},
      {TP_SUM_SUM, N1, N1, NONE, N10, false, N2, TUPLET_OK},
  };
  CHECK(cases);
}

static void beyond_a_bound_is_an_error(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, B5, B5, NONE, B5, false, OUT_OF_RANGE, TUPLET_RANGE},
      {TP_SUM_SUM, B5, BM_2_64, BM5, NONE, false, OUT_OF_RANGE, TUPLET_RANGE},
      {TP_SUM_SUM, N2, N1, NONE, N2, false, OUT_OF_RANGE, TUPLET_RANGE},
      {TP_SUM_SUM, N1, N1, N10, NONE, false, OUT_OF_RANGE, TUPLET_RANGE},
  };
  CHECK(cases);
}

static void clamping_gives_the_bound(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, B5, B5, NONE, B5, true, B5, TUPLET_OK},
      {TP_SUM_SUM, B5, BM_2_64, BM5, NONE, true, BM5, TUPLET_OK},
      {TP_SUM_SUM, N2, N1, NONE, N2, true, N2, TUPLET_OK},
      {TP_SUM_SUM, N1, N1, N10, NONE, true, N10, TUPLET_OK},
      {TP_SUM_SUM, B5, B1, B1, B10, true, "vff0f5a100600000000000000", TUPLET_OK},
  };
  CHECK(cases);
}

/* ---- Errors ---- */

static void counters_take_counters_only(void **state) {
  (void)state;
  const char *value = "Failed to perform 'sum' mutation on a non-U64 value in the database";
  const sum_case cases[] = {
      {TP_SUM_SUM, B1, U1, NONE, NONE, false, value, TUPLET_TYPE},
      {TP_SUM_SUM, STRING, U1, NONE, NONE, false, value, TUPLET_TYPE},
      {TP_SUM_SUM, "b0000000000000000", U1, NONE, NONE, false, value, TUPLET_TYPE},
      {TP_SUM_SUM, "u00", U1, NONE, NONE, false, value, TUPLET_TYPE},
      {TP_SUM_MIN, N1, U1, NONE, NONE, false,
       "Failed to perform 'min' mutation on a non-U64 value in the database", TUPLET_TYPE},
      {TP_SUM_MAX, N1, U1, NONE, NONE, false,
       "Failed to perform 'max' mutation on a non-U64 value in the database", TUPLET_TYPE},
      {TP_SUM_MIN, U1, B1, NONE, NONE, false, "Failed to perform 'min' mutation on a non-U64 operand",
       TUPLET_TYPE},
      {TP_SUM_MAX, NONE, N1, NONE, NONE, false, "Failed to perform 'max' mutation on a non-U64 operand",
       TUPLET_TYPE},
      {TP_SUM_MAX, U1, "u00", NONE, NONE, false, "Failed to perform 'max' mutation on a non-U64 operand",
       TUPLET_TYPE},
  };
  CHECK(cases);
}

static void types_do_not_mix(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, U1, N1, NONE, NONE, false, "Cannot sum KvU64 with Number", TUPLET_TYPE},
      {TP_SUM_SUM, B1, N1, NONE, NONE, false, "Cannot sum BigInt with Number", TUPLET_TYPE},
      {TP_SUM_SUM, N1, B1, NONE, NONE, false, "Cannot sum Number with BigInt", TUPLET_TYPE},
  };
  CHECK(cases);
}

static void bounds_have_the_operands_type(void **state) {
  (void)state;
  const char *message = "Min/max parameters have different types than the operand";
  const char *counter = "Cannot use min/max parameters with KvU64 operands";
  const sum_case cases[] = {
      {TP_SUM_SUM, B1, B1, N1, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, B1, B1, B1, N1, true, message, TUPLET_TYPE},
      {TP_SUM_SUM, NONE, N1, NONE, B1, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, U1, U1, B1, NONE, false, counter, TUPLET_TYPE},
      {TP_SUM_SUM, NONE, U1, NONE, N1, true, counter, TUPLET_TYPE},
  };
  CHECK(cases);
}

static void what_is_no_number_does_not_add(void **state) {
  (void)state;
  const char *message = "Some of the parameters are not valid V8 values";
  const sum_case cases[] = {
      {TP_SUM_SUM, NONE, STRING, NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, "vff0f49", NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, "v", NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, "b3131", NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, "u00", NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, "vff0f5c00", NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, N1, STRING, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, N1, N1, NONE, "vff0f49", false, message, TUPLET_TYPE},
      {TP_SUM_SUM, STRING, N1, NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, "b3131", N1, NONE, NONE, false, message, TUPLET_TYPE},
      {TP_SUM_SUM, "vff0f6e000000000000f03f", N1, NONE, NONE, false, message,
       TUPLET_TYPE}, /* new Number(1) */
  };
  CHECK(cases);
}

/* ---- Size and memory ---- */

static void large_bigints_add(void **state) {
  enum { SIZE = 32768 };
  (void)state;
  tp_buffer ones; /* 2n ** 262144n - 1n */
  tp_buffer_init(&ones, NULL);
  tp_buffer_append(&ones, "\xFF\x0FZ\x80\x80\x04", 6);
  for (size_t i = 0; i < SIZE; i++) tp_buffer_append_byte(&ones, 0xFF);
  uint8_t room[64];
  tp_sum_value one = value_of(B1, room);
  tp_sum_value stored = {TUPLET_ENCODING_V8, tp_buffer_view(&ones)};
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  uint32_t encoding;
  assert_int_equal(tp_sum(TP_SUM_SUM, &stored, &one, NULL, &out, &encoding, NULL), TUPLET_OK);
  assert_int_equal(out.size, 6 + SIZE + 8);
  assert_memory_equal(out.data, "\xFF\x0FZ\x90\x80\x04", 6);
  for (size_t i = 6; i < out.size; i++) assert_int_equal(out.data[i], i == 6 + SIZE ? 1 : 0);
  tp_buffer_done(&out);
  tp_buffer_done(&ones);
}

static void out_of_memory_is_reported(void **state) {
  (void)state;
  const sum_case cases[] = {
      {TP_SUM_SUM, U1, U5, NONE, NONE, false, "", TUPLET_OK},
      {TP_SUM_SUM, U1, B5, NONE, NONE, false, "", TUPLET_OK},
      {TP_SUM_SUM, N1, N2, N1, N10, false, "", TUPLET_OK},
      {TP_SUM_SUM, B1, B_2_64, B1, B5, true, "", TUPLET_OK},
      {TP_SUM_SUM, NONE, B1, NONE, NONE, false, "", TUPLET_OK},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    bool fired = true;
    for (size_t n = 1; fired; n++) {
      fault_allocator faults;
      fault_allocator_init(&faults, n);
      tp_buffer out;
      tp_buffer_init(&out, &faults.allocator);
      uint32_t encoding;
      tuplet_error error = {0};
      tuplet_status status = run(&cases[i], &out, &encoding, &error);
      fired = fault_allocator_fired(&faults);
      assert_int_equal(status, fired ? TUPLET_NOMEM : TUPLET_OK);
      tp_buffer_done(&out);
      assert_int_equal(faults.live, 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counters_add_modulo_2_to_the_64),
      cmocka_unit_test(min_and_max_of_counters_are_unsigned),
      cmocka_unit_test(bigints_of_any_size_and_sign_add),
      cmocka_unit_test(numbers_add_as_doubles),
      cmocka_unit_test(a_missing_value_becomes_the_operand_as_it_is),
      cmocka_unit_test(a_bigint_adds_to_a_counter_when_it_is_one_itself),
      cmocka_unit_test(bounds_are_inclusive),
      cmocka_unit_test(beyond_a_bound_is_an_error),
      cmocka_unit_test(clamping_gives_the_bound),
      cmocka_unit_test(counters_take_counters_only),
      cmocka_unit_test(types_do_not_mix),
      cmocka_unit_test(bounds_have_the_operands_type),
      cmocka_unit_test(what_is_no_number_does_not_add),
      cmocka_unit_test(large_bigints_add),
      cmocka_unit_test(out_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
