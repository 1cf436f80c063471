/* key_cxx_test.cc: the public header from C++11, and TUPLET_KEY there. Nothing is linked: what is tested is
 * all in the header. */
#include "tuplet.h"

#include <stdio.h>

static int failure_count = 0;

static void expect(bool condition, const char *text, int line) {
  if (condition) return;
  fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, line, text);
  failure_count++;
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

enum color { GREEN = 7 };

/* The type of the part at an index, in the expression in which the key is made. */
static tuplet_part_type type_at(tuplet_key key, size_t index) {
  return key.parts[index].type;
}

static bool is_small(tuplet_key key, bool negative, uint64_t magnitude) {
  const tuplet_part &part = key.parts[0];
  return part.type == TUPLET_PART_BIGINT && part.negative == negative && part.bytes.data == NULL &&
         part.as.small == magnitude;
}

static void types_choose_parts() {
  char text[] = "text";
  const char *pointer = text;
  const bool yes = true;
  EXPECT(type_at(TUPLET_KEY("literal"), 0) == TUPLET_PART_STRING);
  EXPECT(type_at(TUPLET_KEY(text), 0) == TUPLET_PART_STRING);
  EXPECT(type_at(TUPLET_KEY(pointer), 0) == TUPLET_PART_STRING);
  EXPECT(type_at(TUPLET_KEY(tuplet_view("b", 1)), 0) == TUPLET_PART_BYTES);
  EXPECT(type_at(TUPLET_KEY(1.0), 0) == TUPLET_PART_NUMBER);
  EXPECT(type_at(TUPLET_KEY(1.0f), 0) == TUPLET_PART_NUMBER);
  EXPECT(type_at(TUPLET_KEY(tuplet_part_number(1)), 0) == TUPLET_PART_NUMBER);
  EXPECT(type_at(TUPLET_KEY(true, false, yes, 1 < 0), 0) == TUPLET_PART_TRUE);
  EXPECT(type_at(TUPLET_KEY(true, false, yes, 1 < 0), 1) == TUPLET_PART_FALSE);
  EXPECT(type_at(TUPLET_KEY(true, false, yes, 1 < 0), 2) == TUPLET_PART_TRUE);
  EXPECT(type_at(TUPLET_KEY(true, false, yes, 1 < 0), 3) == TUPLET_PART_FALSE);
  EXPECT(type_at(TUPLET_KEY(TUPLET_FALSE), 0) == TUPLET_PART_FALSE);
}

static void every_integer_is_a_bigint() {
  EXPECT(is_small(TUPLET_KEY('a'), false, 'a'));
  EXPECT(is_small(TUPLET_KEY(static_cast<signed char>(-128)), true, 128));
  EXPECT(is_small(TUPLET_KEY(static_cast<unsigned char>(255)), false, 255));
  EXPECT(is_small(TUPLET_KEY(static_cast<short>(-1)), true, 1));
  EXPECT(is_small(TUPLET_KEY(static_cast<unsigned short>(65535)), false, 65535));
  EXPECT(is_small(TUPLET_KEY(-5), true, 5));
  EXPECT(is_small(TUPLET_KEY(5u), false, 5));
  EXPECT(is_small(TUPLET_KEY(-5L), true, 5));
  EXPECT(is_small(TUPLET_KEY(5UL), false, 5));
  EXPECT(is_small(TUPLET_KEY(INT64_MIN), true, UINT64_C(1) << 63));
  EXPECT(is_small(TUPLET_KEY(UINT64_MAX), false, UINT64_MAX));
  EXPECT(is_small(TUPLET_KEY(GREEN), false, 7));
}

static void a_key_in_a_variable_keeps_its_parts() {
  const auto parts = TUPLET_KEY("users", 1, 2.5, true);
  const tuplet_key key = parts;
  EXPECT(key.part_count == 4);
  EXPECT(key.encoded.data == NULL);
  EXPECT(key.parts == parts.parts);
  const tuplet_selector selector = {&key, NULL, NULL};
  EXPECT(selector.prefix->part_count == 4);
  EXPECT(TUPLET_KEY_EMPTY.part_count == 0);
}

int main() {
  types_choose_parts();
  every_integer_is_a_bigint();
  a_key_in_a_variable_keeps_its_parts();
  return failure_count == 0 ? 0 : 1;
}
